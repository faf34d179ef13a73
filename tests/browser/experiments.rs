//! Experiments on the pages: put together, priced, begun, watched, stopped, read. With the demo models, so that
//! every figure on the screen is a real one.

use serde_json::{Value, json};

use crate::driver::{Browser, keys, until};
use crate::pages::*;
use crate::server::Server;
use crate::turn;

/// Writes into the field of this label.
const WRITE: &str = "
    const label = [...document.querySelectorAll('label')].find((one) => one.textContent === args[0]);
    const input = document.getElementById(label.htmlFor);
    input.value = args[1];
    input.dispatchEvent(new Event('input', { bubbles: true }));";

/// Begins the demo's experiment with at most so many evaluations.
fn begin(browser: &Browser, server: &Server, evaluations: &str) {
    browser.go(&server.address("/experiments?new=1"));
    browser.wait(".experiment-part");
    browser.press("Try with demo models");
    until("the demo's cases", || {
        (browser.count(".case-row") == 24).then_some(())
    });
    assert_eq!(browser.text(".setting-count"), "8 settings to try.");
    browser.run(WRITE, json!(["Evaluations", evaluations]));
    browser.press("See what it would take");
    browser.wait(".detectable");
}

fn nothing_sticks_out(browser: &Browser) {
    let fits = browser.value("document.documentElement.scrollWidth <= innerWidth");
    assert_eq!(fits, json!(true), "nothing sticks out");
}

#[test]
fn an_experiment_from_the_demo_to_its_result() {
    let Some(_turn) = turn() else { return };
    let axe = axe();
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.go(&server.address("/experiments"));
    browser.wait_text(".empty", "No experiment yet");
    judge(&browser, axe.as_deref(), "no experiment");

    browser.press("Begin one");
    browser.wait(".experiment-part");
    browser.press("See what it would take");
    browser.wait_text(".error-message", "at least one case");
    browser.fill(".case-prompt", "What is six times seven?");
    browser.press("See what it would take");
    browser.wait_text(".error-message", "at least one model");
    judge(&browser, axe.as_deref(), "a new experiment");

    begin(&browser, &server, "64");
    let told = flat(&browser.text(".estimate"));
    for words in [
        "Settings 8",
        "of them held back",
        "no cost",
        "30 cases or more",
    ] {
        assert!(told.contains(words), "no {words} in {told}");
    }
    judge(&browser, axe.as_deref(), "an estimate");
    browser.picture("experiment-new");
    browser.run(WRITE, json!(["Name", "Another name"]));
    browser.wait_text(".estimate-body", "estimate again");
    browser.press("See what it would take");
    browser.wait(".detectable");
    browser.press("Start the experiment");

    browser.wait(".experiment-progress");
    browser.wait_text(".experiment-progress", "Best so far");
    browser.picture_of_window("experiment-running");
    browser.wait(".verdict");
    read_it(&browser);
    judge(&browser, axe.as_deref(), "a result");
    browser.picture("experiment-result");

    let address = browser.url();
    browser.go(&server.address("/experiments"));
    browser.wait_text(".row", "Another name");
    judge(&browser, axe.as_deref(), "a list of experiments");
    assert_eq!(browser.complaints(), Vec::<String>::new());

    let phone = Browser::open(360, 760, true);
    sign_in(&phone, &server);
    phone.go(&address);
    phone.wait(".verdict");
    phone.wait(".chart-picture .point");
    nothing_sticks_out(&phone);
    phone.picture("experiment-result-360-dark");
    phone.go(&server.address("/experiments?new=1"));
    phone.wait(".experiment-part");
    nothing_sticks_out(&phone);
    phone.picture("experiment-new-360-dark");
    assert_eq!(phone.complaints(), Vec::<String>::new());
}

/// The sentence, the pictures with the keyboard, the tables behind them, the answers of a case.
fn read_it(browser: &Browser) {
    assert!(browser.text(".verdict-words").len() > 40);
    browser.wait(".chart-picture .point");
    let shown =
        browser.value("document.querySelector('.chart-picture').querySelectorAll('.point').length");
    assert_eq!(shown, json!(8), "a row for every setting");
    let stops = browser.value("[...document.querySelectorAll('.chart-picture')].map((picture) => picture.querySelectorAll('[tabindex=\"0\"]').length)");
    let stops = stops.as_array().unwrap();
    assert!(
        stops.len() >= 4 && stops.iter().all(|stop| stop == 1),
        "every picture is one stop for Tab: {stops:?}"
    );
    browser.run(
        "document.querySelector('.chart-picture [tabindex=\"0\"]').focus();",
        json!([]),
    );
    let first = browser.text(".chart-readout");
    browser.keys(&[], keys::RIGHT);
    let second = browser.text(".chart-readout");
    assert!(
        first.starts_with("1. ") && second.starts_with("2. "),
        "{first} {second}"
    );
    assert_eq!(focused(browser), second, "what is read is what is seen");

    browser.click(".chart-figures summary");
    browser.wait(".chart-figures table");
    assert_eq!(
        browser.count(".chart-figures:first-of-type table tbody tr"),
        8
    );

    browser.click(".case-result summary");
    until("both answers of a case", || {
        (browser.count(".case-answers .compare-side .prose") == 2).then_some(())
    });
    let text = browser.text(".case-answers .compare-side");
    assert!(text.contains("demo algorithm"), "{text}");
}

#[test]
fn an_experiment_is_stopped_and_goes_on() {
    let Some(_turn) = turn() else { return };
    let axe = axe();
    let server = Server::start();
    let browser = Browser::open(375, 760, false);
    sign_up(&browser, &server);
    begin(&browser, &server, "24");
    browser.press("Start the experiment");
    browser.wait(".experiment-progress");
    judge(&browser, axe.as_deref(), "a running experiment");
    browser.press("Stop");
    browser.wait_text("main", "It was stopped");
    judge(&browser, axe.as_deref(), "a stopped experiment");
    browser.press("Go on");
    browser.wait(".status-word.completed");
    let status = browser.run(
        "const id = new URLSearchParams(location.search).get('id'); return (await (await fetch('/api/experiments/' + id)).json()).status;",
        json!([]),
    );
    assert_eq!(status, json!("completed"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// Somebody without an account is told what this is.
#[test]
fn experiments_need_an_account() {
    let Some(_turn) = turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    browser.go(&server.address("/experiments"));
    browser.wait_text("main", "Sign in");
    let told: Value = browser.value("document.querySelector('main h1').textContent");
    assert_eq!(told, json!("Find out which setting is best for you"));
}
