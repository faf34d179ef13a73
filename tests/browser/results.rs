//! Tests the views of a result other than its texts: the claims of the members, differences, and details of calls. Also
//! tests exports and reruns. The members contradict each other.

use serde_json::json;

use crate::contradicting::{
    ARABIC_CLAIM, ASK_SCRIPT, contradicting_server, contradicting_without_judge, create_result,
};
use crate::driver::Browser;
use crate::pages::*;
use crate::server::Server;
use crate::wait_for_turn;

fn open_result(browser: &Browser, server: &Server, id: &str) {
    browser.go(&server.address(&format!("/analyze?id={id}")));
    browser.wait(".results-container");
}

#[test]
fn evidence_map_shows_claims_by_member_and_links_to_drafts() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = contradicting_server("auto");
    let mut id = String::new();
    for (width, height, dark) in [(1280, 900, false), (375, 780, true)] {
        let browser = Browser::open(width, height, dark);
        match dark {
            false => id = create_result(&browser, &server),
            true => sign_in(&browser, &server),
        }
        open_result(&browser, &server, &id);
        browser.press("Disagreement Map");
        browser.wait(".map-table");
        let map = normalize_space(&browser.text(".map"));
        for words in [
            "Contradictions",
            "Said by one",
            "Agreed by all",
            "Not covered",
            "price",
            "Contradictions not confirmed",
            "The pump is red. – one says blue",
            "disputed",
            "Claims judged by",
        ] {
            assert!(map.contains(words), "no {words} in {map}");
        }
        // The claim is not shown, because its only quotation does not occur in any draft.
        assert!(!map.contains("diesel"), "{map}");
        let stances = browser.value("[...document.querySelectorAll('.map-conflict tr:nth-child(2) td .stance')].map((mark) => mark.getAttribute('class'))");
        assert_eq!(
            stances,
            json!(["stance asserts", "stance denies", "stance asserts"])
        );
        // The first contradiction is already expanded.
        browser.wait_text(".map-quotes", "90 litres");
        assert_eq!(
            browser.value("document.querySelectorAll('.map-conflict .map-quote').length"),
            json!(3)
        );
        check_accessibility(&browser, axe.as_deref(), "the map");
        browser.prefer(dark, false);
        browser.screenshot(&format!("map-{width}"));
        check_width(&browser, "the map");

        browser.press("Contradictions");
        assert!(!browser.is_visible(".map-alone .map-claim"));
        browser.click(".map-conflict td:nth-of-type(2) button");
        browser.wait(".revealed");
        let here = browser.value("document.activeElement.textContent");
        assert!(here.as_str().unwrap().contains("90 litres"), "{here}");
        browser.screenshot_window(&format!("revealed-{width}"));
        check_accessibility(&browser, axe.as_deref(), "a revealed sentence");
        browser.press("Back to the map");
        browser.wait(".map-table");
        assert!(focused(&browser).starts_with("B,"), "{}", focused(&browser));
        // A citation in the sentence opens the cited page.
        browser.click(".support .citation");
        browser.wait_text(".dialog", "40 litres");
        browser.click(".dialog-head button");
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}

/// Script that compares random texts. The unchanged and added parts must be exactly the second text, and the unchanged
/// and removed parts must be the first text, apart from whitespace. Also compares two long texts that have nothing in
/// common.
const DIFF_HOLDS: &str = "
    const { diff } = await import(document.querySelector('script[type=module]').src.replace(/\\/app\\/.*$/, '/js/results/diff.js'));
    const wrong = [];
    let seed = 7;
    const chance = (most) => (seed = (seed * 48271) % 2147483647) % most;
    const some = ['pump', 'valve', '40', 'litres.', 'a', 'Österreich', 'ضخ', '水泵', '\\n', '\\n\\n', 'is,', '(so)', '\u{1F600}'];
    const text = (length) => Array.from({ length }, () => some[chance(some.length)]).join(' ');
    const bare = (words) => words.replace(/\\s+/g, '');
    const check = (before, after) => {
      const pieces = diff(before, after);
      const of = (...kinds) => pieces.filter((one) => kinds.includes(one.kind)).map((one) => one.text).join('');
      if (of('same', 'new') !== after || bare(of('same', 'gone')) !== bare(before)) wrong.push([before.slice(0, 200), after.slice(0, 200)]);
    };
    for (let n = 0; n < 300; n += 1) {
      const before = text(chance(60));
      const after = chance(2) ? text(chance(60)) : before.split(' ').filter(() => chance(6) > 0).join(' ');
      check(before, after);
    }
    const long = (first) => Array.from({ length: 20000 }, (_, at) => `${first}${at % 977}${at % 12 ? '' : '.'}`).join(' ');
    check(long('x'), long('y'));
    return wrong;";

#[test]
fn texts_are_compared_and_every_call_is_charted() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = contradicting_without_judge();
    let mut id = String::new();
    for (width, height, dark) in [(1280, 900, false), (375, 780, true)] {
        let browser = Browser::open(width, height, dark);
        match dark {
            false => id = create_result(&browser, &server),
            true => sign_in(&browser, &server),
        }
        open_result(&browser, &server, &id);
        browser.press("Differences");
        browser.wait(".diff");
        select_text(&browser, 0, "First answers: B");
        select_text(&browser, 1, "First answers: C");
        assert_eq!(browser.text(".diff del").trim(), "90");
        let added = browser.value(
            "[...document.querySelectorAll('.diff ins')].map((one) => one.textContent).join('|')",
        );
        let added = added.as_str().unwrap();
        assert!(
            added.starts_with("40|") && added.contains("drained"),
            "{added}"
        );
        let words = browser.text(".diff-words");
        assert!(
            words.contains("% alike") && words.contains("1 only in the first"),
            "{words}"
        );
        check_accessibility(&browser, axe.as_deref(), "differences");
        browser.prefer(dark, false);
        browser.screenshot(&format!("differences-{width}"));
        check_width(&browser, "differences");
        if !dark {
            assert_eq!(browser.run(DIFF_HOLDS, json!([])), json!([]));
            sections_are_aligned(&browser);
        }
        browser.press("Swap");
        assert_eq!(browser.text(".diff ins").trim(), "90");

        browser.press("Cost and Time");
        browser.wait(".costs .chart-picture .span");
        // The chart contains a bar for each of the three members in two stages, and one for the synthesis.
        assert_eq!(browser.count(".costs .span.waited"), 7);
        browser.press("As a table");
        browser.wait(".costs table");
        let table = normalize_space(&browser.text(".costs table"));
        assert!(
            table.contains("B · b First answers") && table.contains("900 90"),
            "{table}"
        );
        check_accessibility(&browser, axe.as_deref(), "cost and time");
        browser.prefer(dark, false);
        browser.screenshot(&format!("costs-{width}"));
        check_width(&browser, "cost and time");
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}

/// Script that aligns the sections of two texts. Returns the titles of the rows, which of the two texts contain each
/// section, and the highlighted words.
const SECTIONS: &str = "
    const base = document.querySelector('script[type=module]').src.replace(/\\/app\\/.*$/, '/js/results/');
    const { rows } = await import(base + 'sections.js');
    const { Differences } = await import(base + 'differences.js');
    const [before, after] = args;
    const member = (text) => ({ letter: 'A', model: 'm', text });
    const view = Differences({ stages: [{ name: 'initial', members: [{ letter: 'B', model: 'n', text: 'x' }, member(before)] }, { name: 'hyper', members: [member(after)] }] }, []);
    return {
      rows: rows(before, after).map(({ title, left, right }) => [title, left !== null, right !== null]),
      chosen: [...view.querySelectorAll('select')].map((choice) => choice.selectedOptions[0].text),
      gone: [...view.querySelectorAll('.diff del')].map((mark) => mark.textContent),
      fresh: [...view.querySelectorAll('.diff ins')].map((mark) => mark.textContent),
      same: view.querySelectorAll('.diff-same').length,
      rewritten: view.querySelectorAll('.diff-new').length,
    };";
const BEFORE: &str = "Hello.\n\n## Delivery\n\nThe pump delivers **90** litres a minute.\n\n## Risks\n\nFrost.\n\n## Costs\n\nNobody knows what it costs.\n\n## Parts\n\n- valve and seal\n";
const AFTER: &str = "Hello.\n\n## Delivery\n\nThe pump delivers **40** litres a minute.\n\n## Costs\n\nSpend $5.\n\n## The parts\n\n- valve and seal\n\n## Open\n\nMuch.\n";

/// Checks the comparison of two texts by section: sections are aligned by heading, a renamed section is matched, and
/// words are highlighted only if more than half of the words are the same.
fn sections_are_aligned(browser: &Browser) {
    let response = browser.run(SECTIONS, json!([BEFORE, AFTER]));
    assert_eq!(
        response["rows"],
        json!([
            ["", true, true],
            ["Delivery", true, true],
            ["Risks", true, false],
            ["Costs", true, true],
            ["The parts", true, true],
            ["Open", false, true]
        ])
    );
    assert_eq!(
        response["chosen"],
        json!(["First answers: A · m", "Revision: A · m"])
    );
    assert_eq!(
        (&response["gone"], &response["fresh"]),
        (&json!(["90", "Parts"]), &json!(["40", "The parts"]))
    );
    assert_eq!(
        (&response["same"], &response["rewritten"]),
        (&json!(1), &json!(1))
    );
}

/// Selects the option that begins with `name` in the first or second of the two text selectors.
fn select_text(browser: &Browser, place: usize, name: &str) {
    browser.run(
        "const choice = document.querySelectorAll('.diff-choice select')[args[0]];
         choice.value = [...choice.options].find((one) => one.text.startsWith(args[1])).value;
         choice.dispatchEvent(new Event('change'));",
        json!([place, name]),
    );
}

#[test]
fn answer_is_exported_as_printable_html() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = contradicting_without_judge();
    let browser = Browser::open(1280, 900, false);
    let id = create_result(&browser, &server);
    open_result(&browser, &server, &id);
    browser.press("Side by Side");
    browser.press("First answers");
    browser.wait(".member-card .math math mfrac");
    let tex = browser.value("document.querySelector('.member-card .math').dataset.tex");
    assert_eq!(tex, json!("Q = \\frac{V}{t}"));
    let sideways = browser.value(
        "[...document.querySelectorAll('.member-card p')].filter((p) => getComputedStyle(p).direction === 'rtl').length",
    );
    assert_eq!(sideways, json!(1), "the Arabic line is read from the right");
    browser.run(
        "navigator.clipboard.writeText = async (text) => { window.copied = text; };",
        json!([]),
    );
    browser.click("button[aria-label='Copy the code']");
    assert_eq!(browser.value("window.copied"), json!("print(40 * 60)"));

    browser.press("Answer");
    browser.click(".helpful button:nth-of-type(2)");
    browser.wait(".helpful button:nth-of-type(2)[aria-pressed=true]");
    browser.reload();
    browser.wait(".helpful button:nth-of-type(2)[aria-pressed=true]");
    assert_eq!(browser.count(".helpful [aria-pressed=true]"), 1);
    check_accessibility(&browser, axe.as_deref(), "an answer that was judged");
    browser.prefer(false, false);
    browser.screenshot("helpful");

    browser.press("Export as HTML");
    let page = browser.downloaded("html");
    for words in [
        "How much does the pump deliver?",
        "drained before frost",
        "90 litres",
        "id=\"source-1\"",
        ARABIC_CLAIM,
        "Cost and time",
    ] {
        assert!(page.contains(words), "no {words} in the page");
    }
    assert!(
        !page.contains("<script") && !page.contains("src="),
        "it needs nothing else"
    );
    let file = browser.downloads().join(format!("{id}.html"));
    browser.go(&format!("file://{}", file.display()));
    browser.wait("h1");
    let linked = browser.value("[...document.querySelectorAll('.cite a')].every((one) => document.querySelector(one.getAttribute('href')))");
    assert_eq!(linked, json!(true), "citations lead to their passages");
    if let Some(axe) = axe.as_deref() {
        let found = browser.run(&format!("{axe}; const told = await (window.axe ?? axe).run(); return told.violations.map((each) => each.id + ': ' + each.nodes[0].html);"), json!([]));
        assert_eq!(found, json!([]), "axe in the exported page");
    }
    browser.screenshot("export");
    browser.cdp("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    let printed = browser.cdp("Page.printToPDF", json!({}));
    assert!(printed["data"].as_str().unwrap().len() > 10_000);
    browser.screenshot("export-print");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn rerun_with_a_change_shows_its_estimate_first() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = contradicting_without_judge();
    for (width, height, dark) in [(1280, 900, false), (375, 780, true)] {
        let browser = Browser::open(width, height, dark);
        let id = match dark {
            false => create_result(&browser, &server),
            true => {
                sign_in(&browser, &server);
                let id = browser.run(ASK_SCRIPT, json!([]));
                id.as_str().unwrap().to_owned()
            }
        };
        open_result(&browser, &server, &id);
        browser.press("Run again");
        browser.wait_text(".rerun-plan", "New: 1 call");
        let plan = normalize_space(&browser.text(".rerun-plan"));
        assert!(
            plan.contains("Reused: 6 answers") && plan.contains("First answers: a, b, c"),
            "{plan}"
        );
        check_accessibility(&browser, axe.as_deref(), "run again");
        browser.prefer(dark, false);
        browser.screenshot_window(&format!("rerun-{width}"));
        // If the panel is changed, only the first answers of the members that stay can be reused.
        choose_change(&browser, "models");
        browser.wait_text(".rerun-plan", "Add or remove a model");
        assert!(browser.value("document.querySelector('.rerun .primary').disabled") == json!(true));
        browser.click(".rerun-panel input[value='p/c']");
        browser.wait_text(".rerun-plan", "Reused: 2 answers");
        choose_change(&browser, "ultra_model");
        browser.wait_text(".rerun-plan", "New: 1 call");
        // The address changes before the old result disappears. The old result gets another ID, so that its tabs are
        // not pressed by mistake.
        browser.value("document.querySelector('.results-container').id = 'previous'");
        browser.press("Start");
        browser.wait(".results-container:not(#previous)");
        assert!(!browser.url().contains(&id), "{}", browser.url());
        browser.press("Cost and Time");
        // In the second round, the new synthesis is in the cache too.
        let known = if dark { "7 answers" } else { "6 answers" };
        browser.wait_text(".costs", &format!("{known} came from the cache"));
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}

fn choose_change(browser: &Browser, kind: &str) {
    browser.run(
        "const choice = document.querySelector('.rerun select'); choice.value = args[0]; choice.dispatchEvent(new Event('change'));",
        json!([kind]),
    );
}

#[test]
fn shared_result_is_public_until_its_link_is_revoked() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = contradicting_without_judge();
    let owner = Browser::open(1280, 900, false);
    let id = create_result(&owner, &server);
    open_result(&owner, &server, &id);
    owner.press("Share");
    owner.wait(".share-body code");
    let first = owner.text(".share-body code");
    check_accessibility(&owner, axe.as_deref(), "a share link");
    owner.prefer(false, false);
    owner.screenshot_window("share");
    owner.press("Done");

    let reader = Browser::open(375, 780, true);
    reader.go(&first);
    reader.wait(".results-container");
    assert!(reader.text(".sheet").contains("40 litres"));
    for view in ["Disagreement Map", "Differences", "Cost and Time"] {
        reader.press(view);
    }
    reader.wait(".costs .chart-picture .span");
    reader.press("Export as Markdown");
    assert!(reader.downloaded("md").contains("90 litres"));
    check_accessibility(&reader, axe.as_deref(), "a shared result");
    reader.prefer(true, false);
    check_width(&reader, "a shared result");
    reader.screenshot("shared-375");

    // Opening the dialog with the link again leaves the link valid. Creating a new link does not.
    owner.reload();
    owner.wait(".results-container");
    owner.press("Shared");
    owner.wait_text(".share-body", "already");
    reader.reload();
    reader.wait(".results-container");
    owner.press("Create new link");
    owner.wait(".share-body code");
    assert_ne!(owner.text(".share-body code"), first);
    reader.reload();
    reader.wait_text("h1", "This link no longer works");
    check_accessibility(&reader, axe.as_deref(), "a link that was taken back");
    reader.prefer(true, false);
    reader.screenshot_window("share-gone");
    owner.press("Stop sharing");
    owner.wait_text("#toasts", "The link no longer works");
    assert_eq!(owner.console_errors(), Vec::<String>::new());
}
