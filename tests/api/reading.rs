//! Tests the context modes of documents: how much of the documents each member reads, and documents that are read in
//! parts.

use serde_json::{Value, json};

use crate::support::Server;
use crate::support::provider::{Provider, on};
use crate::support::script;

/// Returns a text that consists of this many numbered paragraphs.
fn long_text(paragraphs: usize) -> String {
    (1..=paragraphs)
        .map(|number| {
            format!("Clause {number} of the agreement says that party {number} owes {number}7 crowns. {}\n\n", "The rest of it repeats what was said before. ".repeat(8))
        })
        .collect()
}

fn ask_body(documents: &[&Value], reading: &str, models: &[&str]) -> Value {
    json!({
        "prompt": "What does party 3 owe?", "models": models, "document_ids": documents, "reading": reading,
        "pattern": "critique", "depth": "full",
    })
}

#[test]
fn document_shares_are_reported_before_any_cost() {
    let server = Server::with(&[("USE_MOCK", "true")]);
    let mut person = server.user("a@example.org");
    let short = person
        .upload(
            "/api/upload-document",
            "short.txt",
            long_text(20).as_bytes(),
        )
        .json();
    let big = person
        .upload("/api/upload-document", "big.txt", long_text(600).as_bytes())
        .json();
    let models = ["demo/extract", "demo/phrases"];
    for (document, reading, fit, parts) in [
        (&short, "auto", "whole", false),
        (&big, "auto", "passages", false),
        (&big, "whole", "whole", false),
        (&big, "passages", "passages", false),
        (&big, "parts", "parts", true),
        (&short, "parts", "whole", false),
    ] {
        let body = ask_body(&[&document["id"]], reading, &models);
        let response = person.post("/api/estimate", body).json();
        let members = response["members"].as_array().expect("members");
        assert_eq!(members.len(), 3, "{response}");
        for member in members {
            assert_eq!(member["documents"]["fit"], fit, "{reading}: {member}");
            assert!(
                member["documents"]["tokens"].as_u64() > Some(500),
                "{member}"
            );
        }
        assert_eq!(response["parts"].as_u64() > Some(1), parts, "{response}");
        let reads = response["calls"].as_array().expect("calls").iter();
        let reads = reads.filter(|call| call["stage"] == "reading").count() as u64;
        assert_eq!(Some(reads), response["parts"].as_u64());
    }
    let body = ask_body(&[&big["id"]], "sideways", &models);
    person
        .post("/api/estimate", body)
        .refused(422, "VALIDATION_ERROR");
}

#[test]
fn every_part_is_read_and_the_coverage_is_reported() {
    let server = Server::with(&[("USE_MOCK", "true")]);
    let mut person = server.user("a@example.org");
    let big = person
        .upload("/api/upload-document", "big.txt", long_text(300).as_bytes())
        .json();
    let body = ask_body(&[&big["id"]], "parts", &["demo/extract", "demo/sceptic"]);
    let analysis = person.post("/api/analyze", body).json();
    let view = person
        .get(&format!(
            "/api/analyses/{}",
            analysis["analysis_id"].as_str().expect("an id")
        ))
        .json();
    let coverage = &view["coverage"];
    assert!(coverage["parts"].as_u64() > Some(2), "{coverage}");
    assert_eq!(coverage["read"], coverage["parts"]);
    assert_eq!(coverage["missing"], json!([]));
    let stages = view["results"]["stages"].as_array().expect("stages");
    assert_eq!(stages[0]["name"], "reading");
    assert_eq!(
        stages[0]["answers"].as_array().map(Vec::len),
        coverage["parts"].as_u64().map(|n| n as usize)
    );
    assert_eq!(stages[1]["answers"].as_array().map(Vec::len), Some(2));
    let covered_sources = view["sources"].as_array().expect("sources");
    let last = covered_sources.last().expect("some");
    assert_eq!(
        last["page"]
            .as_u64()
            .map(|page| format!("D1:p{page}"))
            .as_deref(),
        last["mark"].as_str()
    );
    assert!(
        view["results"]["ultra_response"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
}

#[test]
fn small_context_windows_get_fewer_passages_or_skip_the_member() {
    let provider = Provider::script([]);
    let models = json!({"models": [
        {"id": "p/small", "context_window": 6_000}, {"id": "p/large", "context_window": 100_000},
        {"id": "p/tiny", "context_window": 2_000},
    ]});
    let sheet = std::env::temp_dir().join(format!("quire-windows-{}.json", std::process::id()));
    std::fs::write(&sheet, models.to_string()).expect("a sheet");
    let server = script::server(
        &provider,
        &[("QUIRE_MODELS", sheet.to_str().expect("a path"))],
    );
    let mut person = server.user("a@example.org");
    let text = person
        .upload(
            "/api/upload-document",
            "text.txt",
            long_text(100).as_bytes(),
        )
        .json();
    let body = json!({
        "prompt": "What does party 3 owe?", "models": ["p/small", "p/large", "p/tiny"], "ultra_model": "p/large",
        "document_ids": [text["id"]], "pattern": "critique", "depth": "quick", "parameters": {"max_tokens": 500},
    });
    let response = person.post("/api/estimate", body.clone()).json();
    let fits: Vec<&str> = response["members"]
        .as_array()
        .expect("members")
        .iter()
        .map(|one| one["documents"]["fit"].as_str().expect("a fit"))
        .collect();
    assert_eq!(fits, ["whole", "whole"], "one model alone: {response}");
    let mut body = body;
    body["depth"] = json!("standard");
    let response = person.post("/api/estimate", body).json();
    let fits: Vec<(&str, &str)> = response["members"]
        .as_array()
        .expect("members")
        .iter()
        .map(|one| {
            (
                one["model"].as_str().expect("a model"),
                one["documents"]["fit"].as_str().expect("a fit"),
            )
        })
        .collect();
    assert_eq!(
        fits,
        [
            ("p/small", "trimmed"),
            ("p/large", "whole"),
            ("p/tiny", "cannot"),
            ("p/large", "whole")
        ],
        "{response}"
    );
    assert_eq!(response["models"], json!(["p/small", "p/large"]));
}

#[test]
fn scanned_pages_are_sent_to_models_that_accept_images() {
    let provider =
        Provider::script([on("eye").sse(&script::answer_stream("A page about packages."))]);
    let sheet = std::env::temp_dir().join(format!("quire-eyes-{}.json", std::process::id()));
    let models = json!({"models": [{"id": "p/eye", "vision": true, "context_window": 100_000}]});
    std::fs::write(&sheet, models.to_string()).expect("a sheet");
    let settings = [("QUIRE_MODELS", sheet.to_str().expect("a path"))];
    let server = script::server(&provider, &settings);
    let mut person = server.user("a@example.org");
    let bytes = include_bytes!("../data/documents/pdf/scanned.pdf");
    let scan = person
        .upload("/api/upload-document", "scan.pdf", bytes)
        .json();
    assert_eq!(
        (&scan["status"], &scan["words"]),
        (&json!("processed"), &json!(0)),
        "{scan}"
    );
    assert_eq!(scan["gaps"][0]["picture"], true, "{scan}");
    let body = json!({
        "prompt": "What is this about?", "models": ["p/eye"], "ultra_model": "p/eye",
        "document_ids": [scan["id"]], "pattern": "summarize", "depth": "quick",
    });
    let response = person.post("/api/analyze", body);
    assert_eq!(response.status, 200, "{}", response.text());
    let request = provider.requests()[0].body.to_string();
    let view = request.matches("data:image/").count();
    assert_eq!(Some(view), scan["gaps"].as_array().map(Vec::len));
}
