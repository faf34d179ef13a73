//! Tests the scores that evaluators give to known answers.

use super::*;
use serde_json::json;

fn case(expected: &str) -> Case {
    Case {
        expected: Some(expected.to_owned()),
        ..Case::default()
    }
}

#[test]
fn answers_get_the_score_that_they_should() {
    let of = |kind: Value| -> Evaluator { serde_json::from_value(kind).expect("an evaluator") };
    let tea = Case {
        prompt: "Which?\nA) tea\nB) black coffee".to_owned(),
        ..case("B")
    };
    for (answer, score) in [
        ("It is hot.\nAnswer: black coffee", 1.0),
        ("Answer: tea", 0.0),
        ("(B)", 1.0),
    ] {
        assert_eq!(Evaluator::Choice.score(&tea, answer), score, "{answer}");
    }
    let shape =
        json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}});
    let pages = json!({"kind": "regex", "pattern": "(?i)^yes, [0-9]+ pages"});
    for (kind, expected, answer, score) in [
        (json!({"kind": "exact"}), "Paris", " paris. ", 1.0),
        (json!({"kind": "exact"}), "Paris", "It is Paris", 0.0),
        (
            json!({"kind": "contains"}),
            "Paris",
            "It is PARIS, of course",
            1.0,
        ),
        (json!({"kind": "contains"}), "", "anything", 0.0),
        (
            json!({"kind": "number"}),
            "1,234.5",
            "about 12, no: 1234.5.",
            1.0,
        ),
        (json!({"kind": "number"}), "5", "it is -5", 0.0),
        (
            json!({"kind": "number", "absolute": 0.1}),
            "0.3",
            "pages 3-5: 0.35",
            1.0,
        ),
        (
            json!({"kind": "number", "relative": 0.01}),
            "6.02e23",
            "6.0e23",
            1.0,
        ),
        (
            json!({"kind": "number", "relative": 0.01}),
            "100",
            "98",
            0.0,
        ),
        (json!({"kind": "number"}), "5", "none", 0.0),
        (json!({"kind": "number"}), "5", "It is .5", 0.0),
        (json!({"kind": "number"}), "5", "Answer: - 5", 0.0),
        (
            json!({"kind": "number"}),
            "1200",
            "With 3 of 4.\nAnswer: $1.2k",
            1.0,
        ),
        (json!({"kind": "number"}), "1234.5", "Das sind 1.234,5", 1.0),
        (
            json!({"kind": "number"}),
            "3 hours",
            "Two trips.\n#### 180 minutes",
            1.0,
        ),
        (json!({"kind": "number"}), "0.5", "Answer: 50 %", 1.0),
        (json!({"kind": "number"}), "50", "50%", 1.0),
        (json!({"kind": "number"}), "5", "not 5", 0.0),
        (
            json!({"kind": "number"}),
            "5",
            "It is between 4 and 5.",
            0.0,
        ),
        (
            json!({"kind": "number"}),
            "5",
            "The answer is 5 (not 6).",
            1.0,
        ),
        (
            json!({"kind": "number"}),
            "18",
            "The answer is 18 (out of 20).",
            1.0,
        ),
        (
            json!({"kind": "number"}),
            "20",
            "The answer is 18 (out of 20).",
            0.0,
        ),
        (
            json!({"kind": "number"}),
            "17.6",
            "Answer: 18 (rounded from 17.6)",
            0.0,
        ),
        (
            json!({"kind": "number"}),
            "18",
            "The answer is 18 [1].",
            1.0,
        ),
        (json!({"kind": "number"}), "18", "It cannot be 18.", 0.0),
        (json!({"kind": "number"}), "18", "18? No.", 0.0),
        (
            json!({"kind": "number"}),
            "1200",
            "Es sind 1.200 Euro.",
            1.0,
        ),
        (
            json!({"kind": "number"}),
            "12",
            "Words that name its subject: 144, divided, 12.",
            0.0,
        ),
        (json!({"kind": "choice"}), "B", "Answer: B or C", 0.0),
        (json!({"kind": "choice"}), "B", "Option B seems wrong.", 0.0),
        (
            json!({"kind": "choice"}),
            "A",
            "A: correct? No, it is B.",
            0.0,
        ),
        (json!({"kind": "choice"}), "B", "Die Antwort ist B.", 1.0),
        (json!({"kind": "choice"}), "B", "Antwort: B", 1.0),
        (json!({"kind": "choice"}), "B", "答案是B", 1.0),
        (json!({"kind": "exact"}), "mg", "Mg", 0.0),
        (json!({"kind": "exact"}), "x", "X", 0.0),
        (json!({"kind": "exact"}), "US", "us", 0.0),
        (json!({"kind": "exact"}), "pH", "PH", 0.0),
        (json!({"kind": "exact"}), "5 Cal", "5 cal", 0.0),
        (json!({"kind": "exact"}), "5", "about 5", 0.0),
        (json!({"kind": "exact"}), "about 5", "≈ 5", 1.0),
        (json!({"kind": "exact"}), "(1,2)", "(1, 2).", 1.0),
        (json!({"kind": "exact"}), "No", "no.", 1.0),
        (json!({"kind": "exact"}), "b", "B", 1.0),
        (json!({"kind": "contains"}), "$5", "It costs $50", 0.0),
        (json!({"kind": "contains"}), "$5", "It costs $5.", 1.0),
        (json!({"kind": "contains"}), "lawful", "It is unlawful", 0.0),
        (json!({"kind": "contains"}), "5", "-5, 0.5, and 15", 0.0),
        (
            json!({"kind": "contains"}),
            "5",
            "It is 15 or 5, or so",
            1.0,
        ),
        (json!({"kind": "contains"}), "東京", "答えは東京です", 1.0),
        (json!({"kind": "exact"}), "5\"", "5'", 0.0),
        (json!({"kind": "exact"}), "(1,2)", "1.2", 0.0),
        (json!({"kind": "exact"}), "$1,200.00", "1200", 1.0),
        (json!({"kind": "exact"}), "2026-04-03", "3. April 2026", 1.0),
        (json!({"kind": "exact"}), "No. 5", "no", 0.0),
        (json!({"kind": "exact"}), "5", "5 km", 0.0),
        (pages.clone(), "", "Yes, 40 pages", 1.0),
        (pages, "", "No", 0.0),
        (json!({"kind": "regex"}), "^a+$", "aaa", 1.0),
        (
            json!({"kind": "schema", "schema": shape}),
            "",
            "Here: {\"a\": 3}",
            1.0,
        ),
        (
            json!({"kind": "schema", "schema": shape}),
            "",
            "{\"a\": \"3\"}",
            0.0,
        ),
        (json!({"kind": "choice"}), "B", "The answer is B.", 1.0),
        (
            json!({"kind": "choice"}),
            "b",
            "A is wrong. Final answer: (B)",
            1.0,
        ),
        (json!({"kind": "choice"}), "B", "B) because", 1.0),
        (
            json!({"kind": "choice"}),
            "A",
            "A good question, and I do not know",
            0.0,
        ),
        (
            json!({"kind": "likeness"}),
            "the cat sat",
            "The cat sat!",
            1.0,
        ),
        (json!({"kind": "likeness"}), "a b c d", "a x c y", 0.5),
        (json!({"kind": "likeness"}), "a b", "", 0.0),
    ] {
        let ours = of(kind.clone()).score(&case(expected), answer);
        assert!(
            (ours - score).abs() < 1e-12,
            "{kind} {expected:?} {answer:?}: {ours}"
        );
    }
}

#[test]
fn unusable_evaluators_are_rejected() {
    let bad = Evaluator::Regex {
        pattern: Some("(".to_owned()),
    };
    assert!(bad.check(&[]).is_err());
    let large = Evaluator::Regex {
        pattern: Some("(a{500}){500}".to_owned()),
    };
    assert!(large.check(&[]).is_err());
    assert!(
        Evaluator::Schema {
            schema: json!({"type": "string"}),
            compiled: Compiled::default(),
        }
        .check(&[])
        .is_err()
    );
    assert!(
        Evaluator::Exact
            .check(&[case("a"), Case::default()])
            .is_err()
    );
    assert!(
        Evaluator::Number {
            absolute: 0.0,
            relative: 0.0
        }
        .check(&[case("none")])
        .is_err()
    );
    assert!(Evaluator::Choice.check(&[case("Paris, France")]).is_err());
    assert!(Evaluator::Choice.check(&[case("C")]).is_ok());
    assert!(
        Evaluator::Regex { pattern: None }
            .check(&[case("[")])
            .is_err()
    );
}
