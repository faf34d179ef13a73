//! Model calls made on behalf of an experiment besides its evaluations: to judge an answer or to improve a prompt.
//! Each is a separate analysis that is priced, stored, and bounded like any other.

use super::waits::{ExperimentWaits, StepResult};
use crate::app::Kind;
use crate::app::analyses::Analyses;
use crate::domain::analysis::{CacheUse, Status};
use crate::domain::experiment::JudgeCost;
use crate::domain::experiment::record::Experiment;
use crate::domain::experiment::spec::PLAIN_PATTERN;
use crate::domain::parameters::Parameters;
use crate::domain::request::{Request, RunContext};
use crate::domain::user::{Caller, Role};
use crate::store::{Store, analyses as stored};

/// The context for one experiment's model calls.
pub(super) struct ModelCall<'a> {
    pub store: &'a Store,
    pub analyses: Analyses<'a>,
    pub waits: &'a ExperimentWaits,
    pub experiment: &'a Experiment,
}

/// The reply, or the reason why there is none, and its cost.
pub(super) type ModelReply = (std::result::Result<String, String>, JudgeCost);

impl ModelCall<'_> {
    /// Calls a model and waits for its reply, which has at most `max_tokens` tokens. Waits while the queue is full.
    ///
    /// # Errors
    /// [`Interrupt`](super::waits::Interrupt) if the experiment stops, pauses, or fails.
    pub async fn ask(
        &self,
        model: &str,
        prompt: String,
        max_tokens: u32,
    ) -> StepResult<ModelReply> {
        let request = Request {
            prompt,
            models: vec![model.to_owned()],
            pattern: Some(PLAIN_PATTERN.to_owned()),
            parameters: Parameters {
                max_tokens: Some(max_tokens),
                ..Parameters::default()
            },
            cache: CacheUse::On,
            detached: true,
            topic: Some("experiment".to_owned()),
            ..Request::default()
        };
        let context = RunContext {
            experiment: Some(self.experiment.id.clone()),
            ..RunContext::default()
        };
        let caller = Caller {
            user: self.experiment.user.clone(),
            role: Role::User,
            session: None,
            key: None,
        };
        let id = loop {
            self.waits.check_interrupt()?;
            let started =
                self.analyses
                    .start_for(&caller, request.clone(), context.clone(), |_, _| Ok(()));
            match started.await {
                Ok(id) => break id,
                // A full queue says nothing about the model, so try again.
                Err(error) if error.kind == Kind::Unavailable => {
                    self.waits.handle_refusal(error).await?
                }
                Err(error) => return Ok((Err(error.public), JudgeCost::default())),
            }
        };
        self.waits.wait_for_end(&id).await?;
        let (user, analysis_id) = (self.experiment.user.clone(), id);
        let read = self
            .store
            .read(move |db| stored::by_id(db, Some(&user), &analysis_id));
        let Some(done) = read.await? else {
            let why = "its analysis was deleted".to_owned();
            return Ok((Err(why), JudgeCost::default()));
        };
        let bill = JudgeCost {
            cost: done.cost,
            tokens: done.usage.input + done.usage.output,
        };
        let reply = match (done.status, done.synthesis) {
            (Status::Completed, Some(text)) => Ok(text),
            (_, _) => Err(done.error.unwrap_or_else(|| "it did not answer".to_owned())),
        };
        Ok((reply, bill))
    }
}
