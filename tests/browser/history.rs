//! Tests the history: filters, segments, keyboard navigation, and deletion with undo.

use serde_json::json;

use crate::contradicting::{contradicting_without_judge, create_result};
use crate::driver::{Browser, keys};
use crate::pages::*;
use crate::wait_for_turn;
use crate::waiting::wait_until;

/// Script that asks three more questions with different settings. Each is answered immediately.
const ASK_MORE: &str = "
    const ask = async (prompt, pattern, models) => {
      const response = await fetch('/api/analyze', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ prompt, pattern, models, ultra_model: 'p/lead' }) });
      if (!response.ok) throw new Error(await response.text());
    };
    await ask('Where was the valve made?', 'summarize', ['p/a', 'p/b']);
    await ask('When is it drained?', 'summarize', ['p/b', 'p/c']);
    await ask('من صنع الصمام؟', 'critique', ['p/a', 'p/c']);";

#[test]
fn history_is_filtered_grouped_and_navigated_with_undo() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = contradicting_without_judge();
    for (width, height, dark) in [(1280, 900, false), (375, 780, true)] {
        let browser = Browser::open(width, height, dark);
        match dark {
            false => {
                create_result(&browser, &server);
                browser.run(ASK_MORE, json!([]));
            }
            true => sign_in(&browser, &server),
        }
        browser.go(&server.address("/history"));
        browser.wait_text(".history-group h2", "Today");
        assert_eq!(browser.count(".row"), 4);
        check_accessibility(&browser, axe.as_deref(), "the history");
        browser.prefer(dark, false);
        browser.screenshot(&format!("history-{width}"));
        check_width(&browser, "the history");
        assert!(browser.count(".row-facts .letter") > 0, "the panel");
        browser.press("Filter");
        set_filter(&browser, "Pattern", "critique");
        browser.wait_count(".row", 2);
        set_filter(&browser, "Model", "p/b");
        browser.wait_count(".row", 1);
        assert!(
            browser.url().contains("pattern=critique&model=p%2Fb"),
            "{}",
            browser.url()
        );
        check_accessibility(&browser, axe.as_deref(), "a narrowed history");
        browser.prefer(dark, false);
        browser.screenshot(&format!("history-narrow-{width}"));
        browser.reload();
        browser.wait_text(".history-filters summary", "2 filters");
        assert_eq!(browser.count(".row"), 1, "the address keeps the filter");
        set_filter(&browser, "Until", "2020-01-01");
        browser.wait_text(".state.empty", "Nothing found");
        check_accessibility(&browser, axe.as_deref(), "a history with nothing found");
        browser.press("Show all");
        browser.wait_count(".row", 4);
        check_segments(&browser, axe.as_deref());
        browser.run("document.activeElement.blur();", json!([]));
        browser.keys(&[], "jjk");
        let first = browser.value("document.activeElement === document.querySelector('.row a')");
        assert_eq!(first, json!(true), "{}", focused(&browser));
        browser.keys(&[], keys::DELETE);
        browser.wait_text(".row-leaving", "deleted");
        assert!(focused(&browser).starts_with("Undo"));
        check_accessibility(&browser, axe.as_deref(), "a deletion that can be undone");
        browser.keys(&[], keys::ENTER);
        browser.wait_count(".row-leaving", 0);
        assert_eq!(browser.count(".row"), 4);
        browser.keys(&[], keys::ENTER);
        browser.wait(".answer > .blk");
        assert!(browser.url().contains("/t/thread_"), "{}", browser.url());
        // A deletion is carried out even if the page is left immediately.
        if dark {
            browser.go(&server.address("/history"));
            browser.wait(".row");
            browser.keys(&[], "j");
            browser.keys(&[], keys::DELETE);
            browser.wait(".row-leaving");
            browser.press("Quire");
            wait_until("the server to know", || {
                let remaining = browser.run(
                    "return (await (await fetch('/api/analyses')).json()).analyses.length;",
                    json!([]),
                );
                (remaining == json!(3)).then_some(())
            });
        }
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}

/// Pins the first thread and archives the second. Checks that each is in its segment, and undoes both.
fn check_segments(browser: &Browser, axe: Option<&str>) {
    let rows = |count: u64| {
        browser.wait_count(".row", count);
    };
    let act = |place: u64, words: &str| {
        browser.click(&format!(".row:nth-child({place}) .row-menu"));
        browser.click(&format!(".row [role=menuitem][aria-label='{words}']"));
    };
    act(1, "Pin");
    browser.wait_text(".row:first-child .badge", "Pinned");
    act(2, "Archive");
    rows(3);
    browser.click("[data-show=pinned]");
    rows(1);
    assert!(browser.url().ends_with("/history?show=pinned"));
    check_accessibility(browser, axe, "the pinned threads");
    act(1, "Unpin");
    browser.wait_text(".state.empty", "Nothing pinned");
    browser.click("[data-show=shared]");
    browser.wait_text(".state.empty", "Nothing shared");
    browser.click("[data-show=archived]");
    rows(1);
    browser.reload();
    browser.wait_text(".segment[aria-pressed=true]", "Archived");
    act(1, "Unarchive");
    browser.wait_text(".state.empty", "Nothing archived");
    browser.press("Show all");
    rows(4);
}

fn set_filter(browser: &Browser, label: &str, value: &str) {
    browser.run(
        "const label = [...document.querySelectorAll('.filter-fields label')].find((one) => one.textContent === args[0]);
         const field = document.getElementById(label.getAttribute('for'));
         field.value = args[1]; field.dispatchEvent(new Event('change'));",
        json!([label, value]),
    );
}

/// Searching for a word that occurs only in a member's first draft, in an older turn, leads to that draft.
#[test]
fn a_members_word_in_an_older_turn_is_found_and_shown() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = contradicting_without_judge();
    for (width, height) in [(1440, 900), (390, 844)] {
        let browser = Browser::open(width, height, false);
        if width == 1440 {
            let first = create_result(&browser, &server);
            browser.run(
                "const response = await fetch('/api/analyze', { method: 'POST', headers: { 'content-type': 'application/json' },
                   body: JSON.stringify({ prompt: 'And in winter?', follow_up_to: args[0], models: ['p/a'], pattern: 'single' }) });
                 if (!response.ok) throw new Error(await response.text());",
                json!([first]),
            );
        } else {
            sign_in(&browser, &server);
        }
        browser.go(&server.address("/history?q=drained%20frost%20valve"));
        browser.wait_text(".found-text", "Member C");
        browser.wait_text(".found-text", "drained before frost");
        browser.screenshot_window(&format!("search-member-{width}"));
        browser.click(".row-title");
        browser.wait(".turn:first-child .member-card");
        browser.wait_text(".view-note", "The words of C are marked");
        browser.wait_text(".revealed", "drained before frost");
        let place =
            browser.value("document.querySelector('.revealed').getBoundingClientRect().top");
        let place = place.as_f64().unwrap();
        assert!(
            (0.0..f64::from(height)).contains(&place),
            "it is in view: {place}"
        );
        assert_eq!(browser.count(".turn"), 2);
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}

/// Script that asks a question with the word "kestrels", which the answer does not contain.
const ASK_KESTREL_SCRIPT: &str = "
    const response = await fetch('/api/analyze', { method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'Do kestrels hover?', pattern: 'single', models: ['p/a'], ultra_model: 'p/lead' }) });
    if (!response.ok) throw new Error(await response.text());";

#[test]
fn search_covers_documents_and_is_restricted_by_segments() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = contradicting_without_judge();
    for (width, height, dark) in [(1440, 900, false), (375, 780, true)] {
        let browser = Browser::open(width, height, dark);
        if dark {
            sign_in(&browser, &server);
        } else {
            create_result(&browser, &server);
            browser.run(
                UPLOAD_SCRIPT,
                json!(["birds.txt", "A kestrel hovers over the field."]),
            );
            browser.run(ASK_KESTREL_SCRIPT, json!([]));
        }
        browser.go(&server.address("/history"));
        browser.fill(".search-box input", "kestrel");
        browser.wait_text(".history-documents .hit", "A kestrel hovers");
        browser.wait_text(".found-text", "Do kestrels hover?");
        check_accessibility(&browser, axe.as_deref(), "a search of everything");
        check_width(&browser, "a search of everything");
        browser.prefer(dark, false);
        browser.screenshot_window(&format!("search-everything-{width}"));
        browser.click("[data-in=documents]");
        browser.wait_count(".row", 0);
        browser.wait_text(".history-documents", "1 document");
        browser.reload();
        browser.wait_text(
            ".segment[data-in=documents][aria-pressed=true]",
            "Documents",
        );
        browser.wait_text(".history-documents .hit", "A kestrel hovers");
        browser.click("[data-in=questions]");
        browser.wait_text(".found-text", "Question");
        assert!(!browser.is_visible(".history-documents"));
        browser.click("[data-in=answers]");
        browser.wait_text(".state.empty", "No answer contains");
        browser.click("[data-in=documents]");
        browser.wait(".history-documents .hit a");
        browser.click(".history-documents .hit a");
        browser.wait_text("mark.cited", "kestrel");
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}
