//! Improves a prompt: shows a model the failures chosen by the race, and adds the prompt that it proposes. Every
//! proposal is stored before the race uses it, so that a resumed experiment has the same prompts.

use super::model_call::ModelCall;
use super::runner::{ExperimentRunner, MAX_FAILURES};
use super::waits::{Interrupt, RETRY_INTERVAL, StepResult};
use super::{ExperimentProgress, llm_judge};
use crate::app::{Error, Result};
use crate::domain::chat::Usage;
use crate::domain::chat::estimate_tokens;
use crate::domain::experiment::prompt_search::{MAX_PROMPT_LENGTH, MAX_SHOWN_FAILURES, Reflection};
use crate::domain::experiment::reflection::{self, Failure};
use crate::domain::experiment::spec::PromptProposal;
use crate::domain::experiment::{Case, JudgeCost, Parameter, Trial};
use crate::domain::money::Price;
use crate::domain::recipe::QUESTION_PLACEHOLDER;
use crate::store::{analyses, experiments};

/// Maximum number of tokens in a proposal: its reasoning and a prompt.
const MAX_REPLY_TOKENS: u32 = 3_000;
/// Maximum number of tokens in Quire's own instructions to the writer.
const INSTRUCTION_TOKENS: u64 = 600;

impl ExperimentRunner<'_> {
    /// Requests an improved prompt from the model and passes the proposal to the race.
    ///
    /// # Errors
    /// [`Interrupt`] if the experiment stops, pauses, or fails.
    pub(super) async fn improve(&mut self, reflection: Reflection) -> StepResult<()> {
        self.waits.wait_for_slot().await?;
        let Some(search) = self.experiment.spec.space.improvement().cloned() else {
            return Err(
                Error::internal("a race without a prompt search asked for a prompt").into(),
            );
        };
        let request = self.request_of(&reflection).await?;
        let call = ModelCall {
            store: &self.app.store,
            analyses: self.app.analyses(),
            waits: &self.waits,
            experiment: &self.experiment,
        };
        let (reply, bill) = call.ask(&search.model, request, MAX_REPLY_TOKENS).await?;
        let cost = self.failed_proposal_cost.saturating_add(bill);
        let reply = match reply {
            Ok(reply) => reply,
            // An outage says nothing about the prompt, so try again later.
            Err(why) => {
                self.failed_proposal_cost = cost;
                self.failures += 1;
                if self.failures >= MAX_FAILURES {
                    let why = format!("{} could not improve a prompt: {why}", search.model);
                    return Err(Interrupt::Paused(why));
                }
                return self
                    .waits
                    .pause(RETRY_INTERVAL * self.failures as u32)
                    .await;
            }
        };
        self.failed_proposal_cost = JudgeCost::default();
        self.failures = 0;
        let read = reflection::parse_proposal(&reply);
        Ok(self
            .accept(PromptProposal {
                parent: reflection.parent,
                refused: read.as_ref().err().map(|why| (*why).to_owned()),
                prompt: read.ok(),
                cost,
            })
            .await?)
    }

    async fn accept(&mut self, proposal: PromptProposal) -> Result<()> {
        let mut spec = self.experiment.spec.clone();
        let step = spec.add_proposal(proposal);
        let (id, stored_spec) = (self.experiment.id.clone(), spec.clone());
        let pending_write = self
            .app
            .store
            .write(move |db| experiments::set_spec(db, &id, &stored_spec));
        pending_write.await?;
        self.experiment.spec = spec;
        if !self.race.propose(step) {
            return Err(Error::internal("the race did not ask for this proposal"));
        }
        self.show_progress();
        Ok(())
    }

    async fn request_of(&self, reflection: &Reflection) -> Result<String> {
        let mut failures = Vec::new();
        for trial in &reflection.shown_trials {
            let Some(case) = self.cases.get(trial.case) else {
                continue;
            };
            let outcome = self.race.results().get(trial);
            failures.push(Failure {
                case,
                answer: self.text_of(trial).await?,
                score: outcome.map_or(0.0, |outcome| outcome.score),
            });
        }
        let spec = &self.experiment.spec;
        let configuration = self.race.design().arms.get(reflection.parent);
        let prompt = configuration
            .and_then(|configuration| spec.space.value(configuration, Parameter::Prompt)?.as_str());
        let prompt = prompt.unwrap_or(QUESTION_PLACEHOLDER);
        Ok(reflection::reflection_prompt(
            prompt,
            &failures,
            &llm_judge::nonce()?,
        ))
    }

    async fn text_of(&self, trial: &Trial) -> Result<Option<String>> {
        let Some(analysis) = self.answers.get(trial).cloned() else {
            return Ok(None);
        };
        let user = self.experiment.user.clone();
        let read = self
            .app
            .store
            .read(move |db| analyses::synthesis_of(db, &user, &analysis));
        Ok(read.await?)
    }

    /// Publishes the progress of the race.
    pub(super) fn show_progress(&self) {
        self.progress.send_replace(ExperimentProgress::from_race(
            &self.experiment.spec,
            &self.race,
        ));
    }
}

/// Returns an upper bound on the cost and the tokens of one proposal. The cost is `None` if the writer's price is
/// unknown.
pub(super) fn max_cost(price: Option<Price>, cases: &[Case]) -> (Option<JudgeCost>, u64) {
    let shown_bytes =
        |text: &str| estimate_tokens(&text.chars().take(MAX_PROMPT_LENGTH).collect::<String>());
    let longest = cases.iter().map(|case| {
        let expected = case.expected.as_deref().map_or(0, shown_bytes);
        // The answers are not known yet: assume one token per character of their limit, which is safe in every
        // script.
        shown_bytes(&case.prompt) + expected + MAX_PROMPT_LENGTH as u64
    });
    let input = INSTRUCTION_TOKENS
        + MAX_PROMPT_LENGTH as u64
        + MAX_SHOWN_FAILURES as u64 * longest.max().unwrap_or(0);
    let tokens = input + u64::from(MAX_REPLY_TOKENS);
    let usage = Usage {
        input,
        output: MAX_REPLY_TOKENS.into(),
        ..Usage::default()
    };
    let bill = price.map(|price| JudgeCost {
        cost: price.cost(&usage),
        tokens,
    });
    (bill, tokens)
}
