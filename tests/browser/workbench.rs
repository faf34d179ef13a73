//! Tests the workbench: everything is on one screen, choices can be saved as a recipe, drafts are kept when the window
//! is closed, and files can be dropped at any step.

use serde_json::json;

use crate::driver::{Browser, keys};
use crate::pages::{QUESTION, axe, check_accessibility, sign_up, tab_to};
use crate::server::Server;
use crate::streaming::server_with;
use crate::wait_for_turn;

/// Script that drops a file with the name `args[0]` and the text `args[1]` on the page.
const DROP_SCRIPT: &str = "
    const data = new DataTransfer();
    data.items.add(new File([args[1]], args[0]));
    const target = document.querySelector('main');
    for (const type of ['dragover', 'drop']) target.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }));";

fn open_single_page(width: u32, dark: bool) -> (Server, Browser) {
    let server = Server::start();
    let browser = Browser::open(width, 900, dark);
    sign_up(&browser, &server);
    browser.go(&server.address("/analyze"));
    browser.wait(".intro-step");
    browser.press("Everything on one screen");
    browser.wait(".bench");
    (server, browser)
}

/// Scrolls an element to the middle of the window, because the bar at the bottom could cover it.
fn scroll_to_middle(browser: &Browser, css: &str) {
    browser.wait(css);
    browser.run(
        "document.querySelector(args[0]).scrollIntoView({ block: 'center' });",
        json!([css]),
    );
}

#[test]
fn a_question_is_configured_and_run_on_one_screen() {
    let Some(_turn) = wait_for_turn() else { return };
    let (server, browser) = open_single_page(1280, false);
    browser.wait_text(".plan-summary", "to see the estimated cost");
    browser.wait(".pattern-picture svg");
    check_accessibility(&browser, axe().as_deref(), "one screen");
    browser.press("Run");
    browser.wait_text(".error-message", "write a question");

    browser.fill(".prompt-input", QUESTION);
    browser.wait_text(".plan-summary", "About");
    scroll_to_middle(&browser, ".run-settings");
    browser.press("Settings and budget");
    browser.wait(".preset-selector");
    scroll_to_middle(&browser, ".preset-selector");
    browser.press("Parameters");
    browser.wait_text(".parameter-grid", "No model on this panel supports it");
    scroll_to_middle(&browser, ".budget-input");
    browser.fill(".budget-input", "0.5");
    browser.wait_text(".run-settings summary", "at most $0.5");
    check_accessibility(&browser, axe().as_deref(), "settings");
    browser.screenshot("bench");

    scroll_to_middle(&browser, ".model-checkbox[value='demo/merge']");
    browser.click(".model-checkbox[value='demo/merge']");
    scroll_to_middle(&browser, ".recipe-links");
    browser.press("Save as recipe");
    browser.fill(".save-recipe input", "everybody");
    browser.press("Save");
    browser.wait(".recipe-selector");
    let stored =
        browser.value("document.querySelector('.recipe-selector').selectedOptions[0].text");
    assert_eq!(stored, json!("everybody"));

    // The text is still there when the window is closed and another one is opened.
    browser.run("sessionStorage.clear();", json!([]));
    browser.reload();
    browser.wait(".bench");
    assert_eq!(
        browser.value("document.querySelector('.prompt-input').value"),
        json!(QUESTION)
    );
    assert_eq!(browser.count(".model-checkbox:checked"), 4);
    browser.run(
        "document.querySelector('.prompt-input').focus();",
        json!([]),
    );
    browser.keys(&[keys::CONTROL], keys::ENTER);
    browser.wait(".members");
    browser.wait(".results-container");
    browser.go(&server.address("/analyze"));
    browser.wait(".bench");
    assert_eq!(
        browser.value("document.querySelector('.prompt-input').value"),
        json!(""),
        "what was sent is no draft any more"
    );
    browser.wait_text(".model-about", "tokens per second recently");
    browser.fill(".prompt-input", QUESTION);
    browser.wait_text(".plan-summary", "based on recent runs");
    browser.press("Step by step");
    browser.wait(".step-options, .step-prompt");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn one_screen_on_a_phone() {
    let Some(_turn) = wait_for_turn() else { return };
    let (_server, browser) = open_single_page(375, true);
    browser.wait(".pattern-picture svg");
    let over = browser
        .value("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(over, json!(0), "wider than the phone");
    browser.screenshot("bench-phone");
    check_accessibility(&browser, axe().as_deref(), "one screen on a phone");
    browser.fill(".prompt-input", QUESTION);
    browser.wait_text(".plan-summary", "About");
    browser.press("Run");
    browser.wait(".members");
    browser.wait(".results-container");
}

#[test]
fn a_file_dropped_in_any_step() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.go(&server.address("/analyze"));
    browser.wait(".intro-step");
    browser.press("Start");
    browser.fill(".prompt-input", "How much does the pump deliver?");
    browser.run(
        DROP_SCRIPT,
        json!([
            "pump.md",
            "# Pump\n\nThe pump delivers 40 litres a minute.\n"
        ]),
    );
    browser.wait_text("#toasts", "1 file is kept");
    browser.press("Next");
    browser.wait(".model-selector");
    browser.screenshot("panel");
    browser.press("Next");
    browser.wait_text(".document-choice", "pump.md");
    browser.run(
        DROP_SCRIPT,
        json!(["tank.md", "# Tank\n\nThe tank holds 900 litres.\n"]),
    );
    browser.wait_count(".document-checkbox:checked", 2);
    browser.press("Back");
    browser.wait(".model-selector");
    browser.press("Next");
    browser.wait(".pattern-selector");
    assert_eq!(browser.count(".document-checkbox:checked"), 2);
    browser.press("View");
    browser.wait_text(".page-text", "900 litres");
    browser.keys(&[], keys::ESCAPE);
    browser.wait(".pattern-picture svg");
    browser.screenshot("options");
    browser.press("Run with 2 documents");
    browser.wait(".results-container");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn panel_is_chosen_from_many_models_by_keyboard() {
    let Some(_turn) = wait_for_turn() else { return };
    let models: Vec<String> = (0..60).map(|number| format!("plain-{number:02}")).collect();
    let server = server_with(&models);
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.run(
        "localStorage.setItem('quire.layout', '\"one\"');",
        json!([]),
    );
    browser.go(&server.address("/analyze"));
    browser.wait(".bench .model-find");
    assert_eq!(
        browser.count(".model-item"),
        40,
        "no more than one can read"
    );
    browser.fill(".model-find input", "plain 57");
    browser.wait_count(".model-item", 4);
    check_accessibility(&browser, axe().as_deref(), "a panel out of many");
    browser.screenshot_window("many-models");

    // All steps from the question to the answer can be done by keyboard.
    browser.reload();
    browser.wait(".bench");
    tab_to(&browser, "Your question");
    browser.keys(&[], QUESTION);
    tab_to(&browser, "Find a model");
    browser.keys(&[], "57");
    browser.wait_count(".model-item", 4);
    tab_to(&browser, "plain-57");
    browser.keys(&[], keys::SPACE);
    assert_eq!(browser.count(".model-checkbox:checked"), 4);
    tab_to(&browser, "Pattern");
    browser.keys(&[], "Summ");
    browser.wait_text(".plan-summary", "About");
    tab_to(&browser, "Run");
    browser.keys(&[], keys::ENTER);
    browser.wait(".results-container");
    assert!(browser.text(".facts").contains("Summ"));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// Simulates a slow connection: every response takes this many milliseconds longer.
fn slow_connection(browser: &Browser, ms: u32) {
    browser.cdp(
        "Network.emulateNetworkConditions",
        json!({ "offline": false, "latency": ms, "downloadThroughput": -1, "uploadThroughput": -1 }),
    );
}

/// The code that shows a document or a run is loaded on demand. A click in the meantime is not lost.
#[test]
fn press_is_not_lost_while_code_loads() {
    let Some(_turn) = wait_for_turn() else { return };
    let (server, browser) = open_single_page(1280, false);
    browser.run(
        DROP_SCRIPT,
        json!(["pump.txt", "It delivers forty litres."]),
    );
    browser.wait(".document-choice .document-checkbox:checked");
    browser.cdp("Network.enable", json!({}));
    // The service worker is bypassed, because its requests are neither blocked nor slowed down.
    browser.cdp("Network.setBypassServiceWorker", json!({ "bypass": true }));
    let block = |parts: &[&str]| browser.cdp("Network.setBlockedURLs", json!({ "urls": parts }));
    block(&["*/app/reader.js"]);
    browser.press("View");
    browser.wait_text("dialog .error-alert", "could not be loaded");
    browser.keys(&[], keys::ESCAPE);
    block(&[]);
    slow_connection(&browser, 1500);
    browser.press("View");
    browser.wait_text("dialog .loading", "Fetching the text");
    slow_connection(&browser, 0);
    browser.wait_text("dialog .page-text", "forty litres");
    browser.keys(&[], keys::ESCAPE);

    block(&["*/app/live.js", "*/app/workbench-running.js"]);
    browser.reload();
    browser.wait(".bench");
    browser.fill(".prompt-input", QUESTION);
    browser.press("Run");
    browser.wait_text(".step-message .error-alert", "could not be loaded");
    block(&[]);
    slow_connection(&browser, 1500);
    browser.press("Run");
    browser.wait_text(".step-message .loading", "Starting");
    slow_connection(&browser, 0);
    browser.wait(".members");
    browser.wait(".results-container");
    browser.go(&server.address("/history"));
    browser.wait(".row-title");
    assert_eq!(
        browser.count(".row-title"),
        1,
        "what was pressed twice ran once"
    );
}
