//! Tests access and refresh tokens: rotation, reuse, sign-out, and forgery.

use super::*;

#[test]
fn refresh_rotates_and_reuse_ends_the_session() {
    let server = Server::start();
    let mut client = server.client();
    let zero = sign_in(&server, "a@b.co");
    let one = refresh(&mut client, &zero["refresh_token"]);
    assert_eq!(one.status, 200, "{}", one.text());
    let one = one.json();
    assert_ne!(one["refresh_token"], zero["refresh_token"]);
    let second = refresh(&mut client, &zero["refresh_token"]).json();
    assert_eq!(
        second["refresh_token"], one["refresh_token"],
        "within the grace both end up with the same"
    );
    let two = refresh(&mut client, &one["refresh_token"]).json();
    assert_eq!(
        bearer_client(&server, &two["access_token"])
            .get("/api/users/me")
            .status,
        200
    );
    // A client that has lost a response sends the previous token. Only an attacker sends one that is two renewals old.
    refresh(&mut server.client(), &zero["refresh_token"]).refused(401, "UNAUTHENTICATED");
    bearer_client(&server, &two["access_token"])
        .get("/api/users/me")
        .refused(401, "UNAUTHENTICATED");
    refresh(&mut server.client(), &two["refresh_token"]).refused(401, "UNAUTHENTICATED");
}

#[test]
fn refresh_requires_a_valid_token() {
    let server = Server::start();
    let tokens = sign_in(&server, "a@b.co");
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
fn sign_out_invalidates_tokens_immediately() {
    let server = Server::start();
    let tokens = sign_in(&server, "a@b.co");
    let mut client = bearer_client(&server, &tokens["access_token"]);
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
    let cookie_names: Vec<_> = browser.cookies.keys().collect();
    assert_eq!(cookie_names, ["quire_device"], "both tokens are taken back");
}

#[test]
fn forged_tokens_are_refused() {
    const SECRET: &str = "a secret that only this test knows";
    let server = Server::with(&[("QUIRE_SECRET", SECRET)]);
    let good = sign_in(&server, "a@b.co");
    let token = good["access_token"].as_str().expect("a token");
    let parts: Vec<&str> = token.split('.').collect();
    let claims: Claims =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).expect("base64")).expect("claims");
    let own_jwt = Jwt::new(SECRET);
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let json = |claims: &Claims| serde_json::to_string(claims).expect("json");
    let old = claims.iat - 1000;
    for (what, token) in [
        (
            "expired",
            own_jwt.sign(&Claims {
                iat: old,
                exp: old + 900,
                ..claims.clone()
            }),
        ),
        (
            "another kind",
            own_jwt.sign(&Claims {
                kind: "refresh".into(),
                ..claims.clone()
            }),
        ),
        (
            "another person",
            own_jwt.sign(&Claims {
                sub: "user_00000000000000000000000000".into(),
                ..claims.clone()
            }),
        ),
        (
            "another session",
            own_jwt.sign(&Claims {
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
        bearer_client(&server, &good["access_token"])
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
