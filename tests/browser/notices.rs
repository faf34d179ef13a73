//! Tests the notification at the end of a long run, with a scripted notification interface and a clock that the test
//! sets.

use serde_json::json;

use crate::driver::Browser;
use crate::streaming::server_with;
use crate::thread::{ask_in_composer, new_question};
use crate::wait_for_turn;

/// Script that records every notification and every request for permission. Increasing `window.later` moves the page's
/// clock forward.
const SCRIPTED: &str = "
    window.notified = [];
    window.asked = 0;
    window.later = 0;
    const now = Date.now;
    Date.now = () => now() + window.later;
    window.Notification = class {
      static permission = 'default';
      static requestPermission() { window.asked += 1; return Promise.resolve(this.permission = 'granted'); }
      constructor(title, options) {
        if (window.onPhone) throw new TypeError('Illegal constructor');
        window.notified.push({ title, ...options });
      }
    };
    Object.defineProperty(document, 'hidden', { get: () => Boolean(window.away) });";

const QUESTION: &str = "How much does the pump deliver?";

/// Asks a question, and makes its run appear to take this many milliseconds.
fn ask_for(browser: &Browser, words: &str, ms: u32) {
    ask_in_composer(browser, words);
    browser.wait(".board .col");
    browser.run("window.later += args[0];", json!([ms]));
    browser.wait(".turn.last[data-status=completed] .answer");
}

#[test]
fn a_long_run_offers_notifications_and_then_notifies_silently() {
    let Some(_turn) = wait_for_turn() else { return };
    let models = ["calm-1", "steady-2"].map(String::from);
    let server = server_with(&models);
    let browser = Browser::open(1440, 900, false);
    browser.cdp(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({ "source": SCRIPTED }),
    );
    new_question(&browser, &server, &["calm-1", "steady-2"]);
    ask_for(&browser, QUESTION, 0);
    assert_eq!(browser.count(".toast"), 0, "a short run offers nothing");

    ask_for(&browser, "And below zero?", 31_000);
    browser.wait_text(".toast", "Long runs can notify you when they end.");
    assert_eq!(
        browser.value("window.asked"),
        json!(0),
        "permission is requested only through the button"
    );
    browser.press("Notify me");
    assert_eq!(browser.value("window.asked"), json!(1));

    ask_for(&browser, "And at night?", 31_000);
    assert_eq!(
        browser.value("window.notified"),
        json!([]),
        "the page is in view"
    );
    browser.run("window.away = true;", json!([]));
    ask_for(&browser, "And on Sundays?", 31_000);
    assert_eq!(
        browser.value("window.notified"),
        json!([{ "title": "The answer is ready.", "body": "And on Sundays?", "tag": "quire-run", "silent": true }])
    );
    assert_eq!(browser.value("window.asked"), json!(1), "asked once");

    // On phones, the service worker must show the notification.
    browser.run(
        "window.onPhone = true;
         const worker = { showNotification: (title, options) => (window.notified.push({ title, ...options }), Promise.resolve()) };
         navigator.serviceWorker.getRegistration = () => Promise.resolve(worker);",
        json!([]),
    );
    ask_for(&browser, "And on Mondays?", 31_000);
    browser.wait_text(".turn.last .bubble", "Mondays");
    assert_eq!(browser.value("window.notified.length"), json!(2));
    assert_eq!(browser.value("window.notified[1].silent"), json!(true));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
