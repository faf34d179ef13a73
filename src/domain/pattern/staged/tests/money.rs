//! What calls cost, and runs whose money is used up.

use super::*;

#[test]
fn what_the_cache_gives_is_free() {
    let mut capped = machine(Plan {
        budget: Some(MicroDollars(30)),
        ..two(&["a", "b"], "s")
    });
    told(&mut capped, 0, MachineInput::Started);
    told(&mut capped, 1, answered(0, 0, "x"));
    let call = CallId {
        stage: 0,
        member: 1,
    };
    capped.handle(
        at(1),
        MachineInput::Answered {
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
            .any(|output| matches!(output, MachineOutput::Call(..))),
        "20 spent, 30 allowed, the cache is free"
    );
}

#[test]
fn a_failed_call_costs_what_it_took() {
    let mut run = machine(two(&["a", "b"], "s"));
    told(&mut run, 0, MachineInput::Started);
    told(&mut run, 1, answered(0, 0, "x"));
    let call = CallId {
        stage: 0,
        member: 1,
    };
    let error = CallError::new(CallErrorKind::Truncated, "cut");
    let cut = MachineInput::Failed {
        call,
        error,
        bill: bill(),
    };
    run.handle(at(1), cut);
    run.handle(at(1), MachineInput::Cancelled("enough".into()));
    let totals = drain(&mut run).into_iter().find_map(|output| match output {
        MachineOutput::Done(outcome) => Some(outcome.totals),
        _ => None,
    });
    let totals = totals.unwrap();
    assert_eq!(
        (totals.cost_usd, totals.usage.input),
        (MicroDollars(40), 20)
    );
}

#[test]
fn a_run_without_money_ends_with_the_best_it_has() {
    let denied = || MachineInput::Denied("the money is used up".into());
    let mut poor = machine(four());
    poor.handle(at(0), MachineInput::Started);
    let claims = asked(&mut poor);
    let models: Vec<&str> = claims.iter().map(|claim| claim.model.as_str()).collect();
    assert_eq!(models, ["a", "b", "c"]);
    assert!(
        claims
            .iter()
            .all(|claim| claim.input_tokens > 0 && claim.cost.is_some())
    );
    assert_eq!(told(&mut poor, 1, denied()), ["failed None"]);

    let mut run = machine(four());
    told(&mut run, 0, MachineInput::Started);
    for member in 0..3 {
        run.handle(at(1), answered(0, member, &format!("draft {member}")));
    }
    asked(&mut run);
    run.handle(at(1), MachineInput::Granted);
    for member in 0..3 {
        run.handle(at(2), answered(1, member, "review"));
    }
    asked(&mut run);
    run.handle(at(2), denied());
    let outcome = drain(&mut run).into_iter().find_map(|output| match output {
        MachineOutput::Done(outcome) => Some(*outcome),
        _ => None,
    });
    let outcome = outcome.unwrap();
    // A review is not an answer.
    assert_eq!(outcome.synthesis.as_deref(), Some("draft 0"));
    assert_eq!(outcome.status, Status::Completed);
    assert_eq!(
        outcome.totals.degraded.as_deref(),
        Some("the money is used up")
    );
    assert!(outcome.totals.notes[0].contains("by A (a)"), "{outcome:?}");
    // A grant that was not requested has no effect.
    run.handle(at(3), MachineInput::Granted);
    assert_eq!(run.poll(), MachineOutput::Wait(None));
}
