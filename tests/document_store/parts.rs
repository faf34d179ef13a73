//! Tests uploads in parts when several servers share a database: any server accepts any part, and any server completes
//! the upload.

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::support::executable::Executable;
use super::support::server::Folder;
use super::support::{Answer, Client};
use super::{content, files, start, wait_for};

/// Size of a part, in bytes. It is more than fits in one row of `upload_bytes`.
const PART_BYTES: usize = (1 << 20) + 7;

/// Two servers that share a database, with a client for each.
struct Pair {
    cluster: Cluster,
    folders: [Folder; 2],
    servers: [Option<Executable>; 2],
    clients: [Client; 2],
}

impl Pair {
    fn start() -> Self {
        let (cluster, folders) = (Cluster::start(), [Folder::new(), Folder::new()]);
        let database = [("DATABASE_URL".to_owned(), cluster.address("postgres"))];
        let servers = [start(&folders[0], &database), start(&folders[1], &database)];
        let client = Client::new(servers[0].address).registered("ada@example.com");
        Self {
            clients: [client.clone(), servers[1].known(&client)],
            servers: servers.map(Some),
            cluster,
            folders,
        }
    }

    fn announce(&mut self, text: &str) -> String {
        let parts = text.len().div_ceil(PART_BYTES);
        let announced = json!({
            "fileName": "long.txt", "fileSize": text.len(), "chunkSize": PART_BYTES, "totalChunks": parts,
        });
        let answer = self.clients[0].post("/api/create-document-session", announced);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["sessionId"].as_str().unwrap().to_owned()
    }

    /// Sends a part to a server. Returns the numbers of the parts that have arrived so far.
    fn send(&mut self, server: usize, id: &str, number: usize, bytes: &[u8]) -> Value {
        let answer = self.try_send(server, id, number, bytes);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["receivedChunks"].clone()
    }

    fn try_send(&mut self, server: usize, id: &str, number: usize, bytes: &[u8]) -> Answer {
        send_part(&mut self.clients[server], id, number, bytes)
    }

    fn has_no_parts(&self) -> bool {
        let check = "DO $$ BEGIN IF EXISTS (SELECT 1 FROM upload_bytes) THEN RAISE EXCEPTION 'left'; END IF; END $$;";
        self.cluster.run(check).is_empty()
    }
}

#[test]
fn each_piece_of_a_part_has_a_transaction_of_its_own_and_a_failed_attempt_leaves_none() {
    let mut pair = Pair::start();
    let text = "x".repeat(PART_BYTES);
    let id = pair.announce(&text);
    let watch = "CREATE TABLE pieces_seen (at BIGINT);
        CREATE FUNCTION note_piece() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO pieces_seen VALUES (txid_current()); RETURN NULL; END $$;
        CREATE TRIGGER note_piece AFTER INSERT ON upload_bytes FOR EACH ROW EXECUTE FUNCTION note_piece();";
    assert_eq!(pair.cluster.run(watch), "");
    assert_eq!(pair.send(0, &id, 0, part(&text, 0)), json!([0]));
    let check = "DO $$ BEGIN IF (SELECT count(DISTINCT at) FROM pieces_seen) <> 2
        OR (SELECT array_agg(piece ORDER BY piece) FROM upload_bytes) <> ARRAY[0, 1]::BIGINT[]
        THEN RAISE EXCEPTION 'no'; END IF; END $$;";
    assert_eq!(pair.cluster.run(check), "");
    // If an attempt fails in the middle, the part that is already stored stays unchanged.
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'refused'; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON upload_bytes FOR EACH ROW EXECUTE FUNCTION refuse();";
    assert_eq!(pair.cluster.run(refuse), "");
    let other = vec![b'y'; PART_BYTES];
    assert_ne!(pair.try_send(1, &id, 0, &other).status, 200);
    let check = check.replace("<> 2", "<> 4");
    assert_eq!(pair.cluster.run(&check), "");
    let finished = pair.clients[1].post("/api/finalize-document-upload", json!({"sessionId": id}));
    assert_eq!(finished.status, 200, "{}", finished.text());
    let document = finished.json()["document_id"].as_str().unwrap().to_owned();
    assert!(content(&mut pair.clients[0], &document) == text);
}

fn send_part(client: &mut Client, id: &str, number: usize, bytes: &[u8]) -> Answer {
    let line = "quire-test-boundary";
    let mut body = Vec::new();
    for (name, value) in [("sessionId", id), ("chunkIndex", &number.to_string())] {
        let head = format!("content-disposition: form-data; name=\"{name}\"");
        body.extend(format!("--{line}\r\n{head}\r\n\r\n{value}\r\n").bytes());
    }
    let head = "content-disposition: form-data; name=\"chunk\"; filename=\"blob\"";
    body.extend(format!("--{line}\r\n{head}\r\n\r\n").bytes());
    body.extend(bytes);
    body.extend(format!("\r\n--{line}--\r\n").bytes());
    let kind = format!("multipart/form-data; boundary={line}");
    client.send("POST", "/api/upload-document-chunk", Some((&kind, &body)))
}

fn part(text: &str, number: usize) -> &[u8] {
    let start = number * PART_BYTES;
    &text.as_bytes()[start..text.len().min(start + PART_BYTES)]
}

#[test]
fn parts_alternate_between_servers_one_is_killed_and_the_other_completes() {
    let mut pair = Pair::start();
    let text = "The levy is due in May. ".repeat(200_000);
    let id = pair.announce(&text);
    pair.send(0, &id, 3, part(&text, 3));
    // If a part is sent twice, the second version is kept.
    pair.send(1, &id, 0, &vec![b'x'; PART_BYTES]);
    assert_eq!(pair.send(0, &id, 0, part(&text, 0)), json!([0, 3]));
    assert_eq!(pair.send(1, &id, 1, part(&text, 1)), json!([0, 1, 3]));
    pair.servers[0].take().unwrap().kill();
    assert_eq!(pair.send(1, &id, 2, part(&text, 2)), json!([0, 1, 2, 3]));
    let early = pair.clients[1].post("/api/finalize-document-upload", json!({"sessionId": id}));
    assert_eq!(early.status, 400, "{}", early.text());
    assert!(early.text().contains("missing: 4"), "{}", early.text());
    pair.send(1, &id, 4, part(&text, 4));
    let stored = pair.clients[1].post("/api/finalize-document-upload", json!({"sessionId": id}));
    assert_eq!(stored.status, 200, "{}", stored.text());
    let document = stored.json()["document_id"].as_str().unwrap().to_owned();
    assert!(
        content(&mut pair.clients[1], &document) == text,
        "it is whole"
    );
    assert!(pair.has_no_parts(), "the parts are deleted with the upload");
    assert_eq!(files(&pair.folders[1], "uploads"), 0);
    // The document may not have been read completely yet.
    wait_for("no copy remains", || files(&pair.folders[1], "tmp") == 0);
}

#[test]
fn a_part_that_two_servers_receive_at_once_is_never_a_mixture() {
    let mut pair = Pair::start();
    for round in 0..4 {
        let id = pair.announce(&"x".repeat(3 * PART_BYTES));
        let [here, there] = pair.clients.each_mut();
        std::thread::scope(|scope| {
            for (client, letter) in [(here, b'a'), (there, b'b')] {
                let id = id.as_str();
                scope.spawn(move || {
                    for number in 0..3 {
                        let answer = send_part(client, id, number, &vec![letter; PART_BYTES]);
                        assert_eq!(answer.status, 200, "{}", answer.text());
                    }
                });
            }
        });
        let finished =
            pair.clients[round % 2].post("/api/finalize-document-upload", json!({"sessionId": id}));
        assert_eq!(finished.status, 200, "{}", finished.text());
        let document = finished.json()["document_id"].as_str().unwrap().to_owned();
        let text = content(&mut pair.clients[0], &document);
        assert_eq!(text.len(), 3 * PART_BYTES);
        for number in 0..3 {
            let part = part(&text, number);
            assert!(part.iter().all(|byte| *byte == part[0]), "part {number}");
        }
        assert!(pair.has_no_parts());
        // The same bytes may be uploaded again in the next round, which must not find this document.
        assert_eq!(
            pair.clients[0]
                .delete(&format!("/api/documents/{document}"))
                .status,
            200
        );
    }
}

#[test]
fn parts_that_only_an_earlier_server_has_are_sent_again_and_expired_ones_are_removed() {
    let mut pair = Pair::start();
    let text = "x".repeat(PART_BYTES + 1);
    let id = pair.announce(&text);
    pair.send(0, &id, 0, part(&text, 0));
    // An earlier version has recorded a part whose bytes are only in its own data folder.
    let recorded = format!("INSERT INTO upload_parts VALUES ('{id}', 1, 1)");
    assert_eq!(pair.cluster.run(&recorded), "");
    let early = pair.clients[1].post("/api/finalize-document-upload", json!({"sessionId": id}));
    assert_eq!(early.status, 400, "{}", early.text());
    assert!(early.text().contains("missing: 1"), "{}", early.text());
    let expired = "UPDATE uploads SET expires = 1";
    assert_eq!(pair.cluster.run(expired), "");
    // Like housekeeping, starting another upload removes expired uploads.
    pair.announce(&text);
    assert!(pair.has_no_parts());
}
