//! What can be told of a panel's answers by reading and comparing them: where they agree, where they do
//! not, who supports which sentence, what each stage took. Computed once, when a run ends, and stored with
//! it. Judges wording, figures and quotes, not truth; what nobody wrote is not in it.

mod clusters;
mod contradiction;
mod critique;
mod figures;
mod letters;
mod lexicon;
mod markdown;
mod numbers;
mod panel;
mod sections;
mod statement;
mod support;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use clusters::{Cluster, Disagreement, agreement};
pub use contradiction::{Contradiction, Side};
pub use figures::StageFigures;
pub use support::{Level, Levels, Support, Supporter};

use super::analysis::{Plan, StageAnswer};
use super::citation::with_numbers;
use super::event::RunTotals;
use panel::Panel;
use sections::Sections;
use statement::Statement;

/// What has to be said beside every count of members that agree.
pub const NOTE: &str = "Agreement is weak evidence: models share their mistakes. Levels say how widely and how well a sentence is supported, not that it is true.";

/// Where a finding was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// The synthesis says so.
    #[default]
    Synthesis,
    /// A member's critique or comparison says so.
    Critique,
}

/// A point, with whoever is named beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Point {
    /// In the words of whoever made it.
    pub point: String,
    /// The members it names.
    pub letters: BTreeSet<char>,
    /// Where it was read.
    pub from: From,
}

/// A point that one member alone makes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Unique {
    /// Who; none where nobody is named and no draft has the words.
    pub letter: Option<char>,
    /// In the words of whoever noted it.
    pub point: String,
    /// Where it was read.
    pub from: From,
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    /// What the members agree on.
    pub consensus: Vec<Point>,
    /// Where they contradict each other or the documents.
    pub contradictions: Vec<Contradiction>,
    /// What one alone says.
    pub unique: Vec<Unique>,
    /// What nobody covered.
    pub blind_spots: Vec<Point>,
    /// Who supports each sentence of the answer.
    pub support: Vec<Support>,
    /// How many sentences stand at each level.
    pub confidence: Levels,
    /// How far the first answers differ.
    pub disagreement: Disagreement,
    /// What each stage took.
    pub stages: Vec<StageFigures>,
    /// What a reader should know: stages skipped, members dropped, another synthesizer.
    pub notes: Vec<String>,
    /// Why the answer is less than was planned.
    pub degraded: Option<String>,
    /// How to take all this.
    pub note: String,
}

impl Findings {
    /// Reads and compares what a run gave.
    pub fn of(plan: &Plan, answers: &[StageAnswer], synthesis: Option<&str>) -> Self {
        let panel = Panel::of(plan, answers);
        // Marks are compared as the numbers of their passages.
        let synthesis = synthesis.map(|text| with_numbers(text, &plan.sources));
        let sections = Sections::of(synthesis.as_deref().unwrap_or_default());
        let mut findings = Self {
            disagreement: clusters::disagreement(&plan.question, &panel.first_answers()),
            stages: figures::of(plan, answers),
            note: NOTE.to_owned(),
            ..Self::default()
        };
        findings.take(&sections, &panel, From::Synthesis);
        findings.contradictions = contradiction::told(&sections.contradictions, &panel);
        for review in &panel.reviews {
            let read = Sections::of(&review.text);
            findings.take(&read, &panel, From::Critique);
            let told = contradiction::compared(&read.contradictions, &panel, review.letter);
            contradiction::merge(&mut findings.contradictions, told);
        }
        let criticised = contradiction::criticised(&panel);
        contradiction::merge(&mut findings.contradictions, criticised);
        if synthesis.is_some() {
            findings.support = support::of(&sections.answer, &panel);
            findings.confidence = Levels::of(&findings.support);
        }
        findings
    }

    /// With what the run says of itself.
    pub fn noted(mut self, totals: &RunTotals) -> Self {
        self.notes.clone_from(&totals.notes);
        self.degraded.clone_from(&totals.degraded);
        self
    }

    /// With how long stages took by the clock, by name.
    pub fn timed(mut self, durations: &[(String, u64)]) -> Self {
        for stage in &mut self.stages {
            let known = durations.iter().find(|(name, _)| *name == stage.stage);
            if let Some((_, duration_ms)) = known {
                stage.duration_ms = *duration_ms;
            }
        }
        self
    }

    // Points that are there already, in about the same words, are not there twice.
    fn take(&mut self, sections: &Sections, panel: &Panel, from: From) {
        let point = |text: &String| Point {
            point: text.clone(),
            letters: letters::named(text, panel.members),
            from,
        };
        for text in &sections.consensus {
            add(&mut self.consensus, point(text));
        }
        for text in &sections.blind_spots {
            add(&mut self.blind_spots, point(text));
        }
        for text in &sections.unique {
            let statement = Statement::of(text);
            let known = |one: &Unique| Statement::of(&one.point).same(&statement);
            if self.unique.iter().any(known) {
                continue;
            }
            let named = letters::named(text, panel.members);
            let letter = match named.len() {
                0 => panel.only_author(&statement),
                _ => named.first().copied(),
            };
            self.unique.push(Unique {
                letter,
                point: text.clone(),
                from,
            });
        }
    }
}

fn add(points: &mut Vec<Point>, point: Point) {
    let statement = Statement::of(&point.point);
    let known = |one: &Point| Statement::of(&one.point).same(&statement);
    if points.len() < MOST && !points.iter().any(known) {
        points.push(point);
    }
}

/// Points of a kind at most.
const MOST: usize = 60;

#[cfg(test)]
mod tests;
