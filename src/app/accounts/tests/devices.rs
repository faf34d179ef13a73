//! Tests that password guesses do not affect devices that have signed in before, and that guesses with stolen device
//! cookies are bounded.

use super::*;

fn origin_with(devices: &str, seconds: i64) -> RequestOrigin {
    RequestOrigin {
        devices: devices.to_owned(),
        ..visit(seconds)
    }
}

/// Uses up every limit of the account and fills its queue.
async fn flood(accounts: &Arc<Accounts>, email: &'static str) -> Vec<tokio::task::JoinHandle<()>> {
    for _ in 0..10 {
        let _ = accounts.login(email, OTHER, &visit(0)).await;
    }
    let guess = |_| {
        let accounts = accounts.clone();
        tokio::spawn(async move { drop(accounts.login(email, OTHER, &visit(0)).await) })
    };
    let guesses = (0..20).map(guess).collect();
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    guesses
}

async fn is_free(accounts: &Accounts, email: &str, origin: &RequestOrigin) -> bool {
    let attempt = accounts.register_attempt(Some(email), origin).await;
    attempt.is_ok_and(|attempt| attempt.turn.is_none())
}

#[test]
fn a_flood_from_its_own_address_does_not_slow_a_device() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let devices = sign_in(accounts, "a@b.co").await.device_cookie;
        let guesses = flood(accounts, "a@b.co").await;
        assert!(!is_free(accounts, "a@b.co", &visit(0)).await);
        let mut devices = devices;
        for _ in 0..15 {
            let began = std::time::Instant::now();
            let owner = accounts
                .login("a@b.co", PASSWORD, &origin_with(&devices, 0))
                .await;
            devices = owner.expect("signed in").device_cookie;
            assert!(began.elapsed() < Duration::from_secs(2), "it did not wait");
        }
        guesses.iter().for_each(tokio::task::JoinHandle::abort);
    });
}

#[test]
fn only_a_token_for_this_account_and_password_counts() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let own_sign_in = sign_in(accounts, "a@b.co").await;
        let other = sign_in(accounts, "b@b.co").await.device_cookie;
        let forged = device::DeviceTokens::new("another secret").token(
            own_sign_in.user.id.as_str(),
            own_sign_in.session.as_str(),
            &own_sign_in.user.password_hash,
        );
        for _ in 0..10 {
            let _ = accounts.login("a@b.co", OTHER, &visit(0)).await;
        }
        for malformed in [
            "",
            "x",
            "~~~~",
            &other,
            &forged,
            &own_sign_in.refresh_token,
            &own_sign_in.access_token,
        ] {
            assert!(
                !is_free(accounts, "a@b.co", &origin_with(malformed, 0)).await,
                "{malformed}"
            );
        }
        assert!(
            is_free(
                accounts,
                "a@b.co",
                &origin_with(&own_sign_in.device_cookie, 0)
            )
            .await
        );
        // Two users share one browser.
        let both = accounts
            .login(
                "b@b.co",
                PASSWORD,
                &origin_with(&own_sign_in.device_cookie, 0),
            )
            .await;
        let both = both.expect("signed in").device_cookie;
        assert!(is_free(accounts, "a@b.co", &origin_with(&both, 0)).await);
        assert!(is_free(accounts, "b@b.co", &origin_with(&both, 0)).await);

        let id = own_sign_in.user.id.clone();
        let set = accounts
            .set_password(None, &id, OTHER, false, &visit(0))
            .await;
        set.expect("set");
        assert!(
            !is_free(accounts, "a@b.co", &origin_with(&both, 0)).await,
            "a person with the old password may have it"
        );
    });
}

#[test]
fn a_browser_keeps_the_tokens_of_its_last_four_accounts() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let mut devices = String::new();
        for n in 0..6 {
            let email = format!("{n}@b.co");
            let registration = accounts
                .register(account(&email), &origin_with(&devices, 0))
                .await;
            let registration = registration.expect("registered");
            let cookie = accounts.first_device_cookie(&registration, &origin_with(&devices, 0));
            devices = cookie.expect("randomness");
        }
        for n in 0..6 {
            let origin = origin_with(&devices, 0);
            let known_device = accounts.known_device(&format!("{n}@b.co"), &origin).await;
            assert_eq!(known_device.expect("read").is_some(), n >= 2, "{n}");
        }
        assert!(devices.len() < 1000, "{}", devices.len());
    });
}

#[test]
fn guesses_with_a_device_token_are_bounded() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let own_sign_in = sign_in(accounts, "a@b.co").await;
        let thief = |seconds| RequestOrigin {
            peer: Some([203, 0, 113, 1].into()),
            ..origin_with(&own_sign_in.device_cookie, seconds)
        };
        let mut free = 0;
        for second in 0..600 {
            free += usize::from(is_free(accounts, "a@b.co", &thief(second)).await);
        }
        assert!(free <= 10 * 10 + 10, "{free}");
        // Attempts beyond the limit wait for their turn, one every 3 s, and delay no one else.
        assert!(is_free(accounts, "a@b.co", &visit(600)).await);
        // Renewing a session does not create a new device with a fresh limit for guesses.
        let renewed = accounts
            .refresh(&own_sign_in.refresh_token, &thief(600))
            .await;
        let renewed = renewed.expect("renewed").device_cookie;
        assert_eq!(
            accounts.known_device_session(&renewed),
            accounts.known_device_session(&own_sign_in.device_cookie)
        );
        // Signing in, however, creates a new device, so that a stolen cookie cannot slow the owner down.
        while is_free(accounts, "a@b.co", &thief(600)).await {}
        let mut attempt = accounts
            .register_attempt(Some("a@b.co"), &thief(600))
            .await
            .expect("taken");
        assert!(attempt.turn.is_some());
        accounts.await_turn(&mut attempt).await.expect("a turn");
        let again = accounts.login("a@b.co", PASSWORD, &visit(600)).await;
        let again = again.expect("signed in").device_cookie;
        assert!(is_free(accounts, "a@b.co", &origin_with(&again, 600)).await);
    });
}

#[test]
fn a_password_can_be_changed_during_a_flood() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let own_sign_in = sign_in(accounts, "a@b.co").await;
        let owner = caller(accounts, &own_sign_in.access_token, 0)
            .await
            .expect("let in");
        let guesses = flood(accounts, "a@b.co").await;
        let now = visit(0);
        let password_change = accounts.change_password(&owner, PASSWORD, OTHER, &now);
        let password_change = tokio::time::timeout(Duration::from_secs(2), password_change).await;
        let devices = password_change.expect("at once").expect("changed");
        assert!(is_free(accounts, "a@b.co", &origin_with(&devices, 0)).await);
        guesses.iter().for_each(tokio::task::JoinHandle::abort);
        // Password guesses in a stolen session are bounded.
        for _ in 0..10 {
            let wrong = accounts
                .change_password(&owner, PASSWORD, PASSWORD, &now)
                .await;
            assert_eq!(kind(wrong), Some(Kind::BadRequest));
        }
        let session = own_sign_in.session.clone();
        let attempt = accounts
            .register_device_attempt(session, visit(0).now)
            .await;
        assert!(attempt.turn.is_some());
    });
}

#[test]
fn rehashing_a_password_keeps_its_device() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let own_sign_in = sign_in(accounts, "a@b.co").await;
        let weaker_hash = crypto::password::hash(PASSWORD, 3).expect("randomness");
        let id = own_sign_in.user.id.clone();
        let set = accounts
            .store
            .write(move |db| users::set_password_hash(db, &id, &weaker_hash));
        set.await.expect("set");
        let again = accounts.login("a@b.co", PASSWORD, &visit(0)).await;
        let devices = again.expect("signed in").device_cookie;
        let known_device = accounts
            .known_device("a@b.co", &origin_with(&devices, 0))
            .await;
        assert!(known_device.expect("read").is_some());
    });
}
