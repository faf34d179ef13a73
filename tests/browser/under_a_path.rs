//! Tests the pages under a path, behind a real nginx that either keeps or removes the path when it forwards requests:
//! the first account, the documents, a question with its events, a reload, the manual, and the service worker.

use serde_json::{Value, json};

use crate::driver::Browser;
use crate::nginx::{self, Nginx, PUBLIC_PATH, PathStyle};
use crate::pages::{EMAIL, PASSWORD, account_menu, test_document};
use crate::server::Server;
use crate::wait_for_turn;
use crate::waiting::wait_until;

#[test]
fn pages_work_under_a_path() {
    if !nginx::is_installed() {
        return;
    }
    let Some(_turn) = wait_for_turn() else { return };
    for style in [PathStyle::PassedOn, PathStyle::Removed] {
        check_pages_under_path(style);
    }
}

fn check_pages_under_path(style: PathStyle) {
    let port = nginx::free_port();
    let base = format!("http://127.0.0.1:{port}{PUBLIC_PATH}");
    let server = Server::start_with(vec![
        ("PUBLIC_URL", base.clone()),
        ("TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        ("QUIRE_SETUP_TOKEN", "a-token-for-the-first".to_owned()),
    ]);
    let address = server.base.trim_start_matches("http://").to_owned();
    let _nginx = Nginx::start(port, &address, style);
    let browser = Browser::open(1280, 900, false);
    browser.go(&format!("{base}/"));
    browser.wait(".intro-step");
    browser.go(&format!("{base}/login#setup=a-token-for-the-first"));
    browser.wait_text("h1", "Create administrator account");
    assert_eq!(browser.url(), format!("{base}/login"), "{style:?}");
    browser.fill("input[name=name]", "Ada");
    browser.fill("input[name=email]", EMAIL);
    browser.fill("input[name=password]", PASSWORD);
    browser.press("Create account");
    browser.wait_text("h1", "Ask a panel of models");
    assert_eq!(browser.url(), format!("{base}/"), "{style:?}");

    browser.click(".rail a[href='/quire/documents']");
    browser.wait(".drop-zone");
    browser.choose_file("input[type=file]", &test_document("gpl-3.txt"));
    browser.wait_text(".row", "gpl-3.txt");
    assert_eq!(browser.url(), format!("{base}/documents"));

    browser.go(&format!("{base}/"));
    browser.wait(".composer");
    browser.fill(".composer-text", "What is a quire of paper?");
    browser.wait_count(".send:not(:disabled)", 1);
    browser.click(".send");
    let answered = || {
        browser.wait(".turn.last[data-status=completed] .answer");
        let prefix = format!("{base}/t/thread_");
        assert!(browser.url().starts_with(&prefix), "{}", browser.url());
    };
    answered();
    browser.reload();
    answered();

    browser.go(&format!("{base}/manual"));
    browser.wait(".manual-list a");
    let outside = "[...document.querySelectorAll('a[href]')].map((one) => one.href).filter((href) => href.startsWith(location.origin) && !href.startsWith(`${location.origin}/quire/`))";
    assert_eq!(browser.value(outside), json!([]), "{style:?}");
    let scope = browser.run(
        "return (await navigator.serviceWorker.ready).scope;",
        json!([]),
    );
    assert_eq!(scope, json!(format!("{base}/")));
    let stored = browser.run(
        "return (await Promise.all((await caches.keys()).map(async (name) => (await (await caches.open(name)).keys()).map((one) => one.url)))).flat();",
        json!([]),
    );
    let saved: Vec<Value> = stored.as_array().cloned().unwrap_or_default();
    assert!(
        saved
            .iter()
            .all(|url| url.as_str().is_some_and(|url| url.starts_with(&base))),
        "{saved:?}"
    );
    // Without the proxy, the server redirects to the same page under the path.
    browser.go(&server.address("/documents"));
    wait_until("the same page below the path", || {
        (browser.url() == server.address("/quire/documents")).then_some(())
    });
    browser.go(&format!("{base}/manual"));
    browser.wait(".manual-list a");
    account_menu(&browser, "Sign out");
    wait_until("the sign-in page", || {
        (browser.url() != format!("{base}/manual")).then_some(())
    });
    assert!(browser.url().starts_with(&base), "{}", browser.url());
    let complaints = browser.console_errors();
    let serious_errors: Vec<_> = (complaints.iter())
        .filter(|line| line.contains("404"))
        .collect();
    assert!(serious_errors.is_empty(), "{serious_errors:?}");
}
