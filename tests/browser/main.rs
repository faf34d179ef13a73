//! The pages in a real browser with the real executable: the main journey, a phone in dark mode, the
//! keyboard alone, hostile texts, accessibility. Skipped with a notice without chromedriver, unless
//! BROWSER=1 requires it.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod citations;
mod compare;
mod documents;
mod driver;
mod evidence;
mod experiments;
mod focus;
mod gallery;
mod guests;
mod manual;
mod markdown;
mod old_answers;
mod pages;
mod providers;
mod rest;
mod results;
mod server;
mod shell;
mod streaming;
mod suggestions;
mod thread;
mod troubles;
mod weight;
mod workbench;

use std::sync::{Condvar, Mutex, PoisonError};

use serde_json::{Value, json};

use driver::{Browser, keys, until};
use pages::*;
use server::Server;

/// Browsers at a time. More make each other's waits too short on a small machine.
const BROWSERS: u32 = 2;

/// The right to run this many browsers, for as long as it is held.
struct Turn(u32);

static RUNNING: Mutex<u32> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// Waits until a browser may be started.
fn turn() -> Option<Turn> {
    turn_of(1)
}

/// Like [`turn`], for a test whose page must be quick: no other browser runs meanwhile.
fn turn_alone() -> Option<Turn> {
    turn_of(BROWSERS)
}

fn turn_of(count: u32) -> Option<Turn> {
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
fn from_the_first_account_to_the_exported_answer() {
    let Some(_turn) = turn() else { return };
    let mut server = Server::start();
    let browser = Browser::open(1280, 900, false);

    browser.go(&server.address("/"));
    browser.wait(".intro-step");
    assert!(browser.shows("nav") && !browser.shows(".mobile-menu"));
    browser.press("Create the first account");
    browser.wait_text("h1", "Create the first account");
    browser.fill("input[name=name]", "Ada");
    browser.fill("input[name=email]", EMAIL);
    browser.fill("input[name=password]", PASSWORD);
    browser.press("Create account");
    browser.wait_text("h1", "Welcome, Ada");
    browser.press("Ask your first question");
    browser.wait_text("h1", "Ask a panel of models");
    browser.click(".rail-person");
    browser.wait_text("#account", "Administration");
    browser.keys(&[], keys::ESCAPE);

    browser.click(".rail a[href='/documents']");
    browser.wait(".drop-zone");
    browser.fill("input[type=file]", &document("gpl-3.txt"));
    browser.wait_text(".row", "gpl-3.txt");
    browser.press("View text");
    browser.wait_text(".page-text", "GNU GENERAL PUBLIC LICENSE");
    browser.keys(&[], keys::ESCAPE);

    choose_panel(&browser);
    browser.wait(".pattern-selector");
    assert!(browser.count(".pattern-selector option") >= 6);
    assert!(browser.text(".step-actions").contains("Skip"));
    browser.click(".document-checkbox");
    browser.press("Run with 1 document");

    watch_it_stream(&browser);
    browser.picture("running");
    reload_and_go_on(&browser);
    browser.wait(".synthesis-card .member-body p");
    browser.wait(".results-container");
    see_the_results(&browser);
    take_it_along(&browser);

    let synthesis = browser.text(".sheet .prose");
    server.restart();
    browser.click(".rail a[href='/history']");
    browser.wait_text(".row", QUESTION);
    browser.press(QUESTION);
    browser.wait(".answer > .blk");
    let again = browser.text(".answer");
    let beginning: String = flat(&again).chars().take(200).collect();
    assert!(
        flat(&synthesis).contains(&beginning),
        "what was written is read again after a restart: {again}"
    );

    account_menu(&browser, "Sign out");
    browser.wait_text("h1", "Sign in");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    browser.go(&server.address("/history"));
    browser.wait_text("h1", "Sign in");
    assert!(
        browser.url().contains("next=%2Fhistory"),
        "it comes back to where one was: {}",
        browser.url()
    );
}

fn choose_panel(browser: &Browser) {
    guided(browser);
    browser.press("Start");
    browser.press("Next");
    browser.wait_text(".error-message", "write a question");
    browser.fill(".prompt-input", QUESTION);
    browser.press("Next");
    browser.wait(".model-selector");
    assert!(browser.count(".model-item .availability-indicator") >= 3);
    let chosen = browser.count(".model-checkbox:checked");
    assert_eq!(chosen, 3, "three models are chosen to begin with");
    for _ in 0..chosen {
        browser.click(".model-checkbox:checked");
    }
    browser.press("Next");
    browser.wait_text(".error-message", "Please select at least one model");
    for model in ["demo/extract", "demo/phrases", "demo/sceptic"] {
        browser.click(&format!(".model-checkbox[value='{model}']"));
    }
    browser.press("Next");
}

fn lengths(browser: &Browser) -> Vec<u64> {
    let lengths = browser.value("[...document.querySelectorAll('.members .member-body')].map((body) => body.innerText.length)");
    lengths
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64)
        .collect()
}

fn watch_it_stream(browser: &Browser) {
    browser.wait(".loading-spinner");
    let first = until("three members that write", || {
        let now = lengths(browser);
        (now.len() == 3 && now.iter().all(|&length| length > 20)).then_some(now)
    });
    until("more text from each of them", || {
        let now = lengths(browser);
        // The next stage begins with empty sheets: that is progress too.
        let moved = now.iter().zip(&first).all(|(now, first)| now != first);
        (now.len() == 3 && moved).then_some(())
    });
}

fn reload_and_go_on(browser: &Browser) {
    assert!(browser.url().contains("id=analysis_"), "{}", browser.url());
    browser.reload();
    browser.wait(".loading-spinner");
    browser.wait(".member-body");
    assert!(browser.text(".stage-path").contains("First answers"));
}

fn see_the_results(browser: &Browser) {
    let results = browser.text(".analysis-results");
    for words in ["Analysis complete", "Model:", "Pattern:", "Confidence"] {
        assert!(results.contains(words), "no {words} in {results}");
    }
    browser.press("Answer");
    assert!(browser.text(".sheet .prose").len() > 500);
    browser.picture_of_window("result");
    browser.press("All answers");
    assert_eq!(browser.count(".combined-member"), 3);
    browser.press("Side by Side");
    assert_eq!(browser.count(".members .member-card"), 3);
    assert_eq!(
        browser.count(".stage-button"),
        2,
        "two stages before the synthesis: the depth is standard"
    );
    browser.picture("side-by-side");

    browser.press("Answer");
    browser.click(".sheet .citation");
    browser.wait("mark.cited");
    let passage = flat(&browser.text("mark.cited"));
    let whole = flat(&std::fs::read_to_string(document("gpl-3.txt")).unwrap());
    assert!(
        passage.len() > 50 && whole.contains(&passage),
        "the passage stands in the document: {passage}"
    );
    browser.keys(&[], keys::ESCAPE);
}

fn take_it_along(browser: &Browser) {
    browser.press("Export as JSON");
    let told: Value = serde_json::from_str(&browser.downloaded("json")).unwrap();
    assert_eq!(told["prompt"], QUESTION);
    assert_eq!(told["results"]["stages"].as_array().unwrap().len(), 3);
    browser.press("Export as CSV");
    let table = browser.downloaded("csv");
    assert!(
        table.lines().count() > 7 && table.contains("demo/sceptic"),
        "{table}"
    );
    browser.press("Export as Markdown");
    let text = browser.downloaded("md");
    assert!(text.contains(QUESTION) && text.contains("[D1:p"), "{text}");
}

#[test]
fn a_phone_in_the_dark_and_a_wide_screen() {
    let Some(_turn) = turn() else { return };
    let server = Server::start();
    let browser = Browser::open(375, 812, true);
    sign_up(&browser, &server);
    browser.go(&server.address("/documents"));
    browser.wait(".drop-zone");
    assert!(browser.shows(".mobile-menu") && !browser.shows("nav"));
    browser.click(".mobile-menu");
    browser.wait("nav");
    guided(&browser);
    assert!(
        !browser.shows("nav"),
        "the drawer closes behind the chosen page"
    );
    assert!(brightness(&browser) < 60, "dark by the system's wish");

    start_run(&browser, "summarize");
    browser.wait(".members .member-body p");
    let swiped = browser.value("(() => { const grid = document.querySelector('.members'); return getComputedStyle(grid).scrollSnapType !== 'none' && grid.scrollWidth > grid.clientWidth * 1.5; })()");
    assert_eq!(swiped, json!(true), "a card per member, to be swiped");
    browser.picture("phone-running");
    browser.wait(".results-container");
    browser.picture("phone-result");
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
        assert!(browser.shows("nav") && !browser.shows(".mobile-menu"));
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_keyboard_alone() {
    let Some(_turn) = turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.go(&server.address("/analyze"));
    browser.wait(".intro-step");
    browser.keys(&[], keys::TAB);
    assert!(focused(&browser).contains("Skip to the content"));
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
    browser.keys(&[], keys::LEFT);
    assert_eq!(focused(&browser), "All answers (Combined)");
    assert!(browser.count(".combined-member") > 0);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn hostile_texts_stay_text() {
    let Some(_turn) = turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.run(HOSTILE_UPLOAD, json!([]));
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
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn accessible_in_every_state() {
    let Some(_turn) = turn() else { return };
    let axe = axe();
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    browser.go(&server.address("/login"));
    browser.wait("form");
    judge(&browser, axe.as_deref(), "first account");
    sign_up(&browser, &server);
    browser.run(
        UPLOAD,
        json!([
            "notes.md",
            "# Notes\n\nThe pump delivers 40 litres a minute. It may fail below 5 degrees.\n"
        ]),
    );
    for path in EVERY_PAGE {
        browser.go(&server.address(path));
        browser.wait("main h1, main h2");
        judge(&browser, axe.as_deref(), path);
    }
    browser.go(&server.address("/documents"));
    browser.press("View text");
    browser.wait(".page-text");
    judge(&browser, axe.as_deref(), "a document's text");
    browser.go(&server.address("/analyze"));
    browser.wait(".intro-step");
    browser.press("Start");
    browser.fill(".prompt-input", "How much does the pump deliver?");
    judge(&browser, axe.as_deref(), "question");
    browser.press("Next");
    browser.wait(".model-selector");
    judge(&browser, axe.as_deref(), "panel");
    browser.press("Next");
    browser.wait(".pattern-selector");
    judge(&browser, axe.as_deref(), "options");
    browser.click(".document-checkbox");
    browser.press("Run with 1 document");
    browser.wait(".member-body p");
    judge(&browser, axe.as_deref(), "running");
    browser.wait(".results-container");
    for view in ["Side by Side", "All answers", "Answer"] {
        browser.press(view);
        judge(&browser, axe.as_deref(), view);
    }
    browser.click(".sheet .citation");
    browser.wait("mark.cited");
    judge(&browser, axe.as_deref(), "a source");
}

#[test]
fn without_an_account() {
    let Some(_turn) = turn() else { return };
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
    let told: Value = serde_json::from_str(&browser.downloaded("json")).unwrap();
    assert_eq!(
        (
            &told["prompt"],
            told["results"]["stages"].as_array().unwrap().len()
        ),
        (&json!(QUESTION), 2)
    );
    browser.press("Export as CSV");
    assert!(browser.downloaded("csv").contains("demo/sceptic"));
    browser.press("Export as Markdown");
    assert!(browser.downloaded("md").contains(QUESTION));

    // Another question, so that no stored answer can make it too quick to be stopped.
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
    browser.wait_text(".results-headline", "Analysis cancelled");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_server_restarts_during_a_run() {
    let Some(_turn) = turn() else { return };
    let mut server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.run(
        UPLOAD,
        json!([
            "licence.txt",
            std::fs::read_to_string(document("gpl-3.txt")).unwrap()
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
