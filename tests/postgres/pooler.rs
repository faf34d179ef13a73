//! Tests a pooler in transaction mode in front of the database, by running the main tests of the store and of several
//! servers through it.

use quire::store::{Store, settings};

use super::cluster::Cluster;
use super::members::{ServerPair, wait_for};
use super::runs::follow_and_stop;
use super::servers::{reserve_at_once, upload_and_read};
use super::store::{change_and_fail, close, find_passages, open};
use super::support::provider::{Provider, on};
use super::support::script::{answer_stream, begin, wait_until_ended};

#[test]
fn the_store_works_behind_a_pooler() {
    change_and_fail(&Cluster::pooled());
    find_passages(&Cluster::pooled());
}

#[test]
fn statements_of_programs_that_get_each_others_connections_do_not_mix() {
    let cluster = Cluster::pooled();
    // Each store first prepares different statements, so that the same statement name would have different meanings.
    let stores: Vec<Store> = (0..3)
        .map(|_| open(&cluster, "postgres").unwrap())
        .collect();
    std::thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate() {
            for part in 0..3 {
                scope.spawn(move || {
                    for round in 0..40 {
                        let (key, value) = (format!("{number}-{part}"), format!("round {round}"));
                        let (name, text) = (key.clone(), value.clone());
                        let set = store.write_now(move |db| settings::set(db, &name, &text));
                        assert_eq!(set, Ok(()));
                        let found = store.read_now(move |db| settings::get(db, &key));
                        assert_eq!(found, Ok(Some(value)));
                    }
                });
            }
        }
    });
    stores.iter().for_each(close);
}

#[test]
fn servers_share_runs_documents_and_budgets_behind_a_pooler() {
    follow_and_stop(&Cluster::pooled());
    upload_and_read(&Cluster::pooled());
    reserve_at_once(&Cluster::pooled());
}

#[test]
fn a_question_about_a_document_is_answered_and_found_behind_a_pooler() {
    answer_about_a_document(&Cluster::pooled());
}

/// Uploads a document to one server, and then finds it and asks a question about it through another.
pub fn answer_about_a_document(cluster: &Cluster) {
    let provider = Provider::script([on("quick")
        .times(9)
        .optional()
        .sse(&answer_stream("It is due in May."))]);
    let mut pair = ServerPair::start(cluster, &provider);
    let (client, elsewhere) = (&mut pair.client, &mut pair.elsewhere);
    let uploaded = client.upload(
        "/api/upload-document",
        "levy.txt",
        b"The levy is due in May.",
    );
    assert!(uploaded.status < 300, "{}", uploaded.text());
    let id = uploaded.json()["document_id"].as_str().unwrap().to_owned();
    wait_for("the document is read", || {
        elsewhere.get(&format!("/api/documents/{id}")).json()["status"] != "processing"
    });
    let found = elsewhere.get("/api/search?q=levy");
    assert_eq!(found.json()["count"], 1, "{}", found.text());
    let run = begin(client, &["p/quick"]);
    let analysis = wait_until_ended(elsewhere, &run);
    assert_eq!(analysis["status"], "completed", "{analysis}");
}
