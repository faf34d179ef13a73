//! Cuts pages of text into passages of a size that fits a prompt, and counts words.
//! Never changes the text: every passage is exactly a slice of its page.

use super::document::Passage;

/// A page, sheet or section of a document as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Counted from 1.
    pub number: u32,
    /// Its title where the format has one, else empty.
    pub title: String,
    /// The text, with `\n` line ends. Headings are lines that begin with `#`.
    pub text: String,
}

/// No passage has more characters, unless what is left over would be too small to stand alone.
pub const LONGEST: usize = 1_200;
/// A remainder under this many characters joins the passage before it.
const CRUMB: usize = 200;
/// From here on a heading ends the passage before it.
const SECTION: usize = 300;
/// From here on a paragraph's end is a good place to cut; for lesser places the passage must be longer.
const PARAGRAPH: usize = 700;
const SENTENCE: usize = 900;
/// Bounds what one document can add to the index: 8 MiB of text are some 9,000 passages.
pub const MOST: usize = 20_000;
const HEADING_CHARS: usize = 200;

/// All passages of a document in order. At most `MOST`.
pub fn passages(pages: &[Page]) -> Vec<Passage> {
    let mut found = Vec::new();
    for page in pages {
        let headings = headings(&page.text);
        let mut at = skip_blank_lines(&page.text, 0);
        while at < page.text.len() && found.len() < MOST {
            let next = at + cut(&page.text[at..], &headings, at);
            let end = at + page.text[at..next].trim_end().len();
            if end > at {
                found.push(Passage {
                    ordinal: found.len() as u32,
                    page: page.number,
                    start: at as u32,
                    end: end as u32,
                    heading: heading_of(page, &headings, at, end),
                    text: page.text[at..end].to_owned(),
                });
            }
            at = skip_blank_lines(&page.text, next);
        }
    }
    found
}

/// Words as a person counts them: runs between spaces that hold a letter or digit, and each
/// ideograph, since Chinese and Japanese put no spaces between words.
pub fn count_words(text: &str) -> u64 {
    let (mut words, mut inside) = (0, false);
    for character in text.chars() {
        if is_ideograph(character) {
            words += 1;
            inside = false;
        } else if character.is_whitespace() {
            inside = false;
        } else if !inside && character.is_alphanumeric() {
            words += 1;
            inside = true;
        }
    }
    words
}

/// Characters that are written without spaces between words.
pub fn is_ideograph(character: char) -> bool {
    matches!(u32::from(character), 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x2FA1F)
}

/// A heading line: where it starts, where it ends, and what it says.
struct Heading {
    start: usize,
    end: usize,
    text: String,
}

fn headings(text: &str) -> Vec<Heading> {
    let (mut found, mut at, mut fenced) = (Vec::new(), 0, false);
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            fenced = !fenced;
        } else if !fenced && let Some(words) = heading_text(line) {
            found.push(Heading {
                start: at,
                end: at + line.len(),
                text: words,
            });
        }
        at += line.len();
    }
    found
}

fn heading_text(line: &str) -> Option<String> {
    let rest = line.trim_start_matches('#');
    let level = line.len() - rest.len();
    if !(1..=6).contains(&level) || !rest.starts_with([' ', '\t']) {
        return None;
    }
    let words = rest.trim().trim_end_matches('#').trim_end();
    (!words.is_empty()).then(|| words.chars().take(HEADING_CHARS).collect())
}

/// The heading that stands nearest above the passage's first line of plain text.
fn heading_of(page: &Page, headings: &[Heading], start: usize, end: usize) -> String {
    let mut body = start;
    let mut nearest = headings.partition_point(|heading| heading.start < start);
    while let Some(heading) = headings.get(nearest) {
        if heading.start >= end || !page.text[body..heading.start].trim().is_empty() {
            break;
        }
        body = heading.end.min(end);
        nearest += 1;
    }
    match nearest.checked_sub(1) {
        Some(index) => headings[index].text.clone(),
        None => page.title.chars().take(HEADING_CHARS).collect(),
    }
}

/// How many bytes of `rest`, which starts at `base` in its page, belong to the next passage.
fn cut(rest: &str, headings: &[Heading], base: usize) -> usize {
    let mut places = Places::default();
    let (mut characters, mut previous, mut blank) = (0, ' ', true);
    let mut next_heading = headings.partition_point(|heading| heading.start <= base);
    for (at, character) in rest.char_indices() {
        if headings
            .get(next_heading)
            .is_some_and(|h| h.start == base + at)
        {
            if characters >= SECTION {
                return at;
            }
            next_heading += 1;
        }
        if characters == LONGEST {
            // Looking a crumb ahead costs a bounded number of characters, never the whole rest.
            let crumb = rest[at..].chars().take(CRUMB + 1).count() <= CRUMB;
            let section = headings.get(next_heading).is_some();
            return if crumb && !section {
                rest.len()
            } else {
                places.best().unwrap_or(at)
            };
        }
        let line_end = character == '\n';
        if characters >= PARAGRAPH && line_end && blank {
            places.paragraph = at + 1;
        }
        if characters >= SENTENCE {
            if line_end {
                places.line = at + 1;
            }
            if character.is_whitespace() {
                places.word = at + character.len_utf8();
                if matches!(previous, '.' | '!' | '?' | '…' | ';' | ':') {
                    places.sentence = places.word;
                }
            } else if matches!(character, '。' | '！' | '？') {
                places.sentence = at + character.len_utf8();
            }
        }
        blank = line_end || (blank && character.is_whitespace());
        previous = character;
        characters += 1;
    }
    rest.len()
}

/// The last good place of each kind seen so far; 0 is none.
#[derive(Default)]
struct Places {
    paragraph: usize,
    line: usize,
    sentence: usize,
    word: usize,
}

impl Places {
    fn best(&self) -> Option<usize> {
        [self.paragraph, self.line.max(self.sentence), self.word]
            .into_iter()
            .find(|&place| place > 0)
    }
}

/// Keeps the indentation of the first line that says something.
fn skip_blank_lines(text: &str, from: usize) -> usize {
    let rest = &text[from..];
    let Some(first) = rest.find(|c: char| !c.is_whitespace()) else {
        return text.len();
    };
    from + rest[..first].rfind('\n').map_or(0, |line_end| line_end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(text: &str) -> Page {
        Page {
            number: 1,
            title: String::new(),
            text: text.to_owned(),
        }
    }

    fn cut_at(text: &str) -> Vec<String> {
        passages(&[page(text)])
            .into_iter()
            .map(|p| p.text)
            .collect()
    }

    #[test]
    fn short_texts_stay_whole() {
        for (text, expected) in [
            ("", vec![]),
            (" \n\t\n", vec![]),
            ("one", vec!["one"]),
            ("\n\n    indented\n", vec!["    indented"]),
            ("a\n\nb", vec!["a\n\nb"]),
        ] {
            assert_eq!(cut_at(text), expected, "{text:?}");
        }
    }

    #[test]
    fn cuts_at_the_best_boundary() {
        let word = "word ".repeat(150); // 750 characters
        let by_paragraph = format!("{word}\n\n{word}");
        assert_eq!(cut_at(&by_paragraph)[0].len(), 749);
        let sentences = "This sentence has exactly forty letters. ".repeat(60);
        assert!(cut_at(&sentences).iter().all(|p| p.ends_with("letters.")));
        let words = "abcdefg ".repeat(400);
        assert!(
            cut_at(&words)
                .iter()
                .all(|p| p.ends_with("abcdefg") && p.starts_with("abcdefg"))
        );
        let nothing = "ä".repeat(3_000);
        assert_eq!(
            cut_at(&nothing)
                .iter()
                .map(|p| p.chars().count())
                .collect::<Vec<_>>(),
            [1_200, 1_200, 600]
        );
    }

    #[test]
    fn a_crumb_joins_what_is_before_it() {
        let text = format!("{}end", "word ".repeat(250));
        assert_eq!(cut_at(&text).len(), 1);
    }

    #[test]
    fn headings_start_passages_and_name_them() {
        let body = "Some text here. ".repeat(30);
        let text = format!(
            "# Title\n\n## First\n\n{body}\n\n## Second\n\n{body}\n\n```\n# no heading\n```\n"
        );
        let found = passages(&[page(&text)]);
        let heads: Vec<&str> = found.iter().map(|p| p.heading.as_str()).collect();
        assert_eq!(heads, ["First", "Second"]);
        assert!(found[1].text.starts_with("## Second"));
    }

    #[test]
    fn the_page_title_stands_in_for_a_heading() {
        let titled = Page {
            title: "Sheet 1".into(),
            ..page("a | b")
        };
        assert_eq!(passages(&[titled])[0].heading, "Sheet 1");
    }

    #[test]
    fn words() {
        for (text, expected) in [
            ("", 0),
            ("a b-c  d", 3),
            ("— –", 0),
            ("量子計算", 4),
            ("naïve café.", 2),
            ("x = 1", 2),
        ] {
            assert_eq!(count_words(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn passages_are_exact_slices_and_lose_no_word(text in "([a-zé量😀#.\\n ]{0,40}|[ab]{200,900}| {3}|\\n\\n){0,60}") {
            let pages = [page(&text)];
            let found = passages(&pages);
            let mut last = 0;
            for (index, passage) in found.iter().enumerate() {
                let (start, end) = (passage.start as usize, passage.end as usize);
                prop_assert_eq!(&text[start..end], passage.text.as_str());
                prop_assert_eq!(passage.ordinal as usize, index);
                prop_assert!(start >= last && !passage.text.trim().is_empty());
                prop_assert!(text[last..start].trim().is_empty());
                prop_assert!(passage.text.chars().count() <= LONGEST + CRUMB);
                last = end;
            }
            prop_assert!(text[last..].trim().is_empty());
        }
    }
}
