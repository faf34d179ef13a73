//! Computes the findings (with the evidence map) and citations of a finished run.

use super::Journal;
use crate::domain::analysis::{Plan, StageAnswer};
use crate::domain::citation::{self, Citations};
use crate::domain::event::RunEvent;
use crate::domain::evidence::{EvidenceMap, EvidenceStatus};
use crate::domain::findings::Findings;
use crate::domain::id::{DocumentId, UserId};
use crate::domain::pattern::PatternOutcome;
use crate::log;
use crate::store::{Reader, StoreError, analyses, documents};

impl Journal {
    // Inserts an event with the evidence map before the last buffered event, which ends the run. Does nothing if no
    // judge was called.
    pub(super) fn push_evidence_ready(&mut self, evidence: &EvidenceMap) {
        let was_made = matches!(
            evidence.status,
            EvidenceStatus::Judged | EvidenceStatus::Failed
        );
        let last = self.events.len().saturating_sub(1);
        if was_made && !self.events.is_empty() {
            let evidence = Box::new(evidence.clone());
            self.events
                .insert(last, RunEvent::EvidenceReady { evidence });
        }
    }

    // Computes the findings and citations on a reader thread, because comparing long answers takes longer than events
    // may be delayed. Returns `None` on failure.
    pub(super) async fn compute_findings(
        &self,
        outcome: &PatternOutcome,
    ) -> Option<(Findings, Option<Citations>)> {
        let (id, outcome) = (self.id.clone(), outcome.clone());
        let unstored_answers = [self.pending_answers(), self.answers.clone()].concat();
        let user = self.user.clone();
        let durations = self.durations.clone();
        let lookup = self.store.read(move |db| {
            let analysis = analyses::load_unfinished(db, &id)?.ok_or(StoreError::Missing)?;
            let mut answers = analyses::answers_of(db, &id)?;
            let is_newer = |answer: &StageAnswer| {
                let slot = |stored: &StageAnswer| (stored.stage, stored.member);
                unstored_answers
                    .iter()
                    .any(|newer| slot(newer) == slot(answer))
            };
            answers.retain(|answer| !is_newer(answer));
            answers.extend(unstored_answers);
            answers.sort_by_key(|answer| (answer.stage, answer.member));
            let findings =
                Findings::from_answers(&analysis.plan, &answers, outcome.synthesis.as_deref());
            let checked_citations =
                user.map(|user| citations(db, &user, &analysis.plan, &answers, &outcome));
            Ok((
                findings
                    .with_durations(&durations)
                    .with_notes(&outcome.totals),
                checked_citations.flatten(),
            ))
        });
        match lookup.await {
            Ok(findings) => Some(findings),
            // The answer is useful even without findings.
            Err(error) => {
                let error = format!("{error:?}");
                log::warn("no findings", &[("analysis", &self.id), ("fault", &error)]);
                None
            }
        }
    }
}

// Checks the citations; `None` if no documents were provided.
fn citations(
    db: &Reader,
    user: &UserId,
    plan: &Plan,
    answers: &[StageAnswer],
    outcome: &PatternOutcome,
) -> Option<Citations> {
    plan.all_sources().next()?;
    let last = plan.stages.len().saturating_sub(1);
    let synthesis = outcome
        .synthesis
        .as_deref()
        .map(|text| citation::CitingText {
            stage: last,
            member: None,
            text,
        });
    let members = answers
        .iter()
        .filter(|answer| answer.answered() && answer.stage < last);
    let members = members.map(|answer| citation::CitingText {
        stage: answer.stage,
        member: Some(answer.member),
        text: &answer.text,
    });
    let mut page = |id: &DocumentId, number: u32| {
        // Treat an unreadable page as missing, so that nothing is reported as verified.
        let found = documents::page_of(db, user, id, number).ok().flatten();
        found.map(|page| citation::CitedPage {
            text: page.text,
            is_recognized: documents::is_recognized(db, user, id, number).unwrap_or(false),
        })
    };
    Some(citation::check_citations(
        plan,
        synthesis.into_iter().chain(members),
        &mut page,
    ))
}
