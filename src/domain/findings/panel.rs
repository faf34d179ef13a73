//! The members' texts, taken apart once: drafts by letter and stage, reviews by letter. Compares nothing.

use super::markdown::sentences;
use super::sections;
use super::statement::Statement;
use crate::domain::analysis::{Plan, StageAnswer, StageRole};
use crate::domain::chat::{SourcePassage, Task};
use crate::domain::citation::with_numbers;
use crate::domain::prompt::letter;

/// Sentences of one text that are compared at most.
const MOST: usize = 150;

/// What one member wrote as an answer in one stage.
pub(super) struct Draft {
    pub letter: char,
    /// Index of the stage.
    pub stage: usize,
    pub stage_name: String,
    pub model: String,
    pub text: String,
    pub sentences: Vec<Statement>,
}

/// What one member wrote about the others.
pub(super) struct Review {
    pub letter: char,
    pub stage: usize,
    pub text: String,
}

/// All of them.
pub(super) struct Panel<'a> {
    pub members: usize,
    pub drafts: Vec<Draft>,
    pub reviews: Vec<Review>,
    pub sources: &'a [SourcePassage],
    /// Of those who have a first answer.
    pub answered: usize,
    first: usize,
}

impl<'a> Panel<'a> {
    pub fn of(plan: &'a Plan, answers: &[StageAnswer]) -> Self {
        let mut panel = Self {
            members: plan.members.len(),
            drafts: Vec::new(),
            reviews: Vec::new(),
            sources: &plan.sources,
            answered: 0,
            first: plan.first(),
        };
        for answer in answers.iter().filter(|answer| answer.answered()) {
            let Some(stage) = plan.stages.get(answer.stage) else {
                continue;
            };
            if stage.who != StageRole::Members {
                continue;
            }
            let letter = letter(answer.member);
            let text = with_numbers(&answer.text, &plan.sources);
            if stage.task == Task::Review {
                panel.reviews.push(Review {
                    letter,
                    stage: answer.stage,
                    text,
                });
                continue;
            }
            panel.answered += usize::from(answer.stage == plan.first());
            panel.drafts.push(Draft {
                letter,
                stage: answer.stage,
                stage_name: stage.name.clone(),
                model: answer.model.clone(),
                sentences: statements(&text),
                text,
            });
        }
        panel
    }

    /// What was written before anybody saw anybody.
    pub fn first_answers(&self) -> Vec<(char, &str)> {
        let first = self.drafts.iter().filter(|draft| draft.stage == self.first);
        first
            .map(|draft| (draft.letter, draft.text.as_str()))
            .collect()
    }

    /// Each member's newest draft before a stage.
    pub fn drafts_before(&self, stage: usize) -> Vec<&Draft> {
        let mut newest: Vec<&Draft> = Vec::new();
        for draft in self.drafts.iter().filter(|draft| draft.stage < stage) {
            match newest.iter_mut().find(|one| one.letter == draft.letter) {
                Some(one) if one.stage < draft.stage => *one = draft,
                Some(_) => {}
                None => newest.push(draft),
            }
        }
        newest.sort_by_key(|draft| draft.letter);
        newest
    }

    /// The member whose drafts alone say it.
    pub fn only_author(&self, claim: &Statement) -> Option<char> {
        let says = |draft: &&Draft| draft.sentences.iter().any(|one| one.says(claim));
        let mut authors = self.drafts.iter().filter(says).map(|draft| draft.letter);
        let first = authors.next()?;
        authors.all(|letter| letter == first).then_some(first)
    }

    /// Whether a passage with one of these numbers bears a sentence: it has its words and figures.
    pub fn is_borne(&self, sentence: &Statement, cites: impl IntoIterator<Item = u32>) -> bool {
        cites.into_iter().any(|number| {
            let cited = self.sources.iter().find(|source| source.number == number);
            cited.is_some_and(|source| {
                let mut parts = sentences(&source.text, MOST).into_iter();
                parts.any(|part| Statement::of(&part).says(sentence))
                    || Statement::of(&source.text).says(sentence)
            })
        })
    }
}

// What a member says of its own revision is no part of its answer.
fn statements(text: &str) -> Vec<Statement> {
    let answer = sections::answer_of(text);
    sentences(&answer, MOST)
        .iter()
        .map(|sentence| Statement::of(sentence))
        .filter(|statement| !statement.is_empty())
        .collect()
}
