//! Tests accounts over a real socket: registration, sessions, tokens, API keys, and administration, as people,
//! programs, and attackers use them.

mod administration;
mod attacks;
mod profile;
mod tokens;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quire::clock;
use quire::crypto::jwt::{Claims, Jwt};
use serde_json::{Value, json};

use super::support::client::PASSWORD;
use super::support::{Answer, Client, Server};

const OTHER_PASSWORD: &str = "An0ther-Password";

fn register(client: &mut Client, email: &str) -> Answer {
    client.post(
        "/api/auth/register",
        json!({"email": email, "password": PASSWORD}),
    )
}

fn login(client: &mut Client, email: &str, password: &str) -> Answer {
    client.post(
        "/api/auth/login",
        json!({"email": email, "password": password}),
    )
}

fn refresh(client: &mut Client, token: &Value) -> Answer {
    client.post("/api/auth/refresh", json!({"refresh_token": token}))
}

/// Creates an account, signs in, and returns the response to the sign-in. No cookies are kept.
fn sign_in(server: &Server, email: &str) -> Value {
    let mut client = server.client();
    assert_eq!(register(&mut client, email).status, 200);
    let answer = login(&mut client, email, PASSWORD);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn bearer_client(server: &Server, token: &Value) -> Client {
    let token = token.as_str().expect("a token");
    server
        .client()
        .with("authorization", &format!("Bearer {token}"))
}

#[test]
fn registration_validates_its_fields() {
    let server = Server::start();
    let mut client = server.client();
    let answer = client.post(
        "/api/auth/register",
        json!({"email": "Ada@Example.org", "password": PASSWORD, "name": "Ada"}),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["status"], "success");
    assert!(
        answer.json()["user_id"]
            .as_str()
            .is_some_and(|id| id.starts_with("user_"))
    );
    for (body, status, code, part) in [
        (
            json!({"email": "ada@example.ORG", "password": PASSWORD}),
            400,
            "BAD_REQUEST",
            "email address already exists",
        ),
        (
            json!({"email": "b@b.co", "password": "aB1-"}),
            400,
            "BAD_REQUEST",
            "at least 8 characters",
        ),
        (
            json!({"email": "b@b.co", "password": "abcdefghijk"}),
            400,
            "BAD_REQUEST",
            "most common",
        ),
        (
            json!({"email": "b@b.co", "password": "Password1!"}),
            400,
            "BAD_REQUEST",
            "most common",
        ),
        (
            json!({"email": "nobody", "password": PASSWORD}),
            422,
            "VALIDATION_ERROR",
            "email",
        ),
        (
            json!({"password": PASSWORD}),
            422,
            "VALIDATION_ERROR",
            "email",
        ),
        (
            json!({"email": "b@b.co"}),
            422,
            "VALIDATION_ERROR",
            "password",
        ),
        (
            json!({"email": 1, "password": PASSWORD}),
            422,
            "VALIDATION_ERROR",
            "email",
        ),
        (
            json!({"email": "b@b.co", "password": PASSWORD, "role": "admin"}),
            422,
            "VALIDATION_ERROR",
            "role",
        ),
    ] {
        let response = client.post("/api/auth/register", body.clone());
        let text = response.refused(status, code).to_string();
        assert!(text.contains(part), "{body}: {text}");
    }
}

#[test]
fn root_returns_first_run_and_registration_mode() {
    let server = Server::with(&[("REGISTRATION", "invite")]);
    let mut client = server.client().with("accept", "application/json");
    let before = client.get("/").json();
    assert_eq!(
        (&before["first_run"], &before["registration"]),
        (&json!(true), &json!("invite"))
    );
    server.user("a@b.co");
    assert_eq!(client.get("/").json()["first_run"], false);
}

#[test]
fn one_of_parallel_registrations_succeeds() {
    let server = Server::start();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|n| {
                let email = if n % 2 == 0 {
                    "twin@example.org"
                } else {
                    "TWIN@example.org"
                };
                let mut client = server.client();
                scope.spawn(move || register(&mut client, email).status)
            })
            .collect();
        tries
            .into_iter()
            .map(|one| one.join().expect("a thread"))
            .collect()
    });
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 400)),
        "{statuses:?}"
    );
}

#[test]
fn registration_can_be_closed_or_by_invitation() {
    let closed_server = Server::with(&[("REGISTRATION", "closed")]);
    register(&mut closed_server.client(), "a@b.co").refused(403, "FORBIDDEN");

    let server = Server::with(&[("REGISTRATION", "invite")]);
    let mut admin = server.user("first@b.co");
    register(&mut server.client(), "a@b.co").refused(403, "FORBIDDEN");
    let invite = admin.post("/api/admin/invites", json!({"email": "a@b.co"}));
    assert_eq!(invite.status, 201, "{}", invite.text());
    let body = json!({"email": "a@b.co", "password": PASSWORD, "invite": invite.json()["token"]});
    assert_eq!(
        server
            .client()
            .post("/api/auth/register", body.clone())
            .status,
        200
    );
    server
        .client()
        .post(
            "/api/auth/register",
            json!({"email": "c@b.co", "password": PASSWORD, "invite": invite.json()["token"]}),
        )
        .refused(403, "FORBIDDEN");
}

#[test]
fn all_login_failures_return_the_same_response() {
    let server = Server::start();
    sign_in(&server, "a@b.co");
    let mut bodies = Vec::new();
    for (email, password) in [
        ("a@b.co", OTHER_PASSWORD),
        ("nobody@b.co", PASSWORD),
        ("nonsense", "x"),
        ("", ""),
    ] {
        let mut body = login(&mut server.client(), email, password).refused(401, "UNAUTHENTICATED");
        body["request_id"] = Value::Null;
        bodies.push(body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!(
        login(&mut server.client(), " A@B.CO ", PASSWORD).status,
        200,
        "case and spaces do not count"
    );
}

#[test]
fn a_login_answers_programs_and_browsers() {
    let server = Server::start();
    let body = sign_in(&server, "a@b.co");
    assert_eq!(
        (&body["token_type"], &body["expires_in"]),
        (&json!("bearer"), &json!(900))
    );
    assert_eq!(
        (&body["user"]["email"], &body["user"]["role"]),
        (&json!("a@b.co"), &json!("admin"))
    );
    assert_eq!(
        body["access_token"]
            .as_str()
            .expect("a token")
            .split('.')
            .count(),
        3
    );

    let mut browser = server.client();
    let answer = login(&mut browser, "a@b.co", PASSWORD);
    let cookies: Vec<_> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|c| c.to_str().expect("text"))
        .collect();
    for (name, path) in [
        ("quire_access", "Path=/;"),
        ("quire_refresh", "Path=/api/auth;"),
    ] {
        let cookie = cookies
            .iter()
            .find(|cookie| cookie.starts_with(name))
            .expect(name);
        for part in [path, "HttpOnly", "SameSite=Lax"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Secure"), "plain http: {cookie}");
    }
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(browser.get("/api/users/me").json()["email"], "a@b.co");

    let https = Server::with(&[("PUBLIC_URL", "https://quire.example")]);
    sign_in(&https, "a@b.co");
    let answer = login(&mut https.client(), "a@b.co", PASSWORD);
    let cookies_sent: Vec<_> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|cookie| cookie.to_str().expect("text"))
        .collect();
    for name in [
        "__Host-quire_access=",
        "__Host-quire_refresh=",
        "__Host-quire_device=",
    ] {
        let cookie = cookies_sent.iter().find(|cookie| cookie.starts_with(name));
        let cookie = cookie.unwrap_or_else(|| panic!("{name}: {cookies_sent:?}"));
        // The `__Host-` prefix is valid only with these attributes.
        assert!(
            cookie.contains("; Path=/;") && cookie.ends_with("; Secure"),
            "{cookie}"
        );
        assert!(!cookie.to_lowercase().contains("domain"), "{cookie}");
    }
}

/// Over HTTPS, a cookie without the prefix may have been set by another host, so it grants no access.
#[test]
fn cookies_without_the_prefix_open_nothing_over_https() {
    let server = Server::with(&[("PUBLIC_URL", "https://quire.example")]);
    sign_in(&server, "a@b.co");
    let mut browser = server.client();
    assert_eq!(login(&mut browser, "a@b.co", PASSWORD).status, 200);
    assert_eq!(browser.get("/api/users/me").status, 200);
    let planted = [
        ("__Host-quire_access", "quire_access"),
        ("__Host-quire_refresh", "quire_refresh"),
    ]
    .map(|(name, plain)| (plain.to_owned(), browser.cookies[name].clone()));
    let mut victim = server.client();
    victim.cookies = planted.into();
    victim.get("/api/users/me").refused(401, "UNAUTHENTICATED");
    victim
        .post("/api/auth/refresh", json!({}))
        .refused(400, "BAD_REQUEST");
    assert_eq!(browser.post("/api/auth/refresh", json!({})).status, 200);
    assert_eq!(browser.post("/api/auth/logout", json!({})).status, 200);
    let cookie_names: Vec<_> = browser.cookies.keys().collect();
    assert_eq!(
        cookie_names,
        ["__Host-quire_device"],
        "what opens something"
    );
}

/// Anyone who knew the old password may have created a key.
#[test]
fn a_reset_deletes_api_keys_unless_they_are_kept() {
    let server = Server::start();
    let mut admin = server.user("root@b.co");
    let mut person = server.user("a@b.co");
    let id = person.get("/api/users/me").json()["user_id"].clone();
    let path = format!(
        "/api/admin/users/{}/reset-link",
        id.as_str().expect("an id")
    );
    let mut reset = |extra_fields: Value| {
        let link = admin.post(&path, json!({})).json();
        let mut body = json!({"token": link["token"], "new_password": OTHER_PASSWORD});
        body.as_object_mut()
            .expect("an object")
            .extend(extra_fields.as_object().expect("one").clone());
        let answer = server.client().post("/api/auth/reset-password", body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["api_keys_deleted"].clone()
    };
    let created = person
        .post("/api/users/me/api-keys", json!({"name": "ci"}))
        .json();
    let mut program = bearer_client(&server, &created["key"]);
    assert_eq!(program.get("/api/documents").status, 200);
    assert_eq!(reset(json!({"keep_api_keys": true})), 0);
    assert_eq!(program.get("/api/documents").status, 200);
    person.get("/api/users/me").refused(401, "UNAUTHENTICATED");
    assert_eq!(reset(json!({})), 1);
    program
        .get("/api/documents")
        .refused(401, "UNAUTHENTICATED");
}

#[test]
fn other_sites_cannot_act_for_a_browser() {
    let server = Server::start();
    sign_in(&server, "a@b.co");
    let mut browser = server.client();
    login(&mut browser, "a@b.co", PASSWORD);
    let own = format!("http://{}", server.address);
    for (name, value, allowed) in [
        ("origin", "https://evil.example", false),
        ("origin", "null", false),
        ("sec-fetch-site", "cross-site", false),
        ("sec-fetch-site", "same-site", false),
        ("origin", own.as_str(), true),
        ("sec-fetch-site", "same-origin", true),
    ] {
        let answer = browser
            .clone()
            .with(name, value)
            .put("/api/users/me", json!({"name": "x"}));
        match allowed {
            true => assert_eq!(answer.status, 200, "{name}: {value}"),
            false => drop(answer.refused(403, "FORBIDDEN")),
        }
    }
    let mut foreign = browser.clone().with("origin", "https://evil.example");
    foreign
        .post("/api/auth/refresh", json!({}))
        .refused(403, "FORBIDDEN");
    foreign
        .post("/api/auth/logout", json!({}))
        .refused(403, "FORBIDDEN");
    assert_eq!(browser.get("/api/users/me").status, 200, "still signed in");
}
