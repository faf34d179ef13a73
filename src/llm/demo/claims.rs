//! Parses claims from a member's Markdown, and critiques from a review. Accepts text from any model, and skips
//! everything that is neither. Makes no judgments.

use std::collections::BTreeSet;

use super::numbers;
use super::sentences;
use super::stop;
use super::text;
use super::verdict::ClaimVerdict;

/// Maximum number of claims parsed from one text.
const MAX_CLAIMS: usize = 60;

/// A note in every demo text. It tells readers how to interpret the text, and lets other algorithms distinguish its
/// computed remarks from claims. It does not name a model, so that members stay anonymous.
pub const REVIEW_MARK: &str =
    "*Words in quotation marks are quoted exactly; the rest is counted, not known.*";

/// A statement in a member's text that can be checked.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftClaim {
    /// The text without Markdown, citations, and member labels.
    pub text: String,
    /// Whether the text presents the statement as a quotation.
    pub quoted: bool,
    /// Numbers of the cited passages.
    pub cites: BTreeSet<u32>,
    /// Stems of the content words, sorted and deduplicated.
    pub terms: Vec<String>,
    /// Figures in the statement, reduced to their digits.
    pub values: BTreeSet<String>,
    /// Whether the statement contains a negation.
    pub negated: bool,
}

/// A numbered entry of a review, which criticizes one claim.
#[derive(Debug, Clone, PartialEq)]
pub struct ReviewEntry {
    /// The entry's number within the review.
    pub number: u32,
    /// The criticized claim, as quoted in the review.
    pub claim: String,
    /// The reviewer's verdict.
    pub verdict: ClaimVerdict,
    /// The label of the reviewed text, if the review has a heading with one.
    pub reviewed_letter: Option<char>,
    /// Whether the entry reports that the reviewed text omits the claim.
    pub is_omission: bool,
}

/// Parses the claims in a text. Returns them in order and without duplicates.
pub fn parse_claims(markdown: &str) -> Vec<DraftClaim> {
    // The remarks of a demo text are not claims about the subject; only its quotations are.
    let quotes_only = markdown.contains(REVIEW_MARK);
    let mut claims: Vec<DraftClaim> = Vec::new();
    for line in markdown.lines() {
        let line = line.trim();
        if is_not_claim(line) {
            continue;
        }
        let cites = cited_numbers(line);
        let quotes = long_quotations(line);
        let wordings = if !quotes.is_empty() {
            quotes
                .into_iter()
                .map(|quote| (quote.to_owned(), true))
                .collect()
        } else if quotes_only {
            Vec::new()
        } else {
            let sentences = sentences::sentences(&strip_markup(line)).into_iter();
            sentences
                .map(|sentence| (sentence.text, false))
                .collect::<Vec<_>>()
        };
        for (wording, quoted) in wordings {
            let terms = text::terms(&wording);
            if terms.len() >= 3
                && claims.len() < MAX_CLAIMS
                && !claims.iter().any(|known| known.terms == terms)
            {
                claims.push(new_claim(wording, quoted, cites.clone(), terms));
            }
        }
    }
    claims
}

/// Parses the critiques in a review. Expects the format that the patterns ask for: `claim:` and `verdict:`, or
/// `missing:` for an omission.
pub fn parse_critiques(markdown: &str) -> Vec<ReviewEntry> {
    let mut entries: Vec<ReviewEntry> = Vec::new();
    let mut about = None;
    for line in markdown.lines().map(str::trim) {
        if line.starts_with('#') {
            about = line.chars().next_back().filter(char::is_ascii_uppercase);
        }
        let missing = labeled_field(line, "missing");
        if let Some((head, claim)) = missing.or_else(|| labeled_field(line, "claim")) {
            if entries.len() == MAX_CLAIMS {
                break;
            }
            let digits: String = head.chars().filter(char::is_ascii_digit).take(4).collect();
            let quote = long_quotations(claim)
                .first()
                .map(|quote| (*quote).to_owned());
            entries.push(ReviewEntry {
                number: digits.parse().unwrap_or(entries.len() as u32 + 1),
                claim: quote.unwrap_or_else(|| strip_markup(claim)),
                verdict: ClaimVerdict::Unverifiable,
                reviewed_letter: about,
                is_omission: missing.is_some(),
            });
        } else if let (Some((_, verdict)), Some(last)) =
            (labeled_field(line, "verdict"), entries.last_mut())
        {
            last.verdict = ClaimVerdict::parse(verdict);
        }
    }
    entries
}

/// Returns whether a text is a review rather than an answer.
pub fn is_review(markdown: &str) -> bool {
    !parse_critiques(markdown).is_empty()
}

fn new_claim(text: String, quoted: bool, cites: BTreeSet<u32>, terms: Vec<String>) -> DraftClaim {
    DraftClaim {
        values: numbers::values(&text),
        negated: text::words(&text)
            .iter()
            .any(|word| stop::is_negation(word.text)),
        text,
        quoted,
        cites,
        terms,
    }
}

/// Returns whether a line is not a claim but a heading, a rule, a remark in italics, a table rule, or another field of
/// a review.
fn is_not_claim(line: &str) -> bool {
    let italic = line.starts_with('*')
        && line.ends_with('*')
        && !line.starts_with("**")
        && !line.starts_with("* ");
    let rule = !line.chars().any(char::is_alphanumeric);
    line.starts_with('#')
        || italic
        || rule
        || ["verdict", "evidence", "fix"]
            .iter()
            .any(|name| labeled_field(line, name).is_some())
}

/// Splits a line with the label `name` into its list marker and the text after the label: `1. **claim:** rest` becomes
/// (`1. `, `rest`).
fn labeled_field<'a>(line: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let colon = line.find(':')?;
    let head = &line[..colon];
    let start = head
        .len()
        .checked_sub(name.len())
        .filter(|_| head.len() <= name.len() + 12)?;
    let label = head.trim_end_matches(['*', '_']);
    let begins = label.len().checked_sub(name.len()).unwrap_or(start);
    if !label.is_char_boundary(begins) || !label[begins..].eq_ignore_ascii_case(name) {
        return None;
    }
    let text_before = &label[..begins];
    if text_before.chars().any(char::is_alphabetic) {
        return None;
    }
    Some((
        text_before,
        line[colon + 1..].trim_start_matches(['*', '_', ' ']),
    ))
}

/// Returns the quotations in a line that are long enough to be statements. A quotation without an end extends to the
/// end of the line.
fn long_quotations(line: &str) -> Vec<&str> {
    let mut quotations = Vec::new();
    let mut rest = line;
    while let Some(open) = rest.find('“') {
        let inner = &rest[open + '“'.len_utf8()..];
        let close = closing_quote(inner).unwrap_or(inner.len());
        quotations.push(&inner[..close]);
        rest = inner.get(close + '”'.len_utf8()..).unwrap_or("");
    }
    if quotations.is_empty() {
        let mut parts = line.split('"');
        parts.next();
        while let (Some(inside), Some(_)) = (parts.next(), parts.next()) {
            quotations.push(inside);
        }
    }
    quotations.retain(|quote| text::words(quote).len() >= 4);
    quotations
}

/// Returns the byte offset at which a quotation ends. Nested quotations are skipped.
fn closing_quote(inner: &str) -> Option<usize> {
    let mut depth = 0u32;
    for (at, character) in inner.char_indices() {
        match character {
            '“' => depth += 1,
            '”' if depth == 0 => return Some(at),
            '”' => depth -= 1,
            _ => {}
        }
    }
    inner.rfind('”')
}

/// Returns the numbers in square brackets in a line.
fn cited_numbers(line: &str) -> BTreeSet<u32> {
    let mut numbers = BTreeSet::new();
    for part in line.split('[').skip(1) {
        if let Some((inside, _)) = part.split_once(']') {
            numbers.extend(
                inside
                    .split(',')
                    .filter_map(|number| number.trim().parse::<u32>().ok()),
            );
        }
    }
    numbers
}

/// Removes bullets, emphasis, citations, and member labels in brackets from a line.
fn strip_markup(line: &str) -> String {
    let mut line = line.trim_start_matches(['-', '*', '>', '+', '•', '|', ' ']);
    if let Some((number, rest)) = line.split_once(". ")
        && number.len() <= 3
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        line = rest;
    }
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(open) = rest.find(['[', '(']) {
        let close = if rest[open..].starts_with('[') {
            ']'
        } else {
            ')'
        };
        let inside = rest[open + 1..].split_once(close).map(|(inside, _)| inside);
        let mark = inside.is_some_and(|inside| {
            let letters = inside.len() <= 12
                && inside
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ',' || c == ' ');
            !inside.is_empty() && letters
        });
        let keep = if mark { open } else { open + 1 };
        plain.push_str(&rest[..keep]);
        let skip = if mark {
            open + 2 + inside.map_or(0, str::len)
        } else {
            keep
        };
        rest = &rest[skip..];
    }
    plain.push_str(rest);
    let plain = plain
        .replace("**", "")
        .replace('|', " ")
        .replace('`', "")
        .replace(" .", ".");
    text::collapse_whitespace(plain.trim_matches(['"', '“', '”', ' ', '_', '*']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_claims(markdown: &str, expected: &[&str]) {
        let claims: Vec<String> = parse_claims(markdown)
            .into_iter()
            .map(|claim| claim.text)
            .collect();
        assert_eq!(claims, expected, "{markdown}");
    }

    #[test]
    fn only_statements_become_claims() {
        assert_claims("# A heading here now\n\n---", &[]);
        assert_claims(
            "- **Fees** are due in 30 days [2]. (A, C)",
            &["Fees are due in 30 days."],
        );
        assert_claims(
            "1. The contract ends in May (see above) [1]",
            &["The contract ends in May (see above)"],
        );
        assert_claims("*A remark about nothing in particular.*", &[]);
        assert_claims(
            "It says “fees are due within thirty days” [3].",
            &["fees are due within thirty days"],
        );
        assert_claims(
            "It says \"fees are due within thirty days\" [3].",
            &["fees are due within thirty days"],
        );
        assert_claims(
            "- “He said “yes, my old friend” twice” [1]",
            &["He said “yes, my old friend” twice"],
        );
        assert_claims(
            &format!(
                "{REVIEW_MARK}\n\n- **covered work** is said 12 times\n- “Fees are due within 30 days.” [1]"
            ),
            &["Fees are due within 30 days."],
        );
        assert_claims("ok yes", &[]);
    }

    #[test]
    fn citations_are_parsed() {
        assert_eq!(
            cited_numbers("a [1], b [2, 3] [x] [4"),
            BTreeSet::from([1, 2, 3])
        );
    }

    #[test]
    fn critiques_are_parsed_in_the_patterns_format() {
        let review = "## On answer A\n1. claim: \"fees are due in 60 days\"\n   verdict: contradicted\n   evidence: \"30 days\" [1]\n   fix: fees are due in 30 days\n2. **Claim:** “cats sleep all day long”\n   **Verdict:** supported\n   **Fix:** keep\n3. missing: “dogs bark at the moon” [1]";
        let entries = parse_critiques(review);
        let read: Vec<(u32, ClaimVerdict, &str, bool)> = entries
            .iter()
            .map(|one| (one.number, one.verdict, one.claim.as_str(), one.is_omission))
            .collect();
        assert_eq!(
            read,
            [
                (
                    1,
                    ClaimVerdict::Contradicted,
                    "fees are due in 60 days",
                    false
                ),
                (2, ClaimVerdict::Supported, "cats sleep all day long", false),
                (3, ClaimVerdict::Unverifiable, "dogs bark at the moon", true),
            ]
        );
        assert!(entries.iter().all(|one| one.reviewed_letter == Some('A')));
        assert!(!is_review("## Answer\nThe claim: is fine"));
    }
}
