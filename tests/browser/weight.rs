//! Tests the network cost of pages: the number of requests, the bytes transferred, and when the text is visible on slow
//! 3G.

use serde_json::{Value, json};

use crate::driver::Browser;
use crate::pages::{EVERY_PAGE, UPLOAD_SCRIPT, sign_up};
use crate::server::Server;
use crate::wait_for_turn;
use crate::waiting::wait_until;

/// Maximum number of requests that a page with a result makes until it has loaded completely.
const MAX_REQUESTS: u64 = 20;
/// Maximum total size of the response bodies of a page as transferred, in bytes.
const MAX_BYTES: u64 = 90_000;
/// Maximum time until the answer is readable on slow 3G, in milliseconds.
const MAX_MS: f64 = 4000.0;
/// Maximum distance between the top of the window and the answer, in pixels.
const MAX_TOP: f64 = 180.0;
/// Maximum sum of the layout shifts while a page loads.
const MAX_SHIFT: f64 = 0.05;

const ASK_SCRIPT: &str = "
    const response = await fetch('/api/analyze', { method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'What speaks for and against a longer licence?', pattern: 'critique', models: ['demo/extract', 'demo/phrases', 'demo/sceptic'] }) });
    if (!response.ok) throw new Error(await response.text());
    const told = await response.json();
    const share = async (path) => (await (await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })).json()).token;
    return {
      thread: `/t/${told.thread_id}`, result: `/analyze?id=${told.analysis_id}`,
      shared: `/share/${await share(`/api/analyses/${told.analysis_id}/share`)}`,
      shared_thread: `/share/${await share(`/api/threads/${told.thread_id}/share`)}`,
    };";

/// Script that creates a project with all documents, and returns the addresses of three pages: the project, a document,
/// and a new question about that document.
const PAGES_SCRIPT: &str = "
    const send = async (path, body) => (await fetch(path, body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })).json();
    const { documents } = await send('/api/documents');
    const { project_id } = await send('/api/projects', { name: 'Licences', document_ids: documents.map((each) => each.document_id) });
    return [`/projects/${project_id}`, `/documents?id=${documents[0].document_id}`, `/?document=${documents[0].document_id}`];";

/// Script that records when the answer appears on the page, and adds up the layout shifts.
const OBSERVE_SCRIPT: &str = "new MutationObserver((_, watcher) => {
    if (!document.querySelector('.answer p, .sheet .prose p')) return;
    watcher.disconnect();
    window.readableAt = performance.now();
  }).observe(document, { childList: true, subtree: true });
  window.shifted = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
  }).observe({ type: 'layout-shift', buffered: true });";

/// Expression that returns all requests so far, with the size of each response body as transferred. The page itself
/// comes first.
const REQUESTS: &str = "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map((one) => [new URL(one.name).pathname, one.encodedBodySize])";

fn loaded_files(browser: &Browser) -> Vec<(String, u64)> {
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

/// Makes the browser load pages as on a first visit, without its cache and without the service worker.
fn without_cache(browser: &Browser) {
    browser.cdp("Network.enable", json!({}));
    browser.cdp("Network.setCacheDisabled", json!({ "cacheDisabled": true }));
    browser.cdp("Network.setBypassServiceWorker", json!({ "bypass": true }));
    browser.cdp(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({ "source": OBSERVE_SCRIPT }),
    );
}

/// Waits until the page makes no more requests, and returns all requests.
fn all_requests(browser: &Browser) -> Vec<(String, u64)> {
    let mut last = 0;
    wait_until("the requests to end", || {
        let now = loaded_files(browser).len();
        std::thread::sleep(std::time::Duration::from_secs(1));
        (std::mem::replace(&mut last, now) == now).then_some(())
    });
    loaded_files(browser)
}

/// Checks that the page uses every style sheet that it preloads.
fn check_preloads(browser: &Browser, path: &str) {
    let unused = browser.run(
        "const links = (await fetch(location.href)).headers.get('link') ?? '';
         const styles = [...links.matchAll(/<([^>]+)>; rel=preload; as=style/g)].map(([, path]) => path);
         const used = [...document.styleSheets].map((sheet) => sheet.href && new URL(sheet.href).pathname);
         return styles.filter((path) => !used.includes(path));",
        json!([]),
    );
    assert_eq!(unused, json!([]), "{path} preloads what it does not use");
}

fn check_shift(browser: &Browser, path: &str) {
    let shift = browser.value("window.shifted").as_f64().unwrap();
    assert!(shift <= MAX_SHIFT, "{path} moves by {shift}");
}

/// Tests a thread, the result on the guided page, and both as a visitor sees them when they are shared.
#[test]
fn result_pages_stay_within_their_network_budget() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(390, 844, false);
    sign_up(&browser, &server);
    let response = browser.run(ASK_SCRIPT, json!([]));
    let address = |name: &str| server.address(response[name].as_str().unwrap());
    without_cache(&browser);
    browser.cdp(
        "Network.emulateNetworkConditions",
        json!({ "offline": false, "latency": 400, "downloadThroughput": 62_500, "uploadThroughput": 62_500 }),
    );
    for name in ["thread", "result"] {
        check_result(&browser, &address(name), name);
    }
    let visitor = Browser::open(390, 844, true);
    without_cache(&visitor);
    for name in ["shared", "shared_thread"] {
        check_result(&visitor, &address(name), name);
    }
}

fn check_result(browser: &Browser, address: &str, name: &str) {
    browser.go(address);
    browser.wait(".answer p, .sheet .prose p");
    let all = all_requests(browser);
    let count = all.len() as u64;
    let bytes: u64 = all.iter().map(|(_, bytes)| bytes).sum();
    let readable = browser.value("window.readableAt").as_f64().unwrap();
    eprintln!("{name}: {count} requests, {bytes} bytes, readable after {readable:.0} ms: {all:#?}");
    assert!(count <= MAX_REQUESTS, "{name}: {count} requests: {all:#?}");
    assert!(bytes <= MAX_BYTES, "{name}: {bytes} bytes: {all:#?}");
    if name == "thread" {
        assert!(readable <= MAX_MS, "readable after {readable} ms: {all:#?}");
    }
    let top = browser
        .value("document.querySelector('.answer p, .sheet .prose p').getBoundingClientRect().top");
    assert!(top.as_f64().unwrap() <= MAX_TOP, "{name}: {top}");
    check_preloads(browser, name);
    check_shift(browser, name);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// Tests all pages in the router's table that do not show a result: they make few requests, transfer few bytes, and do
/// not shift while they load.
#[test]
fn other_pages_stay_within_their_network_budget() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    let made = browser.run(ASK_SCRIPT, json!([]));
    browser.run(
        UPLOAD_SCRIPT,
        json!(["notes.md", "The pump may fail below 5 degrees."]),
    );
    let more = browser.run(PAGES_SCRIPT, json!([]));
    let more = more.as_array().unwrap().iter().chain([&made["shared"]]);
    let more: Vec<&str> = more.map(|path| path.as_str().unwrap()).collect();
    without_cache(&browser);
    let fixed = [
        "/login",
        "/welcome",
        "/manual",
        "/manual/api",
        "/manual/panels",
        "/analyze?begin",
        "/history?q=licence",
        "/experiments?new=1",
        "/orchestrator?pattern=critique",
        "/admin?add=provider",
        "/settings?add=provider",
    ];
    for path in EVERY_PAGE.iter().chain(&fixed).chain(&more) {
        browser.go(&server.address(path));
        wait_until("a heading", || {
            (browser.count("main h1, main h2") > 0).then_some(())
        });
        let all = all_requests(&browser);
        let count = all.len() as u64;
        let bytes: u64 = all.iter().map(|(_, bytes)| bytes).sum();
        eprintln!("{path}: {count} requests, {bytes} bytes");
        assert!(count <= MAX_REQUESTS, "{path}: {count} requests: {all:#?}");
        assert!(bytes <= MAX_BYTES, "{path}: {bytes} bytes: {all:#?}");
        check_preloads(&browser, path);
        check_shift(&browser, path);
    }
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// The scripts that are served have source maps, which contain the module and line of each line.
#[test]
fn source_maps_lead_to_the_modules() {
    let Some(_turn) = wait_for_turn() else { return };
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
