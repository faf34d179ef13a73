//! Expands macros defined by the author of a LaTeX document if their replacement contains words, because the printed
//! page shows those words. Other macros, such as abbreviations in formulas, are left as written.

use std::collections::HashMap;

use super::{braced_group, command_name};

/// Maximum number of macros to read.
const MAX_MACROS: usize = 2_000;
/// Maximum depth to which macros in the replacements of macros are expanded.
const MAX_DEPTH: usize = 8;
/// Maximum number of expansions per document.
const MAX_EXPANSIONS: usize = 50_000;
/// Maximum total size of all replacements with their arguments, in bytes. Without it, each nesting level could double
/// the size.
const MAX_EXPANDED_BYTES: usize = 8 << 20;
/// Maximum size of a replacement in bytes; a longer one is markup rather than text.
const MAX_REPLACEMENT_BYTES: usize = 2_000;

/// The macros of a document, by name.
#[derive(Default)]
pub struct TexMacros {
    known_macros: HashMap<String, TexMacro>,
    expansions: usize,
    expanded_bytes: usize,
}

#[derive(Clone)]
struct TexMacro {
    arguments: usize,
    /// Default value of the first argument, which a call may replace in brackets; `None` if there is no optional
    /// argument.
    default: Option<String>,
    replacement: String,
}

impl TexMacros {
    /// Removes the macro definitions from a text and records them. Returns the rest of the text.
    pub fn take_definitions(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('\\') {
            let name = command_name(&rest[at..]);
            let text_after = &rest[at + 1 + name.len()..];
            let parsed = match name {
                "newcommand" | "renewcommand" | "providecommand" => parse_new(text_after),
                "def" | "gdef" | "edef" => parse_old(text_after),
                _ => None,
            };
            let Some((name, definition, next)) = parsed else {
                // Skip at least the backslash and the character that it escapes.
                let sign = text_after.chars().next().map_or(0, char::len_utf8);
                let length = 1 + if name.is_empty() { sign } else { name.len() };
                out.push_str(&rest[..at + length]);
                rest = &rest[at + length..];
                continue;
            };
            out.push_str(&rest[..at]);
            let is_shown =
                has_words(&definition.replacement) || self.uses_any(&definition.replacement);
            if self.known_macros.len() < MAX_MACROS && is_shown {
                self.known_macros.insert(name.to_owned(), definition);
            }
            rest = next;
        }
        out + rest
    }

    /// Returns whether a replacement uses any of the known macros.
    fn uses_any(&self, replacement: &str) -> bool {
        let is_short = replacement.len() <= MAX_REPLACEMENT_BYTES;
        is_short
            && (replacement.match_indices('\\')).any(|(at, _)| {
                self.known_macros
                    .contains_key(command_name(&replacement[at..]))
            })
    }

    /// Replaces the known macros in the text, up to the limits on expansions.
    pub fn expand(&mut self, text: &str) -> String {
        if self.known_macros.is_empty() {
            return text.to_owned();
        }
        self.expand_level(text, 0)
    }

    fn expand_level(&mut self, text: &str, level: usize) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('\\') {
            let name = command_name(&rest[at..]);
            let end = at + 1 + name.len();
            let definition = self
                .known_macros
                .get(name)
                .filter(|_| level < MAX_DEPTH)
                .cloned();
            let Some(definition) = definition.filter(|_| self.expansions < MAX_EXPANSIONS) else {
                let sign = rest[end..].chars().next().map_or(0, char::len_utf8);
                let end = end + if name.is_empty() { sign } else { 0 };
                out.push_str(&rest[..end]);
                rest = &rest[end..];
                continue;
            };
            out.push_str(&rest[..at]);
            let (arguments, next) = definition.arguments(&rest[end..]);
            let bytes = definition.max_bytes(&arguments);
            if self.expanded_bytes.saturating_add(bytes) > MAX_EXPANDED_BYTES {
                out.push_str(&rest[at..end]);
                rest = &rest[end..];
                continue;
            }
            self.expansions += 1;
            self.expanded_bytes += bytes;
            let replaced = definition.replace(&arguments);
            out.push_str(&self.expand_level(&replaced, level + 1));
            rest = next;
        }
        out + rest
    }
}

impl TexMacro {
    /// Returns the arguments of a macro call, and the text after them.
    fn arguments<'a>(&self, after: &'a str) -> (Vec<String>, &'a str) {
        let (mut values, mut rest) = (Vec::new(), after);
        if let Some(default) = &self.default {
            let argument = rest
                .trim_start()
                .strip_prefix('[')
                .and_then(|rest| rest.split_once(']'));
            let value = argument.map_or(default.as_str(), |(value, _)| value);
            values.push(value.to_owned());
            rest = argument.map_or(rest, |(_, next)| next);
        }
        while values.len() < self.arguments {
            let next = rest.trim_start();
            let Some((words, next)) = next.starts_with('{').then(|| braced_group(next)).flatten()
            else {
                break;
            };
            values.push(words.to_owned());
            rest = next;
        }
        if self.arguments == 0 {
            // A space or an empty group only ends the command.
            rest = rest
                .strip_prefix("{}")
                .unwrap_or_else(|| rest.strip_prefix(' ').unwrap_or(rest));
        }
        (values, rest)
    }

    /// Returns an upper bound on the size of the replacement with its arguments, in bytes.
    fn max_bytes(&self, arguments: &[String]) -> usize {
        let longest = arguments.iter().map(String::len).max().unwrap_or(0);
        let uses = self.replacement.matches('#').count();
        self.replacement.len() + uses.saturating_mul(longest)
    }

    /// Returns the replacement with its arguments inserted; missing arguments are empty.
    fn replace(&self, arguments: &[String]) -> String {
        let mut out = String::with_capacity(self.replacement.len());
        let mut rest = self.replacement.as_str();
        while let Some(at) = rest.find('#') {
            out.push_str(&rest[..at]);
            let digit = rest[at + 1..].chars().next().and_then(|c| c.to_digit(10));
            match digit {
                Some(digit) => {
                    let argument_index = (digit as usize).wrapping_sub(1);
                    out.push_str(arguments.get(argument_index).map_or("", String::as_str));
                    rest = &rest[at + 2..];
                }
                None => {
                    out.push('#');
                    rest = &rest[at + 1..];
                }
            }
        }
        out + rest
    }
}

/// Parses `{\name}[count][default]{replacement}`.
fn parse_new(text: &str) -> Option<(&str, TexMacro, &str)> {
    let text = text.trim_start_matches('*').trim_start();
    let (name, mut rest) = match text.starts_with('{') {
        true => {
            let (name, rest) = braced_group(text)?;
            (name.trim().strip_prefix('\\')?, rest)
        }
        false => {
            let name = command_name(text.starts_with('\\').then_some(text)?);
            (name, &text[(1 + name.len()).min(text.len())..])
        }
    };
    let mut brackets = Vec::new();
    while let Some((value, next)) = rest
        .trim_start()
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        brackets.push(value);
        rest = next;
    }
    let (replacement, next) = braced_group(rest.trim_start())?;
    let definition = TexMacro {
        arguments: brackets.first().and_then(|n| n.parse().ok()).unwrap_or(0),
        default: brackets.get(1).map(|value| (*value).to_owned()),
        replacement: replacement.to_owned(),
    };
    (!name.is_empty()).then_some((name, definition, next))
}

/// Parses `\name#1#2{replacement}`.
fn parse_old(text: &str) -> Option<(&str, TexMacro, &str)> {
    let text = text.trim_start();
    let name = command_name(text.starts_with('\\').then_some(text)?);
    let rest = text.get(1 + name.len()..)?;
    let brace = rest.find('{')?;
    let parameters = &rest[..brace];
    // Other parameters are delimited by words, which only TeX can match.
    let is_plain = parameters.chars().all(|c| c == '#' || c.is_ascii_digit());
    let (replacement, next) = braced_group(&rest[brace..])?;
    let definition = TexMacro {
        arguments: parameters.matches('#').count(),
        default: None,
        replacement: replacement.to_owned(),
    };
    (is_plain && !name.is_empty()).then_some((name, definition, next))
}

/// Returns whether a replacement contains words besides command names.
fn has_words(replacement: &str) -> bool {
    let (mut letters, mut rest) = (0, replacement);
    while !rest.is_empty() {
        let at = rest.find('\\').unwrap_or(rest.len());
        letters += rest[..at].chars().filter(|c| c.is_alphabetic()).count();
        let name = rest
            .get(at..)
            .map_or(0, |rest| 1 + command_name(rest).len());
        rest = rest.get(at + name..).unwrap_or_default();
    }
    letters >= 2 && replacement.len() <= MAX_REPLACEMENT_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_taken_out_and_uses_are_replaced() {
        for (text, expected) in [
            ("\\newcommand{\\a}{Ada B.}\\a{} \\a, x", "Ada B. Ada B., x"),
            ("\\newcommand\\a{Ada}\\a\\ b", "Ada\\ b"),
            ("\\renewcommand*{\\a}[2]{#2 of #1}\\a{x}{y z}", "y z of x"),
            ("\\def\\a#1{It is #1#1}\\a{x}", "It is xx"),
            (
                "\\newcommand{\\a}{bc}\\newcommand{\\d}{\\a\\a{} e}\\d",
                "bcbc e",
            ),
            // A macro without words is left as written.
            ("\\newcommand{\\R}{\\mathbb{R}}$x \\in \\R$", "$x \\in \\R$"),
            // A malformed definition is kept as text.
            ("\\newcommand{\\a", "\\newcommand{\\a"),
            ("\\newcommand", "\\newcommand"),
            ("\\def", "\\def"),
            ("\\\\def \\% é\\é", "\\\\def \\% é\\é"),
        ] {
            let mut macros = TexMacros::default();
            let rest = macros.take_definitions(text);
            assert_eq!(macros.expand(&rest), expected, "{text}");
        }
    }

    #[test]
    fn macros_that_use_themselves_end() {
        let mut macros = TexMacros::default();
        let rest = macros.take_definitions(&format!("\\def\\a{{xy{}}}\\a", "\\a".repeat(9)));
        assert!(macros.expand(&rest).len() < 1 << 20);
        let doubled = format!(
            "\\def\\a#1{{xy\\a{{{}}}}}\\a{{{}}}",
            "#1".repeat(500),
            "z".repeat(9_000)
        );
        let mut macros = TexMacros::default();
        let rest = macros.take_definitions(&doubled);
        assert!(macros.expand(&rest).len() <= 2 * MAX_EXPANDED_BYTES);
    }
}
