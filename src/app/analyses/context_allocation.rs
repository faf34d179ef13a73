//! Allocates document context to the members according to their context windows, or divides the documents into parts
//! that the panel reads one by one. A member whose context window has no room for any of the documents is skipped and
//! listed in the notes.

use std::collections::BTreeMap;

use super::Analyses;
use super::check::CheckedRequest;
use crate::app::{Error, Result};
use crate::domain::analysis::Member;
use crate::domain::chat::{SourcePassage, estimate_tokens};
use crate::domain::context_mode::{
    self, ContextChoice, ContextMode, DocumentSizes, Fit, MemberFit, MemberNeeds,
};
use crate::domain::id::UserId;
use crate::domain::money::Price;
use crate::domain::pattern::reading;
use crate::domain::retrieval::record::RetrievalRecord;
use crate::domain::thread;

/// Output tokens reserved for an answer if the request sets no limit and the model's own limit is not lower; at most a
/// quarter of the context window.
const ANSWER_TOKENS: u64 = 4_096;
/// Assumed length of another member's answer, in tokens.
const PEER_ANSWER_TOKENS: u64 = 700;

/// What each member reads of the documents, with notes about anything left out.
#[derive(Debug, Default)]
pub(super) struct ContextAllocation {
    pub sources: Vec<SourcePassage>,
    pub member_passages: Vec<Vec<SourcePassage>>,
    pub parts: Vec<Vec<SourcePassage>>,
    pub readers: Vec<Member>,
    pub member_fits: Vec<MemberFit>,
    pub notes: Vec<String>,
    pub retrieval: Option<RetrievalRecord>,
}

/// The panel: its members and the synthesizer.
pub(super) struct PlannedPanel<'a> {
    pub members: &'a mut Vec<Member>,
    pub synthesizer: &'a mut Member,
    /// Whether later stages read the members' earlier answers.
    pub reads_peers: bool,
    /// Tokens that each model has for a thread's earlier turns; empty outside of threads.
    pub history_tokens: &'a BTreeMap<String, u64>,
}

impl Analyses<'_> {
    /// Chooses what each member reads of the documents, and removes members that have no room for any of them. Without
    /// documents, allocates nothing.
    ///
    /// # Errors
    /// Returns an error if the documents cannot be read, or if the synthesizer or every member has no room for any of
    /// them.
    pub(super) async fn allocate_context(
        &self,
        user: Option<&UserId>,
        new: &CheckedRequest,
        panel: PlannedPanel<'_>,
    ) -> Result<ContextAllocation> {
        match user {
            // Boxed, so that a request without documents does not need the memory of one with documents.
            Some(user) if !new.documents.is_empty() => {
                Box::pin(self.allocate_documents(user, new, panel)).await
            }
            _ => Ok(ContextAllocation::default()),
        }
    }

    async fn allocate_documents(
        &self,
        user: &UserId,
        new: &CheckedRequest,
        panel: PlannedPanel<'_>,
    ) -> Result<ContextAllocation> {
        let document_sizes = self.documents.sizes_of(user, &new.documents).await?;
        if document_sizes.chars == 0 {
            return Ok(ContextAllocation::default());
        }
        if new.request.reading == ContextMode::Parts
            && new.request.passages.is_none()
            && let Some(allocation) = self
                .split_into_parts(user, new, document_sizes, &panel)
                .await?
        {
            return Ok(allocation);
        }
        // The documents are read in parts only if there are at least two; a single part would contain everything.
        let mode = match new.request.reading {
            _ if new.request.passages.is_some() => ContextMode::Passages,
            ContextMode::Parts => ContextMode::Whole,
            other => other,
        };
        self.allocate_passages(user, new, (mode, document_sizes), panel)
            .await
    }

    async fn allocate_passages(
        &self,
        user: &UserId,
        new: &CheckedRequest,
        (mode, volume): (ContextMode, DocumentSizes),
        panel: PlannedPanel<'_>,
    ) -> Result<ContextAllocation> {
        let mut allocation = ContextAllocation::default();
        let texts = panel.members.len() as u64;
        let choice = |member: &Member| {
            context_mode::choose_fit(
                mode,
                volume,
                self.member_needs(user, new, member, &panel, texts),
            )
        };
        let choices: Vec<ContextChoice> = panel.members.iter().map(&choice).collect();
        let writer = choice(panel.synthesizer);
        require_any_fit(&choices, panel.members)?;
        if writer.fit == Fit::Cannot {
            return Err(no_room_error(&panel.synthesizer.model, &writer.reason));
        }
        let mut budgets: Vec<usize> = Vec::new();
        for choice in choices.iter().chain([&writer]) {
            let budget = passage_budget(choice);
            if choice.fit != Fit::Cannot && !budgets.contains(&budget) {
                budgets.push(budget);
            }
        }
        // The largest allocation is stored in `sources`, which the pages show.
        budgets.sort_unstable_by_key(|&budget| std::cmp::Reverse(budget));
        let passage_list_index = |choice: &ContextChoice| {
            let budget = passage_budget(choice);
            budgets.iter().position(|&size| size == budget).unwrap_or(0) as u32
        };
        let assigned = panel.members.iter_mut().zip(&choices);
        for (member, fit_choice) in assigned.chain([(&mut *panel.synthesizer, &writer)]) {
            member.reads = passage_list_index(fit_choice);
            for fallback in &mut member.fallbacks {
                // A fallback's context window holds at least as much as the member was allocated.
                fallback.reads = member.reads;
            }
            allocation.member_fits.push(MemberFit {
                model: member.model.clone(),
                fit: fit_choice.fit,
                why: fit_choice.reason.clone(),
            });
        }
        remove_unfit_members(panel.members, &choices, &mut allocation.notes);
        self.choose_passages(
            user,
            new,
            (panel.members.as_slice(), budgets),
            &mut allocation,
        )
        .await?;
        if allocation
            .member_fits
            .iter()
            .any(|member_fit| member_fit.fit != Fit::Whole)
        {
            allocation
                .notes
                .push(reading_note(&allocation.sources, volume));
        }
        Ok(allocation)
    }

    // Selects the passages for each budget, largest first, and records how they were found.
    async fn choose_passages(
        &self,
        user: &UserId,
        new: &CheckedRequest,
        (members, budgets): (&[Member], Vec<usize>),
        allocation: &mut ContextAllocation,
    ) -> Result<()> {
        // If every member reads the full text, there is nothing to select.
        let needs_selection = allocation
            .member_fits
            .iter()
            .any(|member_fit| member_fit.fit != Fit::Whole);
        let (meaning, retrieval) = match needs_selection {
            true => self.question_embedding(user, new, members).await?,
            false => (None, None),
        };
        let notes = &mut allocation.notes;
        notes.extend(retrieval.as_ref().map(RetrievalRecord::note));
        allocation.retrieval = retrieval;
        for budget in budgets {
            let documents = self.documents;
            let (ids, question) = (&new.documents, &new.request.prompt);
            let chosen_passages =
                documents.passages_for(user, ids, question, budget, meaning.clone());
            let mut chosen_passages = chosen_passages.await?;
            chosen_passages.truncate(
                new.request
                    .passages
                    .map_or(usize::MAX, |max_passages| max_passages as usize),
            );
            allocation.member_passages.push(chosen_passages);
        }
        allocation.sources = match allocation.member_passages.is_empty() {
            true => Vec::new(),
            false => allocation.member_passages.remove(0),
        };
        Ok(())
    }

    // Divides the documents into parts; `None` if one part would suffice.
    async fn split_into_parts(
        &self,
        user: &UserId,
        new: &CheckedRequest,
        document_sizes: DocumentSizes,
        panel: &PlannedPanel<'_>,
    ) -> Result<Option<ContextAllocation>> {
        let mut readers: Vec<Member> = Vec::new();
        for member in panel.members.iter() {
            if readers.iter().all(|known| known.model != member.model) {
                readers.push(Member {
                    sample: 0,
                    ..member.clone()
                });
            }
        }
        let base_needs = |member: &Member| self.member_needs(user, new, member, panel, 0);
        readers.retain(|member| {
            context_mode::part_size(document_sizes, &[base_needs(member)]).is_some()
        });
        let needs: Vec<MemberNeeds> = readers.iter().map(base_needs).collect();
        let Some(chars) = context_mode::part_size(document_sizes, &needs) else {
            return Err(no_room_error(
                &panel.members[0].model,
                "its context window is too small for even one part",
            ));
        };
        let documents = self.documents;
        let parts = documents.parts_of(user, &new.documents, chars).await?;
        if parts.len() < 2 {
            return Ok(None);
        }
        check_count(parts.len())?;
        // Every member reads the notes on all parts.
        let notes = reading::notes_budget(parts.len()) as u64 / 4 * parts.len() as u64;
        let texts = panel.members.len() as u64;
        let panel_members = panel.members.iter().chain([&*panel.synthesizer]);
        for member in panel_members.clone() {
            let member_needs = self.member_needs(user, new, member, panel, texts);
            if member_needs
                .available_tokens()
                .is_some_and(|history_budget| history_budget < notes)
            {
                let why = format!(
                    "its context window of {} tokens has no room for the notes on {} parts",
                    member_needs.window,
                    parts.len()
                );
                return Err(no_room_error(&member.model, &why));
            }
        }
        let why = format!(
            "read in {} parts by the panel; every member gets the notes",
            parts.len()
        );
        let member_fit = |member: &Member| MemberFit {
            model: member.model.clone(),
            fit: Fit::Parts,
            why: why.clone(),
        };
        Ok(Some(ContextAllocation {
            member_fits: panel_members.map(member_fit).collect(),
            readers: (0..parts.len())
                .map(|part| reader_of_part(&readers, part))
                .collect(),
            parts,
            ..ContextAllocation::default()
        }))
    }

    pub(super) fn member_needs(
        &self,
        user: &UserId,
        new: &CheckedRequest,
        member: &Member,
        panel: &PlannedPanel<'_>,
        texts: u64,
    ) -> MemberNeeds {
        let model = self.llm.find(Some(user), &member.model);
        let model = model.unwrap_or_default();
        // The known context windows of the fallbacks. The smallest window among them and the member's own applies.
        let windows = member.fallbacks.iter().filter_map(|fallback| {
            let fallback_model = self.llm.find(Some(user), &fallback.model)?;
            (fallback_model.context_window > 0).then_some(fallback_model.context_window)
        });
        let answer_tokens = match (model.max_output, model.context_window) {
            (0, 0) => ANSWER_TOKENS,
            (0, window) => ANSWER_TOKENS.min(window / 4),
            (max_passages, window) => max_passages.min(ANSWER_TOKENS).min(window / 4),
        };
        let peers = if panel.reads_peers { texts } else { 0 };
        let history_budget = panel.history_tokens.get(&member.model);
        let earlier_tokens = history_budget.map_or(0, |&history_budget| {
            thread::thread_tokens(&new.context.turns, history_budget)
        });
        MemberNeeds {
            window: match model.context_window {
                0 => 0,
                own_window => windows.fold(own_window, u64::min),
            },
            output: member
                .parameters
                .max_tokens
                .map_or(answer_tokens, u64::from),
            question: estimate_tokens(&new.request.prompt) + earlier_tokens,
            peers: peers * PEER_ANSWER_TOKENS,
            affordable_tokens: affordable_input_tokens(
                new,
                model.price.as_ref(),
                panel.members.len(),
            ),
        }
    }
}

// Returns the note about how much of the documents was read.
fn reading_note(sources: &[SourcePassage], document_sizes: DocumentSizes) -> String {
    let chars: u64 = sources
        .iter()
        .map(|source| source.text.chars().count() as u64)
        .sum();
    format!(
        "passages were chosen for the question: at most {} of the documents' {} characters were read",
        chars.min(document_sizes.chars),
        document_sizes.chars
    )
}

// Returns the document tokens that half of the budget pays for, assuming that every member and the synthesis read the
// same amount; the other half is for the answers.
fn affordable_input_tokens(
    new: &CheckedRequest,
    price: Option<&Price>,
    members: usize,
) -> Option<u64> {
    let dollars = new.budget?.dollars() / 2.0 / (members as f64 + 1.0);
    let input = price
        .map(|price| price.input)
        .filter(|input| *input > 0.0)?;
    Some((dollars / input * 1e6) as u64)
}

// Returns the budget for passages in characters, including the framing around each passage.
fn passage_budget(choice: &ContextChoice) -> usize {
    match choice.fit {
        Fit::Whole => 2 * choice.chars + context_mode::PASSAGES_BUDGET,
        _ => choice.chars,
    }
}

fn reader_of_part(readers: &[Member], part: usize) -> Member {
    let mut ordered = readers.to_vec();
    ordered.rotate_left(part % readers.len());
    let mut first = ordered.remove(0);
    first.sample = (part / readers.len()) as u32;
    first
        .fallbacks
        .extend(ordered.into_iter().map(|reader| Member {
            fallbacks: Vec::new(),
            ..reader
        }));
    first
}

fn check_count(parts: usize) -> Result<()> {
    if parts <= reading::MAX_PARTS {
        return Ok(());
    }
    let why = format!(
        "for this panel, the documents have to be divided into {parts} parts; the maximum is {}",
        reading::MAX_PARTS
    );
    Err(Error::field(&["body", "reading"], "too_long", why).resolve(
        "choose models with larger context windows, fewer documents, or the reading mode `passages`",
    ))
}

fn require_any_fit(choices: &[ContextChoice], members: &[Member]) -> Result<()> {
    if choices.iter().any(|choice| choice.fit != Fit::Cannot) {
        return Ok(());
    }
    Err(no_room_error(&members[0].model, &choices[0].reason))
}

fn no_room_error(model: &str, why: &str) -> Error {
    Error::field(
        &["body", "models"],
        "context_too_small",
        format!("{model} cannot take these documents: {why}"),
    )
    .resolve("choose a model with a larger context window, or fewer documents")
}

fn remove_unfit_members(
    members: &mut Vec<Member>,
    choices: &[ContextChoice],
    notes: &mut Vec<String>,
) {
    let mut choices = choices.iter();
    members.retain(|member| match choices.next() {
        Some(choice) if choice.fit == Fit::Cannot => {
            notes.push(format!(
                "{} was not asked, because it cannot take these documents: {}",
                member.model, choice.reason
            ));
            false
        }
        _ => true,
    });
}
