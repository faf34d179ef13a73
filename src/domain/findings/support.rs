//! Who supports each sentence of the answer: the members it names itself, else those whose drafts have its
//! words and figures. A sentence that nobody supports says so. How sure anybody sounds counts for nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::letters;
use super::markdown::sentences;
use super::panel::{Draft, Panel};
use super::statement::Statement;

/// Sentences of an answer that are looked at.
const MOST: usize = 150;

/// How widely and how well a sentence is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Everybody says it, and a passage that is cited bears it.
    VeryHigh,
    /// Everybody says it.
    High,
    /// Some say it.
    Medium,
    /// One says it.
    Low,
    /// Nobody says it.
    #[default]
    None,
}

impl Level {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VeryHigh => "very high",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::None => "none",
        }
    }
}

/// Sentences at each level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Levels {
    /// All, and a passage bears it.
    pub very_high: u32,
    /// All.
    pub high: u32,
    /// Some.
    pub medium: u32,
    /// One.
    pub low: u32,
    /// Nobody.
    pub none: u32,
}

impl Levels {
    pub(super) fn of(support: &[Support]) -> Self {
        let mut levels = Self::default();
        for sentence in support {
            *match sentence.level {
                Level::VeryHigh => &mut levels.very_high,
                Level::High => &mut levels.high,
                Level::Medium => &mut levels.medium,
                Level::Low => &mut levels.low,
                Level::None => &mut levels.none,
            } += 1;
        }
        levels
    }
}

/// A draft that says what a sentence says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Supporter {
    /// Whose.
    pub letter: char,
    /// Full id of the model that wrote it.
    pub model: String,
    /// In which stage.
    pub stage: String,
    /// Its words, where they were found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
}

/// A sentence of the answer and who stands behind it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Support {
    /// Without Markdown.
    pub sentence: String,
    /// Members that support it; empty when nobody does.
    pub letters: BTreeSet<char>,
    /// The sentence names them itself; otherwise they were found by its words.
    pub stated: bool,
    /// Where.
    pub drafts: Vec<Supporter>,
    /// Passages that it cites.
    pub cites: BTreeSet<u32>,
    /// By how many, and how well.
    pub level: Level,
}

/// Every sentence of an answer.
pub(super) fn of(answer: &str, panel: &Panel) -> Vec<Support> {
    sentences(answer, MOST)
        .into_iter()
        .map(|sentence| support(sentence, panel))
        .collect()
}

fn support(sentence: String, panel: &Panel) -> Support {
    let named: BTreeSet<char> = letters::bracketed(&sentence, panel.members)
        .into_iter()
        .flat_map(|mention| mention.letters)
        .collect();
    let claim = Statement::of(&without_letters(&sentence, panel.members));
    let mut newest: BTreeMap<char, (&Draft, Option<&Statement>)> = BTreeMap::new();
    for draft in &panel.drafts {
        let says = words_in(draft, &claim);
        let better = newest
            .get(&draft.letter)
            .is_none_or(|(_, known)| known.is_none() || says.is_some());
        if better {
            newest.insert(draft.letter, (draft, says));
        }
    }
    let letters: BTreeSet<char> = match named.is_empty() {
        false => named.clone(),
        true => newest
            .iter()
            .filter(|(_, (_, says))| says.is_some())
            .map(|(letter, _)| *letter)
            .collect(),
    };
    let drafts: Vec<Supporter> = newest
        .iter()
        .filter(|(letter, _)| letters.contains(letter))
        .map(|(letter, (draft, says))| Supporter {
            letter: *letter,
            model: draft.model.clone(),
            stage: draft.stage_name.clone(),
            says: says.map(|one| one.text.clone()),
        })
        .collect();
    let quoted = newest.values().filter_map(|(_, says)| *says);
    let cited = quoted.flat_map(|one| one.cites.iter()).chain(&claim.cites);
    let cited: BTreeSet<u32> = cited.copied().collect();
    let is_borne = panel.is_borne(&claim, cited);
    Support {
        level: level(letters.len(), panel.answered, is_borne),
        sentence,
        stated: !named.is_empty(),
        letters,
        drafts,
        cites: claim.cites,
    }
}

fn level(supporters: usize, members: usize, is_borne: bool) -> Level {
    match supporters {
        0 => Level::None,
        1 => Level::Low,
        all if all >= members && is_borne => Level::VeryHigh,
        all if all >= members => Level::High,
        _ => Level::Medium,
    }
}

fn words_in<'a>(draft: &'a Draft, claim: &Statement) -> Option<&'a Statement> {
    // Two words or figures are in every text; they support nothing.
    if claim.weight() < 2 {
        return None;
    }
    let one = draft.sentences.iter().find(|one| one.says(claim));
    one.or_else(|| {
        let mut pairs = draft.sentences.windows(2);
        pairs
            .find(|pair| pair[0].holds(claim) > 0.0 && pair[0].with(&pair[1]).says(claim))
            .map(|pair| &pair[0])
    })
}

fn without_letters(sentence: &str, members: usize) -> String {
    let mut out = String::new();
    let mut from = 0;
    for mention in letters::bracketed(sentence, members) {
        if mention.start >= from {
            out.push_str(&sentence[from..mention.start]);
            from = mention.end;
        }
    }
    out.push_str(&sentence[from..]);
    out
}
