//! The inside of a Markdown line, as HTML: emphasis, code, links, citations, formulas. Escapes everything;
//! makes links to the web and to mail only, and says where they go.

use super::prose::escape;

/// The address of what a mark in brackets names; none where it names nothing.
pub type Cite<'a> = &'a dyn Fn(&str) -> Option<String>;

const DEEPEST: usize = 8;
/// Delimiters are looked for this far only, so that a text full of unpaired ones stays cheap.
const REACH: usize = 4000;

/// A run of text.
pub fn inline(text: &str, cite: Cite<'_>) -> String {
    nested(text, cite, 0)
}

fn nested(text: &str, cite: Cite<'_>, depth: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut at, mut plain) = (0, 0);
    while let Some(letter) = text[at..].chars().next() {
        let found = match depth < DEEPEST {
            true => token(text, at, cite, depth),
            false => None,
        };
        match found {
            Some((html, used)) => {
                out.push_str(&escape(&text[plain..at]));
                out.push_str(&html);
                at += used;
                plain = at;
            }
            None => at += letter.len_utf8(),
        }
    }
    out.push_str(&escape(&text[plain..]));
    out
}

type Token = Option<(String, usize)>;

fn token(text: &str, at: usize, cite: Cite<'_>, depth: usize) -> Token {
    let before = text[..at].chars().next_back();
    let rest = &text[at..];
    let rest = &rest[..rest.floor_char_boundary(REACH)];
    match rest.as_bytes()[0] {
        b'\\' => escaped(rest),
        b'`' => code(rest),
        b'!' if rest[1..].starts_with('[') => picture(rest),
        b'[' => bracket(rest, cite, depth),
        b'*' | b'_' | b'~' => emphasis(rest, before, cite, depth),
        b'$' => formula(rest, before),
        b'h' => bare_link(rest, before),
        b'\n' if text[..at].ends_with("  ") => Some(("<br>\n".into(), 1)),
        _ => None,
    }
}

fn escaped(rest: &str) -> Token {
    if let Some(inner) = rest.strip_prefix("\\(") {
        let (formula, _) = inner.split_once("\\)")?;
        return Some((math(formula), formula.len() + 4));
    }
    let next = rest[1..].chars().next()?;
    next.is_ascii_punctuation()
        .then(|| (escape(&next.to_string()), 2))
}

fn math(formula: &str) -> String {
    format!("<code class=\"math\">{}</code>", escape(formula.trim()))
}

// A dollar is mostly money: it opens a formula only where what it encloses looks like one.
fn formula(rest: &str, before: Option<char>) -> Token {
    if before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let signs = if rest.starts_with("$$") { 2 } else { 1 };
    let (formula, after) = rest[signs..].split_once(&rest[..signs])?;
    let edges = formula.starts_with(char::is_whitespace) || formula.ends_with(char::is_whitespace);
    let looks = formula.contains(['\\', '^', '_', '=', '{']);
    let money = after.starts_with(|next: char| next.is_ascii_digit());
    (signs == 2 || (looks && !edges && !money && !formula.contains('\n')))
        .then(|| (math(formula), formula.len() + 2 * signs))
}

fn code(rest: &str) -> Token {
    let ticks = rest.bytes().take_while(|&byte| byte == b'`').count();
    let (inner, _) = rest[ticks..].split_once(&rest[..ticks])?;
    let html = format!("<code>{}</code>", escape(inner.trim()));
    Some((html, inner.len() + 2 * ticks))
}

// Nothing is loaded from anywhere: a picture is told by its name and address.
fn picture(rest: &str) -> Token {
    let (label, used) = label(&rest[1..])?;
    let (address, more) = target(&rest[1 + used..])?;
    let name = if label.is_empty() {
        "without a name"
    } else {
        label
    };
    let html = format!("image: {} ({})", escape(name), escape(address));
    Some((html, 1 + used + more))
}

fn bracket(rest: &str, cite: Cite<'_>, depth: usize) -> Token {
    let (label, used) = label(rest)?;
    if let Some((address, more)) = target(&rest[used..]) {
        let words = nested(label, cite, depth + 1);
        let shown = escape(address);
        let html = match is_web(address) {
            true => format!(
                "<a href=\"{shown}\" rel=\"noreferrer\">{words}</a> <small>({shown})</small>"
            ),
            false => format!("{words} ({shown})"),
        };
        return Some((html, used + more));
    }
    let parts: Vec<&str> = label.split([',', ';']).map(str::trim).collect();
    let links: Option<Vec<String>> = parts
        .iter()
        .map(|part| {
            cite(part).map(|href| format!("<a href=\"{}\">{}</a>", escape(&href), escape(part)))
        })
        .collect();
    Some((
        format!("<span class=\"cite\">[{}]</span>", links?.join(", ")),
        used,
    ))
}

// What stands in the brackets that begin here, and their length.
fn label(rest: &str) -> Option<(&str, usize)> {
    let mut open = 0;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'[' => open += 1,
            b']' if open == 1 => return Some((&rest[1..at], at + 1)),
            b']' => open -= 1,
            _ => {}
        }
    }
    None
}

// The address in the parentheses that begin here, and their length.
fn target(rest: &str) -> Option<(&str, usize)> {
    let inner = rest.strip_prefix('(')?;
    let (inside, _) = inner.split_once(')')?;
    let address = inside.split_whitespace().next()?;
    let address = address.trim_start_matches('<').trim_end_matches('>');
    Some((address, inside.len() + 2))
}

fn is_web(address: &str) -> bool {
    let known = ["http://", "https://", "mailto:"];
    known.iter().any(|scheme| address.starts_with(scheme))
}

fn emphasis(rest: &str, before: Option<char>, cite: Cite<'_>, depth: usize) -> Token {
    let sign = rest.chars().next()?;
    let double = rest[1..].starts_with(sign);
    if sign == '~' && !double {
        return None;
    }
    let signs = if double { 2 } else { 1 };
    let delimiter = &rest[..signs];
    let inner = &rest[signs..];
    // snake_case and 2 * 3 are not emphasis.
    let starts_well = inner
        .chars()
        .next()
        .is_some_and(|next| !next.is_whitespace() && next != sign);
    if !starts_well || (sign == '_' && before.is_some_and(char::is_alphanumeric)) {
        return None;
    }
    let end = inner
        .match_indices(delimiter)
        .map(|(at, _)| at)
        .find(|&at| {
            let (text, after) = (&inner[..at], &inner[at + signs..]);
            let inside_word = sign == '_' && after.starts_with(char::is_alphanumeric);
            let longer = !double && (after.starts_with(sign) || text.ends_with(sign));
            !text.ends_with(char::is_whitespace) && !inside_word && !longer
        })?;
    let tag = match (sign, double) {
        ('~', _) => "del",
        (_, true) => "strong",
        _ => "em",
    };
    let words = nested(&inner[..end], cite, depth + 1);
    Some((format!("<{tag}>{words}</{tag}>"), end + 2 * signs))
}

fn bare_link(rest: &str, before: Option<char>) -> Token {
    let known = rest.starts_with("https://") || rest.starts_with("http://");
    if !known || before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let ends = |letter: char| letter.is_whitespace() || "<>\"'`".contains(letter);
    let address = rest.split(ends).next()?;
    let address = address.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '*', '_']);
    let shown = escape(address);
    let html = format!("<a href=\"{shown}\" rel=\"noreferrer\">{shown}</a>");
    Some((html, address.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        inline(text, &|mark| match mark {
            "D1:p2" | "2" => Some("#source-1".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn lines_are_read_as_they_are_meant() {
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
                "image: p (https://a.example/p.png)",
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
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_never_closed_ends_too() {
        for text in [
            "*", "**", "`", "[", "![", "$", "\\", "~~", "[a](", "é*é", "![](", "[[[[",
        ] {
            let _ = shown(text);
            let _ = shown(&text.repeat(3_000));
        }
    }
}
