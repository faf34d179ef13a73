//! A scripted provider for a panel whose members contradict each other, with a judge and a checker.

use serde_json::{Value, json};

use crate::driver::Browser;
use crate::pages::{UPLOAD_SCRIPT, sign_up};
use crate::server::{Answer, Server, provider};

const REVIEW_TEXT: &str = "## On answer B\n1. claim: \"The pump delivers 90 litres a minute\"\n   verdict: contradicted\n   evidence: \"The pump delivers 40 litres a minute\" [D1:p2]\n   fix: The pump delivers 40 litres a minute\n\n## Missing from all\nNobody says what it costs.";
const SYNTHESIS_TEXT: &str = "## Answer\nThe pump delivers 40 litres a minute [D1:p2] (A, C). It must be drained before frost (C).";
pub const ARABIC_CLAIM: &str = "المضخة تعطي أربعين لترا في الدقيقة.";

fn contradicting_answer(body: &Value) -> Answer {
    let question = body["messages"].to_string();
    let text = match body["model"].as_str().unwrap_or_default() {
        "lead" if question.contains("Compare the texts") => judge_reply(body),
        _ if question.contains("Compare each numbered sentence") => checker_reply(body),
        "lead" => SYNTHESIS_TEXT.to_owned(),
        "a" if question.contains("Criticise") => REVIEW_TEXT.to_owned(),
        _ if question.contains("Criticise") => "## On answer A\nNothing to say.".to_owned(),
        "a" => format!(
            "The pump delivers 40 litres a minute [D1:p2]. The valve was made in Österreich.\n\n{ARABIC_CLAIM}\n\n| Part | Made in |\n|---|---|\n| Valve | Österreich |\n\n```python\nprint(40 * 60)\n```\n\n$$Q = \\frac{{V}}{{t}}$$"
        ),
        "b" => {
            "The pump delivers 90 litres a minute. The valve was made in Österreich.".to_owned()
        }
        _ => "The pump delivers 40 litres a minute [D1:p2]. The valve was made in Österreich. It must be drained before frost.".to_owned(),
    };
    let piece = json!({"choices": [{"index": 0, "delta": {"content": text}}]});
    let end = json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 900, "completion_tokens": 90}});
    (
        "200 OK",
        "text/event-stream",
        format!("data: {piece}\n\ndata: {end}\n\ndata: [DONE]\n\n"),
    )
}

/// Returns the content of the last message in a request.
fn last_message(body: &Value) -> &str {
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let last = messages
        .last()
        .and_then(|message| message["content"].as_str());
    last.unwrap_or_default()
}

/// Returns the judge's reply. The letters of the texts are shuffled, so each stance is determined from the text itself.
fn judge_reply(body: &Value) -> String {
    let prompt = last_message(body);
    let text = |letter: char| {
        let begin = prompt.find(&format!("----- text {letter} "));
        let end = prompt.find(&format!("----- end of text {letter} "));
        begin
            .zip(end)
            .map_or("", |(begin, end)| &prompt[begin..end])
    };
    let stances = |asserts: &str, denies: &str| -> Vec<Value> {
        let stance = |letter: char| match text(letter) {
            said if said.contains(asserts) => {
                json!({"member": letter, "stance": "asserts", "quote": asserts})
            }
            said if !denies.is_empty() && said.contains(denies) => {
                json!({"member": letter, "stance": "denies", "quote": denies})
            }
            _ => json!({"member": letter, "stance": "silent"}),
        };
        ['A', 'B', 'C'].map(stance).to_vec()
    };
    let forty_litres = "The pump delivers 40 litres a minute";
    json!({
        "claims": [
            {"text": "It delivers 40 litres.", "answer": "The pump delivers 40 litres a minute [D1:p2] (A, C).",
             "stances": stances(forty_litres, "The pump delivers 90 litres a minute")},
            {"text": "The valve was made in Österreich.", "stances": stances("The valve was made in Österreich", "")},
            {"text": "Frost can damage it.", "stances": stances("It must be drained before frost", "")},
            {"text": "It runs on diesel.", "stances": [{"member": "A", "stance": "asserts", "quote": "it runs on diesel fuel only"}]},
            {"text": "The pump is red.", "stances": [{"member": "A", "stance": "asserts", "quote": "it is painted red all over"}]},
        ],
        "contradictions": [{"claim": 0, "why": "the figures differ"}, {"claim": 4, "why": "one says blue"}],
        "blind_spots": ["Nobody names a price."],
    })
    .to_string()
}

/// Returns the checker's reply: every passage supports every sentence, with a quotation from one of the passages.
fn checker_reply(body: &Value) -> String {
    let prompt = last_message(body);
    let sentences = prompt.lines().filter_map(|line| {
        let (number, rest) = line.split_once(". (passages ")?;
        let (passages, _) = rest.split_once(')')?;
        let passage: u32 = passages.split(", ").next()?.parse().ok()?;
        let sentence: u32 = number.parse().ok()?;
        Some(json!({"sentence": sentence, "passage": passage, "verdict": "entails", "quote": "The pump delivers 40 litres a minute"}))
    });
    json!({"verdicts": sentences.collect::<Vec<Value>>()}).to_string()
}

pub const ASK_SCRIPT: &str = "
    const { documents } = await (await fetch('/api/documents')).json();
    const response = await fetch('/api/analyze', { method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'How much does the pump deliver?', pattern: 'critique', models: ['p/a', 'p/b', 'p/c'], ultra_model: 'p/lead', document_ids: [documents[0].id] }) });
    if (!response.ok) throw new Error(await response.text());
    return (await response.json()).analysis_id;";

/// Starts a server with a panel whose members contradict each other, and without a judge.
pub fn contradicting_without_judge() -> Server {
    contradicting_server("off")
}

/// Starts a server with a panel whose members contradict each other. `evidence` is the value of the setting EVIDENCE.
pub fn contradicting_server(evidence: &str) -> Server {
    let address = provider(&["a", "b", "c", "lead"], contradicting_answer);
    let providers = json!([{ "id": "p", "kind": "openai", "base_url": format!("http://{address}/v1"), "models": ["a", "b", "c", "lead"] }]);
    Server::start_with(vec![
        ("QUIRE_PROVIDERS", providers.to_string()),
        ("EVIDENCE", evidence.to_owned()),
    ])
}

/// Creates an account, asks a question about a document, and returns the ID of the result.
pub fn create_result(browser: &Browser, server: &Server) -> String {
    sign_up(browser, server);
    browser.run(
        UPLOAD_SCRIPT,
        json!([
            "pump.txt",
            "First page.\u{c}The valve was made in Österreich. The pump delivers 40 litres a minute."
        ]),
    );
    let id = browser.run(ASK_SCRIPT, json!([]));
    id.as_str().unwrap().to_owned()
}
