//! Properties that must hold for any external input. The fuzz targets and `tests/mutation.rs` run the same
//! functions; each panics when a property does not hold.

#[path = "files.rs"]
mod files;
#[path = "stored.rs"]
mod stored;

use std::time::Duration;

use quire::app::patterns::folder;
use quire::config::{self, ConfigLayers};
use quire::crypto::jwt::{Claims, Jwt};
use quire::domain::analysis::{Plan, StageAnswer};
use quire::domain::chat::{
    Answer, Brief, CallError, Delta, Message, MessageRole, ModelRequest, SourcePassage, Task,
};
use quire::domain::experiment::evaluate::Evaluator;
use quire::domain::experiment::{cases, judge_prompts, spec::ExperimentSpec};
use quire::domain::findings::Findings;
use quire::domain::parameters::Parameters;
use quire::domain::schema;
use quire::domain::search::{SearchQuery, index_terms};
use quire::domain::time::Timestamp;
use quire::llm::demo;
use quire::shared_limits::resp;
use quire::wire::sse::{SseDecoder, SseFrame, encode};
use quire::wire::{self, AnswerDecoder, ApiFormat, json_lines};
use serde_json::json;

pub use files::{archive, extract, mail, office, pdf, rtf};

/// A property of a byte string.
pub type Check = fn(&[u8]);

/// Every check with its name, for callers that run them all.
pub const ALL: &[(&str, Check)] = &[
    ("sse", sse),
    ("streams", streams),
    ("provider_words", provider_words),
    ("extract", extract),
    ("search", search),
    ("jwt", jwt),
    ("settings", settings),
    ("demo", demo),
    ("patterns", patterns),
    ("pdf", pdf),
    ("office", office),
    ("rtf", rtf),
    ("mail", mail),
    ("archive", archive),
    ("replica", replica),
    ("findings", findings),
    ("experiments", experiments),
    ("redis", redis),
];

const LIMIT: usize = 1 << 16;

/// Returns an offset into the bytes, derived from the bytes.
fn pseudo_random_offset(bytes: &[u8]) -> usize {
    let sum: usize = bytes.iter().map(|&byte| usize::from(byte)).sum();
    sum % (bytes.len() + 1)
}

fn events(pieces: &[&[u8]]) -> (Vec<SseFrame>, bool) {
    let mut decoder = SseDecoder::new(LIMIT);
    let mut all = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => all.push(event),
                Ok(None) => break,
                Err(_) => return (all, true),
            }
        }
    }
    (all, false)
}

/// Events are the same no matter how the bytes are split, and parsing survives a round trip.
pub fn sse(bytes: &[u8]) {
    let whole = events(&[bytes]);
    let (head, tail) = bytes.split_at(pseudo_random_offset(bytes));
    assert_eq!(events(&[head, tail]), whole);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(events(&single), whole);
    for event in whole.0.iter().filter(|event| !event.data.contains('\r')) {
        let mut again = Vec::new();
        encode(&mut again, 3, "name", &event.data);
        let (read, broken) = events(&[&again]);
        assert!(broken || read[0].data == event.data);
    }
}

/// A reply from Redis is parsed the same whatever follows it, and an incomplete reply is never taken for a complete
/// one.
pub fn redis(bytes: &[u8]) {
    let Ok(Some((value, length))) = resp::read_reply(bytes) else {
        return;
    };
    assert_eq!(
        resp::read_reply(&bytes[..length]),
        Ok(Some((value, length)))
    );
    let part = pseudo_random_offset(bytes) % length;
    assert_eq!(resp::read_reply(&bytes[..part]), Ok(None));
}

fn request(text: &str) -> ModelRequest {
    ModelRequest {
        model: "p/m".into(),
        messages: vec![Message::new(MessageRole::User, text)],
        parameters: Parameters::default(),
        brief: Brief::default(),
        deadline: Duration::from_secs(1),
        format: None,
        tools: None,
        passthrough: None,
        sample: 0,
        is_prefix_reused: false,
        is_live: false,
    }
}

type Completed = (String, Result<Answer, CallError>);

fn completion(kind: ApiFormat, pieces: &[&[u8]]) -> Completed {
    let mut stream = AnswerDecoder::new(kind);
    let mut deltas = Vec::new();
    if kind.sends_lines() {
        let mut decoder = json_lines::LineDecoder::new(LIMIT);
        pieces.iter().for_each(|piece| decoder.push(piece));
        decoder.end();
        while let Ok(Some(event)) = decoder.next_event() {
            deltas.extend(stream.push(&event));
        }
    } else {
        let mut decoder = SseDecoder::new(LIMIT);
        pieces.iter().for_each(|piece| decoder.push(piece));
        decoder.end();
        while let Ok(Some(event)) = decoder.next_event() {
            deltas.extend(stream.push(&event));
        }
    }
    let (held, result) = stream.finish(&request("q"));
    deltas.extend(held);
    let mut text = String::new();
    for delta in deltas {
        match delta {
            Delta::Text(piece) => text += &piece,
            Delta::Restart => text.clear(),
            Delta::Reasoning(_) | Delta::ReasoningBlock(_) => {}
        }
    }
    (text, result)
}

/// For every API format: an answer equals what was streamed, is never empty, and does not depend on how the bytes
/// were split.
pub fn streams(bytes: &[u8]) {
    for kind in ApiFormat::ALL {
        let (text, result) = completion(kind, &[bytes]);
        if let Ok(answer) = &result {
            assert_eq!(answer.text, text);
            assert!(!answer.text.trim().is_empty());
        }
        let (head, tail) = bytes.split_at(pseudo_random_offset(bytes));
        assert_eq!(completion(kind, &[head, tail]), (text, result));
        let mut whole = AnswerDecoder::new(kind);
        whole.push_complete_response(&String::from_utf8_lossy(bytes));
        if let Ok(answer) = whole.finish(&request("q")).1 {
            assert!(!answer.text.trim().is_empty());
        }
        let listed = wire::parse_models(kind, &String::from_utf8_lossy(bytes));
        assert!(listed.is_none_or(|models| models.len() <= 1000));
    }
    if let Some(found) = schema::find_json(&String::from_utf8_lossy(bytes)) {
        assert!(found.is_object());
        let compiled = schema::Compiled::default();
        let _ = (compiled.check(&found)).map(|()| compiled.validate(&found, &found));
    }
}

/// Any error text from a provider is reported as one short line.
pub fn provider_words(bytes: &[u8]) {
    let body = String::from_utf8_lossy(bytes);
    for status in [200, 302, 400, 401, 402, 429, 500, 599] {
        let error = wire::error(status, &|_| Some(body.chars().take(40).collect()), &body);
        assert!(error.detail.chars().count() <= 300, "{}", error.detail);
        assert!(
            !error.detail.chars().any(char::is_control),
            "{:?}",
            error.detail
        );
    }
    let cleaned = wire::sanitize_message(&body);
    assert!(cleaned.chars().count() <= 200);
    assert!(wire::refused_parameter(&body).is_none_or(|name| name.len() <= 40));
}

/// A replica file is either refused or read, and what was read survives a round trip.
pub fn replica(bytes: &[u8]) {
    use quire::replica::ltx::{LtxEncoder, LtxHeader, read};
    let pages = |bytes: &[u8]| {
        let mut pages = Vec::new();
        let header = read(bytes, |_, number, page| {
            pages.push((number, page.to_vec()));
            Ok(())
        });
        header.map(|header| (header, pages))
    };
    let written = |header: LtxHeader, list: &[(u32, Vec<u8>)]| {
        let mut file = Vec::new();
        let mut encoder = LtxEncoder::new(&mut file, header).expect("memory takes everything");
        for (number, page) in list {
            encoder.write_page(*number, page).expect("pages in order");
        }
        encoder.finish().expect("memory takes everything");
        file
    };
    if let Ok((header, list)) = pages(bytes) {
        assert_eq!(pages(&written(header, &list)).ok(), Some((header, list)));
    }
    let header = LtxHeader {
        page_size: 512,
        commit: 2,
        min: 1,
        max: 1,
        at: 0,
    };
    let mut page = bytes.to_vec();
    page.resize(512, 0);
    let file = written(header, &[(1, page.clone()), (2, page)]);
    assert!(pages(&file).is_ok());
    // Truncate after the header, in the pages, and in the index.
    for keep in [100, 104, 110, file.len() / 2, file.len() - 20] {
        let _ = pages(&[&file[..keep], bytes].concat());
    }
}

/// Findings are deterministic for any answers, and every letter in them refers to a member.
pub fn findings(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(8192)]).into_owned();
    let cut = text.floor_char_boundary(text.len() / 2);
    let member =
        |number: usize| json!({ "model": format!("p/{number}"), "parameters": {}, "price": null });
    let stage = |name: &str, who: &str, task: &str| json!({ "name": name, "who": who, "task": task, "prompt": "" });
    let plan: Plan = serde_json::from_value(json!({
        "pattern": "critique", "question": &text[..text.floor_char_boundary(80)],
        "members": [member(0), member(1), member(2)], "synthesiser": member(3),
        "stages": [stage("initial", "members", "answer"), stage("meta", "members", "review"), stage("ultra", "synthesiser", "synthesise")],
        "sources": [{ "number": 1, "document": "d", "page": 1, "text": &text[cut..] }],
        "nonce": "n", "seed": 1, "cache": "on", "budget": null,
    }))
    .expect("a stored plan");
    let answer = |(stage, number, text): (usize, usize, &str)| -> StageAnswer {
        let stored = json!({
            "stage": stage, "member": number, "model": format!("p/{number}"), "text": text, "reasoning": "",
            "usage": { "input": 3, "output": 2 }, "cost": 0.5, "latency_ms": 10, "first_token_ms": null,
            "finish": null, "error": null, "cached": false,
        });
        serde_json::from_value(stored).expect("a stored answer")
    };
    let answers: Vec<StageAnswer> = [
        (0, 0, text.as_str()),
        (0, 1, &text[..cut]),
        (0, 2, &text[cut..]),
        (1, 1, &text),
    ]
    .into_iter()
    .map(answer)
    .collect();
    let found = Findings::from_answers(&plan, &answers, Some(&text));
    assert_eq!(Findings::from_answers(&plan, &answers, Some(&text)), found);
    let letters = found
        .consensus
        .iter()
        .flat_map(|point| &point.member_letters);
    assert!(
        letters.clone().all(|letter| ('A'..='C').contains(letter)),
        "{letters:?}"
    );
}

/// A query is never interpreted as search syntax.
pub fn search(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let query = SearchQuery::parse(&text);
    index_terms(&text);
    for found in query.find_matches(&text) {
        assert!(text.get(found.start..found.end).is_some());
    }
    for part in &query.parts {
        let term = part.expression();
        let inner = term.strip_suffix('*').unwrap_or(&term);
        let inner = inner
            .strip_prefix('"')
            .and_then(|inner| inner.strip_suffix('"'));
        let inner = inner.expect("every term is quoted");
        assert!(!inner.is_empty() && !inner.contains(['"', '\0']), "{term}");
    }
}

/// Arbitrary bytes are never a valid token; only signed tokens are.
pub fn jwt(bytes: &[u8]) {
    let signer = Jwt::new("a secret of more than sixteen");
    let now = Timestamp::from_millis(1_700_000_000_000);
    let text = String::from_utf8_lossy(bytes);
    assert!(signer.check(&text, "access", now).is_err());
    let claims = Claims::access("user", "session", "id".into(), now, Duration::from_secs(60));
    let token = signer.sign(&claims);
    assert!(signer.check(&token, "access", now).is_ok());
    // Change one of its characters.
    let at = pseudo_random_offset(bytes) % token.len();
    let other = char::from(b'!' + bytes.first().unwrap_or(&0) % 94);
    if !token[at..].starts_with(other) {
        let forged = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        assert!(signer.check(&forged, "access", now).is_err(), "{forged}");
    }
}

/// Settings are either accepted or refused with a reason.
pub fn settings(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let layers = ConfigLayers {
        file: Some(("quire.conf".into(), text.clone())),
        ..ConfigLayers::default()
    };
    let _ = config::load(&layers);
    // Any other text would be interpreted as a file path.
    if text.starts_with('[') {
        let providers = vec![("QUIRE_PROVIDERS".to_owned(), text)];
        let _ = config::load(&ConfigLayers {
            environment: providers,
            ..ConfigLayers::default()
        });
    }
}

/// The demo models answer any text, deterministically, and quote only text that occurs in it.
pub fn demo(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(8192)]).into_owned();
    let (question, passage) = text.split_at(text.floor_char_boundary(text.len() / 4));
    let mut asked = request(question);
    asked.brief = Brief {
        task: [Task::Answer, Task::Review, Task::Revise, Task::Synthesize]
            [pseudo_random_offset(bytes) % 4],
        question: question.to_owned(),
        sources: vec![SourcePassage {
            number: 1,
            document: "a.txt".into(),
            page: 1,
            text: passage.to_owned(),
            ..SourcePassage::default()
        }],
        own_text: Some(passage.to_owned()),
        peers: vec![quire::domain::chat::Peer {
            letter: 'B',
            text: passage.to_owned(),
        }],
        reviews: Vec::new(),
    };
    for model in demo::models() {
        let answer = demo::answer(&model.id, &asked);
        assert_eq!(demo::answer(&model.id, &asked), answer);
        assert!(answer.is_ok_and(|answer| !answer.text.trim().is_empty()));
    }
}

/// An accepted pattern survives a round trip, and an error refers to an existing line of the text.
pub fn patterns(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let told = match folder::parse(&text) {
        Ok((pattern, told)) => {
            let again = serde_json::to_string(&pattern).expect("a pattern is JSON");
            let again = folder::parse(&again).expect("what was taken is taken again");
            assert_eq!(again.0, pattern);
            told
        }
        Err(told) => {
            assert!(!told.is_empty());
            told
        }
    };
    let lines = text.split('\n').count();
    for told in told {
        assert!(
            told.line.is_none_or(|line| (1..=lines).contains(&line)),
            "{told} of {lines}"
        );
    }
}

/// Parsed cases have questions and are within bounds, errors refer to existing lines, a judge's text yields a
/// score in range, and no answer violates a rule.
pub fn experiments(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let rows = quire::extract::records(&text, 50).unwrap_or_default();
    let lines = text.split('\n').count();
    for read in [cases::from_rows(&rows), cases::from_json(&text)] {
        match read {
            Ok(read) => assert!(read.cases.iter().all(|case| !case.prompt.trim().is_empty())),
            Err(fault) => assert!(
                fault.line.is_none_or(|line| line <= lines),
                "{fault} of {lines}"
            ),
        }
    }
    let _ = judge_prompts::parse_preference(&text);
    assert!(
        judge_prompts::parse_marks(&text).is_ok_and(|mark| (0.0..=1.0).contains(&mark))
            || judge_prompts::parse_marks(&text).is_err()
    );
    let case = quire::domain::experiment::Case {
        prompt: "?".to_owned(),
        expected: Some(text.chars().take(100).collect()),
        ..Default::default()
    };
    for rule in [
        Evaluator::Exact,
        Evaluator::Contains,
        Evaluator::Choice,
        Evaluator::Likeness,
        Evaluator::Number {
            absolute: 0.0,
            relative: 0.1,
        },
    ] {
        let score = rule.score(&case, &text);
        assert!((0.0..=1.0).contains(&score), "{rule:?}: {score}");
    }
    if let Ok(spec) = serde_json::from_slice::<ExperimentSpec>(bytes)
        && let Ok(arms) = spec.space.enumerate_configurations(&|_, _| true)
    {
        for arm in arms.iter().take(50) {
            let _ = spec.request_for(arm);
        }
        let _ = spec.current_index(&arms);
    }
}
