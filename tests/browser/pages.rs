//! Steps that several browser tests share.

use std::path::Path;

use serde_json::{Value, json};

use crate::driver::{Browser, keys};
use crate::server::Server;
use crate::waiting::wait_until;

pub const EMAIL: &str = "ada@example.org";
pub const PASSWORD: &str = "Tr4verse-Orchid";
pub const QUESTION: &str =
    "Which obligations does the licence put on someone who passes on a changed program?";
pub const EVERY_PAGE: [&str; 10] = [
    "/",
    "/analyze",
    "/documents",
    "/history",
    "/settings",
    "/admin",
    "/experiments",
    "/orchestrator",
    "/modelrunner",
    "/usage",
];

/// Script that uploads the text `args[1]` as a file with the name `args[0]`.
pub const UPLOAD_SCRIPT: &str = "
    const form = new FormData();
    form.append('file', new File([args[1]], args[0]));
    const response = await fetch('/api/upload-document', { method: 'POST', body: form });
    if (!response.ok) throw new Error(await response.text());";

pub const HOSTILE_UPLOAD_SCRIPT: &str = "
    const text = '# Report\\n\\nThe beacon ![beacon](https://attacker.example/p.png) costs 12 euros. <script>alert(1)</script> What does it say? [Say](javascript:alert(1)) more.\\n';
    const form = new FormData();
    form.append('file', new File([text], '<img src=x onerror=alert(1)>.md'));
    const response = await fetch('/api/upload-document', { method: 'POST', body: form });
    if (!response.ok) throw new Error(await response.text());";

/// Returns the path of a real document in the test data.
pub fn test_document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/documents")
        .join(name);
    path.to_str().unwrap().to_owned()
}

/// Returns a text in which every run of whitespace is a single space.
pub fn normalize_space(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Creates an account and signs in with `fetch` calls from the page instead of the form.
pub fn sign_up(browser: &Browser, server: &Server) {
    browser.go(&server.address("/experiments"));
    browser.wait("main h1");
    browser.run(
        "const send = (path, body) => fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
         for (const path of ['/api/auth/register', '/api/auth/login']) {
           const response = await send(path, { email: args[0], password: args[1] });
           if (!response.ok) throw new Error(await response.text());
         }
         localStorage.setItem('quire.signed-in', 'true');",
        json!([EMAIL, PASSWORD]),
    );
}

/// Scrolls down the page until all of its sections have loaded, and then back to the top.
pub fn show_every_section(browser: &Browser) {
    wait_until("every section", || {
        browser.run(
            "document.querySelector('.when-seen')?.scrollIntoView({ block: 'center' });",
            json!([]),
        );
        (browser.count(".contents-body") == 1 && browser.count(".when-seen") == 0).then_some(())
    });
    browser.run("scrollTo(0, 0);", json!([]));
}

/// Signs in to the account that [`sign_up`] has created.
pub fn sign_in(browser: &Browser, server: &Server) {
    browser.go(&server.address("/experiments"));
    browser.wait("main h1");
    browser.run(
        "const response = await fetch('/api/auth/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: args[0], password: args[1] }) });
         if (!response.ok) throw new Error(await response.text());
         localStorage.setItem('quire.signed-in', 'true');",
        json!([EMAIL, PASSWORD]),
    );
}

/// Opens the guided page from the account menu.
pub fn open_guided_page(browser: &Browser) {
    account_menu(browser, "Guided question");
    browser.wait(".intro-step");
}

/// Chooses an item from the account menu in the sidebar.
pub fn account_menu(browser: &Browser, words: &str) {
    browser.click(".rail-person");
    browser.wait(".rail [role=menu]");
    browser.press(words);
}

/// Starts a run with this pattern and without documents, from the introduction of the guided page.
pub fn start_run(browser: &Browser, pattern: &str) {
    browser.press("Start");
    browser.fill(".prompt-input", QUESTION);
    browser.press("Next");
    browser.wait(".model-selector");
    browser.press("Next");
    browser.wait(".pattern-selector");
    browser.run(
        "const choice = document.querySelector('.pattern-selector'); choice.value = args[0]; choice.dispatchEvent(new Event('change'));",
        json!([pattern]),
    );
    browser.press("Skip documents and run");
    browser.wait(".loading-spinner");
}

/// Returns the brightness of the page's background, from 0 to 255.
pub fn brightness(browser: &Browser) -> u64 {
    let colour = browser.value("getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)");
    colour
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64)
        .sum::<u64>()
        / 3
}

/// Returns the accessible name of the focused element.
pub fn focused(browser: &Browser) -> String {
    let name = browser.value(
        "(() => { const here = document.activeElement;
          const by = here.getAttribute('aria-labelledby')?.split(' ').map((id) => document.getElementById(id)?.textContent).join(' ');
          return here.getAttribute('aria-label') ?? by ?? here.textContent.trim(); })()",
    );
    name.as_str().unwrap_or_default().to_owned()
}

/// Presses Tab until the element with this name has focus. Panics if any element that receives focus, including this
/// one, shows no focus indicator.
pub fn tab_to(browser: &Browser, name: &str) {
    let mut passed = Vec::new();
    for _ in 0..80 {
        browser.keys(&[], keys::TAB);
        let here = focused(browser);
        let visible = browser.value(
            "(() => { const here = document.activeElement; if (here === document.body) return true;
              const ringed = (node) => node && getComputedStyle(node).outlineStyle !== 'none';
              return Boolean(ringed(here) || ringed(here.closest('label')) || ringed(here.nextElementSibling)); })()",
        );
        assert_eq!(visible, json!(true), "the focus on {here} cannot be seen");
        if here.contains(name) {
            return;
        }
        passed.push(here);
    }
    panic!("Tab never came to {name}; it passed {passed:?}");
}

/// Returns the script of axe-core, which is installed with npm. If it is missing, prints a notice and returns `None`.
pub fn axe() -> Option<String> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe/node_modules/axe-core/axe.min.js");
    let script = std::fs::read_to_string(path).ok();
    if script.is_none() {
        eprintln!(
            "axe-core is not there (npm install --prefix target/axe axe-core): only names and headings are checked"
        );
    }
    script
}

/// Checks that every control has a name, and that axe finds no violation of WCAG 2.2 AA in either theme.
pub fn check_accessibility(browser: &Browser, axe: Option<&str>, state: &str) {
    let unnamed = browser.value(
        "[...document.querySelectorAll('button, input, select, textarea, nav')]
           .filter((node) => !node.hasAttribute('aria-label') && !node.hasAttribute('aria-labelledby')).map((node) => node.outerHTML)",
    );
    assert_eq!(unnamed, json!([]), "controls without a name in {state}");
    assert!(browser.count("main h1") > 0, "a heading in {state}");
    let Some(axe) = axe else { return };
    // The script is loaded once per document, because sending and compiling it takes longer than some of its checks.
    if browser.value("!window.axe") == json!(true) {
        browser.run(&format!("{axe}; window.axe ??= axe;"), json!([]));
    }
    for dark in [false, true] {
        // Animations are turned off, so that no color is checked in the middle of a transition.
        browser.prefer(dark, true);
        let found = browser.run(
            "const runOnly = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
             const told = await window.axe.run(document, { runOnly, resultTypes: ['violations'] });
             return told.violations.map((each) => each.id + ': ' + each.nodes.map((node) => node.html.slice(0, 160) + ' ' + node.failureSummary).slice(0, 3).join(' | '));",
            json!([]),
        );
        let theme = if dark { "dark" } else { "light" };
        assert_eq!(found, json!([]), "axe in {state}, {theme}");
    }
    browser.prefer(false, false);
}

/// Checks that the page is not wider than the window. `what` names the page in the failure message.
pub fn check_width(browser: &Browser, what: &str) {
    let over = browser
        .value("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(over, json!(0), "{what} is wider than the window");
}
