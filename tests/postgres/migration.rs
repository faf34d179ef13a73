//! Tests that `quire migrate` moves a database from a folder to a server and back, completely or not at all.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::members::wait_for;
use super::support::Client;
use super::support::executable::Executable;
use super::support::script::{analysis_path, id_of, short_run_with};
use super::support::server::Folder;

/// Inserts rows into every table that short use of a server leaves empty. The rows have IDs in mixed case, and texts
/// that look alike or fold to each other but have different bytes.
const ROWS: &str = "
    INSERT INTO users (id, email, name, created) VALUES
        ('user_01ARZ3NDEKTSV4RRFFQ69G5FAV', 'ipek@example.org', 'İpek Groß', 5),
        ('user_ab', 'upper@example.org', 'cafe' || char(769), 5), ('user_AB', 'lower@example.org', 'café', 5);
    INSERT OR IGNORE INTO sign_in_networks VALUES ('user_ab', '192.0.2.0/24', 5);
    INSERT INTO password_resets VALUES ('user_ab', 5, x'00ff', 9);
    INSERT INTO invites VALUES (x'0102', 'ẞ@example.org', 5, 9), (x'', '', 5, 9);
    INSERT INTO api_keys SELECT 'key_' || id, id, name, 'p', CAST(id AS BLOB), '[]', 5, 0, 0, '[]', -1, 250 FROM users;
    INSERT INTO key_usage VALUES ('key_user_ab', 20000, 3, 5, 7);
    INSERT INTO idempotency VALUES ('user_ab', 'aB', x'00', 200, '[]', x'c3a9', 5), ('user_ab', 'Ab', x'00', 0, '[]', x'', 5);
    INSERT INTO meaning_search VALUES ('user_ab', 'm', 5);
    INSERT INTO passage_vectors SELECT id, 'm', x'0000803f' FROM passages;
    INSERT INTO uploads VALUES ('upload_ab', 'user_ab', 'Straße.txt', 10, 5, 2, 5, 9999999999999);
    INSERT INTO upload_parts VALUES ('upload_ab', 0, 5);
    INSERT INTO projects VALUES ('project_ab', 'user_ab', 'GROẞ', 'one' || char(0) || 'two', 5, 5);
    INSERT INTO project_documents SELECT 'project_ab', id FROM documents LIMIT 1;
    INSERT INTO project_people VALUES ('project_ab', 'user_AB');
    INSERT INTO analysis_documents SELECT 'document_gone', id FROM analyses LIMIT 1;
    INSERT INTO votes SELECT id, 'user_ab', 'p', 5 FROM analyses LIMIT 1;
    INSERT INTO comparisons (analysis_id, user_id, model, created) SELECT id, 'user_ab', 'm', 5 FROM analyses LIMIT 1;
    INSERT INTO patterns VALUES ('pattern_ab', 'user_ab', '{}', 5, 5);
    INSERT INTO recipes VALUES ('recipe_ab', 'user_ab', 'r', 0, 5), ('recipe_AB', 'user_ab', 'R', 1, 5);
    INSERT INTO recipe_versions VALUES ('recipe_ab', 1, '{}', 5);
    INSERT INTO experiments (id, user_id, body, design, created, finished)
        VALUES ('experiment_ab', 'user_ab', '{}', '{}', 5, 6);
    INSERT INTO experiment_cases VALUES ('experiment_ab', 0, '{}');
    INSERT INTO experiment_results (experiment_id, arm, place, analysis_id, score)
        VALUES ('experiment_ab', 0, 0, 'a', 0.1), ('experiment_ab', 0, 1, 'a', -0.0), ('experiment_ab', 0, 2, 'a', 1e300);
    INSERT INTO experiment_judgments VALUES ('experiment_ab', 0, 0, 1, '', 'tie', 5);
    INSERT OR IGNORE INTO answer_cache (key, model, answer, created, expires) VALUES ('k', 'm', '{}', 5, 9999999999999);
    INSERT OR IGNORE INTO savings (user_id, day, model) VALUES ('user_ab', 20000, 'm');
    INSERT INTO budgets (user_id) VALUES ('user_ab');
    INSERT INTO providers (id, name, kind, sealed_key, created, changed)
        VALUES ('provider_01ARZ3NDEKTSV4RRFFQ69G5FAV', 'acme', 'openai', 'c2VhbGVk', 5, 5);
";

/// The tables of unfinished uploads, which are not migrated.
pub const UPLOAD_TABLES: [&str; 2] = ["uploads", "upload_parts"];

/// A folder with a filled database, and what is needed to query its server.
pub struct Filled {
    folder: Folder,
    client: Client,
    document: String,
    analysis: String,
}

impl Filled {
    pub fn new() -> Self {
        let folder = Folder::new();
        let server = Executable::with(&folder, &[("USE_MOCK", "true")]);
        let mut client = Client::new(server.address).registered("ada@example.com");
        let text = "The levy is due in May. Die Straße ist groß.\n".repeat(40_000);
        let answer = client.upload("/api/upload-document", "levy.txt", text.as_bytes());
        assert!(answer.status < 300, "{}", answer.text());
        let document = answer.json()["document_id"].as_str().unwrap().to_owned();
        let path = format!("/api/documents/{document}");
        wait_for("the document is read", || {
            client.get(&path).json()["status"] == "processed"
        });
        let run = short_run_with(&["demo/extract", "demo/phrases"], json!({}));
        let answer = client.post("/api/analyze", run);
        assert!(answer.status < 300, "{}", answer.text());
        let analysis = id_of(&answer);
        for _ in client.events(&analysis_path(&analysis, "/events"), None) {}
        server.signal("-TERM");
        assert_eq!(server.code(), Some(0));
        let filled = Self {
            folder,
            client,
            document,
            analysis,
        };
        let db = rusqlite::Connection::open(filled.database()).unwrap();
        db.execute_batch(ROWS).unwrap();
        drop(db);
        filled
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn database(&self) -> PathBuf {
        self.data().join("quire.db")
    }

    fn secret(&self) -> String {
        let secret = std::fs::read_to_string(self.data().join("secret")).unwrap();
        secret.trim().to_owned()
    }

    /// Returns the server's responses about the account.
    fn answers(&self, server: &Executable) -> Vec<(String, Value)> {
        let mut client = server.known(&self.client);
        let mut found = Vec::new();
        let document = format!("/api/documents/{}", self.document);
        for path in [
            "/api/threads".to_owned(),
            "/api/documents".to_owned(),
            analysis_path(&self.analysis, ""),
            "/api/search?q=stra%C3%9Fe".to_owned(),
            "/api/threads?q=paper".to_owned(),
            format!("{document}/search?q=levy"),
        ] {
            let answer = client.get(&path);
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            assert!(answer.text().len() > 60, "{path}: {}", answer.text());
            found.push((path, answer.json()));
        }
        let content = client.get(&format!("{document}/content"));
        found.push(("content".to_owned(), json!(content.text())));
        found
    }
}

/// Returns the number of rows in each table of a SQLite file.
pub fn rows_of(database: &Path) -> BTreeMap<String, i64> {
    let db = rusqlite::Connection::open(database).unwrap();
    let sql = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut names = db.prepare(sql).unwrap();
    let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap();
    names
        .map(|name| {
            let name = name.unwrap();
            let sql = format!("SELECT count(*) FROM \"{name}\"");
            let count = db.query_row(&sql, [], |row| row.get(0)).unwrap();
            (name, count)
        })
        .collect()
}

pub fn command(settings: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quire"));
    command
        .args(arguments)
        .env_clear()
        .envs(settings.iter().copied());
    command
}

pub fn run(settings: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(settings, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn migrated(settings: &[(&str, &str)], target: &str) -> Value {
    let (code, printed, errors) = run(settings, &["migrate", "--json", "--to", target]);
    assert_eq!(code, Some(0), "{errors}");
    serde_json::from_str(&printed).unwrap()
}

pub fn has_no_tables(cluster: &Cluster) -> bool {
    let check = "DO $$ BEGIN IF EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = 'public')
                 THEN RAISE EXCEPTION 'tables'; END IF; END $$;";
    cluster.run(check).is_empty()
}

#[test]
fn a_filled_database_moves_to_a_server_and_back() {
    let filled = Filled::new();
    let before = rows_of(&filled.database());
    let empty: Vec<_> = before.iter().filter(|(_, rows)| **rows == 0).collect();
    assert!(empty.is_empty(), "ROWS lacks rows for {empty:?}");
    // Unfinished uploads are not migrated.
    let mut moved = before.clone();
    moved.retain(|name, _| !UPLOAD_TABLES.contains(&name.as_str()));
    let bytes = std::fs::read(filled.database()).unwrap();
    let cluster = Cluster::start();
    let address = cluster.address("postgres");
    let data = filled.data();
    let source = [("QUIRE_DATA", data.to_str().unwrap())];
    let there = migrated(&source, &address);
    assert!(
        std::fs::read(filled.database()).unwrap() == bytes,
        "the source is unchanged"
    );
    let tables = there["tables"].as_array().unwrap();
    for (name, rows) in &moved {
        let found = tables.iter().find(|table| table["name"] == name.as_str());
        assert_eq!(
            found.unwrap_or_else(|| panic!("{name}"))["rows"],
            *rows,
            "{name}"
        );
    }
    assert_eq!(tables.len(), moved.len() + 1, "{there}");
    assert_eq!(there["unfinished_uploads"], 1, "{there}");
    assert_eq!(tables.last().unwrap()["rows"], 1, "the original file");
    assert_eq!(
        there["changed"],
        json!([{"column": "projects.instructions", "rows": 1, "keys": ["project_ab"]}])
    );

    let back = Folder::new();
    let target = back.path().join("data");
    let server = [
        ("QUIRE_DATA", data.to_str().unwrap()),
        ("DATABASE_URL", address.as_str()),
    ];
    let here = migrated(&server, target.to_str().unwrap());
    assert_eq!(here["tables"], there["tables"]);
    assert_eq!(here["changed"], json!([]));
    assert_eq!(here["unfinished_uploads"], 0, "{here}");
    moved.extend(UPLOAD_TABLES.map(|name| (name.to_owned(), 0)));
    assert_eq!(rows_of(&target.join("quire.db")), moved);
    assert!(!target.join(".quire-migration").exists());
    // The secret of the source has been migrated too.
    let secret = std::fs::read_to_string(target.join("secret")).unwrap();
    assert_eq!(secret.trim(), filled.secret());

    // All three servers respond in the same way.
    let original = Executable::with(&filled.folder, &[("USE_MOCK", "true")]);
    let expected = filled.answers(&original);
    drop(original);
    let returned = Executable::with(&back, &[("USE_MOCK", "true")]);
    assert_eq!(filled.answers(&returned), expected);
    drop(returned);
    let (other, secret) = (Folder::new(), filled.secret());
    let settings = [
        ("USE_MOCK", "true"),
        ("DATABASE_URL", address.as_str()),
        ("QUIRE_SECRET", secret.as_str()),
    ];
    let server = Executable::with(&other, &settings);
    let found = filled.answers(&server);
    for ((path, expected), (_, found)) in expected.iter().zip(&found) {
        // Both engines find the same passages, but score them differently.
        let ids = |value: &Value| value.to_string().matches(&filled.document).count();
        assert_eq!(ids(expected), ids(found), "{path}");
        if !path.contains("search") {
            assert_eq!(expected, found, "{path}");
        }
    }
    // New generated keys follow the migrated ones.
    let mut client = server.known(&filled.client);
    let again = client.post("/api/analyze", short_run_with(&["demo/extract"], json!({})));
    assert!(again.status < 300, "{}", again.text());
    let answer = client.upload("/api/upload-document", "more.txt", b"Nothing to see.\n");
    let path = format!(
        "/api/documents/{}",
        answer.json()["document_id"].as_str().unwrap()
    );
    wait_for("another document is read", || {
        client.get(&path).json()["status"] == "processed"
    });
}

#[test]
fn what_is_in_use_or_not_empty_is_refused() {
    let folder = Folder::new();
    let server = Executable::with(&folder, &[("USE_MOCK", "true")]);
    let cluster = Cluster::start();
    let address = cluster.address("postgres");
    let data = folder.path().join("data");
    let source = [("QUIRE_DATA", data.to_str().unwrap())];
    let refused = |settings: &[(&str, &str)], target: &str, why: &str| {
        let (code, _, errors) = run(settings, &["migrate", "--to", target]);
        assert!(code == Some(1) && errors.contains(why), "{code:?} {errors}");
    };
    refused(&source, &address, "a server is using");
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));
    assert!(has_no_tables(&cluster));
    let earlier = super::operation::OtherSession::earlier_server(&cluster).unwrap();
    refused(&source, &address, "a Quire server is using");
    drop(earlier);
    refused(&source, "/nowhere/x", "in a data folder already");
    // The address is read from stdin; the table and the next step are printed.
    let mut child = command(&source, &["migrate", "--to", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(format!("{address}\n").as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let next = format!(
        "QUIRE_SECRET set to the content of {}",
        data.join("secret").display()
    );
    assert!(
        output.status.success() && printed.contains(&next) && printed.contains("original files"),
        "{printed}"
    );
    refused(&source, &address, "it has rows in");
    let from_server = [
        ("QUIRE_DATA", data.to_str().unwrap()),
        ("DATABASE_URL", address.as_str()),
    ];
    refused(
        &from_server,
        data.to_str().unwrap(),
        "the target folder is not empty",
    );
    refused(&from_server, &address, "on a PostgreSQL server already");
    let target = folder.path().join("other");
    let secret = std::fs::read_to_string(data.join("secret")).unwrap();
    let other = Folder::new();
    let settings = [
        ("DATABASE_URL", address.as_str()),
        ("QUIRE_SECRET", secret.trim()),
        ("USE_MOCK", "true"),
    ];
    let server = Executable::with(&other, &settings);
    refused(
        &from_server,
        target.to_str().unwrap(),
        "a Quire server is using",
    );
    assert!(!target.join("quire.db").exists());
    drop(server);
}

#[test]
fn a_copy_that_differs_is_not_kept_and_its_table_is_named() {
    let filled = Filled::new();
    let cluster = Cluster::start();
    // The target's tables already exist, and a trigger on one of them changes what is stored.
    super::store::close(&super::store::open(&cluster, "postgres").unwrap());
    let fault = "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     NEW.name := lower(NEW.name); RETURN NEW; END $$;
                 CREATE TRIGGER spoil BEFORE INSERT ON recipes FOR EACH ROW
                     WHEN (NEW.id = 'recipe_AB') EXECUTE FUNCTION spoil();
                 ALTER TABLE recipes DROP CONSTRAINT recipes_user_id_name_key;";
    assert_eq!(cluster.run(fault), "");
    let data = filled.data();
    let source = [("QUIRE_DATA", data.to_str().unwrap())];
    let address = cluster.address("postgres");
    let (code, printed, errors) = run(&source, &["migrate", "--to", &address]);
    assert!(
        code == Some(1) && errors.contains("the copy of recipes differs") && printed.is_empty(),
        "{code:?} {errors}"
    );
    // The error names the key of a row that the target rejects; if the server does not exist, the error says what to
    // check.
    assert_eq!(
        cluster.run(
            "DROP TRIGGER spoil ON recipes; ALTER TABLE recipes ADD CHECK (id <> 'recipe_AB');"
        ),
        ""
    );
    let (code, _, errors) = run(&source, &["migrate", "--to", &address]);
    assert!(
        code == Some(1) && errors.contains("between the keys recipe_AB and recipe_ab"),
        "{code:?} {errors}"
    );
    let (code, _, errors) = run(&source, &["migrate", "--to", "postgres://q@127.0.0.1:1/q"]);
    assert!(
        code == Some(1) && errors.contains("cannot be reached"),
        "{code:?} {errors}"
    );
    let latin =
        "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;";
    assert_eq!(cluster.run(latin), "");
    let (code, _, errors) = run(&source, &["migrate", "--to", &cluster.address("latin")]);
    assert!(
        code == Some(1) && errors.contains("encoding LATIN1"),
        "{code:?} {errors}"
    );
    let kept =
        "DO $$ BEGIN IF EXISTS (SELECT 1 FROM users) THEN RAISE EXCEPTION 'kept'; END IF; END $$;";
    assert_eq!(cluster.run(kept), "");
}

/// A server that is killed while it moves a file from its folder to the database leaves the file and its first pieces.
#[test]
fn an_original_is_copied_whole_or_named_as_damaged() {
    let filled = Filled::new();
    let cluster = Cluster::start();
    let (address, data) = (cluster.address("postgres"), filled.data());
    let original = |folder: &Path| folder.join("documents").join(&filled.document);
    // Originals that may exist only in a replica are not left behind.
    let moved = filled.folder.path().join("moved");
    std::fs::rename(original(&data), &moved).unwrap();
    let replica = filled.folder.path().join("replica");
    let replicated = [
        ("QUIRE_DATA", data.to_str().unwrap()),
        ("QUIRE_REPLICA", replica.to_str().unwrap()),
    ];
    let (code, _, errors) = run(&replicated, &["migrate", "--to", &address]);
    assert!(
        code == Some(1) && errors.contains("only in the replica"),
        "{code:?} {errors}"
    );
    assert!(has_no_tables(&cluster));
    std::fs::rename(&moved, original(&data)).unwrap();
    let there = migrated(&[("QUIRE_DATA", data.to_str().unwrap())], &address);
    assert_eq!(there["damaged_originals"], json!([]));
    assert_eq!(
        cluster.run("DELETE FROM document_bytes WHERE piece > 0;"),
        ""
    );
    let from_server = [
        ("QUIRE_DATA", data.to_str().unwrap()),
        ("DATABASE_URL", address.as_str()),
    ];
    let bytes = std::fs::read(original(&data)).unwrap();
    for has_file in [true, false] {
        let back = Folder::new();
        let target = back.path().join("data");
        if !has_file {
            std::fs::remove_file(original(&data)).unwrap();
        }
        let here = migrated(&from_server, target.to_str().unwrap());
        let damaged = match has_file {
            true => json!([]),
            false => json!([filled.document]),
        };
        assert_eq!(here["damaged_originals"], damaged);
        let copied = std::fs::read(original(&target)).unwrap();
        assert!(bytes.starts_with(&copied) && (copied.len() == bytes.len()) == has_file);
    }
}
