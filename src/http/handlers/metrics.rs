//! Renders `/metrics` in the Prometheus text format. Labels contain model names, but never users or content.

use std::fmt::Write as _;

use crate::app::health::{BUCKET_BOUNDS_MS, CommitTimesSnapshot, Sum, Workload};
use crate::http::stats::AREAS;

/// A metric without labels: its name, type, help text, and value.
pub type UnlabeledMetric = (&'static str, &'static str, &'static str, f64);

/// A counter with a value per model: its name, help text, and a function that returns the value.
type ModelCounter = (&'static str, &'static str, fn(&Sum) -> f64);

/// Renders all metrics in the Prometheus text format.
pub fn render(
    classes: &[[u64; 5]; AREAS.len()],
    unlabeled: &[UnlabeledMetric],
    work: &Workload,
) -> String {
    let mut text = String::with_capacity(8 << 10);
    let name = "quire_requests_total";
    write_header(&mut text, name, "counter", "Requests.");
    for (area, counts) in AREAS.iter().zip(classes) {
        for (class, count) in counts.iter().enumerate() {
            let class = class + 1;
            write_sample(
                &mut text,
                name,
                &[("area", area), ("class", &format!("{class}xx"))],
                *count as f64,
            );
        }
    }
    for (name, kind, help, value) in unlabeled.iter().chain(&workload_gauges(work)) {
        write_header(&mut text, name, kind, help);
        write_sample(&mut text, name, &[], *value);
    }
    write_models(&mut text, work);
    let name = "quire_model_circuit";
    write_header(
        &mut text,
        name,
        "gauge",
        "Circuit breaker state: 2 open, 1 half-open; closed breakers are not listed.",
    );
    for (model, state) in &work.circuits {
        write_sample(&mut text, name, &[("model", model)], f64::from(*state));
    }
    write_commit_durations(&mut text, &work.commits);
    text
}

fn workload_gauges(work: &Workload) -> [UnlabeledMetric; 4] {
    [
        (
            "quire_analyses",
            "gauge",
            "Analyses running or queued.",
            work.runs as f64,
        ),
        (
            "quire_calls",
            "gauge",
            "Provider calls running.",
            work.calls as f64,
        ),
        (
            "quire_calls_waiting",
            "gauge",
            "Provider calls queued.",
            work.calls_waiting as f64,
        ),
        (
            "quire_changes_waiting",
            "gauge",
            "Database writes queued.",
            work.changes_waiting as f64,
        ),
    ]
}

fn write_models(text: &mut String, work: &Workload) {
    let counters: [ModelCounter; 3] = [
        (
            "quire_model_calls_total",
            "Model calls since installation.",
            |sum| sum.calls as f64,
        ),
        (
            "quire_model_calls_failed_total",
            "Failed model calls.",
            |sum| sum.failed as f64,
        ),
        (
            "quire_model_cost_usd_total",
            "Known cost in US dollars.",
            |sum| sum.cost.dollars(),
        ),
    ];
    for (name, help, value) in counters {
        write_header(text, name, "counter", help);
        for sum in &work.models {
            write_sample(text, name, &[("model", &sum.model)], value(sum));
        }
    }
    let name = "quire_model_tokens_total";
    write_header(text, name, "counter", "Input and output tokens.");
    for sum in &work.models {
        for (direction, tokens) in [("input", sum.input), ("output", sum.output)] {
            let labels = [("model", sum.model.as_str()), ("direction", direction)];
            write_sample(text, name, &labels, tokens as f64);
        }
    }
}

fn write_commit_durations(text: &mut String, snapshot: &CommitTimesSnapshot) {
    let name = "quire_commit_seconds";
    write_header(text, name, "histogram", "Duration of database commits.");
    let mut sum = 0;
    for (bound, count) in BUCKET_BOUNDS_MS.iter().zip(snapshot.buckets) {
        sum += count;
        let bound = (*bound as f64 / 1000.0).to_string();
        write_sample(
            text,
            "quire_commit_seconds_bucket",
            &[("le", &bound)],
            sum as f64,
        );
    }
    write_sample(
        text,
        "quire_commit_seconds_bucket",
        &[("le", "+Inf")],
        snapshot.count as f64,
    );
    write_sample(
        text,
        "quire_commit_seconds_sum",
        &[],
        snapshot.micros as f64 / 1e6,
    );
    write_sample(
        text,
        "quire_commit_seconds_count",
        &[],
        snapshot.count as f64,
    );
}

fn write_header(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Appends one sample. Label values are escaped, because a provider's model names may contain any character.
fn write_sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    text.push_str(name);
    for (index, (label, value)) in labels.iter().enumerate() {
        let escaped = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        let _ = write!(
            text,
            "{}{label}=\"{escaped}\"",
            if index == 0 { '{' } else { ',' }
        );
    }
    let _ = writeln!(text, "{} {value}", if labels.is_empty() { "" } else { "}" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_the_prometheus_format() {
        let mut classes = [[0; 5]; AREAS.len()];
        classes[1][3] = 7;
        let mut work = Workload {
            circuits: vec![("lab/a\"b\\c\nd".to_owned(), 2)],
            ..Workload::default()
        };
        work.commits.buckets[0] = 2;
        work.commits.buckets[2] = 1;
        (work.commits.count, work.commits.micros) = (4, 3_500_000);
        let rendered = render(&classes, &[("quire_x", "gauge", "X.", 1.5)], &work);
        for line in [
            "# TYPE quire_requests_total counter",
            "quire_requests_total{area=\"api\",class=\"4xx\"} 7",
            "# HELP quire_x X.\n# TYPE quire_x gauge\nquire_x 1.5",
            "quire_model_circuit{model=\"lab/a\\\"b\\\\c\\nd\"} 2",
            "quire_commit_seconds_bucket{le=\"0.001\"} 2",
            "quire_commit_seconds_bucket{le=\"0.005\"} 3",
            "quire_commit_seconds_bucket{le=\"2.5\"} 3",
            "quire_commit_seconds_bucket{le=\"+Inf\"} 4",
            "quire_commit_seconds_sum 3.5\nquire_commit_seconds_count 4",
        ] {
            assert!(
                rendered.contains(&format!("{line}\n")),
                "{line} in {rendered}"
            );
        }
    }
}
