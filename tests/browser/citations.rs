//! Tests that a citation opens the cited page with the passage highlighted and with the result of its check, and that
//! the page shows which documents each member will read before anything is spent.

use serde_json::{Value, json};

use crate::driver::{Browser, keys};
use crate::pages::*;
use crate::server::{Answer, Server, provider};
use crate::wait_for_turn;

const SECOND_PAGE: &str = "The valve was made in Österreich. The pump delivers 40 litres a minute.";
const ANSWER_TEXT: &str = "It says “The pump delivers 40 litres a minute” [D1:p2]. Elsewhere it says “The pump delivers 90 litres a minute” [D1:p2]. In short “The pump … a minute” [D1:p2]. Nobody knows more [D7:p1].";

const ASK_SCRIPT: &str = "
    const { documents } = await (await fetch('/api/documents')).json();
    const response = await fetch('/api/analyze', { method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'How much does the pump deliver?', pattern: 'summarize', models: ['far/one'], ultra_model: 'far/one', document_ids: [documents[0].id] }) });
    if (!response.ok) throw new Error(await response.text());
    return (await response.json()).analysis_id;";

/// Script that adds the results of checking four citations to the server's responses about an analysis, in the form in
/// which the server stores them.
const CHECKED_CITATIONS: &str = "
    const real = window.fetch;
    window.fetch = async (address, options) => {
      const response = await real(address, options);
      if (!String(address).includes('/api/analyses/analysis_')) return response;
      const told = await response.json();
      const [source] = told.sources.filter((each) => each.page === 2);
      const at = (state, quote) => ({ where: 'synthesis', mark: 'D1:p2', state, quote, document_id: source.document_id, page: 2, start: args[0], end: args[1] });
      told.citations = { items: [
        at('verified', 'The pump delivers 40 litres a minute'),
        { ...at('not_found', 'The pump delivers 90 litres a minute'), start: 0, end: 0 },
        { ...at('shortened', 'The pump … a minute'), left_out: ['delivers 40 litres'] },
        { where: 'synthesis', mark: 'D7:p1', state: 'unknown', quote: '' },
      ] };
      return new Response(JSON.stringify(told), { status: 200, headers: { 'content-type': 'application/json' } });
    };";

fn citing_answer(_: &Value) -> Answer {
    let piece = json!({"choices": [{"index": 0, "delta": {"content": ANSWER_TEXT}}]});
    let end = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]});
    (
        "200 OK",
        "text/event-stream",
        format!("data: {piece}\n\ndata: {end}\n\ndata: [DONE]\n\n"),
    )
}

fn provider_settings() -> Vec<(&'static str, String)> {
    let address = provider(&["one"], citing_answer);
    let providers = json!([{ "id": "far", "kind": "openai", "base_url": format!("http://{address}/v1"), "models": ["one"] }]);
    vec![("QUIRE_PROVIDERS", providers.to_string())]
}

#[test]
fn citation_opens_its_page_and_shows_its_check() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = Server::start_with(provider_settings());
    for (width, height, dark) in [(1280, 900, false), (375, 780, true)] {
        let browser = Browser::open(width, height, dark);
        if dark {
            sign_in(&browser, &server);
        } else {
            sign_up(&browser, &server);
            browser.run(
                UPLOAD_SCRIPT,
                json!(["pump.txt", format!("First page.\u{c}{SECOND_PAGE}")]),
            );
        }
        let id = browser.run(ASK_SCRIPT, json!([]));
        browser.go(&server.address("/history"));
        browser.wait(".row");
        let start = SECOND_PAGE.find("The pump").unwrap();
        browser.run(CHECKED_CITATIONS, json!([start, SECOND_PAGE.len() - 1]));
        // The link is followed without a reload, because a reload would discard the injected results.
        browser.run(
            "const link = document.createElement('a'); link.href = `/analyze?id=${args[0]}`; document.querySelector('main').append(link); link.click();",
            json!([id]),
        );
        browser.wait(".results-container");
        browser.wait_text(".citation-count", "1 of 3 quotations verified");
        browser.wait_text(".citation-count", "1 shortened");
        assert_eq!(browser.count(".sheet .citation.verified"), 1);
        assert_eq!(browser.count(".sheet .citation.doubtful"), 2);
        assert_eq!(browser.text(".sheet .citation.unknown s"), "D7:p1");
        if !dark {
            check_accessibility(&browser, axe.as_deref(), "checked citations");
            browser.screenshot("citations");
        }

        browser.click(".sheet .citation.verified");
        browser.wait("mark.cited");
        assert_eq!(
            browser.text("mark.cited"),
            "The pump delivers 40 litres a minute"
        );
        browser.wait_text(".verified-words", "Quotation verified.");
        browser.screenshot_window(if dark { "citation-phone" } else { "citation" });
        if !dark {
            check_accessibility(&browser, axe.as_deref(), "a cited page");
        }
        browser.keys(&[], keys::ESCAPE);
        browser.wait_count("dialog", 0);
        assert!(
            focused(&browser).contains("p. 2 of pump.txt, quotation verified"),
            "the focus comes back: {}",
            focused(&browser)
        );
        browser.click(".sheet .citation.doubtful");
        browser.wait_text("dialog", "Quotation not found on this page.");
        browser.keys(&[], keys::ESCAPE);
        browser.wait_count("dialog", 0);
        browser.click(".sheet .citation.doubtful ~ .citation.doubtful");
        browser.wait_text(
            "dialog",
            "Quotation shortened, leaving out “delivers 40 litres”.",
        );
        browser.keys(&[], keys::ESCAPE);
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}

/// Writes a model file in which one model has a large context window and the other has a very small one.
fn write_model_data(folder: &std::path::Path) -> String {
    let sheet = json!({ "models": [
        { "id": "far/large", "name": "Large", "context_window": 200_000, "max_output": 4_000, "price": { "input": 1.0, "output": 2.0 } },
        { "id": "far/tiny", "name": "Tiny", "context_window": 5_000, "max_output": 1_000, "price": { "input": 1.0, "output": 2.0 } },
    ] });
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join("models.json");
    std::fs::write(&path, sheet.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn document_shares_per_member_are_shown_before_any_cost() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let address = provider(&["large", "tiny"], citing_answer);
    let providers = json!([{ "id": "far", "kind": "openai", "base_url": format!("http://{address}/v1"), "models": ["large", "tiny"] }]);
    let folder = std::env::temp_dir().join(format!("quire-models-{}", std::process::id()));
    let server = Server::start_with(vec![
        ("QUIRE_PROVIDERS", providers.to_string()),
        ("QUIRE_MODELS_FILE", write_model_data(&folder)),
    ]);
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    let licence = std::fs::read_to_string(test_document("gpl-3.txt")).unwrap();
    browser.run(UPLOAD_SCRIPT, json!(["licence.txt", licence]));
    browser.go(&server.address("/analyze"));
    browser.wait(".intro-step");
    browser.press("Start");
    browser.fill(".prompt-input", QUESTION);
    browser.press("Next");
    browser.wait(".model-selector");
    for model in ["far/large", "far/tiny"] {
        let css = format!(".model-checkbox[value='{model}']");
        if browser.count(&format!("{css}:checked")) == 0 {
            browser.click(&css);
        }
    }
    browser.press("Next");
    browser.wait_text(".plan-summary", "token");
    assert_eq!(browser.count(".plan-table"), 0);
    assert!(!browser.is_visible(".reading-selector"));
    browser.click(".document-checkbox");
    browser.wait(".plan-table");
    browser.wait_text(".plan-table", "Whole documents");
    browser.wait_text(".plan", "Tiny");
    browser.wait_text(".plan-summary", "$");
    check_accessibility(&browser, axe.as_deref(), "the plan");
    browser.screenshot("plan");
    browser.run(
        "const choice = document.querySelector('.reading-selector'); choice.value = 'passages'; choice.dispatchEvent(new Event('change'));",
        json!([]),
    );
    browser.wait_text(".plan-table", "Relevant passages");
    browser.cdp(
        "Emulation.setDeviceMetricsOverride",
        json!({ "width": 375, "height": 780, "deviceScaleFactor": 1, "mobile": true }),
    );
    browser.prefer(true, false);
    browser.screenshot("plan-phone");
    let over = browser
        .value("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(over, json!(0), "wider than the phone");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
    let _ = std::fs::remove_dir_all(folder);
}
