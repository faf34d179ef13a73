//! How much of a person's documents each member is given: all of it, the passages that matter, fewer of them,
//! notes on every part, or nothing because it has no room. Decided before anything is spent; reads nothing.

use serde::{Deserialize, Serialize};

/// How a person wants documents to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reading {
    /// Whole while they are short, else the passages that matter.
    #[default]
    Auto,
    /// Whole, whatever it costs, wherever it fits.
    Whole,
    /// The passages that the question finds.
    Passages,
    /// Every part by one member, whose notes go to all.
    Parts,
}

/// What a member is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// All of it.
    Whole,
    /// The passages that the question finds.
    Passages,
    /// Fewer passages than others, because it has less room.
    Trimmed,
    /// Notes on every part.
    Parts,
    /// Nothing: it is not asked.
    Cannot,
}

/// A member and what it is given, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fitting {
    /// Full id.
    pub model: String,
    /// What it is given.
    pub fit: Fit,
    /// Why it is less than all; empty where it is not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// How long documents are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Volume {
    /// Characters of text.
    pub chars: u64,
    /// Bytes of it.
    pub bytes: u64,
}

impl Volume {
    /// About how many tokens it is: as `chat::estimate_tokens`, from the lengths alone. Characters beyond
    /// ASCII have two to four bytes, of which the middle is taken.
    pub fn tokens(self) -> u64 {
        let other = self.bytes.saturating_sub(self.chars) / 2;
        let other = other.min(self.chars);
        (self.chars - other).div_ceil(4) + other
    }

    // Characters that so many tokens have room for.
    fn chars_in(self, tokens: u64) -> usize {
        let each = (self.tokens() as f64 / self.chars.max(1) as f64).max(0.25);
        (tokens as f64 / each) as usize
    }
}

/// Characters of passages that enter a prompt: about 6,000 tokens, which every current model can read.
pub const PASSAGES: usize = 24_000;
/// Documents of at most so many characters go in whole unasked: about 24,000 tokens.
pub const UNASKED: u64 = 96_000;
/// Characters that go in whole at most, whoever asks for it: they are kept with the analysis.
pub const MOST: u64 = 2_000_000;
/// Characters of passages for members with less room.
const STEPS: [usize; 4] = [12_000, 6_000, 3_000, 1_500];
/// Tokens of the panel's rules and a stage's prompt.
const RULES: u64 = 1_200;
/// A part's characters, at least and at most: below, notes would be longer than what they are notes on; above,
/// readers overlook what stands in the middle.
const PART: (usize, usize) = (3_000, 60_000);

/// What a member needs its context window for, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seat {
    /// The window; 0 where it is not known.
    pub window: u64,
    /// What it may write.
    pub output: u64,
    /// The question.
    pub question: u64,
    /// Other members' texts.
    pub peers: u64,
}

impl Seat {
    /// What is left for documents; none where the window is not known.
    pub fn room(self) -> Option<u64> {
        let needed = self.output + self.question + self.peers + RULES;
        (self.window > 0).then(|| self.window.saturating_sub(needed))
    }
}

/// What a member is given, in characters at most, and why it is not all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What.
    pub fit: Fit,
    /// Characters at most.
    pub chars: usize,
    /// Why it is less than all; empty where it is not.
    pub why: String,
}

/// Chooses for one member. `Parts` is not chosen here: it is one decision for the whole panel.
pub fn choose(wish: Reading, volume: Volume, seat: Seat) -> Choice {
    let room = seat.room();
    let given = |fit, chars, why: String| Choice { fit, chars, why };
    let unknown = PASSAGES as u64;
    let most = match (wish, room) {
        (Reading::Whole, _) => MOST,
        (Reading::Passages, _) => 0,
        (_, None) => unknown,
        (_, Some(_)) => UNASKED,
    };
    let fits = room.is_none_or(|room| volume.tokens() <= room);
    if volume.chars <= most.max(STEPS[3] as u64) && fits {
        return given(Fit::Whole, volume.chars as usize, String::new());
    }
    let why = match room {
        Some(room) if wish != Reading::Passages && !fits => format!(
            "its context of {} tokens leaves room for {room} of the documents' {}",
            seat.window,
            volume.tokens()
        ),
        _ if wish == Reading::Passages => String::new(),
        None if wish == Reading::Auto => "its context window is not known".to_owned(),
        _ => format!(
            "the documents have {} characters, more than the {most} that go in whole{}",
            volume.chars,
            if wish == Reading::Auto {
                " unasked"
            } else {
                ""
            }
        ),
    };
    let chars = room.map_or(PASSAGES, |room| volume.chars_in(room));
    if chars >= PASSAGES {
        return given(Fit::Passages, PASSAGES, why);
    }
    match STEPS.into_iter().find(|&step| step <= chars) {
        Some(step) => given(Fit::Trimmed, step, why),
        None => given(Fit::Cannot, 0, why),
    }
}

/// Characters of a part that all of these can read; none where one of them cannot read any.
pub fn part(volume: Volume, seats: &[Seat]) -> Option<usize> {
    let room = |seat: &Seat| seat.room().map_or(PASSAGES, |room| volume.chars_in(room));
    let least = seats.iter().map(room).min()?;
    (least >= PART.0).then(|| least.min(PART.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latin(chars: u64) -> Volume {
        Volume {
            chars,
            bytes: chars,
        }
    }

    fn seat(window: u64) -> Seat {
        Seat {
            window,
            output: 1_000,
            question: 100,
            peers: 0,
        }
    }

    #[test]
    fn tokens_from_lengths() {
        let chinese = Volume {
            chars: 1_000,
            bytes: 3_000,
        };
        for (volume, tokens) in [(latin(4_000), 1_000), (chinese, 1_000), (latin(0), 0)] {
            assert_eq!(volume.tokens(), tokens);
        }
    }

    #[test]
    fn what_a_member_is_given() {
        use Fit::{Cannot, Passages, Trimmed, Whole};
        use Reading as Wish;
        for (wish, chars, window, fit, budget) in [
            (Wish::Auto, 90_000, 200_000, Whole, 90_000),
            (Wish::Auto, 100_000, 200_000, Passages, PASSAGES),
            (Wish::Whole, 100_000, 200_000, Whole, 100_000),
            (Wish::Whole, 900_000, 200_000, Passages, PASSAGES),
            (Wish::Whole, 3_000_000, 2_000_000, Passages, PASSAGES),
            (Wish::Passages, 90_000, 200_000, Passages, PASSAGES),
            (Wish::Auto, 90_000, 8_192, Trimmed, 12_000),
            (Wish::Auto, 90_000, 4_096, Trimmed, 6_000),
            (Wish::Auto, 90_000, 2_400, Cannot, 0),
            (Wish::Auto, 90_000, 0, Passages, PASSAGES),
            (Wish::Auto, 20_000, 0, Whole, 20_000),
            (Wish::Whole, 90_000, 0, Whole, 90_000),
            (Wish::Passages, 900, 8_192, Whole, 900),
        ] {
            let got = choose(wish, latin(chars), seat(window));
            assert_eq!(
                (got.fit, got.chars),
                (fit, budget),
                "{wish:?} {chars} {window}"
            );
            let says = !got.why.is_empty();
            assert_eq!(says, fit != Whole && wish != Wish::Passages, "{}", got.why);
        }
    }

    #[test]
    fn parts_suit_the_smallest_reader() {
        for (windows, expected) in [
            (&[200_000, 8_192][..], Some(23_568)),
            (&[200_000, 2_400], None),
            (&[200_000], Some(60_000)),
            (&[0], Some(PASSAGES)),
            (&[], None),
        ] {
            let seats: Vec<Seat> = windows.iter().map(|&window| seat(window)).collect();
            assert_eq!(part(latin(500_000), &seats), expected, "{windows:?}");
        }
    }
}
