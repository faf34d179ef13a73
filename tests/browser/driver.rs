//! A browser that is controlled through chromedriver's JSON protocol.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use ureq::Agent;

use crate::waiting::{WAIT_TIMEOUT, wait_until, wait_until_or};

const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys that do not produce characters, by their WebDriver codes.
pub mod keys {
    pub const TAB: &str = "\u{e004}";
    pub const ENTER: &str = "\u{e007}";
    pub const SPACE: &str = " ";
    pub const ESCAPE: &str = "\u{e00c}";
    pub const ARROW_LEFT: &str = "\u{e012}";
    pub const ARROW_RIGHT: &str = "\u{e014}";
    pub const DELETE: &str = "\u{e017}";
    pub const CONTROL: &str = "\u{e009}";
}

/// Returns the path of chromedriver: in `PATH`, or where Debian installs it.
pub fn chromedriver() -> Option<PathBuf> {
    program("chromedriver")
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain([
            PathBuf::from("/usr/bin"),
            PathBuf::from("/usr/lib/chromium"),
        ])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// A headless browser with its own profile. It is closed on drop, and the profile is removed.
pub struct Browser {
    driver: Child,
    agent: Agent,
    base: String,
    profile: PathBuf,
}

impl Browser {
    /// Opens a window of this size, in pixels, in light or dark mode.
    pub fn open(width: u32, height: u32, dark: bool) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let profile =
            std::env::temp_dir().join(format!("quire-browser-{}-{number}", std::process::id()));
        std::fs::create_dir_all(profile.join("downloads")).unwrap();
        // chromedriver picks a port that is free for one IP version, and ends if the port is in use for the other.
        let (driver, port) = (0..5)
            .find_map(|_| start_driver())
            .expect("chromedriver says its port");
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(WAIT_TIMEOUT * 2))
            .build()
            .new_agent();
        let mut browser = Self {
            driver,
            agent,
            base: format!("http://127.0.0.1:{port}"),
            profile,
        };
        browser.start(width, height);
        let mobile = width < 500;
        browser.cdp(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile }),
        );
        browser.prefer(dark, false);
        let downloads = browser.downloads();
        browser.cdp(
            "Browser.setDownloadBehavior",
            json!({ "behavior": "allow", "downloadPath": downloads }),
        );
        browser
    }

    fn start(&mut self, width: u32, height: u32) {
        // The headless shell is the same engine without the browser's own windows, and starts in a third of the time.
        let shell = program("chromium-headless-shell");
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--lang=en-GB",
        ];
        let mut args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        args.push(format!(
            "--user-data-dir={}",
            self.profile.join("profile").display()
        ));
        args.push(format!("--window-size={width},{height}"));
        let (name, options) = match shell {
            Some(file) => (
                "chrome-headless-shell",
                json!({ "args": args, "binary": file }),
            ),
            None => ("chrome", json!({ "args": args })),
        };
        let expected = json!({ "capabilities": { "alwaysMatch": {
            "browserName": name, "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = self.call("POST", "/session", Some(expected));
        let id = session["sessionId"]
            .as_str()
            .expect("a session has an id")
            .to_owned();
        self.base = format!("{}/session/{id}", self.base);
    }

    /// Returns the download folder.
    pub fn downloads(&self) -> PathBuf {
        self.profile.join("downloads")
    }

    /// Waits until a file with this extension has been downloaded completely, and returns its content.
    pub fn downloaded(&self, ending: &str) -> String {
        let folder = self.downloads();
        wait_until(&format!("a download .{ending}"), || {
            let entries = std::fs::read_dir(&folder).ok()?;
            let file = entries
                .flatten()
                .map(|entry| entry.path())
                .find(|path| path.extension().is_some_and(|found| found == ending))?;
            std::fs::read_to_string(file)
                .ok()
                .filter(|text| !text.is_empty())
        })
    }

    /// Emulates the preferences `prefers-color-scheme` and `prefers-reduced-motion`.
    pub fn prefer(&self, dark: bool, reduces_motion: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let motion = if reduces_motion {
            "reduce"
        } else {
            "no-preference"
        };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }, { "name": "prefers-reduced-motion", "value": motion }]);
        self.cdp(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        );
    }

    pub fn go(&self, url: &str) {
        self.call("POST", "/url", Some(json!({ "url": url })));
    }

    pub fn reload(&self) {
        self.call("POST", "/refresh", Some(json!({})));
    }

    pub fn url(&self) -> String {
        self.call("GET", "/url", None)
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Runs JavaScript in the page, as the body of an async function. `arguments` is available in it as `args`.
    pub fn run(&self, body: &str, arguments: Value) -> Value {
        self.try_run(body, arguments)
            .unwrap_or_else(|refusal| panic!("{refusal}: {body}"))
    }

    /// Like [`Self::run`], but returns an error if there is no result, for example because the page was left. Uses the
    /// DevTools protocol: chromedriver's own command sends its helper functions along with each script, which cost the
    /// page more than the script itself.
    pub fn try_run(&self, body: &str, arguments: Value) -> Result<Value, String> {
        let evaluation = self.try_call(
            "POST",
            "/goog/cdp/execute",
            Some(json!({ "cmd": "Runtime.evaluate", "params": {
                "expression": format!("(async (args) => {{ {body} }})({arguments})"),
                "awaitPromise": true, "returnByValue": true, "userGesture": true,
            } })),
        )?;
        let thrown = evaluation.get("exceptionDetails");
        assert_eq!(thrown, None, "the page threw: {body}");
        Ok(evaluation["result"]["value"].clone())
    }

    /// Returns the value of a JavaScript expression that is evaluated in the page.
    pub fn value(&self, expression: &str) -> Value {
        self.run(&format!("return {expression};"), json!([]))
    }

    /// Returns the visible text of the first element that matches a selector; empty if there is none.
    pub fn text(&self, css: &str) -> String {
        let text = self.run(
            "return document.querySelector(args[0])?.innerText ?? '';",
            json!([css]),
        );
        text.as_str().unwrap_or_default().to_owned()
    }

    pub fn count(&self, css: &str) -> u64 {
        self.run(
            "return document.querySelectorAll(args[0]).length;",
            json!([css]),
        )
        .as_u64()
        .unwrap_or(0)
    }

    /// Returns whether the first element that matches a selector is visible.
    pub fn is_visible(&self, css: &str) -> bool {
        self.run("const found = document.querySelector(args[0]); return Boolean(found && found.checkVisibility({ visibilityProperty: true }));", json!([css])) == json!(true)
    }

    /// Clicks an element as a user does. Fails if the element is covered or cannot be scrolled into view.
    pub fn click(&self, css: &str) {
        self.act("css selector", css, "click", json!({}));
    }

    /// Clicks the button, link, or summary that contains `words`, in the page's content or, if it is not there, in the
    /// frame around it.
    pub fn press(&self, words: &str) {
        let kinds = "*[self::button or self::a or self::summary]";
        let named = format!("[contains(normalize-space(.), '{words}')]");
        let page = format!("//main//{kinds}{named} | //dialog//{kinds}{named}");
        let found = self.run(
            "return document.evaluate(args[0], document, null, XPathResult.UNORDERED_NODE_SNAPSHOT_TYPE).snapshotLength;",
            json!([page]),
        );
        let path = match found.as_u64() {
            Some(1..) => page,
            _ => format!("//{kinds}{named}"),
        };
        self.act("xpath", &path, "click", json!({}));
    }

    /// Enters text into an element at once, as an input method does. [`Self::keys`] presses a key per character.
    pub fn fill(&self, css: &str, text: &str) {
        const FOCUSED: &str = "((field) => {
            if (!field?.checkVisibility({ visibilityProperty: true })) return false;
            field.focus();
            if (field.selectionStart !== null) field.selectionStart = field.value.length;
            return document.activeElement === field;
        })(document.querySelector(args[0]))";
        self.wait_for(FOCUSED, json!([css]), || {
            format!("the focus of {css} in {}", self.url())
        });
        self.cdp("Input.insertText", json!({ "text": text }));
    }

    /// Chooses a file in a file input.
    pub fn choose_file(&self, css: &str, path: &str) {
        self.act("css selector", css, "value", json!({ "text": path }));
    }

    fn act(&self, strategy: &str, what: &str, action: &str, body: Value) {
        let attempt = || {
            let found = self
                .try_call(
                    "POST",
                    "/elements",
                    Some(json!({ "using": strategy, "value": what })),
                )
                .ok()?;
            let visible = found
                .as_array()?
                .iter()
                .filter_map(|element| element[ELEMENT].as_str());
            for id in visible {
                if self
                    .try_call(
                        "POST",
                        &format!("/element/{id}/{action}"),
                        Some(body.clone()),
                    )
                    .is_ok()
                {
                    return Some(());
                }
            }
            None
        };
        wait_until_or(
            || format!("{action} {what} in {}: {}", self.url(), self.text("main")),
            attempt,
        );
    }

    /// Presses keys one after another while the keys in `held` are held down.
    pub fn keys(&self, held: &[&str], pressed: &str) {
        let down = |key: &str| json!({ "type": "keyDown", "value": key });
        let up = |key: &str| json!({ "type": "keyUp", "value": key });
        let mut actions: Vec<Value> = held.iter().map(|key| down(key)).collect();
        for key in pressed.chars().map(String::from) {
            actions.extend([down(&key), up(&key)]);
        }
        actions.extend(held.iter().map(|key| up(key)));
        self.call(
            "POST",
            "/actions",
            Some(json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] })),
        );
    }

    /// Saves a screenshot of the whole page in target/screenshots.
    pub fn screenshot(&self, name: &str) {
        let size = self.cdp("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
        let height = size["height"].as_f64().unwrap_or(900.0).min(4000.0);
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1 });
        self.save_screenshot(
            name,
            json!({ "format": "png", "captureBeyondViewport": true, "clip": clip }),
        );
    }

    /// Saves a screenshot of the visible part of the page in target/screenshots.
    pub fn screenshot_window(&self, name: &str) {
        self.save_screenshot(name, json!({ "format": "png" }));
    }

    fn save_screenshot(&self, name: &str, how: Value) {
        // Toasts are removed, because they would cover a part of the page.
        self.run(
            "document.getElementById('toasts')?.replaceChildren();",
            json!([]),
        );
        let screenshot = self.cdp("Page.captureScreenshot", how);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let bytes = decoded(screenshot["data"].as_str().unwrap_or_default());
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }

    /// Returns the browser's errors since the last call: script errors, failed loads, and CSP violations. Ignores
    /// warnings about preloaded files that were not used in time, because they depend on the machine's load; the test
    /// `weight` checks that each preloaded file is used.
    pub fn console_errors(&self) -> Vec<String> {
        let log = self.call("POST", "/se/log", Some(json!({ "type": "browser" })));
        let lines = log.as_array().cloned().unwrap_or_default();
        lines
            .iter()
            .filter(|line| line["level"] == "SEVERE" || line["level"] == "WARNING")
            .map(|line| line["message"].to_string())
            .filter(|message| !message.contains("preloaded using link preload but not used within"))
            .collect()
    }

    pub fn cdp(&self, command: &str, parameters: Value) -> Value {
        self.call(
            "POST",
            "/goog/cdp/execute",
            Some(json!({ "cmd": command, "params": parameters })),
        )
    }

    fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        self.try_call(method, path, body)
            .unwrap_or_else(|refusal| panic!("{method} {path}: {refusal}"))
    }

    fn try_call(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let url = format!("{}{path}", self.base);
        let response = match (method, body) {
            ("GET", _) => self.agent.get(&url).call(),
            ("DELETE", _) => self.agent.delete(&url).call(),
            (_, body) => self
                .agent
                .post(&url)
                .header("content-type", "application/json")
                .send(body.unwrap_or(json!({})).to_string()),
        };
        let mut response = response.map_err(|error| error.to_string())?;
        let text = response
            .body_mut()
            .with_config()
            .limit(1 << 28)
            .read_to_string()
            .map_err(|error| error.to_string())?;
        let value = serde_json::from_str::<Value>(&text)
            .map_err(|error| format!("{error}: {text}"))?["value"]
            .clone();
        match value["error"].as_str() {
            Some(error) => Err(format!(
                "{error}: {}",
                value["message"].as_str().unwrap_or_default()
            )),
            None => Ok(value),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.try_call("DELETE", "", None);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

fn start_driver() -> Option<(Child, u16)> {
    let mut driver = Command::new(chromedriver().unwrap())
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let port = announced_port(&mut driver);
    if port.is_none() {
        let _ = driver.kill();
        let _ = driver.wait();
    }
    Some((driver, port?))
}

fn announced_port(driver: &mut Child) -> Option<u16> {
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        if let Some(rest) = line.split("started successfully on port ").nth(1) {
            return rest.trim_end_matches('.').parse().ok();
        }
    }
    None
}

fn decoded(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}
