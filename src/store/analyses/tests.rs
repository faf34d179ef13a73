//! Tests the life cycle of analyses, and which users can see them.

use std::collections::BTreeMap;

use super::super::error::StoreError;
use super::super::events::{self, StoredEvent};
use super::super::tests::{at, user, with_writer};
use super::super::users;
use super::*;
use crate::domain::analysis::{CacheUse, Depth, Member, Plan, RunDeadlines, Stage, StageRole};
use crate::domain::chat::{CallError, CallErrorKind, Finish, SourcePassage, Task};
use crate::domain::parameters::Parameters;
use crate::domain::request::RunContext;

fn analysis(n: u32, owner: Option<u32>, prompt: &str) -> Analysis {
    let member = Member {
        model: "demo/a".into(),
        parameters: Parameters::default(),
        price: None,
        fallbacks: Vec::new(),
        sample: 0,
        reads: 0,
    };
    Analysis {
        id: AnalysisId::new(at(i64::from(n)), u128::from(n)),
        user: owner.map(|owner| user(owner).id),
        status: Status::Queued,
        request: Request {
            prompt: prompt.into(),
            models: vec!["demo/a".into()],
            pattern: Some("confidence".into()),
            parameters: Parameters {
                temperature: Some(0.25),
                ..Parameters::default()
            },
            model_parameters: BTreeMap::from([("demo/a".into(), Parameters::default())]),
            budget_usd: Some(1.234_567),
            cache: CacheUse::Refresh,
            detached: true,
            topic: Some("paper".into()),
            depth: Some(Depth::Full),
            ..Request::default()
        },
        context: RunContext {
            recipe: Some("brief@3".into()),
            ..RunContext::default()
        },
        plan: Plan {
            pattern: "confidence".into(),
            question: prompt.into(),
            members: vec![member.clone()],
            synthesizer: member,
            stages: vec![Stage {
                name: "ultra".into(),
                role: StageRole::Synthesizer,
                task: Task::Synthesize,
                prompt: "{question}".into(),
            }],
            readings: Vec::new(),
            parts: Vec::new(),
            readers: Vec::new(),
            fits: Vec::new(),
            retrieval: None,
            sources: vec![SourcePassage {
                number: 1,
                document: "a.txt".into(),
                page: 1,
                text: "a passage".into(),
                ..SourcePassage::default()
            }],
            nonce: "n".into(),
            seed: u64::MAX,
            cache: CacheUse::On,
            budget: Some(MicroDollars(5)),
            cache_max_age_s: None,
            pictures: Vec::new(),
            notes: vec!["a note".into()],
            turns: Vec::new(),
            history_budgets: Default::default(),
            answer_prefix: String::new(),
            tools: None,
            passthrough: None,
            bare: false,
            standings: Vec::new(),
            is_adaptive: false,
            is_live: false,
            times: RunDeadlines::default(),
            arrangement: Default::default(),
            agreement: None,
            evidence: Default::default(),
            canary: String::new(),
            format: None,
        },
        synthesis: None,
        error: None,
        usage: Usage::default(),
        cost: MicroDollars(0),
        created: at(i64::from(n)),
        started: None,
        finished: None,
        citations: None,
        findings: None,
        share_token_hash: None,
    }
}

fn answer(stage: usize, member: usize, text: &str) -> StageAnswer {
    StageAnswer {
        stage,
        member,
        model: "demo/a".into(),
        text: text.into(),
        reasoning: String::new(),
        usage: Usage::default(),
        cost: Some(MicroDollars(3)),
        latency_ms: 12,
        first_token_ms: None,
        finish: Some(Finish::Stop),
        error: None,
        cached: false,
        tries: 1,
        dropped: vec!["top_k".into()],
        fallback_for: None,
        earlier: Vec::new(),
        calls: Vec::new(),
        extras: Default::default(),
    }
}

#[test]
fn an_analysis_ends_exactly_once() {
    with_writer(|db| {
        users::insert(db, &user(1))?;
        let (owner, mut new) = (user(1).id, analysis(1, Some(1), "why?"));
        insert(db, &new)?;
        new.context.thread = Some(ThreadId::from_first_analysis(&new.id));
        assert_eq!(by_id(db, Some(&owner), &new.id), Ok(Some(new.clone())));
        assert_eq!(list_unfinished(db), Ok(vec![new.id.clone()]));
        assert_eq!(load_unfinished(db, &new.id), Ok(Some(new.clone())));

        set_started(db, &new.id, at(50))?;
        set_started(db, &new.id, at(60))?;
        let stored_findings = r#"{"notes":["careful"],"evidence":{}}"#;
        let findings: Findings = serde_json::from_str(stored_findings).expect("findings");
        let end = AnalysisEnd {
            status: Status::Completed,
            synthesis: Some("because"),
            error: None,
            usage: Usage {
                input: 4,
                ..Usage::default()
            },
            cost: MicroDollars(9),
            citations: None,
            findings: Some(&findings),
        };
        finish(db, &new.id, &end, at(70))?;
        let over = Analysis {
            status: Status::Completed,
            synthesis: Some("because".into()),
            usage: end.usage,
            cost: MicroDollars(9),
            started: Some(at(50)),
            finished: Some(at(70)),
            citations: None,
            findings: Some(findings.clone()),
            ..new.clone()
        };
        assert_eq!(by_id(db, Some(&owner), &new.id), Ok(Some(over)));
        let missing = Err(StoreError::Missing);
        assert_eq!(finish(db, &new.id, &end, at(80)), missing, "over already");
        assert_eq!(set_started(db, &new.id, at(80)), missing);
        assert_eq!(list_unfinished(db), Ok(vec![]));
        Ok(())
    });
}

#[test]
fn other_users_analyses_are_inaccessible() {
    with_writer(|db| {
        users::insert(db, &user(1))?;
        users::insert(db, &user(2))?;
        let (own_analysis, open) = (analysis(1, Some(1), "mine"), analysis(2, None, "open"));
        insert(db, &own_analysis)?;
        insert(db, &open)?;
        let (one, two) = (user(1).id, user(2).id);
        for (viewer, id, sees) in [
            (Some(&one), &own_analysis.id, true),
            (Some(&two), &own_analysis.id, false),
            (None, &own_analysis.id, false),
            (Some(&one), &open.id, false),
            (None, &open.id, true),
        ] {
            assert_eq!(by_id(db, viewer, id)?.is_some(), sees, "{viewer:?} {id}");
            assert_eq!(
                status_of(db, viewer, id)?.is_some(),
                sees,
                "{viewer:?} {id}"
            );
        }
        assert_eq!(
            list_of(db, &two, 9, None, &HistoryFilter::default()),
            Ok(vec![])
        );
        assert_eq!(delete(db, Some(&two), &own_analysis.id), Ok(false));
        assert_eq!(delete(db, None, &own_analysis.id), Ok(false));
        let missing = Err(StoreError::Missing);
        assert_eq!(
            set_share(db, &two, &own_analysis.id, Some(&[1; 32])),
            missing
        );
        assert_eq!(
            put_vote(db, &two, &own_analysis.id, "demo/a", at(5)),
            missing
        );
        assert_eq!(delete(db, Some(&one), &own_analysis.id), Ok(true));
        Ok(())
    });
}

#[test]
fn a_share_link_works_until_revoked() {
    with_writer(|db| {
        users::insert(db, &user(1))?;
        let shared_analysis = analysis(1, Some(1), "why?");
        insert(db, &shared_analysis)?;
        set_share(db, &user(1).id, &shared_analysis.id, Some(&[7; 32]))?;
        assert_eq!(
            by_share_link(db, &[7; 32])?.map(|shared_analysis| shared_analysis.share_token_hash),
            Some(Some([7; 32]))
        );
        assert!(list_of(db, &user(1).id, 9, None, &HistoryFilter::default())?[0].shared);
        set_share(db, &user(1).id, &shared_analysis.id, None)?;
        assert_eq!(by_share_link(db, &[7; 32]), Ok(None));
        Ok(())
    });
}

#[test]
fn history_search_ignores_case() {
    with_writer(|db| {
        users::insert(db, &user(1))?;
        for (n, prompt) in (1..).zip(["100% sure?", "100 times", "under_score", "UNDER score"]) {
            insert(db, &analysis(n, Some(1), prompt))?;
        }
        let cancelled = AnalysisEnd {
            status: Status::Cancelled,
            synthesis: None,
            error: Some("stopped"),
            usage: Usage::default(),
            cost: MicroDollars(0),
            citations: None,
            findings: None,
        };
        finish(db, &analysis(2, None, "").id, &cancelled, at(9))?;
        let with = |filter: HistoryFilter| {
            let lines = list_of(db, &user(1).id, 9, None, &filter)?;
            Ok::<_, StoreError>(
                lines
                    .into_iter()
                    .map(|line| line.request.prompt)
                    .collect::<Vec<_>>(),
            )
        };
        let find_prompts = |search: Option<&str>, status| {
            let search = search.map(str::to_owned);
            with(HistoryFilter {
                search,
                status,
                ..HistoryFilter::default()
            })
        };
        assert_eq!(find_prompts(None, None)?.len(), 4);
        assert_eq!(find_prompts(Some("100%"), None)?, ["100% sure?"]);
        assert_eq!(find_prompts(Some("under_"), None)?, ["under_score"]);
        assert_eq!(
            find_prompts(Some("under"), None)?,
            ["UNDER score", "under_score"]
        );
        assert_eq!(find_prompts(Some("\\"), None)?, [""; 0]);
        assert_eq!(find_prompts(None, Some(Status::Cancelled))?, ["100 times"]);
        assert_eq!(
            find_prompts(Some("sure"), Some(Status::Cancelled))?,
            [""; 0]
        );

        let of_pattern = |pattern: &str| {
            with(HistoryFilter {
                pattern: Some(pattern.into()),
                ..HistoryFilter::default()
            })
        };
        let of_model = |model: &str| {
            with(HistoryFilter {
                model: Some(model.into()),
                ..HistoryFilter::default()
            })
        };
        let request = analysis(1, None, "").request;
        assert_eq!(of_pattern(request.pattern())?.len(), 4);
        assert_eq!(of_pattern("another")?, [""; 0]);
        assert_eq!(of_model(&request.models[0])?.len(), 4);
        assert_eq!(of_model("another")?, [""; 0]);
        let span = HistoryFilter {
            from: Some(at(2)),
            to: Some(at(4)),
            ..HistoryFilter::default()
        };
        assert_eq!(with(span)?, ["under_score", "100 times"]);

        let all = HistoryFilter::default();
        let first = list_of(db, &user(1).id, 3, None, &all)?;
        let last = first.last().map(|line| &line.id);
        let rest = list_of(db, &user(1).id, 3, last, &all)?;
        assert_eq!((first.len(), rest.len()), (3, 1));
        assert_eq!(rest[0].request, analysis(1, None, "100% sure?").request);
        Ok(())
    });
}

#[test]
fn answers_and_events_are_ordered_and_deleted_with_their_analysis() {
    with_writer(|db| {
        users::insert(db, &user(1))?;
        let own_analysis = analysis(1, Some(1), "why?");
        insert(db, &own_analysis)?;
        let failed = StageAnswer {
            error: Some(CallError::new(CallErrorKind::Timeout, "too slow")),
            finish: None,
            cost: None,
            ..answer(0, 1, "")
        };
        for stage_answer in [
            answer(1, 0, "c"),
            failed.clone(),
            answer(0, 0, "old"),
            answer(0, 0, "a"),
        ] {
            put_answer(db, &own_analysis.id, &stage_answer)?;
        }
        let all = vec![answer(0, 0, "a"), failed, answer(1, 0, "c")];
        assert_eq!(answers_of(db, &own_analysis.id), Ok(all));

        let event = |seq: u64| StoredEvent {
            seq,
            kind: "member.delta".into(),
            data: format!("{{\"n\":{seq}}}"),
        };
        assert_eq!(events::last_seq(db, &own_analysis.id), Ok(0));
        events::append(db, &own_analysis.id, &[event(1), event(2), event(3)])?;
        assert_eq!(
            events::list_after(db, &own_analysis.id, 1, 1),
            Ok(vec![event(2)])
        );
        assert_eq!(events::last_seq(db, &own_analysis.id), Ok(3));
        let double = db.attempt(|db| events::append(db, &own_analysis.id, &[event(3)]));
        assert_eq!(double, Err(StoreError::Conflict("event")));

        put_vote(db, &user(1).id, &own_analysis.id, "demo/a", at(5))?;
        put_vote(db, &user(1).id, &own_analysis.id, "synthesis", at(6))?;
        assert_eq!(
            vote_of(db, &user(1).id, &own_analysis.id),
            Ok(Some("synthesis".into()))
        );

        delete(db, Some(&user(1).id), &own_analysis.id)?;
        assert_eq!(answers_of(db, &own_analysis.id), Ok(vec![]));
        assert_eq!(events::last_seq(db, &own_analysis.id), Ok(0));
        assert_eq!(vote_of(db, &user(1).id, &own_analysis.id), Ok(None));
        let missing = Err(StoreError::Missing);
        let late = db.attempt(|db| events::append(db, &own_analysis.id, &[event(4)]));
        assert_eq!(late, missing);
        let late = db.attempt(|db| put_answer(db, &own_analysis.id, &answer(0, 0, "late")));
        assert_eq!(late, missing);
        Ok(())
    });
}

/// Stores a turn with one member: a first answer, a review, and a synthesis.
fn finished_turn(db: &Writer, n: u32, texts: [&str; 3]) -> Result<AnalysisId> {
    let mut turn = analysis(n, Some(1), "why?");
    let stage = |name: &str, role| Stage {
        name: name.into(),
        role,
        task: Task::Synthesize,
        prompt: "{question}".into(),
    };
    turn.plan.stages = vec![
        stage("initial", StageRole::Members),
        stage("critique", StageRole::Members),
        stage("ultra", StageRole::Synthesizer),
    ];
    insert(db, &turn)?;
    for (place, text) in texts.iter().enumerate() {
        put_answer(db, &turn.id, &answer(place, 0, text))?;
    }
    let end = AnalysisEnd {
        status: Status::Completed,
        synthesis: Some(texts[2]),
        error: None,
        usage: Usage::default(),
        cost: MicroDollars(9),
        citations: None,
        findings: None,
    };
    finish(db, &turn.id, &end, at(70))?;
    Ok(turn.id)
}

/// Returns the number of threads that contain the word, and the members' texts in the best matching turn.
fn search_turns(db: &Writer, word: &str) -> Result<(usize, Vec<(char, String)>)> {
    let owner = user(1).id;
    let quoted = format!("\"{word}\"");
    let scope = turn_texts::SearchScope::Answers;
    let best = turn_texts::best_by_thread(db, &owner, (word, &quoted), scope)?;
    let row = best.values().next().copied().unwrap_or_default();
    let found = turn_texts::by_row(db, &owner, row)?;
    Ok((
        best.len(),
        found.map(|turn| turn.members).unwrap_or_default(),
    ))
}

#[test]
fn every_text_of_a_member_is_found_within_a_bound() {
    with_writer(|db| {
        users::insert(db, &user(1))?;
        let long = format!("egret {}", "x".repeat(1 << 20));
        finished_turn(db, 1, ["A heron.", "A kestrel.", "An owl."])?;
        finished_turn(db, 2, [&long, "An owl.", "An owl."])?;
        for (word, member) in [("heron", "A heron."), ("kestrel", "A kestrel.")] {
            let (threads, members) = search_turns(db, word)?;
            assert_eq!(threads, 1, "{word}");
            assert!(members.contains(&('A', member.to_owned())), "{members:?}");
        }
        let (threads, members) = search_turns(db, "egret")?;
        assert_eq!(threads, 1);
        assert_eq!(
            members.len(),
            1,
            "the answer is not indexed as a member's text too"
        );
        assert!(members[0].1.len() <= 16 << 10, "{}", members[0].1.len());
        Ok(())
    });
}

#[test]
fn turns_from_older_versions_are_indexed_in_batches() {
    with_writer(|db| {
        users::insert(db, &user(1))?;
        for n in 1..=45 {
            finished_turn(db, n, ["A heron.", "A kestrel.", "An owl."])?;
        }
        // Earlier versions did not index the members' texts.
        let owner = user(1).id;
        db.run("DELETE FROM turn_texts", [])?;
        let ids: Vec<AnalysisId> =
            db.all("SELECT id FROM analyses ORDER BY id", [], |row| row.get(0))?;
        let texts: Vec<_> = ids.iter().map(|id| (id, "why?", "An owl.")).collect();
        turn_texts::add_missing(db, &owner, &texts)?;
        assert_eq!(search_turns(db, "heron")?.0, 0);
        db.run(
            "UPDATE stage_answers SET answer = '{' WHERE analysis_id = ?1",
            [&ids[7]],
        )?;

        assert_eq!(turn_texts::has_older(db), Ok(true));
        assert_eq!(turn_texts::index_older(db, 20), Ok(true));
        let first = search_turns(db, "heron")?.0;
        assert!(first > 0 && first < 44, "a batch: {first}");
        let skipped = turn_texts::skip_older(db)?;
        assert_eq!(skipped.as_deref(), Some(ids[24].as_str()), "newest first");
        while turn_texts::index_older(db, 2)? {}
        assert_eq!(
            search_turns(db, "heron")?.0,
            43,
            "all but the unreadable one and the one passed over"
        );
        assert_eq!(search_turns(db, "owl")?.0, 45);
        assert_eq!(turn_texts::has_older(db), Ok(false));
        Ok(())
    });
}
