//! Runs three servers behind nginx while they are killed at random. Every run must end once, every stream must be
//! complete, no budget may be exceeded although each user has runs on several servers at once, and no document may be
//! lost. SCALE_RUNS sets the number of analyses (`make scale`).

use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use quire::domain::event::FINAL_EVENTS;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::fleet::{Fleet, SERVERS};
use super::members::SECRET;
use super::support::client::{Event, PASSWORD};
use super::support::provider::{Provider, ReceivedRequest, on};
use super::support::script::{analysis_path, answer_stream, short_run_with};
use super::support::{Answer, Client};

/// Number of analyses if SCALE_RUNS is not set.
const DEFAULT_RUNS: usize = 30;
/// Maximum number of users.
const MAX_PEOPLE: usize = 50;
/// Number of analyses that a user starts at the same time.
const RUNS_AT_ONCE: usize = 3;
/// Number of analyses per user; higher if there would otherwise be more than `MAX_PEOPLE` users.
const RUNS_PER_PERSON: usize = 2 * RUNS_AT_ONCE;
/// Pause before an attempt is repeated.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// How long an action may take before it counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(300);
/// Cost of each run in microdollars, which is also its upper bound: two calls with `OUTPUT_TOKENS` tokens at 100
/// dollars per million; the prompt is free.
const RUN_COST: i64 = 2 * 100 * OUTPUT_TOKENS;
/// Number of tokens in each answer, and the maximum that a request allows.
const OUTPUT_TOKENS: i64 = 16;

/// What a user has done and observed.
#[derive(Default)]
struct PersonRecord {
    /// IDs of the runs that were acknowledged, with the events of their streams.
    runs: Vec<(String, Vec<Event>)>,
    /// IDs of the documents that were acknowledged, with their texts.
    documents: Vec<(String, String)>,
    /// Number of runs that the budget did not allow to start or to finish.
    refused: usize,
    /// Number of runs whose response was lost when a server was killed.
    unknown: usize,
}

/// Random number generator (xorshift64). To reproduce a run, set `SCALE_SEED` to the seed that it printed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

fn answer(request: &ReceivedRequest) -> super::support::line::ScriptLine {
    if request.head.starts_with("GET ") {
        return on("").status(200, "application/json", "{\"data\":[]}");
    }
    let pause = match request.body["model"] == "slow" {
        true => Duration::from_millis(2_500),
        false => Duration::from_millis(100),
    };
    let tokens = format!("\"completion_tokens\":{OUTPUT_TOKENS}");
    let answer = answer_stream("It is due in May.").replace("\"completion_tokens\":7", &tokens);
    on("").after(pause).sse(&answer)
}

#[test]
fn servers_that_are_killed_at_random_lose_nothing() {
    let runs = std::env::var("SCALE_RUNS").ok();
    let runs: usize = runs.map_or(DEFAULT_RUNS, |runs| runs.parse().unwrap());
    let people = (runs / RUNS_PER_PERSON).clamp(1, MAX_PEOPLE);
    let rounds = runs / people / RUNS_AT_ONCE;
    let cluster = Cluster::start();
    let provider = Provider::answering(answer);
    let known = json!([{
        "id": "p", "base_url": provider.base_url(), "api_key": "sk-test-key", "models": "*",
        "price": { "input": 0, "output": 100 },
    }]);
    let known = known.to_string();
    let fleet = Fleet::start(
        &cluster,
        &[
            ("QUIRE_SECRET", SECRET),
            ("QUIRE_PROVIDERS", &known),
            ("USE_MOCK", "true"),
            ("RATE_LIMIT", "1000000"),
        ],
    );
    // The budget is used up in the middle of a round.
    let budget = (rounds / 2 * RUNS_AT_ONCE) as i64 * RUN_COST + RUN_COST * 3 / 2;
    let clients = join(&cluster, &fleet, people, budget);
    let (is_over, kills) = (AtomicBool::new(false), AtomicUsize::new(0));
    let records = Mutex::new(Vec::new());
    let began = Instant::now();
    std::thread::scope(|scope| {
        let killer = scope.spawn(|| kill_at_random(&fleet, &is_over, &kills));
        let working: Vec<_> = clients
            .iter()
            .map(|client| {
                let records = &records;
                scope.spawn(move || {
                    let record = work(client, rounds);
                    records.lock().unwrap().push((client, record));
                })
            })
            .collect();
        let ended: Vec<_> = working.into_iter().map(|person| person.join()).collect();
        is_over.store(true, Relaxed);
        killer.join().unwrap();
        assert!(ended.iter().all(Result::is_ok), "a person gave up");
    });
    let records = records.into_inner().unwrap();
    let sum = |count: fn(&PersonRecord) -> usize| -> usize {
        records.iter().map(|(_, one)| count(one)).sum()
    };
    println!(
        "{people} people, {} runs, {} refused by budgets, {} without an answer, {} documents, {} kills, {} s",
        sum(|one| one.runs.len()),
        sum(|one| one.refused),
        sum(|one| one.unknown),
        sum(|one| one.documents.len()),
        kills.load(Relaxed),
        began.elapsed().as_secs(),
    );
    assert!(kills.load(Relaxed) > 0, "nothing was killed");
    assert!(sum(|one| one.runs.len()) >= runs / 3, "too few runs");
    assert!(
        sum(|one| one.refused) > people / 2,
        "the budgets did not matter"
    );
    for (client, record) in &records {
        check_streams(client, record);
        check_documents(client, record);
    }
    // Each idempotency key starts at most one run.
    let known = sum(|one| one.runs.len());
    let stored = known..=known + sum(|one| one.unknown);
    check_database(&cluster, budget, stored);
}

/// Registers users, each with a daily budget in microdollars.
fn join(cluster: &Cluster, fleet: &Fleet, people: usize, budget: i64) -> Vec<Client> {
    let clients: Vec<Client> = (0..people).map(|number| joined(fleet, number)).collect();
    let estimate = clients[0].clone().post("/api/estimate", run_body()).json();
    let bound = estimate["upper_bound_usd"].as_f64();
    let bound = bound.unwrap_or_else(|| panic!("{estimate}"));
    assert_eq!((bound * 1e6).round() as i64, RUN_COST, "{estimate}");
    let rows = format!(
        "INSERT INTO budgets (user_id, day_cost, month_cost, day_tokens, month_tokens)
         SELECT id, {budget}, -1, -1, -1 FROM users;"
    );
    assert_eq!(cluster.run(&rows), "");
    clients
}

fn run_body() -> Value {
    let extra =
        json!({ "async": true, "cache": "off", "parameters": { "max_tokens": OUTPUT_TOKENS } });
    short_run_with(&["p/quick", "p/slow"], extra)
}

/// Registers a user, and returns a client that uses the user's API key.
fn joined(fleet: &Fleet, number: usize) -> Client {
    let client = fleet.client(&format!("10.{}.{}.1", number / 200, number % 200));
    let email = format!("person{number}@example.com");
    let until = Instant::now() + STUCK_AFTER;
    // nginx may not be listening yet.
    while client.try_status("/health") != Ok(200) {
        assert!(Instant::now() < until, "nginx does not answer");
        std::thread::sleep(RETRY_PAUSE);
    }
    let mut person = client.clone().registered(&email);
    let made = person.post("/api/users/me/api-keys", json!({ "name": PASSWORD }));
    assert_eq!(made.status, 201, "{}", made.text());
    let key = made.json()["key"].as_str().unwrap().to_owned();
    client.with("authorization", &format!("Bearer {key}"))
}

fn kill_at_random(fleet: &Fleet, is_over: &AtomicBool, kills: &AtomicUsize) {
    let seed = std::env::var("SCALE_SEED").map(|seed| seed.parse().unwrap());
    let seed = seed.unwrap_or_else(|_| u64::from(std::process::id()) | 1);
    println!("seed {seed}");
    let mut chance = Chance(seed);
    while !is_over.load(Relaxed) {
        std::thread::sleep(Duration::from_millis(500 + chance.below(2_500)));
        if is_over.load(Relaxed) {
            break;
        }
        let number = chance.below(SERVERS as u64) as usize;
        fleet.kill(number);
        kills.fetch_add(1, Relaxed);
        std::thread::sleep(Duration::from_millis(chance.below(2_000)));
        fleet.begin(number);
    }
}

/// In each round, stores a document, starts analyses on several servers at the same time, and follows them to the end.
fn work(client: &Client, rounds: usize) -> PersonRecord {
    let mut record = PersonRecord::default();
    for round in 0..rounds {
        let text = format!("The levy of {round} is due in May. ").repeat(500);
        let stored =
            again(|| client.try_upload("/api/upload-document", "levy.txt", text.as_bytes()));
        assert!(stored.status < 300, "{}", stored.text());
        record
            .documents
            .push((text_of(&stored, "document_id"), text));
        let one_run = |number: usize| {
            let mut own = PersonRecord::default();
            if let Some(id) = begin(client, &format!("run-{round}-{number}"), &mut own) {
                let seen = follow(client, &id);
                own.refused += usize::from(seen.iter().any(names_budget));
                own.runs.push((id, seen));
            }
            own
        };
        let own = std::thread::scope(|scope| {
            let one_run = &one_run;
            let runs: Vec<_> = (0..RUNS_AT_ONCE)
                .map(|number| scope.spawn(move || one_run(number)))
                .collect();
            let ended = runs.into_iter().map(|run| run.join().expect("a run"));
            ended.collect::<Vec<_>>()
        });
        for own in own {
            record.runs.extend(own.runs);
            record.refused += own.refused;
            record.unknown += own.unknown;
        }
    }
    record
}

/// Starts a run. Returns `None` if the budget does not allow it, or if the response was lost with a server.
fn begin(client: &Client, key: &str, record: &mut PersonRecord) -> Option<String> {
    let body = run_body().to_string();
    let client = client.clone().with("idempotency-key", key);
    let body = ("application/json", body.as_bytes());
    let answer = again(|| client.try_send("POST", "/api/analyze", Some(body)));
    match answer.status {
        202 => return Some(text_of(&answer, "analysis_id")),
        402 => record.refused += 1,
        409 => record.unknown += 1,
        status => panic!("{status}: {}", answer.text()),
    }
    None
}

/// Repeats a request until a server responds to it, other than with a temporary error.
fn again(send: impl Fn() -> Result<Answer, String>) -> Answer {
    let until = Instant::now() + STUCK_AFTER;
    loop {
        match send() {
            Ok(answer) if ![429, 502, 503, 504].contains(&answer.status) => return answer,
            other => assert!(Instant::now() < until, "stuck: {other:?}"),
        }
        std::thread::sleep(RETRY_PAUSE);
    }
}

fn text_of(answer: &Answer, name: &str) -> String {
    answer.json()[name].as_str().unwrap().to_owned()
}

/// Follows a run to its end, opening a new stream whenever one breaks.
fn follow(client: &Client, id: &str) -> Vec<Event> {
    let until = Instant::now() + STUCK_AFTER;
    let mut seen: Vec<Event> = Vec::new();
    loop {
        let last = seen.last().and_then(|event| event.id);
        if let Ok(events) = client.try_events(&analysis_path(id, "/events"), last) {
            seen.extend(events);
        }
        if seen.last().is_some_and(is_final) {
            return seen;
        }
        assert!(
            Instant::now() < until,
            "{id} does not end: {:?}",
            seen.last()
        );
        std::thread::sleep(RETRY_PAUSE);
    }
}

fn is_final(event: &Event) -> bool {
    FINAL_EVENTS.contains(&event.name.as_str())
}

fn names_budget(event: &Event) -> bool {
    event.data.to_string().contains("the day's budget")
}

/// Checks that every stream contains each event exactly once and in order, ends with the only final event, and is the
/// same when it is read again.
fn check_streams(client: &Client, record: &PersonRecord) {
    for (id, seen) in &record.runs {
        for (event, number) in seen.iter().zip(1..) {
            assert_eq!(event.id, Some(number), "{id}: {event:?}");
        }
        assert_eq!(
            seen.iter().filter(|event| is_final(event)).count(),
            1,
            "{id}"
        );
        assert_eq!(&follow(client, id), seen, "{id}");
        let analysis = again(|| client.try_send("GET", &analysis_path(id, ""), None)).json();
        assert!(!analysis["finished_at"].is_null(), "{analysis}");
        let last = seen.last().unwrap().name.strip_prefix("analysis.");
        assert_eq!(analysis["status"].as_str(), last, "{analysis}");
    }
}

/// Checks that each acknowledged document is stored and is read.
fn check_documents(client: &Client, record: &PersonRecord) {
    for (id, text) in &record.documents {
        let path = format!("/api/documents/{id}");
        let until = Instant::now() + STUCK_AFTER;
        let get = |path: &str| again(|| client.try_send("GET", path, None));
        let state = |document: &Value| document["status"].as_str().unwrap().to_owned();
        while state(&get(&path).json()) == "processing" {
            assert!(Instant::now() < until, "{id} is not read");
            std::thread::sleep(RETRY_PAUSE);
        }
        assert_eq!(state(&get(&path).json()), "processed");
        assert!(get(&format!("{path}/content")).text() == *text, "{id}");
    }
}

/// Checks that every run in the database has ended once, including those whose responses were lost; that the amount
/// spent is the cost of the calls and within the budget; and that nothing remains reserved or leased.
fn check_database(cluster: &Cluster, budget: i64, stored: RangeInclusive<usize>) {
    let rule = |what: &str, wrong: &str| {
        let check = format!(
            "DO $$ DECLARE found TEXT; BEGIN SELECT string_agg(CAST(x AS TEXT), ' ') INTO found FROM ({wrong}) x;
             IF found IS NOT NULL THEN RAISE EXCEPTION '{what}: %', left(found, 500); END IF; END $$;"
        );
        cluster.run(&check)
    };
    let until = Instant::now() + STUCK_AFTER;
    for (what, wrong) in [
        ("unfinished", "SELECT id FROM analyses WHERE finished = 0"),
        // A row disappears shortly after the reservation is released, or when the lifetime of a killed server is over.
        (
            "left reserved",
            "SELECT owner, cost, tokens FROM reservations",
        ),
    ] {
        while !rule(what, wrong).is_empty() {
            assert!(Instant::now() < until, "{}", rule(what, wrong));
            std::thread::sleep(RETRY_PAUSE);
        }
    }
    let finals = FINAL_EVENTS.iter().map(|name| format!("'{name}'"));
    let finals = finals.collect::<Vec<_>>().join(", ");
    let ends = format!(
        "SELECT a.id FROM analyses a WHERE 1 <> (SELECT count(*) FROM events e WHERE e.analysis_id = a.id
             AND e.kind IN ({finals}))
         UNION SELECT e.analysis_id FROM events e GROUP BY e.analysis_id HAVING max(e.seq) <> count(*)"
    );
    assert_eq!(rule("not one end", &ends), "");
    let ledger = "SELECT u.user_id, u.cost, c.cost
        FROM (SELECT user_id, sum(cost) AS cost FROM usage GROUP BY user_id) u
        LEFT JOIN (SELECT user_id, sum(greatest(cost, 0)) AS cost FROM calls GROUP BY user_id) c USING (user_id)
        WHERE u.cost IS DISTINCT FROM c.cost";
    assert_eq!(rule("spent is not the sum of the calls", ledger), "");
    let over = format!("SELECT user_id FROM usage GROUP BY user_id HAVING sum(cost) > {budget}");
    assert_eq!(rule("over budget", &over), "");
    let (least, most) = (stored.start(), stored.end());
    let other = format!(
        "SELECT count FROM (SELECT count(*) FROM analyses) n WHERE count NOT BETWEEN {least} AND {most}"
    );
    assert_eq!(rule("number of runs", &other), "");
    let nothing = "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM usage WHERE cost > 0)";
    assert_eq!(rule("nothing was spent", nothing), "");
    let left = "SELECT name FROM leases WHERE starts_with(name, 'analysis_')";
    assert_eq!(rule("left leases", left), "");
}
