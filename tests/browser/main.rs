//! Tests the pages in a real browser with the real executable: the main journey, a phone in dark mode, operation by
//! keyboard only, hostile texts, and accessibility. Without chromedriver, the tests are skipped with a notice, or fail
//! if BROWSER=1.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

#[path = "../cli/nginx.rs"]
mod nginx;

mod citations;
mod compare;
mod contradicting;
mod dialogs;
mod documents;
mod driver;
mod evidence;
mod experiments;
mod first_journey;
mod focus;
mod gallery;
mod guests;
mod history;
mod manual;
mod markdown;
mod notices;
mod old_answers;
mod pages;
mod projects;
mod providers;
mod rest;
mod results;
mod server;
mod shell;
mod speech;
mod streaming;
mod suggestions;
mod thread;
mod troubles;
mod turns;
mod under_a_path;
mod waiting;
mod weight;
mod workbench;

use std::sync::{Condvar, Mutex, PoisonError};

use serde_json::{Value, json};

use driver::{Browser, keys};
use pages::*;
use server::Server;

/// Maximum number of concurrent browsers. On a small machine, tests would time out with more.
const BROWSERS: u32 = 2;

/// Permission to run this number of browsers. It is returned on drop.
struct Turn(u32);

static RUNNING: Mutex<u32> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// Waits until a browser may be started. Returns `None` if the test is skipped because there is no chromedriver.
fn wait_for_turn() -> Option<Turn> {
    wait_for_slots(1)
}

/// Like [`wait_for_turn`], but for a test that needs a fast page. No other browser runs at the same time.
fn wait_for_exclusive_turn() -> Option<Turn> {
    wait_for_slots(BROWSERS)
}

fn wait_for_slots(count: u32) -> Option<Turn> {
    if driver::chromedriver().is_none() {
        assert!(
            std::env::var_os("BROWSER").is_none_or(|wish| wish != "1"),
            "BROWSER=1, but there is no chromedriver"
        );
        eprintln!("skipped: there is no chromedriver on this machine (make test installs it)");
        return None;
    }
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let free = ENDED.wait_while(running, |running| *running + count > BROWSERS);
    *free.unwrap_or_else(PoisonError::into_inner) += count;
    Some(Turn(count))
}

impl Drop for Turn {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        ENDED.notify_all();
    }
}

#[test]
fn a_phone_in_the_dark_and_a_wide_screen() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(375, 812, true);
    sign_up(&browser, &server);
    browser.go(&server.address("/documents"));
    browser.wait(".drop-zone");
    assert!(browser.is_visible(".mobile-menu") && !browser.is_visible("nav"));
    browser.click(".mobile-menu");
    browser.wait("nav");
    open_guided_page(&browser);
    assert!(
        !browser.is_visible("nav"),
        "the drawer closes behind the chosen page"
    );
    assert!(brightness(&browser) < 60, "dark by the system's wish");

    start_run(&browser, "summarize");
    browser.wait(".members .member-body p");
    let snap_type = browser.value("(() => { const grid = document.querySelector('.members'); return getComputedStyle(grid).scrollSnapType !== 'none' && grid.scrollWidth > grid.clientWidth * 1.5; })()");
    assert_eq!(snap_type, json!(true), "a card per member, to be swiped");
    browser.screenshot("phone-running");
    browser.wait(".results-container");
    browser.screenshot("phone-result");
    for path in EVERY_PAGE {
        browser.go(&server.address(path));
        browser.wait("main h1, main h2");
        let over = browser
            .value("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(over, json!(0), "{path} is wider than the phone");
    }

    browser.go(&server.address("/settings"));
    browser.wait("select");
    browser.run("const choice = document.querySelector('select'); choice.value = 'light'; choice.dispatchEvent(new Event('change'));", json!([]));
    assert!(brightness(&browser) > 200);
    browser.reload();
    browser.wait("main h1");
    assert!(brightness(&browser) > 200, "the choice is kept");

    browser.cdp(
        "Emulation.setDeviceMetricsOverride",
        json!({ "width": 1920, "height": 1080, "deviceScaleFactor": 1, "mobile": false }),
    );
    for path in EVERY_PAGE {
        browser.go(&server.address(path));
        browser.wait("main h1, main h2");
        assert!(browser.is_visible("nav") && !browser.is_visible(".mobile-menu"));
    }
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_question_is_run_with_the_keyboard_alone() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.go(&server.address("/analyze"));
    browser.wait(".intro-step");
    browser.keys(&[], keys::TAB);
    assert!(focused(&browser).contains("Skip to content"));
    tab_to(&browser, "Start");
    browser.keys(&[], keys::ENTER);
    browser.wait(".prompt-input");
    browser.keys(&[], QUESTION);
    assert_eq!(
        browser.value("document.querySelector('.prompt-input').value"),
        json!(QUESTION),
        "the question has the focus at once"
    );
    browser.keys(&[keys::CONTROL], keys::ENTER);
    browser.wait(".model-selector");
    tab_to(&browser, "Consensus weaver");
    browser.keys(&[], keys::SPACE);
    assert_eq!(browser.count(".model-checkbox:checked"), 4);
    tab_to(&browser, "Next");
    browser.keys(&[], keys::ENTER);
    browser.wait(".pattern-selector");
    tab_to(&browser, "Pattern");
    browser.keys(&[], "Summ");
    tab_to(&browser, "Skip documents and run");
    browser.keys(&[], keys::ENTER);
    browser.wait(".results-container");
    assert!(
        browser.text(".facts").contains("Summ"),
        "{}",
        browser.text(".facts")
    );
    tab_to(&browser, "Answer");
    browser.keys(&[], keys::ARROW_LEFT);
    assert_eq!(focused(&browser), "All answers (Combined)");
    assert!(browser.count(".combined-member") > 0);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn hostile_texts_stay_text() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.run(HOSTILE_UPLOAD_SCRIPT, json!([]));
    browser.go(&server.address("/documents"));
    browser.wait_text(".row", "<img src=x onerror=");
    browser.go(&server.address("/analyze"));
    browser.wait(".intro-step");
    browser.press("Start");
    browser.fill(".prompt-input", "What does <img src=x onerror=alert(1)> say of the ![beacon](https://attacker.example/p.png)?");
    browser.press("Next");
    browser.press("Next");
    browser.wait(".pattern-selector");
    browser.click(".document-checkbox");
    browser.press("Run with 1 document");
    browser.wait(".results-container");
    for view in ["Side by Side", "All answers", "Answer"] {
        browser.press(view);
        assert_eq!(
            browser.count("main img, main script, main iframe, main a[href^='javascript:']"),
            0,
            "{view}"
        );
    }
    browser.press("All answers");
    assert!(
        browser.text("main").contains("attacker.example"),
        "it is shown as what it is"
    );
    let requests = browser.value("performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => !name.startsWith(location.origin))");
    assert_eq!(requests, json!([]), "nothing is loaded from elsewhere");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn accessible_in_every_state() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    browser.go(&server.address("/login"));
    browser.wait("form");
    check_accessibility(&browser, axe.as_deref(), "first account");
    sign_up(&browser, &server);
    browser.run(
        UPLOAD_SCRIPT,
        json!([
            "notes.md",
            "# Notes\n\nThe pump delivers 40 litres a minute. It may fail below 5 degrees.\n"
        ]),
    );
    for path in EVERY_PAGE {
        browser.go(&server.address(path));
        browser.wait("main h1, main h2");
        check_accessibility(&browser, axe.as_deref(), path);
    }
    browser.go(&server.address("/documents"));
    browser.click(".document-row a");
    browser.wait(".page-text");
    check_accessibility(&browser, axe.as_deref(), "a document's text");
    browser.go(&server.address("/analyze"));
    browser.wait(".intro-step");
    browser.press("Start");
    browser.fill(".prompt-input", "How much does the pump deliver?");
    check_accessibility(&browser, axe.as_deref(), "question");
    browser.press("Next");
    browser.wait(".model-selector");
    check_accessibility(&browser, axe.as_deref(), "panel");
    browser.press("Next");
    browser.wait(".pattern-selector");
    check_accessibility(&browser, axe.as_deref(), "options");
    browser.click(".document-checkbox");
    browser.press("Run with 1 document");
    browser.wait(".member-body p");
    check_accessibility(&browser, axe.as_deref(), "running");
    browser.wait(".results-container");
    for view in ["Side by Side", "All answers", "Answer"] {
        browser.press(view);
        check_accessibility(&browser, axe.as_deref(), view);
    }
    browser.click(".sheet .citation");
    browser.wait("mark.cited");
    check_accessibility(&browser, axe.as_deref(), "a source");
}

#[test]
fn without_an_account() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    browser.go(&server.address("/"));
    browser.wait(".intro-step");
    start_run(&browser, "summarize");
    browser.wait(".member-body p");
    browser.wait(".results-container");
    assert!(
        browser
            .text(".analysis-results")
            .contains("Analysis complete")
    );
    assert!(browser.text(".sheet .prose").len() > 100);
    browser.press("Export as JSON");
    let response: Value = serde_json::from_str(&browser.downloaded("json")).unwrap();
    assert_eq!(
        (
            &response["prompt"],
            response["results"]["stages"].as_array().unwrap().len()
        ),
        (&json!(QUESTION), 2)
    );
    browser.press("Export as CSV");
    assert!(browser.downloaded("csv").contains("demo/sceptic"));
    browser.press("Export as Markdown");
    assert!(browser.downloaded("md").contains(QUESTION));

    // The question is different, because with a cached answer, the run would end before it can be stopped.
    browser.press("New question");
    browser.wait(".intro-step");
    browser.press("Start");
    browser.fill(
        ".prompt-input",
        "What speaks for and against a second look?",
    );
    browser.press("Next");
    browser.press("Next");
    browser.wait(".pattern-selector");
    browser.press("Skip documents and run");
    browser.wait(".member-body p");
    browser.press("Cancel");
    browser.wait_text(".results-headline", "Analysis stopped");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn the_server_restarts_during_a_run() {
    let Some(_turn) = wait_for_turn() else { return };
    let mut server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.run(
        UPLOAD_SCRIPT,
        json!([
            "licence.txt",
            std::fs::read_to_string(test_document("gpl-3.txt")).unwrap()
        ]),
    );
    browser.go(&server.address("/analyze"));
    browser.wait(".intro-step");
    browser.press("Start");
    browser.fill(".prompt-input", QUESTION);
    browser.press("Next");
    browser.press("Next");
    browser.wait(".pattern-selector");
    browser.click(".document-checkbox");
    browser.press("Run with 1 document");
    browser.wait(".member-body p");
    server.restart();
    browser.wait(".results-container");
    let results = browser.text(".analysis-results");
    assert!(results.contains("Analysis complete"), "{results}");
    assert!(browser.text(".sheet .prose").len() > 500);
    browser.press("Side by Side");
    assert_eq!(browser.count(".member-card[data-status=done]"), 3);
}
