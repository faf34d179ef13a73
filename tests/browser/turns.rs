//! Tests actions on an answer: asking a single member, questioning a claim, running it again, and continuing a stopped
//! run. Also tests what browsers require to install the pages as an app.

use serde_json::json;

use crate::contradicting::{contradicting_server, create_result};
use crate::driver::Browser;
use crate::pages::{axe, check_accessibility, check_width, sign_in};
use crate::server::Server;
use crate::streaming::server_with;
use crate::thread::{ask_in_composer, new_question, wait_for_answers};
use crate::wait_for_turn;

#[test]
fn one_member_is_asked_and_a_claim_is_pushed_back_on() {
    let Some(_turn) = wait_for_turn() else { return };
    for (width, height) in [(1440, 900), (390, 844)] {
        let server = contradicting_server("auto");
        let browser = Browser::open(width, height, width == 390);
        let id = create_result(&browser, &server);
        let thread = browser.run(
            "return (await (await fetch(`/api/analyses/${args[0]}`)).json()).thread_id;",
            json!([id]),
        );
        browser.go(&server.address(&format!("/t/{}", thread.as_str().unwrap())));
        browser.wait(".answer > .blk");
        browser.press("Ask one model");
        browser.wait(".after [role=menu]:not([hidden])");
        check_accessibility(&browser, axe().as_deref(), "the members to ask");
        browser.press("B · b");
        browser.wait("[aria-label='Panel: Just B']");
        ask_in_composer(&browser, "Are you sure?");
        wait_for_answers(&browser, 2);
        let asked = "[...document.querySelectorAll('.turn.last .tab-count')].map((one) => one.textContent.trim())[0]";
        assert_eq!(browser.value(asked), json!("1"), "one member");
        // The next question is sent to the whole panel again.
        browser.wait("[aria-label='Panel: 3 models']");
        browser.run("scrollTo(0, 0);", json!([]));
        browser.click(".turn:first-child [role=tab]:nth-child(3)");
        browser.wait(".map-conflict .map-actions");
        // The driver would scroll the element only to the edge of the window, where the composer covers it.
        browser.run(
            "document.querySelector('.map-conflict .map-actions').scrollIntoView({ block: 'center' });",
            json!([]),
        );
        browser.press("Push back");
        let words = browser.value("document.querySelector('.composer-text').value");
        assert_eq!(
            words,
            json!("You say: “It delivers 40 litres.” Is that right? ")
        );
        check_width(&browser, "a claim to push back on");
        browser.click(".send");
        wait_for_answers(&browser, 3);
        assert_eq!(browser.value(asked), json!("3"), "the panel");
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}

/// Opens a browser of this size with a panel of two models. The wide browser must be opened first, because it creates
/// the account.
fn open_with_two_models(server: &Server, width: u32, height: u32) -> Browser {
    let browser = Browser::open(width, height, width == 390);
    if width == 1440 {
        new_question(&browser, server, &["slow-1", "steady-1"]);
    } else {
        sign_in(&browser, server);
        browser.go(&server.address("/"));
        browser.wait("[aria-label='Panel: 2 models']");
    }
    browser
}

#[test]
fn an_answer_is_written_from_a_stopped_run_and_regenerated() {
    let Some(_turn) = wait_for_turn() else { return };
    let models = ["slow-1", "steady-1"].map(String::from);
    let server = server_with(&models);
    for (width, height) in [(1440, 900), (390, 844)] {
        let browser = open_with_two_models(&server, width, height);
        ask_in_composer(&browser, &format!("How much does pump {width} deliver?"));
        browser.wait_text(".live", "Done");
        browser.press("Stop");
        browser.wait_text(".stopped-head", "You stopped this run");
        browser.press("Write from this");
        browser.wait_text(".turn.last .branch", "2/2");
        wait_for_answers(&browser, 1);
        browser.wait_text(".turn-tabs .pill", "note");
        check_width(&browser, "an answer from a stopped run");
        check_accessibility(&browser, axe().as_deref(), "an answer from a stopped run");
        browser.screenshot_window(&format!("written-from-{width}"));
        // The version that was stopped still exists.
        browser.click("[aria-label='Previous version']");
        browser.wait_text(".stopped-head", "You stopped this run");
        browser.click("[aria-label='Next version']");
        browser.wait(".turn.last .answer");
        browser.click(".turn.last [aria-label=Regenerate]");
        browser.wait_text(".turn.last .branch", "3/3");
        browser.press("Stop");
        browser.wait(".stopped");
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}

#[test]
fn a_stopped_text_is_continued() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = server_with(&["slow-1", "steady-1"].map(String::from));
    for (width, height) in [(1440, 900), (390, 844)] {
        let browser = open_with_two_models(&server, width, height);
        ask_in_composer(&browser, "How much does the pump deliver?");
        browser.wait_text(".live", "Done");
        browser.press("Stop");
        browser.wait_text(".stopped-head", "all text is kept");
        browser.press("Continue");
        browser.wait_text(".turn.last .branch", "2/2");
        // The continued answer begins with the text that was already written, which stays visible.
        browser.wait_text(".turn.last .answer", "the pump delivers forty");
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}

/// Script that pastes a text file into the composer.
const PASTE_SCRIPT: &str = "
    const files = new DataTransfer();
    files.items.add(new File(['The pump delivers 40 liters a minute.'], 'pump.txt', { type: 'text/plain' }));
    document.querySelector('.composer-text').dispatchEvent(new ClipboardEvent('paste', { clipboardData: files, bubbles: true, cancelable: true }));";

#[test]
fn a_pasted_file_is_a_document_of_the_question() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = server_with(&["steady-1"].map(String::from));
    let browser = Browser::open(390, 844, true);
    new_question(&browser, &server, &["steady-1"]);
    browser.run(PASTE_SCRIPT, json!([]));
    browser.wait_text(".attachments", "pump.txt");
    browser.wait("[aria-label='Documents: 1 document +']");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn the_pages_can_be_installed() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(390, 844, false);
    browser.go(&server.address("/"));
    browser.wait("main h1");
    let icons = browser.run(
        "const address = document.querySelector('link[rel=manifest]').href;
         const { icons, start_url, display } = await (await fetch(address)).json();
         const found = [display, Boolean(start_url)];
         for (const { src, sizes, type, purpose } of icons) {
           if (type !== 'image/png') continue;
           const picture = await createImageBitmap(await (await fetch(new URL(src, address))).blob());
           found.push([sizes, `${picture.width}x${picture.height}`, purpose ?? 'any']);
         }
         return found;",
        json!([]),
    );
    assert_eq!(
        icons,
        json!([
            "standalone",
            true,
            ["192x192", "192x192", "any"],
            ["512x512", "512x512", "any"],
            ["512x512", "512x512", "maskable"]
        ])
    );
}
