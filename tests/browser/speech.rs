//! Tests dictation and reading aloud. The browser's speech interfaces are scripted, because Chromium has neither voices
//! nor speech recognition without a display.

use serde_json::{Value, json};

use crate::driver::Browser;
use crate::pages::{axe, check_accessibility};
use crate::streaming::server_with;
use crate::thread::{ask_in_composer, new_question};
use crate::wait_for_turn;
use crate::waiting::wait_until;

/// Script with a speech recognition that returns the phrases in `window.phrases`, and a voice that records what it
/// reads.
const WITH_SPEECH: &str = "
    window.phrases = [];
    window.spoken = [];
    class Recognition {
      start() { window.listening = this; }
      stop() { this.onend(); }
    }
    window.SpeechRecognition = Recognition;
    window.webkitSpeechRecognition = Recognition;
    window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
    let current = null;
    const voice = { speak: (speech) => { current = speech; window.spoken.push(speech.text); }, cancel: () => { const last = current; current = null; last?.onend?.(); } };
    Object.defineProperty(window, 'speechSynthesis', { value: voice, configurable: true });
    window.isReading = () => current !== null;
    window.say = (words, isFinal = true) => window.listening.onresult({ resultIndex: 0, results: [Object.assign([{ transcript: words }], { isFinal })] });";

const WITHOUT_SPEECH: &str = "
    for (const name of ['SpeechRecognition', 'webkitSpeechRecognition', 'speechSynthesis', 'SpeechSynthesisUtterance'])
      { delete window[name]; delete Object.getPrototypeOf(window)[name]; }";

fn open_with(script: &str) -> Browser {
    let browser = Browser::open(1440, 900, false);
    browser.cdp(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({ "source": script }),
    );
    browser
}

fn pressed(browser: &Browser, label: &str) -> Value {
    browser.value(&format!(
        "document.querySelector('[aria-label=\"{label}\"]').getAttribute('aria-pressed')"
    ))
}

#[test]
fn a_question_is_dictated_and_its_answer_is_read_aloud() {
    let Some(_turn) = wait_for_turn() else { return };
    let models = ["steady-1", "steady-2"].map(String::from);
    let server = server_with(&models);
    let browser = open_with(WITH_SPEECH);
    new_question(&browser, &server, &["steady-1", "steady-2"]);
    browser.click("[aria-label=Dictate]");
    assert_eq!(pressed(&browser, "Dictate"), json!("true"));
    check_accessibility(&browser, axe().as_deref(), "dictation");
    // Interim results are not inserted, because the recognizer may still change them.
    browser.run("say('How much', false);", json!([]));
    browser.run("say('How much does the pump');", json!([]));
    browser.run("say(' deliver?');", json!([]));
    let words = browser.value("document.querySelector('.composer-text').value");
    assert_eq!(words, json!("How much does the pump deliver?"));
    browser.click("[aria-label=Dictate]");
    assert_eq!(pressed(&browser, "Dictate"), json!("false"));
    ask_in_composer(&browser, " And when?");
    browser.wait(".turn.last[data-status=completed] .answer");

    browser.click("[aria-label='Read aloud']");
    assert_eq!(pressed(&browser, "Read aloud"), json!("true"));
    let spoken = browser.value("window.spoken[0]");
    let spoken = spoken.as_str().unwrap();
    assert!(
        spoken.starts_with("the pump delivers forty litres") && !spoken.contains('*'),
        "{spoken}"
    );
    browser.click("[aria-label='Read aloud']");
    assert_eq!(pressed(&browser, "Read aloud"), json!("false"), "it stops");
    browser.click("[aria-label='Read aloud']");
    browser.press("New question");
    wait_until("silence on another page", || {
        (browser.value("window.isReading()") == json!(false)).then_some(())
    });
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn without_speech_interfaces_there_are_no_buttons_for_them() {
    let Some(_turn) = wait_for_turn() else { return };
    let models = ["steady-1", "steady-2"].map(String::from);
    let server = server_with(&models);
    let browser = open_with(WITHOUT_SPEECH);
    new_question(&browser, &server, &["steady-1", "steady-2"]);
    assert_eq!(browser.value("'speechSynthesis' in window"), json!(false));
    assert_eq!(browser.count("[aria-label=Dictate]"), 0);
    ask_in_composer(&browser, "How much does the pump deliver?");
    browser.wait(".turn.last[data-status=completed] .answer");
    browser.wait(".after [aria-label='Copy answer']");
    assert_eq!(browser.count("[aria-label='Read aloud']"), 0);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
