//! What an experiment has found: read from the store, with the words of judges and the answers themselves.

use std::collections::BTreeMap;

use super::{Experiments, Progress, race_of};
use crate::app::{Error, Result};
use crate::domain::experiment::calibration::{Calibration, calibrate};
use crate::domain::experiment::pairwise::{Match, Preferred};
use crate::domain::experiment::record::{Evaluation, Experiment, Judgment};
use crate::domain::experiment::report::{self, Report};
use crate::domain::experiment::{Case, Cell, race::Race};
use crate::domain::id::{ExperimentId, UserId};
use crate::store::{analyses, experiments};

/// An experiment with everything that is known of it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The experiment.
    pub experiment: Experiment,
    /// Its cases.
    pub cases: Vec<Case>,
    /// What was begun and what is done.
    pub evaluations: Vec<Evaluation>,
    /// What judges said.
    pub judgments: Vec<Judgment>,
    /// The race with everything that is recorded.
    pub race: Race,
    /// How far it is.
    pub progress: Progress,
    /// What it has found.
    pub report: Report,
    /// How far its scores agree with what the person said.
    pub calibration: Calibration,
}

/// An evaluation with what was answered.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The evaluation.
    pub evaluation: Evaluation,
    /// The answer; none where there is none.
    pub text: Option<String>,
}

impl Experiments<'_> {
    /// One experiment of this person.
    pub async fn show(&self, user: &UserId, id: &ExperimentId) -> Result<Shown> {
        let (user, id) = (user.clone(), id.clone());
        let found = self.0.store.read(move |db| {
            let Some(experiment) = experiments::by_id(db, &user, &id)? else {
                return Ok(None);
            };
            let cases = experiments::cases_of(db, &id)?;
            let evaluations = experiments::evaluations_of(db, &id)?;
            let judgments = experiments::judgments_of(db, &id)?;
            Ok(Some((experiment, cases, evaluations, judgments)))
        });
        let found = found.await?.ok_or_else(Error::missing)?;
        // A thousand cases of a hundred settings are a while's work, and others are served meanwhile.
        let worked = tokio::task::spawn_blocking(move || worked_out(found));
        worked.await.map_err(Error::internal)
    }

    /// What each setting answered to one case.
    pub async fn answers(&self, shown: &Shown, case: usize) -> Result<Vec<Answered>> {
        let of_case = shown.evaluations.iter().filter(|one| one.cell.case == case);
        let wanted: Vec<Evaluation> = of_case.cloned().collect();
        let user = shown.experiment.user.clone();
        let read = self.0.store.read(move |db| {
            let answered = wanted.into_iter().map(|evaluation| {
                let text = analyses::synthesis_of(db, &user, &evaluation.analysis)?;
                Ok(Answered { evaluation, text })
            });
            answered.collect()
        });
        Ok(read.await?)
    }
}

type Stored = (Experiment, Vec<Case>, Vec<Evaluation>, Vec<Judgment>);

fn worked_out((experiment, cases, evaluations, judgments): Stored) -> Shown {
    let race = race_of(&experiment, &evaluations);
    let failed = evaluations.iter().filter(|one| one.error.is_some());
    let failed = failed.map(|one| one.cell).collect();
    let space = &experiment.spec.space;
    Shown {
        calibration: calibrate(&labelled(&judgments, &race)),
        report: report::report(&race, space, &failed, &matches_of(&judgments)),
        progress: Progress::of(&experiment.spec, &race),
        race,
        experiment,
        cases,
        evaluations,
        judgments,
    }
}

/// What judges and the person preferred. Where both have judged a pair, the person's word holds.
fn matches_of(judgments: &[Judgment]) -> Vec<Match> {
    let mut words: BTreeMap<(usize, usize, usize), &Judgment> = BTreeMap::new();
    for one in judgments {
        let known = words
            .entry((one.case, one.first, one.second))
            .or_insert(one);
        if one.judge.is_none() {
            *known = one;
        }
    }
    let found = words.into_values().map(|one| Match {
        case: one.case,
        first: one.first,
        second: one.second,
        preferred: one.preferred,
    });
    found.collect()
}

/// What the person said of pairs, beside what the judge said of them, or else what their scores say.
fn labelled(judgments: &[Judgment], race: &Race) -> Vec<(Preferred, Preferred)> {
    let own = judgments.iter().filter(|one| one.judge.is_none());
    let labels = own.filter_map(|own| {
        let same = |one: &&Judgment| {
            one.judge.is_some()
                && (one.case, one.first, one.second) == (own.case, own.first, own.second)
        };
        if let Some(other) = judgments.iter().find(same) {
            return Some((own.preferred, other.preferred));
        }
        let score = |arm: usize| {
            let cell = Cell {
                arm,
                case: own.case,
            };
            race.results().get(&cell).map(|outcome| outcome.score)
        };
        let (first, second) = (score(own.first)?, score(own.second)?);
        let scored = match first - second {
            apart if apart > SAME => Preferred::First,
            apart if apart < -SAME => Preferred::Second,
            _ => Preferred::Neither,
        };
        Some((own.preferred, scored))
    });
    labels.collect()
}

/// Scores that differ less are the same.
const SAME: f64 = 1e-9;
