//! Turns a request into a runnable experiment: expands and prices the configurations, reports errors, and forecasts
//! the result before anything is spent.

use std::collections::BTreeMap;

use serde_json::Value;

use super::checked_cases::checked_cases;
use super::forecast::{check_reach, stopping_rule_text, warnings};
use super::improvement::with_longest_prompts;
use super::request::request;
use super::{Experiments, llm_judge, rules};
use crate::app::{Error, Result};
use crate::clock;
use crate::crypto;
use crate::domain::experiment::design::Design;
use crate::domain::experiment::power::{self, Power};
use crate::domain::experiment::repeated_cases::RepeatedCases;
use crate::domain::experiment::scoring::JudgeMode;
use crate::domain::experiment::spec::{ExperimentSpec, MAX_NAME};
use crate::domain::experiment::successive_halving::SuccessiveHalving;
use crate::domain::experiment::{
    Case, Configuration, ExperimentBudget, ExperimentError, JudgeCost, Objective, Parameter,
    Scoring, SearchSpace, TrialOutcome, configuration_count, final_cases,
};
use crate::domain::id::{DocumentId, ExperimentId, UserId};
use crate::domain::money::MicroDollars;
use crate::domain::pattern::estimate;
use crate::domain::request::Request;
use crate::domain::usage;
use crate::domain::user::Caller;
use crate::store::documents;

/// Maximum number of configurations: each is planned and priced before the experiment starts.
const MAX_CONFIGURATIONS: usize = 2_000;
/// Default limit on evaluations if nothing costs money.
const DEFAULT_EVALUATIONS: u64 = 2_000;
/// Assumed duration of one stage of an analysis, in ms, for time budgets before any stage has been measured.
const DEFAULT_STAGE: u64 = 15_000;

/// Parameters of a new experiment, correctly typed but otherwise unchecked.
#[derive(Debug, Clone)]
pub struct ExperimentParams {
    /// Display name.
    pub name: String,
    /// The questions on which configurations are compared.
    pub cases: Vec<Case>,
    /// Parameters to vary.
    pub space: SearchSpace,
    /// Values common to all configurations.
    pub base: Request,
    /// The configuration currently in use.
    pub current: BTreeMap<Parameter, Value>,
    /// How answers are scored.
    pub evaluator: Scoring,
    /// What "best" means in this experiment.
    pub objective: Objective,
    /// Upper limits for cost, tokens, time, and evaluations.
    pub budget: ExperimentBudget,
    /// Score differences below this do not matter to the user; `None` for the default.
    pub indifference: Option<f64>,
    /// Acceptable probability that the race ends with a wrong result; `None` for the default.
    pub error_rate: Option<f64>,
    /// Random seed; `None` to generate one.
    pub seed: Option<u64>,
}

/// A valid experiment and its expected usage.
#[derive(Debug, Clone)]
pub struct ExperimentForecast {
    /// The complete specification.
    pub spec: ExperimentSpec,
    /// The configurations and rules of the race.
    pub design: Design,
    /// The questions on which configurations are compared.
    pub cases: Vec<Case>,
    /// Number of cases held out for the final comparison.
    pub holdout_count: usize,
    /// Upper bound on evaluations (one configuration on one case each).
    pub evaluations: u64,
    /// Expected cost; `None` if a price is unknown.
    pub cost: Option<MicroDollars>,
    /// Upper bound on the cost; `None` if a price is unknown.
    pub cost_at_most: Option<MicroDollars>,
    /// Expected number of tokens, input and output together.
    pub tokens: u64,
    /// Power of the final comparison.
    pub power: Power,
    /// The stopping rule, in words.
    pub stopping: String,
    /// Warnings to read before starting.
    pub warnings: Vec<String>,
}

/// Expected and maximum usage of one evaluation.
pub(super) struct EvaluationCost {
    pub(super) expected: TrialOutcome,
    pub(super) max: TrialOutcome,
    pub(super) is_priced: bool,
}

impl Experiments<'_> {
    /// Validates a request and prices its configurations.
    ///
    /// # Errors
    /// `BadInput` with the invalid field. Also returns any error from the store.
    pub(super) async fn validate_and_price(
        &self,
        caller: &Caller,
        params: ExperimentParams,
    ) -> Result<ExperimentForecast> {
        let cases = checked_cases(params.cases)?;
        if let Some(name) = params.base.field_outside_recipe() {
            let why = "an experiment cannot set this field";
            return Err(Error::field(&["body", "base", &name], "value_error", why));
        }
        let name = checked_name(&params.name)?;
        let mut spec = ExperimentSpec {
            name,
            space: params.space,
            base: params.base,
            current: params.current,
            evaluator: params.evaluator,
            objective: params.objective,
            budget: params.budget,
            indifference: checked_range(params.indifference, 0.02, (0.0, 0.5), "indifference")?,
            error_rate: checked_range(params.error_rate, 0.1, (0.001, 0.5), "wrong")?,
            seed: match params.seed {
                Some(seed) => seed,
                None => (crypto::random_number()? >> 80) as u64,
            },
            proposals: Vec::new(),
            repeated: RepeatedCases::default(),
        };
        check_objective(&spec.objective)?;
        let cases = match &spec.evaluator {
            Scoring::Rule(rule) => {
                let (cases, check_result) = rules::check_rule(rule, cases).await?;
                check_result.map_err(|error| experiment_error("evaluator", &error))?;
                cases
            }
            Scoring::Judge(_) => cases,
        };
        self.check_documents(&caller.user, &cases).await?;
        let cases = spec.without_repeats(cases);
        let configs = self.configurations(&caller.user, &spec)?;
        let current = spec
            .current_index(&configs)
            .map_err(|error| experiment_error("current", &error))?;
        let search = self.prompt_search(&caller.user, &spec, &configs, &cases)?;
        let mut costs = self
            .evaluation_costs(caller, &spec, &configs, &cases)
            .await?;
        if spec
            .evaluator
            .judge()
            .is_some_and(|judge| judge.kind == JudgeMode::Pairwise)
        {
            add_reference(&mut costs, current);
        }
        check_budget(&mut spec, &costs, configs.len(), cases.len())?;
        let design = Design {
            current,
            cases: cases.len(),
            objective: spec.objective,
            budget: spec.budget,
            declared: costs.iter().map(|cost| cost.max).collect(),
            indifference: spec.indifference,
            error_rate: spec.error_rate,
            seed: spec.seed,
            search,
            arms: configs,
        };
        check_reach(&design)?;
        // Compute the forecast on a blocking thread: simulating the final comparison may take several milliseconds.
        let task = tokio::task::spawn_blocking(move || forecast(spec, design, cases, &costs));
        task.await.map_err(Error::internal)
    }

    // Checks that the documents of all cases exist, because each configuration is planned for only one case.
    async fn check_documents(&self, user: &UserId, cases: &[Case]) -> Result<()> {
        let mut document_ids: Vec<(usize, DocumentId)> = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            for text in &case.documents {
                let id = DocumentId::parse(text).ok_or_else(|| no_document_error(index, text))?;
                document_ids.push((index, id));
            }
        }
        let user = user.clone();
        let missing = self.0.store.read(move |db| {
            for (index, id) in document_ids {
                if documents::by_id(db, &user, &id)?.is_none() {
                    return Ok(Some((index, id)));
                }
            }
            Ok(None)
        });
        match missing.await? {
            Some((index, id)) => Err(no_document_error(index, id.as_str())),
            None => Ok(()),
        }
    }

    // Expands all valid configurations. Parameters that a model does not support are left out.
    fn configurations(&self, user: &UserId, spec: &ExperimentSpec) -> Result<Vec<Configuration>> {
        let llm = &self.0.llm;
        let accepts_parameter = |name: &str, parameter: Parameter| {
            let names: Vec<&str> = match name {
                "" => spec.base.models.iter().map(String::as_str).collect(),
                name => vec![name],
            };
            let models = names
                .into_iter()
                .filter_map(|name| llm.find(Some(user), name));
            let field = match parameter {
                Parameter::Effort => "reasoning_effort",
                other => other.as_str(),
            };
            models.into_iter().all(|model| {
                model.parameters.is_empty() || model.parameters.iter().any(|known| known == field)
            })
        };
        let configs = spec
            .space
            .enumerate_configurations(&accepts_parameter)
            .map_err(|error| experiment_error("space", &error))?;
        if configs.len() > MAX_CONFIGURATIONS {
            return Err(experiment_error(
                "space",
                &ExperimentError::TooMany("configurations", MAX_CONFIGURATIONS),
            ));
        }
        if configs.len() < 2 && spec.space.improvement().is_none() {
            let why = "there is only one configuration: give a dial at least two values that its models support";
            return Err(Error::field(&["body", "space"], "value_error", why));
        }
        Ok(configs)
    }

    // Plans each configuration for the case with the most documents and, among equals, the longest question.
    async fn evaluation_costs(
        &self,
        caller: &Caller,
        spec: &ExperimentSpec,
        configs: &[Configuration],
        cases: &[Case],
    ) -> Result<Vec<EvaluationCost>> {
        let length = |case: &&Case| (case.documents.len(), case.prompt.len());
        let longest = cases.iter().max_by_key(length).ok_or_else(Error::missing)?;
        let judge_cost = self.judge_costs(&caller.user, spec, configs, cases)?;
        // Plan with padded prompts, because a proposed prompt can be longer than the original.
        let spec = &with_longest_prompts(spec);
        // The experiment does not exist yet, but the request must look like an experiment's, so that the user's
        // default recipe does not fill in its parameters.
        let placeholder_id = ExperimentId::new(clock::now(), 0);
        let mut costs = Vec::with_capacity(configs.len());
        for (index, configuration) in configs.iter().enumerate() {
            let (request, context) = request(spec, configuration, longest, &placeholder_id)?;
            let analyses = self.0.analyses();
            let forecast = analyses.forecast(Some(caller), request, context).await;
            let forecast = forecast.map_err(|error| locate_in_configuration(error, index))?;
            let (calls, stages) = (&forecast.calls, forecast.plan.stages.len() as u64);
            let expected = estimate::total_estimate(calls);
            let bound = estimate::upper_bound(calls);
            let tokens = calls.iter().map(|call| call.upper_bound_tokens);
            let tokens = tokens.fold(0, u64::saturating_add);
            let of = |cost: Option<MicroDollars>, tokens| TrialOutcome {
                score: 0.0,
                cost: cost.unwrap_or_default(),
                tokens,
                latency_ms: stages.max(1) * DEFAULT_STAGE,
                judged: judge_cost.map_or_else(JudgeCost::default, |bill| bill.unwrap_or_default()),
            };
            costs.push(EvaluationCost {
                expected: of(
                    expected.cost_usd,
                    (expected.input_tokens).saturating_add(expected.output_tokens),
                ),
                max: of(bound, tokens),
                is_priced: bound.is_some() && judge_cost != Some(None),
            });
            if index % 50 == 49 {
                // Yield between plans, so that thousands of them do not block other requests.
                tokio::task::yield_now().await;
            }
        }
        Ok(costs)
    }

    // Checks the judge, if there is one, and returns an upper bound on the cost of judging an answer. The inner
    // `Option` is `None` if the judge's price is unknown.
    fn judge_costs(
        &self,
        user: &UserId,
        spec: &ExperimentSpec,
        configs: &[Configuration],
        cases: &[Case],
    ) -> Result<Option<Option<JudgeCost>>> {
        let Some(judge) = spec.evaluator.judge() else {
            return Ok(None);
        };
        let max_tokens = llm_judge::max_input_tokens(cases);
        let error = |why: String| Error::field(&["body", "evaluator", "model"], "value_error", why);
        let llm = &self.0.llm;
        let Some(model) = llm.find(Some(user), &judge.model) else {
            return Err(error(format!("no model is called {:?}", judge.model)));
        };
        if model.mock {
            return Err(error("a demo algorithm cannot judge".to_owned()));
        }
        if judge.same_family || model.family.is_empty() {
            return Ok(Some(llm_judge::max_cost(
                judge,
                usage::price_of(&model),
                max_tokens,
            )));
        }
        for (index, configuration) in configs.iter().enumerate() {
            let names = spec.request_for(configuration).models;
            let mut authors = names.iter().filter_map(|name| llm.find(Some(user), name));
            if let Some(author) = authors.find(|author| author.family == model.family) {
                return Err(error(format!(
                    "{} is from the same family as {} in configuration {}, and judges favor their own: choose another judge, \
                     or set \"same_family\": true",
                    model.id,
                    author.id,
                    index + 1
                )));
            }
        }
        Ok(Some(llm_judge::max_cost(
            judge,
            usage::price_of(&model),
            max_tokens,
        )))
    }
}

// Adds the cost of the current configuration's answer, with which the judge compares every other answer.
fn add_reference(costs: &mut [EvaluationCost], current: usize) {
    let reference = JudgeCost {
        cost: costs[current].max.cost,
        tokens: costs[current].max.tokens,
    };
    for (index, cost) in costs.iter_mut().enumerate() {
        if index != current {
            cost.max.judged = cost.max.judged.saturating_add(reference);
        }
    }
}

fn no_document_error(index: usize, id: &str) -> Error {
    let printable_id: String = id.chars().filter(|c| !c.is_control()).take(60).collect();
    let why = format!("case {}: there is no document {printable_id:?}", index + 1);
    Error::field(&["body", "cases"], "unknown_document", why)
}

fn checked_name(name: &str) -> Result<String> {
    let name = name.trim();
    let name = match name {
        "" => format!("Experiment of {}", &clock::now().to_string()[..10]),
        name => name.to_owned(),
    };
    if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        let why = format!("at most {MAX_NAME} characters, none of them control characters");
        return Err(Error::field(&["body", "name"], "value_error", why));
    }
    Ok(name)
}

fn checked_range(value: Option<f64>, default: f64, range: (f64, f64), name: &str) -> Result<f64> {
    let value = value.unwrap_or(default);
    if (range.0..=range.1).contains(&value) {
        return Ok(value);
    }
    let why = format!("must be from {} to {}", range.0, range.1);
    Err(Error::field(&["body", name], "out_of_range", why))
}

fn check_objective(objective: &Objective) -> Result<()> {
    let Objective::Weighted {
        dollar,
        second,
        uses,
    } = objective
    else {
        return Ok(());
    };
    let is_valid_weight = |weight: &f64| weight.is_finite() && *weight >= 0.0;
    let why = if !is_valid_weight(dollar) || !is_valid_weight(second) {
        "weights must be numbers, 0 or greater"
    } else if uses.is_some() && *dollar == 0.0 {
        "uses also requires dollar to be more than 0"
    } else {
        return Ok(());
    };
    Err(Error::field(&["body", "objective"], "value_error", why))
}

// Checks that the budget can be enforced. Without a budget, limits the evaluations, or fails if anything costs money.
fn check_budget(
    spec: &mut ExperimentSpec,
    costs: &[EvaluationCost],
    configs: usize,
    cases: usize,
) -> Result<()> {
    let error = |why: String| Error::field(&["body", "budget"], "value_error", why);
    if spec.budget.cost.is_some()
        && let Some(index) = costs.iter().position(|cost| !cost.is_priced)
    {
        let why = format!(
            "the price of a model in configuration {} is unknown: set tokens or evaluations instead",
            index + 1
        );
        return Err(error(why));
    }
    if spec.budget == ExperimentBudget::default() {
        if costs
            .iter()
            .any(|cost| !cost.is_priced || cost.max.total_cost().0 > 0)
        {
            return Err(error(
                "set a budget: cost_usd, tokens, seconds, or evaluations".into(),
            ));
        }
        let all = (configs as u64).saturating_mul(cases as u64);
        spec.budget.evaluations = Some(all.min(DEFAULT_EVALUATIONS));
    }
    Ok(())
}

pub(super) fn forecast(
    spec: ExperimentSpec,
    design: Design,
    cases: Vec<Case>,
    costs: &[EvaluationCost],
) -> ExperimentForecast {
    let simulation = SuccessiveHalving::new(design.clone());
    let (order, holdout) = simulation.race_and_holdout_cases();
    let holdout_count = holdout.len();
    let count = costs.len() as u64;
    let configs = configuration_count(&design) as u64;
    let sum =
        |of: &dyn Fn(&EvaluationCost) -> u64| costs.iter().map(of).fold(0, u64::saturating_add);
    let mean = |of: &dyn Fn(&EvaluationCost) -> u64| (sum(of) / count.max(1)).max(1);
    let all = configs * order.len() as u64 + 2 * holdout_count as u64;
    let parts = [
        Some(all),
        spec.budget.evaluations,
        (spec.budget.cost)
            .map(|cost| cost.0 as u64 / mean(&|cost| cost.expected.total_cost().0 as u64)),
        (spec.budget.tokens).map(|tokens| tokens / mean(&|cost| cost.expected.total_tokens())),
        (spec.budget.latency_ms).map(|time| time / mean(&|cost| cost.expected.latency_ms)),
    ];
    let evaluations = parts.into_iter().flatten().min().unwrap_or(all);
    let is_priced = costs.iter().all(|cost| cost.is_priced);
    let times = |sum: u64| sum.saturating_mul(evaluations) / count.max(1);
    let total = times(sum(&|cost| cost.expected.total_cost().0 as u64)).min(i64::MAX as u64);
    let highest_cost = costs
        .iter()
        .map(|cost| cost.max.total_cost().0 as u64)
        .max();
    let max = (highest_cost.unwrap_or(0).saturating_mul(evaluations)).min(i64::MAX as u64) as i64;
    let search_cost = design.search.map_or(MicroDollars(0), |search| {
        let proposals = search.max_proposals as u32;
        search.declared.cost.saturating_mul(proposals)
    });
    let max = max.saturating_add(search_cost.0);
    let max = spec.budget.cost.map_or(max, |limit| max.min(limit.0));
    let total = (total.saturating_add(search_cost.0 as u64)).min(i64::MAX as u64);
    let scores = spec.evaluator.score_kind().with_objective(&spec.objective);
    let power = power::comparison_power(scores, final_cases(&design));
    ExperimentForecast {
        stopping: stopping_rule_text(&spec, &design),
        warnings: (spec.repeated.warning().into_iter())
            .chain(warnings(order.len(), power.cases, configs, evaluations))
            .collect(),
        cost: is_priced.then_some(MicroDollars(total as i64)),
        cost_at_most: is_priced.then_some(MicroDollars(max)),
        tokens: times(sum(&|cost| cost.expected.total_tokens())),
        evaluations,
        holdout_count,
        power,
        design,
        spec,
        cases,
    }
}

fn experiment_error(name: &'static str, error: &ExperimentError) -> Error {
    Error::field(&["body", name], "value_error", error.to_string())
}

fn locate_in_configuration(mut error: Error, index: usize) -> Error {
    error.public = format!("configuration {}: {}", index + 1, error.public);
    for field in &mut error.fields {
        field.message = format!("configuration {}: {}", index + 1, field.message);
    }
    error
}
