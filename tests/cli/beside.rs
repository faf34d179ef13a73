//! Commands next to a running server on the same folder: they use its database or refuse, and never answer
//! from an empty one. Commands that only read create nothing.

use super::{Place, Running};

fn person(place: &Place) {
    place.run(&["user", "add", "a@b.co"]).well();
    let words = [
        "ask",
        "Who repairs it?",
        "--file",
        "-",
        "--panel",
        "demo/extract",
        "--quiet",
    ];
    place
        .run_with(&words, "The lock is repaired by the water board.\n")
        .well();
}

#[test]
fn documents_are_listed_searched_and_deleted_beside_a_server() {
    let place = Place::new();
    person(&place);
    let server = Running::start(place.quire(&["--port", "0"]));
    let found = place.run(&["documents", "search", "water", "board"]).well();
    assert!(found.contains("stdin.txt, page 1:"), "{found}");
    let listed = place.run(&["documents", "list", "--json"]).well();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let id = listed["documents"][0]["id"].as_str().unwrap();
    place.run(&["documents", "delete", id]).well();
    let none = place.run(&["documents"]).well();
    assert!(none.starts_with("No documents yet."), "{none}");
    assert!(!place.data().join("documents").join(id).exists());
    assert!(server.get("/api/health").starts_with("HTTP/1.1 200"));
    // What the server has on its way in is left alone.
    let on_its_way = place.data().join("tmp").join("0123456789abcdef");
    std::fs::write(&on_its_way, "half").unwrap();
    place.run(&["documents"]).well();
    assert!(on_its_way.exists());
}

#[test]
fn experiments_and_models_are_shown_beside_a_server() {
    let place = Place::new();
    place.run(&["user", "add", "a@b.co"]).well();
    let sums = "name = \"sums\"\nmodels = [\"demo/extract\"]\n[[cases]]\nprompt = \"What is 2 + 2?\"\nexpect = \"4\"\n";
    std::fs::write(place.0.join("sums.toml"), sums).unwrap();
    let _server = Running::start(place.quire(&["--port", "0"]));
    let listed = place.run(&["experiment", "list"]).well();
    assert!(listed.starts_with("No experiments yet."), "{listed}");
    assert!(place.run(&["models"]).well().contains("demo/extract"));
    let shown = place
        .run(&[
            "experiment",
            "show",
            "experiment_01ARZ3NDEKTSV4RRFFQ69G0000",
        ])
        .refused(1);
    assert!(
        shown.contains("not found") || shown.contains("there is no"),
        "{shown}"
    );
}

#[test]
fn what_runs_something_refuses_beside_a_server_and_says_what_to_do() {
    let place = Place::new();
    person(&place);
    let server = Running::start(place.quire(&["--port", "0"]));
    let who = format!(
        "a server is using {} (process {}",
        place.data().display(),
        server.child.id()
    );
    for (words, instead) in [
        (&["mcp"][..], "/mcp, with an API key"),
        (&["experiment", "run", "sums.toml"], "POST "),
        (
            &[
                "experiment",
                "resume",
                "experiment_01ARZ3NDEKTSV4RRFFQ69G0000",
            ],
            "POST ",
        ),
    ] {
        let said = place.run(words).refused(1);
        assert!(
            said.contains(&who) && said.contains(instead),
            "{words:?}: {said}"
        );
        // The port that the server has, not the one a server would have by default.
        assert!(said.contains(&server.address), "{words:?}: {said}");
    }
}

#[test]
fn commands_that_only_read_make_no_folder() {
    let place = Place::new();
    for words in [
        &["user", "list"][..],
        &["key", "list", "a@b.co"],
        &["provider", "list"],
        &["documents", "list"],
        &["documents", "search", "x"],
        &["history"],
        &["documents", "add", "x"],
        &["experiment", "list"],
        &[
            "experiment",
            "show",
            "experiment_01ARZ3NDEKTSV4RRFFQ69G0000",
        ],
        &["usage"],
        &["backup", "copy.db"],
        &["export", "--user", "a@b.co", "a.tar.gz"],
        &["secret", "new"],
    ] {
        let said = place.run(words).refused(1);
        assert!(
            said.contains("there is no database in"),
            "{words:?}: {said}"
        );
        assert!(!place.data().exists(), "{words:?}");
    }
    for words in [
        &["models"][..],
        &["patterns", "list"],
        &["orphans", "list"],
        &["doctor", "--port", "0"],
        &["help"],
    ] {
        place.run(words).well();
        assert!(!place.data().exists(), "{words:?}");
    }
}
