//! Tests `quire user` on the data folder.

use super::Workspace;

#[test]
fn people_are_managed() {
    let workspace = Workspace::new();
    let created = workspace
        .run(&["user", "add", "Ada@Example.org", "--name", "Ada"])
        .expect_success();
    assert!(
        created.contains("ada@example.org  admin  active") && created.contains("password: "),
        "{created}"
    );
    workspace
        .run_with(
            &["user", "add", "b@b.co", "--password-stdin"],
            "Tr4verse-Orchid\n",
        )
        .expect_success();
    let weak = workspace
        .run_with(&["user", "add", "c@b.co", "--password-stdin"], "weak\n")
        .expect_refusal(1);
    assert!(weak.contains("at least 8 characters"), "{weak}");
    let twice = workspace.run(&["user", "add", "B@b.co"]).expect_refusal(1);
    assert!(twice.contains("already exists"), "{twice}");
    assert!(
        workspace
            .run(&["user", "role", "b@b.co", "admin"])
            .expect_success()
            .contains("admin")
    );
    assert!(
        workspace
            .run(&["user", "disable", "ada@example.org"])
            .expect_success()
            .contains("locked")
    );
    let last = workspace
        .run(&["user", "disable", "b@b.co"])
        .expect_refusal(1);
    assert!(last.contains("one admin"), "{last}");
    let linked = workspace.run(&["user", "reset-link", "b@b.co"]);
    assert!(
        linked
            .stdout
            .starts_with("http://127.0.0.1:8080/login?token=")
            && linked.stdout.lines().count() == 1,
        "{linked:?}"
    );
    assert!(linked.err.contains("valid once, until"), "{linked:?}");
    let invited = workspace.run(&["user", "invite"]);
    assert!(invited.stdout.contains("/login?invite="), "{invited:?}");
    assert!(
        workspace
            .run(&["user", "passwd", "b@b.co"])
            .expect_success()
            .contains("password: ")
    );
    workspace
        .run(&["user", "delete", "ada@example.org", "--yes"])
        .expect_success();
    let output = workspace.run(&["user", "list"]).expect_success();
    assert!(
        output.starts_with("EMAIL") && output.contains("\nb@b.co") && output.lines().count() == 2,
        "{output}"
    );
    assert!(
        workspace
            .run(&["user", "passwd", "nobody@b.co"])
            .expect_refusal(1)
            .contains("no account")
    );
}
