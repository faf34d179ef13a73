//! The result of a vote: the winner, how a tie was broken, and which member's words are the answer.

use serde::Serialize;

use super::count::{self, BallotCount, VoteChoice};
use crate::domain::answer_value::AnswerReader;
use crate::domain::prompt::letter;
use crate::domain::standing::{self, MemberTrackRecord, RankingBasis};
use crate::domain::statistics::random::Random;

/// How a vote was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VoteDecision {
    /// One choice has the most votes.
    Votes,
    /// A tie that the members' scores in the user's experiments broke.
    Experiments,
    /// A tie that the user's blind votes on the members broke.
    BlindVotes,
    /// A tie that the catalog's strength ranking of the members broke.
    Catalog,
    /// A tie that the synthesizer broke after reading the answers.
    Synthesizer,
    /// A tie that nothing else broke, so that the winner was drawn at random with the plan's seed.
    Draw,
}

impl VoteDecision {
    /// Returns the name used in responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Votes => "votes",
            Self::Experiments => "experiments",
            Self::BlindVotes => "blind_votes",
            Self::Catalog => "catalog",
            Self::Synthesizer => "synthesizer",
            Self::Draw => "draw",
        }
    }
}

/// The result of a vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoteOutcome {
    /// The votes for each choice.
    pub count: BallotCount,
    /// Index of the winner among the choices.
    pub winner: usize,
    /// How the vote was decided.
    pub decision: VoteDecision,
    /// The member whose answer is the result: the best of those who voted for the winner.
    pub author: usize,
}

/// The votes and the inputs for breaking a tie.
#[derive(Debug, Clone, Copy)]
pub struct Ballots<'a> {
    /// The question that was voted on; it decides how answers are compared.
    pub question: &'a str,
    /// Answers, each with the index of its member.
    pub answers: &'a [(usize, &'a str)],
    /// The members' catalog ranks and past scores, which may break a tie.
    pub standings: &'a [MemberTrackRecord],
    /// Seed for a random draw.
    pub seed: u64,
    /// The synthesizer's answer, which may break a tie; `None` if the synthesizer was not called.
    pub tie_break_answer: Option<&'a str>,
}

/// Counts the answers and breaks a tie: by the members' standings, the synthesizer's answer, or a random draw, in this
/// order. `None` if no answer can be read.
pub fn decide_vote(ballots: Ballots<'_>) -> Option<VoteOutcome> {
    let count = count::count(ballots.question, ballots.answers)?;
    let tied = &count.choices[..count.leader_count()];
    let (winner, decision) = match tied.len() {
        1 => (0, VoteDecision::Votes),
        _ => break_tie(ballots, tied),
    };
    let representative = standing::best_member(ballots.standings, &count.choices[winner].voters)?;
    Some(VoteOutcome {
        count,
        winner,
        decision,
        author: representative,
    })
}

fn break_tie(ballots: Ballots<'_>, tied: &[VoteChoice]) -> (usize, VoteDecision) {
    let voters: Vec<Vec<usize>> = tied.iter().map(|choice| choice.voters.clone()).collect();
    if let Some((winner, basis)) = standing::best_group(ballots.standings, &voters) {
        let decision = match basis {
            RankingBasis::Experiments => VoteDecision::Experiments,
            RankingBasis::Votes => VoteDecision::BlindVotes,
            RankingBasis::Catalog => VoteDecision::Catalog,
        };
        return (winner, decision);
    }
    let reader = AnswerReader::new(ballots.question);
    let tie_break = ballots
        .tie_break_answer
        .and_then(|answer| reader.read(answer));
    let by_synthesizer = tie_break.and_then(|value| {
        let has_value = |choice: &VoteChoice| {
            choice
                .values
                .iter()
                .any(|known| known.has_same_value(&value))
        };
        let mut fitting = (0..tied.len()).filter(|&at| has_value(&tied[at]));
        fitting.next().filter(|_| fitting.next().is_none())
    });
    match by_synthesizer {
        Some(winner) => (winner, VoteDecision::Synthesizer),
        None => (
            Random::new(ballots.seed).index_below(tied.len()),
            VoteDecision::Draw,
        ),
    }
}

impl VoteOutcome {
    /// Returns the winning choice.
    pub fn winner(&self) -> &VoteChoice {
        &self.count.choices[self.winner]
    }

    /// Describes the counts and the decision in a sentence for users. `models` are the members' names.
    pub fn sentence(&self, standings: &[MemberTrackRecord], models: &[String]) -> String {
        let (winner, cast) = (self.winner(), self.count.votes_cast());
        let votes = format!(
            "{} of {cast} votes for {}",
            winner.voters.len(),
            winner.label
        );
        if self.decision == VoteDecision::Votes {
            return format!("{votes} ({})", winner.voter_labels());
        }
        let tied: Vec<String> = self.count.choices[..self.count.leader_count()]
            .iter()
            .map(|choice| format!("{} ({})", choice.label, choice.voter_labels()))
            .collect();
        let name = |member: usize| {
            let model = models.get(member).map_or("", String::as_str);
            format!("{} ({model})", letter(member))
        };
        let best = name(self.author);
        // The best of the winner's voters comes first, followed by the best voter of each other tied choice.
        let record = |of: fn(&MemberTrackRecord) -> standing::ScoreRecord| {
            let others = self.count.choices[..self.count.leader_count()].iter();
            let others = others.filter(|choice| !choice.voters.contains(&self.author));
            let others =
                others.filter_map(|choice| standing::best_member(standings, &choice.voters));
            let records = [self.author].into_iter().chain(others).map(|member| {
                let record = standings.get(member).map(of).unwrap_or_default();
                format!("{} {:.1} of {}", name(member), record.points, record.cases)
            });
            records.collect::<Vec<_>>().join(" and ")
        };
        let decision_text = match self.decision {
            VoteDecision::Votes => String::new(),
            VoteDecision::Experiments => format!(
                "broken by your experiments, whose scores on the questions that all members answered are {}",
                record(|standing| standing.experiments)
            ),
            VoteDecision::BlindVotes => format!(
                "broken by your blind votes, whose scores are {}",
                record(|standing| standing.votes)
            ),
            VoteDecision::Catalog => {
                format!("broken by strength in the catalog, where {best} ranks highest")
            }
            VoteDecision::Synthesizer => {
                "broken by the synthesizer, which read the answers".to_owned()
            }
            VoteDecision::Draw => {
                "broken by a random draw, because nothing ranks the members".to_owned()
            }
        };
        format!(
            "a tie of {} each between {}, {decision_text}: {}",
            winner.voters.len(),
            tied.join(" and "),
            winner.label
        )
    }

    /// Whether the vote was tied.
    pub fn is_tie(&self) -> bool {
        self.decision != VoteDecision::Votes
    }
}

/// Whether these votes are tied and the members' standings do not break the tie, so the synthesizer must break it.
pub fn needs_synthesizer(ballots: Ballots<'_>) -> bool {
    decide_vote(ballots).is_some_and(|outcome| outcome.decision == VoteDecision::Draw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::standing::ScoreRecord;

    fn outcome(standings: &[MemberTrackRecord], tie_break_answer: Option<&str>) -> VoteOutcome {
        decide_vote(Ballots {
            question: "How many?",
            answers: &[
                (0, "Answer: 5"),
                (1, "Answer: 6"),
                (2, "It is hard to say how many there are"),
            ],
            standings,
            seed: 7,
            tie_break_answer,
        })
        .unwrap()
    }

    fn ranked_standing(strength: u32, points: f64) -> MemberTrackRecord {
        MemberTrackRecord {
            strength,
            experiments: ScoreRecord {
                points,
                cases: if points > 0.0 { 20 } else { 0 },
            },
            ..MemberTrackRecord::default()
        }
    }

    #[test]
    fn ties_are_broken_by_record_then_catalog_then_synthesizer_then_draw() {
        for (standings, answer, winner, decision) in [
            (
                [ranked_standing(9, 8.0), ranked_standing(1, 15.0)],
                None,
                1,
                VoteDecision::Experiments,
            ),
            (
                [ranked_standing(9, 0.0), ranked_standing(1, 15.0)],
                None,
                0,
                VoteDecision::Catalog,
            ),
            (
                [ranked_standing(1, 0.0), ranked_standing(1, 0.0)],
                Some("So.\nAnswer: 6.0"),
                1,
                VoteDecision::Synthesizer,
            ),
        ] {
            let vote_outcome = outcome(&standings, answer);
            assert_eq!(
                (vote_outcome.winner, vote_outcome.decision),
                (winner, decision),
                "{standings:?}"
            );
            assert_eq!(vote_outcome.author, winner);
        }
        // The synthesizer's answer counts only if it is one of the tied choices.
        let equal = [ranked_standing(1, 0.0), ranked_standing(1, 0.0)];
        let drawn_outcome = outcome(&equal, Some("Answer: 7"));
        assert_eq!(drawn_outcome.decision, VoteDecision::Draw);
        assert_eq!(
            drawn_outcome,
            outcome(&equal, None),
            "the seed decides the same again"
        );
    }

    #[test]
    fn the_summary_states_the_counts_and_the_tie_breaker() {
        let models = ["p/a", "p/b", "p/c"].map(str::to_owned);
        for (standings, answer, parts) in [
            (
                [ranked_standing(9, 8.0), ranked_standing(1, 15.0)],
                None,
                [
                    "a tie of 1 each between 5 (A) and 6 (B)",
                    "B (p/b) 15.0 of 20 and A (p/a) 8.0 of 20",
                ],
            ),
            (
                [ranked_standing(9, 0.0), ranked_standing(1, 0.0)],
                None,
                ["strength in the catalog", "A (p/a)"],
            ),
            (
                [ranked_standing(1, 0.0), ranked_standing(1, 0.0)],
                Some("Answer: 6"),
                ["by the synthesizer", ": 6"],
            ),
            (
                [ranked_standing(1, 0.0), ranked_standing(1, 0.0)],
                None,
                ["random draw", "nothing ranks"],
            ),
        ] {
            let sentence = outcome(&standings, answer).sentence(&standings, &models);
            for part in parts {
                assert!(sentence.contains(part), "{part:?} is not in {sentence:?}");
            }
        }
        let plain = decide_vote(Ballots {
            question: "How many?",
            answers: &[(0, "Answer: 5"), (1, "Answer: 5"), (2, "Answer: 6")],
            standings: &[],
            seed: 1,
            tie_break_answer: None,
        });
        assert_eq!(
            plain.unwrap().sentence(&[], &models),
            "2 of 3 votes for 5 (A, B)"
        );
    }
}
