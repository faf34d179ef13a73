//! Turns a request into a runnable experiment: expands and prices the configurations, reports errors, and forecasts
//! the result before anything is spent.

use std::collections::BTreeMap;

use serde_json::Value;

use super::checked_cases::checked_cases;
use super::forecast::{check_reach, stopping, warnings};
use super::improvement::padded_spec;
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
const MAX_SETTINGS: usize = 2_000;
/// Default limit on evaluations if nothing costs money.
const DEFAULT_EVALUATIONS: u64 = 2_000;
/// Assumed duration of one stage of an analysis, in ms, for time budgets before any stage has been measured.
const DEFAULT_STAGE: u64 = 15_000;

/// The request, correctly typed but otherwise unchecked.
#[derive(Debug, Clone)]
pub struct ExperimentParams {
    /// Display name.
    pub name: String,
    /// The test cases.
    pub cases: Vec<Case>,
    /// Parameters to vary.
    pub space: SearchSpace,
    /// Values common to all configurations.
    pub base: Request,
    /// The configuration currently in use.
    pub current: BTreeMap<Parameter, Value>,
    /// Evaluator.
    pub evaluator: Scoring,
    /// Objective to maximize.
    pub objective: Objective,
    /// Budget.
    pub budget: ExperimentBudget,
    /// Score differences below this are irrelevant.
    pub indifference: Option<f64>,
    /// Acceptable probability that the race ends with a wrong result.
    pub error_rate: Option<f64>,
    /// Random seed.
    pub seed: Option<u64>,
}

/// A valid experiment and its expected usage.
#[derive(Debug, Clone)]
pub struct ExperimentForecast {
    /// The complete specification.
    pub spec: ExperimentSpec,
    /// Design of the race.
    pub design: Design,
    /// The test cases.
    pub cases: Vec<Case>,
    /// Cases held out for the final comparison.
    pub holdout_count: usize,
    /// Upper bound on evaluations (one configuration on one case each).
    pub evaluations: u64,
    /// Expected cost; `None` if a price is unknown.
    pub cost: Option<MicroDollars>,
    /// Upper bound on the cost; `None` if nothing bounds it.
    pub cost_at_most: Option<MicroDollars>,
    /// Expected tokens.
    pub tokens: u64,
    /// Power of the final comparison.
    pub power: Power,
    /// The stopping rule, in words.
    pub stopping: String,
    /// Warnings to read before starting.
    pub warnings: Vec<String>,
}

/// Expected and maximum cost of one evaluation.
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
        if let Some(name) = params.base.field_beyond_recipe() {
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
            wrong: checked_range(params.error_rate, 0.1, (0.001, 0.5), "wrong")?,
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
                let (cases, checked) = rules::check_rule(rule, cases).await?;
                checked.map_err(|error| experiment_error("evaluator", &error))?;
                cases
            }
            Scoring::Judge(_) => cases,
        };
        self.check_documents(&caller.user, &cases).await?;
        let cases = spec.without_repeats(cases);
        let arms = self.configurations(&caller.user, &spec)?;
        let current = spec
            .current_of(&arms)
            .map_err(|error| experiment_error("current", &error))?;
        let search = self.prompt_search(&caller.user, &spec, &arms, &cases)?;
        let mut loads = self.evaluation_costs(caller, &spec, &arms, &cases).await?;
        if spec
            .evaluator
            .judge()
            .is_some_and(|judge| judge.kind == JudgeMode::Pairwise)
        {
            add_reference(&mut loads, current);
        }
        check_budget(&mut spec, &loads, arms.len(), cases.len())?;
        let design = Design {
            current,
            cases: cases.len(),
            objective: spec.objective,
            budget: spec.budget,
            declared: loads.iter().map(|load| load.max).collect(),
            indifference: spec.indifference,
            wrong: spec.wrong,
            seed: spec.seed,
            search,
            arms,
        };
        check_reach(&design)?;
        // Simulates the final comparison, which may take several milliseconds.
        let worked = tokio::task::spawn_blocking(move || forecast(spec, design, cases, &loads));
        worked.await.map_err(Error::internal)
    }

    // Each configuration is planned with only one case, so the documents of all cases are checked here.
    async fn check_documents(&self, user: &UserId, cases: &[Case]) -> Result<()> {
        let mut wanted: Vec<(usize, DocumentId)> = Vec::new();
        for (place, case) in cases.iter().enumerate() {
            for text in &case.documents {
                let id = DocumentId::parse(text).ok_or_else(|| no_document_error(place, text))?;
                wanted.push((place, id));
            }
        }
        let user = user.clone();
        let missing = self.0.store.read(move |db| {
            for (place, id) in wanted {
                if documents::by_id(db, &user, &id)?.is_none() {
                    return Ok(Some((place, id)));
                }
            }
            Ok(None)
        });
        match missing.await? {
            Some((place, id)) => Err(no_document_error(place, id.as_str())),
            None => Ok(()),
        }
    }

    // Expands all valid configurations; parameters that a model does not support are left out.
    fn configurations(&self, user: &UserId, spec: &ExperimentSpec) -> Result<Vec<Configuration>> {
        let llm = &self.0.llm;
        let takes = |name: &str, dial: Parameter| {
            let names: Vec<&str> = match name {
                "" => spec.base.models.iter().map(String::as_str).collect(),
                name => vec![name],
            };
            let models = names
                .into_iter()
                .filter_map(|name| llm.find(Some(user), name));
            let word = match dial {
                Parameter::Effort => "reasoning_effort",
                other => other.as_str(),
            };
            models.into_iter().all(|model| {
                model.parameters.is_empty() || model.parameters.iter().any(|known| known == word)
            })
        };
        let arms = spec
            .space
            .enumerate_configurations(&takes)
            .map_err(|error| experiment_error("space", &error))?;
        if arms.len() > MAX_SETTINGS {
            return Err(experiment_error(
                "space",
                &ExperimentError::TooMany("settings", MAX_SETTINGS),
            ));
        }
        if arms.len() < 2 && spec.space.improvement().is_none() {
            let why = "there is only one setting: give an axis at least two values that its models support";
            return Err(Error::field(&["body", "space"], "value_error", why));
        }
        Ok(arms)
    }

    // Plans each configuration for the case with the longest question, which bounds all other cases.
    async fn evaluation_costs(
        &self,
        caller: &Caller,
        spec: &ExperimentSpec,
        arms: &[Configuration],
        cases: &[Case],
    ) -> Result<Vec<EvaluationCost>> {
        let length = |case: &&Case| (case.documents.len(), case.prompt.len());
        let longest = cases.iter().max_by_key(length).ok_or_else(Error::missing)?;
        let judged = self.judge_costs(&caller.user, spec, arms, cases)?;
        // A proposed prompt can be longer than the original.
        let spec = &padded_spec(spec);
        // The experiment does not exist yet, but the request must look like an experiment's, so that the user's
        // default recipe does not fill in its parameters.
        let nobody = ExperimentId::new(clock::now(), 0);
        let mut loads = Vec::with_capacity(arms.len());
        for (place, arm) in arms.iter().enumerate() {
            let (request, context) = request(spec, arm, longest, &nobody)?;
            let analyses = self.0.analyses();
            let forecast = analyses.forecast(Some(caller), request, context).await;
            let forecast = forecast.map_err(|error| locate_in_configuration(error, place))?;
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
                judged: judged.map_or_else(JudgeCost::default, |bill| bill.unwrap_or_default()),
            };
            loads.push(EvaluationCost {
                expected: of(
                    expected.cost_usd,
                    (expected.input_tokens).saturating_add(expected.output_tokens),
                ),
                max: of(bound, tokens),
                is_priced: bound.is_some() && judged != Some(None),
            });
            if place % 50 == 49 {
                // Yield between plans, so that thousands of them do not block other requests.
                tokio::task::yield_now().await;
            }
        }
        Ok(loads)
    }

    // Returns an upper bound on the cost of judging an answer, if there is a judge; the inner `Option` is `None` if
    // its price is unknown.
    fn judge_costs(
        &self,
        user: &UserId,
        spec: &ExperimentSpec,
        arms: &[Configuration],
        cases: &[Case],
    ) -> Result<Option<Option<JudgeCost>>> {
        let Some(judge) = spec.evaluator.judge() else {
            return Ok(None);
        };
        let asked = llm_judge::max_input_tokens(cases);
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
                asked,
            )));
        }
        for (place, arm) in arms.iter().enumerate() {
            let names = spec.body_of(arm).models;
            let mut authors = names.iter().filter_map(|name| llm.find(Some(user), name));
            if let Some(author) = authors.find(|author| author.family == model.family) {
                return Err(error(format!(
                    "{} is of the same family as {} in setting {}, and judges favor their own: choose another, \
                     or set \"same_family\": true",
                    model.id,
                    author.id,
                    place + 1
                )));
            }
        }
        Ok(Some(llm_judge::max_cost(
            judge,
            usage::price_of(&model),
            asked,
        )))
    }
}

// Once the current configuration has left the race, its answers are requested only for comparison.
fn add_reference(loads: &mut [EvaluationCost], current: usize) {
    let reference = JudgeCost {
        cost: loads[current].max.cost,
        tokens: loads[current].max.tokens,
    };
    for (place, load) in loads.iter_mut().enumerate() {
        if place != current {
            load.max.judged = load.max.judged.saturating_add(reference);
        }
    }
}

fn no_document_error(place: usize, id: &str) -> Error {
    let shown: String = id.chars().filter(|c| !c.is_control()).take(60).collect();
    let why = format!("case {}: there is no document {shown:?}", place + 1);
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

fn checked_range(given: Option<f64>, usual: f64, range: (f64, f64), name: &str) -> Result<f64> {
    let value = given.unwrap_or(usual);
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
    let is_weight = |weight: &f64| weight.is_finite() && *weight >= 0.0;
    let why = if !is_weight(dollar) || !is_weight(second) {
        "weights must be numbers of at least 0"
    } else if uses.is_some() && *dollar == 0.0 {
        "uses needs a price of points: set dollar to more than 0"
    } else {
        return Ok(());
    };
    Err(Error::field(&["body", "objective"], "value_error", why))
}

// Checks that something bounds the experiment: if nothing costs money, the number of evaluations does.
fn check_budget(
    spec: &mut ExperimentSpec,
    loads: &[EvaluationCost],
    arms: usize,
    cases: usize,
) -> Result<()> {
    let error = |why: String| Error::field(&["body", "budget"], "value_error", why);
    if spec.budget.cost.is_some()
        && let Some(place) = loads.iter().position(|load| !load.is_priced)
    {
        let why = format!(
            "the price of a model in setting {} is unknown: set tokens or evaluations instead",
            place + 1
        );
        return Err(error(why));
    }
    if spec.budget == ExperimentBudget::default() {
        if loads
            .iter()
            .any(|load| !load.is_priced || load.max.whole_cost().0 > 0)
        {
            return Err(error(
                "set a budget: cost_usd, tokens, seconds or evaluations".into(),
            ));
        }
        let all = (arms as u64).saturating_mul(cases as u64);
        spec.budget.evaluations = Some(all.min(DEFAULT_EVALUATIONS));
    }
    Ok(())
}

pub(super) fn forecast(
    spec: ExperimentSpec,
    design: Design,
    cases: Vec<Case>,
    loads: &[EvaluationCost],
) -> ExperimentForecast {
    let race = SuccessiveHalving::new(design.clone());
    let (order, held) = race.race_and_holdout_cases();
    let held_back = held.len();
    let count = loads.len() as u64;
    let arms = configuration_count(&design) as u64;
    let sum =
        |of: &dyn Fn(&EvaluationCost) -> u64| loads.iter().map(of).fold(0, u64::saturating_add);
    let each = |of: &dyn Fn(&EvaluationCost) -> u64| (sum(of) / count.max(1)).max(1);
    let all = arms * order.len() as u64 + 2 * held_back as u64;
    let parts = [
        Some(all),
        spec.budget.evaluations,
        (spec.budget.cost)
            .map(|cost| cost.0 as u64 / each(&|load| load.expected.whole_cost().0 as u64)),
        (spec.budget.tokens).map(|tokens| tokens / each(&|load| load.expected.whole_tokens())),
        (spec.budget.latency_ms).map(|time| time / each(&|load| load.expected.latency_ms)),
    ];
    let evaluations = parts.into_iter().flatten().min().unwrap_or(all);
    let is_priced = loads.iter().all(|load| load.is_priced);
    let times = |sum: u64| sum.saturating_mul(evaluations) / count.max(1);
    let dear = times(sum(&|load| load.expected.whole_cost().0 as u64)).min(i64::MAX as u64);
    let highest_cost = loads
        .iter()
        .map(|load| load.max.whole_cost().0 as u64)
        .max();
    let most = (highest_cost.unwrap_or(0).saturating_mul(evaluations)).min(i64::MAX as u64) as i64;
    let written = design.search.map_or(MicroDollars(0), |search| {
        search.declared.cost.saturating_mul(search.most as u32)
    });
    let most = most.saturating_add(written.0);
    let most = spec.budget.cost.map_or(most, |limit| most.min(limit.0));
    let dear = dear.saturating_add(written.0 as u64).min(i64::MAX as u64);
    let scores = spec.evaluator.score_kind().with_objective(&spec.objective);
    let power = power::comparison_power(scores, final_cases(&design));
    ExperimentForecast {
        stopping: stopping(&spec, &design),
        warnings: (spec.repeated.warning().into_iter())
            .chain(warnings(order.len(), power.cases, arms, evaluations))
            .collect(),
        cost: is_priced.then_some(MicroDollars(dear as i64)),
        cost_at_most: is_priced.then_some(MicroDollars(most)),
        tokens: times(sum(&|load| load.expected.whole_tokens())),
        evaluations,
        holdout_count: held_back,
        power,
        design,
        spec,
        cases,
    }
}

fn experiment_error(name: &'static str, error: &ExperimentError) -> Error {
    Error::field(&["body", name], "value_error", error.to_string())
}

fn locate_in_configuration(mut error: Error, place: usize) -> Error {
    error.public = format!("setting {}: {}", place + 1, error.public);
    for field in &mut error.fields {
        field.message = format!("setting {}: {}", place + 1, field.message);
    }
    error
}
