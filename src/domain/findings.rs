//! Findings of a finished run besides its answer: statistics of its stages, its notes, and the panel's evidence map.
//! Older clients read the points of the map from separate lists.

mod figures;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use figures::StageFigures;

use super::analysis::{Plan, StageAnswer};
use super::event::RunTotals;
use super::evidence::{
    self, ClaimContradiction, EvidenceMap, EvidenceStatus, OLDER_RUN_REASON, Stance,
};

/// The caveat shown with every count of members that agree.
pub const RULES_NOTE: &str = "Agreement is weak evidence: models share their mistakes. A level says what a sentence rests on, not that it is true.";

/// Value of `from` in every point: all points come from the judge.
const EVIDENCE_ORIGIN: &str = "judge";

/// A point of the evidence map, for older clients.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Point {
    /// The point, in the judge's words.
    pub point: String,
    /// The members that make the point.
    #[serde(rename = "letters")]
    pub member_letters: BTreeSet<char>,
    /// Always `judge`.
    pub from: String,
}

/// A point that only one member makes. Kept for older clients.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UniquePoint {
    /// Letter that labels the member; `None` if the judge named none.
    pub letter: Option<char>,
    /// The point, in the judge's words.
    pub point: String,
    /// Always `judge`.
    pub from: String,
}

/// One of the positions on a disputed point, for older clients.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Side {
    /// Letters that label the members on this side.
    #[serde(rename = "letters")]
    pub member_letters: BTreeSet<char>,
    /// Verbatim quote of the first member on this side.
    pub says: String,
}

/// A point on which members contradict each other, for older clients.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Contradiction {
    /// The point, in the judge's words.
    pub point: String,
    /// The positions of the members on this point.
    pub sides: Vec<Side>,
    /// Always empty; older clients expect the field.
    pub reviewers: BTreeSet<char>,
    /// Always `judge`.
    pub from: String,
}

/// Findings of a run besides its answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, from = "StoredFindings")]
pub struct Findings {
    /// Points that every first answer makes.
    pub consensus: Vec<Point>,
    /// Points on which members contradict each other.
    pub contradictions: Vec<Contradiction>,
    /// Points that only one member makes.
    pub unique: Vec<UniquePoint>,
    /// Points that no answer covers, in the judge's words.
    pub blind_spots: Vec<Point>,
    /// Statistics of each stage.
    pub stages: Vec<StageFigures>,
    /// Notes for the reader: skipped stages, dropped members, a different synthesizer.
    pub notes: Vec<String>,
    /// Why the answer is only a partial result.
    pub degraded: Option<String>,
    /// How to interpret the findings.
    pub note: String,
    /// The panel's evidence map.
    pub evidence: EvidenceMap,
}

/// Findings as stored by this or an older version. Points and agreement that older versions derived from word overlap
/// are dropped.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct StoredFindings {
    stages: Vec<StageFigures>,
    notes: Vec<String>,
    degraded: Option<String>,
    evidence: Option<EvidenceMap>,
}

impl From<StoredFindings> for Findings {
    fn from(stored: StoredFindings) -> Self {
        let older = || EvidenceMap::without_judge(EvidenceStatus::Off, OLDER_RUN_REASON);
        Self {
            stages: stored.stages,
            notes: stored.notes,
            degraded: stored.degraded,
            ..Self::from_evidence(stored.evidence.unwrap_or_else(older))
        }
    }
}

// Returns the two sides of a contradiction: the members that assert the claim and those that deny it, each
// with the words of its first member. If no one denies the claim, each member is a side of its own.
fn contradiction_sides(evidence: &EvidenceMap, contradiction: &ClaimContradiction) -> Vec<Side> {
    let stance = |letter: char| {
        let mut stances = evidence.claims[contradiction.claim].stances.iter();
        let side_stance = stances.find(|stance| stance.letter == letter);
        side_stance.map(|stance| stance.stance)
    };
    let is_denied = contradiction
        .sides
        .iter()
        .any(|side| stance(side.letter) == Some(Stance::Denies));
    let mut sides: Vec<(Option<Stance>, Side)> = Vec::new();
    for side in &contradiction.sides {
        let denied_stance = stance(side.letter).filter(|_| is_denied);
        let existing_side = sides
            .iter_mut()
            .find(|(other_stance, _)| denied_stance.is_some() && *other_stance == denied_stance);
        match existing_side {
            Some((_, existing_side)) => drop(existing_side.member_letters.insert(side.letter)),
            None => sides.push((
                denied_stance,
                Side {
                    member_letters: BTreeSet::from([side.letter]),
                    says: side.quote.clone(),
                },
            )),
        }
    }
    sides.into_iter().map(|(_, side)| side).collect()
}

impl Findings {
    /// Builds the findings from the answers of a run's calls and its final answer, if there is one.
    pub fn from_answers(plan: &Plan, answers: &[StageAnswer], synthesis: Option<&str>) -> Self {
        Self {
            stages: figures::stage_figures(plan, answers),
            ..Self::from_evidence(evidence::build_map(plan, answers, synthesis))
        }
    }

    fn from_evidence(evidence: EvidenceMap) -> Self {
        let asserting_members = |claim: usize| -> BTreeSet<char> {
            let stances = evidence.claims[claim].stances.iter();
            let asserting_members = stances.filter(|entry| entry.stance == Stance::Asserts);
            asserting_members.map(|entry| entry.letter).collect()
        };
        let exists = |claim: &usize| *claim < evidence.claims.len();
        let text = |claim: usize| evidence.claims[claim].text.clone();
        let origin = || EVIDENCE_ORIGIN.to_owned();
        let consensus = evidence.consensus.iter().copied().filter(exists);
        let disputed = evidence.contradictions.iter();
        let unique = evidence.unique.iter().filter(|entry| exists(&entry.claim));
        Self {
            consensus: consensus
                .map(|claim| Point {
                    point: text(claim),
                    member_letters: asserting_members(claim),
                    from: origin(),
                })
                .collect(),
            contradictions: disputed
                .filter(|entry| exists(&entry.claim))
                .map(|entry| Contradiction {
                    point: text(entry.claim),
                    sides: contradiction_sides(&evidence, entry),
                    reviewers: BTreeSet::new(),
                    from: origin(),
                })
                .collect(),
            unique: unique
                .map(|entry| UniquePoint {
                    letter: Some(entry.letter),
                    point: text(entry.claim),
                    from: origin(),
                })
                .collect(),
            blind_spots: (evidence.blind_spots.iter())
                .map(|spot| Point {
                    point: spot.clone(),
                    member_letters: BTreeSet::new(),
                    from: origin(),
                })
                .collect(),
            note: RULES_NOTE.to_owned(),
            evidence,
            ..Self::default()
        }
    }

    /// Copies the notes and the reason for a partial result from the run's totals.
    pub fn with_notes(mut self, totals: &RunTotals) -> Self {
        self.notes.clone_from(&totals.notes);
        self.degraded.clone_from(&totals.degraded);
        self
    }

    /// Sets the wall-clock durations from pairs of a stage's name and its duration in ms.
    pub fn with_durations(mut self, durations: &[(String, u64)]) -> Self {
        for stage in &mut self.stages {
            let duration = durations.iter().find(|(name, _)| *name == stage.stage);
            if let Some((_, duration_ms)) = duration {
                stage.duration_ms = *duration_ms;
            }
        }
        self
    }
}
