//! Tests a conversation with a panel on a desktop and on a phone: the first question, follow-up questions, branches,
//! stopping a run, and the live view of a run.

use serde_json::json;

use crate::driver::{Browser, keys};
use crate::pages::{axe, check_accessibility, check_width, focused, normalize_space, sign_up};
use crate::server::Server;
use crate::streaming::server_with;
use crate::wait_for_turn;
use crate::waiting::wait_until;

const FIRST_QUESTION: &str = "How much does the pump deliver, and when may it fail?";
const SECOND_QUESTION: &str = "And below zero?";

/// Script that records all layout shifts of the page in `window.shifts`, each with the elements that moved.
const WATCH_SHIFTS: &str = "
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        if (!entry.hadRecentInput) window.shifts.push([entry.value, entry.sources.map((one) => one.node?.className || one.node?.nodeName || '').join(' ')]);
      }
    }).observe({ type: 'layout-shift', buffered: true });";

/// Returns the sum of all layout shifts so far. Prints the elements that moved, in case the test fails.
fn layout_shift(browser: &Browser) -> f64 {
    let response = browser.value("window.shifts");
    let all = response.as_array().unwrap();
    let sum = all.iter().filter_map(|one| one[0].as_f64()).sum();
    eprintln!("moved: {response}");
    sum
}

fn model_ids(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Creates an account and opens the page of a new question to a panel of these models.
pub fn new_question(browser: &Browser, server: &Server, panel: &[&str]) {
    sign_up(browser, server);
    let ids: Vec<String> = panel.iter().map(|name| format!("far/{name}")).collect();
    browser.run(
        "localStorage.setItem('quire.panel', JSON.stringify(args[0]));",
        json!([ids]),
    );
    browser.go(&server.address("/"));
    browser.wait(".composer");
    browser.wait_text("h1", "Ask a panel of models");
}

pub fn ask_in_composer(browser: &Browser, words: &str) {
    browser.fill(".composer-text", words);
    browser.wait_count(".send:not(:disabled)", 1);
    browser.click(".send");
}

/// Waits until there are this many turns and the last one has ended.
pub fn wait_for_answers(browser: &Browser, turns: u64) {
    browser.wait_count(".turn", turns);
    browser.wait_count(".turn.last[data-status=completed] .answer", 1);
}

fn answer_top(browser: &Browser) -> f64 {
    browser.run("scrollTo(0, 0);", json!([]));
    let top = browser.value("document.querySelector('.answer p').getBoundingClientRect().top");
    top.as_f64().unwrap()
}

#[test]
fn a_conversation_with_follow_ups_and_branches() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = server_with(&model_ids(&["calm-1", "steady-2", "steady-3"]));
    let browser = Browser::open(1440, 900, false);
    new_question(&browser, &server, &["calm-1", "steady-2", "steady-3"]);
    assert_eq!(browser.count(".example"), 3);
    assert_eq!(
        browser.value("document.activeElement.className"),
        json!("composer-text"),
        "the question can be written at once"
    );
    check_accessibility(&browser, axe.as_deref(), "a new question");
    browser.screenshot_window("thread-new");
    browser.wait_text(".composer-price", "Write a question");
    browser.run(WATCH_SHIFTS, json!([]));
    ask_in_composer(&browser, FIRST_QUESTION);
    browser.wait(".board .col");
    wait_for_answers(&browser, 1);
    let sum = layout_shift(&browser);
    assert!(sum <= 0.05, "the page moves while it is read: {sum}");
    assert!(browser.url().contains("/t/thread_"), "{}", browser.url());
    assert!(answer_top(&browser) <= 180.0, "{}", answer_top(&browser));
    let title = browser.value("document.title");
    assert!(
        title.as_str().unwrap().starts_with(FIRST_QUESTION),
        "{title}"
    );
    browser.wait_text(".rail-threads", "How much does the pump");
    check_accessibility(&browser, axe.as_deref(), "an answer");
    browser.screenshot_window("thread-answer");

    // The follow-up question is sent by keyboard, to the same panel.
    browser.fill(".composer-text", SECOND_QUESTION);
    browser.keys(&[keys::CONTROL], keys::ENTER);
    wait_for_answers(&browser, 2);
    assert_eq!(browser.text(".turn.last .bubble"), SECOND_QUESTION);
    assert!(normalize_space(&browser.text(".turn.last .view-tabs")).contains("Members 3"));

    // Creates another version of the second question.
    browser.click(".turn.last .turn-edit");
    browser.wait(".ask-input");
    browser.fill(".ask-input", " At night, too?");
    browser.keys(&[keys::CONTROL], keys::ENTER);
    browser.wait_text(".turn.last .branch", "2/2");
    wait_for_answers(&browser, 2);
    browser.click("[aria-label='Previous version']");
    browser.wait_text(".turn.last .branch", "1/2");
    assert_eq!(browser.text(".turn.last .bubble"), SECOND_QUESTION);
    assert!(focused(&browser).contains("Next version"));
    browser.reload();
    wait_for_answers(&browser, 2);
    assert_eq!(
        browser.text(".turn.last .branch"),
        "1/2",
        "the address keeps the branch"
    );

    // The selected view is part of the address, and its number is its keyboard shortcut.
    browser.run("document.activeElement.blur();", json!([]));
    browser.keys(&[], "2");
    browser.wait(".turn .member-card");
    assert!(browser.url().contains("tab=members"), "{}", browser.url());
    browser.reload();
    browser.wait(".turn.last .member-card");
    check_accessibility(&browser, axe.as_deref(), "the members of an answer");
    rename_and_find(&browser);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

fn rename_and_find(browser: &Browser) {
    browser.click(".bar-more");
    browser.wait(".thread-bar [role=menu]:not([hidden])");
    browser.press("Rename");
    browser.wait("dialog input");
    browser.run(
        "document.querySelector('dialog input').value = '';",
        json!([]),
    );
    browser.fill("dialog input", "The pump in winter");
    browser.keys(&[], keys::ENTER);
    browser.wait_text("h1", "The pump in winter");
    browser.wait_text(".rail-threads", "The pump in winter");
    browser.press("Export");
    browser.wait(".thread-bar [role=menu]:not([hidden])");
    browser.press("Markdown");
    let text = browser.downloaded("md");
    assert!(
        text.contains(FIRST_QUESTION) && text.contains(SECOND_QUESTION),
        "{text}"
    );
}

/// However long the question is, the answer begins near the top of the page, and the rest of the question is shown with
/// one click.
#[test]
fn an_answer_begins_near_the_top_below_a_long_question() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = server_with(&model_ids(&["steady-1", "steady-2"]));
    let long = "Should we sign the service agreement for two years or stay with the monthly plan? ";
    for (width, height) in [(390, 844), (1440, 900)] {
        let browser = Browser::open(width, height, false);
        if width == 390 {
            new_question(&browser, &server, &["steady-1", "steady-2"]);
        } else {
            crate::pages::sign_in(&browser, &server);
        }
        for (repeats, is_folded) in [(1, false), (6, true)] {
            browser.go(&server.address("/"));
            browser.wait(".composer");
            ask_in_composer(&browser, long.repeat(repeats).trim());
            wait_for_answers(&browser, 1);
            let top = answer_top(&browser);
            assert!(top <= 180.0, "{top} at {width}, {repeats} sentences");
            assert_eq!(browser.is_visible(".bubble .link-button"), is_folded);
        }
        check_width(&browser, "a folded question");
        check_accessibility(&browser, axe().as_deref(), "a folded question");
        let folded = browser
            .value("document.querySelector('.bubble').clientHeight")
            .as_f64();
        browser.press("Show more");
        let open = browser
            .value("document.querySelector('.bubble').clientHeight")
            .as_f64();
        assert!(open > folded, "{open:?} {folded:?}");
        browser.press("Show less");
        browser.screenshot_window(&format!("thread-long-question-{width}"));
    }
}

#[test]
fn a_conversation_on_a_phone_in_the_dark() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = server_with(&model_ids(&["calm-1", "steady-2", "slow-1"]));
    let browser = Browser::open(390, 844, true);
    new_question(&browser, &server, &["calm-1", "steady-2"]);
    check_width(&browser, "a new question");
    check_accessibility(&browser, axe.as_deref(), "a new question on a phone");
    browser.prefer(true, false);
    browser.run(WATCH_SHIFTS, json!([]));
    ask_in_composer(&browser, FIRST_QUESTION);
    browser.wait(".board .col.chosen");
    check_width(&browser, "a run");
    wait_for_answers(&browser, 1);
    let sum = layout_shift(&browser);
    assert!(sum <= 0.05, "the page moves while it is read: {sum}");
    assert!(answer_top(&browser) <= 180.0, "{}", answer_top(&browser));
    check_width(&browser, "an answer");
    check_accessibility(&browser, axe.as_deref(), "an answer on a phone");
    browser.prefer(true, false);
    browser.screenshot_window("thread-phone");
    browser.click(".bar-ring");
    browser.wait_text("dialog", "steady-2");
    check_accessibility(&browser, axe.as_deref(), "the evidence on a phone");
    browser.keys(&[], keys::ESCAPE);
    browser.click(".mobile-menu");
    browser.wait_text(".rail-threads", "How much does the pump");
    check_accessibility(&browser, axe.as_deref(), "the drawer");
    browser.press("New question");
    browser.wait_text("h1", "Ask a panel of models");
    assert!(!browser.is_visible("nav"), "the drawer closes");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn the_panel_and_the_pattern_are_chosen_in_sheets() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let names = ["steady-1", "steady-2", "steady-3", "steady-4"];
    let server = server_with(&model_ids(&names));
    let browser = Browser::open(1440, 900, false);
    new_question(&browser, &server, &names[..2]);
    browser.fill(".composer-text", FIRST_QUESTION);
    browser.click("[aria-label^='Panel:']");
    browser.wait(".panel-sheet");
    assert_eq!(browser.count(".picked"), 2);
    check_accessibility(&browser, axe.as_deref(), "the panel as a sheet");
    browser.fill(".sheet-search input", "steady-4");
    browser.wait_count(".model-row", 1);
    browser.click(".model-row");
    assert_eq!(browser.count(".picked"), 3);
    browser.wait_text(".sheet-total", "3 models");
    browser.screenshot_window("thread-panel");
    browser.press("Use panel");
    browser.wait_text("[aria-label^='Panel:']", "3 models");
    assert!(focused(&browser).starts_with("Panel:"), "the focus returns");

    browser.click("[aria-label^='Pattern:']");
    browser.wait(".pattern-pick");
    assert_eq!(browser.count(".pattern-pick"), 4);
    check_accessibility(&browser, axe.as_deref(), "the pattern as a sheet");
    browser.press("Vote");
    browser.press("Quick");
    browser.screenshot_window("thread-pattern");
    browser.press("Use pattern");
    browser.wait_text("[aria-label^='Pattern:']", "Vote");
    browser.click(".send");
    wait_for_answers(&browser, 1);
    let result = browser.run(
        "const { analyses } = await (await fetch('/api/analyses')).json(); return analyses[0];",
        json!([]),
    );
    assert_eq!(result["pattern"], "vote");
    assert_eq!(result["models"].as_array().unwrap().len(), 3);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn stopped_run_is_not_shown_as_an_error() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = server_with(&model_ids(&["slow-1", "steady-1"]));
    for (width, height) in [(1440, 900), (390, 844)] {
        let browser = Browser::open(width, height, false);
        if width == 1440 {
            new_question(&browser, &server, &["slow-1", "steady-1"]);
        } else {
            crate::pages::sign_in(&browser, &server);
            browser.go(&server.address("/"));
            browser.wait(".composer");
            browser.wait_text("[aria-label^='Panel:']", "2 models");
        }
        ask_in_composer(
            &browser,
            &format!("{FIRST_QUESTION} At a width of {width}?"),
        );
        browser.wait_text(".live", "Done");
        wait_until("both write", || {
            let written = browser.value(
                "[...document.querySelectorAll('.col-body')].map((body) => body.textContent.length)",
            );
            let written = written.as_array().unwrap();
            written
                .iter()
                .all(|one| one.as_u64() > Some(20))
                .then_some(())
        });
        browser.press("Stop");
        browser.wait_text(".stopped-head", "You stopped this run");
        assert_eq!(browser.count("[role=alert]"), 0, "stopping is no error");
        assert_eq!(browser.count(".pill.bad"), 0);
        assert_eq!(
            browser.count(".stopped .col"),
            2,
            "the partial text is kept"
        );
        let texts = browser.value(
            "[...document.querySelectorAll('.stopped .col-body')].map((body) => body.textContent.length > 10)",
        );
        assert_eq!(texts, json!([true, true]));
        check_width(&browser, "a stopped run");
        check_accessibility(&browser, axe.as_deref(), "a stopped run");
        browser.screenshot_window(&format!("thread-stopped-{width}"));
        // After a reload, a stopped run looks the same.
        browser.reload();
        browser.wait_text(".stopped-head", "You stopped this run");
        browser.wait_text(".stopped", "delivers");
    }
}

#[test]
fn sixteen_members_cause_no_layout_shift() {
    let Some(_turn) = wait_for_turn() else { return };
    let names: Vec<String> = (0..16).map(|number| format!("quick-{number}")).collect();
    let mut all = names.clone();
    all.push("steady".into());
    let server = server_with(&all);
    let browser = Browser::open(1440, 900, false);
    let panel: Vec<&str> = names.iter().map(String::as_str).collect();
    new_question(&browser, &server, &panel);
    browser.run(WATCH_SHIFTS, json!([]));
    ask_in_composer(&browser, FIRST_QUESTION);
    wait_until("sixteen rows that fill", || {
        let filled = browser.value(
            "[...document.querySelectorAll('.rows .col-tail')].filter((row) => row.textContent.length > 20).length",
        );
        (filled == json!(16)).then_some(())
    });
    check_accessibility(&browser, axe().as_deref(), "sixteen members");
    browser.screenshot_window("thread-sixteen");
    let sum = layout_shift(&browser);
    assert!(sum <= 0.05, "the page moves while it is read: {sum}");
    browser.press("Stop");
    browser.wait(".stopped");
}

/// A follow-up question below a result on the guided page continues its thread.
#[test]
fn a_guided_result_is_continued() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = server_with(&model_ids(&["steady-1", "steady-2"]));
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    let id = browser.run(
        "const response = await fetch('/api/analyze', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ prompt: args[0], pattern: 'summarize', models: ['far/steady-1', 'far/steady-2'] }) });
         return (await response.json()).analysis_id;",
        json!([FIRST_QUESTION]),
    );
    browser.go(&server.address(&format!("/analyze?id={}", id.as_str().unwrap())));
    browser.wait(".results-container");
    browser.wait(".follow-up .composer");
    check_accessibility(&browser, axe().as_deref(), "a guided result");
    ask_in_composer(&browser, SECOND_QUESTION);
    wait_for_answers(&browser, 2);
    assert!(browser.url().contains("/t/thread_"), "{}", browser.url());
    let questions = browser
        .value("[...document.querySelectorAll('.bubble')].map((one) => one.innerText.trim())");
    assert_eq!(questions, json!([FIRST_QUESTION, SECOND_QUESTION]));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// Knowing an address is not enough for access: the thread of another account is shown as missing.
#[test]
fn missing_thread_shows_an_explanation() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.go(&server.address("/t/thread_01JZZZZZZZZZZZZZZZZZZZZZZZ"));
    browser.wait_text("h1", "Thread not found");
    browser.press("New question");
    browser.wait(".composer");
}
