//! Tests the comparison of panels with single models: blind comparisons, votes, and their evaluation.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::provider::{Provider, on};
use crate::support::script::{analysis_path, answer_stream, id_of, server, short_run_with};
use crate::support::{Client, Server};

const PANEL_TEXT: &str = "Paper is 0.1 mm thick.";
const SINGLE_TEXT: &str = "I say: 0.1 mm.";

const SYNTHESIS_TEXT: &str =
    "## Answer\nPaper is 0.1 mm thick (A, B).\n\n## Where the members agree\nAll (A).";

/// Starts a scripted provider and a server for `runs` runs of a panel with known prices: two members, the second of
/// which is stronger and more expensive, and a synthesizer. Each model must be called once per run.
fn panel_servers(runs: usize, synthesis: &str, settings: &[(&str, &str)]) -> (Provider, Server) {
    let dear = "As ChatGPT, I say: 0.1 mm.\n\n## Not known\nThe brand.";
    let provider = Provider::script([
        on("gpt-4o-mini")
            .times(runs)
            .sse(&answer_stream("Paper is thin.")),
        on("gpt-4o").times(runs).sse(&answer_stream(dear)),
        on("gpt-4.1").times(runs).sse(&answer_stream(synthesis)),
        on("none").optional().status(400, "text/plain", "no"),
    ]);
    let url = provider.base_url();
    let mut all = vec![
        ("OPENAI_API_KEY", "sk-test"),
        ("OPENAI_BASE_URL", url.as_str()),
    ];
    all.extend_from_slice(settings);
    let server = server(&provider, &all);
    (provider, server)
}

fn run_panel(client: &mut Client, extra_fields: Value) -> Value {
    let mut body = short_run_with(
        &["openai/gpt-4o-mini", "openai/gpt-4o"],
        json!({"ultra_model": "openai/gpt-4.1", "cache": "off"}),
    );
    for (name, value) in extra_fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = client.post("/api/analyze", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Asks a question, compares the answers blindly, and votes for the `preferred` one. Returns the ID of the analysis.
fn run_and_vote(client: &mut Client, mut extra_fields: Value, preferred: &str) -> String {
    // Each question is different, because several votes on the same question count only once.
    static QUESTION: AtomicUsize = AtomicUsize::new(0);
    let number = QUESTION.fetch_add(1, Ordering::Relaxed);
    extra_fields["prompt"] = json!(format!("How thin is paper of kind {number}?"));
    let id = analysis_id(&run_panel(client, extra_fields));
    let body = client
        .post(&analysis_path(&id, "/comparison"), json!({}))
        .json();
    let choice = match preferred {
        "tie" => "tie",
        preferred => {
            let remaining = body["left"]["text"]
                == if preferred == "panel" {
                    PANEL_TEXT
                } else {
                    SINGLE_TEXT
                };
            if remaining { "left" } else { "right" }
        }
    };
    let vote = client.post(
        &analysis_path(&id, "/comparison/vote"),
        json!({"choice": choice}),
    );
    assert_eq!(vote.status, 200, "{}", vote.text());
    assert_eq!(vote.json()["reveal"]["preferred"], preferred);
    id
}

fn analysis_id(result: &Value) -> String {
    result["analysis_id"].as_str().unwrap().to_owned()
}

#[test]
fn the_best_single_draft_is_stored_with_the_panels_answer() {
    let (_provider, server) = panel_servers(1, SYNTHESIS_TEXT, &[]);
    let mut client = server.user("ada@example.com");
    let result = run_panel(&mut client, json!({}));
    let single = &result["best_single"];
    assert_eq!(single["model"], "openai/gpt-4o");
    assert_eq!(single["letter"], "B");
    assert!(single["text"].as_str().unwrap().contains("0.1 mm"));
    assert!(single["cost_usd"].as_f64().unwrap() > 0.0);
    assert_eq!(result["comparison_offered"], false);
    let body = client.get(&analysis_path(&analysis_id(&result), "")).json();
    assert_eq!(body["best_single"], *single);
}

#[test]
fn a_comparison_is_blind_until_its_one_vote() {
    let (_provider, server) = panel_servers(1, SYNTHESIS_TEXT, &[]);
    let mut client = server.user("ada@example.com");
    let id = analysis_id(&run_panel(&mut client, json!({"topic": "paper"})));
    let path = analysis_path(&id, "/comparison");
    assert_eq!(
        client.get(&path).json()["left"],
        Value::Null,
        "not made yet"
    );
    let vote = json!({"choice": "left"});
    client
        .post(&analysis_path(&id, "/comparison/vote"), vote.clone())
        .refused(404, "NOT_FOUND");

    let created = client.post(&path, json!({}));
    assert_eq!(created.status, 200, "{}", created.text());
    for revealing_text in [
        "gpt",
        "panel",
        "(A",
        "members",
        "Not known",
        "ChatGPT",
        "cost",
    ] {
        assert!(
            !created.text().contains(revealing_text),
            "{revealing_text}: {}",
            created.text()
        );
    }
    let body = created.json();
    let mut texts = [&body["left"]["text"], &body["right"]["text"]];
    texts.sort_by_key(|text| text.to_string());
    assert_eq!(texts, [SINGLE_TEXT, PANEL_TEXT]);
    assert_eq!(body["reveal"], Value::Null);
    assert_eq!(client.get(&path).json(), body, "its order stays");
    assert_eq!(
        client.post(&path, json!({})).json(),
        body,
        "its order stays"
    );

    let mut other = server.user("ben@example.com");
    other.get(&path).refused(404, "NOT_FOUND");
    other.post(&path, json!({})).refused(404, "NOT_FOUND");
    other
        .post(&analysis_path(&id, "/comparison/vote"), vote.clone())
        .refused(404, "NOT_FOUND");
    client
        .post(
            &analysis_path(&id, "/comparison/vote"),
            json!({"choice": "panel"}),
        )
        .refused(422, "VALIDATION_ERROR");

    let reveal = client
        .post(&analysis_path(&id, "/comparison/vote"), vote.clone())
        .json()["reveal"]
        .clone();
    let left_is_panel = body["left"]["text"] == PANEL_TEXT;
    assert_eq!(reveal["choice"], "left");
    assert_eq!(
        reveal["preferred"],
        if left_is_panel { "panel" } else { "single" }
    );
    assert_eq!(
        reveal["panel"],
        if left_is_panel { "left" } else { "right" }
    );
    assert_eq!(reveal["model"], "openai/gpt-4o");
    let (panel, single) = (&reveal["panel_cost_usd"], &reveal["single_cost_usd"]);
    assert!(
        panel.as_f64().unwrap() > single.as_f64().unwrap(),
        "{reveal}"
    );
    for again in ["left", "right", "tie"] {
        let second = json!({"choice": again});
        client
            .post(&analysis_path(&id, "/comparison/vote"), second)
            .refused(409, "CONFLICT");
    }
    assert_eq!(client.get(&path).json()["reveal"], reveal);
}

#[test]
fn incomparable_results_are_refused_with_the_reason() {
    let (_provider, server) = panel_servers(1, "{\"mm\": 0.1}", &[("COMPARE_EVERY", "1")]);
    let mut client = server.user("ada@example.com");
    let shaped = run_panel(
        &mut client,
        json!({"response_format": {"type": "json_object"}}),
    );
    let response = client.post(
        &analysis_path(&analysis_id(&shaped), "/comparison"),
        json!({}),
    );
    let text = response.text();
    response.refused(409, "CONFLICT");
    assert!(text.contains("requested format"), "{text}");
    assert_eq!(shaped["comparison_offered"], false);
    let failed = client.post("/api/analyze", short_run_with(&["p/none"], json!({})));
    assert_eq!(failed.status, 503);
    let list = client.get("/api/analyses?status=failed").json();
    let failed = list["analyses"][0]["id"].as_str().unwrap().to_owned();
    client
        .post(&analysis_path(&failed, "/comparison"), json!({}))
        .refused(409, "CONFLICT");
    let body = client.get(&analysis_path(&failed, "")).json();
    assert_eq!(
        (&body["best_single"], &body["comparison_offered"]),
        (&Value::Null, &json!(false))
    );
}

#[test]
fn comparisons_are_offered_at_the_configured_interval_until_the_vote() {
    let (_provider, server) = panel_servers(4, SYNTHESIS_TEXT, &[("COMPARE_EVERY", "1")]);
    let mut client = server.user("ada@example.com");
    assert_eq!(
        run_panel(&mut client, json!({}))["comparison_offered"],
        true
    );
    let id = run_and_vote(&mut client, json!({}), "tie");
    let body = client.get(&analysis_path(&id, "")).json();
    assert_eq!(body["comparison_offered"], false);
    let view = client.get("/api/worth").json();
    assert_eq!(
        (&view["compare_every"], &view["compare_every_own"]),
        (&json!(1), &json!(false))
    );
    // Every user can change the setting for themselves.
    let mut other = server.user("ben@example.com");
    for (wanted, offered) in [(json!(0), false), (json!(null), true)] {
        let set = other.json("PUT", "/api/worth", &json!({"compare_every": wanted}));
        assert_eq!(set.json()["compare_every_own"], json!(!offered));
        assert_eq!(
            run_panel(&mut other, json!({}))["comparison_offered"],
            offered
        );
    }
    other
        .json("PUT", "/api/worth", &json!({"compare_every": 10_001}))
        .refused(422, "VALIDATION_ERROR");
}

#[test]
fn the_report_states_the_verdict_and_missing_votes() {
    let (_provider, server) = panel_servers(11, SYNTHESIS_TEXT, &[]);
    let mut admin = server.user("ada@example.com");
    let mut client = server.user("ben@example.com");
    let empty = client.get("/api/worth").json();
    assert_eq!(empty["overall"]["verdict"], "unknown");
    assert_eq!(
        (
            &empty["overall"]["votes"],
            &empty["overall"]["votes_needed"]
        ),
        (&json!(0), &json!(7))
    );
    assert_eq!(empty["overall"]["win_rate"], Value::Null);
    assert_eq!(empty["topics"], json!([]));

    let topic_filter = json!({"topic": "paper"});
    for _ in 0..6 {
        run_and_vote(&mut client, topic_filter.clone(), "panel");
    }
    let voted = run_and_vote(&mut client, json!({}), "single");
    client.post(
        &analysis_path(&voted, "/vote"),
        json!({"choice": "helpful"}),
    );
    let report = client.get("/api/worth").json();
    let (topics, overall) = (&report["topics"], &report["overall"]);
    assert_eq!(topics[0]["topic"], "paper");
    assert_eq!(
        (&topics[0]["wins"], &topics[0]["win_rate"]),
        (&json!(6), &json!(1.0))
    );
    assert_eq!(
        (&topics[0]["verdict"], &topics[0]["votes_needed"]),
        // If there were only one topic, one more vote would be enough, but two topics share the permitted error.
        (&json!("unknown"), &json!(4))
    );
    let sentence = topics[0]["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("Unknown, about 4 more votes needed"),
        "{sentence}"
    );
    // If no topic is given, the family of the pattern is used.
    let patterns = client.get("/api/patterns").json();
    let patterns = patterns["patterns"].as_array().unwrap();
    let summarize_pattern = patterns
        .iter()
        .find(|one| one["id"] == "summarize")
        .unwrap();
    assert_eq!(topics[1]["topic"], summarize_pattern["category"]);
    assert_eq!(
        (&topics[1]["losses"], &topics[1]["helpful"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (&overall["votes"], &overall["helpful"]),
        (&json!(7), &json!(1))
    );
    let interval =
        [&overall["interval"][0], &overall["interval"][1]].map(|end| end.as_f64().unwrap());
    let rate = overall["win_rate"].as_f64().unwrap();
    assert!(0.3 < interval[0] && interval[0] < rate && rate < interval[1] && interval[1] < 1.0);
    // Every call has 11 input and 7 output tokens, so this is the price of the panel's three calls divided by the price
    // of the single draft.
    let multiple = overall["cost_multiple"].as_f64().unwrap();
    assert!(1.5 < multiple && multiple < 4.0, "{multiple}");

    for more in 1..5 {
        run_and_vote(&mut client, topic_filter.clone(), "panel");
        // Even if the report is limited to one topic, it counts as one of two.
        let report = client.get("/api/worth?topic=Paper").json();
        let verdict = if more < 4 { "unknown" } else { "pays" };
        assert_eq!(report["overall"]["verdict"], verdict, "{report}");
        assert_eq!(report["overall"]["votes_needed"].is_null(), more == 4);
    }
    assert_eq!(client.get("/api/worth").json()["votes"], Value::Null);
    for (query, votes) in [
        ("pattern=summarize", 11),
        ("pattern=gut", 0),
        ("days=1", 11),
        ("topic=ink", 0),
    ] {
        let report = client.get(&format!("/api/worth?{query}")).json();
        assert_eq!(report["overall"]["votes"], votes, "{query}");
    }
    assert_eq!(admin.get("/api/worth").json()["overall"]["votes"], 0);
    assert_eq!(
        admin.get("/api/worth?all=true").json()["overall"]["votes"],
        11
    );
    client.get("/api/worth?all=true").refused(403, "FORBIDDEN");
    client
        .get("/api/worth?all=x")
        .refused(422, "VALIDATION_ERROR");
    client
        .get("/api/worth?days=0")
        .refused(422, "VALIDATION_ERROR");
}

#[test]
fn a_topic_is_short_and_printable() {
    let server = Server::start();
    let mut client = server.user("ada@example.com");
    for topic in ["x".repeat(61), "a\nb".to_owned()] {
        let body = short_run_with(&["demo/extract"], json!({"topic": topic}));
        client
            .post("/api/analyze", body)
            .refused(422, "VALIDATION_ERROR");
    }
    let body = short_run_with(&["demo/extract"], json!({"topic": "  Tea  "}));
    let answer = client.post("/api/analyze", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let view = client.get(&analysis_path(&id_of(&answer), "")).json();
    assert_eq!(view["topic"], "Tea");
}
