//! Corrects for looking at several questions at once. A user with many topics would sooner or later see a
//! false verdict on one of them if each were judged alone. The permitted error probability is therefore
//! divided among all topics and the total.

/// Factor by which the evidence on one of several questions must exceed the evidence needed for a single question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MultiplicityCorrection(f64);

impl MultiplicityCorrection {
    /// No correction; for a single question.
    pub const UNCORRECTED: Self = Self(1.0);

    /// Returns the correction for the question with index `topic_rank` when `topics` are shown. Index 0 is the total
    /// over all topics; topics count from 1 in the order of their first vote.
    ///
    /// With one topic, the topic and the total are the same question, which gets the whole permitted error
    /// probability. With more topics, the question with index p gets the share 1 / ((p + 1)(p + 2)). All
    /// shares add up to at most 1 for any number of topics, so the bound holds even while topics are being
    /// added. This is a Bonferroni correction of e-values with fixed weights (Vovk and Wang, "E-values:
    /// calibration, combination and applications", 2021).
    pub fn for_topic(topic_rank: usize, topics: usize) -> Self {
        let topic_rank = topic_rank as f64;
        match topics {
            0 | 1 => Self::UNCORRECTED,
            _ => Self((topic_rank + 1.0) * (topic_rank + 2.0)),
        }
    }

    /// Returns the log-evidence needed for a verdict if `wrong` is the permitted error probability.
    pub fn threshold(self, wrong: f64) -> f64 {
        (self.0 / wrong).ln()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::domain::panel_vs_single::{ERROR_RATE, PanelVerdict, VoteTally, verdict};
    use crate::domain::statistics::random::Random;

    const TOPICS: usize = 20;
    const VOTES: usize = 25;
    const USERS: usize = 400;

    #[test]
    fn error_shares_sum_to_at_most_1() {
        let sum: f64 = (0..10_000)
            .map(|place| 1.0 / MultiplicityCorrection::for_topic(place, 2).0)
            .sum();
        assert!((sum - 1.0).abs() < 1e-3, "{sum}");
        assert_eq!(
            MultiplicityCorrection::for_topic(1, 1),
            MultiplicityCorrection::UNCORRECTED
        );
    }

    /// Returns the fraction of users who see the verdict "pays" for any topic or the total, although the panel is never
    /// better. Each user looks after every vote; `order` gives the topics of successive votes.
    fn false_verdicts(
        random: &mut Random,
        is_corrected: bool,
        order: impl Fn(&mut Random) -> Vec<usize>,
    ) -> f64 {
        let mut cached_verdicts: HashMap<(VoteTally, usize), bool> = HashMap::new();
        let mut misled_users = 0;
        for _ in 0..USERS {
            let mut tallies = [VoteTally::default(); TOPICS + 1];
            let mut seen_topics: Vec<usize> = Vec::new();
            misled_users += u32::from(order(random).into_iter().any(|topic| {
                if !seen_topics.contains(&topic) {
                    seen_topics.push(topic);
                }
                let topic_rank = 1 + seen_topics
                    .iter()
                    .position(|candidate| *candidate == topic)
                    .unwrap_or_default();
                let is_win = random.next_unit() < 0.5;
                [0, topic_rank].into_iter().any(|at| {
                    let tally = &mut tallies[at];
                    tally.wins += u64::from(is_win);
                    tally.losses += u64::from(!is_win);
                    let topics = if is_corrected { seen_topics.len() } else { 1 };
                    let key = (*tally, if topics < 2 { usize::MAX } else { at });
                    let (wins, losses) = (tally.wins as f64, tally.losses as f64);
                    let shows_pays = || {
                        verdict(
                            wins,
                            0.0,
                            losses,
                            MultiplicityCorrection::for_topic(at, topics),
                        )
                    };
                    *cached_verdicts
                        .entry(key)
                        .or_insert_with(|| shows_pays() == PanelVerdict::Pays)
                })
            }));
        }
        f64::from(misled_users) / USERS as f64
    }

    #[test]
    fn at_most_5_percent_of_users_with_20_topics_see_a_false_verdict() {
        let one_after_another = |_: &mut Random| (0..TOPICS * VOTES).map(|at| at / VOTES).collect();
        let mixed = |random: &mut Random| {
            let mut order: Vec<usize> = (0..TOPICS * VOTES).map(|at| at / VOTES).collect();
            random.shuffle(&mut order);
            order
        };
        let mut random = Random::new(11);
        for part in [
            false_verdicts(&mut random, true, one_after_another),
            false_verdicts(&mut random, true, mixed),
        ] {
            assert!(part <= ERROR_RATE, "{part}");
        }
        // Without the correction, many more users see a false verdict.
        let part = false_verdicts(&mut random, false, mixed);
        assert!(part > 0.15, "{part}");
    }
}
