//! Tests threads: follow-up questions, branches, and actions on a whole thread. Which earlier turns a model receives is
//! checked in the requests to the provider.

mod library;
mod stopped;

use serde_json::{Value, json};

use crate::support::executable::Executable;
use crate::support::provider::{Provider, ReceivedRequest, ScriptLine, on};
use crate::support::script::{
    analysis_path, answer_stream, id_of, server, unfinished_stream, wait_until_ended,
};
use crate::support::server::Folder;
use crate::support::{Client, Server};

/// Starts a provider whose models repeat the question in capital letters.
fn uppercase_provider() -> Provider {
    Provider::answering(|request| {
        let question = messages_of(request)
            .pop()
            .map_or_else(String::new, |(_, text)| text);
        let last = question.lines().last().unwrap_or_default();
        on("*").sse(&answer_stream(&last.to_uppercase()))
    })
}

/// Returns the messages of a request with their roles. The system message is omitted.
fn messages_of(request: &ReceivedRequest) -> Vec<(String, String)> {
    let messages = request.body["messages"].as_array().cloned();
    let messages = messages.unwrap_or_default().into_iter();
    messages
        .map(|message| {
            let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
            (text("role"), text("content"))
        })
        .filter(|(role, _)| role != "system")
        .collect()
}

fn system_message(request: &ReceivedRequest) -> String {
    let first = &request.body["messages"][0];
    assert_eq!(first["role"], "system", "{first}");
    first["content"].as_str().unwrap().to_owned()
}

/// Returns the request for the first question in a thread, to a single model.
fn first_question(prompt: &str) -> Value {
    json!({
        "prompt": prompt, "models": ["p/a"], "pattern": "plain", "cache": "off", "ultra_model": "p/a",
    })
}

fn ask_and_wait(client: &mut Client, body: Value) -> Value {
    let answer = client.post("/api/analyze", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn follow_up(client: &mut Client, turn: &Value, prompt: &str) -> Value {
    let body = json!({"prompt": prompt, "follow_up_to": turn["analysis_id"], "cache": "off"});
    ask_and_wait(client, body)
}

fn get_thread(client: &mut Client, turn: &Value) -> Value {
    let id = turn["thread_id"].as_str().unwrap();
    client.get(&format!("/api/threads/{id}")).json()
}

#[test]
fn a_follow_up_carries_questions_and_answers_and_the_panel() {
    let provider = uppercase_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let answer = ask_and_wait(&mut client, first_question("alpha"));
    assert_eq!(
        (&answer["turn"], &answer["branch"]["of"]),
        (&json!(1), &Value::Null)
    );
    let two = follow_up(&mut client, &answer, "beta");
    let three = follow_up(&mut client, &two, "gamma");
    assert_eq!(three["turn"], 3);
    assert_eq!(three["thread_id"], answer["thread_id"]);
    assert_eq!(
        three["branch"],
        json!({"of": two["analysis_id"], "index": 1, "count": 1})
    );
    assert_eq!(
        three["metadata"]["models_used"],
        json!(["p/a"]),
        "its panel"
    );
    assert_eq!(three["metadata"]["pattern"], "plain", "its pattern");

    let last = provider.requests().pop().unwrap();
    let texts: Vec<(String, String)> = messages_of(&last);
    let pairs: Vec<(&str, &str)> = texts
        .iter()
        .map(|(role, text)| (role.as_str(), text.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("user", "alpha"),
            ("assistant", "ALPHA"),
            ("user", "beta"),
            ("assistant", "BETA"),
            ("user", "gamma"),
        ]
    );

    let body = get_thread(&mut client, &answer);
    assert_eq!(body["title"], "alpha");
    let turns = body["turns"].as_array().unwrap();
    assert_eq!(turns.len(), 3);
    assert_eq!(turns[2]["parent"], two["analysis_id"]);
    assert_eq!(turns[2]["answer"], "GAMMA");
    assert_eq!(turns[2]["letters"], json!({"A": "p/a"}));
}

#[test]
fn each_panel_member_receives_the_conversation() {
    let provider = uppercase_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = json!({
        "prompt": "alpha", "models": ["p/a", "p/b"], "ultra_model": "demo/merge", "pattern": "gut",
        "depth": "full", "cache": "off",
    });
    let one = ask_and_wait(&mut client, body);
    let before = provider.requests().len();
    let two = follow_up(&mut client, &one, "beta");
    assert_eq!(two["metadata"]["models_used"], json!(["p/a", "p/b"]));
    assert_eq!(two["metadata"]["depth"], "full");
    let answer = one["ultra_response"].as_str().unwrap().to_owned();
    let requests = provider.requests().split_off(before);
    assert!(requests.len() >= 4, "{}", requests.len());
    for requests in &requests {
        let texts = messages_of(requests);
        assert_eq!(texts[0], ("user".to_owned(), "alpha".to_owned()));
        assert_eq!(texts[1], ("assistant".to_owned(), answer.clone()));
        assert!(texts[2].1.contains("beta"), "{texts:?}");
    }
    // The instructions and the conversation before the question are the same in every call, so that prompt caches can
    // be used.
    let prefix =
        |request: &ReceivedRequest| (system_message(request), messages_of(request)[..2].to_vec());
    assert!(
        requests
            .iter()
            .all(|one| prefix(one) == prefix(&requests[0]))
    );
}

#[test]
fn a_question_to_one_model_does_not_change_the_panel() {
    let provider = uppercase_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = json!({
        "prompt": "alpha", "models": ["p/a", "p/b"], "ultra_model": "demo/merge", "pattern": "gut",
        "cache": "off",
    });
    let answer = ask_and_wait(&mut client, body);
    let aside = json!({
        "prompt": "why?", "follow_up_to": answer["analysis_id"], "models": ["p/b"], "cache": "off",
    });
    let aside = ask_and_wait(&mut client, aside);
    assert_eq!(aside["metadata"]["models_used"], json!(["p/b"]));
    assert_eq!(aside["metadata"]["arrangement"], "single");
    assert_eq!(aside["ultra_response"], aside["model_responses"]["p/b"]);
    let next = follow_up(&mut client, &aside, "gamma");
    assert_eq!(next["metadata"]["models_used"], json!(["p/a", "p/b"]));
    assert_eq!(next["turn"], 3);
}

#[test]
fn an_edited_question_is_a_branch_and_a_rerun_is_one_too() {
    let provider = uppercase_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let answer = ask_and_wait(&mut client, first_question("alpha"));
    let two = follow_up(&mut client, &answer, "beta");
    let body = json!({"prompt": "delta", "edit_of": two["analysis_id"], "cache": "off"});
    let other = ask_and_wait(&mut client, body);
    assert_eq!(
        other["branch"],
        json!({"of": answer["analysis_id"], "index": 2, "count": 2})
    );
    let texts = messages_of(&provider.requests().pop().unwrap());
    let texts: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        texts,
        ["alpha", "ALPHA", "delta"],
        "the edited question is not carried"
    );

    let path = analysis_path(two["analysis_id"].as_str().unwrap(), "/rerun");
    let second = client.post(&path, json!({"cache": "off"}));
    assert_eq!(second.status, 202, "{}", second.text());
    assert_eq!(second.json()["branch"]["count"], 3);
    let analysis = wait_until_ended(&mut client, &id_of(&second));
    assert_eq!(
        (&analysis["turn"], &analysis["prompt"]),
        (&json!(2), &json!("beta"))
    );
    let texts = messages_of(&provider.requests().pop().unwrap());
    assert_eq!(texts.len(), 3, "{texts:?}");

    // A first question can be edited too.
    let body = json!({"prompt": "omega", "edit_of": answer["analysis_id"], "cache": "off"});
    let root = ask_and_wait(&mut client, body);
    assert_eq!(root["branch"], json!({"of": null, "index": 2, "count": 2}));
    assert_eq!(root["metadata"]["models_used"], json!(["p/a"]));
    let view = get_thread(&mut client, &answer);
    let branches = view["turns"].as_array().unwrap().iter();
    let branches: Vec<Value> = branches.map(|turn| turn["branch"].clone()).collect();
    let branch = |index: u32, count: u32| json!({"index": index, "count": count});
    assert_eq!(
        branches,
        [
            branch(1, 2),
            branch(1, 3),
            branch(2, 3),
            branch(3, 3),
            branch(2, 2)
        ]
    );
}

#[test]
fn thread_continues_after_the_newest_turn() {
    let server = Server::start();
    let mut client = server.user("ada@example.com");
    let answer = ask_and_wait(&mut client, json!({"prompt": "What is a quire?"}));
    let two = follow_up(&mut client, &answer, "And a ream?");
    let body = json!({"prompt": "And a sheet?", "thread": answer["thread_id"]});
    let three = ask_and_wait(&mut client, body);
    assert_eq!(three["branch"]["of"], two["analysis_id"]);
    assert_eq!(three["turn"], 3);
}

#[test]
fn oversized_conversations_are_shortened_and_reported() {
    let provider = Provider::answering(|_| on("*").sse(&answer_stream(&"word ".repeat(9_000))));
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let answer = ask_and_wait(&mut client, first_question("alpha"));
    let two = follow_up(&mut client, &answer, "beta");
    let note = two["notes"].as_array().unwrap().iter();
    let note_text = note
        .filter_map(Value::as_str)
        .find(|note| note.contains("did not see the whole conversation"));
    assert!(
        note_text.is_some_and(|note| note.starts_with("p/a")),
        "{}",
        two["notes"]
    );
    let texts = messages_of(&provider.requests().pop().unwrap());
    assert!(
        texts[1].1.contains("[… shortened …]"),
        "{}",
        texts[1].1.len()
    );
    assert!(texts[1].1.len() < 30_000, "{}", texts[1].1.len());
    assert_eq!(texts[2].1, "beta");
}

#[test]
fn documents_stay_with_the_thread_and_keep_their_marks() {
    let provider = uppercase_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let text = b"The paper is 0.1 mm thick. It is made in Basel.";
    let document = client
        .upload("/api/upload-document", "paper.txt", text)
        .json();
    let mut body = first_question("alpha");
    body["document_ids"] = json!([document["document_id"]]);
    let answer = ask_and_wait(&mut client, body);
    let two = follow_up(&mut client, &answer, "beta");
    assert_eq!(
        two["metadata"]["document_ids"],
        json!([document["document_id"]])
    );
    let requests = provider.requests();
    assert!(system_message(&requests[0]).contains("made in Basel"));
    assert_eq!(
        system_message(&requests[0]),
        system_message(&requests[1]),
        "fence, canary, marks: all the same"
    );

    let without = json!({
        "prompt": "gamma", "follow_up_to": two["analysis_id"], "keep_documents": false, "cache": "off",
    });
    assert_eq!(
        ask_and_wait(&mut client, without)["metadata"]["document_ids"],
        json!([])
    );
    let path = format!(
        "/api/documents/{}",
        document["document_id"].as_str().unwrap()
    );
    assert_eq!(client.delete(&path).status, 200);
    let four = follow_up(&mut client, &two, "delta");
    assert_eq!(four["metadata"]["document_ids"], json!([]));
    assert!(
        four["notes"].to_string().contains("was deleted"),
        "{}",
        four["notes"]
    );
}

#[test]
fn a_thread_is_renamed_pinned_archived_and_deleted() {
    let server = Server::start();
    let mut client = server.user("ada@example.com");
    let answer = ask_and_wait(&mut client, json!({"prompt": "What is a quire?"}));
    follow_up(&mut client, &answer, "And a ream?");
    let path = format!("/api/threads/{}", answer["thread_id"].as_str().unwrap());
    let response = client.json("PATCH", &path, &json!({"title": " Paper ", "pinned": true}));
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.json()["title"], "Paper");
    let count = |client: &mut Client, query: &str| {
        let list = client.get(&format!("/api/threads{query}")).json();
        list["threads"].as_array().unwrap().len()
    };
    assert_eq!(
        (count(&mut client, ""), count(&mut client, "?pinned=true")),
        (1, 1)
    );
    assert_eq!(count(&mut client, "?pinned=false"), 0);
    let entries = client.get("/api/threads").json()["threads"][0].clone();
    assert_eq!(
        (&entries["turns"], &entries["newest"]["status"]),
        (&json!(2), &json!("completed"))
    );
    assert!(entries["cost_usd"].is_number(), "{entries}");
    let model = get_thread(&mut client, &answer)["turns"][0]["models"][0].clone();
    let model = model.as_str().unwrap();
    for (query, found) in [
        ("?shared=true", 0),
        ("?shared=false", 1),
        ("?status=completed", 1),
        ("?status=failed", 0),
        ("?pattern=no-such", 0),
        ("?from=2020-01-01T00:00:00Z", 1),
        ("?to=2020-01-01T00:00:00Z", 0),
        (&format!("?model={model}"), 1),
        ("?model=no-such", 0),
    ] {
        assert_eq!(count(&mut client, query), found, "{query}");
    }
    client
        .get("/api/threads?status=odd")
        .refused(422, "VALIDATION_ERROR");
    client.json("PATCH", &path, &json!({"archived": true}));
    client.json(
        "POST",
        &analysis_path(answer["analysis_id"].as_str().unwrap(), "/share"),
        &json!({}),
    );
    assert_eq!(count(&mut client, "?shared=true"), 1, "archived ones too");
    assert_eq!(
        (count(&mut client, ""), count(&mut client, "?archived=true")),
        (0, 1)
    );
    assert_eq!(
        count(&mut client, "?q=ream"),
        1,
        "a search finds archived threads too"
    );
    for bad in [
        json!({"title": ""}),
        json!({"title": "x".repeat(201)}),
        json!({"titel": "x"}),
    ] {
        client
            .json("PATCH", &path, &bad)
            .refused(422, "VALIDATION_ERROR");
    }
    assert_eq!(client.delete(&path).status, 200);
    assert_eq!(client.get(&path).status, 404);
    assert_eq!(client.get("/api/analyses").json()["analyses"], json!([]));
    assert_eq!(count(&mut client, "?q=ream"), 0);
}

#[test]
fn turns_after_a_deleted_one_follow_the_one_before_it() {
    let server = Server::start();
    let mut client = server.user("ada@example.com");
    let answer = ask_and_wait(&mut client, json!({"prompt": "What is a quire?"}));
    let two = follow_up(&mut client, &answer, "And a ream?");
    let three = follow_up(&mut client, &two, "And a sheet?");
    client.delete(&analysis_path(two["analysis_id"].as_str().unwrap(), ""));
    let turns = get_thread(&mut client, &answer)["turns"].clone();
    assert_eq!(turns.as_array().unwrap().len(), 2);
    assert_eq!(turns[1]["parent"], answer["analysis_id"]);
    for turn in [&answer, &three] {
        client.delete(&analysis_path(turn["analysis_id"].as_str().unwrap(), ""));
    }
    assert_eq!(client.get("/api/threads").json()["threads"], json!([]));
}

#[test]
fn a_follow_up_resumes_after_the_server_is_killed() {
    let provider = Provider::script([
        on("a").sse(&answer_stream("ALPHA")),
        on("a").stall(&unfinished_stream("BE")),
        on("a").sse(&answer_stream("BETA")),
        on("GET models")
            .times(2)
            .optional()
            .status(200, "application/json", "{\"data\":[]}"),
    ]);
    let folder = Folder::new();
    let killed = Executable::start(&folder, &provider, &[]);
    let mut client = Client::new(killed.address).registered("ada@example.com");
    let answer = ask_and_wait(&mut client, first_question("alpha"));
    let body = json!({
        "prompt": "beta", "follow_up_to": answer["analysis_id"], "cache": "off", "async": true,
    });
    let two = client.post("/api/analyze", body);
    provider.wait_hanging(1);
    killed.kill();
    let restarted = Executable::start(&folder, &provider, &[]);
    let mut client = restarted.known(&client);
    let analysis = wait_until_ended(&mut client, &id_of(&two));
    assert_eq!(
        (&analysis["turn"], &analysis["synthesis"]),
        (&json!(2), &json!("BETA"))
    );
    let calls: Vec<ReceivedRequest> = provider
        .requests()
        .into_iter()
        .filter(|asked| asked.body["model"] == "a")
        .collect();
    assert_eq!(
        messages_of(&calls[1]),
        messages_of(&calls[2]),
        "the same request"
    );
    assert_eq!(messages_of(&calls[2]).len(), 3);
}

#[test]
fn programs_group_the_answers_of_a_panel_in_a_thread() {
    let provider = uppercase_provider();
    let server = server(&provider, &[]);
    let (mut ada, mut bob) = (server.user("a@example.org"), server.user("b@example.org"));
    let body = json!({
        "model": "quire/gut", "models": ["p/a", "p/b"], "messages": [{"role": "user", "content": "one"}],
    });
    let first = ada.post("/v1/chat/completions", body.clone());
    assert_eq!(first.status, 200, "{}", first.text());
    let thread = first.header("x-quire-thread").to_owned();
    let mut grouping = ada.clone().with("x-quire-thread", &thread);
    let second = grouping.post("/v1/chat/completions", body.clone());
    assert_eq!(second.status, 200, "{}", second.text());
    assert_eq!(second.header("x-quire-thread"), thread);
    let turns = ada.get(&format!("/api/threads/{thread}")).json()["turns"].clone();
    let turns = turns.as_array().expect("turns").clone();
    assert_eq!(turns.len(), 2);
    assert_eq!(turns[1]["parent"], turns[0]["analysis_id"]);
    let third = ada.post("/v1/chat/completions", body.clone());
    assert_ne!(
        third.header("x-quire-thread"),
        thread,
        "a thread of its own"
    );
    // Naming another user's thread has the same result as naming a thread that does not exist.
    for name in [thread.as_str(), "thread_01ARYZ6S410000000000000000", "x"] {
        let mut stranger = bob.clone().with("x-quire-thread", name);
        let response = stranger.post("/v1/chat/completions", body.clone());
        assert_eq!(response.status, 400, "{name}: {}", response.text());
        assert!(
            response.text().contains("x-quire-thread"),
            "{}",
            response.text()
        );
    }
    // A call to a single model does not belong to a thread.
    let single = json!({"model": "p/a", "messages": [{"role": "user", "content": "one"}]});
    let relayed = bob.post("/v1/chat/completions", single);
    assert_eq!(relayed.status, 200, "{}", relayed.text());
    assert_eq!(relayed.header("x-quire-thread"), "");
}
