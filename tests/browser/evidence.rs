//! Tests the evidence next to an answer. Its filters fade the parts of the answer that do not match.

use serde_json::json;

use crate::contradicting::{contradicting_server, create_result};
use crate::driver::{Browser, keys};
use crate::pages::{axe, check_accessibility, sign_in};
use crate::wait_for_turn;

/// Expression that returns, for each paragraph of the answer, whether the paragraph is faded.
const FADED_SCRIPT: &str = "[...document.querySelectorAll('.answer > .blk > p')].map((p) => getComputedStyle(p).color !== getComputedStyle(document.querySelector('.turn h1, .bubble, main')).color)";

#[test]
fn the_filters_of_the_evidence_filter_the_text() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = contradicting_server("auto");
    let mut id = String::new();
    for (width, height) in [(1440, 900), (390, 844)] {
        let browser = Browser::open(width, height, false);
        match width {
            1440 => id = create_result(&browser, &server),
            _ => sign_in(&browser, &server),
        }
        let thread = browser.run(
            "return (await (await fetch(`/api/analyses/${args[0]}`)).json()).thread_id;",
            json!([id]),
        );
        browser.go(&server.address(&format!("/t/{}", thread.as_str().unwrap())));
        browser.wait(".answer > .blk > p");
        let (place, filters) = match width {
            1440 => (".trust", ".trust .filter"),
            _ => ("dialog", "dialog .filter"),
        };
        let open = || {
            if width < 1440 {
                browser.click(".bar-ring");
            }
            browser.wait(filters);
        };
        open();
        let pressed = format!("{place} .filter[aria-pressed=true]");
        assert_eq!(browser.count(&pressed), 0);
        // The contradicted claim is in the only paragraph of the answer.
        browser.press("Contradictions");
        assert_eq!(browser.count(".blk.unmatched"), browser.count(".blk") - 1);
        assert_eq!(browser.count(".blk:not(.unmatched) > p"), 1);
        check_accessibility(&browser, axe.as_deref(), "a filtered answer");
        open();
        browser.wait_text(&pressed, "Contradictions");
        // The answer does not contain the words that the judge has quoted for the claim of a single member.
        browser.press("Said by one");
        browser.wait_text(place, "The answer does not mention them");
        assert_eq!(browser.count(&pressed), 1, "one filter at a time");
        assert_eq!(browser.value(FADED_SCRIPT), json!([true]));
        browser.press("Not covered");
        browser.wait_text(place, "Nobody names a price.");
        browser.press("Not covered");
        assert_eq!(
            browser.count(".unmatched"),
            0,
            "the same press takes it off"
        );
        browser.press("Said by one");
        browser.press("Show all claims");
        browser.wait(".map-table");
        browser.keys(&[], keys::ESCAPE);
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}
