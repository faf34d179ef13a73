//! Blind comparison by the user: two configurations' answers to the same case, side by side without names, in an
//! order derived from the case and the pair. The user's verdict is stored and overrides a model's.

use std::collections::BTreeSet;

use super::{ExperimentView, Experiments};
use crate::app::{Error, Result};
use crate::clock;
use crate::domain::experiment::Trial;
use crate::domain::experiment::pairwise::Preferred;
use crate::domain::experiment::record::{Evaluation, Judgment};
use crate::domain::id::{AnalysisId, ExperimentId};
use crate::domain::statistics::random::Random;
use crate::domain::user::Caller;
use crate::store::{analyses, experiments};

/// Maximum number of pairs offered, which is more than anyone will judge.
const MAX_PAIRS: usize = 500;
/// Number of top configurations that are compared with each other. The current configuration is added if it is not one
/// of them.
const TOP_CONFIGURATIONS: usize = 4;

/// Two anonymous answers.
#[derive(Debug, Clone, PartialEq)]
pub struct BlindComparison {
    /// Index of the case that both answers are about.
    pub case: usize,
    /// Identifies the pair when the verdict is stored.
    pub token: String,
    /// The left and the right answer.
    pub answers: [String; 2],
    /// Number of pairs already judged.
    pub judged_count: usize,
    /// Number of pairs offered to the user, judged or not.
    pub offered_count: usize,
}

/// A user's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComparisonChoice {
    /// Left is better.
    Left,
    /// Right is better.
    Right,
    /// Neither is better.
    Tie,
    /// Show another pair first.
    Skip,
}

/// A case and two configurations to compare; the lower index comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ConfigurationPair {
    case: usize,
    first_index: usize,
    second_index: usize,
}

impl Experiments<'_> {
    /// Returns the next undecided pair after the one with the token `after`, starting over at the end; `None` once all
    /// pairs are decided.
    ///
    /// # Errors
    /// `Missing` for an unknown experiment. Also returns any error from the store.
    pub async fn next_comparison(
        &self,
        caller: &Caller,
        id: &ExperimentId,
        after: Option<&str>,
    ) -> Result<Option<BlindComparison>> {
        let view = self.show(&caller.user, id).await?;
        let pairs = pairs(&view);
        let is_open = |pair: &&ConfigurationPair| !is_decided(&view, **pair);
        let start = after.and_then(|token| pairs.iter().position(|pair| pair.token() == token));
        let (earlier_pairs, after_token) = pairs.split_at(start.map_or(0, |place| place + 1));
        let next = after_token
            .iter()
            .chain(earlier_pairs)
            .find(is_open)
            .copied();
        let Some(pair) = next else {
            return Ok(None);
        };
        let texts = self.answer_texts(&view, pair).await?;
        Ok(Some(BlindComparison {
            case: pair.case,
            token: pair.token(),
            answers: match pair.is_swapped(view.experiment.spec.seed) {
                true => [texts.1, texts.0],
                false => [texts.0, texts.1],
            },
            judged_count: pairs
                .iter()
                .filter(|&&pair| is_decided(&view, pair))
                .count(),
            offered_count: pairs.len(),
        }))
    }

    /// Stores a verdict, unless it is `Skip`, and returns the next pair.
    ///
    /// # Errors
    /// `BadInput` for an unknown pair, and the errors of [`Experiments::next_comparison`].
    pub async fn record_choice(
        &self,
        caller: &Caller,
        id: &ExperimentId,
        token: &str,
        choice: ComparisonChoice,
    ) -> Result<Option<BlindComparison>> {
        if choice != ComparisonChoice::Skip {
            let view = self.show(&caller.user, id).await?;
            let pair = pairs(&view).into_iter().find(|pair| pair.token() == token);
            let pair = pair.ok_or_else(|| {
                Error::field(
                    &["body", "token"],
                    "value_error",
                    "matches no pair of this experiment",
                )
            })?;
            let preferred = match choice {
                ComparisonChoice::Left => Preferred::First,
                ComparisonChoice::Right => Preferred::Second,
                _ => Preferred::Neither,
            };
            let is_swapped = pair.is_swapped(view.experiment.spec.seed);
            let judgment = Judgment {
                case: pair.case,
                first_index: pair.first_index,
                second_index: pair.second_index,
                preferred_side: if is_swapped {
                    preferred.swapped()
                } else {
                    preferred
                },
                judge: None,
            };
            let (id, now) = (id.clone(), clock::now());
            let written = self
                .0
                .store
                .write(move |db| experiments::store_judgment(db, &id, &judgment, now));
            written.await?;
        }
        self.next_comparison(caller, id, Some(token)).await
    }

    async fn answer_texts(
        &self,
        view: &ExperimentView,
        pair: ConfigurationPair,
    ) -> Result<(String, String)> {
        let analysis = |configuration: usize| -> Result<AnalysisId> {
            let mut evaluations = view.evaluations.iter();
            let evaluation = evaluations
                .find(|one| one.trial.case == pair.case && one.trial.arm == configuration);
            Ok(evaluation.ok_or_else(Error::missing)?.analysis.clone())
        };
        let (one, other) = (analysis(pair.first_index)?, analysis(pair.second_index)?);
        let user = view.experiment.user.clone();
        let read = self.0.store.read(move |db| {
            let first = analyses::synthesis_of(db, &user, &one)?;
            Ok((first, analyses::synthesis_of(db, &user, &other)?))
        });
        let (first, second) = read.await?;
        Ok((first.unwrap_or_default(), second.unwrap_or_default()))
    }
}

impl ConfigurationPair {
    // The token need not be secret: a user who wants to know which side is which can look at the cases anyway.
    fn token(&self) -> String {
        format!("{}.{}.{}", self.case, self.first_index, self.second_index)
    }
    fn is_swapped(&self, seed: u64) -> bool {
        let pair_key =
            (self.case as u64) << 32 | (self.first_index as u64) << 16 | self.second_index as u64;
        Random::new(seed ^ pair_key).next_unit() < 0.5
    }
}

/// Returns up to [`MAX_PAIRS`] pairs of the best configurations and the current one, on cases that both have answered,
/// in an order shuffled once with the seed.
fn pairs(view: &ExperimentView) -> Vec<ConfigurationPair> {
    let evaluated = view.report.leaderboard.iter().filter(|row| row.cases > 0);
    let mut best: Vec<usize> = evaluated
        .map(|row| row.index)
        .take(TOP_CONFIGURATIONS)
        .collect();
    let current = view.report.current;
    if !best.contains(&current) {
        best.push(current);
    }
    let answered = |one: &&Evaluation| one.outcome.is_some() && one.error.is_none();
    let answered: BTreeSet<Trial> = (view.evaluations.iter().filter(answered))
        .map(|one| one.trial)
        .collect();
    let answered = |configuration: usize, case: usize| {
        answered.contains(&Trial {
            arm: configuration,
            case,
        })
    };
    let mut pairs = Vec::new();
    for case in 0..view.cases.len() {
        for (place, &one) in best.iter().enumerate() {
            for &other in &best[place + 1..] {
                if answered(one, case) && answered(other, case) {
                    pairs.push(ConfigurationPair {
                        case,
                        first_index: one.min(other),
                        second_index: one.max(other),
                    });
                }
            }
        }
    }
    Random::new(view.experiment.spec.seed ^ 0xD0E1).shuffle(&mut pairs);
    pairs.truncate(MAX_PAIRS);
    pairs
}

fn is_decided(view: &ExperimentView, pair: ConfigurationPair) -> bool {
    view.judgments.iter().any(|judgment| {
        judgment.judge.is_none()
            && (judgment.case, judgment.first_index, judgment.second_index)
                == (pair.case, pair.first_index, pair.second_index)
    })
}
