//! Accounts over a real socket: registration, sessions, tokens, keys, and administration, used by people,
//! programs, and attackers.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quire::clock;
use quire::crypto::jwt::{Claims, Jwt};
use serde_json::{Value, json};

use super::support::client::PASSWORD;
use super::support::{Answer, Client, Server};

const OTHER: &str = "An0ther-Password";

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

/// Signs a new account in and gives the answer, without keeping cookies.
fn signed_in(server: &Server, email: &str) -> Value {
    let mut client = server.client();
    assert_eq!(register(&mut client, email).status, 200);
    let answer = login(&mut client, email, PASSWORD);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn bearer(server: &Server, token: &Value) -> Client {
    let token = token.as_str().expect("a token");
    server
        .client()
        .with("authorization", &format!("Bearer {token}"))
}

#[test]
fn registration_and_its_rules() {
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
            "email already exists",
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
        let refused = client.post("/api/auth/register", body.clone());
        let text = refused.refused(status, code).to_string();
        assert!(text.contains(part), "{body}: {text}");
    }
}

#[test]
fn the_index_tells_the_pages_how_to_begin() {
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
fn of_parallel_registrations_exactly_one_wins() {
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
fn registration_that_is_not_open() {
    let closed = Server::with(&[("REGISTRATION", "closed")]);
    register(&mut closed.client(), "a@b.co").refused(403, "FORBIDDEN");

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
fn whatever_is_wrong_with_a_login_the_answer_is_the_same() {
    let server = Server::start();
    signed_in(&server, "a@b.co");
    let mut bodies = Vec::new();
    for (email, password) in [
        ("a@b.co", OTHER),
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
    let body = signed_in(&server, "a@b.co");
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
    signed_in(&https, "a@b.co");
    let answer = login(&mut https.client(), "a@b.co", PASSWORD);
    let sent: Vec<_> = answer
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
        let cookie = sent.iter().find(|cookie| cookie.starts_with(name));
        let cookie = cookie.unwrap_or_else(|| panic!("{name}: {sent:?}"));
        // What browsers demand of the prefix.
        assert!(
            cookie.contains("; Path=/;") && cookie.ends_with("; Secure"),
            "{cookie}"
        );
        assert!(!cookie.to_lowercase().contains("domain"), "{cookie}");
    }
}

/// Over HTTPS a cookie under the plain name may have been set by another host: it opens nothing.
#[test]
fn cookies_without_the_prefix_open_nothing_over_https() {
    let server = Server::with(&[("PUBLIC_URL", "https://quire.example")]);
    signed_in(&server, "a@b.co");
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
    let kept: Vec<_> = browser.cookies.keys().collect();
    assert_eq!(kept, ["__Host-quire_device"], "what opens something");
}

/// Whoever has had the password may have created a key.
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
    let mut reset = |more: Value| {
        let link = admin.post(&path, json!({})).json();
        let mut body = json!({"token": link["token"], "new_password": OTHER});
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("one").clone());
        let answer = server.client().post("/api/auth/reset-password", body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["api_keys_deleted"].clone()
    };
    let made = person
        .post("/api/users/me/api-keys", json!({"name": "ci"}))
        .json();
    let mut program = bearer(&server, &made["key"]);
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
fn attempts_are_slowed_per_account() {
    let server = Server::with(&[("LOGIN_LIMIT", "3"), ("TRUSTED_PROXIES", "127.0.0.1")]);
    signed_in(&server, "a@b.co");
    signed_in(&server, "b@b.co");
    let stranger = || server.client().with("x-forwarded-for", "192.0.2.1");
    for _ in 0..3 {
        login(&mut stranger(), "a@b.co", OTHER).refused(401, "UNAUTHENTICATED");
        login(&mut server.client(), "a@b.co", OTHER).refused(401, "UNAUTHENTICATED");
    }
    let slowed = login(&mut stranger(), "A@b.co", PASSWORD);
    slowed.refused(429, "RATE_LIMITED");
    let wait: u64 = slowed.header("retry-after").parse().expect("seconds");
    assert!((1..=20).contains(&wait), "{wait}");
    let owner = login(&mut server.client(), "A@b.co", PASSWORD);
    assert_eq!(owner.status, 200, "where the account was used before");
    assert_eq!(
        login(&mut server.client(), "b@b.co", PASSWORD).status,
        200,
        "others are not in the way"
    );
    let statuses: Vec<u16> = (0..20)
        .map(|n| login(&mut server.client(), &format!("{n}@b.co"), OTHER).status)
        .collect();
    assert!(
        statuses.contains(&429),
        "one address tries many accounts: {statuses:?}"
    );
}

/// Whoever comes through a proxy on this machine comes from a loopback address, and is no less a stranger.
#[test]
fn a_stranger_behind_a_proxy_is_not_the_first_administrator() {
    let role = |server: &Server, mut client: Client, email: &str| {
        let made = register(&mut client, email);
        assert_eq!(made.status, 200, "{}", made.text());
        login(&mut server.client(), email, PASSWORD).json()["user"]["role"].clone()
    };
    let trusted = Server::with(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    assert_eq!(role(&trusted, trusted.client(), "a@b.co"), "user");

    let server = Server::start();
    for (header, value) in [
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1"),
        ("x-real-ip", "192.0.2.1"),
        ("via", "1.1 proxy"),
        ("host", "quire.example.org"),
        ("host", "203.0.113.5"),
        ("host", "10.0.0.5"),
        ("host", "[2001:db8::1]"),
        ("cf-connecting-ip", "192.0.2.1"),
        ("true-client-ip", "192.0.2.1"),
        ("x-client-ip", "192.0.2.1"),
        ("fly-client-ip", "192.0.2.1"),
        ("cdn-loop", "cloudflare"),
        ("x-envoy-external-address", "192.0.2.1"),
        ("x-original-forwarded-for", "192.0.2.1"),
        ("x-forwarded-port", "443"),
        ("front-end-https", "on"),
    ] {
        let mut stranger = server.client().with(header, value);
        let answer = register(&mut stranger, "a@b.co");
        assert_eq!(answer.status, 403, "{header}: {value}: {}", answer.text());
    }
    // What nginx sends where nothing but its target is set.
    let body = json!({"email": "a@b.co", "password": PASSWORD}).to_string();
    let answer = server.raw(
        format!(
            "POST /api/auth/register HTTP/1.0\r\nhost: {}\r\ncontent-type: application/json\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            server.address,
            body.len()
        )
        .as_bytes(),
    );
    assert_eq!(&answer[9..12], "403", "{answer}");
    assert_eq!(role(&server, server.client(), "root@b.co"), "admin");
    let stranger = server.client().with("x-forwarded-for", "192.0.2.1");
    assert_eq!(role(&server, stranger, "a@b.co"), "user");
}

/// A server that only its own machine reaches believes no name: any site can have its own pointed there.
#[test]
fn pages_of_other_sites_neither_register_nor_sign_in() {
    let server = Server::start();
    let here = server.address.to_string();
    let port = server.address.port();
    let evil = format!("evil.example:{port}");
    let pages = [
        (here.clone(), Some("http://evil.example".to_owned())),
        // Its name was pointed here: the browser takes it for the same site.
        (evil.clone(), Some(format!("http://{evil}"))),
        (here.clone(), Some("null".to_owned())),
        (here.clone(), None),
    ];
    for (host, origin) in pages {
        for path in ["/api/auth/register", "/api/auth/login", "/api/auth/logout"] {
            let body = json!({"email": "a@b.co", "password": PASSWORD}).to_string();
            let origin = match &origin {
                Some(origin) => format!("origin: {origin}\r\n"),
                None => "sec-fetch-site: cross-site\r\n".to_owned(),
            };
            // Without a content type, as a page can send it anywhere without asking.
            let answer = server.raw(
                format!(
                    "POST {path} HTTP/1.1\r\nhost: {host}\r\n{origin}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
                .as_bytes(),
            );
            assert!(
                answer.starts_with("HTTP/1.1 403"),
                "{host} {origin}{path}: {answer}"
            );
        }
    }
    for (number, host) in [here, format!("localhost:{port}")].iter().enumerate() {
        let email = format!("a{number}@b.co");
        let body = json!({"email": email, "password": PASSWORD}).to_string();
        let answer = server.raw(
            format!(
                "POST /api/auth/register HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        );
        assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
    }
}

/// Somebody guesses from many addresses; a proxy that we trust tells them apart.
#[test]
fn an_attack_from_many_addresses_does_not_lock_the_owner_out() {
    let server = Server::with(&[("LOGIN_LIMIT", "1"), ("TRUSTED_PROXIES", "127.0.0.1")]);
    let from = |address: &str, password: &str| {
        let mut client = server.client().with("x-forwarded-for", address);
        login(&mut client, "a@b.co", password).status
    };
    signed_in(&server, "a@b.co");
    for own in ["198.51.100.7", "2001:db8:7:7::1"] {
        assert_eq!(from(own, PASSWORD), 200);
    }
    let mut strangers =
        (0..=255_u8).flat_map(|a| (0..=255_u8).map(move |b| format!("203.0.{a}.{b}")));
    let mut guess = || from(&strangers.next().expect("an address"), OTHER);
    assert!(
        (0..2_000).any(|_| guess() == 429),
        "guesses are not bounded"
    );
    for _ in 0..15 {
        guess();
        assert_eq!(from("198.51.100.7", PASSWORD), 200);
        assert_eq!(from("2001:db8:7:7::2", PASSWORD), 200, "the same /64");
    }
}

#[test]
fn refresh_rotates_and_reuse_ends_the_session() {
    let server = Server::start();
    let mut client = server.client();
    let zero = signed_in(&server, "a@b.co");
    let one = refresh(&mut client, &zero["refresh_token"]);
    assert_eq!(one.status, 200, "{}", one.text());
    let one = one.json();
    assert_ne!(one["refresh_token"], zero["refresh_token"]);
    let again = refresh(&mut client, &zero["refresh_token"]).json();
    assert_eq!(
        again["refresh_token"], one["refresh_token"],
        "within the grace both end up with the same"
    );
    let two = refresh(&mut client, &one["refresh_token"]).json();
    assert_eq!(
        bearer(&server, &two["access_token"])
            .get("/api/users/me")
            .status,
        200
    );
    // Two renewals back is no client that lost an answer.
    refresh(&mut server.client(), &zero["refresh_token"]).refused(401, "UNAUTHENTICATED");
    bearer(&server, &two["access_token"])
        .get("/api/users/me")
        .refused(401, "UNAUTHENTICATED");
    refresh(&mut server.client(), &two["refresh_token"]).refused(401, "UNAUTHENTICATED");
}

#[test]
fn refresh_without_and_with_a_wrong_token() {
    let server = Server::start();
    let tokens = signed_in(&server, "a@b.co");
    server
        .client()
        .post("/api/auth/refresh", json!({}))
        .refused(400, "BAD_REQUEST");
    for bad in [
        "x",
        "a.b.c",
        tokens["access_token"].as_str().expect("a token"),
    ] {
        refresh(&mut server.client(), &json!(bad)).refused(401, "UNAUTHENTICATED");
    }
    let mut browser = server.client();
    login(&mut browser, "a@b.co", PASSWORD);
    let before = browser.cookies["quire_refresh"].clone();
    assert_eq!(
        browser.post("/api/auth/refresh", json!({})).status,
        200,
        "by the cookie"
    );
    assert_ne!(browser.cookies["quire_refresh"], before);
}

#[test]
fn logout_bites_at_once() {
    let server = Server::start();
    let tokens = signed_in(&server, "a@b.co");
    let mut client = bearer(&server, &tokens["access_token"]);
    assert_eq!(client.get("/api/users/me").status, 200);
    assert_eq!(client.post("/api/auth/logout", json!({})).status, 200);
    client.get("/api/users/me").refused(401, "UNAUTHENTICATED");
    refresh(&mut server.client(), &tokens["refresh_token"]).refused(401, "UNAUTHENTICATED");
    server
        .client()
        .post("/api/auth/logout", json!({}))
        .refused(401, "UNAUTHENTICATED");

    let mut browser = server.client();
    login(&mut browser, "a@b.co", PASSWORD);
    browser.cookies.remove("quire_access");
    assert_eq!(
        browser.post("/api/auth/logout", json!({})).status,
        200,
        "by the refresh cookie alone"
    );
    let kept: Vec<_> = browser.cookies.keys().collect();
    assert_eq!(kept, ["quire_device"], "both tokens are taken back");
}

#[test]
fn tokens_that_are_not_ours() {
    const SECRET: &str = "a secret that only this test knows";
    let server = Server::with(&[("QUIRE_SECRET", SECRET)]);
    let good = signed_in(&server, "a@b.co");
    let token = good["access_token"].as_str().expect("a token");
    let parts: Vec<&str> = token.split('.').collect();
    let claims: Claims =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).expect("base64")).expect("claims");
    let ours = Jwt::new(SECRET);
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let json = |claims: &Claims| serde_json::to_string(claims).expect("json");
    let old = claims.iat - 1000;
    for (what, token) in [
        (
            "expired",
            ours.sign(&Claims {
                iat: old,
                exp: old + 900,
                ..claims.clone()
            }),
        ),
        (
            "another kind",
            ours.sign(&Claims {
                kind: "refresh".into(),
                ..claims.clone()
            }),
        ),
        (
            "another person",
            ours.sign(&Claims {
                sub: "user_00000000000000000000000000".into(),
                ..claims.clone()
            }),
        ),
        (
            "another session",
            ours.sign(&Claims {
                sid: "session_00000000000000000000000000".into(),
                ..claims.clone()
            }),
        ),
        (
            "another secret",
            Jwt::new("somebody else's secret").sign(&claims),
        ),
        (
            "alg none",
            format!(
                "{}.{}.",
                encode(r#"{"alg":"none","typ":"JWT"}"#),
                encode(&json(&claims))
            ),
        ),
        (
            "alg none, signed",
            format!("{}.{}.{}", encode(r#"{"alg":"none"}"#), parts[1], parts[2]),
        ),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        (
            "changed",
            format!(
                "{}.{}.{}",
                parts[0],
                encode(&json(&Claims {
                    exp: claims.exp + 9,
                    ..claims.clone()
                })),
                parts[2]
            ),
        ),
        ("huge", "a".repeat(8000)),
        ("nonsense", "..".into()),
    ] {
        let mut client = server
            .client()
            .with("authorization", &format!("Bearer {token}"));
        let answer = client.get("/api/users/me");
        answer.refused(401, "UNAUTHENTICATED");
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{what}");
    }
    assert_eq!(
        bearer(&server, &good["access_token"])
            .get("/api/users/me")
            .status,
        200
    );
    assert!(claims.exp <= (clock::now() + Duration::from_secs(900)).seconds());
    for (name, value) in [
        ("authorization", "Basic YTpi"),
        ("authorization", "Bearer"),
        ("x-api-key", "quire_x"),
    ] {
        server
            .client()
            .with(name, value)
            .get("/api/users/me")
            .refused(401, "UNAUTHENTICATED");
    }
}

#[test]
fn keys_are_shown_once_and_end_when_deleted() {
    let server = Server::start();
    let mut owner = server.user("a@b.co");
    let made = owner.post("/api/users/me/api-keys", json!({"name": "ci"}));
    assert_eq!(made.status, 201, "{}", made.text());
    let (key, id) = (
        made.json()["key"].as_str().expect("a key").to_owned(),
        made.json()["api_key"]["id"].clone(),
    );
    assert!(key.starts_with("quire_"));
    let listed = owner.get("/api/users/me/api-keys");
    assert_eq!(listed.json()["api_keys"][0]["id"], id);
    assert!(!listed.text().contains(&key), "never again");
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
        let change = json!({"current_password": PASSWORD, "new_password": OTHER});
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
        json!({"current_password": OTHER, "new_password": OTHER}),
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
            json!({"current_password": PASSWORD, "new_password": OTHER})
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

    let known = server.client().post(
        "/api/auth/request-password-reset",
        json!({"email": "a@b.co"}),
    );
    let unknown = server.client().post(
        "/api/auth/reset-password-request?email=nobody%40b.co",
        json!({}),
    );
    assert_eq!(
        (known.status, known.bytes.clone()),
        (200, unknown.bytes),
        "the same words"
    );
    assert!(known.text().contains("instructions"));
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
    reset(OTHER).refused(400, "BAD_REQUEST");
    user.get("/api/users/me").refused(401, "UNAUTHENTICATED");
    assert_eq!(login(&mut server.client(), "a@b.co", PASSWORD).status, 200);
}

#[test]
fn ones_own_profile() {
    let server = Server::start();
    let mut user = server.user("a@b.co");
    server.user("taken@b.co");
    let changed = user.put(
        "/api/users/me",
        json!({"name": "  Ada  ", "email": "New@b.co"}),
    );
    assert_eq!(
        (&changed.json()["name"], &changed.json()["email"]),
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

#[test]
fn other_sites_cannot_act_for_a_browser() {
    let server = Server::start();
    signed_in(&server, "a@b.co");
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

#[test]
fn administration() {
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

    let made = admin.post("/api/admin/users", json!({"email": "c@b.co"}));
    assert_eq!(made.status, 201);
    let password = made.json()["password"]
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
fn the_configuration_is_told_without_values() {
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
fn sessions_are_told_and_ended_from_elsewhere() {
    let server = Server::start();
    let here = signed_in(&server, "ada@example.org");
    let mut there = server.client().with("user-agent", "A browser elsewhere");
    let elsewhere = login(&mut there, "ada@example.org", PASSWORD).json();
    let mut stranger = bearer(
        &server,
        &signed_in(&server, "bob@example.org")["access_token"],
    );
    let mut ada = bearer(&server, &here["access_token"]);
    let told = ada.get("/api/users/me/sessions").json();
    let sessions = told["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{told}");
    let other = sessions.iter().find(|one| one["current"] == false).unwrap();
    assert_eq!(other["client"], "A browser elsewhere");
    let path = format!("/api/users/me/sessions/{}", other["id"].as_str().unwrap());

    stranger.delete(&path).refused(404, "NOT_FOUND");
    assert_eq!(ada.delete(&path).status, 200);
    ada.delete(&path).refused(404, "NOT_FOUND");
    bearer(&server, &elsewhere["access_token"])
        .get("/api/users/me")
        .refused(401, "UNAUTHENTICATED");

    let again = login(&mut there, "ada@example.org", PASSWORD).json();
    assert_eq!(ada.delete("/api/users/me/sessions").json()["ended"], 1);
    bearer(&server, &again["access_token"])
        .get("/api/users/me")
        .refused(401, "UNAUTHENTICATED");
    assert_eq!(ada.get("/api/users/me").status, 200, "this one stays");

    let key = ada.post("/api/users/me/api-keys", json!({"name": "script"}));
    let mut program = bearer(&server, &key.json()["key"]);
    program
        .get("/api/users/me/sessions")
        .refused(403, "FORBIDDEN");
}
