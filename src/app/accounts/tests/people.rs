//! Tests of registration, invitations, reset links, API keys, and account administration.

use super::*;
use crate::app::admin::UserChange;
use crate::app::api_keys::NewKey;
use crate::domain::user::Role;

fn new_key(name: &str, days: Option<u32>) -> NewKey {
    NewKey {
        name: name.to_owned(),
        days,
        ..NewKey::default()
    }
}

#[test]
fn the_first_account_is_admin_and_addresses_are_unique() {
    let fixture = fixture(Registration::Open);
    run(async {
        let first = fixture
            .accounts
            .register(account("Ada@Example.org "), &visit(0))
            .await
            .expect("first");
        assert_eq!(
            (first.role, first.email.as_str(), first.name.as_str()),
            (Role::Admin, "ada@example.org", "Ada")
        );
        let second = fixture
            .accounts
            .register(account("b@example.org"), &visit(0))
            .await
            .expect("second");
        assert_eq!(second.role, Role::User);
        let error = fixture
            .accounts
            .register(account("ADA@example.org"), &visit(0))
            .await
            .expect_err("taken");
        assert_eq!(error.kind, Kind::BadRequest);
        assert!(error.public.contains("email address already exists"));
    });
}

#[test]
fn one_of_many_concurrent_registrations_wins() {
    let fixture = fixture(Registration::Open);
    run(async {
        let tries: Vec<_> = (0..8)
            .map(|_| {
                let accounts = fixture.accounts.clone();
                async move { accounts.register(account("a@b.co"), &visit(0)).await }
            })
            .collect();
        let mut set = tokio::task::JoinSet::new();
        for attempt in tries {
            set.spawn(attempt);
        }
        let results = set.join_all().await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert!(
            results
                .into_iter()
                .filter_map(|r| r.err())
                .all(|e| e.kind == Kind::BadRequest)
        );
    });
}

#[test]
fn invalid_registrations_are_rejected() {
    let fixture = fixture(Registration::Open);
    run(async {
        for (email, password, name, expected) in [
            ("no-address", PASSWORD, "", Kind::BadInput),
            ("a@b.co", PASSWORD, "x\ny", Kind::BadInput),
            ("a@b.co", "short1A", "", Kind::BadRequest),
            ("a@b.co", "Password1!", "", Kind::BadRequest),
        ] {
            let new = NewAccount {
                email: email.into(),
                password: password.into(),
                name: name.into(),
                invite: None,
                setup_token: None,
                is_local: true,
            };
            assert_eq!(
                kind(fixture.accounts.register(new, &visit(0)).await),
                Some(expected),
                "{email} {password}"
            );
        }
    });
}

#[test]
fn registration_can_be_closed_or_by_invitation() {
    let closed_fixture = fixture(Registration::Closed);
    let invite_fixture = fixture(Registration::Invite);
    run(async {
        let refusal = closed_fixture
            .accounts
            .register(account("a@b.co"), &visit(0))
            .await;
        assert_eq!(kind(refusal), Some(Kind::Forbidden));
        let registration = closed_fixture
            .accounts
            .create_user(
                None,
                account("a@b.co"),
                Role::Admin,
                &RequestOrigin::local(visit(0).now),
            )
            .await;
        assert_eq!(
            registration.expect("made by the operator").role,
            Role::Admin
        );

        let accounts = &invite_fixture.accounts;
        let admin = accounts
            .register(account("first@b.co"), &visit(0))
            .await
            .expect("nobody could invite the first");
        assert_eq!(
            kind(accounts.register(account("a@b.co"), &visit(0)).await),
            Some(Kind::Forbidden)
        );
        let link = accounts
            .invite(Some(&admin.id), Some("A@b.co"), &visit(0))
            .await
            .expect("invited");
        let with = |email: &str| NewAccount {
            invite: Some(link.token.clone()),
            ..account(email)
        };
        assert_eq!(
            kind(accounts.register(with("other@b.co"), &visit(0)).await),
            Some(Kind::Forbidden)
        );
        accounts
            .register(with("a@b.co"), &visit(0))
            .await
            .expect("invited");
        assert_eq!(
            kind(accounts.register(with("b@b.co"), &visit(0)).await),
            Some(Kind::Forbidden)
        );
    });
}

#[test]
fn a_reset_link_works_once() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let first_session = sign_in(accounts, "a@b.co").await;
        let second_session = accounts
            .login("a@b.co", PASSWORD, &visit(0))
            .await
            .expect("again");
        let owner = caller(accounts, &first_session.access_token, 0)
            .await
            .expect("let in");
        let wrong = accounts
            .change_password(&owner, OTHER, OTHER, &visit(1))
            .await;
        assert_eq!(kind(wrong), Some(Kind::BadRequest));
        let weak_password = accounts
            .change_password(&owner, PASSWORD, "weak", &visit(1))
            .await;
        assert_eq!(kind(weak_password), Some(Kind::BadRequest));
        accounts
            .change_password(&owner, PASSWORD, OTHER, &visit(1))
            .await
            .expect("changed");
        assert!(
            caller(accounts, &first_session.access_token, 1)
                .await
                .is_ok(),
            "this session goes on"
        );
        assert!(
            caller(accounts, &second_session.access_token, 1)
                .await
                .is_err(),
            "the others end"
        );

        accounts
            .request_reset("nobody@b.co", &visit(2))
            .await
            .expect("the same answer");
        accounts
            .request_reset("A@b.co", &visit(2))
            .await
            .expect("noted");
        assert_eq!(accounts.reset_requests(9).await.expect("listed").len(), 1);
        let link = accounts
            .reset_link(None, &first_session.user.id, &visit(2))
            .await
            .expect("made");
        let late = accounts
            .reset_password(&link.token, PASSWORD, false, &visit(2 + 3600))
            .await;
        assert_eq!(kind(late), Some(Kind::BadRequest));
        let link = accounts
            .reset_link(None, &first_session.user.id, &visit(3))
            .await
            .expect("made");
        assert!(
            accounts
                .reset_password(&link.token, "weak", false, &visit(3))
                .await
                .is_err()
        );
        accounts
            .reset_password(&link.token, PASSWORD, false, &visit(3))
            .await
            .expect("reset");
        assert!(
            accounts
                .reset_password(&link.token, OTHER, false, &visit(3))
                .await
                .is_err(),
            "once"
        );
        assert!(
            caller(accounts, &first_session.access_token, 3)
                .await
                .is_err(),
            "all sessions end"
        );
        assert!(accounts.login("a@b.co", PASSWORD, &visit(4)).await.is_ok());
    });
}

#[test]
fn api_keys_cannot_take_over_an_account() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let first_session = sign_in(accounts, "a@b.co").await;
        let owner = caller(accounts, &first_session.access_token, 0)
            .await
            .expect("let in");
        let (text, key) = accounts
            .create_key(&owner, new_key("ci", None), &visit(0))
            .await
            .expect("made");
        assert!(text.starts_with(&key.prefix) && key.prefix.len() < 15);
        for credential in [
            Credential::ApiKey(text.clone()),
            Credential::Bearer(text.clone()),
        ] {
            let by_key = accounts
                .authenticate(credential, visit(1).now)
                .await
                .expect("let in");
            assert_eq!((by_key.user, by_key.session), (owner.user.clone(), None));
        }
        let by_key = accounts
            .authenticate(Credential::ApiKey(text.clone()), visit(1).now)
            .await
            .expect("in");
        assert_eq!(
            kind(
                accounts
                    .create_key(&by_key, new_key("x", None), &visit(1))
                    .await
            ),
            Some(Kind::Forbidden)
        );
        let change = accounts
            .change_password(&by_key, PASSWORD, OTHER, &visit(1))
            .await;
        assert_eq!(kind(change), Some(Kind::Forbidden));
        assert_eq!(
            kind(accounts.logout(&by_key, &visit(1)).await),
            Some(Kind::BadRequest)
        );

        let keys = accounts.keys(&owner).await.expect("listed");
        assert_eq!(keys[0].last_used, Some(visit(1).now));
        let stranger = sign_in(accounts, "b@b.co").await;
        let stranger = caller(accounts, &stranger.access_token, 1)
            .await
            .expect("let in");
        let deletion = accounts
            .delete_key(&stranger, key.id.as_str(), &visit(1))
            .await;
        assert_eq!(kind(deletion), Some(Kind::Missing));
        accounts
            .delete_key(&owner, key.id.as_str(), &visit(1))
            .await
            .expect("deleted");
        assert!(
            accounts
                .authenticate(Credential::ApiKey(text), visit(1).now)
                .await
                .is_err()
        );
    });
}

#[test]
fn one_administrator_always_remains() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let admin = sign_in(accounts, "a@b.co").await;
        let user = sign_in(accounts, "b@b.co").await;
        let id = user.user.id.clone();
        let change = |role, disabled| UserChange { role, disabled };
        let by = Some(&admin.user.id);
        let last = accounts
            .change_user(
                by,
                &admin.user.id,
                change(Some(Role::User), None),
                &visit(1),
            )
            .await;
        assert_eq!(kind(last), Some(Kind::Conflict));
        caller(accounts, &user.access_token, 1)
            .await
            .expect("let in");
        accounts
            .change_user(by, &id, change(Some(Role::Admin), None), &visit(1))
            .await
            .expect("raised");
        assert_eq!(
            caller(accounts, &user.access_token, 1)
                .await
                .expect("in")
                .role,
            Role::Admin
        );
        accounts
            .change_user(by, &id, change(None, Some(true)), &visit(1))
            .await
            .expect("locked");
        assert!(caller(accounts, &user.access_token, 1).await.is_err());
        assert_eq!(
            kind(accounts.login("b@b.co", PASSWORD, &visit(1)).await),
            Some(Kind::Forbidden)
        );
        assert_eq!(
            kind(accounts.login("b@b.co", OTHER, &visit(1)).await),
            Some(Kind::SignInNeeded)
        );
        accounts
            .delete_user(by, &id, &visit(1))
            .await
            .expect("deleted");
        assert_eq!(
            kind(accounts.delete_user(by, &id, &visit(1)).await),
            Some(Kind::Missing)
        );
        assert_eq!(accounts.users(9, None).await.expect("listed").len(), 1);
        let lines = accounts.audit(50, None).await.expect("listed");
        let actions: Vec<_> = lines.iter().map(|(_, line)| line.action.as_str()).collect();
        for action in [
            "account.created",
            "session.started",
            "account.managed",
            "account.deleted",
            "login.failed",
        ] {
            assert!(actions.contains(&action), "{action} in {actions:?}");
        }
    });
}

#[test]
fn an_expired_key_is_rejected() {
    let fixture = fixture(Registration::Open);
    run(async {
        let accounts = &fixture.accounts;
        let first_session = sign_in(accounts, "a@b.co").await;
        let owner = caller(accounts, &first_session.access_token, 0)
            .await
            .expect("let in");
        for days in [0, 3_651] {
            let creation = accounts
                .create_key(&owner, new_key("ci", Some(days)), &visit(0))
                .await;
            assert_eq!(kind(creation), Some(Kind::BadInput), "{days}");
        }
        let creation = accounts
            .create_key(&owner, new_key("ci", Some(1)), &visit(0))
            .await;
        let (text, key) = creation.expect("made");
        assert_eq!(key.expires_at, Some(visit(86_400).now));
        for (second, is_accepted) in [(86_399, true), (86_410, false)] {
            let credential = Credential::ApiKey(text.clone());
            let by_key = accounts.authenticate(credential, visit(second).now).await;
            assert_eq!(by_key.is_ok(), is_accepted, "{second}");
        }
    });
}
