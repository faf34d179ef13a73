//! Tests an answer from documents, a stopped member, and the same answer when it is opened from the history.

use serde_json::json;

use crate::driver::Browser;
use crate::pages::{axe, check_accessibility, sign_up, test_document};
use crate::server::Server;
use crate::streaming::server_with;
use crate::thread::{ask_in_composer, new_question};
use crate::wait_for_turn;
use crate::waiting::wait_until;

/// Expression that returns the height of the highest verified citation, in pixels.
const HEIGHTS: &str = "Math.max(...[...document.querySelectorAll('.answer .citation.verified')].map((one) => one.getBoundingClientRect().height))";

#[test]
fn stopped_member_is_not_shown_as_failed() {
    let Some(_turn) = wait_for_turn() else { return };
    let panel = ["slow-1", "steady-1"];
    let server = server_with(&panel.map(str::to_owned));
    let browser = Browser::open(1440, 900, false);
    new_question(&browser, &server, &panel);
    ask_in_composer(&browser, "Who may change the license?");
    browser.click("[aria-label='Stop slow-1']");
    browser.wait_text(".col[data-status=stopped]", "Stopped");
    assert_eq!(browser.count(".pill.bad"), 0, "stopping is no failure");
    assert!(!browser.text(".stages").contains("failed"));
}

#[test]
fn an_answer_is_found_again() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1440, 900, false);
    sign_up(&browser, &server);
    browser.go(&server.address("/documents"));
    browser.wait(".drop-zone");
    browser.choose_file("input[type=file]", &test_document("gpl-3.txt"));
    browser.wait(".row[data-status=processed]");
    browser.press("Ask");
    browser.wait_text(".composer", "1 document");
    browser.wait_text(".attachments", "gpl-3.txt");
    browser.fill(".composer-text", "Who may change the license?");
    browser.click(".send");
    browser.wait(".answer .citation.verified");
    let height = browser.value(HEIGHTS).as_f64().unwrap();
    assert!(height < 40.0, "a citation is {height} pixels high");

    browser.go(&server.address("/history?q=license"));
    browser.wait(".found-text mark");
    browser.wait_text(".preview h2", "Who may change the license?");
    browser.wait(".preview .citation");
    check_accessibility(&browser, axe().as_deref(), "the history with a preview");
    browser.click(".preview-foot button");
    browser.wait_text(".row .badge", "Pinned");
    browser.wait_text(".preview-foot", "Unpin");

    // Only the reviews of the members contain this word.
    browser.go(&server.address("/history?q=unverifiable"));
    browser.wait_text(".found-text", "Member A: “");
    assert_eq!(browser.count(".row-facts .letter"), 3);
    browser.press("Open thread");
    wait_until("the thread", || {
        browser.url().contains("/t/thread_").then_some(())
    });
    browser.wait_text(".view-note", "The words of A are marked");
    browser.wait_text(".revealed", "unverifiable");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
    browser.cdp(
        "Emulation.setDeviceMetricsOverride",
        json!({ "width": 1200, "height": 800, "deviceScaleFactor": 1, "mobile": false }),
    );
    browser.go(&server.address("/history"));
    browser.wait(".row");
    assert!(!browser.is_visible(".preview"), "there is no room for it");
}
