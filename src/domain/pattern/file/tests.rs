//! Tests with valid and invalid pattern files.

use serde_json::json;

use super::*;

fn valid_pattern() -> Value {
    json!({ "id": "legal", "name": "Legal", "stages": [
        { "name": "initial", "prompt": "{sources}\n{question}" },
        { "name": "check", "prompt": "{peers}" },
        { "name": "mend", "prompt": "{own_initial} {reviews}" },
        { "name": "ultra", "prompt": "{peers}" },
    ] })
}

#[test]
fn omitted_fields_get_defaults() {
    let pattern = parse_pattern(&valid_pattern()).expect("a pattern");
    let flow: Vec<(StageRole, Task)> = pattern
        .stages
        .iter()
        .map(|stage| (stage.role, stage.task))
        .collect();
    assert_eq!(
        flow,
        [
            (StageRole::Members, Task::Answer),
            (StageRole::Members, Task::Review),
            (StageRole::Members, Task::Revise),
            (StageRole::Synthesizer, Task::Synthesize),
        ]
    );
    assert_eq!((pattern.panel, pattern.category.as_str()), ((2, 4), "Own"));
    assert_eq!(warnings(&pattern)[0].location, "stages.3.prompt");
}

#[test]
fn errors_name_location_and_cause() {
    let long = "x".repeat(MAX_PROMPT + 1);
    let stage = |name: &str, prompt: &str| json!({ "name": name, "prompt": prompt });
    for (pointer, value, place, words) in [
        ("/id", json!("Legal"), "id", "lowercase"),
        ("/id", json!("x"), "id", "2 to 40"),
        ("/id", json!("-x"), "id", "start with"),
        ("/id", json!("check"), "id", "not be suggest or check"),
        ("/id", json!(7), "id", "must be a string"),
        ("/name", json!(" "), "name", "must not be empty"),
        ("/colour", json!(1), "colour", "is unknown"),
        ("/panel", json!([3, 2]), "panel", "two numbers"),
        ("/panel", json!([1, 17]), "panel", "two numbers"),
        (
            "/complexity",
            json!("huge"),
            "complexity",
            "low, medium or high",
        ),
        ("/arrangement", json!("circle"), "arrangement", "staged"),
        ("/arrangement", json!("single"), "stages", "one stage"),
        ("/arrangement", json!("cascade"), "stages", "two stages"),
        ("/use_cases", json!([1]), "use_cases", "a list of"),
        ("/stages", json!([]), "stages", "no stages"),
        ("/stages", json!("x"), "stages", "a list"),
        (
            "/stages",
            json!(vec![stage("a", "x"); 7]),
            "stages",
            "at most 6",
        ),
        ("/stages/0", json!(3), "stages.0", "an object"),
        (
            "/stages/0/prompt",
            json!("{sources}"),
            "stages.0.prompt",
            "{question}",
        ),
        (
            "/stages/0/prompt",
            json!("{question}{peers}"),
            "stages.0.prompt",
            "must not see",
        ),
        ("/stages/0/prompt", json!(long), "stages.0.prompt", "20000"),
        (
            "/stages/1/prompt",
            json!("{pears}"),
            "stages.1.prompt",
            "unknown placeholder {pears}; the available ones are {question}",
        ),
        (
            "/stages/1/name",
            json!("initial"),
            "stages.1.name",
            "same name",
        ),
        (
            "/stages/1/name",
            json!("Check it"),
            "stages.1.name",
            "lowercase",
        ),
        (
            "/stages/1/who",
            json!("all"),
            "stages.1.who",
            "members, synthesiser",
        ),
        (
            "/stages/1/who",
            json!("synthesiser"),
            "stages.1.who",
            "before the last",
        ),
        (
            "/stages/1/tasks",
            json!("x"),
            "stages.1.tasks",
            "is unknown",
        ),
        (
            "/stages/3/who",
            json!("members"),
            "stages.3.who",
            "the last stage",
        ),
        (
            "/stages/3/prompt",
            json!("{question}"),
            "stages.3.prompt",
            "{peers}",
        ),
    ] {
        let mut tree = valid_pattern();
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        let parent = tree.pointer_mut(parent).expect(pointer);
        match parent {
            Value::Array(list) => list[name.parse::<usize>().expect(pointer)] = value,
            other => other[name] = value,
        }
        let errors = parse_pattern(&tree).err().unwrap_or_default();
        let fits = |error: &PatternError| error.location == place && error.message.contains(words);
        assert!(errors.iter().any(fits), "{pointer}: {errors:?}");
    }
    assert!(parse_pattern(&json!([])).is_err());
    assert!(
        parse_pattern(&json!({}))
            .err()
            .is_some_and(|errors| errors.len() >= 3)
    );
}
