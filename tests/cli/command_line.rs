//! Tests the help, invalid command lines, and invalid settings.

use quire::config::options;

use super::{CommandOutput, Workspace};

#[test]
fn help_is_printed_from_the_tables() {
    let workspace = Workspace::new();
    // Texts are compared as a single line without markup, because line breaks are not part of the contract.
    let flat = |text: &str| {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        words.replace('`', "")
    };
    let overview = workspace.run(&["--help"]).expect_success();
    assert_eq!(overview, workspace.run(&["help"]).expect_success());
    assert!(overview.lines().all(|line| line.chars().count() <= 80));
    let overview = flat(&overview);
    for command in quire::cli::COMMANDS {
        assert!(
            overview.contains(command.name) && overview.contains(&flat(command.summary)),
            "{}",
            command.name
        );
        let explained = workspace.run(&["help", command.name]).expect_success();
        assert!(
            explained.lines().all(|line| line.chars().count() <= 80),
            "{explained}"
        );
        let explained = flat(&explained);
        assert!(explained.contains(&flat(command.summary)), "{explained}");
        assert!(
            command
                .options
                .iter()
                .all(|option| explained.contains(&flat(option.help))),
            "{explained}"
        );
    }
    for topic in quire::http::manual::topics().unwrap() {
        assert!(overview.contains(&topic.id), "{overview}");
        let output = workspace.run(&["help", &topic.id]).expect_success();
        assert!(output.contains(&topic.title), "{output}");
        let page = workspace.run(&["man", &topic.id]).expect_success();
        assert!(page.starts_with(".TH QUIRE-"), "{page}");
    }
    let settings = flat(&workspace.run(&["help", "settings"]).expect_success());
    for row in options::SETTINGS {
        let flag = format!("--{}", row.flag());
        assert!(
            settings.contains(&flag) && settings.contains(&flat(row.help)),
            "{}",
            row.name
        );
        assert!(
            row.aliases.iter().all(|alias| settings.contains(alias)),
            "{}",
            row.name
        );
    }
    let version = workspace.run(&["--version"]).expect_success();
    assert_eq!(
        version.lines().next(),
        Some(concat!("quire ", env!("CARGO_PKG_VERSION")))
    );
    for name in ["\ncommit    ", "\nbuild     ", "\nfeatures  "] {
        assert!(version.contains(name), "{name} in {version}");
    }
    assert_eq!(
        std::fs::read_dir(&workspace.0).unwrap().count(),
        0,
        "help writes nothing"
    );
}

#[test]
fn wrong_command_lines_are_refused_with_2() {
    let workspace = Workspace::new();
    for (words, why) in [
        (
            &["sevre"][..],
            "there is no command \"sevre\"; did you mean `quire serve`?",
        ),
        (
            &["--prot", "9"],
            "there is no option --prot; did you mean --port?",
        ),
        (
            &["ask", "q", "--pannel", "a"],
            "there is no option --pannel; did you mean --panel?",
        ),
        (
            &["ask", "q", "--parameter", "temprature=1"],
            "did you mean temperature?",
        ),
        (
            &["ask", "q", "--parameter", "temperature=hot"],
            "must be a number",
        ),
        (
            &["ask", "q", "--budget", "much"],
            "--budget must be an amount",
        ),
        (&["ask", "q", "--depth", "deep"], "--depth must be"),
        (&["history", "show"], "needs a thread ID"),
        (&["documents", "add"], "documents add needs a file"),
        (&["usr", "list"], "did you mean `quire user`?"),
        (&["user", "lst"], "did you mean list?"),
        (
            &["help", "expriments"],
            "did you mean `quire help experiment",
        ),
        (&["serve", "now"], "unexpected argument \"now\""),
        (&["user"], "user needs one of these"),
        (&["user", "add"], "needs an email address"),
        (&["user", "role", "a@b.co", "king"], "the role must be"),
        (&["user", "delete", "a@b.co"], "add --yes"),
        (&["user", "delete"], "needs an email address"),
        (&["--port", "abc"], "--port: \"abc\" is not a port"),
        (&["serve", "--host", "here"], "--host: \"here\" is not"),
        (&["ask", "q", "-m", ""], "--panel names no model"),
        (&["ask", "q", "-m", ","], "--panel names no model"),
        (&["ask", "", "-q"], "quire: the question is empty"),
        (
            &["ask", "q", "-q", "--document", "x1"],
            "\"x1\" is not a document ID",
        ),
        (&["history", "serch", "a"], "did you mean search?"),
        (&["history", "list", "all"], "takes no arguments"),
        (&["documents", "lst"], "did you mean list?"),
        (&["documents", "search"], "needs the words to find"),
        (&["orphans", "lits"], "did you mean list?"),
        (&["orphans", "delete"], "needs a file name"),
        (&["secret", "nwe"], "did you mean new?"),
        (&["man", "moeny"], "did you mean money?"),
        (&["backup"], "needs the file or folder"),
        (&["help", "nothing"], "there is no command"),
        (&["--config", "nowhere.conf"], "cannot read nowhere.conf"),
    ] {
        let err = workspace.run(words).expect_refusal(2);
        assert!(err.contains(why), "{words:?}: {err}");
    }
}

#[test]
fn failures_name_the_file_the_account_or_the_server() {
    let workspace = Workspace::new();
    workspace.run(&["user", "add", "a@b.co"]).expect_success();
    std::fs::write(workspace.0.join("report.md"), "The smith repairs the lock.").unwrap();
    std::fs::write(workspace.0.join("notes.db"), "not a database").unwrap();
    for (words, why) in [
        (
            &["ask", "q", "-f", "reprot.md"][..],
            "cannot read reprot.md: there is no such file; did you mean report.md?",
        ),
        (
            &["ask", "q", "--as", "b@b.co"],
            "--as: there is no account with the email address b@b.co",
        ),
        (&["user", "disable", "b@b.co"], "email address b@b.co"),
        (&["backup", "none/copy.db"], "cannot write none/copy.db: "),
        (&["restore", "none.db"], "cannot read none.db: "),
        (
            &["import", "--user", "a@b.co", "none.zip"],
            "cannot read none.zip: ",
        ),
        (
            &["import", "--user", "a@b.co", "report.md"],
            "an export from ChatGPT",
        ),
        (
            &["history", "--server", "http://127.0.0.1:1"],
            "cannot reach the server http://127.0.0.1:1: Connection refused",
        ),
    ] {
        let err = workspace.run(words).expect_refusal(1);
        assert!(err.contains(why), "{words:?}: {err}");
        assert!(!err.contains("os error"), "{words:?}: {err}");
    }
}

#[test]
fn all_settings_errors_are_reported_at_once() {
    let workspace = Workspace::new();
    std::fs::write(
        workspace.0.join("quire.conf"),
        "PROT = 1\nMAX_RUNS = none\n",
    )
    .unwrap();
    std::fs::write(workspace.0.join(".env"), "HOST=example.org\n").unwrap();
    let mut command = workspace.quire(&["serve", "--config", "quire.conf", "--cache-ttl", "-1"]);
    command.env("JWT_SECRET", "short").env("LOG_LEVEL", "loud");
    let err = CommandOutput::from_output(command.output().unwrap()).expect_refusal(2);
    for error in [
        "quire.conf line 1: there is no setting PROT",
        "MAX_RUNS (file quire.conf): \"none\"",
        "HOST (.env): \"example.org\"",
        "--cache-ttl: \"-1\"",
        "LOG_LEVEL (environment): \"loud\"",
        "JWT_SECRET (environment): it needs at least 16 characters",
    ] {
        assert!(err.contains(error), "{error} in {err}");
    }
    assert!(!err.contains("short"), "{err}");
    assert!(!workspace.data_folder().exists(), "nothing was begun");
}
