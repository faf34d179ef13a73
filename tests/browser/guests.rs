//! Tests the offline demo: a visitor tries a document without an account.

use serde_json::json;

use crate::driver::Browser;
use crate::server::Server;
use crate::wait_for_turn;

#[test]
fn a_visitor_tries_a_document_without_an_account() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1440, 900, false);
    browser.go(&server.address("/"));
    browser.wait(".intro-step");
    browser.press("Try a document");
    browser.wait(".document-upload .drop-zone");
    browser.wait_text(".drop-zone", "deleted after a day");
    browser.choose_file(
        "input[type=file]",
        &crate::pages::test_document("gpl-3.txt"),
    );
    browser.wait_text(".row", "gpl-3.txt");
    browser.wait_text(".rail-person", "Guest");
    browser.screenshot_window("guest-documents");
    browser.press("Ask");
    browser.wait_text(".composer", "1 document");
    browser.fill(".composer-text", "Who may change the licence?");
    browser.click(".send");
    browser.wait(".answer .citation");
    assert_eq!(
        browser.value("[...document.querySelectorAll('.thread-bar button')].some((each) => each.textContent === 'Share')"),
        json!(false),
        "a public link needs an account"
    );
    browser.screenshot_window("guest-answer");
    browser.click(".rail-person");
    browser.press("Leave and delete all");
    browser.wait(".intro-step");
    assert_eq!(
        browser.run("return (await fetch('/api/documents')).status;", json!([])),
        json!(401)
    );
    browser.console_errors();
}

#[test]
fn the_guided_page_takes_a_visitors_document() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(390, 844, true);
    browser.go(&server.address("/analyze?begin"));
    browser.fill(".prompt-input", "Who may change the licence?");
    browser.press("Next");
    browser.wait(".model-selector");
    browser.press("Next");
    browser.wait(".drop-zone");
    browser.choose_file(
        "input[type=file]",
        &crate::pages::test_document("gpl-3.txt"),
    );
    browser.wait_text(".document-choice", "gpl-3.txt");
    browser.press("Run with 1 document");
    browser.wait(".results-container");
    browser.screenshot_window("guest-guided");
}
