//! Tests the dialogs and menus of a thread, during a run and after it. Their accessibility is checked while they are
//! open.

use serde_json::json;

use crate::driver::{Browser, keys};
use crate::pages::{axe, check_accessibility, check_width};
use crate::streaming::server_with;
use crate::thread::{ask_in_composer, new_question};
use crate::wait_for_turn;

/// Opens a dialog with a click, checks its accessibility and width, and closes it with Escape.
fn check_dialog(browser: &Browser, axe: Option<&str>, open: &str, shown: &str) {
    browser.click(open);
    browser.wait(shown);
    check_accessibility(browser, axe, shown);
    check_width(browser, shown);
    browser.keys(&[], keys::ESCAPE);
    browser.wait_count("dialog, [role=menu]:not([hidden])", 0);
}

/// Like [`check_dialog`], but opens the dialog with an entry of a menu.
fn check_menu_dialog(browser: &Browser, axe: Option<&str>, menu: &str, entry: &str, shown: &str) {
    browser.click(menu);
    let entry = format!("[role=menu]:not([hidden]) [aria-label='{entry}']");
    check_dialog(browser, axe, &entry, shown);
}

#[test]
fn every_open_dialog_and_menu_is_accessible() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let axe = axe.as_deref();
    let panel = ["slow-1", "slow-2"];
    let names = ["slow-1", "slow-2", "steady-1", "steady-2"];
    for (width, height) in [(1440, 900), (390, 844)] {
        let server = server_with(&names.map(str::to_owned));
        let browser = Browser::open(width, height, false);
        new_question(&browser, &server, &panel);
        for chip in ["Panel:", "Pattern:", "Documents"] {
            check_dialog(&browser, axe, &format!("[aria-label^='{chip}']"), "dialog");
        }
        ask_in_composer(&browser, "How much does the pump deliver?");
        browser.wait_text(".live", "Writing");
        check_accessibility(&browser, axe, "a run");
        check_width(&browser, "a run");
        browser.press("Stop");
        browser.wait(".stopped");
        let narrow = width < 500;
        check_dialog(
            &browser,
            axe,
            ".bar-more",
            ".thread-bar [role=menu]:not([hidden])",
        );
        check_menu_dialog(&browser, axe, ".bar-more", "Rename", "dialog input");
        check_menu_dialog(
            &browser,
            axe,
            ".bar-more",
            "Delete thread",
            "dialog.confirm",
        );
        if narrow {
            check_menu_dialog(&browser, axe, ".bar-more", "Details", "dialog .detail-list");
            check_menu_dialog(
                &browser,
                axe,
                ".bar-more",
                "Share",
                "dialog .share-body .primary",
            );
            browser.click(".mobile-menu");
        } else {
            check_dialog(&browser, axe, "[aria-label=Details]", "dialog .detail-list");
            check_dialog(
                &browser,
                axe,
                "[aria-label=Share]",
                "dialog .share-body .primary",
            );
            check_dialog(
                &browser,
                axe,
                "[aria-label=Export]",
                ".thread-bar [role=menu]:not([hidden])",
            );
        }
        check_dialog(&browser, axe, "[aria-label='New project']", "dialog input");
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}

/// "Stop sharing" revokes the link to a single turn as well as the link to the whole thread.
#[test]
fn sharing_is_stopped_where_it_began() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = server_with(&["steady-1", "steady-2"].map(str::to_owned));
    let browser = Browser::open(1440, 900, false);
    new_question(&browser, &server, &["steady-1", "steady-2"]);
    for (turns, question) in [
        (1, "How much does the pump deliver?"),
        (2, "And below zero?"),
    ] {
        ask_in_composer(&browser, question);
        browser.wait_count(".turn[data-status=completed] .answer", turns);
    }
    browser.click("[aria-label=Share]");
    browser.wait(".share-body");
    assert!(!browser.text("dialog").contains("Stop sharing"));
    browser.press("Link to this turn");
    browser.wait(".share-body code");
    let link = browser.text(".share-body code");
    let status = |expected: u64| {
        let path = link.rsplit('/').next().unwrap();
        let script = "return (await fetch(`/api/shared/${args[0]}`)).status;";
        assert_eq!(browser.run(script, json!([path])), json!(expected));
    };
    status(200);
    browser.press("Done");
    browser.click("[aria-label=Share]");
    browser.press("Stop sharing");
    browser.wait_text("#toasts", "no longer works");
    status(404);
}
