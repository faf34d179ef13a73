//! Tests how threads are searched, shared, and exported, and who can access them.

use super::*;

#[test]
fn threads_are_searched_by_answer_text_page_by_page() {
    let provider = Provider::answering(|request| {
        let question = messages_of(request).pop().unwrap().1;
        let fact = if question.contains("alpha") {
            "A kestrel hovers."
        } else {
            "Owls sleep."
        };
        on("*").sse(&answer_stream(fact))
    });
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    for prompt in ["alpha", "beta", "gamma"] {
        ask_and_wait(&mut client, first_question(prompt));
    }
    let matching_threads = client.get("/api/threads?q=kestrel+submarine").json();
    assert_eq!(
        matching_threads["threads"],
        json!([]),
        "every word is required"
    );
    let matching_threads = client.get("/api/threads?q=KESTREL").json();
    assert_eq!(
        matching_threads["threads"].as_array().unwrap().len(),
        1,
        "{matching_threads}"
    );
    let hit = &matching_threads["threads"][0];
    assert_eq!(
        (&hit["title"], &hit["snippet"]["in"]),
        (&json!("alpha"), &json!("answer"))
    );
    assert_eq!(hit["snippet"]["matches"], json!([[2, 9]]));
    let by_title = client.get("/api/threads?q=gam").json();
    assert_eq!(by_title["threads"][0]["title"], "gamma");
    let mut stranger = server.user("bob@example.com");
    assert_eq!(
        stranger.get("/api/threads?q=kestrel").json()["threads"],
        json!([])
    );

    let mut titles = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client
            .get(&format!("/api/threads?limit=1&cursor={cursor}"))
            .json();
        titles.push(page["threads"][0]["title"].clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(titles, ["gamma", "beta", "alpha"]);
    client
        .get("/api/threads?cursor=x")
        .refused(422, "VALIDATION_ERROR");
}

#[test]
fn threads_are_searched_by_the_texts_of_members() {
    let provider = Provider::answering(|request| {
        let fact = match request.body["model"].as_str() {
            Some("a") => "Herons stand still.",
            Some("b") => "**Kestrels** hover above motorways.",
            _ => "Birds differ.",
        };
        on("*").sse(&answer_stream(fact))
    });
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let question = json!({
        "prompt": "How do birds hunt?", "models": ["p/a", "p/b"], "pattern": "critique", "cache": "off",
        "ultra_model": "p/c", "evidence": "off",
    });
    ask_and_wait(&mut client, question);
    let matching_threads = client.get("/api/threads?q=kestrels+motorways").json();
    let hit = &matching_threads["threads"][0];
    let snippet = &hit["snippet"];
    assert_eq!(
        (&snippet["in"], &snippet["member"]),
        (&json!("member"), &json!("B")),
        "{matching_threads}"
    );
    assert_eq!(snippet["text"], "**Kestrels** hover above motorways.");
    assert_eq!(snippet["matches"], json!([[2, 10], [25, 34]]));
    assert_eq!(hit["newest"]["members"], 2);
    let count = |query: &str, client: &mut Client| {
        let matching_threads = client.get(&format!("/api/threads?{query}")).json();
        matching_threads["threads"].as_array().map(Vec::len)
    };
    assert_eq!(count("q=herons&in=answers", &mut client), Some(1));
    assert_eq!(count("q=herons&in=questions", &mut client), Some(0));
    // The word is also found in an older turn, and after the account has been imported elsewhere.
    let first = hit["newest"]["analysis_id"].clone();
    ask_and_wait(
        &mut client,
        json!({"prompt": "And owls?", "follow_up_to": first, "models": ["p/c"], "pattern": "single"}),
    );
    let archive = client.get("/api/users/me/export").bytes;
    let other = self::server(&provider, &[]);
    let mut copy = other.user("eve@example.com");
    copy.upload("/api/users/me/import", "a.tar.gz", &archive);
    for client in [&mut client, &mut copy] {
        let found = client.get("/api/threads?q=kestrels+motorways").json();
        let hit = &found["threads"][0];
        assert_eq!(hit["turns"], 2, "{found}");
        assert_eq!(hit["snippet"]["analysis_id"], first, "{found}");
        assert_eq!(hit["snippet"]["member"], "B");
    }
    // The final answer is found as the answer, and only once.
    let by_answer = client.get("/api/threads?q=differ").json();
    assert_eq!(by_answer["threads"][0]["snippet"]["in"], "answer");
}

#[test]
fn threads_are_searched_by_questions_or_by_answers_only() {
    let provider = Provider::answering(|request| {
        let fact = match messages_of(request).pop().unwrap().1.contains("Kestrels") {
            true => "They hover.",
            false => "## Answer\n\n**Kestrels hover.** Owls 東京 do not.",
        };
        on("*").sse(&answer_stream(fact))
    });
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    ask_and_wait(
        &mut client,
        first_question("Do kestrels sleep, Kestrels of 京都?"),
    );
    ask_and_wait(&mut client, first_question("Which birds hover?"));
    let mut titles = |query: &str| {
        let matching_threads = client.get(&format!("/api/threads?{query}")).json();
        let matching_threads = matching_threads["threads"].as_array().unwrap().clone();
        matching_threads
            .iter()
            .map(|each| {
                let title = each["title"].as_str().unwrap().to_owned();
                let place = each["snippet"]["in"].as_str().unwrap_or("title").to_owned();
                (title.split(' ').next().unwrap().to_owned(), place)
            })
            .collect::<Vec<_>>()
    };
    let pair = |title: &str, place: &str| (title.to_owned(), place.to_owned());
    let (question, answer) = (pair("Do", "question"), pair("Which", "answer"));
    assert_eq!(titles("q=kestrels"), [answer.clone(), question.clone()]);
    let only_question = std::slice::from_ref(&question);
    assert_eq!(titles("q=kestrels&in=questions"), only_question);
    let only_answer = std::slice::from_ref(&answer);
    assert_eq!(titles("q=kestrels&in=answers"), only_answer);
    assert_eq!(titles("q=%E4%BA%AC%E9%83%BD&in=questions"), [question]);
    assert_eq!(titles("q=%E6%9D%B1%E4%BA%AC&in=answers"), [answer]);
    assert_eq!(titles("q=sleep&in=answers"), []);

    let listed = client.get("/api/threads?answers=true").json();
    assert_eq!(
        listed["threads"][0]["answer"], "Kestrels hover.",
        "{listed}"
    );
    assert_eq!(
        client.get("/api/threads").json()["threads"][0]["answer"],
        Value::Null
    );
    client
        .get("/api/threads?in=everything")
        .refused(422, "VALIDATION_ERROR");
}

#[test]
fn a_thread_or_one_turn_is_shared_and_exported() {
    let server = Server::start();
    let mut client = server.user("ada@example.com");
    let answer = ask_and_wait(&mut client, json!({"prompt": "What is a quire?"}));
    let two = follow_up(&mut client, &answer, "And a ream?");
    let path = format!("/api/threads/{}", answer["thread_id"].as_str().unwrap());
    let link = client.post(&format!("{path}/share"), json!({})).json();
    let shared = format!("/api/shared/{}", link["token"].as_str().unwrap());
    let shared_thread = server.client().get(&shared).json();
    assert_eq!(shared_thread["turns"].as_array().unwrap().len(), 2);
    assert_eq!(shared_thread["results"][1]["prompt"], "And a ream?");
    assert_eq!(client.delete(&format!("{path}/share")).status, 200);
    assert_eq!(server.client().get(&shared).status, 404);
    let turn = json!({"turn": two["analysis_id"]});
    let link = client.post(&format!("{path}/share"), turn).json();
    let shared = format!("/api/shared/{}", link["token"].as_str().unwrap());
    assert_eq!(server.client().get(&shared).json()["prompt"], "And a ream?");

    let markdown = client.get(&format!("{path}/export")).text();
    assert!(markdown.starts_with("# What is a quire?"), "{markdown}");
    assert!(markdown.contains("> And a ream?"), "{markdown}");
    let html = client.get(&format!("{path}/export?format=html")).text();
    assert!(
        html.contains("<h2>And a ream?</h2>") && !html.contains("<script"),
        "{html}"
    );
    let json = client.get(&format!("{path}/export?format=json")).json();
    assert_eq!(json["turns"][1]["prompt"], "And a ream?");
    let turn = two["analysis_id"].as_str().unwrap();
    let only = client.get(&format!("{path}/export?turn={turn}")).text();
    assert!(!only.contains("> What is a quire?"), "{only}");
    client
        .get(&format!("{path}/export?format=pdf"))
        .refused(422, "VALIDATION_ERROR");
}

#[test]
fn other_users_threads_cannot_be_continued() {
    let server = Server::start();
    let mut client = server.user("ada@example.com");
    let answer = ask_and_wait(&mut client, json!({"prompt": "What is a quire?"}));
    let mut other = server.user("bob@example.com");
    for (field, id) in [
        ("follow_up_to", &answer["analysis_id"]),
        ("edit_of", &answer["analysis_id"]),
        ("thread", &answer["thread_id"]),
        ("project", &json!("project_01ARYZ6S410000000000000000")),
    ] {
        let mut body = json!({"prompt": "And a ream?"});
        body[field] = id.clone();
        other
            .post("/api/analyze", body.clone())
            .refused(422, "VALIDATION_ERROR");
        other
            .post("/api/estimate", body.clone())
            .refused(422, "VALIDATION_ERROR");
        let refusal = server.client().post("/api/analyze", body);
        refusal.refused(401, "UNAUTHENTICATED");
    }
    let both = json!({
        "prompt": "x", "thread": answer["thread_id"], "follow_up_to": answer["analysis_id"],
    });
    client
        .post("/api/analyze", both)
        .refused(422, "VALIDATION_ERROR");
}
