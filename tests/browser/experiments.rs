//! Tests experiments on the pages: they are created, estimated, started, watched, stopped, and read. They use the demo
//! models, so all figures on the screen are real.

use std::time::Duration;

use serde_json::{Value, json};

use crate::driver::{Browser, keys};
use crate::pages::*;
use crate::server::{Answer, Server, provider};
use crate::wait_for_turn;
use crate::waiting::wait_until;

/// Script that writes `args[1]` into the field with the label `args[0]`.
const WRITE_SCRIPT: &str = "
    const label = [...document.querySelectorAll('label')].find((one) => one.textContent === args[0]);
    const input = document.getElementById(label.htmlFor);
    input.value = args[1];
    input.dispatchEvent(new Event('input', { bubbles: true }));";

/// Starts the example experiment with the demo models and this maximum number of evaluations.
fn start_demo_experiment(browser: &Browser, server: &Server, evaluations: &str) {
    browser.go(&server.address("/experiments?new=1"));
    browser.wait(".experiment-part");
    browser.press("Try with demo models");
    browser.wait_count(".case-row", 24);
    assert_eq!(browser.text(".setting-count"), "8 configurations to try.");
    browser.run(WRITE_SCRIPT, json!(["Evaluations", evaluations]));
    browser.press("Estimate cost");
    browser.wait(".detectable");
}

#[test]
fn an_experiment_from_the_demo_to_its_result() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.go(&server.address("/experiments"));
    browser.wait_text(".empty", "No experiments yet");
    check_accessibility(&browser, axe.as_deref(), "no experiment");

    browser.press("New experiment");
    browser.wait(".experiment-part");
    browser.press("Estimate cost");
    browser.wait_text(".error-message", "at least one case");
    browser.fill(".case-prompt", "What is six times seven?");
    browser.press("Estimate cost");
    browser.wait_text(".error-message", "at least one model");
    check_accessibility(&browser, axe.as_deref(), "a new experiment");

    start_demo_experiment(&browser, &server, "64");
    let response = normalize_space(&browser.text(".estimate"));
    for words in [
        "Configurations 8",
        "of them held back",
        "no cost",
        "30 cases or more",
    ] {
        assert!(response.contains(words), "no {words} in {response}");
    }
    check_accessibility(&browser, axe.as_deref(), "an estimate");
    browser.screenshot("experiment-new");
    browser.run(WRITE_SCRIPT, json!(["Name", "Another name"]));
    browser.wait_text(".estimate-body", "Estimate again");
    browser.press("Estimate cost");
    browser.wait(".detectable");
    browser.press("Start experiment");

    browser.wait(".experiment-progress");
    browser.wait_text(".experiment-progress", "Best so far");
    browser.screenshot_window("experiment-running");
    browser.wait(".verdict");
    check_report(&browser);
    check_accessibility(&browser, axe.as_deref(), "a result");
    browser.screenshot("experiment-result");
    judge_blind(&browser, axe.as_deref());
    apply_and_export(&browser, axe.as_deref());

    let address = browser.url();
    browser.go(&server.address("/experiments"));
    browser.wait_text(".row", "Another name");
    check_accessibility(&browser, axe.as_deref(), "a list of experiments");
    assert_eq!(browser.console_errors(), Vec::<String>::new());

    let phone = Browser::open(360, 760, true);
    sign_in(&phone, &server);
    phone.go(&address);
    phone.wait(".verdict");
    phone.wait(".chart-picture .point");
    check_width(&phone, "the experiment");
    phone.screenshot("experiment-result-360-dark");
    phone.go(&server.address("/experiments?new=1"));
    phone.wait(".experiment-part");
    check_width(&phone, "the experiment");
    phone.screenshot("experiment-new-360-dark");
    assert_eq!(phone.console_errors(), Vec::<String>::new());
}

/// Checks the summary, the charts with the keyboard, the tables behind the charts, and the answers in a case.
fn check_report(browser: &Browser) {
    assert!(browser.text(".verdict-words").len() > 40);
    browser.wait(".chart-picture .point");
    let shown =
        browser.value("document.querySelector('.chart-picture').querySelectorAll('.point').length");
    assert_eq!(shown, json!(8), "a row for every configuration");
    let stops = browser.value("[...document.querySelectorAll('.chart-picture')].map((picture) => picture.querySelectorAll('[tabindex=\"0\"]').length)");
    let stops = stops.as_array().unwrap();
    assert!(
        stops.len() >= 4 && stops.iter().all(|stop| stop == 1),
        "every picture is one stop for Tab: {stops:?}"
    );
    browser.run(
        "document.querySelector('.chart-picture [tabindex=\"0\"]').focus();",
        json!([]),
    );
    let first = browser.text(".chart-readout");
    browser.keys(&[], keys::ARROW_RIGHT);
    let second = browser.text(".chart-readout");
    assert!(
        first.starts_with("1. ") && second.starts_with("2. "),
        "{first} {second}"
    );
    assert_eq!(focused(browser), second, "what is read is what is seen");

    browser.click(".chart-figures summary");
    browser.wait(".chart-figures table");
    assert_eq!(
        browser.count(".chart-figures:first-of-type table tbody tr"),
        8
    );

    browser.press("Setup");
    let setup = normalize_space(&browser.text(".setup"));
    assert!(
        setup.contains("Prompt for all The Lindqvist workshop"),
        "{setup}"
    );

    browser.click(".case-result summary");
    browser.wait_count(".case-answers .compare-side .prose", 2);
    let text = browser.text(".case-answers .compare-side");
    assert!(text.contains("demo algorithm"), "{text}");
}

/// Judges pairs of anonymous answers with one key per verdict.
fn judge_blind(browser: &Browser, axe: Option<&str>) {
    browser.press("Start judging");
    browser.wait(".duel .compare");
    let shown = browser.text(".dialog");
    assert!(
        shown.contains("0 of ") && !shown.contains("demo/"),
        "{shown}"
    );
    check_accessibility(browser, axe, "a pair to be judged");
    browser.screenshot_window("experiment-duel");
    // The strengths are shown after six cases have been compared.
    let verdicts = ["1", "t", keys::ARROW_RIGHT, "1", "2", "1"];
    for (key, said) in verdicts.into_iter().zip(1..) {
        browser.keys(&[], key);
        browser.wait_text(".duel", &format!("{said} of "));
    }
    let before = browser.text(".duel .compare");
    browser.keys(&[], "s");
    wait_until("another pair", || {
        (browser.text(".duel .compare") != before).then_some(())
    });
    browser.wait_text(".duel", "6 of ");
    browser.keys(&[], keys::ESCAPE);
    browser.wait_count(".dialog", 0);
    browser.wait_text(".judge-known", "Bradley–Terry strength");
    check_accessibility(browser, axe, "what the verdicts come to");
    wait_until("the focus to come back", || {
        (focused(browser) == "Start judging").then_some(())
    });
}

/// Sets the winner as the default, reverts that, exports the winner, and prepares a similar experiment.
fn apply_and_export(browser: &Browser, axe: Option<&str>) {
    const DEFAULT_RECIPE_SCRIPT: &str = "(await (await fetch('/api/recipes')).json()).default";
    // The page is scrolled to the top, because otherwise the content could be under the header.
    browser.run("scrollTo(0, 0);", json!([]));
    browser.press("Use as default");
    browser.wait(".dialog");
    check_accessibility(browser, axe, "the winner as the default");
    browser.press("Save");
    browser.wait_text(".applied", "Another name@1");
    assert_ne!(browser.value(DEFAULT_RECIPE_SCRIPT), Value::Null);
    check_accessibility(browser, axe, "a result that is applied");
    browser.press("Revert");
    browser.wait_count(".applied", 0);
    assert_eq!(browser.value(DEFAULT_RECIPE_SCRIPT), Value::Null);

    browser.press("Export as CSV");
    let rows = browser.downloaded("csv");
    assert!(rows.contains("demo/phrases"), "{rows}");
    browser.press("Export as Markdown");
    assert!(browser.downloaded("md").contains("Another name"));

    let here = browser.url();
    browser.press("Change and run again");
    browser.wait(".experiment-part");
    assert_eq!(browser.count(".case-row"), 24);
    assert_eq!(browser.text(".setting-count"), "8 configurations to try.");
    browser.press("Estimate cost");
    browser.wait(".detectable");
    browser.go(&here);
    browser.wait(".verdict");
}

#[test]
fn cases_come_from_a_file_and_from_the_history() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.run(
        "const response = await fetch('/api/analyze', { method: 'POST', headers: { 'content-type': 'application/json' },
           body: JSON.stringify({ prompt: 'Which pump is kept as a spare?' }) });
         if (!response.ok) throw new Error(await response.text());",
        json!([]),
    );
    browser.go(&server.address("/experiments?new=1"));
    browser.wait(".experiment-part");
    let folder = browser.downloads();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let table = file(
        "cases.csv",
        "question,answer\n\"One, or two?\",two\nThree?,3\n",
    );
    browser.choose_file(".file-button input", &table);
    browser.wait_text(".case-editor .notice", "2 cases added from cases.csv");
    assert_eq!(browser.count(".case-row"), 2, "the empty row gives way");
    let lines = file("more.jsonl", "{\"prompt\":\"Four?\",\"expected\":\"4\"}\n");
    browser.choose_file(".file-button input", &lines);
    browser.wait_text(".case-editor .notice", "1 case added from more.jsonl");
    let bad = file("bad.csv", "colour\nred\n");
    browser.choose_file(".file-button input", &bad);
    browser.wait(".case-editor .error-alert");
    assert_eq!(
        browser.count(".case-row"),
        3,
        "what cannot be read adds nothing"
    );
    let refused = browser.console_errors();
    assert!(
        refused.iter().all(|line| line.contains("422")),
        "{refused:?}"
    );

    browser.press("Pick from history");
    browser.wait(".history-pick input");
    check_accessibility(&browser, axe.as_deref(), "picking from the history");
    browser.click(".history-pick input");
    browser.press("Add selected");
    browser.wait_count(".case-row", 4);
    browser.wait_text(".case-editor", "4 cases, 3 with an expected answer");
    // A draft is kept when the page is reloaded.
    wait_until("the draft to be kept", || {
        let stored =
            browser.value("sessionStorage.getItem('quire.experiment-draft')?.includes('spare')");
        (stored == json!(true)).then_some(())
    });
    browser.reload();
    browser.wait(".experiment-part");
    assert_eq!(browser.count(".case-row"), 4);
    browser.click("[aria-label='Remove case 1']");
    assert_eq!(browser.count(".case-row"), 3);
    assert_eq!(focused(&browser), "Question of case 1");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn an_experiment_is_stopped_and_resumed() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = Server::start();
    let browser = Browser::open(375, 760, false);
    sign_up(&browser, &server);
    start_demo_experiment(&browser, &server, "60");
    browser.press("Start experiment");
    browser.wait(".experiment-progress");
    let here = browser.url();
    browser.go(&server.address("/experiments"));
    browser.wait(".row[data-status='running']");
    let before = browser.text(".row");
    wait_until("news of what runs", || {
        (browser.text(".row") != before).then_some(())
    });
    browser.go(&here);
    browser.wait(".experiment-progress");
    check_accessibility(&browser, axe.as_deref(), "a running experiment");
    browser.press("Stop");
    browser.wait_text("main", "Stopped");
    check_accessibility(&browser, axe.as_deref(), "a stopped experiment");
    browser.press("Resume");
    browser.wait(".status-word.completed");
    let status = browser.run(
        "const id = new URLSearchParams(location.search).get('id'); return (await (await fetch('/api/experiments/' + id)).json()).status;",
        json!([]),
    );
    assert_eq!(status, json!("completed"));
    browser.click("[aria-label='Delete this experiment']");
    browser.wait_text("main", "No experiments yet");
    browser.press("Undo");
    browser.wait(".verdict");
    browser.click("[aria-label='Delete this experiment']");
    browser.wait_text("main", "No experiments yet");
    wait_until("it to be gone for good", || {
        let response =
            browser.value("(await (await fetch('/api/experiments')).json()).experiments");
        (response == json!([])).then_some(())
    });
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// A visitor without an account sees an explanation instead.
#[test]
fn experiments_need_an_account() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    browser.go(&server.address("/experiments"));
    browser.wait_text("main", "Sign in");
    let response: Value = browser.value("document.querySelector('main h1').textContent");
    assert_eq!(
        response,
        json!("Find out which configuration is best for you")
    );
}

/// Answers as one of three models: an expensive one that knows the answers, a cheap one that does not, or a judge that
/// reads their answers.
fn judged_models(asked: &Value) -> Answer {
    // Latencies are shown in milliseconds. If all were 0, the page would draw no chart of them.
    std::thread::sleep(Duration::from_millis(5));
    let messages = asked["messages"].as_array().into_iter().flatten();
    let message: Vec<&str> = messages.filter_map(|one| one["content"].as_str()).collect();
    let prompt = message.join("\n");
    let part = |letter: &str| {
        let from = prompt.find(&format!("----- answer {letter} "));
        let to = prompt.find(&format!("----- end of answer {letter} "));
        from.zip(to).map_or("", |(from, to)| &prompt[from..to])
    };
    let text = match asked["model"].as_str() {
        Some("judge") => {
            let better = match (part("A").contains("four"), part("B").contains("four")) {
                (true, false) => "A",
                (false, true) => "B",
                _ => "tie",
            };
            json!({ "solution": "4", "reason": "it is right", "better": better }).to_string()
        }
        Some("bright") => "It is four, as two and two always are.".to_owned(),
        _ => "It is five, as two and three always are.".to_owned(),
    };
    let piece = json!({ "choices": [{ "index": 0, "delta": { "content": text } }] });
    let end = json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] });
    let counts =
        json!({ "choices": [], "usage": { "prompt_tokens": 400, "completion_tokens": 100 } });
    let stream = format!("data: {piece}\n\ndata: {end}\n\ndata: {counts}\n\ndata: [DONE]\n\n");
    ("200 OK", "text/event-stream", stream)
}

#[test]
fn model_judge_is_shown_with_its_errors() {
    let Some(_turn) = wait_for_turn() else { return };
    let address = provider(&["dull", "bright", "judge"], judged_models);
    let providers = json!([{ "id": "far", "kind": "openai", "base_url": format!("http://{address}/v1"), "models": ["dull", "bright", "judge"] }]);
    let priced = |name: &str, price: f64| json!({ "id": format!("far/{name}"), "price": { "input": price, "output": price }, "price_of": "2026-11-20" });
    let models = json!([
        priced("dull", 1.0),
        priced("bright", 5.0),
        priced("judge", 2.0)
    ]);
    let file = std::env::temp_dir().join(format!("quire-prices-{}.json", std::process::id()));
    std::fs::write(&file, json!({ "models": models }).to_string()).unwrap();
    let server = Server::start_with(vec![
        ("QUIRE_PROVIDERS", providers.to_string()),
        ("QUIRE_MODELS_FILE", file.to_str().unwrap().to_owned()),
    ]);
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.go(&server.address("/experiments?new=1"));
    browser.wait(".experiment-part");
    let cases: String = (0..24)
        .map(|n| format!("What is {n} more than {}?,four\n", 4 - n))
        .collect();
    let path = browser.downloads().join("sums.csv");
    std::fs::write(&path, format!("question,answer\n{cases}")).unwrap();
    browser.choose_file(".file-button input", path.to_str().unwrap());
    browser.wait_text(".case-editor .notice", "24 cases added");
    for model in ["far/dull", "far/bright"] {
        browser.run(
            "[...document.querySelectorAll('.axis .check')].find((one) => one.textContent.includes(args[0])).querySelector('input').click();",
            json!([model]),
        );
    }
    browser.run(
        "document.querySelector('input[value=pairwise]').click();",
        json!([]),
    );
    browser.press("Estimate cost");
    browser.wait_text(".error-message", "Choose a judge model");
    browser.run(
        "const select = [...document.querySelectorAll('.evaluator-more select')][0]; select.value = args[0]; select.dispatchEvent(new Event('change'));",
        json!(["far/judge"]),
    );
    browser.run(WRITE_SCRIPT, json!(["US dollars", "2"]));
    browser.press("Estimate cost");
    browser.wait(".detectable");
    let response = normalize_space(&browser.text(".estimate"));
    assert!(response.contains("Cost about $"), "{response}");
    browser.press("Start experiment");
    browser.wait(".status-word.completed");
    browser.wait_text(".verdict", "far/bright is better");
    let response = normalize_space(&browser.text("main"));
    for words in [
        "far/judge compared",
        "in both orders",
        "Judge biases",
        "You have not judged any pairs yet",
    ] {
        assert!(response.contains(words), "no {words} in {response}");
    }
    assert_eq!(
        browser.count(".chart-pair:first-of-type .chart-picture .front"),
        2,
        "cost and time"
    );
    check_accessibility(&browser, axe().as_deref(), "a result that a model judged");
    browser.screenshot("experiment-judged");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
