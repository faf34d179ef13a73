//! Tests providers, fallbacks, and budgets on the pages, for administrators and for other users.

use serde_json::json;

use crate::driver::{Browser, keys};
use crate::pages::{axe, check_accessibility, show_every_section, sign_up};
use crate::server::{Server, refusing_provider};
use crate::wait_for_turn;

fn select_option(browser: &Browser, label: &str, value: &str) {
    browser.run(
        "const name = [...document.querySelectorAll('label')].find((label) => label.textContent === args[0]);
         const choice = document.getElementById(name.htmlFor);
         choice.value = args[1];
         choice.dispatchEvent(new Event('change'));",
        json!([label, value]),
    );
}

// Replaces the text in a field. Typing would append to it.
fn replace_text(browser: &Browser, label: &str, text: &str) {
    browser.run(
        "const name = [...document.querySelectorAll('label')].find((label) => label.textContent === args[0]);
         document.getElementById(name.htmlFor).value = args[1];",
        json!([label, text]),
    );
}

#[test]
fn admin_adds_a_provider_and_sets_fallbacks() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start_with(vec![
        ("USE_MOCK", "true".into()),
        ("DISCOVER_LOCAL", "false".into()),
    ]);
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.go(&server.address("/admin"));
    show_every_section(&browser);
    browser.wait_text(".provider-list", "demo");
    browser.click(".add-provider > summary");
    select_option(&browser, "Provider", "other");
    replace_text(&browser, "Name of the provider", "far");
    replace_text(&browser, "Address", "http://127.0.0.1:9/v1");
    replace_text(&browser, "API key", "sk-browser-12345678");
    browser.press("Save and test");
    let alert = "No server answers at the provider's address. Correct the entries, or";
    browser.wait_text(".add-provider .error-alert", alert);
    let address = format!("http://{}/v1", refusing_provider());
    replace_text(&browser, "Address", &address);
    browser.press("Save and test");
    browser.wait_text(".provider-list", "key ends in 5678");
    browser.wait_text(".providers .notice", "Connected to far.");
    assert_eq!(browser.count(".add-provider[open]"), 0);
    let page = browser.text("main");
    assert!(
        page.contains("far") && !page.contains("sk-browser"),
        "{page}"
    );
    browser.screenshot("admin");

    browser.run(
        "document.querySelector('.providers > .step-message').textContent = ''",
        json!([]),
    );
    browser.click("button[aria-label='Test far']");
    browser.wait(".providers > .step-message .notice");
    browser.click("button[aria-label='Change key of far']");
    browser.wait(".key-form input:focus");
    browser.keys(&[], "sk-changed-24681357");
    browser.keys(&[], keys::ENTER);
    browser.wait_text(".provider-list", "key ends in 1357");

    browser.press("Reset circuit breakers");
    browser.wait_text(".providers .notice", "no longer skipped");
    replace_text(
        &browser,
        "Chains, one per line",
        "far/model > nobody/nothing",
    );
    browser.press("Save fallbacks");
    browser.wait(".error-alert");
    replace_text(&browser, "Chains, one per line", "far/model > far/other");
    browser.press("Save fallbacks");
    browser.wait_text("section[aria-label=Fallbacks]", "Saved");
    browser.reload();
    show_every_section(&browser);
    browser.wait("section[aria-label=Fallbacks] textarea");
    let stored =
        browser.value("document.querySelector('section[aria-label=Fallbacks] textarea').value");
    assert_eq!(stored, json!("far/model > far/other"));

    browser.press("Budget");
    browser.wait(".budget-form");
    replace_text(&browser, "Daily limit, in dollars", "2.5");
    browser.press("Save budget");
    browser.wait_text("body", "Budget saved.");
    browser.go(&server.address("/settings"));
    browser.wait_text("section[aria-label='Usage and budget']", "$2.50");
    assert!(
        browser
            .text("section[aria-label='Your providers']")
            .contains("None yet")
    );
    browser.screenshot("settings");
    check_accessibility(&browser, axe().as_deref(), "settings");
    browser.go(&server.address("/admin"));
    show_every_section(&browser);
    browser.wait_text(".provider-list", "far");
    check_accessibility(&browser, axe().as_deref(), "admin");
    browser.click("button[aria-label='Remove far']");
    browser.wait("dialog");
    browser.click("dialog .danger");
    browser.wait_text("body", "The provider is removed.");
    assert!(!browser.text(".provider-list").contains("far"));
    // The browser logs only the requests that were refused as intended.
    let console_errors = browser.console_errors();
    assert!(
        console_errors.iter().all(|one| one.contains("422")),
        "{console_errors:?}"
    );
}

#[test]
fn user_adds_a_key_on_a_dark_phone() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start_with(vec![
        ("USE_MOCK", "true".into()),
        ("DISCOVER_LOCAL", "false".into()),
        ("ALLOW_USER_BASE_URLS", "true".into()),
        ("OUTBOUND_ALLOW", "127.0.0.0/8".into()),
    ]);
    let browser = Browser::open(375, 800, true);
    sign_up(&browser, &server);
    browser.go(&server.address("/settings"));
    browser.wait("section[aria-label='Your providers']");
    browser.click(".add-provider > summary");
    select_option(&browser, "Provider", "other");
    replace_text(&browser, "Name of the provider", "mine");
    replace_text(
        &browser,
        "Address",
        &format!("http://{}/v1", refusing_provider()),
    );
    replace_text(&browser, "API key", "sk-phone-87654321");
    browser.press("Save and test");
    browser.wait_text(".provider-list", "key ends in 4321");
    browser.screenshot("settings-phone");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
