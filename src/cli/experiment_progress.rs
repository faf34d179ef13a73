//! Displays the progress of an experiment: on a terminal, in one line that is overwritten; otherwise, with one line per
//! 10%.

use std::io::{IsTerminal as _, Write as _};

use serde_json::Value;

use super::screen::terminal_width;
use super::text_width::truncate;

/// Width of the progress bar in characters.
const BAR_WIDTH: usize = 24;
/// Maximum width of each value in a configuration's name, in columns.
const MAX_NAME_LENGTH: usize = 40;

/// The progress bar on stderr.
#[derive(Default)]
pub(super) struct ProgressBar {
    printed_tenths: usize,
    is_open: bool,
}

impl ProgressBar {
    /// Displays an `experiment.progress` event.
    pub(super) fn show(&mut self, progress: &Value) {
        let evaluation_count = progress["evaluations"].as_u64().unwrap_or_default();
        let max_evaluations = progress["budget"]["evaluations"].as_u64();
        let share = budget_share(
            progress,
            evaluation_count,
            max_evaluations.unwrap_or_default(),
        );
        let number = |value: &Value| value.as_f64().unwrap_or_default();
        let best = &progress["best"];
        let best = match best["place"].as_u64() {
            Some(place) => format!(
                ", {} leads with {:.2} ({:.2} to {:.2})",
                configuration_name(&best["setting"], place),
                number(&best["mean"]),
                number(&best["interval"][0]),
                number(&best["interval"][1])
            ),
            None => String::new(),
        };
        let time_left = progress["seconds_left"].as_u64();
        let time_left =
            time_left.map_or(String::new(), |seconds| format!(", about {seconds} s left"));
        let spent_dollars = number(&progress["spent"]["cost_usd"]);
        let line = format!("{evaluation_count} evaluations, ${spent_dollars:.4}{best}{time_left}");
        let mut stderr = std::io::stderr().lock();
        if stderr.is_terminal() {
            let full = ((share * BAR_WIDTH as f64) as usize).min(BAR_WIDTH);
            let bar = format!("{}{}", "#".repeat(full), ".".repeat(BAR_WIDTH - full));
            let line = format!("[{bar}] {line}");
            let _ = write!(stderr, "\r\x1b[K{}", truncate(&line, terminal_width()));
            let _ = stderr.flush();
            self.is_open = true;
        } else if (share * 10.0) as usize > self.printed_tenths {
            self.printed_tenths = (share * 10.0) as usize;
            let _ = writeln!(stderr, "{line}");
        }
    }

    /// Ends the progress line, so that the next output starts on a new line.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.is_open) {
            let _ = writeln!(std::io::stderr().lock());
        }
    }
}

/// Returns the name of a configuration: its values, such as `p/a, 0.7`, or its number if it has no values.
fn configuration_name(setting: &Value, place: u64) -> String {
    let values = setting.as_object().into_iter().flatten();
    let values = values.map(|(_, value)| match value {
        Value::String(text) => truncate(text, MAX_NAME_LENGTH).to_owned(),
        other => other.to_string(),
    });
    let values: Vec<String> = values.collect();
    match values.is_empty() {
        true => format!("configuration {place}"),
        false => values.join(", "),
    }
}

/// Returns the used share of the budget, from 0 to 1. If there are several limits, the largest share counts.
fn budget_share(progress: &Value, done: u64, max_evaluations: u64) -> f64 {
    let share_of = |name: &str| {
        let limit = progress["budget"][name].as_f64();
        let limit = limit.filter(|limit| *limit > 0.0)?;
        Some(progress["spent"][name].as_f64()? / limit)
    };
    let parts = ["cost_usd", "tokens", "seconds"].map(share_of);
    let evaluation_share = (max_evaluations > 0).then(|| done as f64 / max_evaluations as f64);
    let parts = parts.into_iter().chain([evaluation_share]).flatten();
    parts.fold(0.0, f64::max).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_setting_is_named_by_its_values() {
        let setting = json!({ "model": "p/a", "temperature": 0.7 });
        assert_eq!(configuration_name(&setting, 3), "p/a, 0.7");
        assert_eq!(configuration_name(&json!({}), 3), "configuration 3");
    }
}
