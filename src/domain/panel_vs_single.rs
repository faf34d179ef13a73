//! Panel vs. single model: evaluates blind votes between the panel's answer and the best single draft. Pure
//! statistics; independent of voters and storage.
//!
//! A tie counts as half a win. The displayed win rate and its interval are valid for one look at a fixed
//! number of votes. Because users look after every vote and may stop at any time, the verdict uses
//! anytime-valid evidence.

pub mod blind;
mod evidence;
mod interval;
pub mod pair;
pub mod several;
pub mod single;
#[cfg(test)]
mod tests;

use serde::Serialize;

/// Maximum error probability of a verdict, however often the votes are evaluated.
pub const ERROR_RATE: f64 = 0.05;

/// Smallest win rate, from 0 to 1, at which a panel's advantage counts as relevant.
pub const MIN_WIN_RATE: f64 = 0.6;

/// Maximum number of further votes that `votes_needed` considers. Even at the win rate that needs the most votes, fewer
/// are needed.
const MAX_VOTES: f64 = 10_000.0;

/// Counts of blind votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub struct VoteTally {
    /// Votes for the panel's answer.
    pub wins: u64,
    /// Votes for neither.
    pub ties: u64,
    /// Votes for the single-model draft.
    pub losses: u64,
}

/// Which answer a blind vote prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Preference {
    /// The panel's answer.
    Panel,
    /// The single-model draft.
    Single,
    /// Neither is better.
    Tie,
}

impl Preference {
    /// Returns the stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Panel => "panel",
            Self::Single => "single",
            Self::Tie => "tie",
        }
    }
    /// Parses a stored name: the inverse of `as_str`.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Panel, Self::Single, Self::Tie];
        all.into_iter()
            .find(|preference| preference.as_str() == text)
    }
}

/// What can be concluded from the votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PanelVerdict {
    /// The panel's answers are preferred.
    Pays,
    /// The single drafts are preferred.
    DoesNotPay,
    /// The panel's win rate is below `MIN_WIN_RATE`, so an advantage, if any, is not relevant.
    NoDifference,
    /// Not enough evidence yet.
    Unknown,
}

/// The evaluation of blind votes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PanelJudgment {
    /// The votes that the judgment is based on.
    pub tally: VoteTally,
    /// What can be concluded from the votes.
    pub verdict: PanelVerdict,
    /// Win rate, with ties as half wins, 0 to 1; `None` without votes.
    pub win_rate: Option<f64>,
    /// 95% confidence interval of the true win rate, valid for a single look; `None` without votes.
    pub interval: Option<(f64, f64)>,
    /// Number of further votes needed at the current rates; `None` if the verdict is already known or too many would
    /// be needed.
    pub votes_needed: Option<u64>,
}

impl VoteTally {
    /// Returns the total number of votes.
    pub fn votes(&self) -> u64 {
        self.wins + self.ties + self.losses
    }

    /// Evaluates the votes on a single question, without a correction.
    pub fn judge(self) -> PanelJudgment {
        self.judge_with(several::MultiplicityCorrection::UNCORRECTED)
    }

    /// Evaluates the votes on one of several questions that are shown together, with a stricter threshold.
    pub fn judge_with(self, correction: several::MultiplicityCorrection) -> PanelJudgment {
        let votes = self.votes();
        let (wins, ties, losses) = (self.wins as f64, self.ties as f64, self.losses as f64);
        let verdict = verdict(wins, ties, losses, correction);
        PanelJudgment {
            tally: self,
            verdict,
            win_rate: (votes > 0).then(|| (wins + ties / 2.0) / votes as f64),
            interval: (votes > 0).then(|| interval::win_rate_interval(wins, ties, losses)),
            votes_needed: match verdict {
                PanelVerdict::Unknown => votes_needed(wins, ties, losses, correction),
                _ => None,
            },
        }
    }
}

fn verdict(
    wins: f64,
    ties: f64,
    losses: f64,
    correction: several::MultiplicityCorrection,
) -> PanelVerdict {
    let is_sufficient = |evidence: f64| evidence >= correction.threshold(ERROR_RATE);
    if is_sufficient(evidence::evidence_above(wins, ties, losses, 0.5)) {
        PanelVerdict::Pays
    } else if is_sufficient(evidence::evidence_below(wins, ties, losses, 0.5)) {
        PanelVerdict::DoesNotPay
    } else if is_sufficient(evidence::evidence_below(wins, ties, losses, MIN_WIN_RATE)) {
        PanelVerdict::NoDifference
    } else {
        PanelVerdict::Unknown
    }
}

/// Returns the number of further votes needed for a verdict at the current rates; `None` if too many would be needed.
/// Without votes, returns the number needed if all of them prefer the panel.
fn votes_needed(
    wins: f64,
    ties: f64,
    losses: f64,
    correction: several::MultiplicityCorrection,
) -> Option<u64> {
    let votes = wins + ties + losses;
    let part = |count: f64, default: f64| {
        if votes > 0.0 { count / votes } else { default }
    };
    let rates = (part(wins, 1.0), part(ties, 0.0), part(losses, 0.0));
    let is_decided_after = |more: f64| {
        let projected = |count: f64, rate: f64| count + more * rate;
        let later_verdict = verdict(
            projected(wins, rates.0),
            projected(ties, rates.1),
            projected(losses, rates.2),
            correction,
        );
        later_verdict != PanelVerdict::Unknown
    };
    let (mut undecided, mut decided) = (0.0, 1.0);
    while !is_decided_after(decided) {
        if decided >= MAX_VOTES {
            return None;
        }
        (undecided, decided) = (decided, decided * 2.0);
    }
    while decided - undecided > 1.0 {
        let middle = f64::floor((undecided + decided) / 2.0);
        if is_decided_after(middle) {
            decided = middle;
        } else {
            undecided = middle;
        }
    }
    Some(decided as u64)
}

impl PanelJudgment {
    /// Describes the evaluation for users. `multiple` is the panel's price relative to the single draft's.
    pub fn sentence(&self, multiple: Option<f64>) -> String {
        let price = match multiple {
            Some(multiple) => format!("at {multiple:.1} times the price of the single answer"),
            None => "without comparable prices".to_owned(),
        };
        let (Some(rate), Some((from, to))) = (self.win_rate, self.interval) else {
            return format!(
                "Unknown: no blind votes yet; at least {} are needed.",
                self.votes_needed.unwrap_or_default()
            );
        };
        let tally_text = format!(
            "of {}, the panel won {}, lost {}, and tied {}, which is {} % with ties as half (95 % interval {} to {} %), {price}",
            count_text(self.tally.votes(), "blind vote"),
            self.tally.wins,
            self.tally.losses,
            self.tally.ties,
            percent(rate),
            percent(from),
            percent(to)
        );
        match self.verdict {
            PanelVerdict::Pays => format!(
                "The panel's answers are preferred: {tally_text}. Whether that is worth the price is up to you."
            ),
            PanelVerdict::DoesNotPay => {
                format!(
                    "The panel is not worth it: the single answers are preferred; {tally_text}."
                )
            }
            PanelVerdict::NoDifference => format!(
                "No relevant difference: {tally_text}; the panel is preferred in fewer than {} of 100 votes.",
                percent(MIN_WIN_RATE)
            ),
            PanelVerdict::Unknown => format!(
                "Unknown, about {} needed at this rate: {tally_text}.",
                count_text(self.votes_needed.unwrap_or_default(), "more vote")
            ),
        }
    }
}

fn percent(part: f64) -> f64 {
    (part * 100.0).round()
}

fn count_text(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
