//! Tests that deviations from the plan are explained in words (fallbacks, retries, skipped models, and what is missing
//! from the answer) during the run, in the result, and in a shared result.

use serde_json::{Value, json};

use crate::driver::Browser;
use crate::pages::{QUESTION, axe, check_accessibility, sign_up};
use crate::server::{Answer, Server, provider, refusing_provider};
use crate::thread::{ask_in_composer, new_question};
use crate::wait_for_turn;
use crate::waiting::wait_until;

const ASK_SCRIPT: &str = "
    const send = async (method, path, body) => {
      const response = await fetch(path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
      if (!response.ok) throw new Error(await response.text());
      return response.json();
    };
    await send('PUT', '/api/admin/fallbacks', { fallbacks: { 'far/broken': ['far/spare'] } });
    const told = await send('POST', '/api/analyze', {
      prompt: 'How tall is the tower?', pattern: 'summarize', models: ['far/broken', 'far/steady'],
      ultra_model: 'far/steady', parameters: { temperature: 0.5 }, async: true });
    return told.analysis_id;";

const SHARE_SCRIPT: &str = "
    const response = await fetch(`/api/analyses/${args[0]}/share`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
    if (!response.ok) throw new Error(await response.text());
    return (await response.json()).token;";

/// Answers as one of several models: `broken` fails every call, and `spare` does not accept a temperature and does not
/// report token counts.
fn unreliable_answer(asked: &Value) -> Answer {
    let json = "application/json";
    match asked["model"].as_str() {
        Some("broken") => (
            "500 Internal Server Error",
            json,
            r#"{"error":{"message":"it broke down"}}"#.into(),
        ),
        Some("spare") if asked["temperature"].is_number() => (
            "400 Bad Request",
            json,
            r#"{"error":{"message":"Unsupported parameter","type":"invalid_request_error","param":"temperature","code":"unsupported_parameter"}}"#.into(),
        ),
        model => {
            let text = format!("The tower is 40 metres tall, says {}.", model.unwrap_or_default());
            let piece = json!({"choices": [{"index": 0, "delta": {"content": text}}]});
            let end = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]});
            let counts = match model {
                Some("spare") => String::new(),
                _ => "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7}}\n\n".into(),
            };
            ("200 OK", "text/event-stream", format!("data: {piece}\n\ndata: {end}\n\n{counts}data: [DONE]\n\n"))
        }
    }
}

/// A model that has failed recently is marked. It cannot be chosen to write the answer and is not chosen automatically.
#[test]
fn a_model_that_just_failed_does_not_write_the_answer() {
    let Some(_turn) = wait_for_turn() else { return };
    let address = provider(&["broken", "steady"], unreliable_answer);
    let providers = json!([{ "id": "far", "kind": "openai", "base_url": format!("http://{address}/v1"), "models": ["broken", "steady"] }]);
    let server = Server::start_with(vec![
        ("QUIRE_PROVIDERS", providers.to_string()),
        ("EVIDENCE", "off".into()),
    ]);
    let browser = Browser::open(1440, 900, false);
    new_question(&browser, &server, &["broken", "steady"]);
    browser.click("[aria-label^='Panel:']");
    browser.wait(".panel-sheet");
    let writers =
        "[...document.querySelectorAll('.panel-sheet select option')].map((one) => one.value)";
    assert_eq!(
        browser.value(writers),
        json!(["", "far/broken", "far/steady"]),
        "nothing is known yet"
    );
    browser.run(
        "document.querySelector('.panel-sheet select').value = 'far/broken'; document.querySelector('.panel-sheet select').dispatchEvent(new Event('change'));",
        json!([]),
    );
    browser.press("Use panel");
    ask_in_composer(&browser, QUESTION);
    browser.wait(".turn.last[data-status=completed], .turn.last[data-status=failed]");
    browser.go(&server.address("/"));
    browser.wait(".composer");
    browser.click("[aria-label^='Panel:']");
    browser.wait_text(".model-row.off", "Failed recently");
    wait_until("the choice to be renewed", || {
        (browser.value(writers) == json!(["", "far/steady"])).then_some(())
    });
    assert_eq!(
        browser.value("document.querySelector('.panel-sheet select').value"),
        json!(""),
        "the failed choice is dropped"
    );
    check_accessibility(&browser, axe().as_deref(), "a panel with a failed model");
    browser.screenshot_window("panel-failed");
    browser.press("Use panel");
    ask_in_composer(&browser, "And how wide is the tower?");
    browser.wait(".turn.last[data-status=completed] .answer");
    let writer = browser.run(
        "const { analyses } = await (await fetch('/api/analyses')).json();
         return (await (await fetch(`/api/analyses/${analyses[0].id}`)).json()).ultra_model;",
        json!([]),
    );
    assert_eq!(writer, "far/steady");
}

/// Script that drops a small image on the page.
const DROP_PICTURE: &str = "
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 32;
    const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
    const files = new DataTransfer();
    files.items.add(new File([blob], 'gauge.png', { type: 'image/png' }));
    for (const type of ['dragover', 'drop']) window.dispatchEvent(new DragEvent(type, { dataTransfer: files, bubbles: true, cancelable: true }));";

#[test]
fn a_panel_without_vision_says_so_before_and_once_after() {
    let Some(_turn) = wait_for_turn() else { return };
    let folder = std::env::temp_dir().join(format!("quire-blind-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let sheet = folder.join("models.json");
    let blind = ["far/spare", "far/steady"].map(|id| json!({ "id": id, "vision": false }));
    std::fs::write(&sheet, json!({ "models": blind }).to_string()).unwrap();
    let address = provider(&["spare", "steady"], unreliable_answer);
    let providers = json!([{ "id": "far", "kind": "openai", "base_url": format!("http://{address}/v1"), "models": ["spare", "steady"] }]);
    let server = Server::start_with(vec![
        ("QUIRE_PROVIDERS", providers.to_string()),
        ("QUIRE_MODELS", sheet.to_str().unwrap().to_owned()),
        ("EVIDENCE", "off".into()),
    ]);
    let browser = Browser::open(390, 844, false);
    new_question(&browser, &server, &["spare", "steady"]);
    browser.fill(".composer-text", "What does the gauge show?");
    browser.run(DROP_PICTURE, json!([]));
    browser.wait_text(".attachments", "gauge.png");
    browser.wait_text(
        ".composer-warning",
        "No model on this panel can see pictures.",
    );
    check_accessibility(&browser, axe().as_deref(), "a picture that nobody sees");
    browser.screenshot_window("picture-unseen");
    browser.click(".send");
    browser.wait(".turn.last[data-status=completed] .answer");
    browser.wait_text(".turn-tabs .pill", "1 note");
    browser.screenshot_window("picture-unseen-result");
    browser.click(".turn-tabs .pill");
    browser.wait_text("dialog .notes", "gauge.png");
    let said = browser.value("document.body.textContent.split('do not accept images').length - 1");
    assert_eq!(said, json!(1));
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn fallback_models_are_named_everywhere() {
    let Some(_turn) = wait_for_turn() else { return };
    let address = provider(&["broken", "spare", "steady"], unreliable_answer);
    let providers = json!([{ "id": "far", "kind": "openai", "base_url": format!("http://{address}/v1"), "models": ["broken", "spare", "steady"] }]);
    // None of these models can be the judge, because their answers are not JSON.
    let server = Server::start_with(vec![
        ("QUIRE_PROVIDERS", providers.to_string()),
        ("EVIDENCE", "off".to_owned()),
    ]);
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    let id = browser.run(ASK_SCRIPT, json!([]));
    let id = id.as_str().unwrap();
    browser.go(&server.address(&format!("/analyze?id={id}")));
    browser.wait(".results-container");
    check_fallback_names(&browser);
    browser.screenshot("stood-in");
    check_accessibility(&browser, axe().as_deref(), "a stand-in");
    check_failed_call_mark(&browser);

    let token = browser.run(SHARE_SCRIPT, json!([id]));
    browser.go(&server.address(&format!("/share/{}", token.as_str().unwrap())));
    browser.wait(".results-container");
    check_fallback_names(&browser);

    browser.go(&server.address("/usage"));
    browser.wait_text("main", "spare");
    let used = browser.text("main");
    for words in ["broken", "price unknown"] {
        assert!(used.contains(words), "no {words} in {used}");
    }
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// Checks that the failed call is marked at its end in the chart, and labeled in the table.
fn check_failed_call_mark(browser: &Browser) {
    browser.press("Cost and Time");
    browser.wait(".costs .chart-picture .span");
    assert_eq!(browser.count(".costs .chart-picture .mark.beaten"), 1);
    assert!(browser.text(".costs").contains("failed"), "the legend");
    browser.press("As a table");
    browser.wait_text(".costs table", "failed");
    browser.screenshot("costs-failed");
}

fn check_fallback_names(browser: &Browser) {
    let full = browser.text(".results-container");
    for words in [
        "spare answered in place of",
        "prices are unknown",
        "How this answer was produced",
    ] {
        assert!(full.contains(words), "no {words} in {full}");
    }
    browser.press("All answers");
    let combined = browser.text(".combined");
    assert!(
        combined.contains("says spare") && combined.contains("Fallback for far/broken"),
        "{combined}"
    );
    browser.press("Side by Side");
    browser.wait(".member-card");
    let failed = browser.text(".member-card[data-status=failed]");
    assert!(failed.contains("far/spare took its place"), "{failed}");
    let cards = browser.text(".members");
    for words in [
        "Fallback for far/broken, which failed.",
        "Not supported by this model, so not sent: temperature.",
        "tried 2 times",
        "about",
    ] {
        assert!(cards.contains(words), "no {words} in {cards}");
    }
    assert_eq!(
        browser.count(".member-card .letter[title='Member A']"),
        2,
        "the place of a member keeps its letter"
    );
}

#[test]
fn fallback_model_is_named_during_the_run() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    browser.go(&server.address("/analyze"));
    browser.wait(".intro-step");
    let observed = browser.run(FROM_EVENTS, json!([]));
    let fallback =
        json!({ "model": "far/last", "letter": "A", "insteadOf": "far/broken", "text": "Forty." });
    assert_eq!(
        observed["failed"],
        "Called more than once. far/spare takes its place."
    );
    assert_eq!(observed["running"], "in place of far/broken");
    assert_eq!(
        observed["words"],
        json!([fallback, { "model": "far/steady", "letter": "B", "insteadOf": "", "text": "" }])
    );
    assert_eq!(
        observed["writer"],
        json!({ "model": "far/last", "insteadOf": "far/steady" })
    );
}

/// Script that applies the events of a run in which a member, its fallback, and the synthesizer fail. Returns the notes
/// and the answers that the page then shows.
const FROM_EVENTS: &str = "
    const module = document.querySelector('script[type=module]').src.replace(/\\/app\\/.*$/, '/js/parts/run-model.js');
    const { newRun, lastTexts, synthesis } = await import(module);
    const { apply } = await import(module.replace('run-model', 'run-events'));
    const run = newRun({ id: 'a', models: ['far/broken', 'far/steady'], ultra: 'far/steady' });
    const tell = (name, data) => apply(run, name, { stage: 'initial', ...data });
    tell('analysis.started', { models: run.models, ultra_model: run.ultra, plan: [
      { stage: 'initial', models: run.models, who: 'members' }, { stage: 'ultra', models: ['far/steady'], who: 'synthesiser' }] });
    tell('member.started', { model: 'far/broken', attempt: 1 });
    const failed = tell('member.failed', { model: 'far/broken', problem: '', error: 'it broke down', retried: true, fallback: 'far/spare' }).note;
    const running = tell('member.started', { model: 'far/spare', attempt: 2 }).note;
    tell('member.failed', { model: 'far/spare', error: 'it broke down', retried: false, fallback: 'far/last' });
    tell('member.started', { model: 'far/last', attempt: 3 });
    tell('member.delta', { model: 'far/last', text: 'Forty.' });
    tell('member.completed', { model: 'far/last', finish_reason: 'stop', fallback_for: 'far/broken' });
    tell('member.failed', { stage: 'ultra', model: 'far/steady', error: 'it broke down', retried: false, fallback: 'far/last' });
    tell('member.started', { stage: 'ultra', model: 'far/last', attempt: 1 });
    const brief = ({ model, letter, insteadOf, text }) => ({ model, letter, insteadOf, text });
    return { failed, running, words: lastTexts(run).map(brief), writer: { model: synthesis(run).model, insteadOf: synthesis(run).insteadOf } };";

#[test]
fn failed_member_is_shown_in_its_own_column() {
    let Some(_turn) = wait_for_turn() else { return };
    let providers = json!([{ "id": "far", "kind": "openai", "base_url": format!("http://{}/v1", refusing_provider()), "models": ["model"] }]);
    let server = Server::start_with(vec![
        ("QUIRE_PROVIDERS", providers.to_string()),
        ("USE_MOCK", "true".into()),
    ]);
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.go(&server.address("/analyze"));
    browser.wait(".intro-step");
    browser.press("Start");
    browser.fill(".prompt-input", QUESTION);
    browser.press("Next");
    browser.wait(".model-checkbox[value='far/model']");
    assert_eq!(
        browser.value("document.querySelector('.model-checkbox').value"),
        json!("far/model"),
        "language models come before demo algorithms"
    );
    browser.press("Next");
    browser.wait(".pattern-selector");
    browser.press("Skip documents and run");
    browser.wait(".results-container");
    assert!(
        browser.text(".notice").contains("failed"),
        "{}",
        browser.text(".analysis-results")
    );
    browser.press("Side by Side");
    browser.press("First answers");
    browser.wait_text(".member-card[data-status=failed]", "No answer:");
    assert_eq!(browser.count(".member-card[data-status=done]"), 2);
    browser.screenshot("a-member-failed");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
