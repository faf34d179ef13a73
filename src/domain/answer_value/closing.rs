//! Finds an answer's closing statement: "Answer: X", "#### X", `\boxed{X}`, "The answer is X", or its only line.

use super::markup;

/// Maximum length of a closing statement, in characters.
const MAX_STATEMENT_CHARS: usize = 80;
/// An answer of one line with at most this many words counts as a final statement even without a marker.
const MAX_UNMARKED_WORDS: usize = 4;

const ANSWER_MARKERS: &[&str] = &[
    "the final answer",
    "the answer",
    "final answer",
    "answer",
    "die antwort",
    "antwort",
    "la réponse",
    "réponse",
    "la respuesta",
    "respuesta",
    "la risposta",
    "risposta",
    "a resposta",
    "resposta",
    "Ответ",
    "ответ",
    "最终答案",
    "答案",
    "答え",
];

/// Phrases that introduce the answer in a sentence.
const CLOSING_PHRASES: &[&str] = &[
    "answer is ",
    "answer is: ",
    "antwort ist ",
    "réponse est ",
    "respuesta es ",
    "risposta è ",
    "resposta é ",
    "答案是",
];

/// The closing statement of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosingStatement {
    /// The text after the marker, or the only line.
    pub text: String,
    /// Whether the text is a longer line without a marker, which counts only if it can be read as a value.
    pub is_prose: bool,
}

/// Returns an answer's closing statement; `None` if no text is recognized as one.
pub fn find_closing_statement(answer: &str) -> Option<ClosingStatement> {
    let lines: Vec<&str> = answer
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let marked_text = (0..lines.len())
        .rev()
        .find_map(|at| marked_statement(&lines, at))
        .or_else(|| text_after_hashes(lines.last()?))
        .or_else(|| markup::boxed_content(answer).map(str::to_owned))
        .or_else(|| closing_sentence(lines.last()?));
    if let Some(text) = marked_text {
        let is_prose = false;
        return Some(ClosingStatement { text, is_prose });
    }
    match lines.as_slice() {
        [only] if only.chars().count() <= MAX_STATEMENT_CHARS && !is_marker_only(only) => {
            Some(ClosingStatement {
                text: (*only).to_owned(),
                is_prose: only.split_whitespace().count() > MAX_UNMARKED_WORDS,
            })
        }
        _ => None,
    }
}

// Returns the X of "**Answer:** X", on the same line or the next.
fn marked_statement(lines: &[&str], at: usize) -> Option<String> {
    let rest = text_after_marker(lines[at])?;
    let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || "*_".contains(c));
    let rest = rest.strip_prefix([':', '：'])?;
    let is_empty = rest.trim_matches(['*', '_', ' ']).is_empty();
    let statement = match lines.get(at + 1) {
        Some(next) if is_empty => next,
        _ => rest,
    };
    let is_short = statement.chars().count() <= MAX_STATEMENT_CHARS && !statement.trim().is_empty();
    // The closing asterisk of "*Answer: B*" is not part of the answer.
    let is_open = lines[at].starts_with('*') && !is_empty;
    let statement = match statement.strip_suffix('*').filter(|_| is_open) {
        Some(inner) if !inner.ends_with('*') => inner,
        _ => statement,
    };
    is_short.then(|| statement.to_owned())
}

fn text_after_marker(line: &str) -> Option<&str> {
    let plain = line.trim_start_matches(|c: char| !c.is_alphanumeric());
    let mark = ANSWER_MARKERS.iter().find(|mark| {
        let head = plain.get(..mark.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(mark))
    })?;
    plain.get(mark.len()..)
}

// Whether the line consists only of a marker such as "Answer:".
fn is_marker_only(line: &str) -> bool {
    text_after_marker(line).is_some_and(|rest| !rest.contains(char::is_alphanumeric))
}

// Returns the X of "#### X", as in GSM8K.
fn text_after_hashes(line: &str) -> Option<String> {
    let rest = line.strip_prefix("####")?;
    let is_one = !rest.starts_with('#') && !rest.trim().is_empty();
    (is_one && rest.chars().count() <= MAX_STATEMENT_CHARS).then(|| rest.trim().to_owned())
}

// Returns the X of "So the answer is X."
fn closing_sentence(line: &str) -> Option<String> {
    let lower = line.to_ascii_lowercase();
    let (at, mark) = CLOSING_PHRASES
        .iter()
        .filter_map(|mark| Some((lower.rfind(mark)?, *mark)))
        .max()?;
    let rest = line.get(at + mark.len()..)?;
    let is_whole = rest.chars().count() <= MAX_STATEMENT_CHARS
        && !rest.trim_end_matches(['.', '*']).contains(". ");
    is_whole.then(|| rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_statement_is_found() {
        for (answer, expected) in [
            ("Because …\n\n**Answer: B**", Some(" B**")),
            ("Final answer: (b)\n", Some(" (b)")),
            ("*Answer: B*", Some(" B")),
            ("Answer: B*", Some(" B*")),
            ("**Answer:**\n5 km", Some("5 km")),
            ("Answer: 4\nNo, wait.\nAnswer: 5", Some(" 5")),
            ("6 * 7 = 42\n#### 42", Some("42")),
            (
                "So we get \\boxed{42}.\nDone, as required by the task.",
                Some("42"),
            ),
            ("It adds up.\nSo the answer is 42.", Some("42.")),
            ("Yes", Some("Yes")),
            ("Donc.\nRéponse : 5", Some(" 5")),
            ("Respuesta: 5", Some(" 5")),
            ("Ответ: 5", Some(" 5")),
            ("答案：5", Some("5")),
            ("答案是B。", Some("B。")),
            ("Answer:", None),
            ("", None),
            ("One line.\nAnd another one.", None),
            ("#### Conclusion\nIt depends.", None),
        ] {
            let statement = find_closing_statement(answer).map(|closing| closing.text);
            assert_eq!(statement.as_deref(), expected, "{answer}");
        }
        assert!(
            find_closing_statement("It may have been Ada, or Grace; nobody knows.")
                .unwrap()
                .is_prose
        );
    }
}
