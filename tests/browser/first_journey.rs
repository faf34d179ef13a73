//! Tests the main journey: from the first account through a panel, a running answer, and the results to the exported
//! files.

use serde_json::Value;

use crate::driver::{Browser, keys};
use crate::pages::*;
use crate::server::Server;
use crate::wait_for_turn;
use crate::waiting::wait_until;

#[test]
fn from_the_first_account_to_the_exported_answer() {
    let Some(_turn) = wait_for_turn() else { return };
    let mut server = Server::start();
    let browser = Browser::open(1280, 900, false);

    browser.go(&server.address("/"));
    browser.wait(".intro-step");
    assert!(browser.is_visible("nav") && !browser.is_visible(".mobile-menu"));
    browser.press("Create the first account");
    browser.wait_text("h1", "Create the first account");
    browser.fill("input[name=name]", "Ada");
    browser.fill("input[name=email]", EMAIL);
    browser.fill("input[name=password]", PASSWORD);
    browser.press("Create account");
    browser.wait_text("h1", "Ask a panel of models");
    browser.press("Set up this server");
    browser.wait_text("h1", "Welcome, Ada");
    browser.press("Ask your first question");
    browser.wait_text("h1", "Ask a panel of models");
    browser.click(".rail-person");
    browser.wait_text("#account", "Administration");
    browser.keys(&[], keys::ESCAPE);

    browser.click(".rail a[href='/documents']");
    browser.wait(".drop-zone");
    browser.choose_file("input[type=file]", &test_document("gpl-3.txt"));
    browser.wait_text(".row", "gpl-3.txt");
    browser.click(".document-row a");
    browser.wait_text(".page-text", "GNU GENERAL PUBLIC LICENSE");
    browser.keys(&[], keys::ESCAPE);

    choose_panel(&browser);
    browser.wait(".pattern-selector");
    assert!(browser.count(".pattern-selector option") >= 6);
    assert!(browser.text(".step-actions").contains("Skip"));
    browser.click(".document-checkbox");
    browser.press("Run with 1 document");

    check_streaming(&browser);
    browser.screenshot("running");
    reload_and_continue(&browser);
    browser.wait(".synthesis-card .member-body p");
    browser.wait(".results-container");
    check_results(&browser);
    check_exports(&browser);

    let synthesis = browser.text(".sheet .prose");
    // Waits for the last request of this page, so that the restart does not interrupt it.
    browser.wait_text(".composer-price", "free");
    server.restart();
    browser.click(".rail a[href='/history']");
    // A long question is truncated in the title.
    browser.wait_text(".row-title", &QUESTION[..60]);
    browser.click(".row-title");
    browser.wait(".answer > .blk");
    let second = browser.text(".answer");
    let beginning: String = normalize_space(&second).chars().take(200).collect();
    assert!(
        normalize_space(&synthesis).contains(&beginning),
        "what was written is read again after a restart: {second}"
    );

    // Waits again, so that signing out does not interrupt a request.
    browser.wait_text(".composer-price", "free");
    account_menu(&browser, "Sign out");
    browser.wait_text("h1", "Sign in");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
    browser.go(&server.address("/history"));
    browser.wait_text("h1", "Sign in");
    assert!(
        browser.url().contains("next=%2Fhistory"),
        "it comes back to where one was: {}",
        browser.url()
    );
}

fn choose_panel(browser: &Browser) {
    open_guided_page(browser);
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

fn answer_lengths(browser: &Browser) -> Vec<u64> {
    let lengths = browser.value("[...document.querySelectorAll('.members .member-body')].map((body) => body.innerText.length)");
    lengths
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64)
        .collect()
}

fn check_streaming(browser: &Browser) {
    browser.wait(".loading-spinner");
    let first = wait_until("three members that write", || {
        let now = answer_lengths(browser);
        (now.len() == 3 && now.iter().all(|&length| length > 20)).then_some(now)
    });
    wait_until("more text from each of them", || {
        let now = answer_lengths(browser);
        // The cards of the next stage are empty at first, which counts as progress too.
        let moved = now.iter().zip(&first).all(|(now, first)| now != first);
        (now.len() == 3 && moved).then_some(())
    });
}

fn reload_and_continue(browser: &Browser) {
    assert!(browser.url().contains("id=analysis_"), "{}", browser.url());
    browser.reload();
    browser.wait(".loading-spinner");
    browser.wait(".member-body");
    assert!(browser.text(".stage-path").contains("First answers"));
}

fn check_results(browser: &Browser) {
    let results = browser.text(".analysis-results");
    for words in ["Analysis complete", "Model:", "Pattern:", "Confidence"] {
        assert!(results.contains(words), "no {words} in {results}");
    }
    browser.press("Answer");
    assert!(browser.text(".sheet .prose").len() > 500);
    browser.screenshot_window("result");
    browser.press("All answers");
    assert_eq!(browser.count(".combined-member"), 3);
    browser.press("Side by Side");
    assert_eq!(browser.count(".members .member-card"), 3);
    assert_eq!(
        browser.count(".stage-button"),
        2,
        "two stages before the synthesis: the depth is standard"
    );
    browser.screenshot("side-by-side");

    browser.press("Answer");
    browser.click(".sheet .citation");
    browser.wait("mark.cited");
    let passage = normalize_space(&browser.text("mark.cited"));
    let full = normalize_space(&std::fs::read_to_string(test_document("gpl-3.txt")).unwrap());
    assert!(
        passage.len() > 50 && full.contains(&passage),
        "the passage stands in the document: {passage}"
    );
    browser.keys(&[], keys::ESCAPE);
}

fn check_exports(browser: &Browser) {
    browser.press("Export as JSON");
    let response: Value = serde_json::from_str(&browser.downloaded("json")).unwrap();
    assert_eq!(response["prompt"], QUESTION);
    assert_eq!(response["results"]["stages"].as_array().unwrap().len(), 3);
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
