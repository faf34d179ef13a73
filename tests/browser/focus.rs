//! Tests keyboard focus on the pages: every dialog restores it, it is kept when the focused element is removed, and it
//! never returns to the start of the page. Also tests reduced motion.

use serde_json::{Value, json};

use crate::driver::{Browser, keys};
use crate::pages::{QUESTION, UPLOAD_SCRIPT, focused, sign_up};
use crate::server::Server;
use crate::wait_for_turn;

/// Focuses an element and activates it with Enter.
fn press_enter_on(browser: &Browser, css: &str) {
    browser.wait(css);
    browser.run(
        "document.querySelector(args[0]).focus();
         if (!document.querySelector(args[0]).matches(':focus')) throw new Error(`${args[0]} takes no focus`);",
        json!([css]),
    );
    browser.keys(&[], keys::ENTER);
}

fn focused_element(browser: &Browser) -> Value {
    browser.value("(() => { const here = document.activeElement; return here === document.body ? 'lost' : here.tagName.toLowerCase(); })()")
}

/// Opens a button's dialog and closes it with Escape. Focus must then return to the button.
fn open_and_close(browser: &Browser, css: &str) {
    press_enter_on(browser, css);
    browser.wait("dialog");
    assert_eq!(
        browser.value("Boolean(document.activeElement.closest('dialog'))"),
        json!(true),
        "the dialog of {css} has the focus"
    );
    browser.keys(&[], keys::ESCAPE);
    browser.wait_count("dialog", 0);
    let back = browser.run(
        "return document.querySelector(args[0]) === document.activeElement;",
        json!([css]),
    );
    assert_eq!(back, json!(true), "{css}; now at {}", focused(browser));
}

#[test]
fn keyboard_focus_is_never_lost() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.run(
        UPLOAD_SCRIPT,
        json!(["notes.md", "The pump delivers forty litres."]),
    );
    browser.run(
        "localStorage.setItem('quire.layout', '\"one\"');",
        json!([]),
    );
    browser.go(&server.address("/analyze"));
    browser.wait(".bench");
    open_and_close(&browser, "[aria-label='View the text of notes.md']");
    open_and_close(&browser, ".recipe-links button");

    // The button that was pressed disappears when the run starts, and the next one when the run ends.
    browser.fill(".prompt-input", QUESTION);
    press_enter_on(&browser, ".bench-run");
    browser.wait(".members");
    assert_ne!(focused_element(&browser), "lost", "a run begins");
    press_enter_on(&browser, ".run [aria-label=Cancel]");
    browser.wait(".results-container");
    assert_ne!(focused_element(&browser), "lost", "a run ends");
    open_and_close(&browser, "[aria-label='Run again']");

    browser.go(&server.address("/settings"));
    let keys = "section[aria-label='API keys']";
    browser.wait(keys);
    browser.fill(&format!("{keys} input[required], {keys} input"), "A script");
    press_enter_on(&browser, &format!("{keys} button[type=submit]"));
    let drop = format!("{keys} .row button");
    open_and_close(&browser, &drop);
    press_enter_on(&browser, &drop);
    browser.wait("dialog .danger");
    browser.press("Delete");
    browser.wait_text(keys, "No keys yet");
    let around = browser.value("document.activeElement.getAttribute('aria-label')");
    assert_eq!(around, "API keys", "the key's button went with it");
}

#[test]
fn nothing_moves_with_reduced_motion() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    for calm in [true, false] {
        browser.prefer(false, calm);
        browser.go(&server.address("/analyze"));
        browser.wait(".intro-step");
        let has_motion = browser.value(
            "(() => { const spinner = document.createElement('span'); spinner.className = 'loading-spinner'; document.body.append(spinner);
              const seconds = (what) => Math.max(0, ...[...document.querySelectorAll('*')].flatMap((node) => getComputedStyle(node)[what].split(',').map(parseFloat)));
              return [seconds('animationDuration'), seconds('transitionDuration')].map((time) => time > 0.001); })()",
        );
        assert_eq!(has_motion, json!([!calm, !calm]), "calm: {calm}");
    }
}
