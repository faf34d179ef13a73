//! Structured critiques, claim by claim: in numbered Markdown, in tables or as JSON, in English or German.
//! What has no claim or no verdict is no critique.

use serde_json::Value;

use super::markdown::{item, plain};

/// Critiques read from one review at most.
const MOST: usize = 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Supported,
    Contradicted,
    Unverifiable,
}

/// What a reviewer says of one claim.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Critique {
    /// Whose text it speaks of, where it says so.
    pub about: Option<char>,
    pub claim: String,
    pub verdict: Verdict,
    pub evidence: String,
    pub fix: String,
}

#[derive(Default)]
struct Draft {
    about: Option<char>,
    fields: [String; 4],
}

impl Draft {
    fn finish(self) -> Option<Critique> {
        let [claim, verdict, evidence, fix] = self.fields;
        let claim = unquoted(&claim);
        Some(Critique {
            about: self.about,
            verdict: verdict_of(&verdict)?,
            claim: (!claim.is_empty()).then_some(claim)?,
            evidence: plain(&evidence),
            fix: unquoted(&fix),
        })
    }
}

/// The critiques of a review, in order.
pub(super) fn critiques(review: &str) -> Vec<Critique> {
    let mut found = from_json(review);
    if found.is_empty() {
        found = from_markdown(review);
    }
    found.truncate(MOST);
    found
}

fn from_markdown(review: &str) -> Vec<Critique> {
    let mut found = Vec::new();
    let mut draft = Draft::default();
    let mut about = None;
    let mut head: Option<Vec<Option<usize>>> = None;
    let mut last = None;
    for line in review.lines() {
        let bare = line.trim().trim_start_matches("> ");
        if let Some(cells) = cells(bare) {
            match &head {
                None => head = Some(cells.iter().map(|cell| field(cell)).collect()),
                Some(places) => found.extend(row(&cells, places, about).finish()),
            }
            continue;
        }
        head = None;
        if let Some(letter) = heading(bare) {
            found.extend(std::mem::take(&mut draft).finish());
            about = letter;
            last = None;
            continue;
        }
        let mut any = false;
        for part in parts(bare) {
            let Some((place, value)) = labelled(part) else {
                continue;
            };
            any = true;
            if place == CLAIM {
                found.extend(std::mem::take(&mut draft).finish());
                draft.about = about;
            }
            value.clone_into(&mut draft.fields[place]);
            last = Some(place);
        }
        // A line without a label goes on with the field above it.
        match last {
            Some(place) if !any && !bare.is_empty() => {
                draft.fields[place].push(' ');
                draft.fields[place].push_str(bare);
            }
            _ if bare.is_empty() => last = None,
            _ => {}
        }
    }
    found.extend(draft.finish());
    found
}

const CLAIM: usize = 0;

/// The names of the four fields.
const FIELDS: &[&[&str]] = &[
    &[
        "claim",
        "behauptung",
        "aussage",
        "statement",
        "quote",
        "zitat",
    ],
    &["verdict", "urteil", "bewertung", "status", "befund"],
    &[
        "evidence",
        "beleg",
        "belege",
        "begründung",
        "reason",
        "nachweis",
        "basis",
    ],
    &[
        "fix",
        "korrektur",
        "correction",
        "vorschlag",
        "suggested fix",
        "besser",
    ],
];

fn field(label: &str) -> Option<usize> {
    let lower = label.to_lowercase();
    let bare = lower.trim_matches(|c: char| !c.is_alphanumeric());
    FIELDS.iter().position(|names| names.contains(&bare))
}

fn labelled(part: &str) -> Option<(usize, &str)> {
    let part = item(part).unwrap_or(part);
    let part = item(part).unwrap_or(part);
    let (label, value) = part.split_once(':')?;
    (label.len() <= 40).then_some(())?;
    let value = value.trim_start_matches(['*', '_', ' ']);
    Some((field(label)?, value.trim()))
}

// Several fields may stand in one line, parted by bars or semicolons.
fn parts(line: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, sign) in line.match_indices(['|', ';', '—']) {
        let after = at + sign.len();
        if labelled(line[after..].trim()).is_some() {
            parts.push(line[start..at].trim());
            start = after;
        }
    }
    parts.push(line[start..].trim());
    parts
}

fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.strip_prefix('|')?;
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
    (cells.len() >= 2).then_some(cells)
}

fn row(cells: &[&str], places: &[Option<usize>], about: Option<char>) -> Draft {
    let mut draft = Draft {
        about,
        ..Draft::default()
    };
    for (cell, place) in cells.iter().zip(places) {
        match place {
            Some(place) => (*cell).clone_into(&mut draft.fields[*place]),
            None => draft.about = draft.about.or(letter_in(cell)),
        }
    }
    draft
}

// The letter a heading names; `Some(None)` for a heading that names nobody.
fn heading(line: &str) -> Option<Option<char>> {
    let is_heading = line.starts_with('#');
    let bare = line.trim_matches(['#', '*', ':', ' ', '_']);
    let is_bold = line.starts_with("**") && line.trim_end_matches(':').ends_with("**");
    let is_lone = line.ends_with(':') && bare.split(' ').count() <= 4 && field(bare).is_none();
    if is_heading || is_bold || (is_lone && letter_in(bare).is_some()) {
        return Some(letter_in(bare));
    }
    None
}

fn letter_in(text: &str) -> Option<char> {
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    words
        .rfind(|word| word.len() == 1 && word.as_bytes()[0].is_ascii_uppercase())
        .and_then(|word| word.chars().next())
}

fn unquoted(text: &str) -> String {
    let text = plain(text);
    let marks = ['"', '“', '”', '„', '«', '»'];
    let inner = text.trim_start().strip_prefix(marks);
    if let Some((inner, _)) = inner.and_then(|inner| inner.split_once(marks)) {
        return inner.trim().to_owned();
    }
    text.trim().to_owned()
}

fn verdict_of(text: &str) -> Option<Verdict> {
    let lower = text.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    // A list of all three is the form, not an answer.
    if lower.contains("supported")
        && lower.contains("unverifiable")
        && lower.contains("contradicted")
    {
        return None;
    }
    let denied = [
        "not contradicted",
        "uncontradicted",
        "nicht widerlegt",
        "not false",
        "not wrong",
    ];
    if has(&[
        "unverif",
        "not verif",
        "cannot be verified",
        "nicht überprüf",
        "nicht prüf",
        "unbelegt",
        "nicht belegt",
        "unsupported",
        "not supported",
        "unklar",
        "uncertain",
        "partially",
    ]) {
        return Some(Verdict::Unverifiable);
    }
    if !has(&denied)
        && has(&[
            "contradict",
            "refuted",
            "false",
            "incorrect",
            "inaccurate",
            "wrong",
            "widerlegt",
            "widersprochen",
            "falsch",
            "widerspricht",
        ])
    {
        return Some(Verdict::Contradicted);
    }
    let supported = [
        "support",
        "correct",
        "confirmed",
        "true",
        "belegt",
        "gestützt",
        "bestätigt",
        "richtig",
    ];
    if has(&supported) || has(&denied) {
        return Some(Verdict::Supported);
    }
    None
}

fn from_json(review: &str) -> Vec<Critique> {
    let fenced = review.split("```").skip(1).step_by(2).map(|block| {
        let start = block.find(['{', '[']).unwrap_or(block.len());
        &block[start..]
    });
    let mut found = Vec::new();
    for text in fenced.chain([review.trim()]) {
        if let Ok(value) = crate::domain::json::parse(text.trim()) {
            walk(&value, None, &mut found);
        }
        if !found.is_empty() {
            break;
        }
    }
    found
}

// Entries lie in a list, in a field, or by letter. Depth is bounded by serde_json's own limit.
fn walk(value: &Value, about: Option<char>, found: &mut Vec<Critique>) {
    match value {
        Value::Array(entries) => entries.iter().for_each(|entry| walk(entry, about, found)),
        Value::Object(fields) => {
            let mut draft = Draft {
                about,
                ..Draft::default()
            };
            for (name, value) in fields {
                match (field(name), value) {
                    (Some(place), Value::String(text)) => text.clone_into(&mut draft.fields[place]),
                    (None, Value::String(text)) if text.len() <= 12 => {
                        draft.about = letter_in(text).or(draft.about);
                    }
                    (None, Value::Array(_) | Value::Object(_)) => {
                        walk(value, letter_in(name).or(draft.about), found);
                    }
                    _ => {}
                }
            }
            found.extend(draft.finish());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_forms_give_the_same_critique() {
        let expected = Critique {
            about: Some('B'),
            claim: "It costs 5 euros".into(),
            verdict: Verdict::Contradicted,
            evidence: "\"costs 6 euros\" [1]".into(),
            fix: "It costs 6 euros".into(),
        };
        for review in [
            "## On answer B\n1. claim: \"It costs 5 euros\"\n   verdict: contradicted\n   evidence: \"costs 6 euros\" [1]\n   fix: It costs 6 euros",
            "### Answer B\n\n1. **Claim:** “It costs 5 euros”\n   - **Verdict:** Contradicted.\n   - **Evidence:** \"costs 6 euros\" [1]\n   - **Fix:** \"It costs 6 euros\"\n",
            "**On answer B**\n- claim: \"It costs 5 euros\" | verdict: contradicted | evidence: \"costs 6 euros\" [1] | fix: It costs 6 euros",
            "## Zu Antwort B\n1. Behauptung: „It costs 5 euros“\n   Urteil: widerlegt\n   Beleg: \"costs 6 euros\" [1]\n   Korrektur: It costs 6 euros",
            "## On answer B\n| # | Claim | Verdict | Evidence | Fix |\n|---|---|---|---|---|\n| 1 | It costs 5 euros | contradicted | \"costs 6 euros\" [1] | It costs 6 euros |",
            "Here:\n```json\n[{\"answer\": \"B\", \"claim\": \"It costs 5 euros\", \"verdict\": \"contradicted\", \"evidence\": \"\\\"costs 6 euros\\\" [1]\", \"fix\": \"It costs 6 euros\"}]\n```",
            "{\"B\": [{\"claim\": \"It costs 5 euros\", \"verdict\": \"contradicted\", \"evidence\": \"\\\"costs 6 euros\\\" [1]\", \"fix\": \"It costs 6 euros\"}]}",
        ] {
            assert_eq!(
                critiques(review),
                std::slice::from_ref(&expected),
                "{review}"
            );
        }
    }

    #[test]
    fn what_is_no_critique_is_none() {
        for review in [
            "",
            "## Strongest points\nA: brevity",
            "claim: \"x y\"\nverdict: supported | contradicted | unverifiable",
            "verdict: contradicted",
            "{\"a\": [1, 2]}",
        ] {
            assert!(critiques(review).is_empty(), "{review}");
        }
    }
}
