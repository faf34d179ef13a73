//! Separates reasoning from the answer in a stream. Local models write their reasoning into the text, between markers
//! such as `<think>` and `</think>`. Markers in code are part of the answer.

mod code;
mod find;
mod marks;

use code::CodeTracker;
use find::{MarkMatch, find_first, first_match};
use marks::{
    ANSWER_MARKS, FIRST_CHARACTERS, Marks, REASONING_MARKS, UNMARKED_CHANNELS, UnmarkedChannels,
};

/// Markers with which a channel begins. gpt-oss writes in several channels; the one named `final` is the answer
/// (OpenAI's Harmony format).
const CHANNEL_BEGINNINGS: &[&str] = &["<|channel|>", "<|start|>"];
const MESSAGE_MARKER: &str = "<|message|>";
const CHANNEL_ENDS: &[&str] = &["<|end|>", "<|return|>", "<|call|>"];
/// Maximum length of the header between the marker and the message of a channel, in bytes.
const MAX_HEADER_BYTES: usize = 256;
/// Maximum length of whitespace before a marker, in bytes. Longer whitespace is part of the answer.
const MAX_SPACE_BYTES: usize = 1024;
/// Maximum number of bytes that are held back until an expected closing marker arrives. If there are more, the text is
/// emitted as the answer, but a later closing marker still turns it into reasoning.
const MAX_AWAITED_BYTES: usize = 1024 * 1024;
/// Number of bytes processed per step, so that the work per step is bounded even if a piece is large.
const STEP_BYTES: usize = 4096;

/// A piece of the stream, identified as reasoning or answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SplitPiece {
    Text(String),
    Reasoning(String),
    /// A closing marker without an opening marker: all text before it was reasoning.
    Closed(&'static str),
    BlockEnd(serde_json::Value),
}

/// Splits streamed text into reasoning and answer.
#[derive(Debug, Default)]
pub(super) struct ReasoningSplitter {
    mode: SplitterMode,
    /// Text that may begin a marker or that is waiting for one.
    held_text: String,
    /// Number of bytes of `held_text` that have been scanned already. They neither contain a closing marker nor begin
    /// one.
    scanned: usize,
    code: CodeTracker,
    /// Whether a marker has opened a block, or the vendor sends reasoning in a separate field. In both cases, a closing
    /// marker without an opening marker is part of the answer.
    is_marked: bool,
    /// Whether a closing marker without an opening marker has ended the reasoning.
    was_closed: bool,
    /// Whether the prompt template opens the reasoning block. If so, all text is held until a marker closes the block.
    expects_close: bool,
    channels: bool,
    /// The marker that closes the answer, if the answer was opened by a marker.
    closing_marker: Option<&'static str>,
    has_text: bool,
    /// Whether the text contains an opening marker that is ordinary text.
    has_plain_opening_marker: bool,
    /// How this model writes channels if their markers are stripped; `None` once the text has begun differently.
    bare_channels: Option<&'static UnmarkedChannels>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum SplitterMode {
    /// Only whitespace has arrived so far, or since the end of a block.
    #[default]
    Start,
    Text,
    /// In reasoning, until this closing marker.
    Reasoning(&'static str),
    /// Between the marker and the message of a channel.
    Header,
    /// In a channel. True if it is the `final` one.
    Channel(bool),
    /// In a channel whose markers are stripped, until the channel with the answer begins.
    Bare,
    /// In an answer that is closed by this marker. This variant is only returned by searches and is never a state,
    /// because such an answer is read like other text.
    Wrapped(&'static str),
}

impl ReasoningSplitter {
    /// Expects reasoning without an opening marker, because the model's prompt template contains that marker.
    pub fn expect_unopened_reasoning(&mut self) {
        self.expects_close = true;
    }

    /// If the model with this name writes in channels, prepares for a server that strips their markers.
    pub fn expect_unmarked_channels(&mut self, model: &str) {
        let model = model.to_ascii_lowercase();
        self.bare_channels = UNMARKED_CHANNELS
            .iter()
            .find(|channel| model.contains(channel.model));
    }

    /// Records that the vendor sends reasoning in a separate field.
    pub fn set_separate_reasoning(&mut self) {
        self.is_marked = true;
    }

    /// Returns whether a closing marker without an opening marker has ended the reasoning.
    pub fn was_closed(&self) -> bool {
        self.was_closed
    }

    /// Adds a piece of text, and emits everything that can be classified.
    pub fn push(&mut self, piece: &str, out: &mut Vec<SplitPiece>) {
        let is_awaiting = self.is_awaiting_close() || self.mode == SplitterMode::Bare;
        if self.held_text.len() > MAX_SPACE_BYTES && !is_awaiting {
            // This text was held for a closing marker until it turned out that the vendor sends reasoning in a separate
            // field.
            let held_text = std::mem::take(&mut self.held_text);
            self.push_parts(&held_text, out);
        }
        self.push_parts(piece, out);
    }

    fn push_parts(&mut self, text: &str, out: &mut Vec<SplitPiece>) {
        let mut rest = text;
        while !rest.is_empty() {
            let (part, later) = rest.split_at(rest.floor_char_boundary(STEP_BYTES));
            rest = later;
            self.held_text.push_str(part);
            while self.step(out) {}
            if self.is_awaiting_close() && self.held_text.len() > MAX_AWAITED_BYTES {
                self.release_held_text(out);
            }
        }
    }

    fn is_awaiting_close(&self) -> bool {
        self.expects_close && !self.is_marked && !self.was_closed
    }

    /// Treats the text that was held for a closing marker as ordinary text.
    fn release_held_text(&mut self, out: &mut Vec<SplitPiece>) {
        self.expects_close = false;
        let held_text = std::mem::take(&mut self.held_text);
        self.push_parts(&held_text, out);
    }

    /// Processes the beginning of the held text. Returns false if more text is needed first.
    fn step(&mut self, out: &mut Vec<SplitPiece>) -> bool {
        if self.held_text.is_empty() {
            return false;
        }
        if self.is_awaiting_close() {
            return self.wait_for_close(out);
        }
        match self.mode {
            SplitterMode::Start => self.read_start(),
            SplitterMode::Text => self.read_text(out),
            SplitterMode::Reasoning(close) => match find_first(&self.held_text, &[close]) {
                Ok((at, length)) => {
                    self.emit_until(at, length, false, out);
                    self.mode = SplitterMode::Start;
                    true
                }
                Err(certain_length) => self.emit_prefix(certain_length, false, out),
            },
            SplitterMode::Header => self.read_header(),
            SplitterMode::Wrapped(_) => false,
            SplitterMode::Bare => self.wait_for_answer(out),
            SplitterMode::Channel(is_final) => self.read_channel(is_final, out),
        }
    }

    fn wait_for_close(&mut self, out: &mut Vec<SplitPiece>) -> bool {
        let closing: Vec<&'static str> = distinct_marks().map(|marks| marks.closing).collect();
        let (at, length) = match find_first(&self.held_text[self.scanned..], &closing) {
            Ok((at, length)) => (self.scanned + at, length),
            Err(certain_length) => {
                self.scanned += certain_length;
                return false;
            }
        };
        self.was_closed = true;
        self.closing_marker = closing_wrapper(&self.held_text[at..at + length]);
        // Some prompt templates open the block, and the model then opens it again.
        let trimmed = self.held_text.trim_start();
        let opening = distinct_marks().filter(|marks| !marks.opening.is_empty());
        let opening = opening.map(|marks| (marks.opening, ()));
        let skipped = match first_match(trimmed, opening) {
            MarkMatch::Mark((), open) => self.held_text.len() - trimmed.len() + open,
            _ => 0,
        };
        self.held_text.drain(..skipped.min(at));
        self.emit_until(at - skipped.min(at), length, false, out);
        true
    }

    /// Holds a channel whose markers are stripped until the channel with the answer begins. If it never begins, all
    /// text is the answer.
    fn wait_for_answer(&mut self, out: &mut Vec<SplitPiece>) -> bool {
        let channel = self
            .bare_channels
            .filter(|_| self.held_text.len() <= MAX_AWAITED_BYTES);
        let Some(channel) = channel else {
            (self.mode, self.bare_channels) = (SplitterMode::Text, None);
            return true;
        };
        let space = self.held_text.len() - self.held_text.trim_start().len();
        let text_start = space + channel.opening.len();
        let from = self.scanned.max(text_start);
        if let Some(at) = self.held_text[from..].find(channel.closing) {
            self.held_text.drain(..text_start);
            self.emit_until(from + at - text_start, channel.closing.len(), false, out);
            (self.mode, self.is_marked) = (SplitterMode::Start, true);
            return true;
        }
        let scanned_end = self.held_text.len().saturating_sub(channel.closing.len());
        self.scanned = self.held_text.floor_char_boundary(scanned_end);
        false
    }

    /// Returns whether the text begins with the name of a channel whose markers are stripped.
    fn begins_undelimited_channel(&self, text: &str) -> MarkMatch<()> {
        let is_past_start = self.is_marked || self.was_closed || self.has_text;
        match self.bare_channels.filter(|_| !is_past_start) {
            Some(bare) if text.starts_with(bare.opening) => MarkMatch::Mark((), bare.opening.len()),
            Some(bare) if bare.opening.starts_with(text) => MarkMatch::Incomplete,
            _ => MarkMatch::Nothing,
        }
    }

    fn read_start(&mut self) -> bool {
        let trimmed = self.held_text.trim_start();
        if trimmed.is_empty() && self.held_text.len() <= MAX_SPACE_BYTES {
            return false;
        }
        match self.begins_undelimited_channel(trimmed) {
            MarkMatch::Incomplete => return false,
            MarkMatch::Mark((), _) => {
                (self.mode, self.scanned) = (SplitterMode::Bare, 0);
                return true;
            }
            MarkMatch::Nothing => {}
        }
        let space = self.held_text.len() - trimmed.len();
        let channels = CHANNEL_BEGINNINGS
            .iter()
            .map(|mark| (*mark, SplitterMode::Header));
        let blocks =
            opening_marks().map(|marks| (marks.opening, SplitterMode::Reasoning(marks.closing)));
        let is_past_start = (self.is_marked || self.was_closed) && !self.has_text;
        // Some models close a block twice.
        let closing_marks = distinct_marks().filter(|_| is_past_start);
        let closing_marks = closing_marks.map(|marks| (marks.closing, SplitterMode::Start));
        let answers = ANSWER_MARKS.iter().filter(|_| is_past_start);
        let answers = answers.map(|(open, close)| (*open, SplitterMode::Wrapped(close)));
        match first_match(
            trimmed,
            channels.chain(blocks).chain(answers).chain(closing_marks),
        ) {
            MarkMatch::Mark(SplitterMode::Start, length) => {
                self.held_text.drain(..space + length);
            }
            MarkMatch::Mark(SplitterMode::Wrapped(close), length)
                if self.closing_marker.is_none() =>
            {
                self.held_text.drain(..space + length);
                self.closing_marker = Some(close);
            }
            MarkMatch::Mark(mode, length) if !matches!(mode, SplitterMode::Wrapped(_)) => {
                self.held_text.drain(..space + length);
                self.mode = mode;
                self.is_marked = true;
                self.channels |= mode == SplitterMode::Header;
            }
            MarkMatch::Incomplete if self.held_text.len() <= MAX_SPACE_BYTES => return false,
            _ => {
                // Whitespace between a block and the answer belongs to neither of them. Whitespace within the answer is
                // kept.
                if is_past_start {
                    self.held_text.drain(..space);
                }
                self.mode = SplitterMode::Text;
            }
        }
        true
    }

    /// Emits text up to the next marker.
    fn read_text(&mut self, out: &mut Vec<SplitPiece>) -> bool {
        let held_text = std::mem::take(&mut self.held_text);
        // Whitespace before the marker that closes the answer is not part of the answer.
        let wrapped = self.closing_marker;
        let trim_wrapped = |text: &str| match wrapped {
            Some(_) if text.len() - text.trim_end().len() <= MAX_SPACE_BYTES => {
                text.trim_end().len()
            }
            _ => text.len(),
        };
        let certain_length = trim_wrapped(&held_text);
        for (at, character) in held_text[..certain_length].char_indices() {
            let mark_found = match FIRST_CHARACTERS.contains(&character) && !self.code.is_in_code()
            {
                true => self.find_mark(&held_text[at..]),
                false => MarkMatch::Nothing,
            };
            match mark_found {
                MarkMatch::Mark(MarkKind::Plain, _) => {
                    self.has_plain_opening_marker = true;
                    self.code.push(character);
                }
                MarkMatch::Nothing => self.code.push(character),
                MarkMatch::Incomplete => {
                    let certain_length = trim_wrapped(&held_text[..at]);
                    self.emit(&held_text[..certain_length], out);
                    held_text[certain_length..].clone_into(&mut self.held_text);
                    return false;
                }
                MarkMatch::Mark(mark, length) => {
                    let certain_length = match mark {
                        MarkKind::Answered => trim_wrapped(&held_text[..at]),
                        _ => at,
                    };
                    self.emit(&held_text[..certain_length], out);
                    held_text[at + length..].clone_into(&mut self.held_text);
                    self.enter_state_after(mark, out);
                    return true;
                }
            }
        }
        self.emit(&held_text[..certain_length], out);
        held_text[certain_length..].clone_into(&mut self.held_text);
        false
    }

    /// Enters the state that follows a marker.
    fn enter_state_after(&mut self, mark: MarkKind, out: &mut Vec<SplitPiece>) {
        match mark {
            MarkKind::Plain => {}
            MarkKind::Answered => {
                self.closing_marker = None;
                self.mode = SplitterMode::Start;
            }
            MarkKind::Open(mode) => {
                self.mode = mode;
                self.is_marked = true;
            }
            MarkKind::Close(close) => {
                self.was_closed = true;
                self.closing_marker = closing_wrapper(close);
                self.mode = SplitterMode::Start;
                self.has_text = false;
                self.code = CodeTracker::default();
                out.push(SplitPiece::Closed(close));
            }
        }
    }

    /// Finds a reasoning marker in the text, or the marker that closes the answer.
    fn find_mark(&self, text: &str) -> MarkMatch<MarkKind> {
        let blocks = opening_marks().filter(|marks| {
            // Opening markers are recognized at the beginning of a line, or anywhere if the answer began with a block.
            (marks.distinct && self.code.at_start) || self.is_marked || self.was_closed
        });
        let blocks = blocks.map(|marks| {
            (
                marks.opening,
                MarkKind::Open(SplitterMode::Reasoning(marks.closing)),
            )
        });
        let is_alone = !self.is_marked && !self.was_closed && !self.has_plain_opening_marker;
        let closing = distinct_marks().filter(|_| is_alone);
        let closing = closing.map(|marks| (marks.closing, MarkKind::Close(marks.closing)));
        let plain = opening_marks().filter(|marks| is_alone && marks.distinct);
        let plain = plain.map(|marks| (marks.opening, MarkKind::Plain));
        let channels = CHANNEL_BEGINNINGS.iter().filter(|_| self.channels);
        let channels = channels.map(|mark| (*mark, MarkKind::Open(SplitterMode::Header)));
        let answer_end = self.closing_marker.map(|close| (close, MarkKind::Answered));
        let marks = channels.chain(blocks).chain(closing).chain(plain);
        first_match(text, marks.chain(answer_end))
    }

    fn read_header(&mut self) -> bool {
        match find_first(&self.held_text, &[MESSAGE_MARKER]) {
            Ok((at, length)) => {
                let is_final = self.held_text[..at].to_ascii_lowercase().contains("final");
                self.held_text.drain(..at + length);
                self.mode = SplitterMode::Channel(is_final);
                true
            }
            Err(_) if self.held_text.len() <= MAX_HEADER_BYTES => false,
            Err(_) => {
                self.mode = SplitterMode::Text;
                true
            }
        }
    }

    fn read_channel(&mut self, is_final: bool, out: &mut Vec<SplitPiece>) -> bool {
        let all: Vec<&'static str> = CHANNEL_ENDS
            .iter()
            .chain(CHANNEL_BEGINNINGS)
            .copied()
            .collect();
        match find_first(&self.held_text, &all) {
            Ok((at, length)) => {
                let begins = !CHANNEL_ENDS
                    .iter()
                    .any(|end| self.held_text[at..].to_ascii_lowercase().starts_with(end));
                self.emit_until(at, length, is_final, out);
                self.mode = if begins {
                    SplitterMode::Header
                } else {
                    SplitterMode::Start
                };
                true
            }
            Err(certain_length) => self.emit_prefix(certain_length, is_final, out),
        }
    }

    /// Emits the text before a marker and removes the marker.
    fn emit_until(&mut self, at: usize, length: usize, is_text: bool, out: &mut Vec<SplitPiece>) {
        self.emit_prefix(at, is_text, out);
        self.held_text.drain(..length);
    }

    fn emit_prefix(&mut self, length: usize, is_text: bool, out: &mut Vec<SplitPiece>) -> bool {
        let certain_length: String = self.held_text.drain(..length).collect();
        match is_text {
            true => self.emit(&certain_length, out),
            false if certain_length.is_empty() => {}
            false => out.push(SplitPiece::Reasoning(certain_length)),
        }
        false
    }

    fn emit(&mut self, text: &str, out: &mut Vec<SplitPiece>) {
        self.has_text |= !text.trim().is_empty();
        if !text.is_empty() {
            out.push(SplitPiece::Text(text.to_owned()));
        }
    }

    /// Emits the text that is still held when the stream ends.
    pub fn finish(mut self, out: &mut Vec<SplitPiece>) {
        let held_text = std::mem::take(&mut self.held_text);
        match self.mode {
            SplitterMode::Reasoning(_) | SplitterMode::Channel(false) => {
                self.held_text = held_text;
                self.emit_prefix(self.held_text.len(), false, out);
            }
            // Whitespace that follows a block is not an answer.
            SplitterMode::Start
                if (self.is_marked || self.was_closed) && held_text.trim().is_empty() => {}
            // The expected closing marker never arrived, so all of the text is the answer.
            SplitterMode::Start if self.expects_close => {
                self.held_text = held_text;
                self.release_held_text(out);
                let rest = std::mem::take(&mut self.held_text);
                self.emit(&rest, out);
            }
            _ => self.emit(&held_text, out),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum MarkKind {
    /// An opening marker within a line. It is ordinary text, and so is its closing marker.
    Plain,
    Open(SplitterMode),
    Close(&'static str),
    /// The end of an answer that a marker has opened.
    Answered,
}

/// Returns the marker pairs that have an opening marker.
fn opening_marks() -> impl Iterator<Item = &'static Marks> {
    REASONING_MARKS
        .iter()
        .filter(|marks| !marks.opening.is_empty())
}

/// Returns the marker that closes an answer which was opened by this marker.
fn closing_wrapper(mark: &str) -> Option<&'static str> {
    let wrapper = { ANSWER_MARKS.iter() }.find(|(open, _)| open.eq_ignore_ascii_case(mark));
    wrapper.map(|(_, close)| *close)
}

fn distinct_marks() -> impl Iterator<Item = &'static Marks> {
    REASONING_MARKS.iter().filter(|marks| marks.distinct)
}

#[cfg(test)]
mod tests;
