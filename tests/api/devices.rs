//! Tests the device cookie: a browser that has signed in before can sign in without delay, whatever other clients at
//! the same address do.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::client::PASSWORD;
use crate::support::{Answer, Client, Server};

const LIMITS: &[(&str, &str)] = &[("LOGIN_LIMIT", "10"), ("RATE_LIMIT", "600")];
const NAME: &str = "quire_device";

fn login(client: &mut Client, email: &str, password: &str) -> Answer {
    client.post(
        "/api/auth/login",
        json!({"email": email, "password": password}),
    )
}

/// Returns a browser that has created an account and signed out again.
fn known_browser(server: &Server, email: &str) -> Client {
    let mut browser = server.client();
    let account = json!({"email": email, "password": PASSWORD});
    assert_eq!(browser.post("/api/auth/register", account).status, 200);
    assert!(browser.cookies.contains_key(NAME), "of a registration");
    assert_eq!(login(&mut browser, email, PASSWORD).status, 200);
    let signed_out = browser.post("/api/auth/logout", json!({}));
    assert_eq!(signed_out.status, 200, "{}", signed_out.text());
    let cookie_names: Vec<&str> = browser.cookies.keys().map(String::as_str).collect();
    assert_eq!(cookie_names, [NAME], "what signing out leaves");
    browser
}

/// Runs `owner` while twenty clients at the same address continuously guess passwords.
fn run_during_flood(server: &Server, email: &str, owner: impl FnOnce()) {
    let (is_over, refused_count) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let mut stranger = server.client().fresh();
                while !is_over.load(Relaxed) {
                    if login(&mut stranger, email, "An0ther-Password").status == 429 {
                        refused_count.fetch_add(1, Relaxed);
                        // Even with this pause, there are many more attempts than the limits allow.
                        std::thread::sleep(Duration::from_millis(20));
                    }
                }
            });
        }
        let start = Instant::now();
        while refused_count.load(Relaxed) < 1000 && start.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(20));
        }
        // A panic is caught, so that a failed assertion also stops the flood.
        let owned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(owner));
        is_over.store(true, Relaxed);
        if let Err(failed) = owned {
            std::panic::resume_unwind(failed);
        }
    });
    assert!(
        refused_count.load(Relaxed) >= 1000,
        "the limits were used up"
    );
}

#[test]
fn a_login_flood_from_the_same_address_does_not_lock_out_a_known_browser() {
    let server = Server::with(LIMITS);
    let mut owner = known_browser(&server, "a@b.co");
    run_during_flood(&server, "a@b.co", || {
        for number in 0..15 {
            let began = Instant::now();
            let answer = login(&mut owner, "a@b.co", PASSWORD);
            assert_eq!(answer.status, 200, "{number}: {}", answer.text());
            let duration = began.elapsed();
            assert!(duration < Duration::from_secs(3), "{number}: {duration:?}");
            let renewed = owner.post("/api/auth/refresh", json!({}));
            assert_eq!(renewed.status, 200, "{number}: {}", renewed.text());
            let out = owner.post("/api/auth/logout", json!({}));
            assert_eq!(out.status, 200, "{number}: {}", out.text());
        }
    });
}

/// A client that uses up the request limit of its address does not use up that of browsers at the same address.
#[test]
fn requests_of_a_browser_are_counted_apart_from_its_address() {
    let server = Server::with(&[("RATE_LIMIT", "5")]);
    let owner = known_browser(&server, "a@b.co");
    let mut stranger = server.client();
    assert!((0..20).any(|_| stranger.get("/api/models").status == 429));
    let mut forger = owner.clone();
    let token = forger.cookies[NAME].clone();
    forger.cookies.insert(NAME.to_owned(), format!("{token}A"));
    forger.get("/api/models").refused(429, "RATE_LIMITED");
    let mut owner = owner;
    assert_eq!(login(&mut owner, "a@b.co", PASSWORD).status, 200);
    // The browser's own requests are limited too.
    owner.cookies.remove("quire_access");
    assert!((0..20).any(|_| owner.get("/api/models").status == 429));
}

#[test]
fn a_stolen_cookie_opens_nothing_and_its_guesses_are_bounded() {
    let server = Server::with(LIMITS);
    let mut thief = known_browser(&server, "a@b.co");
    thief.get("/api/users/me").refused(401, "UNAUTHENTICATED");
    let answer = thief.post("/api/auth/refresh", json!({}));
    answer.refused(400, "BAD_REQUEST");
    let began = Instant::now();
    for _ in 0..12 {
        login(&mut thief, "a@b.co", "An0ther-Password").refused(401, "UNAUTHENTICATED");
    }
    let duration = began.elapsed();
    assert!(
        duration > Duration::from_secs(5),
        "two of them took turns: {duration:?}"
    );
}

#[test]
fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
    let plain = Server::start();
    let secure = Server::with(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    for (server, name, rest) in [
        (&plain, "quire_device=", ""),
        (&secure, "__Host-quire_device=", "; Secure"),
    ] {
        let mut client = server.client();
        if !rest.is_empty() {
            client = client.with("x-forwarded-proto", "https");
        }
        let account = json!({"email": "a@b.co", "password": PASSWORD});
        for path in ["/api/auth/register", "/api/auth/login"] {
            let answer = client.post(path, account.clone());
            let lines = answer.headers.get_all("set-cookie").iter();
            let mut lines = lines.map(|line| line.to_str().unwrap());
            let line = lines.find(|line| line.starts_with(name));
            let line = line.unwrap_or_else(|| panic!("{path}: {}", answer.text()));
            let end = format!("; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax{rest}");
            assert!(line.ends_with(&end), "{line}");
        }
    }
}
