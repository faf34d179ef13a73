//! Runs the README's commands for `quire` and `curl` in order, with a separate server and data folder. For commands
//! that require root, Docker, or a release build, only the shell syntax and the files that they name are checked.

use std::path::Path;
use std::process::Command;

use crate::manual::{code_blocks, commands, texts};
use crate::{Running, Workspace};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn readme() -> String {
    texts().swap_remove(0).1
}

/// Returns a workspace with the README's example files and `bin/quire`.
fn readme_workspace() -> Workspace {
    let workspace = Workspace::new();
    let experiments = texts()
        .into_iter()
        .find(|(name, _)| name == "experiments")
        .unwrap()
        .1;
    let write = |name: &str, text: &str| std::fs::write(workspace.0.join(name), text).unwrap();
    write(
        "report.md",
        "The lock leaks. The water board repairs it each spring.\n",
    );
    write("questions.csv", &code_blocks(&experiments, "csv")[0]);
    write("sums.toml", &code_blocks(&experiments, "toml")[0]);
    std::fs::create_dir(workspace.0.join("bin")).unwrap();
    let program = env!("CARGO_BIN_EXE_quire");
    std::os::unix::fs::symlink(program, workspace.0.join("bin/quire")).unwrap();
    workspace
}

/// Runs a script in the README's environment. Fails if any command in it fails.
fn run_script(workspace: &Workspace, script: &str) -> String {
    let system = std::env::var("PATH").unwrap();
    let mut command = workspace.quire(&[]);
    let envs: Vec<_> = command
        .get_envs()
        .map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned)))
        .collect();
    command = Command::new("sh");
    command
        .args(["-ec", script])
        .current_dir(&workspace.0)
        .env_clear();
    command.envs(
        envs.into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    command
        .env(
            "PATH",
            format!("{}:{system}", workspace.0.join("bin").display()),
        )
        .env("PORT", "0");
    let output = command.output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{script}\n{out}\n{err}");
    out.into_owned()
}

#[test]
fn readme_is_short() {
    let lines = readme().lines().count();
    assert!(lines <= 200, "{lines} lines");
}

#[test]
fn commands_next_to_a_server_work() {
    let workspace = readme_workspace();
    let server = Running::start(workspace.quire(&["serve", "--port", "0"]));
    let has_curl = Command::new("curl").arg("--version").output().is_ok();
    if !has_curl {
        eprintln!("curl is not installed: README's curl lines are not run");
    }
    let lines: Vec<String> = code_blocks(&readme(), "sh")
        .iter()
        .flat_map(|block| commands(block))
        .collect();
    let quire_lines = lines.iter().filter(|line| {
        line.starts_with("quire ")
            || line.starts_with("export QUIRE")
            || (has_curl && line.starts_with("curl "))
    });
    let script: Vec<String> = quire_lines
        .map(|line| {
            line.replace("127.0.0.1:8080", &server.address)
                .replace("curl -s", "curl -sf")
        })
        .collect();
    assert!(script.len() >= 3, "{script:?}");
    let out = run_script(&workspace, &script.join("\n"));
    assert!(out.contains("water board"), "{out}");
    assert!(!has_curl || out.contains("\"chat.completion\""), "{out}");
}

#[test]
fn commands_of_the_table_work() {
    let workspace = readme_workspace();
    let readme = readme();
    let rows = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `quire ")?.split('`').next());
    let rows: Vec<&str> = rows.collect();
    assert_eq!(rows.len(), 10, "{rows:?}");
    run_script(&workspace, "quire user add root@example.org --admin");
    // `quire serve` has already been run above.
    for row in rows.iter().filter(|row| **row != "serve") {
        run_script(&workspace, &format!("quire {row}"));
    }
    run_script(
        &workspace,
        "quire help; quire help money; quire help providers; quire help hosts",
    );
}

#[test]
fn other_commands_are_valid_and_name_existing_targets() {
    for block in code_blocks(&readme(), "sh") {
        let read = Command::new("sh").args(["-nc", &block]).output().unwrap();
        assert!(read.status.success(), "{block}\n{read:?}");
    }
    let makefile = std::fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
    for line in code_blocks(&readme(), "sh")
        .iter()
        .flat_map(|block| commands(block))
    {
        let known = ["make", "quire", "curl", "export", "docker", "sudo"];
        let words: Vec<&str> = line
            .split_whitespace()
            .skip_while(|word| word.contains("_KEY=") || word.contains("_URL="))
            .collect();
        assert!(known.contains(&words[0]), "who checks {line:?}?");
        if words[0] == "make" {
            assert!(makefile.contains(&format!("\n{}:", words[1])), "{line}");
        }
    }
    let readme = readme();
    for file in readme
        .split("](")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap())
    {
        assert!(
            Path::new(ROOT).join(file).exists(),
            "README links to {file}"
        );
    }
    assert!(Path::new(ROOT).join("Dockerfile").exists());
}
