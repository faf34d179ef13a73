//! Tests that comparisons are created and decided only once, and counted within the requested scope.

use super::super::analyses;
use super::super::tests::{at, user, with_writer};
use super::super::users;
use super::*;

fn analysis_id(n: u32) -> AnalysisId {
    AnalysisId::new(at(i64::from(n)), u128::from(n))
}

fn insert_comparison(db: &Writer, n: u32, owner: u32, topic: &str) -> Result<()> {
    db.run(
        "INSERT INTO analyses (id, user_id, request, plan, created, topic, pattern)
         VALUES (?1, ?2, '{}', '{}', ?3, ?4, 'gut')",
        (analysis_id(n), user(owner).id, at(1), topic),
    )?;
    analyses::index::write(db, analysis_id(n).as_str())
}

fn comparison(n: u32, owner: u32, topic: &str, costs: (i64, i64)) -> Comparison {
    let cost = |cost: i64| (cost >= 0).then_some(MicroDollars(cost));
    Comparison {
        analysis: analysis_id(n),
        user: user(owner).id,
        topic: topic.into(),
        pattern: "gut".into(),
        model: "demo/a".into(),
        stage: 0,
        member: 2,
        panel_first: true,
        panel_cost: cost(costs.0),
        single_cost: cost(costs.1),
        created: at(5),
        choice: None,
    }
}

#[test]
fn a_comparison_is_created_and_decided_once_by_its_owner() {
    with_writer(|db| {
        users::insert(db, &user(1))?;
        users::insert(db, &user(2))?;
        insert_comparison(db, 1, 1, "tea")?;
        let (ada, ben) = (user(1).id, user(2).id);
        let new = comparison(1, 1, "tea", (40, -1));
        insert(db, &new)?;
        let again = Comparison {
            panel_first: false,
            ..new.clone()
        };
        insert(db, &again)?;
        assert_eq!(
            of_analysis(db, &ada, &analysis_id(1)),
            Ok(Some(new.clone()))
        );
        assert_eq!(of_analysis(db, &ben, &analysis_id(1)), Ok(None));
        assert_eq!(is_decided(db, &analysis_id(1)), Ok(false));

        let missing = Err(StoreError::Missing);
        assert_eq!(
            store_vote(db, &ben, &analysis_id(1), Preference::Tie, at(9)),
            missing
        );
        assert_eq!(
            store_vote(db, &ada, &analysis_id(2), Preference::Tie, at(9)),
            missing
        );
        store_vote(db, &ada, &analysis_id(1), Preference::Single, at(9))?;
        assert!(matches!(
            store_vote(db, &ada, &analysis_id(1), Preference::Panel, at(10)),
            Err(StoreError::Conflict(_))
        ));
        assert_eq!(is_decided(db, &analysis_id(1)), Ok(true));
        let decided = Comparison {
            choice: Some((Preference::Single, at(9))),
            ..new
        };
        assert_eq!(of_analysis(db, &ada, &analysis_id(1)), Ok(Some(decided)));
        assert_eq!(analyses::delete(db, Some(&ada), &analysis_id(1)), Ok(true));
        assert_eq!(of_analysis(db, &ada, &analysis_id(1)), Ok(None));
        Ok(())
    });
}

#[test]
fn votes_are_counted_by_topic_user_pattern_and_time() {
    use Preference::{Panel, Single, Tie};
    with_writer(|db| {
        users::insert(db, &user(1))?;
        users::insert(db, &user(2))?;
        for (n, owner, topic, costs, choice) in [
            (1, 1, "tea", (40, 10), Some(Panel)),
            (2, 1, "Tea", (60, 10), Some(Tie)),
            (3, 1, "ink", (-1, 10), Some(Single)),
            (4, 1, "ink", (9, 9), None),
            (5, 2, "tea", (5, 0), Some(Panel)),
        ] {
            insert_comparison(db, n, owner, topic)?;
            insert(db, &comparison(n, owner, topic, costs))?;
            if let Some(choice) = choice {
                store_vote(
                    db,
                    &user(owner).id,
                    &analysis_id(n),
                    choice,
                    at(i64::from(n)),
                )?;
            }
        }
        analyses::put_vote(db, &user(1).id, &analysis_id(1), "helpful", at(3))?;
        analyses::put_vote(db, &user(1).id, &analysis_id(3), "not_helpful", at(3))?;
        analyses::put_vote(db, &user(1).id, &analysis_id(2), "panel", at(3))?;

        let ada = ComparisonScope {
            user: Some(user(1).id),
            ..ComparisonScope::default()
        };
        let counts_shown =
            |scope: &ComparisonScope, by_topic: bool| -> Result<Vec<(String, u64, u64, u64)>> {
                let rows = blind_votes(db, scope, by_topic)?.into_iter();
                let row = |one: TopicCount| {
                    let VoteTally { wins, ties, losses } = one.tally;
                    (one.topic.to_lowercase(), wins, ties, losses)
                };
                Ok(rows.map(row).collect())
            };
        let row = |topic: &str, wins, ties, losses| (topic.to_owned(), wins, ties, losses);
        let tea = row("tea", 1, 1, 0);
        assert_eq!(
            counts_shown(&ada, true)?,
            [tea.clone(), row("ink", 0, 0, 1)]
        );
        assert_eq!(counts_shown(&ada, false)?, [row("", 1, 1, 1)]);
        assert_eq!(
            counts_shown(&ComparisonScope::default(), false)?,
            [row("", 2, 1, 1)]
        );
        let only = |change: fn(&mut ComparisonScope)| {
            let mut scope = ada.clone();
            change(&mut scope);
            scope
        };
        assert_eq!(
            counts_shown(&only(|scope| scope.topic = "TEA".into()), true)?,
            [tea]
        );
        assert_eq!(
            counts_shown(&only(|scope| scope.pattern = "x".into()), true)?,
            []
        );
        let late = only(|scope| scope.since = at(3));
        assert_eq!(counts_shown(&late, true)?, [row("ink", 0, 0, 1)]);

        let all = &blind_votes(db, &ada, false)?[0];
        let costs = (all.priced_votes, all.panel_cost, all.single_cost);
        assert_eq!(costs, (2, MicroDollars(100), MicroDollars(20)));
        let thumbs = helpful_votes(db, &ada, true)?;
        let thumbs = thumbs
            .iter()
            .map(|one| (&*one.topic, one.helpful, one.not_helpful));
        assert_eq!(thumbs.collect::<Vec<_>>(), [("ink", 0, 1), ("tea", 1, 0)]);
        assert_eq!(
            helpful_votes(db, &ComparisonScope::default(), false)?[0].helpful,
            1
        );
        Ok(())
    });
}

#[test]
fn the_interval_is_per_user_and_deleted_with_the_user() {
    with_writer(|db| {
        users::insert(db, &user(1))?;
        let (ada, ben) = (user(1).id, user(2).id);
        set_compare_interval(db, &ada, Some(0))?;
        assert_eq!(
            (compare_interval(db, &ada)?, compare_interval(db, &ben)?),
            (Some(0), None)
        );
        set_compare_interval(db, &ada, None)?;
        assert_eq!(compare_interval(db, &ada), Ok(None));
        set_compare_interval(db, &ada, Some(5))?;
        users::delete(db, &ada)?;
        assert_eq!(compare_interval(db, &ada), Ok(None));
        Ok(())
    });
}

/// Of nine votes on the same question, only the first counts. The same words after a different turn are another
/// question.
#[test]
fn a_question_counts_once() {
    with_writer(|db| {
        users::insert(db, &user(1))?;
        for n in 1..=10 {
            insert_comparison(db, n, 1, "tea")?;
            let end = ["", "?", " !\u{200b}"][n as usize % 3];
            let follows = if n == 10 { "an_before" } else { "" };
            db.run(
                "UPDATE analyses SET request = ?2, follows = ?3 WHERE id = ?1",
                (
                    analysis_id(n),
                    format!("{{\"prompt\": \"The same question{end}\"}}"),
                    follows,
                ),
            )?;
            insert(db, &comparison(n, 1, "tea", (40, 10)))?;
            let choice = match n {
                1 => Preference::Single,
                _ => Preference::Panel,
            };
            store_vote(
                db,
                &user(1).id,
                &analysis_id(n),
                choice,
                at(i64::from(10 + n)),
            )?;
        }
        let scope = ComparisonScope {
            user: Some(user(1).id),
            ..ComparisonScope::default()
        };
        for by_topic in [false, true] {
            let votes = blind_votes(db, &scope, by_topic)?;
            let tally = VoteTally {
                wins: 1,
                ties: 0,
                losses: 1,
            };
            assert_eq!(votes[0].tally, tally, "{by_topic}");
        }
        Ok(())
    });
}
