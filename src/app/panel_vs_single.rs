//! Panel versus single model: blind comparisons of a panel's answer with the best single draft, and statistics of
//! the users' votes, computed by `domain::panel_vs_single`.

use super::analyses::Analyses;
use super::{Error, Kind, Result};
use crate::crypto;
use crate::domain::ballot::StoredVote;
use crate::domain::ballot::calibration::{CaseVote, VoteCalibration};
use crate::domain::case_folding::fold_case;
use crate::domain::experiment::repeated_cases::question_key;
use crate::domain::id::AnalysisId;
use crate::domain::panel_vs_single::pair::AnswerPair;
use crate::domain::panel_vs_single::{PanelJudgment, Preference, several, single};
use crate::domain::time::Timestamp;
use crate::domain::user::Caller;
pub use crate::store::comparisons::{Comparison, ComparisonScope, TopicCount};
use crate::store::model_records::ScoredVote;
use crate::store::{Store, StoreError, Writer, audit, comparisons, model_records};

/// Use cases for blind comparisons: create a comparison, vote, and evaluate the votes.
#[derive(Clone, Copy)]
pub struct Comparisons<'a> {
    pub(super) store: &'a Store,
    pub(super) analyses: Analyses<'a>,
    /// The server's interval: a comparison is offered for one in this many analyses; 0 means never.
    pub(super) compare_every: u64,
}

/// A side of a comparison, or a tie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComparisonSide {
    /// The text shown first.
    Left,
    /// The text shown second.
    Right,
    /// No preference.
    Tie,
}

/// A comparison with its texts.
#[derive(Debug, Clone)]
pub struct ComparisonView {
    /// The comparison as stored.
    pub comparison: Comparison,
    /// The text shown first.
    pub left: String,
    /// The text shown second.
    pub right_text: String,
}

/// The votes on one topic or on all topics, with their evaluation.
#[derive(Debug, Clone)]
pub struct TopicRow {
    /// The topic with its votes and their costs.
    pub count: TopicCount,
    /// The evaluation of the votes.
    pub judgment: PanelJudgment,
    /// Cost of the panels divided by the cost of the single drafts, if known.
    pub cost_multiple: Option<f64>,
}

/// The evaluation of panels versus single models, in total and by topic.
#[derive(Debug, Clone)]
pub struct PanelVsSingleReport {
    /// All topics combined.
    pub overall: TopicRow,
    /// The individual topics, those with the most votes first.
    pub topics: Vec<TopicRow>,
}

impl Comparisons<'_> {
    /// Creates a blind comparison of an analysis's answer with its best single draft, in random order, or returns the
    /// existing comparison.
    ///
    /// # Errors
    /// `Missing` if the caller has no such analysis; `Conflict` if its answers cannot be compared.
    pub async fn compare(
        &self,
        caller: &Caller,
        id: &AnalysisId,
        now: Timestamp,
    ) -> Result<ComparisonView> {
        let report = self.analyses.show(caller, id).await?;
        let (analysis, draft) = (&report.analysis, report.best_single());
        AnswerPair::new(analysis, draft)
            .map_err(|error| Error::new(Kind::Conflict, error.to_string()))?;
        let draft = draft.ok_or_else(Error::missing)?;
        let new = Comparison {
            analysis: id.clone(),
            user: caller.user.clone(),
            topic: analysis.request.topic().to_owned(),
            pattern: analysis.plan.pattern.clone(),
            model: draft.model.clone(),
            stage: draft.stage,
            member: draft.member,
            panel_first: crypto::random_number()? & 1 == 0,
            panel_cost: single::uncached_total(&analysis.plan, &report.answers),
            single_cost: single::uncached_cost(&analysis.plan, draft),
            created: now,
            choice: None,
        };
        let write_result = self
            .store
            .write(move |db| comparisons::insert(db, &new))
            .await;
        write_result?;
        self.existing_comparison(caller, id).await
    }

    async fn existing_comparison(
        &self,
        caller: &Caller,
        id: &AnalysisId,
    ) -> Result<ComparisonView> {
        self.comparison(caller, id).await?.ok_or_else(|| {
            Error::new(Kind::Missing, "this analysis has no comparison")
                .resolve("create it with POST")
        })
    }

    /// Returns the comparison of an analysis, if there is one.
    ///
    /// # Errors
    /// `Missing` if the caller has no such analysis; `Conflict` if its answers cannot be compared.
    pub async fn comparison(
        &self,
        caller: &Caller,
        id: &AnalysisId,
    ) -> Result<Option<ComparisonView>> {
        let report = self.analyses.show(caller, id).await?;
        let (user, id) = (caller.user.clone(), id.clone());
        let lookup = self
            .store
            .read(move |db| comparisons::of_analysis(db, &user, &id));
        let Some(comparison) = lookup.await? else {
            return Ok(None);
        };
        // Use the draft chosen when the comparison was created, even if another is the strongest now.
        let position = (comparison.stage, comparison.member);
        let mut answers = report.answers.iter();
        let draft = answers.find(|answer| (answer.stage, answer.member) == position);
        let AnswerPair {
            panel,
            single_draft: single,
        } = AnswerPair::new(&report.analysis, draft)
            .map_err(|error| Error::new(Kind::Conflict, error.to_string()))?;
        let (left, right) = if comparison.panel_first {
            (panel, single)
        } else {
            (single, panel)
        };
        Ok(Some(ComparisonView {
            comparison,
            left,
            right_text: right,
        }))
    }

    /// Stores a vote permanently; the returned comparison reveals which text was which.
    ///
    /// # Errors
    /// `Missing` if the analysis has no comparison; `Conflict` if there already is a vote.
    pub async fn vote(
        &self,
        caller: &Caller,
        id: &AnalysisId,
        side: ComparisonSide,
        now: Timestamp,
    ) -> Result<ComparisonView> {
        let view = self.existing_comparison(caller, id).await?;
        let choice = side.preference(view.comparison.panel_first);
        let entry = audit::AuditEntry {
            at: now,
            actor: Some(caller.user.clone()),
            action: "comparison.vote".to_owned(),
            target: id.as_str().to_owned(),
            ..audit::AuditEntry::default()
        };
        let (user, analysis_id) = (caller.user.clone(), id.clone());
        let decided = self.store.write(move |db| {
            comparisons::store_vote(db, &user, &analysis_id, choice, now)?;
            audit::append(db, &entry)
        });
        match decided.await {
            Err(StoreError::Conflict(_)) => Err(Error::new(
                Kind::Conflict,
                "this comparison already has a vote, and a second one would not be blind",
            )),
            decided => {
                decided?;
                self.existing_comparison(caller, id).await
            }
        }
    }

    /// Returns the interval at which a user is offered a comparison (one in this many analyses), and whether the
    /// user has set it.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn compare_interval(&self, caller: &Caller) -> Result<(u64, bool)> {
        let user = caller.user.clone();
        let user_interval = self
            .store
            .read(move |db| comparisons::compare_interval(db, &user));
        let user_interval = user_interval.await?;
        Ok((
            user_interval.unwrap_or(self.compare_every),
            user_interval.is_some(),
        ))
    }

    /// Sets the interval at which the user is offered a comparison; `None` restores the server default.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub async fn set_compare_interval(&self, caller: &Caller, interval: Option<u64>) -> Result<()> {
        let user = caller.user.clone();
        let set = move |db: &Writer| comparisons::set_compare_interval(db, &user, interval);
        Ok(self.store.write(set).await?)
    }

    /// Returns how often this user's panels voted correctly on cases with a known answer.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn calibration(&self, caller: &Caller) -> Result<VoteCalibration> {
        let user = caller.user.clone();
        let votes = self
            .store
            .read(move |db| model_records::scored_votes(db, &user));
        let votes = votes.await?.into_iter().filter_map(case_vote);
        Ok(VoteCalibration::from_votes(votes))
    }

    /// Evaluates the votes on panels versus single models, in total and by topic.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn verdicts(&self, scope: ComparisonScope) -> Result<PanelVsSingleReport> {
        let topic = fold_case(&scope.topic);
        let lookup = self.store.read(move |db| {
            let votes = |by_topic| -> std::result::Result<_, StoreError> {
                let blind = comparisons::blind_votes(db, &scope, by_topic)?;
                Ok((blind, comparisons::helpful_votes(db, &scope, by_topic)?))
            };
            // The correction for multiple comparisons counts all topics even if only one is requested, because the user
            // can look at each of them.
            let all_topics = ComparisonScope {
                topic: String::new(),
                ..scope.clone()
            };
            Ok((
                votes(false)?,
                votes(true)?,
                comparisons::blind_votes(db, &all_topics, true)?,
            ))
        });
        let ((all, all_helped), (topics, helped), all_topics) = lookup.await?;
        let order = TopicOrder::from_counts(all_topics);
        let overall = join_counts(all, all_helped).pop().unwrap_or_default();
        let correction = order.correction_for(&topic);
        let row = |count: TopicCount| {
            TopicRow::from_count(order.correction_for(&fold_case(&count.topic)), count)
        };
        Ok(PanelVsSingleReport {
            overall: TopicRow::from_count(correction, overall),
            topics: join_counts(topics, helped).into_iter().map(row).collect(),
        })
    }
}

fn case_vote(vote: ScoredVote) -> Option<CaseVote> {
    let outcome = StoredVote::recount(&vote.plan, &vote.answers)?.outcome;
    Some(CaseVote {
        question: question_key(&vote.case),
        votes_cast: outcome.count.votes_cast(),
        is_tie: outcome.is_tie(),
        is_correct: vote.is_right,
    })
}

/// Topics with a blind vote, case-folded, in the order of their first vote.
struct TopicOrder(Vec<String>);

impl TopicOrder {
    fn from_counts(mut topics: Vec<TopicCount>) -> Self {
        topics.sort_by(|one, other| {
            (one.first_vote, &one.topic).cmp(&(other.first_vote, &other.topic))
        });
        Self(topics.iter().map(|count| fold_case(&count.topic)).collect())
    }

    // Returns the multiple-comparisons correction for a topic; an empty topic stands for the total.
    fn correction_for(&self, topic: &str) -> several::MultiplicityCorrection {
        let topic_index = self.0.iter().position(|one| one == topic);
        let topic_index = match topic {
            "" => 0,
            _ => topic_index.map_or(self.0.len() + 1, |at| at + 1),
        };
        several::MultiplicityCorrection::for_topic(topic_index, self.0.len())
    }
}

impl ComparisonSide {
    /// Returns the preference that choosing this side expresses.
    pub fn preference(self, panel_first: bool) -> Preference {
        match (self, panel_first) {
            (ComparisonSide::Tie, _) => Preference::Tie,
            (ComparisonSide::Left, true) | (ComparisonSide::Right, false) => Preference::Panel,
            (ComparisonSide::Left, false) | (ComparisonSide::Right, true) => Preference::Single,
        }
    }
}

impl TopicRow {
    fn from_count(correction: several::MultiplicityCorrection, count: TopicCount) -> Self {
        let (panel, single) = (count.panel_cost.dollars(), count.single_cost.dollars());
        Self {
            judgment: count.tally.judge_with(correction),
            cost_multiple: (single > 0.0).then(|| panel / single),
            count,
        }
    }
}

// Merges the counts of blind and of helpful votes by topic, ignoring case.
fn join_counts(blind: Vec<TopicCount>, helped: Vec<TopicCount>) -> Vec<TopicCount> {
    let mut all = blind;
    for topic_count in helped {
        let topic = fold_case(&topic_count.topic);
        let has_same_topic = |existing: &&mut TopicCount| fold_case(&existing.topic) == topic;
        match all.iter_mut().find(has_same_topic) {
            Some(existing) => {
                (existing.helpful, existing.not_helpful) =
                    (topic_count.helpful, topic_count.not_helpful);
            }
            None => all.push(topic_count),
        }
    }
    all
}
