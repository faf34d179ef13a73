//! Markdown as models write it, as HTML for a file that is read on its own. Everything is escaped, no picture
//! is loaded, and only the web and mail are linked. What is inside a line stands in `inline`.

use std::cell::Cell;

use super::inline::{Cite, inline};

/// Blocks inside blocks at most.
const DEEPEST: usize = 6;

/// Text that may stand between tags and in quoted attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(letter),
        }
    }
    out
}

/// The text as HTML, its headings from this level on; `cite` gives the address of what a mark in brackets names.
pub fn prose(text: &str, first: usize, cite: Cite<'_>) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let top = lines.iter().filter_map(|line| heading(line.trim()));
    let top = top.map(|(level, _)| level).min().unwrap_or(1);
    let mut out = String::with_capacity(text.len() * 5 / 4);
    let last = Cell::new(first - 1);
    let cx = Context {
        cite,
        top,
        first,
        last,
    };
    blocks(&lines, &cx, 0, &mut out);
    out
}

struct Context<'a> {
    cite: Cite<'a>,
    /// The highest level of the text's own headings.
    top: usize,
    /// What that becomes in the file.
    first: usize,
    /// The level of the last heading: none is left out on the way down.
    last: Cell<usize>,
}

fn blocks(lines: &[&str], cx: &Context<'_>, depth: usize, out: &mut String) {
    let mut at = 0;
    while at < lines.len() {
        at = block(lines, at, cx, depth, out);
    }
}

// One block, and where the next begins.
fn block(lines: &[&str], at: usize, cx: &Context<'_>, depth: usize, out: &mut String) -> usize {
    let line = lines[at].trim();
    if line.is_empty() {
        return at + 1;
    }
    if let Some(fence) = fence(line) {
        return code(lines, at, fence, out);
    }
    if let Some((level, words)) = heading(line) {
        let level = (cx.first + level - cx.top).min(cx.last.get() + 1).min(6);
        cx.last.set(level);
        let words = inline(words, cx.cite);
        out.push_str(&format!("<h{level} dir=\"auto\">{words}</h{level}>\n"));
        return at + 1;
    }
    if is_rule(line) {
        out.push_str("<hr>\n");
        return at + 1;
    }
    // A bracket with a stroke before it opens a formula only where it stands alone: else it is just a bracket.
    if line.starts_with("$$") || line == "\\[" || (line.starts_with("\\[") && line.ends_with("\\]"))
    {
        return formula(lines, at, out);
    }
    if depth < DEEPEST && line.starts_with('>') {
        return quote(lines, at, cx, depth, out);
    }
    if depth < DEEPEST && Marker::of(lines[at]).is_some() {
        return list(lines, at, cx, depth, out);
    }
    if line.contains('|') && lines.get(at + 1).is_some_and(|next| is_table_rule(next)) {
        return table(lines, at, cx, out);
    }
    paragraph(lines, at, cx, depth, out)
}

fn fence(line: &str) -> Option<&str> {
    ["```", "~~~"]
        .into_iter()
        .find(|fence| line.starts_with(fence))
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|&byte| byte == b'#').count();
    let words = line.get(level..)?;
    let is_one = (1..=6).contains(&level) && words.starts_with(' ') && !words.trim().is_empty();
    is_one.then(|| (level, words.trim().trim_end_matches('#').trim_end()))
}

fn is_rule(line: &str) -> bool {
    let mut signs = line.chars().filter(|letter| !letter.is_whitespace());
    let first = signs.next().unwrap_or(' ');
    let others = signs.clone().count();
    "-*_".contains(first) && others >= 2 && signs.all(|sign| sign == first)
}

fn code(lines: &[&str], at: usize, fence: &str, out: &mut String) -> usize {
    let end = |line: &&str| line.trim_start().starts_with(fence);
    let length = lines[at + 1..].iter().position(end);
    let body = &lines[at + 1..length.map_or(lines.len(), |length| at + 1 + length)];
    out.push_str(&format!(
        "<pre><code>{}</code></pre>\n",
        escape(&body.join("\n"))
    ));
    (at + 2 + body.len()).min(lines.len().max(at + 1))
}

// Formulas stay as they were written, on lines of their own, in a type that keeps their signs apart.
fn formula(lines: &[&str], at: usize, out: &mut String) -> usize {
    let first = lines[at].trim();
    let close = if first.starts_with("$$") { "$$" } else { "\\]" };
    let mut text = first[2..].to_owned();
    let mut next = at + 1;
    while !text.contains(close) && next < lines.len() && !lines[next].trim().is_empty() {
        text.push('\n');
        text.push_str(lines[next]);
        next += 1;
    }
    let (formula, rest) = text.split_once(close).unwrap_or((&text, ""));
    let formula = escape(formula.trim());
    out.push_str(&format!("<pre class=\"math\">{formula}</pre>\n"));
    if !rest.trim().is_empty() {
        out.push_str(&format!("<p dir=\"auto\">{}</p>\n", escape(rest.trim())));
    }
    next
}

fn quote(lines: &[&str], at: usize, cx: &Context<'_>, depth: usize, out: &mut String) -> usize {
    let quoted = lines[at..]
        .iter()
        .map_while(|line| line.trim_start().strip_prefix('>'));
    let inner: Vec<&str> = quoted
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    out.push_str("<blockquote>\n");
    blocks(&inner, cx, depth + 1, out);
    out.push_str("</blockquote>\n");
    at + inner.len()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}

// How an item of a list begins.
struct Marker {
    indent: usize,
    width: usize,
    number: Option<u32>,
}

impl Marker {
    fn of(line: &str) -> Option<Self> {
        let indent = indent(line);
        let rest = &line[indent..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[..digits].parse().ok();
        let sign = match rest.as_bytes().get(digits)? {
            b'.' | b')' if (1..=9).contains(&digits) => digits + 1,
            b'-' | b'*' | b'+' if digits == 0 => 1,
            _ => return None,
        };
        let words = rest[sign..].trim_start_matches([' ', '\t']);
        let space = rest.len() - sign - words.len();
        (space > 0 && !words.is_empty()).then_some(Self {
            indent,
            width: indent + sign + space,
            number,
        })
    }
}

fn list(lines: &[&str], at: usize, cx: &Context<'_>, depth: usize, out: &mut String) -> usize {
    let Some(first) = Marker::of(lines[at]) else {
        return at + 1;
    };
    let tag = if first.number.is_some() { "ol" } else { "ul" };
    match first.number {
        Some(number) if number != 1 => out.push_str(&format!("<ol start=\"{number}\">\n")),
        _ => out.push_str(&format!("<{tag}>\n")),
    }
    let sibling = |line: &str| {
        Marker::of(line).filter(|here| {
            here.number.is_some() == first.number.is_some()
                && (first.indent..=first.indent + 3).contains(&here.indent)
        })
    };
    let mut next = at;
    while let Some(here) = lines.get(next).and_then(|line| sibling(line)) {
        let (item, after) = item(lines, next, here.width, first.indent);
        let mut inner = String::new();
        blocks(&item, cx, depth + 1, &mut inner);
        out.push_str(&format!("<li dir=\"auto\">{}</li>\n", tight(&inner)));
        next = after;
        // A blank line between items is still the same list.
        let blank = lines[next..]
            .iter()
            .take_while(|line| line.trim().is_empty());
        let peek = next + blank.count();
        if lines.get(peek).is_some_and(|line| sibling(line).is_some()) {
            next = peek;
        }
    }
    out.push_str(&format!("</{tag}>\n"));
    next
}

// The lines of an item without its marker, and where the next thing begins.
fn item<'a>(lines: &[&'a str], at: usize, width: usize, base: usize) -> (Vec<&'a str>, usize) {
    let mut item = vec![&lines[at][width..]];
    let mut next = at + 1;
    while let Some(&line) = lines.get(next) {
        let own = indent(line);
        if line.trim().is_empty() {
            let follows = lines.get(next + 1);
            if !follows.is_some_and(|line| !line.trim().is_empty() && indent(line) > base) {
                break;
            }
        } else if own <= base && (Marker::of(line).is_some() || starts_block(line)) {
            break;
        }
        item.push(&line[own.min(width)..]);
        next += 1;
    }
    (item, next)
}

// An item of one paragraph is that paragraph's text, not a paragraph with its margins.
fn tight(html: &str) -> String {
    let inner = html
        .strip_prefix("<p dir=\"auto\">")
        .and_then(|rest| rest.split_once("</p>\n"));
    inner.map_or_else(|| html.to_owned(), |(first, rest)| format!("{first}{rest}"))
}

fn is_table_rule(line: &str) -> bool {
    line.contains('-') && line.trim().chars().all(|letter| "|-: ".contains(letter))
}

fn table(lines: &[&str], at: usize, cx: &Context<'_>, out: &mut String) -> usize {
    let head = cells(lines[at]);
    let row = |tag: &str, texts: &[String]| -> String {
        let cell = |column: usize| {
            let words = inline(texts.get(column).map_or("", String::as_str), cx.cite);
            format!("<{tag} dir=\"auto\">{words}</{tag}>")
        };
        (0..head.len()).map(cell).collect()
    };
    out.push_str(&format!(
        "<table><thead><tr>{}</tr></thead><tbody>\n",
        row("th", &head)
    ));
    let rows = lines[at + 2..].iter().take_while(|line| line.contains('|'));
    let mut count = 0;
    for line in rows {
        out.push_str(&format!("<tr>{}</tr>\n", row("td", &cells(line))));
        count += 1;
    }
    out.push_str("</tbody></table>\n");
    at + 2 + count
}

fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let line = line.strip_suffix('|').unwrap_or(line);
    let line = line.replace("\\|", "\u{1}");
    line.split('|')
        .map(|cell| cell.trim().replace('\u{1}', "|"))
        .collect()
}

fn starts_block(line: &str) -> bool {
    let line = line.trim_start();
    fence(line).is_some() || heading(line).is_some() || line.starts_with('>')
}

fn paragraph(lines: &[&str], at: usize, cx: &Context<'_>, depth: usize, out: &mut String) -> usize {
    let goes_on = |place: usize| {
        let line = lines[place];
        let listed = depth < DEEPEST && Marker::of(line).is_some();
        let table =
            line.contains('|') && lines.get(place + 1).is_some_and(|next| is_table_rule(next));
        !(line.trim().is_empty() || starts_block(line) || listed || table)
    };
    let more = (at + 1..lines.len()).take_while(|&place| goes_on(place));
    let end = at + 1 + more.count();
    let words = inline(lines[at..end].join("\n").trim(), cx.cite);
    out.push_str(&format!("<p dir=\"auto\">{words}</p>\n"));
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        prose(text, 4, &|mark| {
            (mark == "D1:p2").then(|| "#source-1".to_owned())
        })
    }

    #[test]
    fn blocks_become_what_they_are() {
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
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn hostile_texts_stay_text_and_end() {
        for text in [
            "<script>alert(1)</script>",
            "# <img src=x onerror=alert(1)>",
            "| <b> |\n|---|\n| <i> |",
            "```<script>\n</code><script>\n```",
            "$$</pre><script>$$",
        ] {
            let html = shown(text);
            assert!(
                !html.contains("<script") && !html.contains("<img") && !html.contains("<b>"),
                "{html}"
            );
        }
        let deep = format!("{}x", "> ".repeat(5_000));
        assert!(shown(&deep).matches("<blockquote>").count() <= DEEPEST);
        let nested = (0..2_000)
            .map(|n| format!("{}- x\n", " ".repeat(n)))
            .collect::<String>();
        assert!(shown(&nested).contains("x"));
        for odd in [
            "", "\n\n", "|", "|\n|-", "1.", "- ", "$$", "\\[", "#", "```",
        ] {
            let _ = shown(odd);
        }
    }
}
