//! Whether a panel is worth its price: blind votes on its answer against the best single draft, what they
//! show, and what they do not show yet. Pure statistics; knows nothing of who voted or how it is stored.
//!
//! A tie counts as half a win. The figure that people see, the win rate with its interval, is right at one
//! look after a number of votes. People look after every vote, though, and stop when they like what they
//! see: the verdict therefore rests on evidence that may be looked at as often as one likes.

pub mod blind;
mod evidence;
mod interval;
pub mod pair;
pub mod single;
#[cfg(test)]
mod tests;

use serde::Serialize;

/// How often a verdict may be wrong, however often somebody looks.
pub const WRONG: f64 = 0.05;

/// A panel that wins fewer than this part of the votes makes no difference worth a price.
pub const WORTHWHILE: f64 = 0.6;

/// More votes than this nobody will give, and the hardest rate needs fewer: where the search ends.
const MOST_VOTES: f64 = 10_000.0;

/// Blind votes, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub struct Tally {
    /// The panel's answer was preferred.
    pub wins: u64,
    /// Neither was.
    pub ties: u64,
    /// The single draft was preferred.
    pub losses: u64,
}

/// What a person preferred, not knowing which was which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Preference {
    /// The panel's answer.
    Panel,
    /// The single draft.
    Single,
    /// Neither.
    Tie,
}

impl Preference {
    /// The stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Panel => "panel",
            Self::Single => "single",
            Self::Tie => "tie",
        }
    }
    /// The inverse of `as_str`.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Panel, Self::Single, Self::Tie];
        all.into_iter().find(|one| one.as_str() == text)
    }
}

/// What the votes show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The panel's answer is preferred more often than not.
    Pays,
    /// The single draft is preferred more often than not.
    DoesNotPay,
    /// Whichever is preferred: the panel's answer is not preferred often enough to be worth a price.
    NoDifference,
    /// The votes do not show it yet.
    Unknown,
}

/// What follows from a tally.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The votes.
    pub tally: Tally,
    /// What they show.
    pub verdict: Verdict,
    /// Wins and half the ties, as a part of the votes; none without votes.
    pub rate: Option<f64>,
    /// Where the true rate lies with 95 % confidence, for one look; none without votes.
    pub interval: Option<(f64, f64)>,
    /// Votes after which it would be known if they go on like this; none when it is known.
    pub more: Option<u64>,
}

impl Tally {
    /// All votes.
    pub fn votes(&self) -> u64 {
        self.wins + self.ties + self.losses
    }

    /// What follows from them.
    pub fn judge(self) -> Judgement {
        let votes = self.votes();
        let (wins, ties, losses) = (self.wins as f64, self.ties as f64, self.losses as f64);
        let verdict = verdict(wins, ties, losses);
        Judgement {
            tally: self,
            verdict,
            rate: (votes > 0).then(|| (wins + ties / 2.0) / votes as f64),
            interval: (votes > 0).then(|| interval::of(wins, ties, losses)),
            more: match verdict {
                Verdict::Unknown => more(wins, ties, losses),
                _ => None,
            },
        }
    }
}

fn verdict(wins: f64, ties: f64, losses: f64) -> Verdict {
    let shown = |evidence: f64| evidence >= -WRONG.ln();
    if shown(evidence::above(wins, ties, losses, 0.5)) {
        Verdict::Pays
    } else if shown(evidence::below(wins, ties, losses, 0.5)) {
        Verdict::DoesNotPay
    } else if shown(evidence::below(wins, ties, losses, WORTHWHILE)) {
        Verdict::NoDifference
    } else {
        Verdict::Unknown
    }
}

/// How many more votes at the rates so far would end the doubt. Before the first vote: how many it takes at
/// the least, when all agree.
fn more(wins: f64, ties: f64, losses: f64) -> Option<u64> {
    let votes = wins + ties + losses;
    let part = |count: f64, of_none: f64| {
        if votes > 0.0 { count / votes } else { of_none }
    };
    let rates = (part(wins, 1.0), part(ties, 0.0), part(losses, 0.0));
    let known = |more: f64| {
        let then = |count: f64, rate: f64| count + more * rate;
        let after = verdict(
            then(wins, rates.0),
            then(ties, rates.1),
            then(losses, rates.2),
        );
        after != Verdict::Unknown
    };
    let (mut doubt, mut enough) = (0.0, 1.0);
    while !known(enough) {
        if enough >= MOST_VOTES {
            return None;
        }
        (doubt, enough) = (enough, enough * 2.0);
    }
    while enough - doubt > 1.0 {
        let middle = f64::floor((doubt + enough) / 2.0);
        if known(middle) {
            enough = middle;
        } else {
            doubt = middle;
        }
    }
    Some(enough as u64)
}

impl Judgement {
    /// The same in a sentence for a person. `multiple` is the panel's price over the single draft's.
    pub fn sentence(&self, multiple: Option<f64>) -> String {
        let price = match multiple {
            Some(multiple) => format!("at {multiple:.1} times the price of the single answer"),
            None => "without prices that can be compared".to_owned(),
        };
        let (Some(rate), Some((from, to))) = (self.rate, self.interval) else {
            return format!(
                "Unknown: no blind votes yet; at least {} are needed.",
                self.more.unwrap_or_default()
            );
        };
        let so_far = format!(
            "the panel won {} % of {} (95 % interval {} to {} %, ties count half), {price}",
            percent(rate),
            counted(self.tally.votes(), "blind vote"),
            percent(from),
            percent(to)
        );
        match self.verdict {
            Verdict::Pays => format!(
                "The panel's answers are preferred: {so_far}. Whether that is worth its price is yours to say."
            ),
            Verdict::DoesNotPay => {
                format!("The panel does not pay: the single answers are preferred; {so_far}.")
            }
            Verdict::NoDifference => format!(
                "No difference worth a price: {so_far}; the panel is preferred in fewer than {} of 100.",
                percent(WORTHWHILE)
            ),
            Verdict::Unknown => format!(
                "Unknown, about {} needed if they go on like this: {so_far}.",
                counted(self.more.unwrap_or_default(), "more vote")
            ),
        }
    }
}

fn percent(part: f64) -> f64 {
    (part * 100.0).round()
}

fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
