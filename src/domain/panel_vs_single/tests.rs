//! Tests with simulated voters whose true win rate is known, and tests of the resulting sentences and intervals. Seeds
//! are fixed.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::evidence;
use super::interval;
use super::*;
use crate::domain::analysis::{Plan, StageAnswer};
use crate::domain::statistics::beta::{ln_gamma, regularized_beta};
use crate::domain::statistics::random::Random;

/// Creates a stored plan with these members.
pub(super) fn plan(models: &[&str]) -> Plan {
    let member = |model: &&str| json!({ "model": model, "parameters": {}, "price": null });
    let members: Vec<Value> = models.iter().map(member).collect();
    let stored_plan = json!({
        "pattern": "gut", "question": "How thick is paper?", "members": members,
        "synthesiser": { "model": "p/lead", "parameters": {}, "price": null },
        "stages": [], "sources": [], "nonce": "n", "seed": 1, "cache": "on", "budget": null,
    });
    serde_json::from_value(stored_plan).expect("a stored plan")
}

/// Creates a stored answer that succeeded and did not come from the cache.
pub(super) fn answer(stage: usize, member: usize, model: &str) -> StageAnswer {
    let stored_answer = json!({
        "stage": stage, "member": member, "model": model, "text": "Thin.", "reasoning": "",
        "usage": { "input": 0, "output": 0 }, "cost": null, "latency_ms": 1, "first_token_ms": null,
        "finish": null, "error": null, "cached": false,
    });
    serde_json::from_value(stored_answer).expect("a stored answer")
}

const RUNS: u32 = 2_000;

/// Adds a random vote. `rate` is the panel's true win rate, with ties as half wins; `ties` is the probability of a tie.
fn vote(random: &mut Random, tally: &mut VoteTally, rate: f64, ties: f64) {
    match random.next_unit() {
        x if x < rate - ties / 2.0 => tally.wins += 1,
        x if x < rate + ties / 2.0 => tally.ties += 1,
        _ => tally.losses += 1,
    }
}

fn tally(wins: u64, ties: u64, losses: u64) -> VoteTally {
    VoteTally { wins, ties, losses }
}

/// Returns the fraction of `RUNS` runs in which the interval contains the true rate.
fn coverage(random: &mut Random, votes: u32, ties: f64, rate: impl Fn(&mut Random) -> f64) -> f64 {
    let mut cached_intervals: HashMap<(u64, u64), (f64, f64)> = HashMap::new();
    let mut covered_count = 0;
    for _ in 0..RUNS {
        let rate = rate(random);
        let mut tally = VoteTally::default();
        (0..votes).for_each(|_| vote(random, &mut tally, rate, ties));
        let (from, to) = *cached_intervals
            .entry((tally.wins, tally.ties))
            .or_insert_with(|| {
                interval::win_rate_interval(
                    tally.wins as f64,
                    tally.ties as f64,
                    tally.losses as f64,
                )
            });
        covered_count += u32::from(from <= rate && rate <= to);
    }
    f64::from(covered_count) / f64::from(RUNS)
}

const RATES: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

#[test]
fn the_interval_covers_the_true_rate_in_93_to_97_percent_of_2000_runs() {
    let mut random = Random::new(4);
    let assert_coverage = |part: f64, votes: u32, rate: f64, ties: f64| {
        let text = format!("{part} at {votes} votes, rate {rate}, ties {ties}");
        assert!((0.93..=0.97).contains(&part), "{text}");
    };
    for votes in [30, 50, 100, 200] {
        for ties in [0.1, 0.2] {
            // Use only rates that leave room for both wins and losses in addition to the ties.
            let leaves_room = |rate: &&f64| (0.15..0.85).contains(*rate) || ties < 0.15;
            for rate in RATES.iter().filter(leaves_room) {
                let part = coverage(&mut random, votes, ties, |_| *rate);
                assert_coverage(part, votes, *rate, ties);
            }
        }
    }
    // With fewer votes, too few outcomes are possible for a coverage of 95% at each rate, so it is reached
    // only on average.
    for votes in (5..20).chain([20, 30, 50, 100, 200]) {
        for ties in [0.0, 0.1, 0.2] {
            let any = |random: &mut Random| 0.1 + 0.8 * random.next_unit();
            let part = coverage(&mut random, votes, ties, any);
            assert_coverage(part, votes, f64::NAN, ties);
        }
    }
}

#[test]
fn exact_coverage_without_ties_is_93_to_97_percent_from_50_votes_on() {
    for votes in [50_u32, 75, 100, 150, 200] {
        let all = f64::from(votes);
        for rate in RATES {
            let mut coverage_sum = 0.0;
            for wins in (0..=votes).map(f64::from) {
                let (from, to) = interval::win_rate_interval(wins, 0.0, all - wins);
                if from <= rate && rate <= to {
                    let ways =
                        ln_gamma(all + 1.0) - ln_gamma(wins + 1.0) - ln_gamma(all - wins + 1.0);
                    coverage_sum +=
                        (ways + wins * rate.ln() + (all - wins) * (1.0 - rate).ln()).exp();
                }
            }
            assert!(
                (0.93..=0.97).contains(&coverage_sum),
                "{coverage_sum} at {votes}, {rate}"
            );
        }
    }
}

#[test]
fn a_verdict_for_the_panel_is_wrong_in_fewer_than_5_percent() {
    let mut random = Random::new(5);
    let mut cached_verdicts: HashMap<VoteTally, PanelVerdict> = HashMap::new();
    // A panel that is equal or slightly worse must not get the verdict that it pays, and one that is equal
    // must not get the opposite verdict either.
    for (rate, ties) in [(0.5, 0.0), (0.5, 0.2), (0.45, 0.1)] {
        let (mut pays, mut does_not) = (0, 0);
        for _ in 0..RUNS {
            let mut tally = VoteTally::default();
            let (mut had_pays_verdict, mut had_opposite_verdict) = (false, false);
            for _ in 0..150 {
                vote(&mut random, &mut tally, rate, ties);
                let verdict = *cached_verdicts
                    .entry(tally)
                    .or_insert_with(|| tally.judge_only());
                had_pays_verdict |= verdict == PanelVerdict::Pays;
                had_opposite_verdict |= verdict == PanelVerdict::DoesNotPay;
            }
            pays += u32::from(had_pays_verdict);
            does_not += u32::from(had_opposite_verdict);
        }
        let part = |count: u32| f64::from(count) / f64::from(RUNS);
        assert!(part(pays) < ERROR_RATE, "pays: {} at {rate}", part(pays));
        if rate == 0.5 {
            let part = part(does_not);
            assert!(part < ERROR_RATE, "does not pay: {part} at {rate}");
        }
    }
}

#[test]
fn no_difference_is_wrong_in_fewer_than_5_percent() {
    let mut random = Random::new(6);
    let mut cached_verdicts: HashMap<VoteTally, PanelVerdict> = HashMap::new();
    let mut wrong = 0;
    for _ in 0..RUNS {
        let mut tally = VoteTally::default();
        let had_verdict = (0..150).any(|_| {
            vote(&mut random, &mut tally, MIN_WIN_RATE, 0.0);
            *cached_verdicts
                .entry(tally)
                .or_insert_with(|| tally.judge_only())
                == PanelVerdict::NoDifference
        });
        wrong += u32::from(had_verdict);
    }
    let part = f64::from(wrong) / f64::from(RUNS);
    assert!(part < ERROR_RATE, "{part}");
}

#[test]
fn true_effects_are_found() {
    let mut random = Random::new(7);
    for (rate, ties, votes, expected) in [
        (0.7, 0.0, 120, PanelVerdict::Pays),
        (0.75, 0.2, 60, PanelVerdict::Pays),
        (0.25, 0.1, 60, PanelVerdict::DoesNotPay),
        (0.5, 0.6, 250, PanelVerdict::NoDifference),
    ] {
        let detections = (0..300).filter(|_| {
            let mut tally = VoteTally::default();
            (0..votes).for_each(|_| vote(&mut random, &mut tally, rate, ties));
            tally.judge_only() == expected
        });
        let detections = detections.count();
        assert!(detections > 240, "{expected:?} in {detections} of 300");
    }
}

impl VoteTally {
    fn judge_only(&self) -> PanelVerdict {
        verdict(
            self.wins as f64,
            self.ties as f64,
            self.losses as f64,
            several::MultiplicityCorrection::UNCORRECTED,
        )
    }
}

#[test]
fn verdicts_match_tallies_checked_by_hand() {
    use PanelVerdict::{DoesNotPay, NoDifference, Pays, Unknown};
    for (tally, expected) in [
        (tally(0, 0, 0), Unknown),
        (tally(6, 0, 0), Unknown),
        (tally(7, 0, 0), Pays),
        (tally(0, 0, 7), DoesNotPay),
        (tally(7, 3, 0), Pays),
        (tally(60, 0, 40), Unknown),
        (tally(70, 0, 30), Pays),
        (tally(0, 200, 0), NoDifference),
        (tally(300, 0, 300), NoDifference),
    ] {
        assert_eq!(tally.judge().verdict, expected, "{tally:?}");
    }
}

#[test]
fn a_verdict_needs_seven_wins_and_missing_votes_are_counted() {
    assert_eq!(VoteTally::default().judge().votes_needed, Some(7));
    assert_eq!(tally(3, 0, 0).judge().votes_needed, Some(4));
    assert_eq!(tally(7, 0, 0).judge().votes_needed, None);
    for start in [tally(6, 2, 3), tally(12, 0, 8), tally(5, 5, 5)] {
        let needed_votes = start.judge().votes_needed.unwrap() as f64;
        let votes = start.votes() as f64;
        let verdict_after = |added_votes: f64| {
            let grown = |count: u64| count as f64 * (1.0 + added_votes / votes);
            verdict(
                grown(start.wins),
                grown(start.ties),
                grown(start.losses),
                several::MultiplicityCorrection::UNCORRECTED,
            )
        };
        assert_eq!(
            verdict_after(needed_votes - 1.0),
            PanelVerdict::Unknown,
            "{start:?}"
        );
        assert_ne!(
            verdict_after(needed_votes),
            PanelVerdict::Unknown,
            "{start:?}"
        );
    }
    // The hardest rates lie between "no difference" and "pays". Even they must be settled eventually.
    let hardest = (500..=600).filter_map(|wins| tally(wins, 0, 1_000 - wins).judge().votes_needed);
    assert!(hardest.max().is_some_and(|max_votes| max_votes < 2_000));
}

#[test]
fn sentences_state_only_known_facts() {
    for (tally, multiple, parts) in [
        (
            VoteTally::default(),
            None,
            vec!["no blind votes yet", "at least 7"],
        ),
        (
            tally(1, 0, 0),
            Some(3.0),
            vec![
                "Unknown, about 6 more votes needed",
                "of 1 blind vote, the panel won 1, lost 0, and tied 0",
                "3.0 times",
            ],
        ),
        (
            tally(30, 5, 5),
            Some(4.25),
            vec![
                "preferred",
                "of 40 blind votes, the panel won 30, lost 5, and tied 5, which is 81 %",
                "4.2 times",
                "up to you",
            ],
        ),
        (
            tally(5, 5, 30),
            None,
            vec!["not worth it", "which is 19 %", "without comparable prices"],
        ),
        (
            tally(0, 200, 0),
            Some(2.0),
            vec!["No relevant difference", "60 of 100"],
        ),
    ] {
        let sentence = tally.judge().sentence(multiple);
        for part in parts {
            assert!(sentence.contains(part), "{part:?} is not in {sentence:?}");
        }
    }
}

#[test]
fn functions_match_published_tables() {
    // The expected values for integer parameters are sums of binomials; the others come from the C library.
    for (a, b, x, expected) in [
        (2.0, 3.0, 0.4, 0.5248),
        (1.0, 1.0, 0.3, 0.3),
        (30.0, 12.0, 0.7, 0.401_047_790_349_609_75),
        (5.0, 90.0, 0.1, 0.964_310_645_819_795_8),
    ] {
        assert!(
            (regularized_beta(a, b, x) - expected).abs() < 1e-10,
            "{a} {b} {x}"
        );
    }
    for (x, expected) in [
        (0.5, 0.572_364_942_924_700_4),
        (37.25, 96.619_884_588_278_11),
    ] {
        assert!((ln_gamma(x) - expected).abs() < 1e-10, "{x}");
    }
    // Without votes there is no evidence, regardless of the threshold.
    assert!(evidence::evidence_above(0.0, 0.0, 0.0, 0.5).abs() < 1e-12);
    // With seven wins and a bar of one half, the mean of (1 + b)^7 for b from 0 to 1 is 255/8.
    let exact = f64::ln(255.0 / 8.0);
    assert!((evidence::evidence_above(7.0, 0.0, 0.0, 0.5) - exact).abs() < 1e-3);
}

#[test]
fn intervals_are_bounded_contain_the_rate_and_shrink() {
    for (wins, ties, losses) in [(0, 0, 1), (1, 0, 0), (0, 9, 0), (200, 0, 0), (3, 1, 2)] {
        let judgment = tally(wins, ties, losses).judge();
        let ((from, to), rate) = (judgment.interval.unwrap(), judgment.win_rate.unwrap());
        assert!(
            0.0 <= from && from <= rate && rate <= to && to <= 1.0,
            "{judgment:?}"
        );
    }
    let width = |judgment: PanelJudgment| judgment.interval.map(|(from, to)| to - from).unwrap();
    assert!(width(tally(30, 0, 20).judge()) < width(tally(3, 0, 2).judge()));
    assert!(width(tally(5, 20, 5).judge()) < width(tally(15, 0, 15).judge()));
}
