//! Tests the page of a project: its threads with their answers, its documents, and its cost.

use serde_json::json;

use crate::driver::Browser;
use crate::pages::*;
use crate::server::Server;
use crate::wait_for_turn;

/// Script that creates a project with the uploaded document and asks a question in it. Returns the ID of the project.
const FILL_SCRIPT: &str = "
    const send = async (path, body) => {
      const response = await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
      if (!response.ok) throw new Error(await response.text());
      return response.json();
    };
    const { documents } = await (await fetch('/api/documents')).json();
    const project = await send('/api/projects', { name: 'Pumps', instructions: 'Quote the sheet.', document_ids: [documents[0].id] });
    await send('/api/analyze', { prompt: 'How much does the pump deliver?', pattern: 'single', models: ['demo/extract'], project: project.project_id });
    return project.project_id;";

#[test]
fn project_shows_answers_documents_and_cost() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = Server::start();
    let mut path = String::new();
    for (width, height, dark) in [(1440, 900, false), (375, 780, true)] {
        let browser = Browser::open(width, height, dark);
        if dark {
            sign_in(&browser, &server);
        } else {
            sign_up(&browser, &server);
            let text = "The pump delivers 40 litres a minute.";
            browser.run(UPLOAD_SCRIPT, json!(["pump.txt", text]));
            let id = browser.run(FILL_SCRIPT, json!([]));
            path = format!("/projects/{}", id.as_str().unwrap());
        }
        browser.go(&server.address(&path));
        browser.wait_text(".thread-list li", "How much does the pump deliver?");
        let line = browser.text(".thread-list .thread-words .fine");
        assert!(line.len() > 10 && line != "No answer", "{line}");
        assert_eq!(
            normalize_space(&browser.text(".project-spent")),
            "Spent this month $0.00"
        );
        let chip = "document.querySelector('.composer [aria-label^=Documents]').ariaLabel";
        assert_eq!(browser.value(chip), json!("Documents: 1 document +"));
        let hint = "document.querySelector('.composer-text').placeholder";
        assert_eq!(browser.value(hint), json!("Ask in Pumps"));
        browser.fill(".composer-text", "x");
        assert_eq!(
            browser.value(hint),
            json!("Ask in Pumps"),
            "also while writing"
        );
        check_width(&browser, "a project");
        check_accessibility(&browser, axe.as_deref(), "a project");
        browser.prefer(dark, false);
        browser.screenshot(&format!("project-{width}"));
        browser.wait_text(".composer-price", "free");
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}
