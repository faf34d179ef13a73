//! Tests the HTML of exports on the cases that all Markdown renderers share (tests/data/markdown).

use super::prose::render_prose;

/// Normalizes HTML to the canonical form of tests/browser/canonical.js. In this form, pages and exports must be equal.
fn canonical(html: &str) -> String {
    let mut text = html.to_owned();
    for (from, to) in [
        (" dir=\"auto\"", ""),
        (" rel=\"noreferrer\"", ""),
        ("<!---->", ""),
        ("=\"\"", ""),
        (" open>", ">"),
        ("<li><p>", "<li>"),
        ("</p></li>", "</li>"),
        ("<div class=\"note\">", "<div data-note>"),
        ("<sup>[", "<note>"),
        ("]</sup>", "</note>"),
        ("checked disabled", "disabled"),
        ("&#39;", "'"),
    ] {
        text = text.replace(from, to);
    }
    for (open, close, name) in [
        ("<pre class=\"math\">", "</pre>", "display"),
        ("<code class=\"math\">", "</code>", "formula"),
    ] {
        while let Some((before, rest)) = text.split_once(open) {
            let (inner, after) = rest.split_once(close).unwrap();
            text = format!("{before}<{name}>{inner}</{name}>{after}");
        }
    }
    while let Some((before, rest)) = text.split_once(" <small>") {
        text = format!("{before}{}", rest.split_once("</small>").unwrap().1);
    }
    let lines: Vec<&str> = text.split('\n').collect();
    lines.concat()
}

#[test]
fn exports_show_the_cases_of_all_renderers() {
    let cases = include_str!("../../../tests/data/markdown/cases.json");
    let cases: Vec<serde_json::Value> = serde_json::from_str(cases).unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        let text = |name: &str| case[name].as_str().unwrap().to_owned();
        let html = render_prose(&text("markdown"), 3, &|_| None);
        let expected = text("html").replace(" checked=\"\"", "");
        assert_eq!(canonical(&html), canonical(&expected), "{}", text("about"));
    }
}
