//! Tests of call costs and exhausted budgets.

use super::*;

#[test]
fn cached_answers_are_free() {
    let mut capped = new_run(Plan {
        budget: Some(MicroDollars(30)),
        ..two_stage_plan(&["a", "b"], "s")
    });
    outputs_as_text(&mut capped, 0, RunInput::Started);
    outputs_as_text(&mut capped, 1, answer_input(0, 0, "x"));
    let call = CallId {
        stage: 0,
        member: 1,
    };
    capped.handle(
        at(1),
        RunInput::Answered {
            call,
            answer: answer("y"),
            cached: true,
            bill: CallBill::default(),
        },
    );
    let outputs = drain(&mut capped);
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, RunOutput::Call(..))),
        "20 spent, 30 allowed, the cache is free"
    );
}

#[test]
fn a_failed_call_is_billed_for_its_tokens() {
    let mut run = new_run(two_stage_plan(&["a", "b"], "s"));
    outputs_as_text(&mut run, 0, RunInput::Started);
    outputs_as_text(&mut run, 1, answer_input(0, 0, "x"));
    let call = CallId {
        stage: 0,
        member: 1,
    };
    let error = CallError::new(CallErrorKind::Truncated, "cut");
    let failed_input = RunInput::Failed {
        call,
        error,
        bill: bill(),
    };
    run.handle(at(1), failed_input);
    run.handle(at(1), RunInput::Cancelled("enough".into()));
    let totals = drain(&mut run).into_iter().find_map(|output| match output {
        RunOutput::Done(outcome) => Some(outcome.totals),
        _ => None,
    });
    let totals = totals.unwrap();
    assert_eq!(
        (totals.cost_usd, totals.usage.input),
        (MicroDollars(40), 20)
    );
}

#[test]
fn a_run_out_of_budget_ends_with_its_best_answer() {
    let denied = || RunInput::Denied("the money is used up".into());
    let mut unfunded = new_run(plan_of_four());
    unfunded.handle(at(0), RunInput::Started);
    let claims = reserve_and_grant(&mut unfunded);
    let models: Vec<&str> = claims.iter().map(|claim| claim.model.as_str()).collect();
    assert_eq!(models, ["a", "b", "c"]);
    assert!(
        claims
            .iter()
            .all(|claim| claim.input_tokens > 0 && claim.cost.is_some())
    );
    assert_eq!(outputs_as_text(&mut unfunded, 1, denied()), ["failed None"]);

    let mut run = new_run(plan_of_four());
    outputs_as_text(&mut run, 0, RunInput::Started);
    for member in 0..3 {
        run.handle(at(1), answer_input(0, member, &format!("draft {member}")));
    }
    reserve_and_grant(&mut run);
    run.handle(at(1), RunInput::Granted);
    for member in 0..3 {
        run.handle(at(2), answer_input(1, member, "review"));
    }
    reserve_and_grant(&mut run);
    run.handle(at(2), denied());
    let outcome = drain(&mut run).into_iter().find_map(|output| match output {
        RunOutput::Done(outcome) => Some(*outcome),
        _ => None,
    });
    let outcome = outcome.unwrap();
    // A review does not count as an answer.
    assert_eq!(outcome.synthesis.as_deref(), Some("draft 0"));
    assert_eq!(outcome.status, Status::Completed);
    assert_eq!(
        outcome.totals.degraded.as_deref(),
        Some("the money is used up")
    );
    assert!(outcome.totals.notes[0].contains("by A (a)"), "{outcome:?}");
    // A grant that was not requested has no effect.
    run.handle(at(3), RunInput::Granted);
    assert_eq!(run.poll(), RunOutput::Wait(None));
}
