//! Where members contradict each other or the documents: as a synthesis or a comparison tells it, and as
//! critiques show it. A critique counts only where the words it quotes are in the draft, and where a draft,
//! a passage or a shown reason says otherwise; a verdict alone does not.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::From;
use super::critique::{Verdict, critiques};
use super::letters::{self, Mention};
use super::panel::{Draft, Panel};
use super::statement::Statement;

/// What some say of a point.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Side {
    /// Who; nobody where only a passage says it.
    pub letters: BTreeSet<char>,
    /// What.
    pub says: String,
}

/// A point on which not all can be right.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Contradiction {
    /// What it is about.
    pub point: String,
    /// Who says what.
    pub sides: Vec<Side>,
    /// What decides it, as far as a passage does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_by: Option<String>,
    /// The members whose critiques or comparisons show it.
    pub reviewers: BTreeSet<char>,
    /// Where it was read.
    pub from: From,
}

/// Contradictions at most.
const MOST: usize = 60;

/// Those that a synthesis tells.
pub(super) fn told(points: &[String], panel: &Panel) -> Vec<Contradiction> {
    points
        .iter()
        .map(|point| read(point, panel.members, From::Synthesis))
        .collect()
}

/// Those that a member's comparison tells: at least two sides must be named, for a comparison speaks of
/// much else.
pub(super) fn compared(points: &[String], panel: &Panel, reviewer: char) -> Vec<Contradiction> {
    let read = points.iter().map(|point| Contradiction {
        reviewers: BTreeSet::from([reviewer]),
        ..read(point, panel.members, From::Critique)
    });
    read.filter(|one| one.sides.len() >= 2).collect()
}

fn read(point: &str, members: usize, from: From) -> Contradiction {
    let title = point.split_once(':').map(|(title, _)| title.trim());
    let title = title.filter(|title| {
        title.chars().count() <= 80 && letters::mentions(title, members).is_empty()
    });
    let body = title.map_or(point, |title| point[title.len()..].trim_start_matches(':'));
    let mut found = Contradiction {
        point: title.unwrap_or(point).to_owned(),
        from,
        ..Contradiction::default()
    };
    for clause in clauses(body, members) {
        if settles(&clause, members) {
            let open = [
                "not settle",
                "n't settle",
                "neither",
                "unsettled",
                "nicht",
                "do not",
                "does not",
                "open",
            ];
            let lower = clause.to_lowercase();
            if !open.iter().any(|word| lower.contains(word)) {
                found.settled_by.get_or_insert(clause);
            }
            continue;
        }
        let letters = letters::named(&clause, members);
        if !letters.is_empty() {
            found.sides.push(Side {
                letters,
                says: clause,
            });
        }
    }
    found
}

// Parts each of which speaks of one group of members.
fn clauses(text: &str, members: usize) -> Vec<String> {
    const PARTING: &[&str] = &[
        "; ",
        ". ",
        " while ",
        " whereas ",
        " but ",
        " vs. ",
        " vs ",
        " versus ",
        " against ",
        " — ",
        " während ",
        " aber ",
        " dagegen ",
        " hingegen ",
    ];
    let mut cuts: BTreeSet<usize> = BTreeSet::from([0, text.len()]);
    for sign in PARTING {
        cuts.extend(text.match_indices(sign).map(|(at, _)| at + sign.len()));
    }
    let mentions: Vec<Mention> = letters::mentions(text, members);
    for pair in mentions.windows(2) {
        let (one, two) = (&pair[0], &pair[1]);
        let parted = cuts.range(one.end..=two.start).next().is_some();
        if !parted {
            cuts.insert(if one.bracketed { one.end } else { two.start });
        }
    }
    let cuts: Vec<usize> = cuts
        .into_iter()
        .filter(|&at| text.is_char_boundary(at))
        .collect();
    let mut found = Vec::new();
    for pair in cuts.windows(2) {
        let mut clause = text[pair[0]..pair[1]].trim();
        for sign in PARTING {
            clause = clause
                .strip_suffix(sign.trim_end())
                .unwrap_or(clause)
                .trim();
        }
        let clause = clause.trim_matches([',', ';', ' ', '.', ':']);
        let clause = clause.strip_prefix("and ").unwrap_or(clause);
        if !clause.is_empty() {
            found.push(clause.to_owned());
        }
    }
    found
}

// "The passages support B [2]": names a member and is no side.
fn settles(clause: &str, members: usize) -> bool {
    let lower = clause.to_lowercase();
    let first = letters::mentions(clause, members)
        .first()
        .map(|one| one.start);
    let passage = [
        "passage",
        "document",
        "source",
        "quelle",
        "dokument",
        "settled",
        "unterlagen",
        "[",
        "this is open",
    ];
    let verb = [
        "support",
        "settle",
        "bear",
        "back",
        "side",
        "confirm",
        "say",
        "stütz",
        "beleg",
        "entscheid",
        "bestätig",
        "passage:",
        "document:",
        "resolved",
    ];
    first.is_none_or(|start| start > 0 && !clause[..start].starts_with('('))
        && passage.iter().any(|word| lower.contains(word))
        && verb.iter().any(|word| lower.contains(word))
}

/// Those that critiques show.
pub(super) fn criticised(panel: &Panel) -> Vec<Contradiction> {
    let mut found = Vec::new();
    for review in &panel.reviews {
        let drafts = panel.drafts_before(review.stage);
        for critique in critiques(&review.text) {
            if critique.verdict != Verdict::Contradicted {
                continue;
            }
            let claim = Statement::of(&critique.claim);
            let Some(draft) = anchor(&drafts, critique.about, review.letter, &claim) else {
                continue;
            };
            let shown = contradiction(&drafts, draft, &critique, &claim, panel);
            if let Some(mut one) = shown {
                one.reviewers.insert(review.letter);
                merge(&mut found, vec![one]);
            }
        }
    }
    found
}

// The draft that has the words: the one that is named, else the only one that does.
fn anchor<'a>(
    drafts: &[&'a Draft],
    about: Option<char>,
    reviewer: char,
    claim: &Statement,
) -> Option<&'a Draft> {
    let says = |draft: &&&Draft| has_words(draft, claim);
    if let Some(letter) = about.filter(|letter| drafts.iter().any(|one| one.letter == *letter)) {
        return drafts
            .iter()
            .filter(|draft| draft.letter == letter)
            .find(says)
            .copied();
    }
    let mut others = drafts
        .iter()
        .filter(|draft| draft.letter != reviewer)
        .filter(says);
    let first = others.next().copied();
    first.filter(|_| others.next().is_none())
}

fn has_words(draft: &Draft, claim: &Statement) -> bool {
    let quoted = claim
        .text
        .trim_matches(|c: char| !c.is_alphanumeric())
        .to_lowercase();
    !quoted.is_empty() && draft.text.to_lowercase().contains(&quoted)
        || draft.sentences.iter().any(|one| one.says(claim))
}

fn contradiction(
    drafts: &[&Draft],
    draft: &Draft,
    critique: &super::critique::Critique,
    claim: &Statement,
    panel: &Panel,
) -> Option<Contradiction> {
    let fix = Statement::of(proposal(&critique.fix));
    // A correction that changes nothing shows that nothing was wrong.
    if !fix.is_empty() && fix.equals(claim) {
        return None;
    }
    let evidence = Evidence::of(&critique.evidence, panel);
    if evidence.words.equals(claim) && fix.is_empty() {
        return None;
    }
    let mut mine = BTreeSet::from([draft.letter]);
    let mut theirs = BTreeSet::new();
    let mut says = None;
    for other in drafts.iter().filter(|other| other.letter != draft.letter) {
        let against = other.sentences.iter().find(|one| {
            let told = |words: &Statement| {
                let is_nearer = one.holds(words) > one.holds(claim) || !one.says(claim);
                !words.is_empty() && one.says(words) && is_nearer
            };
            one.opposes(claim) || told(&fix) || (evidence.is_shown() && told(&evidence.words))
        });
        if let Some(against) = against {
            theirs.insert(other.letter);
            says.get_or_insert_with(|| against.text.clone());
        } else if has_words(other, claim) {
            mine.insert(other.letter);
        }
    }
    if theirs.is_empty() && !evidence.is_shown() {
        return None;
    }
    let other = says
        .or_else(|| evidence.is_quoted.then(|| evidence.words.text.clone()))
        .or_else(|| (!fix.is_empty()).then(|| fix.text.clone()))
        .unwrap_or_else(|| critique.evidence.clone());
    let sides = vec![
        Side {
            letters: mine,
            says: critique.claim.clone(),
        },
        Side {
            letters: theirs,
            says: other,
        },
    ];
    Some(Contradiction {
        point: critique.claim.clone(),
        sides,
        settled_by: evidence.is_quoted.then(|| critique.evidence.clone()),
        reviewers: BTreeSet::new(),
        from: From::Critique,
    })
}

fn proposal(fix: &str) -> &str {
    const NOTHING: &[&str] = &[
        "keep",
        "none",
        "beibehalten",
        "behalten",
        "n/a",
        "-",
        "no change",
        "delete",
        "remove",
        "streichen",
    ];
    let lower = fix.trim_matches(['.', ' ', '"']).to_lowercase();
    let is_nothing = NOTHING.contains(&lower.as_str());
    if is_nothing { "" } else { fix }
}

/// What a critique rests on.
struct Evidence {
    words: Statement,
    /// The words are in a passage.
    is_quoted: bool,
    /// It shows a calculation.
    is_calculated: bool,
}

impl Evidence {
    fn of(text: &str, panel: &Panel) -> Self {
        let quote = quoted(text).unwrap_or(text);
        let words = Statement::of(quote);
        let (bare, _) = super::statement::without_cites(quote);
        let (lower, squeezed) = (text.to_lowercase(), squeeze(&bare));
        let none = ["none in", "nothing in", "no passage", "keine", "not in the"];
        let denied = none.iter().any(|word| lower.starts_with(word));
        let is_quoted = !denied
            && squeezed.chars().count() >= 4
            && panel
                .sources
                .iter()
                .any(|source| squeeze(&source.text).contains(&squeezed));
        let digits = |part: &str| part.chars().any(|c| c.is_ascii_digit());
        let is_calculated = text
            .split_once('=')
            .is_some_and(|(left, right)| digits(left) && digits(right));
        Self {
            words,
            is_quoted,
            is_calculated,
        }
    }

    fn is_shown(&self) -> bool {
        self.is_quoted || self.is_calculated
    }
}

fn quoted(text: &str) -> Option<&str> {
    let marks = ['"', '“', '”', '„', '«', '»'];
    let (_, after) = text.split_once(marks)?;
    let (inner, _) = after.split_once(marks)?;
    Some(inner).filter(|inner| !inner.trim().is_empty())
}

fn squeeze(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '%');
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join(" ")
}

/// Adds those that are not there yet; what is told twice is told once, by whoever told it first.
pub(super) fn merge(known: &mut Vec<Contradiction>, more: Vec<Contradiction>) {
    for one in more {
        let has_room = known.len() < MOST;
        match known.iter_mut().find(|other| is_same(other, &one)) {
            Some(other) => {
                other.reviewers.extend(&one.reviewers);
                if other.settled_by.is_none() {
                    other.settled_by = one.settled_by;
                }
                // A point without sides is told better by whoever knows them.
                if other.sides.len() < 2 {
                    other.sides = one.sides;
                }
            }
            None if has_room => known.push(one),
            None => {}
        }
    }
}

fn is_same(one: &Contradiction, two: &Contradiction) -> bool {
    let letters = |of: &Contradiction| -> BTreeSet<char> {
        of.sides
            .iter()
            .flat_map(|side| side.letters.iter().copied())
            .collect()
    };
    let (first, second) = (letters(one), letters(two));
    if !first.is_empty() && !second.is_empty() && first.is_disjoint(&second) {
        return false;
    }
    let told = |of: &Contradiction| -> Vec<Statement> {
        let says = of.sides.iter().map(|side| Statement::of(&side.says));
        says.chain([Statement::of(&of.point)]).collect()
    };
    let (mine, theirs) = (told(one), told(two));
    mine.iter().any(|left| {
        theirs
            .iter()
            .any(|right| left.same(right) || left.opposes(right))
    }) || one.from != two.from && {
        let whole = |parts: &[Statement]| {
            let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
            Statement::of(&texts.join(" "))
        };
        whole(&mine).overlap(&whole(&theirs)) >= 0.6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_told_apart() {
        for (text, expected, settled) in [
            (
                "Fee: A says 5, B and C say 6; [1] supports B.",
                &["A:A says 5", "BC:B and C say 6"][..],
                true,
            ),
            (
                "Fee: 5 euros (A), 6 euros (B, C); the passages do not settle it.",
                &["A:5 euros (A)", "BC:6 euros (B, C)"],
                false,
            ),
            (
                "A claims it rose, whereas B claims it fell.",
                &["A:A claims it rose", "B:B claims it fell"],
                false,
            ),
            (
                "(C) “within 60 days.”; the passage: “within 30 days” [1]",
                &["C:(C) “within 60 days.”"],
                true,
            ),
            ("Nobody knows.", &[], false),
        ] {
            let found = read(text, 3, From::Synthesis);
            let sides: Vec<String> = found
                .sides
                .iter()
                .map(|side| format!("{}:{}", side.letters.iter().collect::<String>(), side.says))
                .collect();
            assert_eq!(sides, expected, "{text}");
            assert_eq!(found.settled_by.is_some(), settled, "{found:?}");
        }
    }
}
