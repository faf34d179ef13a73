//! Tests patterns on the command line: they are listed, shown, and checked, and every problem is reported with its
//! position.

use crate::Workspace;

const VALID_PATTERN: &str = "id = \"mine\"\nname = \"Mine\"\n[[stages]]\nname = \"initial\"\nprompt = \"{question}\"\n[[stages]]\nname = \"ultra\"\nprompt = \"{peers}\"\n";

#[test]
fn patterns_are_listed_shown_and_checked() {
    let workspace = Workspace::new();
    let output = workspace.run(&["patterns", "list"]);
    assert_eq!(output.code, Some(0), "{}", output.err);
    for id in ["critique", "fact_check", "stakeholder"] {
        assert!(output.stdout.contains(id), "{id}: {}", output.stdout);
    }
    assert!(!workspace.data_folder().exists(), "looking makes nothing");
    let result = workspace.run(&["patterns", "show", "critique"]);
    assert!(
        result.stdout.contains("verdict: supported | contradicted"),
        "{}",
        result.stdout
    );

    // The output of `--json` is a valid pattern file.
    let file = workspace.0.join("copy.json");
    let copy = workspace
        .run(&["patterns", "show", "critique", "--json"])
        .stdout;
    std::fs::write(&file, copy).unwrap();
    let checked = workspace.run(&["patterns", "check", "copy.json"]);
    assert_eq!(
        (checked.code, checked.err.as_str()),
        (Some(0), ""),
        "{}",
        checked.stdout
    );
    assert!(
        checked.stdout.contains("valid, id critique, 4 stages"),
        "{}",
        checked.stdout
    );

    std::fs::write(workspace.0.join("a.toml"), VALID_PATTERN).unwrap();
    std::fs::write(
        workspace.0.join("b.toml"),
        VALID_PATTERN.replace("{question}", "{qestion}"),
    )
    .unwrap();
    let checked = workspace.run(&["patterns", "check", "a.toml", "b.toml"]);
    assert_eq!(checked.code, Some(1));
    assert!(
        checked
            .stdout
            .contains("b.toml: line 5: stages.0.prompt: unknown placeholder {qestion}"),
        "{}",
        checked.stdout
    );
    assert!(
        checked
            .err
            .contains("a.toml: line 8: stages.1.prompt: does not ask for ## Answer"),
        "{}",
        checked.err
    );
}

#[test]
fn patterns_in_the_data_folder_are_listed_and_invalid_ones_reported() {
    let workspace = Workspace::new();
    let folder = workspace.data_folder().join("patterns");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("mine.toml"), VALID_PATTERN).unwrap();
    std::fs::write(folder.join("bad.toml"), "id = \"bad").unwrap();
    let output = workspace.run(&["patterns"]);
    assert_eq!(output.code, Some(0));
    assert!(
        output
            .stdout
            .lines()
            .any(|line| line.starts_with("mine ") && line.ends_with("the folder")),
        "{}",
        output.stdout
    );
    assert!(
        output
            .err
            .contains("bad.toml: line 1: invalid basic string"),
        "{}",
        output.err
    );
    let requests = workspace.run(&["ask", "What is a quire?", "--pattern", "mine"]);
    assert_eq!(requests.code, Some(0), "{}", requests.err);
    for (words, why) in [
        (&["patterns", "show", "nobody"][..], "no pattern \"nobody\""),
        (&["patterns", "show"], "the pattern's ID is missing"),
        (&["patterns", "check"], "needs a file"),
        (&["patterns", "bake"], "no action `bake`"),
        (&["patterns", "check", "nowhere.toml"], "is invalid"),
    ] {
        let command_output = workspace.run(words);
        assert!(
            command_output.code > Some(0) && command_output.err.contains(why),
            "{words:?}: {}",
            command_output.err
        );
    }
}

#[test]
fn the_doctor_says_which_patterns_are_left_out() {
    let workspace = Workspace::new();
    let folder = workspace.data_folder().join("patterns");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("mine.toml"), VALID_PATTERN).unwrap();
    std::fs::write(folder.join("bad.toml"), "id = \"bad").unwrap();
    let output = workspace.run(&["doctor", "--port", "0"]);
    let text = format!("{}{}", output.stdout, output.err);
    assert!(text.contains("the patterns folder contains one"), "{text}");
    assert!(text.contains("bad.toml: line 1"), "{text}");
}
