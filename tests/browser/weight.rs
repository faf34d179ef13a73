//! The network cost of a page: requests and bytes as sent, and when its text is visible on slow 3G.

use serde_json::{Value, json};

use crate::driver::{Browser, until};
use crate::pages::sign_up;
use crate::server::Server;
use crate::turn;

/// Maximum number of requests of a thread with a result, until nothing more is fetched.
const MAX_REQUESTS: u64 = 20;
/// Maximum size of these requests as sent, without headers, in bytes.
const MAX_BYTES: u64 = 90_000;
/// Maximum time until the answer can be read on slow 3G, in milliseconds.
const MAX_MS: f64 = 4000.0;

const ASK: &str = "
    const response = await fetch('/api/analyze', { method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'What speaks for and against a longer licence?', pattern: 'critique', models: ['demo/extract', 'demo/phrases', 'demo/sceptic'] }) });
    if (!response.ok) throw new Error(await response.text());
    return (await response.json()).thread_id;";

/// Records when the answer appears on the page.
const NOTE: &str = "new MutationObserver((_, watcher) => {
    if (!document.querySelector('.answer p')) return;
    watcher.disconnect();
    window.readableAt = performance.now();
  }).observe(document, { childList: true, subtree: true });";

/// Every request so far with the size of its body as sent, the page itself first.
const REQUESTS: &str = "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map((one) => [new URL(one.name).pathname, one.encodedBodySize])";

fn requests(browser: &Browser) -> Vec<(String, u64)> {
    let response = browser.value(REQUESTS);
    let all = response.as_array().unwrap().iter();
    all.map(|one| {
        (
            one[0].as_str().unwrap().to_owned(),
            one[1].as_u64().unwrap(),
        )
    })
    .collect()
}

#[test]
fn result_page_stays_within_its_network_budget() {
    let Some(_turn) = turn() else { return };
    let server = Server::start();
    let browser = Browser::open(390, 844, false);
    sign_up(&browser, &server);
    let thread = browser.run(ASK, json!([]));
    // As on a first visit: nothing is cached, and there is no service worker.
    browser.cdp("Network.enable", json!({}));
    browser.cdp("Network.setCacheDisabled", json!({ "cacheDisabled": true }));
    browser.cdp("Network.setBypassServiceWorker", json!({ "bypass": true }));
    browser.cdp(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({ "source": NOTE }),
    );
    browser.cdp(
        "Network.emulateNetworkConditions",
        json!({ "offline": false, "latency": 400, "downloadThroughput": 62_500, "uploadThroughput": 62_500 }),
    );
    browser.go(&server.address(&format!("/t/{}", thread.as_str().unwrap())));
    browser.wait(".answer p");
    let mut last = 0;
    until("the requests to end", || {
        let now = requests(&browser).len();
        std::thread::sleep(std::time::Duration::from_secs(1));
        (std::mem::replace(&mut last, now) == now).then_some(())
    });
    let all = requests(&browser);
    let count = all.len() as u64;
    let bytes: u64 = all.iter().map(|(_, bytes)| bytes).sum();
    let readable = browser.value("window.readableAt").as_f64().unwrap();
    eprintln!("{count} requests, {bytes} bytes, readable after {readable:.0} ms: {all:#?}");
    assert!(count <= MAX_REQUESTS, "{count} requests: {all:#?}");
    assert!(bytes <= MAX_BYTES, "{bytes} bytes: {all:#?}");
    assert!(readable <= MAX_MS, "readable after {readable} ms: {all:#?}");
    let unused = browser.console_errors();
    assert_eq!(unused, Vec::<String>::new());
}

/// Served scripts have source maps that name the module and line of each of their lines.
#[test]
fn source_maps_lead_to_the_modules() {
    let Some(_turn) = turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    browser.go(&server.address("/login"));
    browser.wait("main h1");
    let found = browser.run(
        "const address = document.querySelector('script[type=module]').src;
         const lines = (await (await fetch(address)).text()).split('\\n');
         const map = await (await fetch(address + '.map')).json();
         const place = map.sources.findIndex((name) => name.endsWith('/js/dom.js'));
         const source = await (await fetch(new URL(map.sources[place], address))).text();
         return { lines: lines.length, mapped: map.mappings.split(';').length, source: source.includes('export function el(') };",
        json!([]),
    );
    assert_eq!(found["source"], Value::Bool(true), "{found}");
    let (lines, mapped) = (found["lines"].as_u64(), found["mapped"].as_u64());
    assert!(mapped > Some(100) && mapped <= lines, "{found}");
}
