//! Tests the command line on a terminal of 80 columns (created with `script` from bsdutils), in a pipe, and with
//! NO_COLOR. Also tests the output of plain `quire` and the default data folder.

use std::process::Command;

use super::{CommandOutput, Running, Workspace};

/// Runs a command on a terminal of 80 columns and returns its output.
fn run_on_terminal(workspace: &Workspace, line: &str, environment: &[(&str, &str)]) -> String {
    let own = workspace.quire(&[]);
    let shell = format!("stty cols 80 rows 24; {line}");
    let mut command = Command::new("script");
    command
        .args(["-q", "-e", "-c", &shell, "/dev/null"])
        .env_clear();
    command.envs(
        own.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_quire"))
        .parent()
        .unwrap();
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", program.display()));
    command.env("SHELL", "/bin/sh").current_dir(&workspace.0);
    command.envs(environment.iter().copied());
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{line}: {text}");
    text.replace("\r\n", "\n")
}

/// Returns the width of a line in columns. Escape sequences do not count.
fn line_width(line: &str) -> usize {
    let mut count = 0;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\x1b' => while letters.next().is_some_and(|c| !c.is_ascii_alphabetic()) {},
            letter if letter.is_control() => {}
            _ => count += 1,
        }
    }
    count
}

#[test]
fn all_output_fits_80_columns() {
    let workspace = Workspace::new();
    workspace
        .run(&[
            "user",
            "add",
            "ada.lovelace-of-the-long-address@example.org",
            "--admin",
        ])
        .expect_success();
    workspace
        .run(&[
            "key",
            "add",
            "ada.lovelace-of-the-long-address@example.org",
            "--name",
            &"long ".repeat(18),
        ])
        .expect_success();
    let question = "Is it so that a very long question is cut where the terminal ends, or not?";
    workspace
        .run(&["ask", question, "-m", "demo/extract", "-q"])
        .expect_success();
    for line in [
        "quire --help",
        "quire help ask",
        "quire ask --nonsense --help",
        "quire user list",
        "quire key list ada.lovelace-of-the-long-address@example.org",
        "quire models",
        "quire patterns",
        "quire documents",
        "quire history",
        "quire usage",
        "quire provider list",
        "quire version",
        "quire doctor --port 0",
        "quire patterns show critique",
        "quire experiment example",
        "quire experiment list",
        "quire ask 'What is *paper* made of?' -m demo/extract",
    ] {
        for colors in [&[][..], &[("NO_COLOR", "1")]] {
            let text = run_on_terminal(&workspace, line, colors);
            let wide: Vec<&str> = text.lines().filter(|line| line_width(line) > 80).collect();
            assert!(wide.is_empty(), "{line}: {wide:?}");
            let is_styled = ["\x1b[1m", "\x1b[3m", "\x1b[36m"]
                .iter()
                .any(|code| text.contains(code));
            assert!(colors.is_empty() || !is_styled, "{line}: {text:?}");
        }
    }
}

#[test]
fn the_answer_comes_before_the_summary() {
    let workspace = Workspace::new();
    let text = run_on_terminal(
        &workspace,
        "quire ask 'What is a quire of paper?' -m demo/extract",
        &[],
    );
    let (_, after) = text
        .split_once("Blind spots")
        .expect("the answer's last part");
    assert!(after.contains(" s, $"), "{text}");
    assert_eq!(text.matches(" s, $").count(), 1, "{text}");
}

#[test]
fn lists_have_a_header_and_json_and_say_when_they_are_empty() {
    let workspace = Workspace::new();
    workspace.run(&["user", "add", "a@b.co"]).expect_success();
    for (words, empty) in [
        (&["key", "list", "a@b.co"][..], "No API keys yet."),
        (&["provider", "list"], "No providers have been added."),
        (&["documents", "list"], "No documents yet."),
        (&["history", "list"], "No threads yet."),
        (&["experiment", "list"], "No experiments yet."),
        (&["usage"], "No usage"),
        (&["orphans", "list"], "No file was moved aside."),
    ] {
        let text = workspace.run(words).expect_success();
        assert!(text.starts_with(empty), "{words:?}: {text}");
        let json = workspace
            .run(&[words, &["--json"]].concat())
            .expect_success();
        assert!(json.trim_start().starts_with('{'), "{words:?}: {json}");
    }
    for words in [&["user", "list"][..], &["models"], &["patterns", "list"]] {
        let text = workspace.run(words).expect_success();
        let header = text.lines().next().unwrap();
        assert_eq!(header, header.to_uppercase(), "{words:?}");
        let json = workspace
            .run(&[words, &["--json"]].concat())
            .expect_success();
        assert!(
            json.trim_start().starts_with(['{', '[']),
            "{words:?}: {json}"
        );
    }
    let output = workspace.run(&["user", "list"]).expect_success();
    assert!(
        output.contains("just now") && output.contains("never"),
        "{output}"
    );
}

#[test]
fn quire_without_arguments_prints_four_lines() {
    let workspace = Workspace::new();
    let mut server = Running::start({
        let mut command = workspace.quire(&[]);
        command
            .env("PORT", "0")
            .env("HOST", "127.0.0.1")
            .env("USE_MOCK", "true")
            .env("DISCOVER_LOCAL", "false");
        command
    });
    let mut lines = Vec::new();
    while lines.len() < 3 {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut server.stdout, &mut line).unwrap();
        lines.push(line);
    }
    let data = workspace.data_folder().display().to_string();
    assert!(lines[0].starts_with("There is no account yet"), "{lines:?}");
    assert!(lines[1].contains(&data), "{lines:?}");
    assert!(
        lines[2].contains("demo models are ready") && lines[2].contains("OPENAI_API_KEY"),
        "{lines:?}"
    );
    // If a server is running, plain `quire` prints the same lines about that server.
    workspace
        .run(&["user", "add", "ada@example.com", "--admin"])
        .expect_success();
    let mut command = workspace.quire(&[]);
    command
        .env("DISCOVER_LOCAL", "false")
        .env("USE_MOCK", "true");
    let text = CommandOutput::from_output(command.output().unwrap()).expect_success();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(
        lines[0],
        format!("Quire is listening on http://{}", server.address)
    );
    assert!(
        lines[1].contains(&data) && lines[2].contains("Sign in at http://"),
        "{text}"
    );
    assert!(lines[3].contains("demo models are ready"), "{text}");
    // Links contain the address of the running server.
    let link = workspace.run(&["user", "invite", "b@b.co"]).stdout;
    assert!(
        link.starts_with(&format!("http://{}/login?invite=", server.address)),
        "{link}"
    );
}

#[test]
fn data_is_kept_where_the_platform_keeps_it() {
    let workspace = Workspace::new();
    let home = workspace.0.join("home");
    let add = |words: &[&str], environment: &[(&str, &str)]| {
        let mut command = workspace.quire(words);
        command.env_remove("QUIRE_DATA").env("HOME", &home);
        command.envs(environment.iter().copied());
        CommandOutput::from_output(command.output().unwrap()).expect_success();
    };
    add(&["user", "add", "a@b.co"], &[]);
    assert!(home.join(".local/share/quire/quire.db").exists());
    let other = workspace.0.join("xdg");
    add(
        &["user", "add", "a@b.co"],
        &[("XDG_DATA_HOME", other.to_str().unwrap())],
    );
    assert!(other.join("quire/quire.db").exists());
    // The data folder of an earlier version is still used.
    std::fs::create_dir(workspace.0.join("quire-data")).unwrap();
    add(&["user", "add", "a@b.co"], &[]);
    assert!(workspace.0.join("quire-data/quire.db").exists());
}

#[test]
fn an_unusable_data_folder_error_names_the_setting() {
    let workspace = Workspace::new();
    std::fs::write(workspace.0.join("file"), "x").unwrap();
    for folder in ["file", "file/below", "/proc/nowhere", "/sys/quire"] {
        let mut command = workspace.quire(&["serve", "--port", "0"]);
        command.env("QUIRE_DATA", folder);
        let error = CommandOutput::from_output(command.output().unwrap()).expect_refusal(1);
        assert!(
            error.contains(folder) && error.contains("--data or QUIRE_DATA"),
            "{folder}: {error}"
        );
    }
}

#[test]
fn a_misspelled_setting_is_reported() {
    let workspace = Workspace::new();
    let mut command = workspace.quire(&["models"]);
    command.env("OPENAI_KEY", "sk-0123456789abcdef");
    let said = CommandOutput::from_output(command.output().unwrap());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.err.contains("did you mean OPENAI_API_KEY?"),
        "{said:?}"
    );
    assert!(!said.err.contains("sk-0123"), "{said:?}");
}
