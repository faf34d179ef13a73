//! Splits text into sentences and headings, in any language and without regard to meaning.

use super::stop;
use super::text::collapse_whitespace;

/// Length, in characters, at which a "sentence" without a period, such as a table or code, is cut at a space.
const MAX_SENTENCE_CHARS: usize = 600;

/// A sentence, or a separate line such as a heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// The text as written, apart from collapsed whitespace.
    pub text: String,
    /// Whether the text looks like a heading.
    pub heading: bool,
}

/// Splits a text into sentences, in order.
pub fn sentences(text: &str) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    let mut paragraph = String::new();
    let mut lines = 0;
    for line in text.lines().chain(std::iter::once("")) {
        let line = collapse_whitespace(line);
        if !line.is_empty() && !is_standalone(&line) {
            if lines > 0 {
                paragraph.push(' ');
            }
            paragraph.push_str(&line);
            lines += 1;
            continue;
        }
        flush(&mut paragraph, lines == 1, &mut sentences);
        lines = 0;
        if !line.is_empty() {
            paragraph = line;
            flush(&mut paragraph, true, &mut sentences);
        }
    }
    sentences
}

fn flush(paragraph: &mut String, one_line: bool, sentences: &mut Vec<Sentence>) {
    if paragraph.is_empty() {
        return;
    }
    if one_line && is_heading(paragraph) {
        sentences.push(Sentence {
            text: paragraph.trim_start_matches(['#', ' ']).to_owned(),
            heading: true,
        });
    } else {
        split_paragraph(paragraph, sentences);
    }
    paragraph.clear();
}

fn split_paragraph(paragraph: &str, sentences: &mut Vec<Sentence>) {
    let mut start = 0;
    let mut length = 0;
    let mut characters = paragraph.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        length += 1;
        let mut end = at + character.len_utf8();
        let is_full_width_stop = matches!(character, '。' | '！' | '？');
        if is_full_width_stop || matches!(character, '.' | '!' | '?' | '…') {
            while let Some(&(next, closing)) = characters.peek() {
                if !matches!(
                    closing,
                    '.' | '!' | '?' | '"' | '\'' | '”' | '’' | '»' | ')' | ']' | '」'
                ) {
                    break;
                }
                end = next + closing.len_utf8();
                characters.next();
            }
            if !(is_full_width_stop || ends_here(&paragraph[start..end], &paragraph[end..])) {
                continue;
            }
        } else if !(character == ' ' && length > MAX_SENTENCE_CHARS
            || length > MAX_SENTENCE_CHARS * 2)
        {
            continue;
        }
        push_sentence(&paragraph[start..end], sentences);
        (start, length) = (end, 0);
    }
    push_sentence(&paragraph[start..], sentences);
}

fn push_sentence(text: &str, sentences: &mut Vec<Sentence>) {
    let text = text.trim();
    if text.chars().any(char::is_alphanumeric) {
        sentences.push(Sentence {
            text: text.to_owned(),
            heading: false,
        });
    }
}

/// Returns whether a period between `before` and `after` ends a sentence.
fn ends_here(before: &str, after: &str) -> bool {
    if !after.starts_with(' ') && !after.is_empty() {
        return false;
    }
    let next = after.trim_start_matches([' ', '"', '“', '„', '«', '(', '[', '-', '*']);
    if next.starts_with(char::is_lowercase) {
        return false;
    }
    if !before.ends_with('.') || before.ends_with("...") {
        return true;
    }
    let last = before.trim_end_matches('.').rsplit(' ').next();
    let last = last.unwrap_or("").trim_start_matches(['(', '[', '"', '“']);
    let letters = last.chars().count();
    let initial = letters == 1 && last.starts_with(char::is_alphabetic);
    // An ordinal, as in "3. Oktober" or "1. Introduction", does not end a sentence. It has at most two digits; years
    // and amounts have more.
    let ordinal =
        letters <= 2 && !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    !(initial || ordinal || last.contains('.') || stop::is_abbreviation(last))
}

/// Returns whether a short line is a heading: it is marked as one, numbered, or in title case.
fn is_heading(line: &str) -> bool {
    if line.starts_with('#') {
        return line.trim_start_matches('#').starts_with(' ');
    }
    let number = line.len()
        - line
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
            .len();
    let title = line[number..].trim();
    // In statutes and contracts, numbered headings end with a period.
    let title = if number > 0 {
        title.trim_end_matches('.')
    } else {
        title
    };
    let words: Vec<&str> = title.split(' ').collect();
    let capitals = words
        .iter()
        .filter(|word| word.starts_with(char::is_uppercase))
        .count();
    let letters = line
        .chars()
        .filter(|character| character.is_alphabetic())
        .count();
    let length = line.chars().count();
    length <= 80
        && letters >= 3
        && letters * 2 > length
        && words.len() <= 10
        && (words.len() <= 3 || capitals * 2 > words.len() || number > 0)
        && title.starts_with(char::is_uppercase)
        && !title.contains(". ")
        && !title.ends_with(['.', '!', '?', ',', ';', ':', '…', '。', '"', '”', ')', '>'])
        && !is_record(line)
}

/// Returns whether a line must not be joined with its neighbors: a bullet point, a heading, a table row, or code.
fn is_standalone(line: &str) -> bool {
    let bullet = ["- ", "* ", "• ", "+ ", "| ", "> "];
    line.starts_with('#') || bullet.iter().any(|mark| line.starts_with(mark)) || is_record(line)
}

fn is_record(line: &str) -> bool {
    let tight = line
        .as_bytes()
        .windows(2)
        .filter(|pair| matches!(pair[0], b',' | b';' | b'|') && pair[1] != b' ')
        .count();
    let code = line.ends_with(['{', '}']) || (line.ends_with(';') && line.contains(['=', '(']));
    tight >= 2 || line.contains(" | ") || code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_sentences(text: &str, expected: &[&str]) {
        let texts: Vec<String> = sentences(text).into_iter().map(|s| s.text).collect();
        assert_eq!(texts, expected, "{text:?}");
    }

    #[test]
    fn sentences_end_where_expected() {
        check_sentences("One two. Three four!", &["One two.", "Three four!"]);
        check_sentences(
            "Wrapped\nlines join. Next",
            &["Wrapped lines join.", "Next"],
        );
        check_sentences(
            "Dr. Smith came, e.g. today.",
            &["Dr. Smith came, e.g. today."],
        );
        check_sentences(
            "It rose 3.5 percent. Then fell.",
            &["It rose 3.5 percent.", "Then fell."],
        );
        check_sentences(
            "Am 3. Oktober war es. Gut.",
            &["Am 3. Oktober war es.", "Gut."],
        );
        check_sentences("In 1998. Then", &["In 1998.", "Then"]);
        check_sentences(
            "He said \"no.\" She left.",
            &["He said \"no.\"", "She left."],
        );
        check_sentences("今日は。明日は。", &["今日は。", "明日は。"]);
        check_sentences("a,b,c\n1,2,3\n", &["a,b,c", "1,2,3"]);
        check_sentences("", &[]);
        check_sentences(" \u{0}\n\t...", &[]);
    }

    #[test]
    fn headings_are_recognized() {
        for (line, heading) in [
            ("# Terms", true),
            ("TERMS AND CONDITIONS", true),
            ("4. Payment of fees", true),
            ("8. Termination.", true),
            ("Terms of payment", true),
            ("We met. Then left", false),
            ("This is a sentence.", false),
            ("#hashtag", false),
            ("a,b,c", false),
            ("12 345", false),
        ] {
            let sentences = sentences(line);
            assert_eq!(
                sentences.first().map(|s| s.heading),
                Some(heading),
                "{line}"
            );
        }
    }

    #[test]
    fn unpunctuated_text_is_cut() {
        let text = "word ".repeat(1_000);
        let parts = sentences(&text);
        assert!(parts.len() > 5);
        assert!(
            parts
                .iter()
                .all(|s| s.text.chars().count() <= MAX_SENTENCE_CHARS + 6)
        );
        assert!(sentences(&"字".repeat(5_000)).len() > 3);
    }
}
