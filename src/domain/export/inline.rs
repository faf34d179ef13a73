//! Inline notation that models use and Markdown lacks: citation marks in brackets, addresses, and formulas between `\(`
//! and `\)`. Creates links only to web and mail addresses.

/// Maps a citation mark to the target of its link; `None` if the mark refers to nothing.
pub type Cite<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Maximum number of bytes that are searched for the end of a mark.
const MAX_MARK_BYTES: usize = 4000;

/// Escapes text for element content and quoted attributes.
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

/// Writes a piece of text, with links for addresses and citation marks.
pub fn write_words(text: &str, cite: Cite<'_>, out: &mut String) {
    let (mut at, mut plain) = (0, 0);
    while let Some(offset) = text[at..].find(['[', 'h', '@']) {
        at += offset;
        let rest = &text[at..];
        let rest = &rest[..rest.floor_char_boundary(MAX_MARK_BYTES)];
        if rest.starts_with('@')
            && let Some((name, used)) = email_range(&text[plain..at], rest)
        {
            let (start, address) = (at - name, &text[at - name..at + used]);
            out.push_str(&escape(&text[plain..start]));
            out.push_str(&format!(
                "<a href=\"mailto:{address}\" rel=\"noreferrer\">{address}</a>"
            ));
            at += used;
            plain = at;
            continue;
        }
        let token = match rest.starts_with('[') {
            true => next_mark(rest, cite),
            false => bare_link(rest, text[..at].chars().next_back()),
        };
        let Some((html, used)) = token else {
            at += 1;
            continue;
        };
        out.push_str(&escape(&text[plain..at]));
        out.push_str(&html);
        at += used;
        plain = at;
    }
    out.push_str(&escape(&text[plain..]));
}

type Token = Option<(String, usize)>;

fn next_mark(rest: &str, cite: Cite<'_>) -> Token {
    let (label, _) = rest[1..].split_once([']', '['])?;
    if !rest[1 + label.len()..].starts_with(']') {
        return None;
    }
    let links: Option<Vec<String>> = label
        .split([',', ';'])
        .map(str::trim)
        .map(|part| {
            cite(part).map(|href| format!("<a href=\"{}\">{}</a>", escape(&href), escape(part)))
        })
        .collect();
    let html = format!("<span class=\"cite\">[{}]</span>", links?.join(", "));
    Some((html, label.len() + 2))
}

/// Returns the lengths of the two parts of an email address: before its `@`, and from the `@` on.
fn email_range(before: &str, rest: &str) -> Option<(usize, usize)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || ".+-_".contains(c);
    let name = before.len() - before.trim_end_matches(is_name).len();
    let host = &rest[1..];
    let end = host.find(|c: char| !(c.is_ascii_alphanumeric() || ".-_".contains(c)));
    let host = host[..end.unwrap_or(host.len())].trim_end_matches('.');
    let is_hostname = host.contains('.') && !host.ends_with(['-', '_']) && !host.contains("..");
    (name > 0 && is_hostname && !host.starts_with('.')).then_some((name, host.len() + 1))
}

fn bare_link(rest: &str, before: Option<char>) -> Token {
    let has_scheme = rest.starts_with("https://") || rest.starts_with("http://");
    if !has_scheme || before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let ends = |letter: char| letter.is_whitespace() || "<>\"'`".contains(letter);
    let address = rest.split(ends).next()?;
    let address = address.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '*', '_']);
    let escaped = escape(address);
    let html = format!("<a href=\"{escaped}\" rel=\"noreferrer\">{escaped}</a>");
    Some((html, address.len()))
}

/// Whether the address has a scheme that may be linked: `http`, `https`, or `mailto`.
pub fn is_web_address(address: &str) -> bool {
    let web_schemes = ["http://", "https://", "mailto:"];
    web_schemes.iter().any(|scheme| address.starts_with(scheme))
}

/// Renders a formula as written, in a monospaced font.
pub fn render_math(formula: &str) -> String {
    format!("<code class=\"math\">{}</code>", escape(formula.trim()))
}

/// Whether the text between two dollar signs is a formula, rather than text between two amounts of money. Words without
/// TeX syntax are not a formula.
pub fn is_formula(text: &str) -> bool {
    if text.trim() != text || text.is_empty() || text.contains('\n') {
        return false;
    }
    let longest = text.split(|c: char| !c.is_alphabetic());
    let longest = longest.map(|word| word.chars().count()).max().unwrap_or(0);
    text.contains(['\\', '^', '_', '=', '{', '}'])
        || longest
            < if text.contains(char::is_whitespace) {
                2
            } else {
                4
            }
}

/// Replaces `\(…\)` and `\[…\]` around formulas with dollar signs, which the Markdown parser recognizes. Code is
/// unchanged.
pub fn bracketed_formulas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut is_code, mut is_formula) = (false, false);
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        is_code ^= trimmed.starts_with("```") || trimmed.starts_with("~~~");
        let inner = trimmed
            .strip_prefix("\\[")
            .and_then(|rest| rest.strip_suffix("\\]"));
        match inner {
            _ if is_code => out.push_str(line),
            // `\[` opens a formula only on a line of its own. Elsewhere, it is an ordinary bracket.
            Some(inner) => out.push_str(&format!("$${inner}$$\n")),
            None if trimmed == "\\[" || (is_formula && trimmed == "\\]") => {
                is_formula = !is_formula;
                out.push_str(&line.replace(trimmed, "$$"));
            }
            None => render_dollar_formulas(line, &mut out),
        }
    }
    out
}

// Replaces `\(…\)` in one line. Every other piece between backticks is code, which is unchanged.
fn render_dollar_formulas(line: &str, out: &mut String) {
    for (place, piece) in line.split_inclusive('`').enumerate() {
        let mut rest = piece;
        while place % 2 == 0
            && let Some((before, after)) = rest.split_once("\\(")
            && let Some((formula, after)) = after.split_once("\\)")
        {
            out.push_str(&format!("{before}$${}$$", formula.trim()));
            rest = after;
        }
        out.push_str(rest);
    }
}
