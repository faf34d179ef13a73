//! Tests of sessions: sign-out, renewal, expiry, and reuse of refresh tokens.

use super::*;

#[test]
fn logout_takes_effect_immediately() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let first = sign_in(accounts, "a@b.co").await;
        let second = accounts
            .login("a@b.co", PASSWORD, &visit(0))
            .await
            .expect("again");
        let owner = caller(accounts, &first.access_token, 1)
            .await
            .expect("let in");
        assert_eq!(owner.session.as_ref(), Some(&first.session));
        accounts
            .logout(&owner, &visit(1))
            .await
            .expect("signed out");
        assert_eq!(
            kind(caller(accounts, &first.access_token, 1).await),
            Some(Kind::SignInNeeded)
        );
        assert_eq!(
            kind(accounts.refresh(&first.refresh_token, &visit(1)).await),
            Some(Kind::SignInNeeded)
        );
        assert!(
            caller(accounts, &second.access_token, 1).await.is_ok(),
            "another session goes on"
        );
        accounts
            .logout_by_refresh(&second.refresh_token, &visit(1))
            .await
            .expect("signed out");
        assert!(caller(accounts, &second.access_token, 1).await.is_err());
    });
}

#[test]
fn a_session_ended_by_another_process_ends_soon() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let first = sign_in(accounts, "a@b.co").await;
        caller(accounts, &first.access_token, 1)
            .await
            .expect("let in");
        let (id, now) = (first.session.clone(), visit(1).now);
        accounts
            .store
            .write(move |db| sessions::revoke(db, &id, now))
            .await
            .expect("ended behind its back");
        assert!(caller(accounts, &first.access_token, 4).await.is_err());
    });
}

#[test]
fn refresh_rotates_with_a_grace_period_and_detects_reuse() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let original = sign_in(accounts, "a@b.co").await;
        let first = accounts
            .refresh(&original.refresh_token, &visit(100))
            .await
            .expect("renewed");
        assert_ne!(first.refresh_token, original.refresh_token);
        let again = accounts
            .refresh(&original.refresh_token, &visit(130))
            .await
            .expect("within the grace");
        assert_eq!(
            again.refresh_token, first.refresh_token,
            "two tabs end up with the same token"
        );
        let second = accounts
            .refresh(&first.refresh_token, &visit(131))
            .await
            .expect("renewed");
        assert!(caller(accounts, &second.access_token, 131).await.is_ok());
        assert_eq!(
            kind(accounts.refresh(&first.refresh_token, &visit(162)).await),
            Some(Kind::SignInNeeded)
        );
        assert!(
            caller(accounts, &second.access_token, 162).await.is_err(),
            "reuse ends the session"
        );
        assert!(
            accounts
                .refresh(&second.refresh_token, &visit(162))
                .await
                .is_err()
        );
    });
}

#[test]
fn an_old_refresh_token_counts_as_reuse() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let original = sign_in(accounts, "a@b.co").await;
        let first = accounts
            .refresh(&original.refresh_token, &visit(1))
            .await
            .expect("renewed");
        let second = accounts
            .refresh(&first.refresh_token, &visit(2))
            .await
            .expect("renewed");
        assert!(
            accounts
                .refresh(&original.refresh_token, &visit(3))
                .await
                .is_err(),
            "not even within seconds"
        );
        assert!(caller(accounts, &second.access_token, 3).await.is_err());
    });
}

#[test]
fn an_invalid_refresh_token_changes_nothing() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let original = sign_in(accounts, "a@b.co").await;
        for bad in [
            "",
            "x",
            &original.access_token,
            &format!("{}.0.AAAA", original.session),
        ] {
            assert_eq!(
                kind(accounts.refresh(bad, &visit(1)).await),
                Some(Kind::SignInNeeded),
                "{bad}"
            );
        }
        let late = REFRESH_TOKEN_LIFETIME.as_secs() as i64;
        assert!(
            accounts
                .refresh(&original.refresh_token, &visit(late))
                .await
                .is_err(),
            "run out"
        );
        assert!(
            accounts
                .refresh(&original.refresh_token, &visit(late - 1))
                .await
                .is_ok()
        );
    });
}

#[test]
fn access_tokens_expire_and_foreign_ones_are_rejected() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let first = sign_in(accounts, "a@b.co").await;
        assert!(caller(accounts, &first.access_token, 899).await.is_ok());
        for (token, seconds) in [
            (first.access_token.as_str(), 900),
            ("", 0),
            ("a.b.c", 0),
            (first.refresh_token.as_str(), 0),
        ] {
            assert_eq!(
                kind(caller(accounts, token, seconds).await),
                Some(Kind::SignInNeeded),
                "{token}"
            );
        }
        let cookie = Credential::Cookie(first.access_token.clone());
        assert!(accounts.authenticate(cookie, visit(1).now).await.is_ok());
    });
}
