//! Tests the command palette, the keyboard shortcuts, and the page frame without a connection.

use serde_json::json;

use crate::driver::{Browser, keys};
use crate::pages::sign_up;
use crate::server::Server;

#[test]
fn palette_and_shortcuts_work_by_keyboard() {
    let Some(_turn) = crate::wait_for_turn() else {
        return;
    };
    for (width, dark) in [(1280, false), (375, true)] {
        let server = Server::start();
        let browser = Browser::open(width, 800, dark);
        sign_up(&browser, &server);
        browser.go(&server.address("/documents"));
        browser.wait("main h1");
        browser.keys(&[keys::CONTROL], "k");
        browser.wait("dialog.palette [role=option]");
        assert_eq!(
            browser.value("document.activeElement.getAttribute('role')"),
            json!("combobox")
        );
        browser.screenshot_window(&format!("palette-{width}"));
        browser.fill(".palette-field", "hist");
        browser.wait_text("[role=option][aria-selected=true]", "Search history");
        browser.keys(&[], keys::ENTER);
        browser.wait_text("main h1", "Search");
        assert_eq!(browser.count("dialog"), 0);
        // Letters are shortcuts, unless a field has focus.
        browser.keys(&[], "?");
        browser.wait_text("dialog h2", "Keyboard shortcuts");
        browser.screenshot_window(&format!("shortcuts-{width}"));
        browser.keys(&[], keys::ESCAPE);
        browser.keys(&[], "g");
        browser.keys(&[], "u");
        browser.wait_text("main h1", "Usage");
        browser.keys(&[keys::CONTROL], "k");
        browser.wait("dialog.palette");
        browser.fill(".palette-field", "no such thing at all");
        browser.wait_text(".palette-list", "No matches");
        browser.keys(&[], keys::ESCAPE);
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}

#[test]
fn shell_opens_offline() {
    let Some(_turn) = crate::wait_for_turn() else {
        return;
    };
    let server = Server::start();
    let browser = Browser::open(1280, 800, false);
    sign_up(&browser, &server);
    browser.go(&server.address("/analyze"));
    browser.wait("main h1");
    let stored = "const names = await caches.keys();
        let count = 0;
        for (const name of names) count += (await (await caches.open(name)).keys()).length;
        return count > 5;";
    crate::waiting::wait_until("the shell to be kept", || {
        (browser.run(stored, json!([])) == json!(true)).then_some(())
    });
    let cached_personal_data = "const names = await caches.keys();
        const paths = [];
        for (const name of names.filter((name) => !name.startsWith('quire-threads-'))) for (const request of await (await caches.open(name)).keys()) paths.push(new URL(request.url).pathname);
        return paths.filter((path) => !path.startsWith('/assets/') && path !== '/login');";
    assert_eq!(browser.run(cached_personal_data, json!([])), json!([]));
    browser.cdp("Network.enable", json!({}));
    browser.cdp(
        "Network.emulateNetworkConditions",
        json!({ "offline": true, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0 }),
    );
    browser.reload();
    browser.wait(".site-header");
    browser.wait("main h1");
    browser.screenshot_window("offline");
}

/// Script that returns the paths that are cached for the signed-in user.
const CACHED_PATHS_SCRIPT: &str = "
    const paths = [];
    for (const name of (await caches.keys()).filter((name) => name.startsWith('quire-threads-')))
      for (const request of await (await caches.open(name)).keys()) paths.push(new URL(request.url).pathname);
    return paths;";

#[test]
fn threads_are_readable_offline_until_sign_out() {
    let Some(_turn) = crate::wait_for_turn() else {
        return;
    };
    let mut server = Server::start();
    let browser = Browser::open(1440, 900, false);
    sign_up(&browser, &server);
    let thread = browser.run(
        "const response = await fetch('/api/analyze', { method: 'POST', headers: { 'content-type': 'application/json' },
           body: JSON.stringify({ prompt: 'What speaks for a longer licence?', pattern: 'summarize', models: ['demo/extract', 'demo/sceptic'] }) });
         return (await response.json()).thread_id;",
        json!([]),
    );
    let address = server.address(&format!("/t/{}", thread.as_str().unwrap()));
    browser.go(&address);
    browser.wait(".answer > .blk");
    // The service worker serves the page from the second visit on.
    crate::waiting::wait_until("the worker", || {
        let active = browser.run(
            "return Boolean(navigator.serviceWorker.controller);",
            json!([]),
        );
        (active == json!(true)).then_some(())
    });
    browser.reload();
    browser.wait(".answer > .blk");
    crate::waiting::wait_until("the thread to be kept", || {
        let stored = browser.run(CACHED_PATHS_SCRIPT, json!([])).to_string();
        (stored.contains("/api/threads/thread_") && stored.contains("/api/analyses/")).then_some(())
    });
    let answer = browser.text(".answer");
    // The server is stopped instead of emulating an offline browser, because the emulation does not affect requests of
    // the service worker.
    server.stop();
    browser.reload();
    browser.wait(".answer > .blk");
    assert_eq!(browser.text(".answer"), answer);
    browser.wait_text(".offline-banner", "cannot be reached");
    browser.screenshot_window("offline-thread");
    server.restart();
    browser.reload();
    browser.wait(".answer > .blk");
    crate::pages::account_menu(&browser, "Sign out");
    browser.wait_text("h1", "Sign in");
    crate::waiting::wait_until("nothing to be kept", || {
        let names =
            "return (await caches.keys()).filter((name) => name.startsWith('quire-threads-'));";
        (browser.run(names, json!([])) == json!([])).then_some(())
    });
}

#[test]
fn code_is_highlighted_and_answers_are_announced_by_sentence() {
    let Some(_turn) = crate::wait_for_turn() else {
        return;
    };
    let server = Server::start();
    let browser = Browser::open(1280, 800, true);
    browser.go(&server.address("/login"));
    browser.wait("main h1");
    let script = "const base = document.querySelector('script[type=module]').src.replace(/\\/app\\/.*$/, '/js/');
        const { markdown } = await import(base + 'parts/markdown.js');
        const { highlighted } = await import(base + 'parts/highlight.js');
        const { Speaker } = await import(base + 'workbench/speaker.js');
        const main = document.getElementById('main');
        main.querySelector('form')?.remove();
        main.append(...markdown('# Code\\n\\n```rust\\nfn thin<\\'a>(x: &\\'a str) -> u8 { 7 } // thin\\n```\\n\\n```\\nplain 1\\n```\\n'));
        await new Promise((done) => setTimeout(done, 300));
        let time = 0;
        const said = [];
        const live = document.getElementById('live');
        const speaker = Speaker(() => time);
        for (const [at, text] of [[6000, 'It is th'], [12000, 'It is thin. And'], [13000, 'It is thin. And so on. Then'], [20000, 'It is thin. And so on. Then']]) {
          time = at;
          speaker.hear(text);
          said.push(live.textContent.trim());
        }
        return {
          kinds: [...main.querySelectorAll('pre span[class]')].map((span) => span.className + ' ' + span.textContent),
          whole: highlighted('a \"b', 'js').map((node) => node.textContent ?? node).join(''),
          said,
        };";
    let response = browser.run(script, json!([]));
    assert_eq!(
        response["kinds"],
        json!([
            "code-word fn",
            "code-name thin",
            "code-number 'a",
            "code-number 'a",
            "code-name str",
            "code-name u8",
            "code-number 7",
            "code-comment // thin"
        ])
    );
    assert_eq!(response["whole"], "a \"b");
    assert_eq!(
        response["said"],
        json!(["", "It is thin.", "It is thin.", "And so on."])
    );
    browser.screenshot_window("code-dark");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
