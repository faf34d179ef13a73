//! Tests the blind comparison of the panel's answer with the best single answer: one vote, and then the reveal.

use serde_json::json;

use crate::driver::Browser;
use crate::pages::*;
use crate::server::Server;
use crate::wait_for_turn;
use crate::waiting::wait_until;

/// Script that asks the question `args[0]` about the only document, and opens the result.
const ASK_SCRIPT: &str = "
    const { documents } = await (await fetch('/api/documents')).json();
    const response = await fetch('/api/analyze', { method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: args[0], pattern: 'analyze', topic: 'pumps', document_ids: [documents[0].document_id ?? documents[0].id] }) });
    if (!response.ok) throw new Error(await response.text());
    return (await response.json()).analysis_id;";

const READ_FREQUENCY_SCRIPT: &str =
    "[...document.querySelectorAll('select')].find((one) => one.options[1]?.text === 'Never')";
const CHOOSE_NEVER_SCRIPT: &str = "const often = [...document.querySelectorAll('select')].find((one) => one.options[1]?.text === 'Never');
    often.value = '0'; often.dispatchEvent(new Event('change'));";
const CHOOSE_EVERY_TIME_SCRIPT: &str = "const often = [...document.querySelectorAll('select')].find((one) => one.options[1]?.text === 'Never');
    often.value = '1'; often.dispatchEvent(new Event('change'));";

#[test]
fn blind_comparison_is_revealed_after_the_vote() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = Server::start_with(vec![("COMPARE_EVERY", "1".into())]);
    for (width, height, dark) in [(1280, 900, false), (375, 720, true)] {
        let browser = Browser::open(width, height, dark);
        if dark {
            sign_in(&browser, &server);
        } else {
            sign_up(&browser, &server);
            browser.run(
                UPLOAD_SCRIPT,
                json!([
                    "notes.md",
                    "# Notes\n\nThe pump delivers 40 litres a minute. It may fail below 5 degrees. The pump was made in 2019.\n"
                ]),
            );
        }
        // The questions are different, because several votes on the same question count only once.
        let question = match dark {
            true => "How much does the pump deliver a minute?",
            false => "How much does the pump deliver?",
        };
        let id = browser.run(ASK_SCRIPT, json!([question]));
        let id = id.as_str().unwrap();
        browser.go(&server.address(&format!("/analyze?id={id}")));
        browser.wait(".offer");
        browser.press("Single-model answer");
        browser.wait_text(".dialog", "Single-model answer");
        check_accessibility(&browser, axe.as_deref(), "the best single answer");
        browser.click(".dialog-head button");

        // The offer is at the top of the page, but the page is scrolled to the button below the answer that was pressed
        // before.
        browser.run("scrollTo(0, 0);", json!([]));
        browser.press("Compare now");
        browser.wait(".compare");
        let result = browser.text(".dialog");
        assert!(result.contains("40 litres"), "{result}");
        for betraying in ["Ultra", "Extract", "Passages", "members agree", "(A"] {
            assert!(!result.contains(betraying), "{betraying} in {result}");
        }
        check_accessibility(&browser, axe.as_deref(), "a comparison");
        browser.screenshot_window(&format!("compare-{width}"));
        let wide = browser.value("document.documentElement.scrollWidth <= innerWidth");
        assert_eq!(wide, json!(true), "nothing sticks out");
        browser.press("First is better");
        browser.wait(".compare-choice");
        let response = normalize_space(&browser.text(".dialog"));
        assert!(response.contains("was the panel's"), "{response}");
        assert!(response.contains("pumps: Unknown, about"), "{response}");
        check_accessibility(&browser, axe.as_deref(), "what was chosen");
        browser.screenshot_window(&format!("compared-{width}"));
        browser.press("Done");
        wait_until("the offer to go, since there is a vote", || {
            (!browser.is_visible(".offer")).then_some(())
        });

        // If the button is pressed again, the result is shown without another vote.
        browser.press("Blind test");
        browser.wait(".compare-choice");
        assert_eq!(
            normalize_space(&browser.text(".compare-choice")),
            button_for(&response)
        );
        browser.press("Done");

        browser.go(&server.address("/settings"));
        browser.wait("table");
        let row =
            normalize_space(&browser.text("section[aria-label='Is the panel worth it?'] table"));
        let votes = if dark { "pumps 2" } else { "pumps 1" };
        assert!(row.contains(votes) && row.contains("more needed"), "{row}");
        check_accessibility(&browser, axe.as_deref(), "whether the panel pays");
        browser.screenshot(&format!("worth-{width}"));
        browser.run(CHOOSE_NEVER_SCRIPT, json!([]));
        browser.wait_text("#toasts", "Saved");
        browser.reload();
        browser.wait("table");
        let stored = browser.value(&format!("{READ_FREQUENCY_SCRIPT}.value"));
        assert_eq!(stored, json!("0"));
        browser.run(CHOOSE_EVERY_TIME_SCRIPT, json!([]));
        browser.wait_text("#toasts", "Saved");
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}

fn button_for(response: &str) -> String {
    let start = response.find("You preferred").unwrap();
    response[start..=start + response[start..].find('.').unwrap()].to_owned()
}
