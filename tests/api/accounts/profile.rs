//! Tests changes that users make to their own accounts: keys, passwords, and profiles.

use super::*;

#[test]
fn keys_are_shown_once_and_end_when_deleted() {
    let server = Server::start();
    let mut owner = server.user("a@b.co");
    let created = owner.post("/api/users/me/api-keys", json!({"name": "ci"}));
    assert_eq!(created.status, 201, "{}", created.text());
    let (key, id) = (
        created.json()["key"].as_str().expect("a key").to_owned(),
        created.json()["api_key"]["id"].clone(),
    );
    assert!(key.starts_with("quire_"));
    let list = owner.get("/api/users/me/api-keys");
    assert_eq!(list.json()["api_keys"][0]["id"], id);
    assert!(!list.text().contains(&key), "never again");
    let path = format!("/api/users/me/api-keys/{}", id.as_str().expect("an id"));
    for (name, value) in [
        ("x-api-key", key.clone()),
        ("authorization", format!("Bearer {key}")),
    ] {
        let mut program = server.client().with(name, &value);
        assert_eq!(program.get("/api/users/me").json()["email"], "a@b.co");
        program
            .post("/api/users/me/api-keys", json!({"name": "more"}))
            .refused(403, "FORBIDDEN");
        let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        program
            .post("/api/users/me/change-password", change)
            .refused(403, "FORBIDDEN");
    }
    server
        .user("b@b.co")
        .delete(&path)
        .refused(404, "NOT_FOUND");
    assert_eq!(owner.delete(&path).status, 200);
    owner.delete(&path).refused(404, "NOT_FOUND");
    server
        .client()
        .with("x-api-key", &key)
        .get("/api/users/me")
        .refused(401, "UNAUTHENTICATED");
}

#[test]
fn passwords_are_changed_and_reset() {
    let server = Server::start();
    let mut admin = server.user("admin@b.co");
    let mut user = server.user("a@b.co");
    let mut elsewhere = server.client();
    login(&mut elsewhere, "a@b.co", PASSWORD);
    let path = "/api/users/me/change-password";
    user.post(
        path,
        json!({"current_password": OTHER_PASSWORD, "new_password": OTHER_PASSWORD}),
    )
    .refused(400, "BAD_REQUEST");
    user.post(
        path,
        json!({"current_password": PASSWORD, "new_password": "weak"}),
    )
    .refused(400, "BAD_REQUEST");
    assert_eq!(
        user.post(
            path,
            json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD})
        )
        .status,
        200
    );
    assert_eq!(
        user.get("/api/users/me").status,
        200,
        "this session goes on"
    );
    elsewhere
        .get("/api/users/me")
        .refused(401, "UNAUTHENTICATED");
    login(&mut server.client(), "a@b.co", PASSWORD).refused(401, "UNAUTHENTICATED");

    let known_entries = server.client().post(
        "/api/auth/request-password-reset",
        json!({"email": "a@b.co"}),
    );
    let unknown = server.client().post(
        "/api/auth/reset-password-request?email=nobody%40b.co",
        json!({}),
    );
    assert_eq!(
        (known_entries.status, known_entries.bytes.clone()),
        (200, unknown.bytes),
        "the same words"
    );
    assert!(
        known_entries
            .text()
            .contains("ask an administrator for the reset link")
    );
    let resets = admin.get("/api/admin/password-resets").json();
    assert_eq!(
        resets["password_resets"].as_array().map(Vec::len),
        Some(1),
        "{resets}"
    );
    let id = resets["password_resets"][0]["user_id"]
        .as_str()
        .expect("an id");
    let link = admin
        .post(&format!("/api/admin/users/{id}/reset-link"), json!({}))
        .json();
    let reset = |password: &str| {
        server.client().post(
            "/api/auth/reset-password",
            json!({"token": link["token"], "new_password": password}),
        )
    };
    reset("weak").refused(400, "BAD_REQUEST");
    assert_eq!(reset(PASSWORD).status, 200);
    reset(OTHER_PASSWORD).refused(400, "BAD_REQUEST");
    user.get("/api/users/me").refused(401, "UNAUTHENTICATED");
    assert_eq!(login(&mut server.client(), "a@b.co", PASSWORD).status, 200);
}

#[test]
fn user_can_update_own_profile() {
    let server = Server::start();
    let mut user = server.user("a@b.co");
    server.user("taken@b.co");
    let profile = user.put(
        "/api/users/me",
        json!({"name": "  Ada  ", "email": "New@b.co"}),
    );
    assert_eq!(
        (&profile.json()["name"], &profile.json()["email"]),
        (&json!("Ada"), &json!("new@b.co"))
    );
    user.put("/api/users/me", json!({"email": "taken@b.co"}))
        .refused(400, "BAD_REQUEST");
    user.put("/api/users/me", json!({"email": "nonsense"}))
        .refused(422, "VALIDATION_ERROR");
    user.put("/api/users/me", json!({"role": "admin"}))
        .refused(422, "VALIDATION_ERROR");
    assert_eq!(
        user.put("/api/users/me", json!({})).json()["email"],
        "new@b.co"
    );
}
