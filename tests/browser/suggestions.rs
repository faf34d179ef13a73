//! Tests that a pattern is suggested because of the words in a question, and selected with one click.

use crate::driver::Browser;

use crate::server::Server;
use crate::wait_for_turn;

#[test]
fn a_question_suggests_its_pattern() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(375, 800, false);

    browser.go(&server.address("/"));
    browser.wait(".intro-step");
    browser.press("Start");
    browser.fill(
        ".prompt-input",
        "Compare the two offers: what is the difference between them?",
    );
    browser.press("Next");
    browser.wait(".model-selector");
    browser.press("Next");
    browser.wait(".pattern-suggestions li");
    browser.wait_text(".pattern-suggestions", "the question says compare");
    browser.screenshot("suggestions");
    browser.click("[aria-label='Choose the pattern Comparison']");
    browser.wait_text(".pattern-help", "by the same criteria");
    assert_eq!(
        browser.value("document.querySelector('.pattern-selector').value"),
        "compare"
    );
}
