//! Tests that the server checks citations: valid and planted ones, in members' answers and in the synthesis.

use serde_json::{Value, json};

use crate::support::Server;
use crate::support::provider::{Provider, on};
use crate::support::script::{analysis_path, answer_stream, server};

const LEASE_TEXT: &[u8] =
    b"The tenant pays a deposit of 900 euros.\x0CRepairs under 100 euros are the tenant's.";

fn citation_states(report: &Value) -> Vec<(String, String)> {
    let items = report["citations"]["items"]
        .as_array()
        .expect("citations")
        .iter();
    let of_answer = items.filter(|item| item["where"] == "synthesis");
    of_answer
        .map(|item| {
            (
                item["mark"].as_str().unwrap_or_default().to_owned(),
                item["state"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

#[test]
fn false_citations_are_struck_out_and_true_ones_lead_to_their_words() {
    let answer = "They say “a deposit of 900 euros” [D1:p1], “a deposit of 800 euros” [D1:p1], \
        “repairs under 100 euros” [D1:p1] and “no pets at all” [D4:p2].";
    let provider = Provider::script([on("one").sse(&answer_stream(answer))]);
    let server = server(&provider, &[]);
    let mut person = server.user("a@example.org");
    let lease = person
        .upload("/api/upload-document", "lease.txt", LEASE_TEXT)
        .json();
    let body = json!({"prompt": "What does the tenant pay?", "models": ["p/one"], "ultra_model": "p/one",
        "document_ids": [lease["id"]], "pattern": "summarize", "depth": "quick"});
    let analysis = person.post("/api/analyze", body).json();
    let id = analysis["analysis_id"].as_str().expect("an id").to_owned();
    let request = &provider.requests()[0].body;
    let system = request["messages"][0]["content"]
        .as_str()
        .expect("a text")
        .to_owned();
    assert!(
        system.contains("[D1:p1] lease.txt, page 1:") && system.contains("[D1:p2]"),
        "{system}"
    );
    let view = person.get(&analysis_path(&id, "")).json();
    let expected = [
        ("D1:p1", "verified"),
        ("D1:p1", "not_found"),
        ("D1:p1", "elsewhere"),
        ("D4:p2", "unknown"),
    ];
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(mark, state)| ((*mark).to_owned(), (*state).to_owned()))
        .collect();
    assert_eq!(citation_states(&view), expected, "{}", view["citations"]);
    let first = &view["citations"]["items"][0];
    let page = person
        .get(&format!(
            "/api/documents/{}/pages/{}",
            first["document_id"].as_str().expect("an id"),
            first["page"]
        ))
        .json();
    let (start, end) = (
        first["start"].as_u64().expect("a place") as usize,
        first["end"].as_u64().expect("a place") as usize,
    );
    assert_eq!(
        &page["text"].as_str().expect("a text")[start..end],
        "a deposit of 900 euros"
    );
    let exported = person
        .get(&analysis_path(&id, "/export?format=markdown"))
        .text();
    assert!(
        exported.contains("~~[D4:p2]~~") && exported.contains("✓"),
        "{exported}"
    );
}

#[test]
fn quotations_of_demo_models_are_verified() {
    let server = Server::with(&[("USE_MOCK", "true")]);
    let mut person = server.user("a@example.org");
    let lease = person
        .upload("/api/upload-document", "lease.txt", LEASE_TEXT)
        .json();
    let body = json!({"prompt": "What does the tenant pay as a deposit?", "models": ["demo/extract", "demo/phrases", "demo/sceptic"],
        "document_ids": [lease["id"]], "pattern": "critique", "depth": "full"});
    let analysis = person.post("/api/analyze", body).json();
    let view = person
        .get(&analysis_path(
            analysis["analysis_id"].as_str().expect("an id"),
            "",
        ))
        .json();
    let counts = &view["citations"]["counts"];
    assert!(counts["verified"].as_u64() > Some(3), "{counts}");
    for state in ["unknown", "not_found"] {
        assert_eq!(
            counts[state].as_u64().unwrap_or(0),
            0,
            "{state}: {}",
            view["citations"]
        );
    }
}

#[test]
fn shortened_quotations_list_omissions_and_page_breaks_are_crossed() {
    let lease = b"The landlord shall not enter without notice. Repairs are the\x0Ctenant's if they cost less than 100 euros.";
    let answer = "“The landlord shall … enter without notice” [D1:p1], “Repairs are the tenant's if they cost less” \
        [D1:p1-2], “[r]epairs are the tenant's” [D1:p2], and “less than 1,000 euros in all” [D1:p2].";
    let provider = Provider::script([on("one").sse(&answer_stream(answer))]);
    let server = server(&provider, &[]);
    let mut person = server.user("a@example.org");
    let document = person
        .upload("/api/upload-document", "lease.txt", lease)
        .json();
    let body = json!({"prompt": "What may the landlord do?", "models": ["p/one"], "ultra_model": "p/one",
        "document_ids": [document["id"]], "pattern": "summarize", "depth": "quick"});
    let analysis = person.post("/api/analyze", body).json();
    let id = analysis["analysis_id"].as_str().expect("an id").to_owned();
    let view = person.get(&analysis_path(&id, "")).json();
    let states: Vec<String> = citation_states(&view)
        .into_iter()
        .map(|(_, state)| state)
        .collect();
    assert_eq!(
        states,
        ["shortened", "verified", "verified", "not_found"],
        "{}",
        view["citations"]
    );
    let items = &view["citations"]["items"];
    assert_eq!(items[0]["left_out"], json!(["not"]));
    assert_eq!(items[1]["left_out"], json!([]));
    assert_eq!(items[1]["page"], 1);
    assert_eq!(
        items[1]["continued"],
        json!({"page": 2, "start": 0, "end": "tenant's if they cost less".len()})
    );
    assert_eq!(view["citations"]["counts"]["shortened"], 1);
    let exported = person
        .get(&analysis_path(&id, "/export?format=markdown"))
        .text();
    assert!(exported.contains("left out: “not”"), "{exported}");
}
