//! Tests the account use cases with a real database, for legitimate users and attackers.

mod devices;
mod people;
mod signed_in;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::store;

const PASSWORD: &str = "Tr4verse-Orchid";
const OTHER: &str = "An0ther-Password";

/// An `Accounts` service with its own database, which is removed when the test ends.
struct Fixture {
    accounts: Arc<Accounts>,
    folder: PathBuf,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn fixture(registration: Registration) -> Fixture {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder =
        std::env::temp_dir().join(format!("quire-accounts-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("quire.db");
    let store = Store::open(&store::StoreSettings { path }).expect("a database");
    let settings = AccountSettings {
        files: UserFiles {
            data: folder.clone(),
            has_bucket: false,
        },
        secret: "a secret for tests".into(),
        password_rounds: 10,
        login_per_minute: 10,
        registration,
        setup: FirstAdminRule::FirstAccount,
    };
    let accounts = Arc::new(Accounts::new(store, &settings));
    Fixture { accounts, folder }
}

fn run<F: Future>(script: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(script)
}

fn visit(seconds: i64) -> RequestOrigin {
    RequestOrigin {
        peer: Some([192, 0, 2, 1].into()),
        client: "test".into(),
        devices: String::new(),
        now: Timestamp::from_millis(1_800_000_000_000 + seconds * 1000),
    }
}

fn account(email: &str) -> NewAccount {
    NewAccount {
        email: email.into(),
        password: PASSWORD.into(),
        name: " Ada ".into(),
        invite: None,
        setup_token: None,
        is_local: true,
    }
}

async fn sign_in(accounts: &Accounts, email: &str) -> SignedIn {
    accounts
        .register(account(email), &visit(0))
        .await
        .expect("registered");
    accounts
        .login(email, PASSWORD, &visit(0))
        .await
        .expect("signed in")
}

async fn caller(accounts: &Accounts, access: &str, seconds: i64) -> Result<Caller> {
    accounts
        .authenticate(Credential::Bearer(access.into()), visit(seconds).now)
        .await
}

fn kind<T>(result: Result<T>) -> Option<Kind> {
    result.err().map(|error| error.kind)
}

#[test]
fn every_failed_sign_in_looks_the_same() {
    let fixture = fixture(Registration::Open);
    run(async {
        sign_in(&fixture.accounts, "a@b.co").await;
        let long = "x".repeat(5000);
        let mut errors = Vec::new();
        for (email, password) in [
            ("a@b.co", OTHER),
            ("nobody@b.co", PASSWORD),
            ("no-address", PASSWORD),
            ("", ""),
            ("a@b.co", long.as_str()),
        ] {
            errors.push(
                fixture
                    .accounts
                    .login(email, password, &visit(0))
                    .await
                    .err()
                    .expect("refused"),
            );
        }
        assert!(
            errors
                .iter()
                .all(|error| *error == errors[0] && error.kind == Kind::SignInNeeded)
        );
        assert!(
            fixture
                .accounts
                .login(" A@B.CO", PASSWORD, &visit(0))
                .await
                .is_ok()
        );
    });
}

#[test]
fn too_many_attempts_on_one_account_are_throttled() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        sign_in(accounts, "a@b.co").await;
        for _ in 0..20 {
            accounts
                .login("a@b.co", PASSWORD, &visit(0))
                .await
                .expect("good ones do not count");
        }
        let stranger = |seconds| RequestOrigin {
            peer: Some([203, 0, 113, 1].into()),
            ..visit(seconds)
        };
        for _ in 0..10 {
            assert_eq!(
                kind(accounts.login("A@b.co", OTHER, &stranger(0)).await),
                Some(Kind::SignInNeeded)
            );
        }
        let error = accounts
            .login("a@b.co", PASSWORD, &stranger(0))
            .await
            .err()
            .expect("slowed");
        assert_eq!(
            (error.kind, error.retry_after),
            (Kind::TooFast, Some(Duration::from_secs(6)))
        );
        let later = accounts.login("a@b.co", PASSWORD, &stranger(6)).await;
        assert!(later.is_ok());
        let mut last_refusal = None;
        for n in 0..60 {
            last_refusal = kind(accounts.login(&format!("{n}@b.co"), OTHER, &visit(6)).await)
                .filter(|k| *k == Kind::TooFast);
        }
        assert_eq!(
            last_refusal,
            Some(Kind::TooFast),
            "one address tries many accounts"
        );
    });
}

#[test]
fn guesses_from_many_addresses_throttle_only_strangers() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        sign_in(accounts, "a@b.co").await;
        let from = |address: &str| RequestOrigin {
            peer: Some(address.parse().expect("an address")),
            ..visit(0)
        };
        let own_origin = from("2001:db8:7:7::1");
        accounts
            .login("a@b.co", PASSWORD, &own_origin)
            .await
            .expect("in");
        for n in 0..200 {
            let stranger = from(&format!("203.0.113.{n}"));
            let guess = accounts.login("a@b.co", OTHER, &stranger).await;
            assert_eq!(kind(guess), Some(Kind::SignInNeeded), "{n}");
        }
        for stranger in ["203.0.113.250", "2001:db8:7:8::1"] {
            let refusal = accounts.login("a@b.co", PASSWORD, &from(stranger)).await;
            assert_eq!(kind(refusal), Some(Kind::TooFast), "{stranger}");
        }
        for _ in 0..15 {
            for known in ["2001:db8:7:7::1", "2001:db8:7:7:5::9", "192.0.2.1"] {
                let answer = accounts.login("a@b.co", PASSWORD, &from(known)).await;
                assert!(answer.is_ok(), "{known}");
            }
        }
        // The owner's own wrong guesses count, but only on the network they come from.
        for _ in 0..10 {
            let guess = accounts.login("a@b.co", OTHER, &own_origin).await;
            assert_eq!(kind(guess), Some(Kind::SignInNeeded));
        }
        let throttled = accounts.register_attempt(Some("a@b.co"), &own_origin).await;
        assert!(throttled.expect("not refused").turn.is_some());
        let other_address_attempt = accounts.register_attempt(Some("a@b.co"), &visit(0)).await;
        assert!(other_address_attempt.expect("not refused").turn.is_none());
    });
}

#[test]
fn a_known_network_is_throttled_but_never_blocked() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        sign_in(accounts, "a@b.co").await;
        for _ in 0..10 {
            let guess = accounts.login("a@b.co", OTHER, &visit(0)).await;
            assert_eq!(kind(guess), Some(Kind::SignInNeeded));
        }
        // More guesses than the queue holds, together with the right password: every guess fails, and the right
        // password succeeds.
        let guesses = (0..12).map(|_| {
            let accounts = accounts.clone();
            tokio::spawn(async move { kind(accounts.login("a@b.co", OTHER, &visit(0)).await) })
        });
        let guesses: Vec<_> = guesses.collect();
        // All guesses are queued before the owner's attempt.
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let owner = accounts.login("a@b.co", PASSWORD, &visit(0)).await;
        assert_eq!(owner.map(drop), Ok(()));
        for guess in guesses {
            guess.abort();
        }
        // However many guesses come from the owner's network, their sustained rate is bounded.
        let mut free = 0;
        for second in 60..660 {
            let attempt = accounts
                .register_attempt(Some("a@b.co"), &visit(second))
                .await;
            free += usize::from(attempt.expect("not refused").turn.is_none());
        }
        // Ten minutes at 10 attempts per minute, plus the full bucket at the start; all other attempts wait for a turn.
        assert!(free <= 10 * 10 + 10, "{free}");
    });
}

#[test]
fn a_network_with_many_failures_still_admits_its_own_users() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        sign_in(accounts, "a@b.co").await;
        let mut refusals = 0;
        for n in 0..60 {
            let guess = accounts.login(&format!("{n}@b.co"), OTHER, &visit(0)).await;
            refusals += usize::from(kind(guess) == Some(Kind::TooFast));
        }
        assert!(refusals > 0, "guesses from one network are not bounded");
        assert!(accounts.login("a@b.co", PASSWORD, &visit(0)).await.is_ok());
    });
}

#[test]
fn weak_hashes_are_upgraded_at_login() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let first = sign_in(accounts, "a@b.co").await;
        let weaker_hash = crypto::password::hash(PASSWORD, 3).expect("randomness");
        let id = first.user.id.clone();
        accounts
            .store
            .write(move |db| users::set_password_hash(db, &id, &weaker_hash))
            .await
            .expect("set");
        accounts
            .login("a@b.co", PASSWORD, &visit(0))
            .await
            .expect("the old one fits");
        let user = accounts.user_by_email("a@b.co").await.expect("there");
        assert!(
            user.password_hash.contains("$i=10$"),
            "{}",
            user.password_hash
        );
        assert!(accounts.login("a@b.co", PASSWORD, &visit(0)).await.is_ok());
    });
}

#[test]
fn no_session_starts_with_an_outdated_password() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let first = sign_in(accounts, "a@b.co").await;
        // Read the account before its password is changed.
        let user_before = accounts.user_by_email("a@b.co").await.expect("there");
        let id = first.user.id.clone();
        accounts
            .set_password(None, &id, OTHER, false, &visit(1))
            .await
            .expect("set");
        let late = accounts.begin_session(user_before, None, &visit(1)).await;
        assert_eq!(kind(late), Some(Kind::SignInNeeded));
    });
}
