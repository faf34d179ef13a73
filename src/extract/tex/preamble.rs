//! Extracts the title, authors, and abstract from the preamble of a LaTeX document, and removes disabled parts.

use super::{braced_group, command_name};

/// Commands whose argument is printed with the title, each with the prefix of the printed line.
const PRINTED_COMMANDS: [(&str, &str); 12] = [
    ("title", "# "),
    ("subtitle", "## "),
    ("author", ""),
    ("institute", ""),
    ("affiliation", ""),
    ("affil", ""),
    ("address", ""),
    ("email", ""),
    ("date", ""),
    ("keywords", "Keywords: "),
    ("dedication", ""),
    ("abstract", ""),
];
/// Environments that are printed although they precede the body.
const PRINTED_ENVIRONMENTS: [&str; 2] = ["abstract", "keywords"];

/// Returns the printed parts of the preamble: the commands in the order of `PRINTED_COMMANDS`, each as often as
/// it occurs, and then the environments.
pub fn title_block(head: &str) -> String {
    let mut out = String::new();
    for (name, mark) in PRINTED_COMMANDS {
        let mut rest = head;
        while let Some(at) = rest.find('\\') {
            let command = command_name(&rest[at..]);
            let sign = rest[at + 1..].chars().next().map_or(0, char::len_utf8);
            rest = &rest[at
                + 1
                + if command.is_empty() {
                    sign
                } else {
                    command.len()
                }..];
            if command != name {
                continue;
            }
            // A short form of the title for running heads may precede it in brackets.
            let after_option = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let after_option = after_option.map_or(rest, |(_, after)| after);
            if let Some((words, next)) = after_option
                .starts_with('{')
                .then(|| braced_group(after_option))
                .flatten()
            {
                out.push_str(&format!("{mark}{}\n\n", words.trim()));
                rest = next;
            }
        }
    }
    for name in PRINTED_ENVIRONMENTS {
        let (begin, end) = (format!("\\begin{{{name}}}"), format!("\\end{{{name}}}"));
        if let Some((_, after_begin)) = head.split_once(&begin) {
            let words = after_begin.split(&end).next().unwrap_or_default();
            out.push_str(&format!("{}\n\n", words.trim()));
        }
    }
    out
}

/// Returns the text without its disabled parts, and the number of these parts.
pub fn without_disabled(text: &str) -> (String, usize) {
    const BEGIN: &str = "\\begin{comment}";
    const END: &str = "\\end{comment}";
    let (mut out, mut rest, mut count) = (String::with_capacity(text.len()), text, 0);
    while let Some(at) = rest.find('\\') {
        let part = &rest[at..];
        let name = command_name(part);
        // If the end is missing, nothing is removed.
        let end = match name {
            "iffalse" => end_of_condition(part),
            "begin" if part.starts_with(BEGIN) => part.find(END).map(|end| end + END.len()),
            _ => None,
        };
        let sign = part[1..].chars().next().map_or(0, char::len_utf8);
        let length = 1 + if name.is_empty() { sign } else { name.len() };
        out.push_str(&rest[..at]);
        match end {
            Some(_) => count += 1,
            None => out.push_str(&part[..length]),
        }
        rest = &part[end.unwrap_or(length)..];
    }
    out.push_str(rest);
    (out, count)
}

/// Returns the offset after the `\fi` or `\else` that ends the first branch of the condition at the start of `text`.
fn end_of_condition(text: &str) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(next) = text[at..].find('\\').map(|next| at + next) {
        let name = command_name(&text[next..]);
        let sign = text[next + 1..].chars().next().map_or(0, char::len_utf8);
        at = next + 1 + if name.is_empty() { sign } else { name.len() };
        match name {
            "fi" if depth == 1 => return Some(at),
            "else" if depth == 1 => return Some(at),
            "fi" => depth = depth.saturating_sub(1),
            name if name.starts_with("if") => depth += 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disabled_parts_are_taken_out() {
        for (text, expected, count) in [
            ("a\\iffalse b \\ifx c \\fi d\\fi e", "a e", 1),
            ("a\\iffalse b\\else c\\fi", "a c\\fi", 1),
            ("a\\begin{comment}b\\end{comment}c", "ac", 1),
            ("a\\iffalse b", "a\\iffalse b", 0),
            ("a\\begin{comment}b", "a\\begin{comment}b", 0),
            ("a\\\\iffalse é\\é", "a\\\\iffalse é\\é", 0),
        ] {
            let result = without_disabled(text);
            assert_eq!((result.0.as_str(), result.1), (expected, count), "{text}");
        }
    }

    #[test]
    fn every_author_is_kept() {
        assert_eq!(
            title_block("\\title[S]{Long}\\author{A}\\email{a@b.c}\\author{B}\\authorline{x}"),
            "# Long\n\nA\n\nB\n\na@b.c\n\n"
        );
    }
}
