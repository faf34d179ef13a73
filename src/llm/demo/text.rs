//! Cuts text into sentences and words, in whatever language it is written. Knows nothing of
//! questions, sources or Markdown; language-bound knowledge stands in `stop.rs`.

use super::stop;

/// Longer "sentences" (tables, code, text without stops) are cut at a blank.
const LONGEST_SENTENCE: usize = 600;

/// A piece of text between two stops, or a line that stands alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// With its whitespace squeezed, otherwise as written.
    pub text: String,
    /// It looks like a heading.
    pub heading: bool,
}

/// A word as it stands in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    /// As written.
    pub text: &'a str,
    /// Byte offset of its first character.
    pub at: usize,
}

/// The sentences of a text in order.
pub fn sentences(text: &str) -> Vec<Sentence> {
    let mut found = Vec::new();
    let mut paragraph = String::new();
    let mut lines = 0;
    for line in text.lines().chain(std::iter::once("")) {
        let line = squeeze(line);
        if !line.is_empty() && !stands_alone(&line) {
            if lines > 0 {
                paragraph.push(' ');
            }
            paragraph.push_str(&line);
            lines += 1;
            continue;
        }
        flush(&mut paragraph, lines == 1, &mut found);
        lines = 0;
        if !line.is_empty() {
            paragraph = line;
            flush(&mut paragraph, true, &mut found);
        }
    }
    found
}

/// The words of a text in order. Scripts written without blanks give overlapping pairs of characters.
pub fn words(text: &str) -> Vec<Word<'_>> {
    let mut found = Vec::new();
    let mut characters = text.char_indices().peekable();
    while let Some((start, first)) = characters.next() {
        if !first.is_alphanumeric() {
            continue;
        }
        let dense = is_dense(first);
        let mut end = start + first.len_utf8();
        while let Some(&(at, character)) = characters.peek() {
            let inside = character.is_alphanumeric() && is_dense(character) == dense;
            let joins = !dense && is_joiner(character) && continues(text, at, character);
            if !(inside || joins) {
                break;
            }
            end = at + character.len_utf8();
            characters.next();
        }
        let run = &text[start..end];
        if dense {
            push_pairs(run, start, &mut found);
        } else {
            found.push(Word {
                text: run,
                at: start,
            });
        }
    }
    found
}

/// What a word is compared by: lower case, without the commonest English endings. Crude on purpose:
/// it must never join words that a reader would keep apart.
pub fn stem(word: &str) -> String {
    let mut stem = word.to_lowercase().replace('\u{2019}', "'");
    for ending in ["'s", "'"] {
        if let Some(rest) = stem.strip_suffix(ending) {
            stem = rest.to_owned();
        }
    }
    if !stem.is_ascii() || stem.len() < 4 || stem.bytes().any(|byte| byte.is_ascii_digit()) {
        return stem;
    }
    if let Some(rest) = stem.strip_suffix("ies").filter(|rest| rest.len() > 2) {
        return format!("{rest}y");
    }
    if let Some(rest) = stem.strip_suffix("sses") {
        return format!("{rest}ss");
    }
    for (ending, least) in [("ing", 4), ("ed", 4)] {
        if let Some(rest) = stem.strip_suffix(ending).filter(|rest| rest.len() >= least) {
            return rest.trim_end_matches('e').to_owned();
        }
    }
    let keeps = ["ss", "us", "is"];
    if stem.ends_with('s') && !keeps.iter().any(|kept| stem.ends_with(kept)) {
        stem.pop();
    }
    if stem.len() > 4 && stem.ends_with('e') {
        stem.pop();
    }
    stem
}

/// The stems of the words that carry meaning, in order, doubles kept.
pub fn content(text: &str) -> Vec<String> {
    words(text)
        .into_iter()
        .filter(|word| !stop::is_stop(word.text))
        .map(|word| stem(word.text))
        .collect()
}

/// The stems of the words that carry meaning, sorted, once each.
pub fn terms(text: &str) -> Vec<String> {
    let mut stems = content(text);
    stems.sort_unstable();
    stems.dedup();
    stems
}

/// How many members two sorted lists share.
pub fn shared(left: &[String], right: &[String]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while i < left.len() && j < right.len() {
        match left[i].cmp(&right[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, count) = (i + 1, j + 1, count + 1),
        }
    }
    count
}

/// Shared members over all members of two sorted lists, 0 to 1.
pub fn likeness(left: &[String], right: &[String]) -> f64 {
    let both = shared(left, right);
    let all = left.len() + right.len() - both;
    if all == 0 {
        0.0
    } else {
        both as f64 / all as f64
    }
}

/// Every run of whitespace as one blank, none at the ends; other control characters are dropped.
pub fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for part in text.split_whitespace() {
        let from = squeezed.len();
        squeezed.extend(part.chars().filter(|character| !character.is_control()));
        if squeezed.len() > from && from > 0 {
            squeezed.insert(from, ' ');
        }
    }
    squeezed
}

/// The text up to `most` characters, cut at a blank where there is one, with a mark when it was cut.
pub fn shorten(text: &str, most: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(most) else {
        return text.to_owned();
    };
    let cut = match text[..end].rfind(' ') {
        Some(blank) if blank > end / 2 => blank,
        _ => end,
    };
    format!("{} …", text[..cut].trim_end())
}

fn flush(paragraph: &mut String, one_line: bool, found: &mut Vec<Sentence>) {
    if paragraph.is_empty() {
        return;
    }
    if one_line && is_heading(paragraph) {
        found.push(Sentence {
            text: paragraph.trim_start_matches(['#', ' ']).to_owned(),
            heading: true,
        });
    } else {
        split_paragraph(paragraph, found);
    }
    paragraph.clear();
}

fn split_paragraph(paragraph: &str, found: &mut Vec<Sentence>) {
    let mut start = 0;
    let mut length = 0;
    let mut characters = paragraph.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        length += 1;
        let mut end = at + character.len_utf8();
        let wide_stop = matches!(character, '。' | '！' | '？');
        if wide_stop || matches!(character, '.' | '!' | '?' | '…') {
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
            if !(wide_stop || ends_here(&paragraph[start..end], &paragraph[end..])) {
                continue;
            }
        } else if !(character == ' ' && length > LONGEST_SENTENCE || length > LONGEST_SENTENCE * 2)
        {
            continue;
        }
        push_sentence(&paragraph[start..end], found);
        (start, length) = (end, 0);
    }
    push_sentence(&paragraph[start..], found);
}

fn push_sentence(text: &str, found: &mut Vec<Sentence>) {
    let text = text.trim();
    if text.chars().any(char::is_alphanumeric) {
        found.push(Sentence {
            text: text.to_owned(),
            heading: false,
        });
    }
}

/// Whether a full stop ends the sentence, seen from what stands before and after it.
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
    // "3. Oktober", "1. Introduction": an ordinal, not an end. A year or an amount is longer.
    let ordinal =
        letters <= 2 && !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    !(initial || ordinal || last.contains('.') || stop::is_abbreviation(last))
}

/// A short line that names what follows: marked as one, numbered, or written like a title.
fn is_heading(line: &str) -> bool {
    if line.starts_with('#') {
        return line.trim_start_matches('#').starts_with(' ');
    }
    let number = line.len()
        - line
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
            .len();
    let title = line[number..].trim();
    // Statutes and contracts end their numbered headings in a full stop.
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

/// Lines that must not be joined to their neighbours: bullets, headings, records of tables, code.
fn stands_alone(line: &str) -> bool {
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

fn is_joiner(character: char) -> bool {
    matches!(
        character,
        '\'' | '’' | '-' | '.' | ',' | '_' | '\u{200c}' | '\u{200d}' | '\u{94d}'
    ) || ('\u{300}'..='\u{36f}').contains(&character)
}

/// A joiner belongs to a word only between letters; stops and commas only between digits.
fn continues(text: &str, at: usize, joiner: char) -> bool {
    let mark = ('\u{300}'..='\u{36f}').contains(&joiner) || joiner == '\u{94d}';
    let before = text[..at].chars().next_back();
    let after = text[at + joiner.len_utf8()..].chars().next();
    let (Some(before), Some(after)) = (before, after) else {
        return mark;
    };
    if matches!(joiner, '.' | ',') {
        return before.is_numeric() && after.is_numeric();
    }
    mark || (before.is_alphanumeric() && after.is_alphanumeric() && !is_dense(after))
}

/// Scripts without blanks between words.
fn is_dense(character: char) -> bool {
    matches!(character,
        '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}'
        | '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
}

fn push_pairs<'a>(run: &'a str, start: usize, found: &mut Vec<Word<'a>>) {
    let places: Vec<usize> = run.char_indices().map(|(at, _)| at).collect();
    if places.len() == 1 {
        found.push(Word {
            text: run,
            at: start,
        });
    }
    for (index, &from) in places.iter().enumerate().take(places.len() - 1) {
        let to = places.get(index + 2).copied().unwrap_or(run.len());
        found.push(Word {
            text: &run[from..to],
            at: start + from,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_sentences(text: &str, expected: &[&str]) {
        let found: Vec<String> = sentences(text).into_iter().map(|s| s.text).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn sentences_end_where_a_reader_ends_them() {
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
    fn headings_are_seen() {
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
            let found = sentences(line);
            assert_eq!(found.first().map(|s| s.heading), Some(heading), "{line}");
        }
    }

    #[test]
    fn endless_text_is_cut() {
        let text = "word ".repeat(1_000);
        let found = sentences(&text);
        assert!(found.len() > 5);
        assert!(
            found
                .iter()
                .all(|s| s.text.chars().count() <= LONGEST_SENTENCE + 6)
        );
        assert!(sentences(&"字".repeat(5_000)).len() > 3);
    }

    #[test]
    fn words_in_many_scripts() {
        for (text, expected) in [
            (
                "don't stop-gap, 1,000.5 x.",
                vec!["don't", "stop-gap", "1,000.5", "x"],
            ),
            ("Größe für naïve", vec!["Größe", "für", "naïve"]),
            ("量子計算", vec!["量子", "子計", "計算"]),
            ("量", vec!["量"]),
            ("привет, мир", vec!["привет", "мир"]),
            ("हिन्दी भाषा", vec!["हिन्दी", "भाषा"]),
            ("'--'", vec![]),
        ] {
            let found: Vec<&str> = words(text).iter().map(|word| word.text).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn stems_join_forms_and_keep_words_apart() {
        for (left, right, same) in [
            ("licenses", "license", true),
            ("Licensing", "licensed", true),
            ("parties", "party", true),
            ("Author’s", "author", true),
            ("ring", "rings", true),
            ("bus", "bu", false),
            ("class", "clas", false),
            ("30s", "30", false),
            ("Straße", "STRAßE", true),
        ] {
            assert_eq!(stem(left) == stem(right), same, "{left} {right}");
        }
    }

    #[test]
    fn shortening_keeps_words_whole() {
        assert_eq!(shorten("short", 10), "short");
        assert_eq!(shorten("one two three", 9), "one two …");
        assert_eq!(shorten("量子計算機", 2), "量子 …");
    }

    #[test]
    fn likeness_runs_from_none_to_all() {
        let (a, b) = (terms("the red house"), terms("a red boat"));
        assert_eq!(likeness(&a, &a), 1.0);
        assert!((likeness(&a, &b) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(likeness(&[], &[]), 0.0);
    }
}
