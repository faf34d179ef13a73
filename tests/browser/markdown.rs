//! Tests how Markdown from models is rendered: the examples of CommonMark and of GitHub's extensions, cases that all
//! renderers have in common, streamed texts, long texts, formulas, and code. `canonical.js` converts rendered text to
//! the form in which it is compared with a specification.

use serde_json::{Value, json};

use crate::driver::Browser;
use crate::server::Server;
use crate::wait_for_turn;

const CANONICAL: &str = include_str!("canonical.js");
const COMMONMARK: &str = include_str!("../data/markdown/commonmark.json");
const GFM: &str = include_str!("../data/markdown/gfm.json");
const CASES: &str = include_str!("../data/markdown/cases.json");

/// Examples of CommonMark in which a bare URL is plain text. GitHub's extension turns it into a link.
const LINKED_BY_GFM: [u64; 4] = [602, 608, 611, 612];

/// Opens a page from whose `base` a script can import modules.
fn open_module_page(server: &Server) -> Browser {
    let browser = Browser::open(1280, 900, false);
    browser.go(&server.address("/login"));
    browser.wait("main h1");
    browser
}

fn module_script(body: &str) -> String {
    format!(
        "const base = document.querySelector('script[type=module]').src.replace(/\\/app\\/.*$/, '/js/');
         {CANONICAL}
         {body}"
    )
}

/// Script that returns the examples that are not rendered as specified.
const DIFFERENCES: &str = "
    const wrong = [];
    for (const { number, about, markdown, html, isOwn } of args) {
      const got = canonical(await shown(markdown));
      const want = isOwn ? html : expected(html);
      if (got !== want) wrong.push({ number: number ?? about, markdown, want, got });
    }
    return wrong;";

fn examples(text: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_str(text).unwrap();
    all.into_iter()
        .filter(|example| example["raw_html"] != json!(true))
        .collect()
}

#[test]
fn every_example_of_commonmark_and_of_github_is_shown_as_specified() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = open_module_page(&server);
    let (core, extensions) = (examples(COMMONMARK), examples(GFM));
    assert_eq!(
        (core.len(), extensions.len()),
        (580, 23),
        "examples without raw HTML"
    );
    let wrong = browser.run(&module_script(DIFFERENCES), json!(core));
    let numbers: Vec<u64> = wrong
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|example| example["number"].as_u64())
        .collect();
    assert_eq!(numbers, LINKED_BY_GFM, "{wrong:#}");
    eprintln!(
        "CommonMark: {} of {} examples without raw HTML, {} as GitHub extends them",
        core.len() - numbers.len(),
        core.len(),
        numbers.len()
    );
    let wrong = browser.run(&module_script(DIFFERENCES), json!(extensions));
    assert_eq!(wrong, json!([]), "{wrong:#}");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn shared_renderer_cases_are_rendered_as_expected() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = open_module_page(&server);
    let mut cases = examples(CASES);
    for case in &mut cases {
        case["isOwn"] = json!(true);
    }
    let wrong = browser.run(&module_script(DIFFERENCES), json!(cases));
    assert_eq!(wrong, json!([]), "{wrong:#}");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// Script that streams a text letter by letter. Returns which delimiters were visible for a moment, how often the node
/// of the first paragraph was replaced, and whether the final state is the same as after rendering the whole text at
/// once.
const STREAM_SCRIPT: &str = "
    const { GrowingText } = await import(base + 'parts/growing.js');
    const [text] = args;
    const growing = GrowingText((label) => (/^D1:p\\d+$/.test(label) ? [document.createElement('cite')] : null));
    const flashes = new Set();
    let first = null;
    let moved = 0;
    for (let end = 1; end <= text.length; end += 1) {
      growing.set(text.slice(0, end));
      const prose = [...growing.node.querySelectorAll('p, li, td, th, h3, h4')].map((node) => node.textContent).join('\\n');
      for (const [sign] of prose.matchAll(/\\*\\*|`|\\[|\\]\\(|~~|\\$|\\|/g)) flashes.add(`${sign} after ${JSON.stringify(text.slice(Math.max(0, end - 20), end))}`);
      const here = growing.node.querySelector('p');
      if (first && here !== first) moved += 1;
      first = here;
    }
    growing.finish(text);
    const whole = document.createElement('div');
    whole.append(...growing.node.querySelectorAll('.prose > *'));
    return { flashes: [...flashes], moved, end: canonical(whole), want: canonical(await shown(text, (label) => (/^D1:p\\d+$/.test(label) ? [document.createElement('cite')] : null))) };";

const STREAMED_TEXT: &str = "The **pump** delivers `40 l` a minute, *as [the sheet](https://a.example/sheet) says* [D1:p4].\n\n\
    ## What ~~may~~ will fail\n\n1. **Frost** below 5 degrees\n2. A `valve`\n\n| part | price |\n|---|---|\n| a **b** | `5` |\n\n\
    ```rust\nfn a() {}\n```\n\nSo ***all*** is well.\n";

#[test]
fn streamed_text_never_flashes_delimiters() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = open_module_page(&server);
    let response = browser.run(&module_script(STREAM_SCRIPT), json!([STREAMED_TEXT]));
    assert_eq!(response["flashes"], json!([]));
    // The paragraph may be replaced once, when the text is complete.
    assert!(
        response["moved"].as_u64().unwrap() <= 1,
        "{}",
        response["moved"]
    );
    assert_eq!(response["end"], response["want"]);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// Script that renders a text of 200 KB. Returns the number of blocks at the start and at the end, and the duration of
/// the longest task.
const LONG_TEXT_SCRIPT: &str = "
    const { markdown } = await import(base + 'parts/markdown.js');
    let longest = 0;
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
    }).observe({ entryTypes: ['longtask'] });
    const root = document.getElementById('main').appendChild(document.createElement('div'));
    root.className = 'prose';
    const began = performance.now();
    root.append(...markdown(args[0]));
    const atOnce = { blocks: root.children.length - 1, ms: performance.now() - began };
    while (root.querySelector('.text-rest')) await new Promise((done) => setTimeout(done, 20));
    const whole = performance.now() - began;
    await new Promise((done) => setTimeout(done, 200));
    return { blocks: root.children.length, atOnce, whole, longest, letters: root.textContent.length };";

#[test]
fn a_long_text_is_shown_in_pieces() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = open_module_page(&server);
    let piece = "## Part\n\nThe **pump** delivers [40](https://a.example/x) litres *a minute*. See `code` and so on.\n\n- one\n- two, and $x^2$\n\n";
    let text = piece.repeat(200_000 / piece.len());
    let response = browser.run(&module_script(LONG_TEXT_SCRIPT), json!([text]));
    let blocks = 3 * (200_000 / piece.len()) as u64;
    assert_eq!(response["blocks"], json!(blocks), "all of it in the end");
    let at_once = response["atOnce"]["blocks"].as_u64().unwrap();
    assert!(at_once > 100 && at_once < blocks / 4, "{at_once} at once");
    eprintln!(
        "200 KB: {} of {blocks} blocks after {} ms, all after {} ms, longest task {} ms",
        at_once, response["atOnce"]["ms"], response["whole"], response["longest"]
    );
    let lines = "*a ".repeat(20_000);
    let response = browser.run(&module_script(LONG_TEXT_SCRIPT), json!([lines]));
    eprintln!("`*a ` 20,000 times: {} ms", response["whole"]);
    assert_eq!(response["blocks"], json!(1));
}

#[test]
fn formulas_are_typeset_and_code_is_highlighted_under_the_policy_of_the_page() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = open_module_page(&server);
    let loaded = "return performance.getEntriesByType('resource').map(({ name }) => name.split('/').pop()).filter((name) => ['temml.js', 'highlight.js'].includes(name));";
    let show = "document.getElementById('main').append(await shown(args[0]));";
    browser.run(
        &module_script(show),
        json!(["Plain **words**, $5 and `code`.\n\n    code\n"]),
    );
    assert_eq!(
        browser.run(loaded, json!([])),
        json!([]),
        "loaded only where it is needed"
    );
    let text = "So $\\boldsymbol{x}_1$ and \\(\\frac{V}{t}\\), \\( \\wrong{ \\).\n\n$$\n\\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix} \\ce{H2O}\n$$\n\n```sql\nselect 1 -- one\n```\n";
    browser.run(&module_script(show), json!([text]));
    browser.wait_count(".math math", 3);
    assert_eq!(browser.text(".math > code").trim(), "\\wrong{");
    browser.wait("pre .code-comment");
    assert_eq!(browser.text("pre .code-word"), "select");
    assert_eq!(browser.text("pre .code-comment"), "-- one");
    browser.screenshot("formulas");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
