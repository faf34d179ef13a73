//! Tests turns of older versions, whose members' texts a server indexes in the background.

use super::cluster::Cluster;
use super::members::{WAIT_TIMEOUT, server_settings};
use super::support::Server;
use super::support::script::{begin, wait_until_ended};

#[test]
fn a_turn_that_cannot_be_indexed_does_not_keep_the_others_from_it() {
    let cluster = Cluster::start();
    let database = cluster.address("postgres");
    let server = Server::with(&server_settings(&database, ""));
    let mut client = server.user("ada@example.com");
    let ids: Vec<String> = (0..5)
        .map(|_| {
            let id = begin(&mut client, &["demo/extract"]);
            wait_until_ended(&mut client, &id);
            id
        })
        .collect();
    // Make the turns look as if an older version had stored them, and let the server reject one of them as too large.
    let script = format!(
        "DELETE FROM turn_texts; DELETE FROM settings WHERE key LIKE 'turn_texts.%';
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF new.analysis_id = '{}' THEN RAISE program_limit_exceeded; END IF;
             RETURN new;
         END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON turn_texts FOR EACH ROW EXECUTE FUNCTION refuse();",
        ids[2]
    );
    assert_eq!(cluster.run(&script), "");
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    runtime.block_on(async {
        let indexed = tokio::time::timeout(WAIT_TIMEOUT, server.app.index_older_turns());
        indexed.await.expect("it ends");
    });
    let expected: Vec<&str> = [0, 1, 3, 4].map(|number| ids[number].as_str()).to_vec();
    let check = format!(
        "DO $$ BEGIN IF (SELECT string_agg(analysis_id, ' ' ORDER BY analysis_id) FROM turn_texts) <> '{}'
         THEN RAISE EXCEPTION 'others'; END IF; END $$;",
        expected.join(" ")
    );
    assert_eq!(cluster.run(&check), "");
}
