//! LLM judge: each judgment is a separate analysis that is priced, stored, and bounded like any other.
//! `domain::experiment::judge_prompts` defines the prompts and parses the replies.

use super::model_call::ModelCall;
use super::waits::{ExperimentWaits, StepResult};
use crate::app::Result;
use crate::app::analyses::Analyses;
use crate::crypto;
use crate::domain::chat::estimate_tokens;
use crate::domain::experiment::judge_prompts::{self, Probe};
use crate::domain::experiment::pairwise::Preferred;
use crate::domain::experiment::record::Experiment;
use crate::domain::experiment::scoring::{JudgeMode, JudgeSpec};
use crate::domain::experiment::{Case, JudgeCost};
use crate::domain::money::Price;
use crate::domain::prompt::PEER_BUDGET;
use crate::store::Store;

/// Maximum number of tokens in a judge's reply. The judge solves the question itself before it compares the answers.
pub(super) const MAX_REPLY_TOKENS: u32 = 2_000;
/// Maximum number of tokens in Quire's own instructions to a judge.
const INSTRUCTION_TOKENS: u64 = 600;
/// Scores (0 to 1) that differ by less than this count as equal.
const TIE_MARGIN: f64 = 0.06;

/// A judge model, with the experiment for which it judges.
pub(super) struct LlmJudge<'a> {
    pub store: &'a Store,
    pub analyses: Analyses<'a>,
    pub waits: &'a ExperimentWaits,
    pub experiment: &'a Experiment,
    pub judge: &'a JudgeSpec,
}

/// The outcome of one judgment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JudgeOpinion<T> {
    /// The verdict, or why there is none.
    pub result: std::result::Result<T, JudgeError>,
    /// Cost of the judgment.
    pub cost: JudgeCost,
    /// Whether swapping the answers changed the verdict.
    pub is_flipped: bool,
}

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JudgeError {
    /// The judge could not be called or did not answer.
    Failed(String),
    /// The judge's reply cannot be parsed.
    Unreadable(&'static str),
}

impl LlmJudge<'_> {
    /// Compares two answers. A pairwise judge sees them in both orders, and a changed verdict counts as a tie; a rubric
    /// judge scores each answer.
    ///
    /// # Errors
    /// [`Interrupt`](super::waits::Interrupt) if the experiment stops, pauses, or fails.
    pub async fn compare(
        &self,
        case: &Case,
        first: &str,
        second: &str,
    ) -> StepResult<JudgeOpinion<Preferred>> {
        if self.judge.kind == JudgeMode::Rubric {
            return self.compare_by_rubric(case, first, second).await;
        }
        let nonce = nonce()?;
        let first_reply = self
            .ask(judge_prompts::pairwise_prompt(case, first, second, &nonce))
            .await?;
        let (first_reply, mut bill) = (
            first_reply
                .0
                .and_then(|text| checked_reply(judge_prompts::parse_preference(&text))),
            first_reply.1,
        );
        if let Err(judge_error) = first_reply {
            return Ok(failed_opinion(judge_error, bill));
        }
        let swapped_reply = self
            .ask(judge_prompts::pairwise_prompt(case, second, first, &nonce))
            .await?;
        bill = bill.saturating_add(swapped_reply.1);
        let swapped_reply = swapped_reply
            .0
            .and_then(|text| checked_reply(judge_prompts::parse_preference(&text)));
        Ok(match (first_reply, swapped_reply) {
            (Ok(first_reply), Ok(swapped_reply)) => JudgeOpinion {
                result: Ok(Preferred::from_both_orders(first_reply, swapped_reply)),
                is_flipped: first_reply != swapped_reply.swapped(),
                cost: bill,
            },
            (Err(judge_error), _) | (_, Err(judge_error)) => failed_opinion(judge_error, bill),
        })
    }

    /// Scores one answer against a rubric, from 0 to 1.
    ///
    /// # Errors
    /// Same as [`LlmJudge::compare`].
    pub async fn score(&self, case: &Case, answer: &str) -> StepResult<JudgeOpinion<f64>> {
        let (text, bill) = self
            .ask(judge_prompts::rubric_prompt(case, answer, &nonce()?))
            .await?;
        Ok(JudgeOpinion {
            result: text.and_then(|text| checked_reply(judge_prompts::parse_marks(&text))),
            is_flipped: false,
            cost: bill,
        })
    }

    /// Whether a planted bias misleads the judge; `None` without a verdict.
    ///
    /// # Errors
    /// Same as [`LlmJudge::compare`].
    pub async fn is_misled(
        &self,
        case: &Case,
        probe: &Probe,
    ) -> StepResult<(Option<bool>, JudgeCost)> {
        let opinion = self
            .compare(case, &probe.first_answer, &probe.second_answer)
            .await?;
        let is_misled = opinion
            .result
            .ok()
            .map(|reply| judge_prompts::is_fooled(probe, reply));
        Ok((is_misled, opinion.cost))
    }

    async fn compare_by_rubric(
        &self,
        case: &Case,
        first: &str,
        second: &str,
    ) -> StepResult<JudgeOpinion<Preferred>> {
        let first_score = self.score(case, first).await?;
        let other = self.score(case, second).await?;
        let bill = first_score.cost.saturating_add(other.cost);
        Ok(match (first_score.result, other.result) {
            (Ok(first_score), Ok(other)) => JudgeOpinion {
                result: Ok(match first_score - other {
                    difference if difference > TIE_MARGIN => Preferred::First,
                    difference if difference < -TIE_MARGIN => Preferred::Second,
                    _ => Preferred::Neither,
                }),
                is_flipped: false,
                cost: bill,
            },
            (Err(judge_error), _) | (_, Err(judge_error)) => failed_opinion(judge_error, bill),
        })
    }

    async fn ask(
        &self,
        prompt: String,
    ) -> StepResult<(std::result::Result<String, JudgeError>, JudgeCost)> {
        let call = ModelCall {
            store: self.store,
            analyses: self.analyses,
            waits: self.waits,
            experiment: self.experiment,
        };
        let (reply, bill) = call
            .ask(&self.judge.model, prompt, MAX_REPLY_TOKENS)
            .await?;
        Ok((reply.map_err(JudgeError::Failed), bill))
    }
}

fn failed_opinion<T>(judge_error: JudgeError, bill: JudgeCost) -> JudgeOpinion<T> {
    JudgeOpinion {
        result: Err(judge_error),
        is_flipped: false,
        cost: bill,
    }
}

fn checked_reply<T>(
    reply: std::result::Result<T, &'static str>,
) -> std::result::Result<T, JudgeError> {
    reply.map_err(JudgeError::Unreadable)
}

/// Returns a random fence marker, which no answer can predict.
///
/// # Errors
/// Returns an error if the system provides no random numbers.
pub(super) fn nonce() -> Result<String> {
    Ok(crypto::hex(&crypto::random_number()?.to_be_bytes()[..8]))
}

/// Returns an upper bound on the input tokens of judging any of these cases. This covers the question, its reference
/// answer, two answers of maximum length, and Quire's own instructions. The answers are assumed to have as many
/// tokens per character as the question.
pub(super) fn max_input_tokens(cases: &[Case]) -> u64 {
    let tokens = |case: &Case| {
        let question = estimate_tokens(&case.prompt);
        let letters = case.prompt.chars().count().max(1) as u64;
        let answers = 2 * PEER_BUDGET as u64;
        let answers = (answers * question)
            .div_ceil(letters)
            .clamp(answers / 4, answers);
        let expected: String = (case.expected.iter())
            .flat_map(|expected| expected.chars().take(judge_prompts::MAX_REFERENCE_CHARS))
            .collect();
        INSTRUCTION_TOKENS + question + estimate_tokens(&expected) + answers
    };
    cases.iter().map(tokens).max().unwrap_or(INSTRUCTION_TOKENS)
}

/// Returns an upper bound on the cost of judging one answer with this many input tokens; `None` if the judge's price
/// is unknown.
pub(super) fn max_cost(
    judge: &JudgeSpec,
    price: Option<Price>,
    max_input: u64,
) -> Option<JudgeCost> {
    let usage = crate::domain::chat::Usage {
        input: max_input,
        output: MAX_REPLY_TOKENS.into(),
        ..Default::default()
    };
    let calls = match judge.kind {
        JudgeMode::Pairwise => 2_u32,
        JudgeMode::Rubric => 1,
    };
    Some(JudgeCost {
        cost: price?.cost(&usage).saturating_mul(calls),
        tokens: (max_input + u64::from(MAX_REPLY_TOKENS)) * u64::from(calls),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judge_prompts_stay_within_the_estimated_tokens() {
        let nonce = nonce().expect("a nonce");
        let judge = JudgeSpec {
            kind: JudgeMode::Pairwise,
            model: "p/judge".to_owned(),
            same_family: false,
        };
        for (sample, times) in [
            ("What? ", 1),
            ("What? ", 30_000),
            ("何が", 40),
            ("Größe ", 500),
        ] {
            let case = Case {
                prompt: sample.repeat(times),
                expected: Some(sample.repeat(5_000)),
                ..Case::default()
            };
            let answer = sample.repeat(9_000);
            let upper_bound = max_input_tokens(std::slice::from_ref(&case));
            let text = judge_prompts::pairwise_prompt(&case, &answer, &answer, &nonce);
            let real = estimate_tokens(&text);
            assert!(
                real <= upper_bound && upper_bound < real * 2 + 2_000,
                "{sample}: {real} of {upper_bound}"
            );
            assert!(
                estimate_tokens(&judge_prompts::rubric_prompt(&case, &answer, &nonce))
                    <= upper_bound
            );
            let bill = worst_case_cost(&judge, upper_bound);
            assert_eq!(bill.tokens, 2 * (upper_bound + u64::from(MAX_REPLY_TOKENS)));
        }
        // A user may enter an absurd price.
        let absurd_price = Price {
            input: 1e18,
            output: 1e18,
            ..Price::default()
        };
        let bill = super::max_cost(&judge, Some(absurd_price), 1_000).expect("a price");
        assert_eq!(bill.cost, crate::domain::money::MicroDollars(i64::MAX));
    }

    fn worst_case_cost(judge: &JudgeSpec, max_input: u64) -> JudgeCost {
        super::max_cost(judge, Some(Price::default()), max_input).expect("a price")
    }
}
