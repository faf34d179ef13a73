//! The display of `quire ask`. On a terminal, shows a live line per member, and the answer as it is written; otherwise,
//! plain lines. With `--quiet`, shows only the answer.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};

use serde_json::Value;

use super::live_progress::LiveLines;
use super::markdown::Markdown;
use super::outcome::{Outcome, print};
use super::text_width::wrap;
use crate::system;

/// Width, in columns, that is assumed if the terminal's width is unknown.
const DEFAULT_WIDTH: usize = 80;

/// The display and its current content.
pub(super) struct Screen {
    is_quiet: bool,
    live_lines: Option<LiveLines>,
    /// Renders the answer as it is written; `None` if it is shown only at the end.
    answer: Option<Markdown>,
    /// The part of the answer already written.
    written_text: String,
    width: usize,
    /// The summary of the run, printed after the answer.
    summary: Option<String>,
}

impl Screen {
    /// Creates a display. With `shows_answer`, a terminal shows the answer while it is written.
    pub(super) fn new(is_quiet: bool, shows_answer: bool) -> Self {
        let width = terminal_width();
        let is_terminal = std::io::stdout().is_terminal();
        Self {
            is_quiet,
            live_lines: (!is_quiet && std::io::stderr().is_terminal()).then(LiveLines::default),
            answer: (shows_answer && is_terminal).then(|| markdown_renderer(width)),
            written_text: String::new(),
            width,
            summary: None,
        }
    }

    /// Displays new events.
    pub(super) fn show(&mut self, events: &[(String, Value)]) {
        for (kind, data) in events {
            if let Some(live) = &mut self.live_lines {
                live.apply(kind, data);
            }
            if kind == "synthesis.delta" {
                self.write(data["text"].as_str().unwrap_or_default());
            } else if let Some(line) = event_line(kind, data).filter(|_| !self.is_quiet) {
                self.erase();
                match is_ending(kind) {
                    true => self.summary = Some(line),
                    false => print_progress(&line),
                }
            }
        }
        if let Some(live) = &mut self.live_lines {
            print_note(&live.draw(self.width));
        }
    }

    /// Prints the part of the answer that has not been shown yet, followed by the summary of the run. `text` is `None`
    /// if the answer was printed in another way.
    ///
    /// # Errors
    /// Returns an error if stdout cannot be written.
    pub(super) fn finish_answer(&mut self, text: Option<&str>) -> Outcome {
        self.erase();
        if let Some(text) = text {
            self.print_remaining(text)?;
        }
        self.print_ending();
        Ok(())
    }

    /// Ends the display of a run that has no answer.
    pub(super) fn abandon(&mut self) {
        self.erase();
        self.print_ending();
    }

    fn print_ending(&mut self) {
        if let Some(line) = self.summary.take() {
            print_progress(&line);
        }
    }

    fn print_remaining(&mut self, text: &str) -> Outcome {
        let Some(answer) = &mut self.answer else {
            return print(text.trim_end());
        };
        if self.written_text.trim() != text.trim() {
            // Another model has rewritten the answer, or it was never streamed, so all of it is printed.
            let remaining_text = answer.finish();
            let rule = if self.written_text.is_empty() {
                ""
            } else {
                "\n"
            };
            let mut renderer = markdown_renderer(self.width);
            let text = format!(
                "{remaining_text}{rule}{}{}",
                renderer.push(text),
                renderer.finish()
            );
            return print(text.trim_end());
        }
        match answer.finish() {
            rest if rest.is_empty() => Ok(()),
            rest => print(rest.trim_end()),
        }
    }

    fn write(&mut self, piece: &str) {
        let Some(answer) = &mut self.answer else {
            return;
        };
        self.written_text.push_str(piece);
        let lines = answer.push(piece);
        if !lines.is_empty() {
            self.erase();
            let mut stdout = std::io::stdout().lock();
            let _ = stdout.write_all(lines.as_bytes());
            let _ = stdout.flush();
        }
    }

    /// Clears the live lines from the terminal.
    fn erase(&mut self) {
        if let Some(live) = &mut self.live_lines {
            print_note(&live.erase());
        }
    }
}

/// Returns the width of the terminal in columns.
pub(super) fn terminal_width() -> usize {
    system::terminal_width().map_or(DEFAULT_WIDTH, usize::from)
}

/// Creates a renderer for a terminal of `width` columns, without styles if NO_COLOR is set.
pub(super) fn markdown_renderer(width: usize) -> Markdown {
    let is_colored = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Markdown::new(width, is_colored)
}

/// Prints text to stdout. On a terminal, wraps long lines at word boundaries.
///
/// # Errors
/// Returns an error if stdout cannot be written.
pub(super) fn print_wrapped(text: impl Display) -> Outcome {
    let text = text.to_string();
    if !std::io::stdout().is_terminal() {
        return print(text);
    }
    let columns = terminal_width();
    let lines: Vec<String> = text.lines().map(|line| wrap(line, columns)).collect();
    print(lines.join("\n"))
}

/// Prints Markdown. If stdout is a terminal, the Markdown is rendered.
///
/// # Errors
/// Returns an error if stdout cannot be written.
pub(super) fn print_markdown(text: &str) -> Outcome {
    if !std::io::stdout().is_terminal() {
        return print(text.trim_end());
    }
    let mut renderer = markdown_renderer(terminal_width());
    let text = renderer.push(text) + &renderer.finish();
    print(text.trim_end())
}

fn print_note(text: &str) {
    if !text.is_empty() {
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

fn is_ending(kind: &str) -> bool {
    matches!(
        kind,
        "analysis.completed" | "analysis.failed" | "analysis.cancelled"
    )
}

/// Formats an event as a line of text. Returns `None` for events that have no line, such as pieces of text.
fn event_line(kind: &str, data: &Value) -> Option<String> {
    let text = |name: &str| data[name].as_str().unwrap_or_default();
    let number = |name: &str| data[name].as_u64().unwrap_or_default();
    Some(match kind {
        "analysis.started" => {
            let models: Vec<_> = data["models"]
                .as_array()?
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let end = match text("ultra_model") {
                "" => "the votes are counted".to_owned(),
                model => format!("{model} writes the answer"),
            };
            format!("{} with {}; {end}", text("pattern"), models.join(", "))
        }
        "stage.started" => format!(
            "{} ({} of {})",
            text("stage"),
            number("index") + 1,
            number("total")
        ),
        "member.completed" => {
            let seconds = number("latency_ms") as f64 / 1000.0;
            let cached = if data["cached"] == true {
                ", from the cache"
            } else {
                ""
            };
            format!("  {} answered in {seconds:.1} s{cached}", text("model"))
        }
        "member.failed" => format!("  {} failed: {}", text("model"), text("error")),
        kind if is_ending(kind) => run_summary(data),
        _ => return None,
    })
}

/// Formats the summary at the end of a run: time, cost, and the answer's notes.
fn run_summary(data: &Value) -> String {
    let seconds = data["total_time_ms"].as_u64().unwrap_or_default() as f64 / 1000.0;
    let incomplete_note = match data["cost_incomplete"] == true {
        true => " and calls of unknown price",
        false => "",
    };
    let cost = data["cost_usd"].as_f64().unwrap_or_default();
    let notes = data["notes"].as_array().into_iter().flatten();
    let notes: String = notes
        .filter_map(Value::as_str)
        .map(|note| format!("; {note}"))
        .collect();
    format!("{seconds:.1} s, ${cost:.4}{incomplete_note}{notes}")
}

/// Prints a line to stderr, without control characters. On a terminal, wraps it at word boundaries.
pub(super) fn print_progress(line: &str) {
    // Names of files and models are untrusted, and must not control the terminal.
    let mut clean: String = line.chars().filter(|c| !c.is_control()).collect();
    let mut stderr = std::io::stderr().lock();
    if stderr.is_terminal() {
        clean = wrap(&clean, terminal_width());
    }
    let _ = writeln!(stderr, "{clean}");
}

/// Joins at most ten items of a list, followed by the number of remaining items. Returns `None` for an empty list.
pub(super) fn summarize_list(items: &[String]) -> Option<String> {
    // Maximum number of items listed.
    const MAX_SHOWN: usize = 10;
    let listed_items = items.iter().take(MAX_SHOWN).cloned().collect::<Vec<_>>();
    match items.len().saturating_sub(MAX_SHOWN) {
        0 if items.is_empty() => None,
        0 => Some(listed_items.join(", ")),
        more => Some(format!("{}, and {more} more", listed_items.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_become_lines() {
        for (kind, data, expected) in [
            (
                "analysis.started",
                json!({"pattern": "gut", "models": ["a/b", "c/d"], "ultra_model": "a/b"}),
                Some("gut with a/b, c/d; a/b writes the answer"),
            ),
            (
                "stage.started",
                json!({"stage": "meta", "index": 1, "total": 4}),
                Some("meta (2 of 4)"),
            ),
            (
                "member.completed",
                json!({"model": "a/b", "latency_ms": 1250}),
                Some("  a/b answered in 1.2 s"),
            ),
            (
                "member.completed",
                json!({"model": "a/b", "latency_ms": 0, "cached": true}),
                Some("  a/b answered in 0.0 s, from the cache"),
            ),
            (
                "member.failed",
                json!({"model": "a/b", "error": "no"}),
                Some("  a/b failed: no"),
            ),
            (
                "analysis.started",
                json!({"pattern": "vote", "models": ["a/b"], "ultra_model": ""}),
                Some("vote with a/b; the votes are counted"),
            ),
            (
                "analysis.completed",
                json!({"total_time_ms": 1500, "cost_usd": 0.0123, "notes": ["c/d was dropped"]}),
                Some("1.5 s, $0.0123; c/d was dropped"),
            ),
            ("member.delta", json!({"text": "x"}), None),
            ("stage.started", json!(null), Some(" (1 of 0)")),
        ] {
            assert_eq!(event_line(kind, &data).as_deref(), expected, "{kind}");
        }
    }
}
