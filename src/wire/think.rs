//! Local models write their reasoning into the answer, between marks such as `<think>` and `</think>`. Takes it
//! out of the text while it streams in, and leaves alone what an answer says about such marks in code.

mod code;
mod find;
mod marks;

use code::Code;
use find::{MarkFound, find, first_of};
use marks::{ANSWERS, BARE, BareChannels, FIRST, MARKS, Marks};

/// gpt-oss writes into channels, of which `final` is the answer (OpenAI's Harmony format).
const BEGINS: &[&str] = &["<|channel|>", "<|start|>"];
const MESSAGE: &str = "<|message|>";
const ENDS: &[&str] = &["<|end|>", "<|return|>", "<|call|>"];
/// Between a channel's mark and its message stand a few words.
const MOST_HEADER: usize = 256;
/// White space looked through for a mark; more than this is the answer's own.
const MOST_SPACE: usize = 1024;
/// Bytes held back for a closing mark that the model is expected to send. Beyond them the text goes out as the
/// answer; a closing mark that comes later still makes it reasoning.
const MOST_AWAITED: usize = 1024 * 1024;
/// Bytes looked at in one step: what a step moves stays small, however large a piece comes.
const STEP: usize = 4096;

/// A piece of the answer, told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ThinkPiece {
    Text(String),
    Reasoning(String),
    /// All text so far was reasoning: this closing mark has ended it, and none had opened it.
    Closed(&'static str),
    Sealed(serde_json::Value),
}

/// Divides a growing text into reasoning and answer.
#[derive(Debug, Default)]
pub(super) struct ReasoningSplitter {
    mode: SplitterMode,
    /// What may be the beginning of a mark, or waits for one.
    held: String,
    /// Bytes of `held` that hold no closing mark and begin none, while one is awaited.
    scanned: usize,
    code: Code,
    /// A block was opened by its mark, or the vendor sends reasoning in a field of its own: a closing mark that
    /// stands alone is then the answer's.
    is_marked: bool,
    /// A closing mark alone has ended the reasoning before it.
    was_closed: bool,
    /// This model opens its reasoning in the prompt: all is held until a mark closes it.
    expects_close: bool,
    channels: bool,
    /// What closes the answer, where a mark has opened it.
    wrapped: Option<&'static str>,
    has_text: bool,
    /// The text itself speaks of an opening mark.
    has_plain: bool,
    /// How this model writes channels without their marks, until the text has begun in another way.
    bare: Option<&'static BareChannels>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum SplitterMode {
    /// Nothing but white space so far, or since a block's end.
    #[default]
    Start,
    Text,
    /// Until this closing mark.
    Reasoning(&'static str),
    /// Between a channel's mark and its message.
    Header,
    /// In a channel: the final one, or another.
    Channel(bool),
    /// In a channel without marks, until the answer's begins.
    Bare,
    /// In an answer that this mark closes. Only found, never entered: such an answer is read as any other text.
    Wrapped(&'static str),
}

impl ReasoningSplitter {
    /// The model opens its reasoning in the prompt.
    pub fn expect_close(&mut self) {
        self.expects_close = true;
    }

    /// The model of this name may write into channels whose marks its server strips.
    pub fn expect_bare(&mut self, model: &str) {
        let model = model.to_ascii_lowercase();
        self.bare = BARE.iter().find(|bare| model.contains(bare.model));
    }

    /// The vendor has sent reasoning in a field of its own.
    pub fn is_told_apart(&mut self) {
        self.is_marked = true;
    }

    /// A closing mark alone has ended reasoning.
    pub fn was_closed(&self) -> bool {
        self.was_closed
    }

    /// Takes a piece of text, gives what is sure.
    pub fn push(&mut self, piece: &str, out: &mut Vec<ThinkPiece>) {
        let is_awaiting = self.awaits_close() || self.mode == SplitterMode::Bare;
        if self.held.len() > MOST_SPACE && !is_awaiting {
            // Held for a closing mark, until the vendor sent reasoning in a field of its own.
            let held = std::mem::take(&mut self.held);
            self.push_parts(&held, out);
        }
        self.push_parts(piece, out);
    }

    fn push_parts(&mut self, text: &str, out: &mut Vec<ThinkPiece>) {
        let mut rest = text;
        while !rest.is_empty() {
            let (part, later) = rest.split_at(rest.floor_char_boundary(STEP));
            rest = later;
            self.held.push_str(part);
            while self.step(out) {}
            if self.awaits_close() && self.held.len() > MOST_AWAITED {
                self.stop_awaiting(out);
            }
        }
    }

    fn awaits_close(&self) -> bool {
        self.expects_close && !self.is_marked && !self.was_closed
    }

    /// Takes what was held for a closing mark as any other text.
    fn stop_awaiting(&mut self, out: &mut Vec<ThinkPiece>) {
        self.expects_close = false;
        let held = std::mem::take(&mut self.held);
        self.push_parts(&held, out);
    }

    /// One step; false where more text is needed.
    fn step(&mut self, out: &mut Vec<ThinkPiece>) -> bool {
        if self.held.is_empty() {
            return false;
        }
        if self.awaits_close() {
            return self.wait_for_close(out);
        }
        match self.mode {
            SplitterMode::Start => self.start(),
            SplitterMode::Text => self.text(out),
            SplitterMode::Reasoning(close) => match find(&self.held, &[close]) {
                Ok((at, length)) => {
                    self.give(at, length, false, out);
                    self.mode = SplitterMode::Start;
                    true
                }
                Err(sure) => self.give_sure(sure, false, out),
            },
            SplitterMode::Header => self.header(),
            SplitterMode::Wrapped(_) => false,
            SplitterMode::Bare => self.wait_for_answer(out),
            SplitterMode::Channel(is_final) => self.channel(is_final, out),
        }
    }

    fn wait_for_close(&mut self, out: &mut Vec<ThinkPiece>) -> bool {
        let closing: Vec<&'static str> = distinct().map(|marks| marks.close).collect();
        let (at, length) = match find(&self.held[self.scanned..], &closing) {
            Ok((at, length)) => (self.scanned + at, length),
            Err(sure) => {
                self.scanned += sure;
                return false;
            }
        };
        self.was_closed = true;
        self.wrapped = wrapper(&self.held[at..at + length]);
        // Some templates open it in the prompt, and the model once more.
        let trimmed = self.held.trim_start();
        let opening = distinct().filter(|marks| !marks.open.is_empty());
        let opening = opening.map(|marks| (marks.open, ()));
        let skipped = match first_of(trimmed, opening) {
            MarkFound::Mark((), open) => self.held.len() - trimmed.len() + open,
            _ => 0,
        };
        self.held.drain(..skipped.min(at));
        self.give(at - skipped.min(at), length, false, out);
        true
    }

    /// Holds a channel without marks until the answer's begins. Where none does, the text was the answer.
    fn wait_for_answer(&mut self, out: &mut Vec<ThinkPiece>) -> bool {
        let bare = self.bare.filter(|_| self.held.len() <= MOST_AWAITED);
        let Some(bare) = bare else {
            (self.mode, self.bare) = (SplitterMode::Text, None);
            return true;
        };
        let space = self.held.len() - self.held.trim_start().len();
        let begun = space + bare.open.len();
        let from = self.scanned.max(begun);
        if let Some(at) = self.held[from..].find(bare.close) {
            self.held.drain(..begun);
            self.give(from + at - begun, bare.close.len(), false, out);
            (self.mode, self.is_marked) = (SplitterMode::Start, true);
            return true;
        }
        let seen = self.held.len().saturating_sub(bare.close.len());
        self.scanned = self.held.floor_char_boundary(seen);
        false
    }

    /// Whether the text begins with a channel's name.
    fn begins_bare(&self, text: &str) -> MarkFound<()> {
        let is_behind = self.is_marked || self.was_closed || self.has_text;
        match self.bare.filter(|_| !is_behind) {
            Some(bare) if text.starts_with(bare.open) => MarkFound::Mark((), bare.open.len()),
            Some(bare) if bare.open.starts_with(text) => MarkFound::Perhaps,
            _ => MarkFound::Nothing,
        }
    }

    fn start(&mut self) -> bool {
        let trimmed = self.held.trim_start();
        if trimmed.is_empty() && self.held.len() <= MOST_SPACE {
            return false;
        }
        match self.begins_bare(trimmed) {
            MarkFound::Perhaps => return false,
            MarkFound::Mark((), _) => {
                (self.mode, self.scanned) = (SplitterMode::Bare, 0);
                return true;
            }
            MarkFound::Nothing => {}
        }
        let space = self.held.len() - trimmed.len();
        let channels = BEGINS.iter().map(|mark| (*mark, SplitterMode::Header));
        let blocks = opening().map(|marks| (marks.open, SplitterMode::Reasoning(marks.close)));
        let is_behind = (self.is_marked || self.was_closed) && !self.has_text;
        // Some models close twice what they opened once.
        let closings = distinct().filter(|_| is_behind);
        let closings = closings.map(|marks| (marks.close, SplitterMode::Start));
        let answers = ANSWERS.iter().filter(|_| is_behind);
        let answers = answers.map(|(open, close)| (*open, SplitterMode::Wrapped(close)));
        match first_of(
            trimmed,
            channels.chain(blocks).chain(answers).chain(closings),
        ) {
            MarkFound::Mark(SplitterMode::Start, length) => {
                self.held.drain(..space + length);
            }
            MarkFound::Mark(SplitterMode::Wrapped(close), length) if self.wrapped.is_none() => {
                self.held.drain(..space + length);
                self.wrapped = Some(close);
            }
            MarkFound::Mark(mode, length) if !matches!(mode, SplitterMode::Wrapped(_)) => {
                self.held.drain(..space + length);
                self.mode = mode;
                self.is_marked = true;
                self.channels |= mode == SplitterMode::Header;
            }
            MarkFound::Perhaps if self.held.len() <= MOST_SPACE => return false,
            _ => {
                // The space between a block and the answer is neither's; an answer's own stays.
                if is_behind {
                    self.held.drain(..space);
                }
                self.mode = SplitterMode::Text;
            }
        }
        true
    }

    /// Gives text up to the next mark.
    fn text(&mut self, out: &mut Vec<ThinkPiece>) -> bool {
        let held = std::mem::take(&mut self.held);
        // The space in front of the mark that closes an answer is not the answer's.
        let wrapped = self.wrapped;
        let kept = |text: &str| match wrapped {
            Some(_) if text.len() - text.trim_end().len() <= MOST_SPACE => text.trim_end().len(),
            _ => text.len(),
        };
        let sure = kept(&held);
        for (at, character) in held[..sure].char_indices() {
            let found = match FIRST.contains(&character) && !self.code.is_within() {
                true => self.mark(&held[at..]),
                false => MarkFound::Nothing,
            };
            match found {
                MarkFound::Mark(MarkKind::Plain, _) => {
                    self.has_plain = true;
                    self.code.take(character);
                }
                MarkFound::Nothing => self.code.take(character),
                MarkFound::Perhaps => {
                    let sure = kept(&held[..at]);
                    self.tell(&held[..sure], out);
                    held[sure..].clone_into(&mut self.held);
                    return false;
                }
                MarkFound::Mark(mark, length) => {
                    let sure = match mark {
                        MarkKind::Answered => kept(&held[..at]),
                        _ => at,
                    };
                    self.tell(&held[..sure], out);
                    held[at + length..].clone_into(&mut self.held);
                    self.pass(mark, out);
                    return true;
                }
            }
        }
        self.tell(&held[..sure], out);
        held[sure..].clone_into(&mut self.held);
        false
    }

    /// Goes on behind a mark.
    fn pass(&mut self, mark: MarkKind, out: &mut Vec<ThinkPiece>) {
        match mark {
            MarkKind::Plain => {}
            MarkKind::Answered => {
                self.wrapped = None;
                self.mode = SplitterMode::Start;
            }
            MarkKind::Open(mode) => {
                self.mode = mode;
                self.is_marked = true;
            }
            MarkKind::Close(close) => {
                self.was_closed = true;
                self.wrapped = wrapper(close);
                self.mode = SplitterMode::Start;
                self.has_text = false;
                self.code = Code::default();
                out.push(ThinkPiece::Closed(close));
            }
        }
    }

    /// A mark of reasoning within the text, or of the answer's end.
    fn mark(&self, text: &str) -> MarkFound<MarkKind> {
        let blocks = opening().filter(|marks| {
            // At a line's beginning, or anywhere once the answer has begun with a block.
            (marks.distinct && self.code.at_start) || self.is_marked || self.was_closed
        });
        let blocks = blocks.map(|marks| {
            (
                marks.open,
                MarkKind::Open(SplitterMode::Reasoning(marks.close)),
            )
        });
        let is_alone = !self.is_marked && !self.was_closed && !self.has_plain;
        let closing = distinct().filter(|_| is_alone);
        let closing = closing.map(|marks| (marks.close, MarkKind::Close(marks.close)));
        let plain = opening().filter(|marks| is_alone && marks.distinct);
        let plain = plain.map(|marks| (marks.open, MarkKind::Plain));
        let channels = BEGINS.iter().filter(|_| self.channels);
        let channels = channels.map(|mark| (*mark, MarkKind::Open(SplitterMode::Header)));
        let answered = self.wrapped.map(|close| (close, MarkKind::Answered));
        let marks = channels.chain(blocks).chain(closing).chain(plain);
        first_of(text, marks.chain(answered))
    }

    fn header(&mut self) -> bool {
        match find(&self.held, &[MESSAGE]) {
            Ok((at, length)) => {
                let is_final = self.held[..at].to_ascii_lowercase().contains("final");
                self.held.drain(..at + length);
                self.mode = SplitterMode::Channel(is_final);
                true
            }
            Err(_) if self.held.len() <= MOST_HEADER => false,
            Err(_) => {
                self.mode = SplitterMode::Text;
                true
            }
        }
    }

    fn channel(&mut self, is_final: bool, out: &mut Vec<ThinkPiece>) -> bool {
        let all: Vec<&'static str> = ENDS.iter().chain(BEGINS).copied().collect();
        match find(&self.held, &all) {
            Ok((at, length)) => {
                let begins = !ENDS
                    .iter()
                    .any(|end| self.held[at..].to_ascii_lowercase().starts_with(end));
                self.give(at, length, is_final, out);
                self.mode = if begins {
                    SplitterMode::Header
                } else {
                    SplitterMode::Start
                };
                true
            }
            Err(sure) => self.give_sure(sure, is_final, out),
        }
    }

    /// Gives what stands before a mark, and takes the mark out.
    fn give(&mut self, at: usize, length: usize, is_text: bool, out: &mut Vec<ThinkPiece>) {
        self.give_sure(at, is_text, out);
        self.held.drain(..length);
    }

    fn give_sure(&mut self, length: usize, is_text: bool, out: &mut Vec<ThinkPiece>) -> bool {
        let sure: String = self.held.drain(..length).collect();
        match is_text {
            true => self.tell(&sure, out),
            false if sure.is_empty() => {}
            false => out.push(ThinkPiece::Reasoning(sure)),
        }
        false
    }

    fn tell(&mut self, text: &str, out: &mut Vec<ThinkPiece>) {
        self.has_text |= !text.trim().is_empty();
        if !text.is_empty() {
            out.push(ThinkPiece::Text(text.to_owned()));
        }
    }

    /// What was held back when the stream ended.
    pub fn finish(mut self, out: &mut Vec<ThinkPiece>) {
        let held = std::mem::take(&mut self.held);
        match self.mode {
            SplitterMode::Reasoning(_) | SplitterMode::Channel(false) => {
                self.held = held;
                self.give_sure(self.held.len(), false, out);
            }
            // White space behind a block is no answer.
            SplitterMode::Start
                if (self.is_marked || self.was_closed) && held.trim().is_empty() => {}
            // No mark has closed what was expected to be reasoning: it was the answer.
            SplitterMode::Start if self.expects_close => {
                self.held = held;
                self.stop_awaiting(out);
                let rest = std::mem::take(&mut self.held);
                self.tell(&rest, out);
            }
            _ => self.tell(&held, out),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum MarkKind {
    /// An opening mark within a line: the text's own, and so is what closes it.
    Plain,
    Open(SplitterMode),
    Close(&'static str),
    /// The end of an answer that a mark has opened.
    Answered,
}

/// Those that models write themselves.
fn opening() -> impl Iterator<Item = &'static Marks> {
    MARKS.iter().filter(|marks| !marks.open.is_empty())
}

/// What closes an answer that this mark has opened.
fn wrapper(mark: &str) -> Option<&'static str> {
    let found = { ANSWERS.iter() }.find(|(open, _)| open.eq_ignore_ascii_case(mark));
    found.map(|(_, close)| *close)
}

fn distinct() -> impl Iterator<Item = &'static Marks> {
    MARKS.iter().filter(|marks| marks.distinct)
}

#[cfg(test)]
mod tests;
