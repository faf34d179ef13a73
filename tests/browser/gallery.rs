//! Takes screenshots of every page with content, wide and narrow, light and dark. Checks that nothing is wider than the
//! window and that the browser logs no errors.

use serde_json::{Value, json};

use crate::driver::Browser;
use crate::pages::{QUESTION, UPLOAD_SCRIPT, show_every_section, sign_in, sign_up};
use crate::server::Server;
use crate::wait_for_turn;

/// Script that asks a question, shares the result, and compares the answers. Returns the ID of the analysis and the
/// token of the link.
const FILL_SCRIPT: &str = "
    const send = async (method, path, body) => {
      const response = await fetch(path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
      if (!response.ok) throw new Error(await response.text());
      return response.json();
    };
    const documents = (await send('GET', '/api/documents')).documents.map((one) => one.document_id ?? one.id);
    const ask = { prompt: args[0], pattern: 'critique', models: ['demo/extract', 'demo/sceptic', 'demo/merge'], document_ids: documents, depth: 'full' };
    const models = (await send('GET', '/api/available-models')).map((one) => one.id);
    ask.models = models.slice(0, 3);
    const told = await send('POST', '/api/analyze', ask);
    await send('POST', '/api/analyze', { ...ask, prompt: 'How much does the pump deliver?', pattern: 'summarize' });
    await send('POST', '/api/recipes', { name: 'Everybody', models: ask.models, pattern: 'critique' });
    const link = await send('POST', `/api/analyses/${told.analysis_id}/share`, {});
    return { id: told.analysis_id, thread: told.thread_id, document: documents[0], link: link.token };";

const NOTES_FILE: &str = "# Notes on the pump\n\nThe pump delivers 40 litres a minute. It may fail below 5 degrees.\n\n## Upkeep\n\nThe seal is changed once a year.\n";

fn page_addresses(known: &Value) -> Vec<(&'static str, String)> {
    let of = |name: &str| known[name].as_str().unwrap_or_default().to_owned();
    vec![
        ("question", "/".into()),
        ("thread", format!("/t/{}", of("thread"))),
        ("analyze", "/analyze".into()),
        ("result", format!("/analyze?id={}", of("id"))),
        ("documents", "/documents".into()),
        ("document", format!("/documents?id={}", of("document"))),
        ("history", "/history".into()),
        ("orchestrator", "/orchestrator".into()),
        ("pattern", "/orchestrator?pattern=critique".into()),
        ("modelrunner", "/modelrunner".into()),
        ("experiments", "/experiments".into()),
        ("experiment-new", "/experiments?new=1".into()),
        ("usage", "/usage".into()),
        ("settings", "/settings".into()),
        ("admin", "/admin".into()),
        ("welcome", "/welcome".into()),
        ("manual", "/manual".into()),
        ("manual-topic", "/manual/money".into()),
        ("share", format!("/share/{}", of("link"))),
        ("no-link", "/share/nobody".into()),
        ("nowhere", "/no/such/page".into()),
    ]
}

fn take_screenshots(browser: &Browser, name: &str, width: u32) {
    browser.wait("main h1");
    browser.wait_count("main .loading, main [aria-busy=true]", 0);
    for (dark, theme) in [(false, "light"), (true, "dark")] {
        // Animations are turned off, so that no screenshot is taken in the middle of one.
        browser.prefer(dark, true);
        browser.screenshot(&format!("page-{name}-{width}-{theme}"));
    }
    let over = browser
        .value("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(over, json!(0), "{name} is wider than {width}");
}

#[test]
fn every_page_wide_and_narrow_light_and_dark() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let mut known_entries = json!(null);
    for (width, height) in [(1280, 900), (375, 780)] {
        let browser = Browser::open(width, height, false);
        browser.go(&server.address("/"));
        take_screenshots(&browser, "landing", width);
        browser.go(&server.address("/login"));
        take_screenshots(&browser, "login", width);
        if known_entries.is_null() {
            sign_up(&browser, &server);
            browser.run(UPLOAD_SCRIPT, json!(["notes.md", NOTES_FILE]));
            known_entries = browser.run(FILL_SCRIPT, json!([QUESTION]));
        } else {
            sign_in(&browser, &server);
        }
        for (name, address) in page_addresses(&known_entries) {
            browser.go(&server.address(&address));
            if name == "admin" {
                show_every_section(&browser);
            }
            take_screenshots(&browser, name, width);
        }
        browser.run(
            "localStorage.setItem('quire.layout', '\"one\"');",
            json!([]),
        );
        browser.go(&server.address("/analyze"));
        browser.wait(".bench");
        take_screenshots(&browser, "bench", width);
        let faults = browser.console_errors();
        let response = |line: &String| line.contains("404");
        assert!(faults.iter().all(response), "{faults:?}");
    }
}
