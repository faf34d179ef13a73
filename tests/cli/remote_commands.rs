//! `QUIRE_SERVER`: every command works against that server with the same syntax, or refuses with a single
//! sentence.

use serde_json::Value;

use super::{Place, Running, Said, fed};

/// Returns a server with an administrator, and that user's unrestricted key.
fn served(place: &Place) -> (Running, String) {
    let server = Running::start(place.quire(&["--port", "0", "--use-mock"]));
    place
        .run(&["user", "add", "ada@example.com", "--admin"])
        .expect_success();
    let mut words = vec!["key", "add", "ada@example.com"];
    for scope in ["chat", "analyze", "documents", "admin", "keys", "export"] {
        words.extend(["--scope", scope]);
    }
    let key = place.run(&words).expect_success();
    (server, key.trim().to_owned())
}

/// Another machine, whose commands use the server.
struct Elsewhere {
    place: Place,
    server: Running,
    key: String,
}

impl Elsewhere {
    fn command(&self, words: &[&str]) -> std::process::Command {
        let mut command = self.place.quire(words);
        command
            .env("QUIRE_SERVER", format!("http://{}", self.server.address))
            .env("QUIRE_API_KEY", &self.key);
        command
    }
    fn run(&self, words: &[&str]) -> Said {
        Said::of(self.command(words).output().unwrap())
    }
    fn json(&self, words: &[&str]) -> Value {
        let said = self.run(words);
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
        serde_json::from_str(&said.out).unwrap()
    }
}

fn elsewhere(home: &Place) -> Elsewhere {
    let (server, key) = served(home);
    Elsewhere {
        place: Place::new(),
        server,
        key,
    }
}

#[test]
fn accounts_are_managed_on_a_server() {
    let home = Place::new();
    let there = elsewhere(&home);
    let added = there.json(&["user", "add", "bob@example.com", "--name", "Bob", "--json"]);
    assert_eq!(added["name"], "Bob");
    assert!(added["password"].as_str().unwrap().len() > 8, "{added}");
    let words = ["user", "role", "Bob@example.com", "admin"];
    assert!(
        there
            .run(&words)
            .expect_success()
            .contains("bob@example.com  admin  active")
    );
    let words = ["user", "disable", "bob@example.com"];
    assert!(there.run(&words).expect_success().contains("locked"));
    let linked = there.run(&["user", "reset-link", "bob@example.com"]);
    let start = format!("http://{}/login?token=", there.server.address);
    assert!(linked.out.starts_with(&start), "{linked:?}");
    assert!(linked.err.contains("valid once, until"), "{linked:?}");
    let invited = there.run(&["user", "invite"]);
    assert!(invited.out.contains("/login?invite="), "{invited:?}");
    let refused = there.run(&["user", "passwd", "bob@example.com"]).refused(2);
    assert!(refused.contains("use user reset-link"), "{refused}");
    there
        .run(&["user", "delete", "bob@example.com", "--yes"])
        .expect_success();
    let listed = there.run(&["user", "list"]).expect_success();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let missing = there.run(&["user", "enable", "bob@example.com"]).refused(1);
    assert!(missing.contains("no account"), "{missing}");
}

#[test]
fn keys_providers_patterns_and_usage_come_from_a_server() {
    let home = Place::new();
    let there = elsewhere(&home);
    let keys = there.json(&["key", "list", "--json"]);
    let id = keys["keys"][0]["id"].as_str().unwrap();
    let listed = there
        .run(&["key", "list", "ada@example.com"])
        .expect_success();
    assert!(listed.contains(id), "{listed}");
    let other = there.run(&["key", "list", "bob@example.com"]).refused(2);
    assert!(other.contains("belongs to ada@example.com"), "{other}");
    let add = there.run(&["key", "add", "ada@example.com"]).refused(2);
    assert!(
        add.contains("an API key cannot create another one"),
        "{add}"
    );

    let base = "http://127.0.0.1:1/v1";
    let words = ["provider", "add", "box", "--base-url", base, "--force"];
    there.run(&words).expect_success();
    assert!(
        there
            .run(&["provider", "list"])
            .expect_success()
            .contains(base)
    );
    there.run(&["provider", "remove", "box"]).expect_success();
    there.run(&["provider", "remove", "box"]).refused(1);

    let patterns = there.json(&["patterns", "list", "--json"]);
    let here = there
        .place
        .run(&["patterns", "list", "--json"])
        .expect_success();
    assert_eq!(patterns, serde_json::from_str::<Value>(&here).unwrap());
    let shown = there.run(&["patterns", "show", "gut"]).expect_success();
    assert!(shown.contains("Panel: "), "{shown}");

    let asked = there.run(&["ask", "Why?", "-m", "demo/extract", "-q"]);
    assert_eq!(asked.code, Some(0), "{asked:?}");
    let all = there.json(&["usage", "--json"]);
    assert_eq!(all["usage"][0]["of"], "ada@example.com", "{all}");
    let own = there
        .run(&["usage", "--user", "ada@example.com", "--days", "2"])
        .expect_success();
    assert!(own.contains("demo/extract"), "{own}");
    let words = ["usage", "--days", "3000"];
    let refused = there.run(&words).refused(2);
    assert!(refused.contains("--days: must be at most"), "{refused}");
}

#[test]
fn archives_and_backups_come_from_a_server() {
    let home = Place::new();
    let there = elsewhere(&home);
    there.run(&["ask", "Why?", "-m", "demo/extract", "-q"]);
    there.run(&["export", "all.tar.gz"]).expect_success();
    let twice = there.run(&["export", "all.tar.gz"]).refused(1);
    assert!(twice.contains("already exists"), "{twice}");
    let words = [
        "import",
        "--user",
        "ada@example.com",
        "all.tar.gz",
        "--json",
    ];
    let again = there.json(&words);
    assert_eq!(again["counts"]["analyses"]["present"], 1, "{again}");
    let words = ["export", "--user", "bob@example.com", "b.tar.gz"];
    let other = there.run(&words).refused(2);
    assert!(other.contains("belongs to ada@example.com"), "{other}");
    let written = there.run(&["backup", "copy.db"]).expect_success();
    assert!(written.contains("checked by the server"), "{written}");
    // The downloaded file can be restored without the server.
    there.place.run(&["restore", "copy.db"]).expect_success();
    let people = there.place.run(&["user", "list"]).expect_success();
    assert!(people.contains("ada@example.com"), "{people}");
    let left = std::fs::read_dir(&there.place.0).unwrap().flatten();
    let mut left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    left.sort();
    assert_eq!(left, ["all.tar.gz", "copy.db", "data"]);
}

#[test]
fn experiments_and_tools_run_on_a_server() {
    let home = Place::new();
    let there = elsewhere(&home);
    let example = there.run(&["experiment", "example"]).expect_success();
    std::fs::write(there.place.0.join("example.toml"), example).unwrap();
    let words = ["experiment", "run", "example.toml", "--estimate", "--json"];
    assert!(there.json(&words)["arms"].as_u64() > Some(1));
    let words = ["experiment", "run", "example.toml", "--evaluations", "6"];
    let ran = there.run(&words);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("## Leaderboard"), "{ran:?}");
    let listed = there.json(&["experiment", "list", "--json"]);
    let id = listed["experiments"][0]["id"].as_str().unwrap();
    let words = ["experiment", "show", id, "--out", "found.csv"];
    there.run(&words).expect_success();
    assert!(there.place.0.join("found.csv").exists());
    let bad = "name = \"x\"\nmood = 1\n[[cases]]\nprompt = \"a\"\n";
    std::fs::write(there.place.0.join("bad.toml"), bad).unwrap();
    let refused = there.run(&["experiment", "run", "bad.toml"]).refused(1);
    assert!(refused.contains("bad.toml, line 2: mood"), "{refused}");

    let messages = [
        "{\"jsonrpc\": \"2.0\", \"method\": \"notifications/initialized\"}",
        "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"tools/list\"}",
        "{",
    ];
    let said = Said::of(fed(there.command(&["mcp"]), &(messages.join("\n") + "\n")));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("list_patterns"), "{said:?}");
    assert!(said.out.contains("-32700"), "{said:?}");
    assert_eq!(said.out.lines().count(), 2, "{said:?}");
}

#[test]
fn commands_of_a_data_folder_refuse_a_server() {
    let place = Place::new();
    for words in [
        &["serve"][..],
        &[],
        &["restore", "copy.db"],
        &["orphans", "list"],
        &["secret", "new"],
    ] {
        let mut command = place.quire(words);
        command.env("QUIRE_SERVER", "http://127.0.0.1:1");
        let said = Said::of(command.output().unwrap()).refused(2);
        assert!(said.contains("does not work with --server"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    for words in [&["help"][..], &["version"], &["experiment", "example"]] {
        let mut command = place.quire(words);
        command.env("QUIRE_SERVER", "http://127.0.0.1:1");
        Said::of(command.output().unwrap()).expect_success();
    }
    assert!(!place.data().exists());
}

#[test]
fn a_missing_key_scope_is_named() {
    let home = Place::new();
    let mut there = elsewhere(&home);
    let key = home
        .run(&["key", "add", "ada@example.com"])
        .expect_success();
    there.key = key.trim().to_owned();
    let said = there.run(&["user", "list"]).refused(1);
    assert!(said.contains("use a key with the scope admin"), "{said}");
}
