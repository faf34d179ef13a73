//! Tests attacks on sign-in: many attempts, unknown clients behind proxies, and pages of other sites.

use super::*;

#[test]
fn attempts_are_slowed_per_account() {
    let server = Server::with(&[("LOGIN_LIMIT", "3"), ("TRUSTED_PROXIES", "127.0.0.1")]);
    sign_in(&server, "a@b.co");
    sign_in(&server, "b@b.co");
    let stranger = || server.client().with("x-forwarded-for", "192.0.2.1");
    for _ in 0..3 {
        login(&mut stranger(), "a@b.co", OTHER_PASSWORD).refused(401, "UNAUTHENTICATED");
        login(&mut server.client(), "a@b.co", OTHER_PASSWORD).refused(401, "UNAUTHENTICATED");
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
        .map(|n| login(&mut server.client(), &format!("{n}@b.co"), OTHER_PASSWORD).status)
        .collect();
    assert!(
        statuses.contains(&429),
        "one address tries many accounts: {statuses:?}"
    );
}

/// A client behind a proxy on this machine seems to connect from a loopback address, but must not be trusted like a
/// local one.
#[test]
fn a_stranger_behind_a_proxy_is_not_the_first_administrator() {
    let role = |server: &Server, mut client: Client, email: &str| {
        let created = register(&mut client, email);
        assert_eq!(created.status, 200, "{}", created.text());
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
    // nginx sends these headers if only its target is configured.
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

/// A server that listens only on loopback trusts no host name, because any site can make its own name resolve to
/// loopback.
#[test]
fn pages_of_other_sites_neither_register_nor_sign_in() {
    let server = Server::start();
    let own_host = server.address.to_string();
    let port = server.address.port();
    let evil = format!("evil.example:{port}");
    let pages = [
        (own_host.clone(), Some("http://evil.example".to_owned())),
        // DNS rebinding: the attacker's name resolves to this server, so the browser sends a same-origin
        // request.
        (evil.clone(), Some(format!("http://{evil}"))),
        (own_host.clone(), Some("null".to_owned())),
        (own_host.clone(), None),
    ];
    for (host, origin) in pages {
        for path in ["/api/auth/register", "/api/auth/login", "/api/auth/logout"] {
            let body = json!({"email": "a@b.co", "password": PASSWORD}).to_string();
            let origin = match &origin {
                Some(origin) => format!("origin: {origin}\r\n"),
                None => "sec-fetch-site: cross-site\r\n".to_owned(),
            };
            // A request without a content type needs no CORS preflight, so any page can send it to any server.
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
    for (number, host) in [own_host, format!("localhost:{port}")].iter().enumerate() {
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

/// An attacker guesses passwords from many addresses, which are distinguished by a trusted proxy.
#[test]
fn an_attack_from_many_addresses_does_not_lock_the_owner_out() {
    let server = Server::with(&[("LOGIN_LIMIT", "1"), ("TRUSTED_PROXIES", "127.0.0.1")]);
    let from = |address: &str, password: &str| {
        let mut client = server.client().with("x-forwarded-for", address);
        login(&mut client, "a@b.co", password).status
    };
    sign_in(&server, "a@b.co");
    for own in ["198.51.100.7", "2001:db8:7:7::1"] {
        assert_eq!(from(own, PASSWORD), 200);
    }
    let mut strangers =
        (0..=255_u8).flat_map(|a| (0..=255_u8).map(move |b| format!("203.0.{a}.{b}")));
    let mut guess = || from(&strangers.next().expect("an address"), OTHER_PASSWORD);
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
