//! Tests the pages other than the analysis: patterns and recipes, models, usage, the account, and administration.

use serde_json::json;

use crate::driver::Browser;
use crate::pages::{
    EMAIL, PASSWORD, axe, check_accessibility, check_width, show_every_section, sign_in, sign_up,
};
use crate::server::{Server, provider};
use crate::wait_for_turn;

/// Script that replaces the text in a field, which is given by its label or a selector.
const WRITE_SCRIPT: &str = "
    const label = [...document.querySelectorAll('label')].find((one) => one.textContent === args[0]);
    const input = label ? document.getElementById(label.htmlFor) : document.querySelector(args[0]);
    input.value = args[1];
    input.dispatchEvent(new Event('input', { bubbles: true }));
    input.dispatchEvent(new Event('change', { bubbles: true }));";

fn write_text(browser: &Browser, field: &str, text: &str) {
    browser.run(WRITE_SCRIPT, json!([field, text]));
}

/// Scrolls to the top of the page, because an element under the header cannot be clicked.
fn scroll_to_top(browser: &Browser) {
    browser.run("scrollTo(0, 0);", json!([]));
}

#[test]
fn patterns_are_viewed_copied_fixed_tried_and_deleted() {
    let Some(_turn) = wait_for_turn() else { return };
    let (server, axe) = (Server::start(), axe());
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.go(&server.address("/orchestrator"));
    browser.wait(".pattern-card");
    assert!(browser.count(".pattern-card .flow") > 20);
    write_text(&browser, "Find a pattern", "withstand opposition");
    browser.wait_count(".pattern-card", 1);
    check_accessibility(&browser, axe.as_deref(), "patterns");
    browser.press("Critique Analysis");
    browser.wait_text("h1", "Critique Analysis");
    browser.press("Prompt");
    browser.wait_text(".template", "the question");
    write_text(&browser, "Question", "May a licence be taken back?");
    browser.press("Preview");
    browser.wait_text(".dry-sum", "10 calls");
    browser.click(".dry-stage summary");
    browser.wait_text(".dry-stage .filled", "May a licence be taken back?");
    scroll_to_top(&browser);
    check_accessibility(&browser, axe.as_deref(), "a pattern with a dry run");
    browser.screenshot("orchestrator-pattern");

    scroll_to_top(&browser);
    browser.press("Copy and edit");
    browser.wait_text(".check-word", "Valid");
    write_text(&browser, "ID", "Not An Id");
    browser.wait_text(".field-fault:not([hidden])", "2 to 40 lowercase letters");
    scroll_to_top(&browser);
    check_accessibility(&browser, axe.as_deref(), "the form of a pattern");
    browser.screenshot("orchestrator-form");
    write_text(&browser, "ID", "my_critique");
    browser.click("[aria-label='Move stage 2 back']");
    browser.click("[aria-label='Move stage 3 forward']");
    browser.wait_text(".check-word", "Valid");
    scroll_to_top(&browser);
    browser.press("Text");
    let text = browser.value("document.querySelector('.pattern-text').value");
    let text = text.as_str().unwrap().replace("my_critique", "house_rules");
    let broken = text.replacen("{peers}", "{pears}", 1);
    write_text(&browser, ".pattern-text", &broken);
    browser.wait_text(".fault-list", "nknown placeholder {pears}");
    browser.press("Line ");
    let chosen = browser.value("(() => { const area = document.querySelector('.pattern-text'); return area === document.activeElement && area.selectionEnd > area.selectionStart && area.scrollTop > 100; })()");
    assert_eq!(chosen, json!(true), "the cursor stands on the fault's line");
    check_accessibility(&browser, axe.as_deref(), "a pattern with a fault");
    browser.screenshot("orchestrator-editor");
    write_text(&browser, ".pattern-text", &text);
    browser.wait_text(".check-word", "Valid");
    browser.press("Add pattern");
    browser.wait_text("h1", "Critique Analysis (copy)");
    browser.press("Edit");
    browser.wait_text("h1", "Edit");
    browser.wait_text(".check-word", "Valid");
    browser.press("Text");
    write_text(
        &browser,
        ".pattern-text",
        &text.replace("Critique Analysis (copy)", "House rules"),
    );
    browser.press("Save");
    browser.wait_text("h1", "House rules");
    browser.press("Delete");
    browser.wait(".pattern-card");
    assert!(!browser.text("main").contains("House rules"));
    browser.press("Undo");
    browser.wait_text("main", "House rules");
    browser.press("House rules");
    browser.wait_text("h1", "House rules");
    browser.press("Delete");
    browser.wait(".pattern-card");
    // Leaving the page completes the deletion. If its request is lost, the next page sends it again.
    browser.reload();
    browser.wait(".pattern-card");
    assert!(!browser.text("main").contains("House rules"));
    crate::waiting::wait_until("the deletion to have arrived", || {
        let pending_deletions = "return localStorage.getItem('quire.deletions');";
        browser
            .run(pending_deletions, json!([]))
            .is_null()
            .then_some(())
    });
    let result =
        "const r = await fetch('/api/patterns'); return (await r.text()).includes('House rules');";
    assert_eq!(browser.run(result, json!([])), json!(false));
    // If the request was not lost, the response to the next page's request is that there is nothing to delete.
    let mut complaints = browser.console_errors();
    complaints.retain(|one| !(one.contains("/api/patterns/house_rules") && one.contains("404")));
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn recipe_versions_and_default_on_a_dark_phone() {
    let Some(_turn) = wait_for_turn() else { return };
    let (server, axe) = (Server::start(), axe());
    let phone = Browser::open(375, 800, true);
    sign_up(&phone, &server);
    phone.go(&server.address("/orchestrator?pattern=summarize"));
    phone.wait(".flow-figure");
    check_width(&phone, "a pattern");
    phone.press("Save as recipe");
    phone.wait_text("h1", "New recipe");
    write_text(&phone, "Name", "Short brief");
    phone.click(".model-choice input");
    check_width(&phone, "the form of a recipe");
    phone.press("Save recipe");
    phone.wait_text("h1", "Short brief");
    phone.wait_text(".fact-list", "Summary");
    phone.press("Edit");
    phone.wait_text("h1", "Edit Short brief");
    write_text(&phone, "Depth", "quick");
    phone.press("Save new version");
    phone.wait_text(".page-head", "version 2");
    phone.press("Version 1");
    phone.press("Restore version 1");
    phone.wait_text(".page-head", "version 3");
    scroll_to_top(&phone);
    phone.press("Use as default");
    phone.wait_text(".page-head", "your default");
    phone.press("Share with everyone here");
    phone.wait_text(".page-head", "everyone with an account");
    write_text(&phone, "Question", "What is it about?");
    phone.press("Preview");
    phone.wait(".dry-sum");
    check_width(&phone, "a recipe");
    scroll_to_top(&phone);
    check_accessibility(&phone, axe.as_deref(), "a recipe");
    phone.prefer(true, false);
    phone.screenshot("recipe-375-dark");
    scroll_to_top(&phone);
    phone.press("Delete");
    phone.wait_text(".recipes-part", "No recipes yet");
    check_width(&phone, "the patterns");
    check_accessibility(&phone, axe.as_deref(), "patterns on a phone");
    assert_eq!(phone.console_errors(), Vec::<String>::new());
}

#[test]
fn models_show_their_status_and_can_be_tried() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let address = provider(&["swift", "slow"], |_| {
        let body = r#"{"error":{"message":"the model is overloaded"}}"#;
        ("400 Bad Request", "application/json", body.into())
    });
    let far = json!([{ "id": "far", "kind": "openai", "base_url": format!("http://{address}/v1"), "models": "*" }]);
    let server = Server::start_with(vec![
        ("USE_MOCK", "true".into()),
        ("DISCOVER_LOCAL", "false".into()),
        ("QUIRE_PROVIDERS", far.to_string()),
    ]);
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.go(&server.address("/modelrunner"));
    browser.wait_text("[data-provider=far]", "far/swift");
    browser.wait_text("[data-provider=demo]", "Sceptic (demo)");
    check_accessibility(&browser, axe.as_deref(), "models");
    browser.screenshot("models");
    browser.click("button[aria-label='Try Sceptic (demo)']");
    browser.wait("dialog .try-form");
    browser.press("Send");
    browser.wait_text(".try-facts", "First words");
    browser.wait_text(".try-answer", "not a language model");
    check_accessibility(&browser, axe.as_deref(), "a model that was tried");
    browser.click("dialog [aria-label=Close]");
    browser.click("[data-provider=far] tbody tr:last-child button");
    browser.wait("dialog .try-form");
    browser.press("Send");
    browser.wait_text("dialog .error-alert", "Error:");
    browser.click("dialog [aria-label=Close]");
    browser.press("Check providers");
    browser.wait_text(".local-found", "No model server was found");
    write_text(&browser, "Find a model", "sceptic");
    browser.wait_count(".model-table tbody tr", 1);
    let complaints = browser.console_errors();
    let expected = |one: &String| one.contains("/v1/chat/completions");
    assert!(complaints.iter().all(expected), "{complaints:?}");

    let phone = Browser::open(375, 800, true);
    phone.go(&server.address("/modelrunner"));
    phone.wait(".local-servers");
    check_width(&phone, "the models");
    phone.screenshot("models-375-dark");
    assert_eq!(phone.console_errors(), Vec::<String>::new());
}

#[test]
fn usage_is_charted_by_day_model_and_user_and_exported() {
    let Some(_turn) = wait_for_turn() else { return };
    let (server, axe) = (Server::start(), axe());
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.go(&server.address("/usage"));
    browser.wait_text(".empty", "No calls in this period");
    check_accessibility(&browser, axe.as_deref(), "no usage");
    browser.run(
        "const send = (method, path, body) => fetch(path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }).then((response) => response.json());
         await send('POST', '/api/analyze', { prompt: 'What is a quire?', pattern: 'summarize' });
         await send('POST', '/api/admin/users', { email: 'bob@example.org' });
         const me = await (await fetch('/api/users/me')).json();
         await send('PUT', `/api/admin/users/${me.id}/budget`, { day_tokens: 100000, month_usd: 5 });",
        json!([]),
    );
    browser.reload();
    browser.wait(".chart-picture .bar");
    browser.wait_text(".budget-part", "of 100,000");
    browser.press("Call log");
    browser.wait_text(".call-table", "stage 1 of an analysis");
    check_accessibility(&browser, axe.as_deref(), "usage");
    write_text(&browser, "User", "all");
    browser.wait_text("main", "By person");
    browser.wait_text("main", "ada@example.org");
    scroll_to_top(&browser);
    check_accessibility(&browser, axe.as_deref(), "everybody's usage");
    browser.screenshot("usage");
    browser.press("By day as CSV");
    let response = browser.downloaded("csv");
    assert!(response.starts_with("day,model,calls"), "{response}");
    assert!(
        response.lines().count() == 2,
        "a line for today: {response}"
    );
    assert_eq!(browser.console_errors(), Vec::<String>::new());

    let phone = Browser::open(375, 800, true);
    sign_in(&phone, &server);
    phone.go(&server.address("/usage?span=90"));
    phone.wait(".chart-picture .bar");
    check_width(&phone, "usage");
    phone.screenshot("usage-375-dark");
    assert_eq!(phone.console_errors(), Vec::<String>::new());
}

#[test]
fn the_account_has_keys_with_limits_and_sessions_that_can_be_ended() {
    let Some(_turn) = wait_for_turn() else { return };
    let (server, axe) = (Server::start(), axe());
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    let elsewhere = Browser::open(375, 800, true);
    sign_in(&elsewhere, &server);
    browser.go(&server.address("/settings"));
    browser.wait("section[aria-label=Sessions]");
    let keys = "section[aria-label='API keys']";
    write_text(&browser, "Key name", "A script");
    browser.press("Permissions and limits");
    browser.click(&format!("{keys} input[value=chat]"));
    write_text(&browser, "Allowed models", "demo/*");
    browser.press("Create key");
    browser.wait_text(".new-key", "shown only once");
    let response = browser.text(keys);
    for words in ["expires ", "scopes: chat", "models: demo/*"] {
        assert!(response.contains(words), "no {words} in {response}");
    }
    let address = format!("{}/v1", server.base);
    browser.wait_text(".snippets", &address);
    browser.press("curl");
    browser.wait_text(".snippets", "Authorization: Bearer quire_");
    check_accessibility(&browser, axe.as_deref(), "settings with a new key");
    browser.screenshot("settings-key");

    let archive = browser.run(
        "const told = await fetch('/api/users/me/export');
         const files = new DataTransfer();
         files.items.add(new File([await told.blob()], 'quire-archive.tar.gz'));
         document.querySelector(\"section[aria-label='Your data'] input\").files = files.files;
         return document.querySelector(\"section[aria-label='Your data'] a\").pathname;",
        json!([]),
    );
    assert_eq!(archive, "/api/users/me/export");
    browser.press("Import");
    browser.wait(&format!("{} .notice", "section[aria-label='Your data']"));

    elsewhere.go(&server.address("/settings"));
    elsewhere.wait("section[aria-label=Sessions]");
    check_width(&elsewhere, "settings");
    elsewhere.screenshot("settings-375-dark");
    browser.press("Sign out everywhere else");
    browser.wait_text("body", "You are signed out everywhere else.");
    elsewhere.reload();
    elsewhere.wait_text("h1", "Sign in");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn admin_sees_server_statistics_and_accounts() {
    let Some(_turn) = wait_for_turn() else { return };
    let copies = std::env::temp_dir().join(format!("quire-copies-{}", std::process::id()));
    let body = copies.display().to_string();
    let server = Server::start_with(vec![("QUIRE_BACKUP_DIR", body)]);
    let axe = axe();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.run(
        "const send = (path, body) => fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
         await send('/api/auth/register', { email: 'bob@example.org', password: args[0] });
         await send('/api/auth/request-password-reset', { email: 'bob@example.org' });",
        json!([PASSWORD]),
    );
    browser.go(&server.address("/admin"));
    browser.wait_text("section[aria-label=State]", "Healthy");
    show_every_section(&browser);
    browser.wait_text("section[aria-label='Audit log']", "session started");
    browser.wait("section[aria-label='Recent activity'] svg .point");
    browser.run(
        "const choose = document.querySelector(\"section[aria-label='Recent activity'] select\"); choose.value = '1'; choose.dispatchEvent(new Event('change'));",
        json!([]),
    );
    crate::waiting::wait_until("a column a minute", || {
        (browser.count("section[aria-label='Recent activity'] svg .point") >= 59).then_some(())
    });
    browser.wait_text(
        "section[aria-label='Recent activity']",
        "The server was not running",
    );
    // The server automatically creates a backup 10 seconds after its start. This may be before or after this page was
    // opened.
    browser.wait("section[aria-label=Backup]");
    browser.press("Back up now");
    browser.wait_text("body", "Backed up: ");
    browser.wait_text(".backup-list", "quire-2");
    let list = browser.text(".backup-list");
    for copy in std::fs::read_dir(&copies).unwrap() {
        let name = copy.unwrap().file_name().into_string().unwrap();
        assert!(list.contains(&name), "{name} is not in {list}");
    }
    std::fs::remove_dir_all(&copies).unwrap();
    browser.screenshot("administration-backup");
    scroll_to_top(&browser);
    check_accessibility(&browser, axe.as_deref(), "administration");
    browser.press("Create link");
    browser.wait_text("section[aria-label='Forgotten passwords']", "/login?token=");
    browser.click("[aria-label='More about bob@example.org']");
    browser.wait("dialog");
    check_accessibility(&browser, axe.as_deref(), "more about an account");
    browser.press("Lock");
    browser.wait_text(".people-table", "locked");
    browser.run(
        "const role = document.querySelector(\"[aria-label='Role of bob@example.org']\"); role.value = 'admin'; role.dispatchEvent(new Event('change'));",
        json!([]),
    );
    browser.wait_text("body", "is an administrator now");
    browser.press("Create invitation");
    browser.wait_text("section[aria-label=Invitation]", "/login?invite=");
    write_text(
        &browser,
        "section[aria-label='New account'] input[type=email]",
        "carol@example.org",
    );
    browser.press("Create account");
    browser.wait_text("section[aria-label='New account']", "shown only once");
    browser.wait_text(".people-table", "carol@example.org");
    scroll_to_top(&browser);
    browser.screenshot("administration");
    assert_eq!(browser.console_errors(), Vec::<String>::new());

    let phone = Browser::open(375, 800, true);
    sign_in(&phone, &server);
    phone.go(&server.address("/admin"));
    phone.wait("section[aria-label=State]");
    show_every_section(&phone);
    check_width(&phone, "administration");
    check_accessibility(&phone, axe.as_deref(), "administration on a phone");
    phone.prefer(true, false);
    phone.screenshot("administration-375-dark");
}

#[test]
fn first_account_guest_access_and_password_reset() {
    let Some(_turn) = wait_for_turn() else { return };
    let (server, axe) = (Server::start(), axe());
    let phone = Browser::open(375, 800, true);
    phone.go(&server.address("/"));
    phone.wait_text(".landing-hero", "This server has no accounts");
    phone.wait(".panel-picture");
    check_width(&phone, "the start page");
    check_accessibility(&phone, axe.as_deref(), "the first start page");
    phone.prefer(true, false);
    phone.screenshot("landing-375-dark");
    phone.press("Create the first account");
    phone.wait_text("h1", "Create the first account");
    phone.fill("input[name=email]", EMAIL);
    phone.fill("input[name=password]", PASSWORD);
    phone.press("Create account");
    phone.wait_text("h1", "Ask a panel of models");
    check_width(&phone, "the first visit");
    check_accessibility(&phone, axe.as_deref(), "the first visit");
    phone.prefer(true, false);
    phone.screenshot("first-visit-375-dark");
    phone.press("Set up this server");
    phone.wait_text("h1", "Welcome");
    phone.wait_text(".welcome-steps", "Only demo algorithms so far");
    check_width(&phone, "the welcome");
    check_accessibility(&phone, axe.as_deref(), "the welcome");
    phone.prefer(true, false);
    phone.screenshot("welcome-375-dark");
    assert_eq!(phone.console_errors(), Vec::<String>::new());

    let browser = Browser::open(1280, 900, false);
    browser.go(&server.address("/"));
    browser.wait_text(".landing-hero", "Sign in or create an account");
    check_accessibility(&browser, axe.as_deref(), "the start page");
    browser.screenshot("landing");
    browser.press("Start");
    browser.wait(".prompt-input");
    browser.go(&server.address("/login?forgotten"));
    browser.wait_text("h1", "Forgot your password");
    browser.wait_text("main", "quire user reset-link");
    browser.fill("input[name=email]", EMAIL);
    browser.press("Request a link");
    browser.wait_text(
        ".login-card .notice",
        "ask an administrator for the reset link",
    );
    check_accessibility(&browser, axe.as_deref(), "a forgotten password");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
