//! Tests how administrators see and change accounts and settings, and how sessions are ended from another session.

use super::*;

#[test]
fn administrators_manage_accounts() {
    let server = Server::start();
    let mut admin = server.user("admin@b.co");
    let mut user = server.user("a@b.co");
    let id = user.get("/api/users/me").json()["user_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let own = admin.get("/api/users/me").json()["user_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/api/admin/users/{id}");
    for answer in [
        user.get("/api/admin/users"),
        user.get("/api/admin/audit"),
        user.get("/api/admin/config"),
        user.put(&path, json!({"role": "admin"})),
        user.delete(&format!("/api/admin/users/{own}")),
        user.post("/api/admin/users", json!({"email": "c@b.co"})),
    ] {
        answer.refused(403, "FORBIDDEN");
    }
    let page = admin.get("/api/admin/users?limit=1").json();
    let cursor = page["next_cursor"]
        .as_str()
        .expect("there is more")
        .to_owned();
    let rest = admin
        .get(&format!("/api/admin/users?cursor={cursor}"))
        .json();
    assert_eq!(
        (&page["users"][0]["email"], &rest["users"][0]["email"]),
        (&json!("a@b.co"), &json!("admin@b.co"))
    );
    admin
        .get("/api/admin/users?cursor=x")
        .refused(422, "VALIDATION_ERROR");

    admin
        .put(&format!("/api/admin/users/{own}"), json!({"role": "user"}))
        .refused(409, "CONFLICT");
    admin
        .delete(&format!("/api/admin/users/{own}"))
        .refused(409, "CONFLICT");
    assert_eq!(
        admin.put(&path, json!({"role": "admin"})).json()["role"],
        "admin"
    );
    assert_eq!(user.get("/api/admin/users").status, 200, "raised at once");
    assert_eq!(admin.put(&path, json!({"role": "user"})).status, 200);
    user.get("/api/admin/users").refused(403, "FORBIDDEN");
    assert_eq!(
        admin.put(&path, json!({"disabled": true})).json()["disabled"],
        true
    );
    user.get("/api/users/me").refused(401, "UNAUTHENTICATED");
    login(&mut server.client(), "a@b.co", PASSWORD).refused(403, "FORBIDDEN");
    assert_eq!(admin.put(&path, json!({"disabled": false})).status, 200);

    let created = admin.post("/api/admin/users", json!({"email": "c@b.co"}));
    assert_eq!(created.status, 201);
    let password = created.json()["password"]
        .as_str()
        .expect("made up")
        .to_owned();
    assert_eq!(login(&mut server.client(), "c@b.co", &password).status, 200);
    assert_eq!(admin.delete(&path).status, 200);
    admin.delete(&path).refused(404, "NOT_FOUND");
    user.get("/api/users/me").refused(401, "UNAUTHENTICATED");
    let audit = admin.get("/api/admin/audit").text();
    for action in [
        "account.created",
        "account.managed",
        "account.deleted",
        "session.started",
    ] {
        assert!(audit.contains(action), "{action}");
    }
    assert!(!audit.contains(PASSWORD) && !audit.contains(&password));
}

#[test]
fn configuration_is_shown_without_secrets() {
    let server = Server::with(&[("OPENAI_API_KEY", "sk-very-secret-value-123456")]);
    let mut admin = server.user("admin@b.co");
    let answer = admin.get("/api/admin/config");
    let settings = answer.json()["settings"]
        .as_array()
        .expect("a list")
        .clone();
    assert!(
        settings
            .iter()
            .any(|row| row["name"] == "OPENAI_API_KEY" && row["source"] != "default")
    );
    assert!(!answer.text().contains("very-secret"));
}

#[test]
fn sessions_are_listed_and_ended_from_another_session() {
    let server = Server::start();
    let current_session = sign_in(&server, "ada@example.org");
    let mut position = server.client().with("user-agent", "A browser elsewhere");
    let elsewhere = login(&mut position, "ada@example.org", PASSWORD).json();
    let mut stranger = bearer_client(
        &server,
        &sign_in(&server, "bob@example.org")["access_token"],
    );
    let mut ada = bearer_client(&server, &current_session["access_token"]);
    let response = ada.get("/api/users/me/sessions").json();
    let sessions = response["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{response}");
    let other = sessions.iter().find(|one| one["current"] == false).unwrap();
    assert_eq!(other["client"], "A browser elsewhere");
    let path = format!("/api/users/me/sessions/{}", other["id"].as_str().unwrap());

    stranger.delete(&path).refused(404, "NOT_FOUND");
    assert_eq!(ada.delete(&path).status, 200);
    ada.delete(&path).refused(404, "NOT_FOUND");
    bearer_client(&server, &elsewhere["access_token"])
        .get("/api/users/me")
        .refused(401, "UNAUTHENTICATED");

    let second = login(&mut position, "ada@example.org", PASSWORD).json();
    assert_eq!(ada.delete("/api/users/me/sessions").json()["ended"], 1);
    bearer_client(&server, &second["access_token"])
        .get("/api/users/me")
        .refused(401, "UNAUTHENTICATED");
    assert_eq!(ada.get("/api/users/me").status, 200, "this one stays");

    let key = ada.post("/api/users/me/api-keys", json!({"name": "script"}));
    let mut program = bearer_client(&server, &key.json()["key"]);
    program
        .get("/api/users/me/sessions")
        .refused(403, "FORBIDDEN");
}
