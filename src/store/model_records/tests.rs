//! Tests that only a user's own data and only single models count.

use super::super::tests::{user, with_writer};
use super::super::users;
use super::*;
use crate::store::Writer;

fn analysis(db: &Writer, id: &str, owner: u32, models: &str) -> Result<()> {
    let request = format!("{{\"models\": {models}}}");
    db.run(
        "INSERT INTO analyses (id, user_id, request, plan, created) VALUES (?1, ?2, ?3, '{}', 1)",
        (id, user(owner).id, request),
    )
    .map(drop)
}

fn evaluation(
    db: &Writer,
    experiment: &str,
    place: u32,
    analysis: &str,
    score: f64,
    error: &str,
) -> Result<()> {
    db.run(
        "INSERT INTO experiment_results (experiment_id, arm, place, analysis_id, number, score, error)
         VALUES (?1, 0, ?2, ?3, ?2, ?4, ?5)",
        (experiment, place, analysis, score, error),
    )
    .map(drop)
}

#[test]
fn scores_of_single_models_and_blind_votes_are_added_up() {
    with_writer(|db| {
        for (owner, experiment) in [(1, "exp_1"), (2, "exp_2")] {
            users::insert(db, &user(owner))?;
            db.run(
                "INSERT INTO experiments (id, user_id, body, design, created) VALUES (?1, ?2, '{}', '{}', 1)",
                (experiment, user(owner).id),
            )?;
        }
        for (place, experiment, owner, models, score, error) in [
            (1, "exp_1", 1, r#"["p/a"]"#, 1.0, ""),
            (2, "exp_1", 1, r#"["p/a"]"#, 0.5, ""),
            (3, "exp_1", 1, r#"["p/b"]"#, 0.0, ""),
            // None of these count: a panel, a failure, and a result of another user.
            (4, "exp_1", 1, r#"["p/a", "p/b"]"#, 1.0, ""),
            (5, "exp_1", 1, r#"["p/a"]"#, 0.0, "busy"),
            (6, "exp_2", 2, r#"["p/a"]"#, 0.0, ""),
        ] {
            let id = format!("an_{place}");
            analysis(db, &id, owner, models)?;
            evaluation(db, experiment, place, &id, score, error)?;
        }
        for (at, choice) in [(1, "single"), (2, "tie"), (3, "panel"), (4, "")] {
            db.run(
                "INSERT INTO comparisons (analysis_id, user_id, model, created, choice)
                 VALUES (?1, ?2, 'p/b', 1, ?3)",
                (format!("an_{at}"), user(1).id, choice),
            )?;
        }
        let standings = for_user(db, &user(1).id, &["p/a", "p/b"])?;
        let record = |points, cases| Some(&ScoreRecord { points, cases }).copied();
        assert_eq!(standings.experiments.get("p/a").copied(), record(1.5, 2));
        assert_eq!(standings.experiments.get("p/b").copied(), record(0.0, 1));
        assert_eq!(standings.votes.get("p/b").copied(), record(1.5, 3));
        assert_eq!(standings.votes.len(), 1);
        Ok(())
    });
}

/// A rerun does not count again. Only settings and questions that both models share count.
#[test]
fn records_are_of_questions_that_all_models_answered() {
    with_writer(|db| {
        users::insert(db, &user(1))?;
        let mut number = 0;
        let mut add_answer = |experiment: &str,
                              place: u32,
                              model: &str,
                              prompt: &str,
                              score: f64| {
            number += 1;
            let id = format!("an_{number}");
            let request = format!("{{\"models\": [\"{model}\"], \"prompt\": \"{prompt}\"}}");
            db.run(
                "INSERT INTO analyses (id, user_id, request, plan, created) VALUES (?1, ?2, ?3, '{}', 1)",
                (&id, user(1).id, request),
            )?;
            db.run(
                "INSERT INTO experiment_results (experiment_id, arm, place, analysis_id, number, score, error)
                 VALUES (?1, ?2, ?3, ?4, ?2, ?5, '')",
                (experiment, number, place, id, score),
            )
            .map(drop)
        };
        for experiment in ["exp_1", "exp_2", "exp_3"] {
            db.run(
                "INSERT INTO experiments (id, user_id, body, design, created) VALUES (?1, ?2, '{}', '{}', 1)",
                (experiment, user(1).id),
            )?;
            for place in 0..4 {
                db.run(
                    "INSERT INTO experiment_cases (experiment_id, place, body) VALUES (?1, ?2, ?3)",
                    (
                        experiment,
                        place,
                        format!("{{\"prompt\": \"case {place}\"}}"),
                    ),
                )?;
                let prompt = format!("case {place}");
                add_answer(experiment, place, "p/a", &prompt, 0.0)?;
                add_answer(experiment, place, "p/b", &prompt, 1.0)?;
                // A setting whose prompt only one of the models received does not count.
                add_answer(experiment, place, "p/a", &format!("Bad. {prompt}"), 0.0)?;
            }
            add_answer(experiment, 0, "p/b", "only for b", 1.0)?;
        }
        let standings = for_user(db, &user(1).id, &["p/a", "p/b"])?;
        let record = |points, cases| Some(ScoreRecord { points, cases });
        assert_eq!(standings.experiments.get("p/a").copied(), record(0.0, 4));
        assert_eq!(standings.experiments.get("p/b").copied(), record(4.0, 4));
        // These two models have no question in common.
        let standings = for_user(db, &user(1).id, &["p/a", "p/c"])?;
        assert!(standings.experiments.is_empty());
        Ok(())
    });
}
