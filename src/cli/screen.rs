//! What a person sees while `quire ask` works: members as live lines, and the answer as it is written, where
//! stdout and stderr are terminals; plain lines where they are not; nothing at all where quiet was asked for.

use std::io::{IsTerminal as _, Write as _};

use serde_json::Value;

use super::ask::line;
use super::live::Live;
use super::markdown::Markdown;
use crate::system;

/// Where nobody says how wide a terminal is.
const WIDTH: usize = 80;

/// How much is shown.
pub(super) struct Screen {
    is_quiet: bool,
    live: Option<Live>,
    /// The answer on a terminal: as it is written.
    answer: Option<Markdown>,
    /// What has been written of it.
    written: String,
    width: usize,
}

impl Screen {
    /// `streams`: the answer itself may be shown while it is written.
    pub(super) fn new(is_quiet: bool, streams: bool) -> Self {
        let width = system::terminal_width().map_or(WIDTH, usize::from);
        let is_terminal = std::io::stdout().is_terminal();
        Self {
            is_quiet,
            live: (!is_quiet && std::io::stderr().is_terminal()).then(Live::default),
            answer: (streams && is_terminal).then(|| markdown(width)),
            written: String::new(),
            width,
        }
    }

    /// Shows what happened since the last time.
    pub(super) fn show(&mut self, events: &[(String, Value)]) {
        for (kind, data) in events {
            if let Some(live) = &mut self.live {
                live.take(kind, data);
            }
            if kind == "synthesis.delta" {
                self.write(data["text"].as_str().unwrap_or_default());
            } else if let Some(line) = line(kind, data).filter(|_| !self.is_quiet) {
                self.erase();
                super::ask::progress(&line);
            }
        }
        if let Some(live) = &mut self.live {
            note(&live.draw(self.width));
        }
    }

    /// The whole answer at the end: what is still missing of it.
    pub(super) fn conclude(&mut self, text: &str) -> super::Outcome {
        self.erase();
        let Some(answer) = &mut self.answer else {
            return super::print(text.trim_end());
        };
        if self.written.trim() != text.trim() {
            // Begun anew by another model, or never streamed: the whole of it, once more.
            let before = answer.finish();
            let rule = if self.written.is_empty() { "" } else { "\n" };
            let mut whole = markdown(self.width);
            let text = format!("{before}{rule}{}{}", whole.push(text), whole.finish());
            return super::print(text.trim_end());
        }
        match answer.finish() {
            rest if rest.is_empty() => Ok(()),
            rest => super::print(rest.trim_end()),
        }
    }

    fn write(&mut self, piece: &str) {
        let Some(answer) = &mut self.answer else {
            return;
        };
        self.written.push_str(piece);
        let lines = answer.push(piece);
        if !lines.is_empty() {
            self.erase();
            let mut stdout = std::io::stdout().lock();
            let _ = stdout.write_all(lines.as_bytes());
            let _ = stdout.flush();
        }
    }

    /// Takes the live lines off the screen.
    pub(super) fn erase(&mut self) {
        if let Some(live) = &mut self.live {
            note(&live.erase());
        }
    }
}

fn markdown(width: usize) -> Markdown {
    let is_coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Markdown::new(width, is_coloured)
}

fn note(text: &str) {
    if !text.is_empty() {
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}
