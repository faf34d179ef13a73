//! Tests the rendering of Markdown as HTML.

use super::*;

fn prose_html(text: &str) -> String {
    render_prose(text, 4, &|mark| {
        (mark == "D1:p2").then(|| "#source-1".to_owned())
    })
}

#[test]
fn blocks_become_the_matching_elements() {
    for (text, expected) in [
        (
            "# One\n\n### Two",
            "<h4 dir=\"auto\">One</h4>\n<h5 dir=\"auto\">Two</h5>\n",
        ),
        (
            "- a\n- b\n  - c",
            "<ul>\n<li dir=\"auto\">a</li>\n<li dir=\"auto\">b<ul>\n<li dir=\"auto\">c</li>\n</ul>\n</li>\n</ul>\n",
        ),
        (
            "3. x\n\n4. y",
            "<ol start=\"3\">\n<li dir=\"auto\">x</li>\n<li dir=\"auto\">y</li>\n</ol>\n",
        ),
        (
            "> q\n> r",
            "<blockquote>\n<p dir=\"auto\">q\nr</p>\n</blockquote>\n",
        ),
        (
            "```rust\na < b\n```\nend",
            "<pre><code>a &lt; b</code></pre>\n<p dir=\"auto\">end</p>\n",
        ),
        ("```\nopen", "<pre><code>open</code></pre>\n"),
        (
            "a | b\n---|---\n1 | 2",
            "<table><thead><tr><th dir=\"auto\">a</th><th dir=\"auto\">b</th></tr></thead><tbody>\n<tr><td dir=\"auto\">1</td><td dir=\"auto\">2</td></tr>\n</tbody></table>\n",
        ),
        ("$$\nx < 1\n$$", "<pre class=\"math\">x &lt; 1</pre>\n"),
        (
            "\\[1\\] is no formula",
            "<p dir=\"auto\">[1] is no formula</p>\n",
        ),
        ("\\[ y \\]", "<pre class=\"math\">y</pre>\n"),
        ("---", "<hr>\n"),
        ("-5 degrees", "<p dir=\"auto\">-5 degrees</p>\n"),
    ] {
        assert_eq!(prose_html(text), expected, "{text}");
    }
}

#[test]
fn hostile_text_is_kept_as_text_in_bounded_time() {
    for text in [
        "<script>alert(1)</script>",
        "# <img src=x onerror=alert(1)>",
        "| <b> |\n|---|\n| <i> |",
        "```<script>\n</code><script>\n```",
        "$$</pre><script>$$",
    ] {
        let html = prose_html(text);
        assert!(
            !html.contains("<script") && !html.contains("<img") && !html.contains("<b>"),
            "{html}"
        );
    }
    let deep = format!("{}x", "> ".repeat(5_000));
    assert!(prose_html(&deep).matches("<blockquote>").count() <= MAX_QUOTE_DEPTH);
    let nested = (0..2_000)
        .map(|n| format!("{}- x\n", " ".repeat(n)))
        .collect::<String>();
    assert!(prose_html(&nested).contains("x"));
    for odd_text in [
        "", "\n\n", "|", "|\n|-", "1.", "- ", "$$", "\\[", "#", "```",
    ] {
        let _ = prose_html(odd_text);
    }
}

fn inline_html(text: &str) -> String {
    render_inline(text, &|mark| match mark {
        "D1:p2" | "2" => Some("#source-1".to_owned()),
        _ => None,
    })
}

#[test]
fn inline_markup_is_rendered_as_intended() {
    for (text, expected) in [
        (
            "a **b** *c* _d_ ~~e~~ `f<g`",
            "a <strong>b</strong> <em>c</em> <em>d</em> <del>e</del> <code>f&lt;g</code>",
        ),
        ("snake_case_name 2 * 3 * 4", "snake_case_name 2 * 3 * 4"),
        (
            "so [D1:p2] and [2, D1:p2] and [9]",
            "so <span class=\"cite\">[<a href=\"#source-1\">D1:p2</a>]</span> and <span class=\"cite\">[<a href=\"#source-1\">2</a>, <a href=\"#source-1\">D1:p2</a>]</span> and [9]",
        ),
        (
            "[x](https://a.example/?q=\"1\")",
            "<a href=\"https://a.example/?q=&quot;1&quot;\" rel=\"noreferrer\">x</a> <small>(https://a.example/?q=&quot;1&quot;)</small>",
        ),
        ("[x](javascript:alert)", "x (javascript:alert)"),
        (
            "![p](https://a.example/p.png)",
            "image: <a href=\"https://a.example/p.png\" rel=\"noreferrer\">p</a> <small>(https://a.example/p.png)</small>",
        ),
        (
            "see https://a.example.",
            "see <a href=\"https://a.example\" rel=\"noreferrer\">https://a.example</a>.",
        ),
        ("it costs $5 and then $6", "it costs $5 and then $6"),
        (
            "so $x^2$ and \\(y_1\\)",
            "so <code class=\"math\">x^2</code> and <code class=\"math\">y_1</code>",
        ),
        ("1\\* 2", "1* 2"),
        ("<b onclick='x'>", "&lt;b onclick=&#39;x&#39;&gt;"),
    ] {
        assert_eq!(inline_html(text), expected, "{text}");
    }
}

#[test]
fn unclosed_markup_is_closed_at_the_end() {
    for text in [
        "*", "**", "`", "[", "![", "$", "\\", "~~", "[a](", "é*é", "![](", "[[[[",
    ] {
        let _ = inline_html(text);
        let _ = inline_html(&text.repeat(3_000));
    }
}

#[test]
fn text_that_only_resembles_markdown_stays_text() {
    for (text, expected) in [
        ("5~6 and 7~8", "5~6 and 7~8"),
        ("1. no list", "1. no list"),
        ("# no heading", "# no heading"),
        ("[x](<a b> \"t\")", "x (a b)"),
        ("<me@a.example>", "me@a.example"),
        (
            "`\\(a\\)` and \\(b\\)",
            "<code>\\(a\\)</code> and <code class=\"math\">b</code>",
        ),
    ] {
        assert_eq!(inline_html(text), expected, "{text}");
    }
    let code = "```\n\\[\nx\n\\]\n```";
    assert_eq!(prose_html(code), "<pre><code>\\[\nx\n\\]</code></pre>\n");
}
