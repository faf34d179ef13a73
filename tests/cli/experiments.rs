//! Tests `quire experiment` from the file to the leaderboard, with the demo models and without a server.

use crate::Workspace;

const EXPERIMENT_FILE: &str = r#"
name = "Signs"
cases_file = "questions.csv"

[base.parameters]
max_tokens = 60

[evaluator]
kind = "regex"
pattern = "(?i)question"

[[space]]
dial = "model"
values = ["demo/phrases", "demo/sceptic"]
"#;

fn write_experiment_files(workspace: &Workspace) {
    let mut cases = String::from("question,id\n");
    for n in 0..6 {
        cases += &format!("\"Is house {n}, the old one, worth it?\",{n}\n");
    }
    std::fs::write(workspace.0.join("questions.csv"), cases).unwrap();
    std::fs::write(workspace.0.join("signs.toml"), EXPERIMENT_FILE).unwrap();
}

#[test]
fn an_experiment_prints_its_estimate_and_result() {
    let workspace = Workspace::new();
    write_experiment_files(&workspace);
    let response = workspace.run(&["experiment", "run", "signs.toml", "--estimate", "--json"]);
    assert_eq!(response.code, Some(0), "{response:?}");
    let estimate: serde_json::Value = serde_json::from_str(&response.stdout).unwrap();
    assert_eq!(
        (&estimate["arms"], &estimate["cases"]),
        (&2.into(), &6.into())
    );
    assert!(
        response.err.contains("McNemar's exact test"),
        "{response:?}"
    );
    assert!(response.err.contains("unused columns: id"), "{response:?}");

    let output = workspace.run(&[
        "experiment",
        "run",
        "signs.toml",
        "--evaluations",
        "30",
        "--out",
        "found.csv",
    ]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        output.stdout.contains("# Signs") && output.stdout.contains("## Leaderboard"),
        "{output:?}"
    );
    assert!(
        output.err.contains("2 configurations, 6 cases"),
        "{output:?}"
    );
    let sheet = std::fs::read_to_string(workspace.0.join("found.csv")).unwrap();
    assert!(sheet.lines().count() > 4, "{sheet}");
}

#[test]
fn experiment_file_errors_name_their_location() {
    let workspace = Workspace::new();
    write_experiment_files(&workspace);
    for (name, text, words) in [
        ("a.toml", "name = ", "line 1"),
        ("b.toml", "cases_file = \"nowhere.csv\"", "nowhere.csv"),
        ("c.json", "{\"cases\": [], \"mood\": 1}", "mood"),
        (
            "d.json",
            "{\"cases\": [{\"prompt\": \"a\"}], \"space\": [], \"evaluator\": {\"kind\": \"exact\"}}",
            "the expected answer is missing",
        ),
    ] {
        std::fs::write(workspace.0.join(name), text).unwrap();
        let output = workspace.run(&["experiment", "run", name]);
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.err.contains(words), "{name}: {output:?}");
    }
    for words in [
        &["experiment"][..],
        &["experiment", "run"],
        &["experiment", "show", "x"],
        &["experiment", "run", "signs.toml", "--budget", "much"],
    ] {
        assert_eq!(workspace.run(words).code, Some(2), "{words:?}");
    }
}
