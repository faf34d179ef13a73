//! Tests that locking an account stops everything that the account has started, and that nothing is resumed after a
//! restart.

use std::io::{ErrorKind, Read};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::stream::{open_stream, read_until};
use crate::support::executable::Executable;
use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{
    analysis_path, answer_stream, begin, server, short_run, unfinished_stream, wait_until_ended,
};
use crate::support::server::Folder;
use crate::support::{Client, Server};

fn provider() -> Provider {
    Provider::answering(|request: &ReceivedRequest| match request.model().as_str() {
        "slow" | "slower" => on("").stall(&unfinished_stream("It is ")),
        _ => on("").sse(&answer_stream("It is thin.")),
    })
}

/// Returns the number of calls that were made for the user. Excludes the requests for the model list at startup.
fn calls(provider: &Provider) -> usize {
    let requests = provider.requests();
    let of_person =
        |one: &&ReceivedRequest| ["slow", "slower", "quick"].contains(&one.model().as_str());
    requests.iter().filter(of_person).count()
}

fn user_id(client: &mut Client) -> String {
    let own_account = client.get("/api/users/me").json();
    own_account["user_id"].as_str().unwrap().to_owned()
}

fn lock(admin: &mut Client, user: &str, locked: bool) {
    let path = format!("/api/admin/users/{user}");
    let answer = admin.put(&path, json!({ "disabled": locked }));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Starts an experiment whose first call never ends. It makes exactly one call, because the others wait while users
/// have runs in progress.
fn long_experiment(client: &mut Client) -> String {
    let cases: Vec<Value> = (0..60)
        .map(|n| json!({ "prompt": format!("How thick is sheet {n}?"), "expected": "thick" }))
        .collect();
    let request = json!({ "name": "long", "evaluator": { "kind": "contains" }, "cases": cases,
        "budget": { "evaluations": 200 }, "space": [{ "dial": "model", "values": ["p/slow", "p/slower"] }] });
    let started = client.post("/api/experiments", request);
    assert!(started.status < 300, "{}", started.text());
    started.json()["experiment_id"].as_str().unwrap().to_owned()
}

fn share(client: &mut Client) -> String {
    let mut request = short_run(&["p/quick"]);
    request["cache"] = json!("off");
    let analysis = client.post("/api/analyze", request).json();
    let id = analysis["analysis_id"].as_str().unwrap();
    let shared = client.post(&analysis_path(id, "/share"), json!({})).json();
    format!("/api/shared/{}", shared["token"].as_str().unwrap())
}

#[test]
fn a_lock_stops_runs_and_experiments_for_good() {
    let (folder, provider) = (Folder::new(), provider());
    let first = Executable::start(&folder, &provider, &[]);
    let mut admin = Client::new(first.address).registered("root@example.org");
    let mut person = Client::new(first.address).registered("ada@example.org");
    let user = user_id(&mut person);
    let link = share(&mut person);
    let run = begin(&mut person, &["p/slow"]);
    provider.wait_called("slow");
    let experiment = long_experiment(&mut person);
    // These are the calls of the shared analysis, the run, and the experiment.
    wait_for("all called", || (calls(&provider) == 3).then_some(()));

    lock(&mut admin, &user, true);
    provider.wait_idle();
    let call_count = calls(&provider);
    person.get("/api/users/me").refused(401, "UNAUTHENTICATED");
    assert_eq!(
        admin.get(&link).status,
        404,
        "links are closed while locked"
    );

    first.kill();
    let second = Executable::start(&folder, &provider, &[]);
    let mut admin = second.known(&admin);
    // Work that is resumed after a restart begins before new requests are accepted, so it would show in the count by
    // now.
    let own = admin.post("/api/analyze", short_run(&["p/admins"]));
    assert_eq!(own.status, 200, "{}", own.text());
    assert_eq!(calls(&provider), call_count, "something resumed");

    lock(&mut admin, &user, false);
    assert_eq!(admin.get(&link).status, 200, "and open again afterwards");
    let mut person = second.known(&person);
    let body = person.get(&format!("/api/experiments/{experiment}")).json();
    // The experiment is paused instead if it began its next evaluation before it was told to stop.
    let stopped = ["cancelled", "paused"].map(Value::from);
    assert!(stopped.contains(&body["status"]), "{body}");
    assert_eq!(wait_until_ended(&mut person, &run)["status"], "cancelled");
    assert_eq!(
        calls(&provider),
        call_count,
        "an unlocked account resumes nothing by itself"
    );
}

#[test]
fn a_crash_between_a_lock_and_the_stop_resumes_nothing() {
    let (folder, provider) = (Folder::new(), provider());
    let first = Executable::start(&folder, &provider, &[]);
    Client::new(first.address).registered("root@example.org");
    let mut person = Client::new(first.address).registered("ada@example.org");
    let run = begin(&mut person, &["p/slow"]);
    let experiment = long_experiment(&mut person);
    // These are the calls of the run and the experiment.
    wait_for("all called", || (calls(&provider) == 2).then_some(()));
    first.kill();
    provider.wait_idle();
    let call_count = calls(&provider);
    let locked = rusqlite::Connection::open(folder.path().join("data/quire.db")).unwrap();
    let change = "UPDATE users SET disabled = 1 WHERE email = 'ada@example.org'";
    assert_eq!(locked.execute(change, []), Ok(1));
    drop(locked);

    let second = Executable::start(&folder, &provider, &[]);
    let mut admin = Client::new(second.address).signed_in("root@example.org");
    let own = admin.post("/api/analyze", short_run(&["p/admins"]));
    assert_eq!(own.status, 200, "{}", own.text());
    assert_eq!(calls(&provider), call_count, "something resumed");
    let users = admin.get("/api/admin/users").json();
    let users = users["users"].as_array().unwrap();
    let ada = users.iter().find(|one| one["email"] == "ada@example.org");
    lock(&mut admin, ada.unwrap()["id"].as_str().unwrap(), false);
    let mut person = second.known(&person);
    let body = person.get(&format!("/api/experiments/{experiment}")).json();
    assert_eq!(body["status"], "cancelled", "{body}");
    assert_eq!(wait_until_ended(&mut person, &run)["status"], "cancelled");
}

/// Returns the ID of the process that is reading a document for this server, if there is one.
fn reader_of(server: u32) -> Option<u32> {
    let folders = std::fs::read_dir("/proc").unwrap().flatten();
    let mut ids = folders.filter_map(|folder| folder.file_name().to_str()?.parse::<u32>().ok());
    ids.find(|id| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The state and the parent's ID come after the name of the process, which may contain any characters.
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let state = fields.next();
        state.is_some_and(|state| state != "Z") && fields.next() == Some(&server.to_string())
    })
}

/// Waits for a condition that normally becomes true within a second.
fn wait_for<T>(what: &str, lookup: impl Fn() -> Option<T>) -> T {
    for _ in 0..30_000 {
        if let Some(value) = lookup() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("never {what}");
}

#[test]
fn a_lock_kills_the_process_that_reads_a_document_and_it_is_read_after_the_unlock() {
    let (folder, provider) = (Folder::new(), provider());
    let server = Executable::start(&folder, &provider, &[]);
    let mut admin = Client::new(server.address).registered("root@example.org");
    let mut person = Client::new(server.address).registered("ada@example.org");
    let user = user_id(&mut person);
    let long = format!(
        "<html><body>{}</body></html>",
        "<p>It is <b>thin</b>.</p>\n".repeat(300_000)
    );
    let uploaded = person.upload("/api/upload-document", "long.html", long.as_bytes());
    assert_eq!(
        uploaded.json()["status"],
        "processing",
        "{}",
        uploaded.text()
    );
    let document = uploaded.json()["document_id"].as_str().unwrap().to_owned();
    let reader = wait_for("read", || reader_of(server.id()));
    // A process that was stopped with SIGSTOP ends only if it is killed.
    let stopped = Command::new("kill")
        .args(["-STOP", &reader.to_string()])
        .status();
    assert!(stopped.unwrap().success());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(reader_of(server.id()), Some(reader));

    lock(&mut admin, &user, true);
    wait_for("killed", || reader_of(server.id()).is_none().then_some(()));
    let database = rusqlite::Connection::open(folder.path().join("data/quire.db")).unwrap();
    let status: String = database
        .query_row(
            "SELECT status FROM documents WHERE id = ?1",
            [&document],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(status, "processing", "it waits for its owner");
    drop(database);

    lock(&mut admin, &user, false);
    let mut person = Client::new(server.address).signed_in("ada@example.org");
    let path = format!("/api/documents/{document}");
    let read = (0..1_200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        person.get(&path).json()["status"] == "processed"
    });
    assert!(read, "{}", person.get(&path).text());
}

/// Checks that all open requests and calls end when `end` locks or deletes the account.
fn check_everything_open_ends(end: impl Fn(&Server, &mut Client, &str)) {
    let provider = provider();
    let server = server(&provider, &[]);
    let mut admin = server.user("root@example.org");
    let mut person = server.user("ada@example.org");
    let user = user_id(&mut person);
    let message = json!([{ "role": "user", "content": "Is it thin?" }]);
    let chat = json!({ "model": "p/slow", "messages": message });
    // The question is different, because identical requests share one call.
    let other = json!([{ "role": "user", "content": "Is it thick?" }]);
    let streamed = json!({ "model": "p/slow", "messages": other, "stream": true });
    let embedded = json!({ "model": "p/slow", "input": "thin" });
    let mut calls = [
        open_stream(&server, &mut person, "POST", "/v1/chat/completions", &chat),
        open_stream(
            &server,
            &mut person,
            "POST",
            "/v1/chat/completions",
            &streamed,
        ),
        open_stream(&server, &mut person, "POST", "/v1/embeddings", &embedded),
    ];
    provider.wait_for_requests(3);
    read_until(&mut calls[1], "It is");
    let run = begin(&mut person, &["p/slow"]);
    let path = analysis_path(&run, "/events");
    let mut events = open_stream(&server, &mut person, "GET", &path, &Value::Null);
    provider.wait_for_requests(4);
    read_until(&mut events, "It is");

    end(&server, &mut admin, &user);
    let [mut complete, mut streamed, mut embedded] = calls;
    for socket in [&mut complete, &mut embedded] {
        read_until(socket, "HTTP/1.1 401");
    }
    for socket in [&mut streamed, &mut events] {
        // The stream ends, either complete or cut off. If it never ended, the read would time out.
        let late = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
        let read_result = socket.read_to_end(&mut Vec::new());
        assert!(!read_result.is_err_and(|error| late.contains(&error.kind())));
    }
    provider.wait_idle();
    person.get("/api/users/me").refused(401, "UNAUTHENTICATED");
    assert_eq!(admin.get("/api/users/me").status, 200);
}

#[test]
fn a_lock_ends_calls_and_streams() {
    check_everything_open_ends(|_, admin, user| lock(admin, user, true));
}

#[test]
fn deleting_an_account_ends_calls_and_streams() {
    check_everything_open_ends(|_, admin, user| {
        let answer = admin.delete(&format!("/api/admin/users/{user}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
    });
}

#[test]
fn a_lock_from_the_command_line_ends_calls_and_streams() {
    check_everything_open_ends(|server, _, _| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_quire"))
            .args(["user", "disable", "ada@example.org", "--data"])
            .arg(server.folder())
            .env_clear()
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    });
}

#[test]
fn an_administrator_who_deletes_their_own_account_gets_an_answer() {
    let server = Server::start();
    let mut first = server.user("root@example.org");
    let second = server.user("ada@example.org");
    let (own, other) = (user_id(&mut first), user_id(&mut second.clone()));
    let promoted = first.put(
        &format!("/api/admin/users/{other}"),
        json!({ "role": "admin" }),
    );
    assert_eq!(promoted.status, 200, "{}", promoted.text());
    let answer = first.delete(&format!("/api/admin/users/{own}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    first.get("/api/users/me").refused(401, "UNAUTHENTICATED");
}
