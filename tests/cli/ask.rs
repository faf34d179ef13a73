//! Tests `quire ask` in scripts, shell completions, and man pages.

use super::Workspace;

#[test]
fn a_question_comes_from_stdin_and_quiet_says_nothing() {
    let workspace = Workspace::new();
    let args = [
        "ask",
        "--quiet",
        "--panel",
        "demo/extract",
        "--depth",
        "quick",
    ];
    for args in [
        &args[..],
        &["ask", "-", "--quiet", "--panel", "demo/extract"],
    ] {
        let answer = workspace
            .run_with(args, "What is a covenant?\n")
            .expect_success();
        assert!(!answer.trim().is_empty() && !answer.contains('\x1b'));
    }
    let err = workspace.run_with(&args, " \n").expect_refusal(2);
    assert!(err.contains("ask needs a question"), "{err}");
}

#[test]
fn a_document_comes_from_stdin() {
    let workspace = Workspace::new();
    let args = [
        "ask",
        "Who repairs the lock?",
        "--file",
        "-",
        "--panel",
        "demo/extract",
        "--quiet",
        "--json",
    ];
    let text = "The lock of the north canal is repaired by the water board each spring.\n";
    let answer = workspace.run_with(&args, text).expect_success();
    let result: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(result["status"], "completed");
    assert!(answer.contains("water board"), "{answer}");
    let err = workspace
        .run(&["ask", "-", "--file", "-"])
        .expect_refusal(2);
    assert!(err.contains("both the question and a document"), "{err}");
}

#[test]
fn shells_accept_the_printed_completions() {
    let workspace = Workspace::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = workspace.run(&["completions", shell]).expect_success();
        let is_there = std::process::Command::new(shell)
            .args(["-c", "exit"])
            .status()
            .is_ok();
        if !is_there {
            continue;
        }
        let file = workspace.0.join(shell);
        std::fs::write(&file, script).unwrap();
        let shell_status = std::process::Command::new(shell)
            .arg("-n")
            .arg(&file)
            .output()
            .unwrap();
        assert!(shell_status.status.success(), "{shell}: {shell_status:?}");
    }
    let request = "source ./bash; COMP_WORDS=(quire patterns ch); COMP_CWORD=2; _quire; \
                 echo ${COMPREPLY[@]}; COMP_WORDS=(quire ask --qu); _quire; echo ${COMPREPLY[@]}";
    let output_text = std::process::Command::new("bash")
        .args(["-c", request])
        .current_dir(&workspace.0)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output_text.stdout),
        "check\n--quiet\n"
    );
    let err = workspace.run(&["completions", "tcsh"]).expect_refusal(2);
    assert!(err.contains("bash, zsh, or fish"), "{err}");
    assert!(
        workspace
            .run(&["man"])
            .expect_success()
            .starts_with(".TH QUIRE 1")
    );
}

#[test]
fn a_cited_page_is_listed_once() {
    let workspace = Workspace::new();
    let sentences = [
        "The lock of the mill leaks each spring.",
        "The water board repairs the lock of the mill.",
        "The risks of the lock are a flood and a dry mill.",
        "The lock of the mill was built of oak.",
        "The risks of the mill are fire and flood.",
    ];
    let text: String = sentences
        .iter()
        .map(|sentence| {
            format!(
                "{sentence} {}\n\n",
                "Nothing else happens there. ".repeat(40)
            )
        })
        .collect();
    std::fs::write(workspace.0.join("mill.md"), text).unwrap();
    let args = ["ask", "What are the risks of the lock?", "-f", "mill.md"];
    let output = workspace.run(&args);
    let cited_line = output
        .stdout
        .lines()
        .find(|line| line.starts_with("*Cited:"));
    let cited_line = cited_line.unwrap_or_else(|| panic!("{output:?}"));
    assert_eq!(
        cited_line.matches("mill.md, p. 1").count(),
        1,
        "{cited_line}"
    );
}
