//! Tests `quire ask` without an account, and questions that are refused.

use super::Workspace;

#[test]
fn a_question_is_answered_without_an_account_and_nothing_stays() {
    let workspace = Workspace::new();
    let document = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/documents/gpl-3.txt"
    );
    let question = "What must be done to convey modified source versions?";
    let args = [
        "ask",
        question,
        "--file",
        document,
        "--pattern",
        "summarize",
        "--models",
        "demo/extract",
        "--json",
    ];
    let output = workspace.run(&args);
    assert_eq!(output.code, Some(0), "{output:?}");
    let result: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(result["status"], "completed", "{result}");
    assert!(
        output.err.contains("demo/extract answered"),
        "{}",
        output.err
    );
    assert!(
        output.err.contains("this run is not stored"),
        "{}",
        output.err
    );
    assert!(!workspace.data_folder().exists());
}

#[test]
fn invalid_questions_are_refused() {
    let workspace = Workspace::new();
    workspace.run(&["user", "add", "a@b.co"]).expect_success();
    for (words, code, why) in [
        (
            &["ask", "q", "--models", "nobody/nothing"][..],
            2,
            "nobody/nothing",
        ),
        (
            &["ask", "q", "--pattern", "nonsense"],
            2,
            "must be one of analyze, cascade, compare, confidence",
        ),
        (
            &["ask", "q", "--file", "nowhere.txt"],
            1,
            "cannot read nowhere.txt",
        ),
        (
            &["ask", "q", "--as", "b@b.co"],
            1,
            "no account with the email address b@b.co",
        ),
        (&["ask", ""], 2, "the question is empty"),
        (
            &["ask", "q", "--pattern", "confidense"],
            2,
            "--pattern: there is no pattern \"confidense\"; did you mean confidence?",
        ),
        (
            &["ask", "q", "-m", "demo/extrakt"],
            2,
            "--panel: no model is called \"demo/extrakt\"; did you mean demo/extract?",
        ),
        (
            &["ask", "q", "-m", "gpt-4o"],
            2,
            "set OPENAI_API_KEY, or add the key with quire provider add openai",
        ),
        (
            &["ask", "q", "--parameter", "temperature=9"],
            2,
            "--parameter temperature: ",
        ),
        (&["ask", "q", "--preset", "nonsense"], 2, "--preset: "),
        (&["ask", "q", "--document", "x"], 2, "--document: "),
        (&["history", "show", "x"], 2, "is not a thread ID"),
    ] {
        let err = workspace.run(words).expect_refusal(code);
        assert!(err.contains(why), "{words:?}: {err}");
        assert!(!err.contains("body."), "{words:?}: {err}");
    }
    workspace.run(&["ask"]).expect_refusal(2);
}
