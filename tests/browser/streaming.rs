//! A provider that streams like a language model: fast, slow, stuck, or cut off, depending on the name of the model.
//! Also tests how a run with such models is displayed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::driver::Browser;
use crate::pages::{axe, check_accessibility, sign_up};
use crate::server::Server;
use crate::{wait_for_exclusive_turn, wait_for_turn};

const STREAMED_WORDS: [&str; 12] = [
    "the ",
    "pump ",
    "delivers ",
    "forty ",
    "litres ",
    "a ",
    "minute ",
    "and ",
    "**may** ",
    "fail ",
    "below ",
    "five.\n\n",
];

/// Returns how a model with this name streams: the number of pieces per second, the total number of pieces, and whether
/// the connection is cut after them.
fn streaming_speed(model: &str) -> (f64, usize, bool) {
    match model.split('-').next().unwrap_or_default() {
        "slow" => (8.0, 400, false),
        "cut" => (100.0, 60, true),
        // This is long enough to display the live board even on a busy machine.
        "calm" => (10.0, 40, false),
        "quick" => (200.0, 2400, false),
        _ => (200.0, 40, false),
    }
}

fn streaming_provider(models: &[String]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let entries: Vec<Value> = models.iter().map(|id| json!({ "id": id })).collect();
    let list = json!({ "object": "list", "data": entries }).to_string();
    std::thread::spawn(move || {
        for line in listener.incoming().flatten() {
            let list = list.clone();
            std::thread::spawn(move || drop(serve(line, &list)));
        }
    });
    address
}

fn serve(mut line: TcpStream, list: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(line.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        reader.read_line(&mut head)?;
        let field = head[start..].trim().to_lowercase();
        if let Some(number) = field.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap_or(0);
        }
        if field.is_empty() {
            break;
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    if head.starts_with("GET") {
        return write!(
            line,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{list}",
            list.len()
        );
    }
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let model = request["model"].as_str().unwrap_or_default();
    if model.starts_with("broken") {
        let body = r#"{"error":{"message":"it broke down"}}"#;
        return write!(
            line,
            "HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
    }
    line.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
    )?;
    write_pieces(&mut line, streaming_speed(model))
}

fn write_pieces(
    line: &mut TcpStream,
    (rate, count, cut): (f64, usize, bool),
) -> std::io::Result<()> {
    let began = Instant::now();
    for number in 0..count {
        let due = began + Duration::from_secs_f64(number as f64 / rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let piece = json!({ "choices": [{ "index": 0, "delta": { "content": STREAMED_WORDS[number % STREAMED_WORDS.len()] } }] });
        write!(line, "data: {piece}\n\n")?;
    }
    if cut {
        return Ok(());
    }
    let end = json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }], "usage": { "prompt_tokens": 11, "completion_tokens": count } });
    write!(line, "data: {end}\n\ndata: [DONE]\n\n")
}

/// Starts a server with a provider that has these models.
pub fn server_with(models: &[String]) -> Server {
    let address = streaming_provider(models);
    let providers = json!([{ "id": "far", "kind": "openai", "base_url": format!("http://{address}/v1"), "models": models, "concurrency": 32 }]);
    Server::start_with(vec![("QUIRE_PROVIDERS", providers.to_string())])
}

const ASK_SCRIPT: &str = "
    const response = await fetch('/api/analyze', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(args[0]) });
    if (!response.ok) throw new Error(await response.text());
    return (await response.json()).analysis_id;";

/// Starts a run with these models, opens its page, and returns its ID.
fn start_and_watch(browser: &Browser, server: &Server, models: &[String], depth: &str) -> String {
    let panel: Vec<String> = models.iter().map(|model| format!("far/{model}")).collect();
    let id = browser.run(
        ASK_SCRIPT,
        json!([{ "prompt": "How much does the pump deliver?", "pattern": "summarize", "depth": depth, "models": panel, "ultra_model": "far/steady", "async": true }]),
    );
    let id = id.as_str().unwrap().to_owned();
    browser.go(&server.address(&format!("/analyze?id={id}")));
    browser.wait(".members .member-body");
    id
}

/// Script that collects the frame times of the page during a period, in milliseconds, and sorts them.
const WATCH_FRAMES_SCRIPT: &str = "
    const taken = [];
    const end = performance.now() + args[0];
    await new Promise((done) => {
      let last = performance.now();
      const next = (now) => { taken.push(now - last); last = now; now < end ? requestAnimationFrame(next) : done(); };
      requestAnimationFrame(next);
    });
    const letters = [...document.querySelectorAll('.member-body')].reduce((sum, body) => sum + body.textContent.length, 0);
    return { taken: taken.slice(1).sort((a, b) => a - b), letters };";

/// Watches the page for a while, prints the frame times, and returns the number of letters that were added. The times
/// are not checked, because they also depend on the machine and its load.
fn measure_frames(browser: &Browser, what: &str) -> u64 {
    let before = main_thread_seconds(browser);
    let response = browser.run(WATCH_FRAMES_SCRIPT, json!([2500]));
    let after = main_thread_seconds(browser);
    let taken = response["taken"].as_array().unwrap();
    let taken: Vec<f64> = taken.iter().filter_map(Value::as_f64).collect();
    let at = |part: f64| taken[((taken.len() - 1) as f64 * part) as usize];
    eprintln!(
        "{what}: {} frames in 2.5 s, median {:.1} ms, 95th percentile {:.1} ms, longest {:.1} ms; {} letters shown",
        taken.len(),
        at(0.5),
        at(0.95),
        at(1.0),
        response["letters"],
    );
    let count = taken.len() as f64;
    let each = |name: &str| (after(name) - before(name)) * 1000.0 / count;
    eprintln!(
        "  of each frame the main thread worked {:.1} ms: scripts {:.1}, styles {:.1}, layout {:.1}",
        each("TaskDuration"),
        each("ScriptDuration"),
        each("RecalcStyleDuration"),
        each("LayoutDuration"),
    );
    response["letters"].as_u64().unwrap()
}

/// Returns, by kind of work, how many seconds the main thread of the page has worked so far.
fn main_thread_seconds(browser: &Browser) -> impl Fn(&str) -> f64 + use<> {
    browser.cdp("Performance.enable", json!({ "timeDomain": "threadTicks" }));
    let response = browser.cdp("Performance.getMetrics", json!({}))["metrics"].clone();
    move |name| {
        let metrics = response.as_array().into_iter().flatten();
        let found = metrics.filter(|metric| metric["name"] == name);
        found.filter_map(|metric| metric["value"].as_f64()).sum()
    }
}

#[test]
fn page_stays_responsive_with_sixteen_streaming_members() {
    let Some(_turn) = wait_for_exclusive_turn() else {
        return;
    };
    let mut models: Vec<String> = (0..16).map(|number| format!("quick-{number}")).collect();
    models.push("steady".into());
    let server = server_with(&models);
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    start_and_watch(&browser, &server, &models[..16], "standard");
    let letters = measure_frames(&browser, "16 members at 200 pieces a second");
    browser.cdp("Emulation.setCPUThrottlingRate", json!({ "rate": 4 }));
    measure_frames(&browser, "the same on a device four times slower");
    browser.cdp("Emulation.setCPUThrottlingRate", json!({ "rate": 1 }));
    assert!(letters > 10_000, "they write: {letters}");
    browser.screenshot("sixteen");
}

/// Script that watches the board of a thread for a while. Returns how often texts change per animation frame, how many
/// characters of the members' texts are searched, the frame times, and the long tasks.
const WATCH_BOARD_SCRIPT: &str = "
    let searched = 0;
    const kept = {};
    for (const name of ['match', 'matchAll', 'split']) {
      kept[name] = String.prototype[name];
      String.prototype[name] = function (...rest) {
        // The chunks of the event stream are not counted, because they are read only once.
        if (!this.includes('data:')) searched += this.length;
        return kept[name].apply(this, rest);
      };
    }
    const rows = document.querySelector('.board.rows');
    const tasks = [];
    const watcher = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((one) => one.duration)));
    watcher.observe({ type: 'longtask' });
    let now = new Map();
    const busiest = { row: 0, rows: 0 };
    const changes = new MutationObserver((records) => {
      for (const { target } of records) {
        const tail = (target.nodeType === 1 ? target : target.parentElement)?.closest('.col-tail');
        if (tail) now.set(tail, (now.get(tail) ?? 0) + 1);
      }
    });
    changes.observe(rows, { childList: true, characterData: true, subtree: true });
    const taken = [];
    const end = performance.now() + args[0];
    await new Promise((done) => {
      let last = performance.now();
      const next = (at) => {
        taken.push(at - last);
        last = at;
        busiest.row = Math.max(busiest.row, ...now.values());
        busiest.rows = Math.max(busiest.rows, now.size);
        now = new Map();
        at < end ? requestAnimationFrame(next) : done();
      };
      requestAnimationFrame(next);
    });
    watcher.disconnect();
    changes.disconnect();
    Object.assign(String.prototype, kept);
    const nodes = rows.querySelectorAll('*').length;
    return { taken: taken.slice(1).sort((a, b) => a - b), tasks: tasks.sort((a, b) => a - b), ...busiest, nodes, searched };";

/// Upper bound of the total length of the texts of sixteen quick members, in characters.
const TEXT_OF_ALL: u64 = 16 * 2400 * 6;

/// However fast sixteen members write, the text of each changes at most once per frame, only the added text is searched
/// for words, and the board does not change its size. Frame times and long tasks are printed but not checked, because
/// other programs use the machine too. The goals are that no frame takes more than 100 ms and no task more than 200 ms.
/// In CPU time, the longest task took 10 ms in a trace from 2026-12-01.
#[test]
fn a_board_of_sixteen_members_draws_each_once_a_frame() {
    let Some(_turn) = wait_for_exclusive_turn() else {
        return;
    };
    let names: Vec<String> = (0..16).map(|number| format!("quick-{number}")).collect();
    let mut all = names.clone();
    all.push("steady".into());
    let server = server_with(&all);
    let browser = Browser::open(1440, 900, false);
    let panel: Vec<&str> = names.iter().map(String::as_str).collect();
    crate::thread::new_question(&browser, &server, &panel);
    crate::thread::ask_in_composer(&browser, "How much does the pump deliver?");
    browser.wait(".board.rows .col-tail");
    let mut sizes = Vec::new();
    for (rate, what) in [(1, "this machine"), (4, "a device four times slower")] {
        browser.cdp("Emulation.setCPUThrottlingRate", json!({ "rate": rate }));
        let before = main_thread_seconds(&browser);
        let response = browser.run(WATCH_BOARD_SCRIPT, json!([3000]));
        let after = main_thread_seconds(&browser);
        let figures = |name: &str| -> Vec<f64> {
            let all = response[name].as_array().into_iter().flatten();
            all.filter_map(Value::as_f64).collect()
        };
        let (taken, tasks) = (figures("taken"), figures("tasks"));
        let at = |part: f64| taken[((taken.len() - 1) as f64 * part) as usize];
        eprintln!(
            "{what}: {} frames in 3 s, median {:.0} ms, 95th percentile {:.0} ms, longest {:.0} ms; {} tasks over 50 ms, longest {:.0} ms; {:.1} ms of scripts, styles, and layout a frame",
            taken.len(),
            at(0.5),
            at(0.95),
            at(1.0),
            tasks.len(),
            tasks.last().unwrap_or(&0.0),
            (after("TaskDuration") - before("TaskDuration")) * 1000.0 / taken.len() as f64,
        );
        assert!(
            response["rows"].as_u64() > Some(0),
            "they write: {response}"
        );
        assert_eq!(
            response["row"], 1,
            "a text changes once a frame: {response}"
        );
        let searched = response["searched"].as_u64().unwrap();
        assert!(searched < 2 * TEXT_OF_ALL, "{searched} characters searched");
        sizes.push(response["nodes"].clone());
    }
    assert_eq!(sizes[0], sizes[1], "the board does not grow");
    browser.cdp("Emulation.setCPUThrottlingRate", json!({ "rate": 1 }));
    browser.press("Stop");
    browser.wait(".stopped");
}

#[test]
fn slow_failing_and_cut_off_members() {
    let Some(_turn) = wait_for_turn() else { return };
    let models: Vec<String> = ["slow-1", "broken-1", "cut-1", "steady"]
        .map(String::from)
        .to_vec();
    let server = server_with(&models);
    let browser = Browser::open(375, 812, false);
    sign_up(&browser, &server);
    let id = start_and_watch(&browser, &server, &models, "standard");
    browser.wait(".member-card[data-status=failed]");
    browser.wait(".member-card[data-status=done]");
    check_accessibility(&browser, axe().as_deref(), "members that fail");
    // The page is not wider than the phone's screen, even with a second button in its header.
    browser.wait_text(".run-head", "Finish now");
    let over = browser
        .value("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(over, json!(0));
    browser.screenshot("troubled-phone");
    browser.wait_text(".members", "No answer");
    assert_eq!(browser.count(".member-seat"), 4);
    browser.click(".member-seat:last-child");

    // No text is lost when the user leaves the page and comes back.
    browser.go(&server.address("/history"));
    browser.wait("main h1");
    browser.go(&server.address(&format!("/analyze?id={id}")));
    browser.wait(".members .member-body p");
    browser.click("[aria-label='Stop slow-1']");
    browser.wait(".results-container");
    browser.wait_text(".results-headline", "Analysis complete");
    browser.press("Side by Side");
    browser.wait_text(".members", "Stopped. The text so far is kept.");
}
