//! Exports of an experiment's results: CSV with one row per evaluation, and Markdown for readers. (JSON is
//! the API's own format.)

use std::fmt::Write;

use serde_json::Value;

use super::design::ConfigurationState;
use super::record::{Evaluation, Experiment};
use super::report::{ConfigurationRow, ExperimentReport};
use super::space::label;
use super::verdict_sentence::Baseline;
use super::{Case, Objective, Parameter};
use crate::domain::export::csv_cell;

/// Exports CSV (RFC 4180) with a header and one row per finished evaluation.
pub fn csv(experiment: &Experiment, cases: &[Case], evaluations: &[Evaluation]) -> String {
    let parameters: Vec<Parameter> = (experiment.spec.space.0.iter())
        .map(|axis| axis.parameter)
        .collect();
    let mut head = vec!["setting"];
    head.extend(parameters.iter().map(|parameter| parameter.as_str()));
    head.extend([
        "case",
        "prompt",
        "expected",
        "label",
        "score",
        "cost_usd",
        "tokens",
        "latency_ms",
        "error",
    ]);
    let mut out = head.join(",") + "\r\n";
    for evaluation in evaluations {
        let (Some(outcome), Some(case)) = (evaluation.outcome, cases.get(evaluation.trial.case))
        else {
            continue;
        };
        let Some(arm) = experiment.design.arms.get(evaluation.trial.arm) else {
            continue;
        };
        let mut row = vec![evaluation.trial.arm.to_string()];
        let space = &experiment.spec.space;
        row.extend(
            parameters
                .iter()
                .map(|&parameter| match space.value(arm, parameter) {
                    None => String::new(),
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                }),
        );
        row.extend([
            evaluation.trial.case.to_string(),
            case.prompt.clone(),
            case.expected.clone().unwrap_or_default(),
            case.label.clone().unwrap_or_default(),
            outcome.score.to_string(),
            format!("{:.6}", outcome.cost.dollars()),
            outcome.tokens.to_string(),
            outcome.latency_ms.to_string(),
            evaluation.error.clone().unwrap_or_default(),
        ]);
        let cells: Vec<String> = row.iter().map(|text| csv_cell(text)).collect();
        out += &cells.join(",");
        out += "\r\n";
    }
    out
}

/// Exports the report as Markdown.
pub fn markdown(experiment: &Experiment, cases: &[Case], report: &ExperimentReport) -> String {
    let mut out = String::new();
    let spec = &experiment.spec;
    let _ = writeln!(out, "# {}\n\n{}\n", spec.name, report.sentence);
    let _ = writeln!(
        out,
        "*{} configurations, {} cases, {} · {}*\n",
        experiment.design.arms.len(),
        cases.len(),
        experiment.state.as_str(),
        experiment.created
    );
    let mean = match experiment.design.objective {
        Objective::Weighted { .. } => "mean score minus penalties",
        _ => "mean",
    };
    let _ = write!(
        out,
        "## Leaderboard\n\n| | configuration | {mean} | 95 % | cases | $ per case | s per case | status |\n|--:|---|--:|---|--:|--:|--:|---|\n"
    );
    for (rank, row) in report.leaderboard.iter().enumerate() {
        out += &row_line(experiment, report, rank + 1, row);
    }
    out += "\nThe intervals cover the true mean in 95 of 100 configurations. \"Set aside\" \
            means dropped when only some configurations could continue, not shown to be worse.\n";
    if !report.sensitivity.is_empty() {
        out += "\n## Sensitivity\n\n| parameter | share of variation | value | mean | 95 % |\n|---|--:|---|--:|---|\n";
    }
    for influence in &report.sensitivity {
        for value in &influence.values {
            let _ = writeln!(
                out,
                "| {} | {:.0} % | {} | {:.3} | {} |",
                influence.parameter.as_str(),
                influence.share * 100.0,
                escape_cell(&value_text(&value.value)),
                value.mean,
                interval_text(value.interval)
            );
        }
    }
    out
}

fn row_line(
    experiment: &Experiment,
    report: &ExperimentReport,
    rank: usize,
    row: &ConfigurationRow,
) -> String {
    let arm = &experiment.design.arms[row.index];
    let mut name = escape_cell(&label(&experiment.spec.space, arm));
    if row.index == report.current {
        name += match experiment.spec.baseline() {
            Baseline::Current => " (in use)",
            Baseline::First => " (the first configuration)",
        };
    }
    let number = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
    format!(
        "| {rank} | {name} | {} | {} | {} | {} | {} | {} |\n",
        number(row.mean.map(|mean| format!("{mean:.3}"))),
        interval_text(row.interval),
        row.cases,
        number(row.cost_usd.map(|cost| format!("{:.6}", cost.dollars()))),
        number(
            row.latency_ms
                .map(|time| format!("{:.2}", time.mean as f64 / 1e3))
        ),
        match row.state {
            ConfigurationState::Untried => "never tried",
            ConfigurationState::Racing if report.finding.is_some() => "raced to the end",
            ConfigurationState::Racing => "racing",
            ConfigurationState::SetAside => "set aside",
            ConfigurationState::Beaten(_) => "shown to be worse",
        }
    )
}

fn interval_text(interval: Option<(f64, f64)>) -> String {
    interval.map_or_else(
        || "–".to_owned(),
        |(from, to)| format!("{from:.3} to {to:.3}"),
    )
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "default".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

// Replaces pipes and line breaks, which would break the table.
fn escape_cell(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}
