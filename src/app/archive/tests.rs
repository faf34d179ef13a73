//! Tests of malicious and damaged archives.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tar::{Builder, Header};

use super::*;
use crate::domain::time::Timestamp;
use crate::domain::user::{Role, User};
use crate::store::{StoreSettings, archive, users};

struct ScratchFolder(PathBuf);

impl ScratchFolder {
    fn new(name: &str) -> Self {
        let name = format!("quire-archive-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn archive_paths(scratch: &ScratchFolder) -> ArchivePaths {
    let store = Store::open(&StoreSettings {
        path: scratch.0.join("quire.db"),
    });
    for folder in ["documents", "tmp"] {
        std::fs::create_dir_all(scratch.0.join(folder)).expect("a folder");
    }
    ArchivePaths {
        store: store.expect("a database"),
        documents: scratch.0.join("documents"),
        originals: None,
        scratch: scratch.0.join("tmp"),
        max_bytes: 1 << 20,
    }
}

#[test]
fn a_conversation_with_an_oversized_row_is_skipped_entirely() {
    let scratch = ScratchFolder::new("unfit");
    let archive_paths = archive_paths(&scratch);
    let user = person(&archive_paths, 1);
    let old_conversation = foreign::ExternalTurn {
        question: "Why?".into(),
        answer: "So.".into(),
        writer: "imported/m".into(),
        ..foreign::ExternalTurn::default()
    };
    let thread = chat_exports::ExternalConversation {
        source_id: "c-1".into(),
        title: "A title".into(),
        turns: vec![old_conversation],
    };
    let mut import = conversations::HistoryImport::new(&archive_paths, &user).expect("a store");
    let mut store = |copies: usize| {
        let mut rows = import.build_thread(&thread).expect("rows");
        let answers = &mut rows.turns[0].stage_answers;
        *answers = answers.iter().cycle().take(copies).cloned().collect();
        import.batch.push(rows);
        import.store().expect("a store");
        import.count
    };
    // Two answers at the same position conflict.
    assert_eq!(store(2).refused, 1);
    let count = || {
        let user_id = user.clone();
        let mut answer_count = 0;
        let read = archive_paths.store.read_now(move |db| {
            archive::for_each_answer(db, &user_id, |_, _| answer_count += 1)?;
            Ok(answer_count)
        });
        read.expect("a store")
    };
    assert_eq!(count(), 0, "the question was stored without its answer");
    assert_eq!(store(1).added, 1);
    assert_eq!(store(1).present, 1);
    assert_eq!(count(), 1);
}

fn person(archive_paths: &ArchivePaths, n: u128) -> UserId {
    let user = User {
        id: UserId::new(Timestamp::from_millis(1), n),
        email: format!("p{n}@example.com"),
        name: String::new(),
        role: Role::User,
        disabled: false,
        created: Timestamp::from_millis(1),
        last_login: None,
        password_hash: String::new(),
    };
    let id = user.id.clone();
    let inserted = archive_paths
        .store
        .write_now(move |db| users::insert(db, &user));
    inserted.expect("an account");
    id
}

fn archive(scratch: &ScratchFolder, schema: u32, files: &[(&str, Vec<u8>)]) -> PathBuf {
    let path = scratch.0.join("hostile.tar.gz");
    let file = std::fs::File::create(&path).expect("a file");
    let mut tar = Builder::new(GzEncoder::new(file, Compression::fast()));
    let mut first = manifest("x@example.com");
    first.schema = schema;
    let first = serde_json::to_vec(&first).expect("JSON");
    let first = std::iter::once((MANIFEST_NAME, first));
    for (name, bytes) in first.chain(files.iter().cloned()) {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        // Bypass the tar crate's own checks, as other tools would.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, &bytes[..]).expect("an entry");
    }
    let mut file = tar
        .into_inner()
        .and_then(GzEncoder::finish)
        .expect("a file");
    file.flush().expect("a file");
    path
}

fn lines(rows: &[Value]) -> Vec<u8> {
    let rows = rows.iter().map(|row| format!("{row}\n"));
    rows.collect::<String>().into_bytes()
}

fn import(archive_paths: &ArchivePaths, user: &UserId, path: &Path) -> Result<Counts> {
    archive_paths.import(user, path, &mut |_, _, _| ())
}

fn count(counts: &Counts, name: &str) -> TableCount {
    let entry = counts.iter().find(|(known, _)| known == name);
    entry.map(|(_, count)| *count).unwrap_or_default()
}

#[test]
fn imported_rows_never_refer_to_another_users_data() {
    let scratch = ScratchFolder::new("others");
    let archive_paths = archive_paths(&scratch);
    let (ada, bob) = (person(&archive_paths, 1), person(&archive_paths, 2));
    let lines_of = "{\"messages\":[{\"role\":\"user\",\"content\":\"Why?\"},{\"role\":\"assistant\",\"content\":\"So.\"}]}";
    let old = scratch.0.join("old.jsonl");
    std::fs::write(&old, lines_of).expect("a file");
    assert_eq!(
        count(
            &import(&archive_paths, &ada, &old).expect("taken"),
            "analyses"
        )
        .added,
        1
    );
    let other_users_ids = archive_paths.store.read_now(|db| {
        let mut ids = Vec::new();
        let mut tables = crate::store::archive::ARCHIVE_TABLES.iter();
        let table = tables
            .find(|table| table.name == "analyses")
            .expect("its table");
        crate::store::archive::for_each_row(
            db,
            table,
            &UserId::new(Timestamp::from_millis(1), 1),
            |row| {
                ids.push(row["id"].as_str().unwrap_or_default().to_owned());
                true
            },
        )?;
        Ok(ids)
    });
    let other_users_analysis = other_users_ids.expect("read").remove(0);
    let answer = json!({ "analysis_id": other_users_analysis, "stage": 7, "member": 7, "model": "m", "answer": "{}" });
    let vote =
        json!({ "analysis_id": other_users_analysis, "user_id": ada, "choice": "x", "created": 1 });
    let path = archive(
        &scratch,
        ROW_SCHEMA_VERSION,
        &[
            ("tables/stage_answers.jsonl", lines(&[answer])),
            ("tables/votes.jsonl", lines(&[vote])),
        ],
    );
    let counts = import(&archive_paths, &bob, &path).expect("taken");
    for table in ["stage_answers", "votes"] {
        let count = count(&counts, table);
        assert_eq!((count.added, count.refused), (0, 1), "{table}");
    }
}

#[test]
fn unreadable_imported_rows_are_removed() {
    let scratch = ScratchFolder::new("broken");
    let archive_paths = archive_paths(&scratch);
    let user = person(&archive_paths, 1);
    let id = |n: u128| crate::domain::id::AnalysisId::new(Timestamp::from_millis(9), n).to_string();
    let row = |id: &str, plan: &str| {
        json!({
            "id": id, "status": "completed", "request": "{}", "plan": plan, "created": 1, "finished": 1,
            "share_hash": "AAAA", "lease_owner": "me", "user_id": "user_else", "no_such_column": 7,
        })
    };
    let recipe = crate::domain::id::RecipeId::new(Timestamp::from_millis(9), 3).to_string();
    let path = archive(
        &scratch,
        ROW_SCHEMA_VERSION,
        &[
            (
                "tables/recipes.jsonl",
                lines(&[json!({ "id": recipe, "name": "r", "created": 1 })]),
            ),
            (
                "tables/recipe_versions.jsonl",
                lines(&[
                    json!({ "recipe_id": recipe, "version": 1, "body": "nonsense", "created": 1 }),
                ]),
            ),
            (
                "tables/analyses.jsonl",
                lines(&[
                    row(&id(1), "nonsense"),
                    row("no id at all", "{}"),
                    row(&id(2), "{}"),
                ]),
            ),
            (
                "tables/patterns.jsonl",
                lines(&[json!({ "id": "../x", "body": "{}", "created": 1, "changed": 1 })]),
            ),
            (
                "tables/users.jsonl",
                lines(&[json!({ "id": "user_x", "role": "admin" })]),
            ),
            ("tables/sessions.jsonl", lines(&[json!({ "id": "x" })])),
            ("../../outside", b"x".to_vec()),
            ("documents/../../outside", b"x".to_vec()),
        ],
    );
    let counts = import(&archive_paths, &user, &path).expect("taken");
    for table in ["analyses", "recipes", "patterns"] {
        let count = count(&counts, table);
        assert_eq!(count.added, 0, "{table}: {counts:?}");
        assert!(count.refused > 0, "{table}: {counts:?}");
    }
    assert!(
        !counts
            .iter()
            .any(|(name, _)| name == "users" || name == "sessions")
    );
    assert!(!scratch.0.join("outside").exists());
    let left = std::fs::read_dir(scratch.0.join("documents"))
        .expect("a folder")
        .count();
    assert_eq!(left, 0);
}

#[test]
fn an_analysis_running_elsewhere_is_not_resumed_here() {
    let scratch = ScratchFolder::new("open");
    let archive_paths = archive_paths(&scratch);
    let user = person(&archive_paths, 1);
    let old = "{\"messages\":[{\"role\":\"user\",\"content\":\"Why?\"},{\"role\":\"assistant\",\"content\":\"So.\"}]}";
    let file = scratch.0.join("old.jsonl");
    std::fs::write(&file, old).expect("a file");
    import(&archive_paths, &user, &file).expect("taken");
    let rows = archive_paths.store.read_now(|db| {
        let mut rows = Vec::new();
        let table = crate::store::archive::ARCHIVE_TABLES.iter();
        let table = table.into_iter().find(|table| table.name == "analyses");
        let user = UserId::new(Timestamp::from_millis(1), 1);
        crate::store::archive::for_each_row(db, table.expect("a table"), &user, |row| {
            rows.push(row);
            true
        })?;
        Ok(rows)
    });
    let complete_archive = rows.expect("read").remove(0);
    for (n, status, finished, added_count) in [
        (1, "running", 0, 0),
        (2, "queued", 1, 0),
        (3, "completed", 0, 0),
        (4, "completed", 1, 1),
        // The plan of this row has no members.
        (5, "completed", 2, 0),
    ] {
        let mut row = complete_archive.clone();
        if finished == 2 {
            let plan = row["plan"].as_str().unwrap_or_default();
            let mut plan: Value = serde_json::from_str(plan).expect("a plan");
            plan["members"] = json!([]);
            row.insert("plan".to_owned(), json!(plan.to_string()));
        }
        let id = crate::domain::id::AnalysisId::new(Timestamp::from_millis(9), n);
        row.insert("id".to_owned(), json!(id));
        row.insert("status".to_owned(), json!(status));
        row.insert("finished".to_owned(), json!(finished));
        let rows = lines(&[Value::Object(row)]);
        let path = archive(
            &scratch,
            ROW_SCHEMA_VERSION,
            &[("tables/analyses.jsonl", rows)],
        );
        let counts = import(&archive_paths, &user, &path).expect("taken");
        let count = count(&counts, "analyses");
        assert_eq!(
            (count.added, count.refused),
            (added_count, 1 - added_count),
            "{status} {finished}"
        );
    }
}

#[test]
fn a_damaged_or_newer_archive_changes_nothing() {
    let scratch = ScratchFolder::new("newer");
    let archive_paths = archive_paths(&scratch);
    let user = person(&archive_paths, 1);
    let newer = archive(&scratch, ROW_SCHEMA_VERSION + 1, &[]);
    let refusal = import(&archive_paths, &user, &newer).expect_err("refused");
    assert_eq!(refusal.kind, Kind::Conflict);
    for bytes in [&b"[]\n"[..], b"{\n", b"{}{}\n", b"\xff\n"] {
        let path = archive(
            &scratch,
            ROW_SCHEMA_VERSION,
            &[("tables/analyses.jsonl", bytes.to_vec())],
        );
        let refusal = import(&archive_paths, &user, &path).expect_err("refused");
        assert_eq!(refusal.kind, Kind::BadRequest, "{bytes:?}");
    }
    // An archive truncated at any point is either refused or imported up to that point, without a panic.
    let complete_archive = archive(
        &scratch,
        ROW_SCHEMA_VERSION,
        &[("tables/analyses.jsonl", lines(&[json!({ "id": "x" })]))],
    );
    let bytes = std::fs::read(&complete_archive).expect("a file");
    for length in (0..bytes.len()).step_by(7) {
        let truncated_archive = scratch.0.join("cut.tar.gz");
        std::fs::write(&truncated_archive, &bytes[..length]).expect("a file");
        let _ = import(&archive_paths, &user, &truncated_archive);
    }
}

fn zipped(scratch: &ScratchFolder, entries: &[(&str, &[u8])]) -> PathBuf {
    let path = scratch.0.join("export.zip");
    std::fs::write(&path, crate::extract::zip::pack(entries)).expect("a file");
    path
}

fn claude(id: usize) -> Value {
    json!({
        "uuid": format!("u-{id}"), "name": "Ink", "created_at": "2025-01-02T03:04:05Z",
        "chat_messages": [
            {"sender": "human", "text": format!("Why {id}?")}, {"sender": "assistant", "text": "So."},
        ],
    })
}

#[test]
fn a_zip_file_of_another_program_is_imported_with_all_its_parts() {
    let scratch = ScratchFolder::new("zip");
    let archive_paths = archive_paths(&scratch);
    let user = person(&archive_paths, 1);
    let first = json!([claude(1), claude(2)]).to_string();
    let second = json!([claude(3)]).to_string();
    let entries = [
        ("dalle/picture.png", &b"not text"[..]),
        ("conversations-000.json", first.as_bytes()),
        ("conversations-001.json", second.as_bytes()),
        ("user.json", &b"{}"[..]),
    ];
    let path = zipped(&scratch, &entries);
    let table_count = count(
        &import(&archive_paths, &user, &path).expect("taken"),
        "analyses",
    );
    assert_eq!((table_count.added, table_count.refused), (3, 0));
    let table_count = count(
        &import(&archive_paths, &user, &path).expect("taken"),
        "analyses",
    );
    assert_eq!((table_count.added, table_count.present), (0, 3));
    let left = std::fs::read_dir(&archive_paths.scratch)
        .expect("a folder")
        .count();
    assert_eq!(left, 0, "temporary files are removed");

    let bytes = std::fs::read(&path).expect("a file");
    // The last bytes only say that the ZIP file has no comment, so losing them is harmless.
    for length in (0..bytes.len() - 4).step_by(11) {
        std::fs::write(&path, &bytes[..length]).expect("a file");
        assert!(
            import(&archive_paths, &user, &path).is_err(),
            "{length} bytes"
        );
    }
    let without = zipped(&scratch, &[("user.json", b"{}")]);
    let refusal = import(&archive_paths, &user, &without).expect_err("refused");
    assert!(refusal.public.contains("no conversations.json"));
}
