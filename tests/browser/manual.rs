//! Tests the manual on the pages: it needs no account, and its topics are found in the list and by search.

use serde_json::json;

use crate::driver::Browser;
use crate::pages::{axe, check_accessibility};
use crate::server::Server;

#[test]
fn the_manual_is_read_and_searched_without_an_account() {
    let Some(_turn) = crate::wait_for_turn() else {
        return;
    };
    let server = Server::start();
    for (width, dark) in [(1280, false), (360, true)] {
        let browser = Browser::open(width, 800, dark);
        browser.go(&server.address("/"));
        browser.wait(".site-footer a[href='/manual']");
        browser.click(".site-footer a[href='/manual']");
        browser.wait(".manual-list a[href='/manual/first-steps']");
        browser.click(".manual-list a[href='/manual/money']");
        browser.wait_text("article h2", "Money and budgets");
        browser.wait("article code");
        assert_eq!(browser.count("article a[target]"), 0);
        let wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        assert_eq!(browser.value(wide), json!(true), "it fits {width} pixels");
        browser.screenshot_window(&format!("manual-{width}"));
        check_accessibility(&browser, axe().as_deref(), "manual");
        // The link to another topic does not reload the page.
        browser.run("window.stayed = true; return true;", json!([]));
        browser.click("article a[href$='/manual/providers']");
        browser.wait_text("article h2", "Providers and local models");
        assert_eq!(browser.value("window.stayed === true"), json!(true));
        browser.fill("input[type=search]", "circuit breaker");
        browser.wait_text(".manual-list", "When a call fails");
        browser.click(".manual-list a[href='/manual/providers#when-a-call-fails']");
        browser.wait("#when-a-call-fails");
        browser.fill("input[type=search]", "no such words anywhere");
        browser.wait_text(".manual-body", "No matches");
        browser.go(&server.address("/manual/nothing"));
        browser.wait_text("main h1", "No such topic");
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}
