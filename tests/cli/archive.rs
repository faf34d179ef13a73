//! `quire export` and `quire import`, from one data folder to another.

use serde_json::Value;

use super::{Place, Said};

fn with_account(email: &str) -> Place {
    let place = Place::new();
    let added = place.run(&["user", "add", email, "--admin"]);
    assert_eq!(added.code, Some(0), "{added:?}");
    place
}

fn well(said: Said) -> String {
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out
}

fn counts(said: Said) -> Value {
    let said: Value = serde_json::from_str(&said.well()).unwrap();
    said["counts"].clone()
}

/// An account with an analysis over a document, and a recipe's worth of history.
fn lived_in() -> Place {
    let place = with_account("ada@example.com");
    std::fs::write(
        place.0.join("lease.txt"),
        "The lease of the mill ends in 2031. The lock is repaired each spring.\n",
    )
    .unwrap();
    let words = [
        "ask",
        "When does the lease end?",
        "--file",
        "lease.txt",
        "--panel",
        "demo/extract,demo/merge",
        "--quiet",
    ];
    well(place.run(&words));
    place
}

#[test]
fn everything_goes_elsewhere_and_twice_is_once() {
    let place = lived_in();
    let file = place.0.join("ada.tar.gz");
    let file = file.to_str().unwrap();
    let out = counts(place.run(&["export", "--user", "ada@example.com", file, "--json"]));
    assert_eq!(
        (&out["analyses"]["added"], &out["documents"]["added"]),
        (&1.into(), &1.into()),
        "{out}"
    );
    assert_eq!(out["original documents"]["added"], 1);
    place
        .run(&["export", "--user", "ada@example.com", file])
        .refused(1);

    let other = with_account("bob@example.com");
    let took = counts(other.run(&["import", "--user", "bob@example.com", file, "--json"]));
    for table in [
        "analyses",
        "documents",
        "document_pages",
        "passages",
        "stage_answers",
        "original documents",
    ] {
        assert_eq!(took[table]["added"], out[table]["added"], "{table}: {took}");
        assert_eq!(took[table]["refused"], 0, "{table}: {took}");
    }
    let again = counts(other.run(&["import", "--user", "bob@example.com", file, "--json"]));
    assert_eq!(
        (&again["analyses"]["added"], &again["analyses"]["present"]),
        (&0.into(), &1.into()),
        "{again}"
    );
    assert_eq!(
        (
            &again["passages"]["added"],
            &again["original documents"]["added"]
        ),
        (&0.into(), &0.into()),
        "{again}"
    );
    // It is found, and its bytes are there.
    let found = other.run(&["documents", "search", "lock"]).well();
    assert!(found.contains("lease.txt"), "{found}");
    let kept: Vec<_> = std::fs::read_dir(other.data().join("documents"))
        .unwrap()
        .collect();
    assert_eq!(kept.len(), 1);
}

#[test]
fn the_same_things_belong_to_two_people_of_one_place() {
    let place = lived_in();
    let file = place.0.join("ada.tar.gz");
    let file = file.to_str().unwrap();
    well(place.run(&["export", "--user", "ada@example.com", file]));
    well(place.run(&["user", "add", "bob@example.com"]));
    let took = counts(place.run(&["import", "--user", "bob@example.com", file, "--json"]));
    assert_eq!(
        (
            &took["analyses"]["added"],
            &took["stage_answers"]["refused"]
        ),
        (&1.into(), &0.into()),
        "{took}"
    );
    let theirs = place
        .run(&["documents", "list", "--as", "bob@example.com", "--json"])
        .well();
    let ours = place
        .run(&["documents", "list", "--as", "ada@example.com", "--json"])
        .well();
    assert!(theirs.contains("lease.txt") && ours.contains("lease.txt"));
    let id = |rows: &str| {
        let rows: Value = serde_json::from_str(rows).unwrap();
        rows["documents"][0]["id"]
            .as_str()
            .or(rows["documents"][0]["document_id"].as_str())
            .map(str::to_owned)
    };
    assert_ne!(id(&theirs), id(&ours));
}

#[test]
fn conversations_from_elsewhere_become_history() {
    let place = with_account("ada@example.com");
    let lines = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Why is the sky blue?"},{"role":"assistant","content":"Rayleigh."}]}
{"prompt":"Which?","model_responses":{"gpt-4":"One."},"ultra_response":"Both.","timestamp":"2024-05-01T10:00:00Z"}
nonsense
"#;
    std::fs::write(place.0.join("old.jsonl"), lines).unwrap();
    let words = ["import", "--user", "ada@example.com", "old.jsonl", "--json"];
    let took = counts(place.run(&words));
    assert_eq!(
        (&took["analyses"]["added"], &took["analyses"]["refused"]),
        (&2.into(), &1.into()),
        "{took}"
    );
    let again = counts(place.run(&words));
    assert_eq!(
        (&again["analyses"]["added"], &again["analyses"]["present"]),
        (&0.into(), &2.into()),
        "{again}"
    );
    // Out and in again, elsewhere.
    well(place.run(&["export", "--user", "ada@example.com", "ada.tar.gz"]));
    let other = with_account("bob@example.com");
    let file = place.0.join("ada.tar.gz");
    let took = counts(other.run(&[
        "import",
        "--user",
        "bob@example.com",
        file.to_str().unwrap(),
        "--json",
    ]));
    assert_eq!(
        (&took["analyses"]["added"], &took["stage_answers"]["added"]),
        (&2.into(), &3.into()),
        "{took}"
    );
}

#[test]
fn what_is_no_archive_changes_nothing() {
    let place = with_account("ada@example.com");
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("text", b"hello"),
        (
            "gzip",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        ),
        ("cut", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xed"),
    ] {
        std::fs::write(place.0.join(name), bytes).unwrap();
        let why = place
            .run(&["import", "--user", "ada@example.com", name])
            .refused(1);
        assert!(why.contains("cannot be read"), "{name}: {why}");
    }
    place
        .run(&["import", "--user", "ada@example.com", "missing"])
        .refused(1);
    place.run(&["import", "missing"]).refused(2);
    place
        .run(&["import", "--user", "nobody@example.com", "empty"])
        .refused(1);
}

/// An archive or a backup with the row of a document whose file is short or lost is no silent success.
#[test]
fn originals_that_are_short_or_lost_are_named() {
    let place = lived_in();
    let documents = place.data().join("documents");
    let file = std::fs::read_dir(&documents).unwrap().next().unwrap();
    let file = file.unwrap().path();
    let id = file.file_name().unwrap().to_str().unwrap().to_owned();
    let whole = std::fs::read(&file).unwrap();
    let export = |to: &str| place.run(&["export", "--user", "ada@example.com", to]);
    let backup = |to: &str| place.run(&["backup", to]);
    well(export("whole.tar.gz"));
    let said = backup("whole.db");
    assert!(
        said.code == Some(0) && !said.err.contains("damaged"),
        "{said:?}"
    );

    std::fs::write(&file, &whole[..10]).unwrap();
    let bytes = format!("10 of {} bytes", whole.len());
    let why = export("short.tar.gz").refused(1);
    for part in [&id, "lease.txt", &bytes, "short.tar.gz is written"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let said = backup("short.db");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.err.contains(&id) && said.err.contains(&bytes),
        "{said:?}"
    );

    std::fs::remove_file(&file).unwrap();
    let why = export("lost.tar.gz").refused(1);
    assert!(why.contains(&id) && why.contains("lost"), "{why}");
    let said = place.run(&["backup", "lost.db", "--json"]).well();
    let said: Value = serde_json::from_str(&said).unwrap();
    let named = said["faulty_originals"][0].as_str().unwrap();
    assert!(named.contains(&id) && named.contains("lost"), "{said}");
}
