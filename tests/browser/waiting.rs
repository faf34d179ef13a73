//! Waits until something is true of a page, instead of waiting for a fixed time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::driver::Browser;

/// Maximum time to wait until something appears. It is long, because only failing tests use it up.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

impl Browser {
    /// Waits until the first element that matches a selector is visible.
    pub fn wait(&self, css: &str) {
        const VISIBLE: &str =
            "document.querySelector(args[0])?.checkVisibility({ visibilityProperty: true })";
        self.wait_for(VISIBLE, json!([css]), || format!("{css} in {}", self.url()));
    }

    /// Waits until the text of the first element that matches a selector contains `words`.
    pub fn wait_text(&self, css: &str, words: &str) {
        const CONTAINED: &str = "document.querySelector(args[0])?.innerText?.includes(args[1])";
        self.wait_for(CONTAINED, json!([css, words]), || {
            format!("“{words}” in {css}; there is: {}", self.text("main"))
        });
    }

    /// Waits until this number of elements matches a selector.
    pub fn wait_count(&self, css: &str, count: u64) {
        const COUNTED: &str = "document.querySelectorAll(args[0]).length === args[1]";
        self.wait_for(COUNTED, json!([css, count]), || {
            format!("{count} of {css}; there are {}", self.count(css))
        });
    }

    /// Waits until a JavaScript expression is true. The page itself evaluates it again and again, because each call
    /// through chromedriver takes the page longer than most expressions. `what` is called only if the wait fails.
    pub fn wait_for(&self, expression: &str, arguments: Value, what: impl FnOnce() -> String) {
        let body = format!(
            "for (let tries = 0; tries < 40; tries += 1) {{
               if ({expression}) return true;
               await new Promise((resolve) => setTimeout(resolve, 50));
             }}"
        );
        wait_until_or(what, || {
            // A page that is left meanwhile takes the evaluation with it; the next page is asked again.
            let found = self.try_run(&body, arguments.clone());
            (found == Ok(Value::Bool(true))).then_some(())
        });
    }
}

/// Polls until `ask` returns a value, and returns that value. `what` describes it in the failure message.
pub fn wait_until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    wait_until_or(|| what.to_owned(), ask)
}

/// Like [`wait_until`], but for a description that requires calls to the browser. It is created only if the wait fails.
pub fn wait_until_or<T>(what: impl FnOnce() -> String, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + WAIT_TIMEOUT;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        if Instant::now() >= end {
            panic!("never came: {}", what());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
