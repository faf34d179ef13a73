//! The findings of a result: computed when the run ends, stored, shown, and exported.

use serde_json::json;

use crate::support::provider::{Provider, on};
use crate::support::script::{about, ended, id_of, saying, server, short_with};

#[test]
fn a_result_says_where_the_members_differ_and_who_supports_what() {
    let review = "## On answer B\n1. claim: \"The paper is 5 mm thick\"\n   verdict: contradicted\n   evidence: 2 × 2 = 4 mm\n   fix: The paper is 4 mm thick\n\n## Missing from all\nNobody says what it weighs.";
    let synthesis = "## Answer\nThe paper is 4 mm thick (A).\n## Where the members agree\nNone found.\n## Contradictions\nNone found.\n## Points made by one only\n- It is grey (B).\n## Blind spots\n- Nobody names a maker.";
    let provider = Provider::script([
        on("a").sse(&saying("The paper is 4 mm thick.")),
        on("a").sse(&saying(review)),
        on("b").sse(&saying("The paper is 5 mm thick. It is grey.")),
        on("b").sse(&saying("## On answer A\nNothing to say.")),
        on("lead").sse(&saying(synthesis)),
    ]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let mut body = short_with(
        &["p/a", "p/b"],
        json!({ "async": true, "pattern": "critique", "depth": "standard" }),
    );
    body["ultra_model"] = json!("p/lead");
    let id = id_of(&client.post("/api/analyze", body));
    let shown = ended(&mut client, &id);
    let found = &shown["findings"];
    let one = &found["contradictions"][0];
    assert_eq!(one["sides"][0]["letters"], json!(["B"]), "{found}");
    assert_eq!(one["sides"][1]["letters"], json!(["A"]));
    assert_eq!(
        (&one["from"], &one["reviewers"]),
        (&json!("critique"), &json!(["A"]))
    );
    assert_eq!(found["support"][0]["letters"], json!(["A"]));
    assert_eq!(found["support"][0]["drafts"][0]["model"], "p/a");
    assert_eq!(found["support"][0]["level"], "low");
    assert_eq!(found["unique"][0]["letter"], "B");
    assert_eq!(found["consensus"], json!([]));
    assert_eq!(found["blind_spots"].as_array().map(Vec::len), Some(2));
    assert_eq!(found["disagreement"]["score"], 1.0);
    assert_eq!(found["stages"][0]["answered"], 2);
    assert!(
        found["note"]
            .as_str()
            .is_some_and(|note| note.contains("weak evidence"))
    );
    let timeline = shown["timeline"].as_array().unwrap();
    let first = &timeline[0];
    assert_eq!((timeline.len(), &first["stage"]), (5, &json!("initial")));
    assert_eq!(first["outcome"], "answered", "{first}");
    let last = &timeline[4];
    let written = (&last["stage"], &last["model"], &last["letter"]);
    assert_eq!(written, (&json!("ultra"), &json!("p/lead"), &json!(null)));
    assert!(last["offset_ms"].as_u64() >= first["offset_ms"].as_u64());
    assert!(shown["notes"].is_array() && shown["degraded"].is_null());
    let exported = client.get(&about(&id, "/export?format=markdown"));
    assert!(
        exported
            .text()
            .contains("### Contradictions that critiques show")
    );
}
