//! Tests stored analyses: lists, exports, links, votes, and access to them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::provider::{Provider, on};
use crate::support::script::{
    analysis_path, answer_stream, begin, id_of, server, short_run, short_run_with,
    unfinished_stream, wait_until_ended,
};
use crate::support::{Client, Server};

fn ask_question(client: &mut Client, prompt: &str) -> String {
    let answer = client.post(
        "/api/analyze",
        short_run_with(&["demo/extract"], json!({"prompt": prompt})),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    id_of(&answer)
}

fn analysis_ids(list: &Value) -> Vec<String> {
    let rows = list["analyses"].as_array().unwrap();
    rows.iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_list_is_paged_searched_and_filtered() {
    let provider = Provider::script([on("bad").status(400, "text/plain", "no")]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let mut created: Vec<String> = [
        "Why is tea green?",
        "Why is ink 100% black?",
        "Who_binds a book?",
        "Tea or ink?",
        "Über Öl in ΑΘΉΝΑ",
    ]
    .map(|prompt| ask_question(&mut client, prompt))
    .into();
    client
        .post("/api/analyze", short_run(&["p/bad"]))
        .refused(503, "SERVICE_UNAVAILABLE");
    created.reverse();

    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/api/analyses?limit=2{cursor}")).json();
        pages.push(analysis_ids(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
    assert_eq!(pages.concat()[1..], created, "newest first");
    for (query, found) in [
        ("q=tea", vec![1, 4]),
        ("q=TEA", vec![1, 4]),
        ("q=ink", vec![1, 3]),
        ("q=100%25", vec![3]),
        ("q=who_", vec![2]),
        ("q=%25", vec![3]),
        ("q=_", vec![2]),
        ("q='", vec![]),
        // Case is ignored in every script, as in über, ÖL, and αθήνα.
        ("q=%C3%BCber", vec![0]),
        ("q=%C3%96L", vec![0]),
        ("q=%CE%B1%CE%B8%CE%AE%CE%BD%CE%B1", vec![0]),
        ("q=why&status=completed&model=demo%2Fextract", vec![3, 4]),
        ("q=why&status=completed", vec![3, 4]),
        ("status=running", vec![]),
        ("q=why&status=completed&pattern=no-such", vec![]),
        ("q=why&model=demo%2Fno-such", vec![]),
        (
            "q=why&status=completed&from=2020-01-01T00:00:00Z",
            vec![3, 4],
        ),
        ("to=2020-01-01T00:00:00Z", vec![]),
    ] {
        let list = client.get(&format!("/api/analyses?{query}")).json();
        let expected: Vec<&String> = found
            .into_iter()
            .map(|index: usize| &created[index])
            .collect();
        assert_eq!(
            analysis_ids(&list).iter().collect::<Vec<_>>(),
            expected,
            "{query}"
        );
    }
    assert_eq!(
        analysis_ids(&client.get("/api/analyses?status=failed").json()),
        pages.concat()[..1]
    );
    assert_eq!(
        analysis_ids(&client.get("/api/analyze").json()),
        pages.concat()
    );
    for query in [
        "status=done",
        "cursor=x",
        "limit=0",
        "limit=201",
        "limit=x",
        "from=today",
        "to=1",
    ] {
        client
            .get(&format!("/api/analyses?{query}"))
            .refused(422, "VALIDATION_ERROR");
    }
}

#[test]
fn progress_follows_the_stages() {
    let provider = Provider::script([on("slow").stall(&unfinished_stream("It is "))]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let id = begin(&mut client, &["p/slow", "demo/extract"]);
    let settled = client
        .events(&analysis_path(&id, "/events"), None)
        .any(|event| event.name == "member.completed");
    assert!(settled);
    let progress = client.get(&analysis_path(&id, "/progress")).json();
    assert_eq!(
        (&progress["status"], &progress["current_stage"]),
        (&json!("running"), &json!("initial"))
    );
    assert_eq!(
        progress["stages"],
        json!({
            "initial": {"status": "running", "progress": 50}, "ultra": {"status": "pending", "progress": 0},
        })
    );
    client.post(&analysis_path(&id, "/cancel"), json!({}));
    let progress = client.get(&analysis_path(&id, "/progress")).json();
    assert_eq!(
        (&progress["status"], &progress["current_stage"]),
        (&json!("cancelled"), &Value::Null)
    );
    let analysis = ask_question(&mut client, "Is it done?");
    let progress = client.get(&analysis_path(&analysis, "/progress")).json();
    assert_eq!(
        progress["stages"]["ultra"],
        json!({"status": "completed", "progress": 100})
    );
}

#[test]
fn an_analysis_is_exported_in_three_formats() {
    let odd_text = "It is \"thin\", light,\nand 80 g.";
    let provider = Provider::script([
        on("a").sse(&answer_stream(odd_text)),
        on("formula").sse(&answer_stream("=1+1")),
    ]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let answer = client.post("/api/analyze", short_run(&["p/a", "p/formula"]));
    let (id, ultra) = (id_of(&answer), answer.json()["ultra_response"].clone());
    let ultra = ultra.as_str().unwrap();
    let mut export = |format: &str, ending: &str, kind: &str| {
        let file = client.get(&analysis_path(&id, &format!("/export{format}")));
        assert_eq!(file.status, 200);
        assert_eq!(
            file.header("content-disposition"),
            format!("attachment; filename=\"{id}.{ending}\"")
        );
        assert!(file.header("content-type").starts_with(kind));
        file
    };
    let full = export("?format=json", "json", "application/json").json();
    assert_eq!(full["model_responses"]["p/a"], odd_text);
    assert_eq!(full["ultra_response"], ultra);
    assert_eq!(export("", "json", "application/json").json(), full);
    let csv = export("?format=csv", "csv", "text/csv").text();
    assert!(csv.starts_with("stage,letter,model,status,text,"), "{csv}");
    assert!(
        csv.contains("initial,A,p/a,completed,\"It is \"\"thin\"\", light,\nand 80 g.\",11,7,"),
        "{csv}"
    );
    assert!(
        csv.contains("initial,B,p/formula,completed,\"'=1+1\","),
        "{csv}"
    );
    let markdown = export("?format=markdown", "md", "text/markdown").text();
    for part in [
        "# How thick is the paper?",
        "## Answer",
        ultra.trim(),
        "### A · p/a",
        odd_text,
    ] {
        assert!(markdown.contains(part), "{part:?} is not in {markdown}");
    }
    client
        .get(&analysis_path(&id, "/export?format=pdf"))
        .refused(422, "VALIDATION_ERROR");
}

#[test]
fn a_shared_analysis_can_be_read_without_an_account_until_the_link_is_revoked() {
    let server = Server::start();
    let mut client = server.user("ada@example.com");
    let id = ask_question(&mut client, "What may be shared?");
    let mut anonymous = server.client();
    let mut share = || {
        client.post(&analysis_path(&id, "/share"), json!({})).json()["token"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = format!("/api/shared/{}", share());
    let body = anonymous.get(&first);
    assert_eq!(body.status, 200, "{}", body.text());
    assert_eq!(body.json()["prompt"], "What may be shared?");
    assert!(!body.text().contains("ada@example.com") && !body.text().contains("user_"));
    anonymous
        .get(&analysis_path(&id, ""))
        .refused(401, "UNAUTHENTICATED");
    let second = format!("/api/shared/{}", share());
    anonymous.get(&first).refused(404, "NOT_FOUND");
    assert_eq!(anonymous.get(&second).status, 200);
    assert_eq!(client.get(&analysis_path(&id, "")).json()["shared"], true);
    assert_eq!(client.delete(&analysis_path(&id, "/share")).status, 200);
    anonymous.get(&second).refused(404, "NOT_FOUND");
    assert_eq!(client.get(&analysis_path(&id, "")).json()["shared"], false);
}

#[test]
fn a_vote_is_one_of_a_few_words() {
    let server = Server::start();
    let mut client = server.user("ada@example.com");
    let id = ask_question(&mut client, "Is this any good?");
    for choice in ["helpful", "not_helpful", "tie"] {
        let answer = client.post(&analysis_path(&id, "/vote"), json!({"choice": choice}));
        assert_eq!(
            (answer.status, &answer.json()["choice"]),
            (200, &json!(choice))
        );
    }
    for body in [
        json!({"choice": "great"}),
        json!({}),
        json!({"choice": 1}),
        json!({"choice": "tie", "by": "x"}),
    ] {
        client
            .post(&analysis_path(&id, "/vote"), body)
            .refused(422, "VALIDATION_ERROR");
    }
}

#[test]
fn a_failed_analysis_can_be_tried_again() {
    let provider = Provider::script([
        on("a").status(400, "text/plain", "no"),
        on("a").sse(&answer_stream("Thin.")),
    ]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    client
        .post("/api/analyze", short_run(&["p/a"]))
        .refused(503, "SERVICE_UNAVAILABLE");
    let failed = analysis_ids(&client.get("/api/analyses").json()).remove(0);
    let answer = client.post(&analysis_path(&failed, "/retry"), json!({}));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let second = id_of(&answer);
    assert_ne!(second, failed);
    let analysis = wait_until_ended(&mut client, &second);
    assert_eq!(
        (&analysis["status"], &analysis["model_responses"]["p/a"]),
        (&json!("completed"), &json!("Thin."))
    );
    assert_eq!(
        client.get(&analysis_path(&failed, "")).json()["status"],
        "failed"
    );
}

#[test]
fn deleting_an_analysis_deletes_all_its_data() {
    let provider = Provider::script([on("slow").stall(&unfinished_stream("It is "))]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let analysis = ask_question(&mut client, "What is left of me?");
    let token = client
        .post(&analysis_path(&analysis, "/share"), json!({}))
        .json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let running = begin(&mut client, &["p/slow"]);
    provider.wait_for_requests(1);
    for id in [&analysis, &running] {
        let answer = client.delete(&analysis_path(id, ""));
        assert_eq!(
            (answer.status, &answer.json()["success"]),
            (200, &json!(true))
        );
        for what in ["", "/events", "/progress", "/export"] {
            client
                .get(&analysis_path(id, what))
                .refused(404, "NOT_FOUND");
        }
        client
            .delete(&analysis_path(id, ""))
            .refused(404, "NOT_FOUND");
    }
    provider.wait_for_disconnect("slow");
    server
        .client()
        .get(&format!("/api/shared/{token}"))
        .refused(404, "NOT_FOUND");
    assert_eq!(client.get("/api/analyses").json()["analyses"], json!([]));
}

#[test]
fn other_users_find_no_analyses() {
    let pause = Duration::from_millis(10);
    let provider =
        Provider::script([on("a").sse_in_pieces(&answer_stream("It is thin."), 64, pause)]);
    let server = server(&provider, &[]);
    let mut ada = server.user("ada@example.com");
    let mut eve = server.user("eve@example.com");
    let id = begin(&mut ada, &["p/a"]);
    for what in ["", "/events", "/progress", "/export", "/export?format=csv"] {
        eve.get(&analysis_path(&id, what)).refused(404, "NOT_FOUND");
    }
    for path in [
        format!("/analyze/stream/{id}"),
        format!("/analyze/results/{id}"),
        format!("/api/analyze/{id}/results"),
    ] {
        eve.get(&path).refused(404, "NOT_FOUND");
    }
    for what in ["/cancel", "/retry", "/share", "/vote"] {
        let body = if what == "/vote" {
            json!({"choice": "tie"})
        } else {
            json!({})
        };
        eve.post(&analysis_path(&id, what), body)
            .refused(404, "NOT_FOUND");
    }
    eve.delete(&analysis_path(&id, "/share"))
        .refused(404, "NOT_FOUND");
    eve.delete(&analysis_path(&id, ""))
        .refused(404, "NOT_FOUND");
    assert_eq!(
        analysis_ids(&eve.get("/api/analyses").json()),
        Vec::<String>::new()
    );
    assert_eq!(wait_until_ended(&mut ada, &id)["status"], "completed");
}
