//! Tests random runs against a shared store: whatever happens to their calls, nothing stays reserved and no budget is
//! exceeded by more than the margin.

use proptest::prelude::*;

use super::*;
use crate::domain::chat::{CallBill, Usage};
use crate::domain::id::AnalysisId;
use crate::domain::money::Price;
use crate::domain::pattern::CallId;
use crate::domain::time::Timestamp;
use crate::domain::usage::{CallCharge, CallEnd, RESERVATION_MARGIN_PERCENT};
use crate::domain::user::{Role, User};
use crate::store::{StoreSettings, call_log, users};

const TEST_PRICE: Price = Price {
    input: 1.0,
    output: 1.0,
    cached_input: None,
    long: None,
};

/// A temporary folder, deleted on drop.
pub struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Creates an empty store with one user.
pub fn store() -> (Folder, Store, UserId) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("quire-budget-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    let settings = StoreSettings {
        path: path.join("quire.db"),
    };
    let store = Store::open(&settings).unwrap();
    let id = UserId::new(Timestamp::from_millis(1), 1);
    let user = User {
        id: id.clone(),
        email: "ada@example.org".into(),
        name: String::new(),
        role: Role::User,
        disabled: false,
        created: Timestamp::from_millis(1),
        last_login: None,
        password_hash: String::new(),
    };
    store.write_now(move |db| users::insert(db, &user)).unwrap();
    (Folder(path), store, id)
}

/// Creates a ledger with these default limits.
pub fn ledger(store: &Store, limits: UserLimits) -> Arc<ReservationLedger> {
    let shared = SharedReservations::new(store.clone());
    Arc::new(ReservationLedger::new(store.clone(), limits, shared))
}

fn call_of(member: usize, tokens: u64) -> (CallReservation, bool) {
    let call = CallId { stage: 0, member };
    let claim = CallReservation {
        call,
        model: "p/m".into(),
        input_tokens: tokens,
        output_tokens: 0,
        cost: Some(MicroDollars(tokens as i64)),
    };
    (claim, false)
}

/// Stores a call's usage as the journal does.
fn record_usage(store: &Store, user: &UserId, call: CallId, tokens: u64, ended: CallEnd) {
    let charge = charge(call, tokens, ended);
    let (user, analysis) = (user.clone(), AnalysisId::new(clock::now(), 1));
    let stored = store.write_now(move |db| {
        call_log::insert(db, Some(&user), &analysis, &charge)?;
        usage::add(db, &user, clock::now().day(), &charge);
        Ok(())
    });
    stored.unwrap();
}

/// Returns the charge for a call with this many input tokens.
pub fn charge(call: CallId, tokens: u64, ended: CallEnd) -> CallCharge {
    CallCharge {
        call,
        model: "p/m".into(),
        started_at: clock::now(),
        outcome: ended,
        bill: CallBill {
            usage: Usage {
                input: tokens,
                ..Usage::default()
            },
            tries: 1,
            ..CallBill::default()
        },
        price: Some(TEST_PRICE),
        own_key: false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_order_ends_with_nothing_reserved_and_within_the_cap(
        steps in proptest::collection::vec((0usize..3, 0usize..4, 1u64..400, 0u64..=100 + RESERVATION_MARGIN_PERCENT, any::<bool>()), 1..40),
        cap in 100u64..2000,
        run_cap in 100i64..2000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_folder, store, user) = store();
            let limits = UserLimits { day_tokens: Some(cap), ..UserLimits::default() };
            let book = ledger(&store, limits);
            let terms = RunTerms { budget: Some(MicroDollars(run_cap)), ..RunTerms::default() };
            let mut run_reservations: Vec<BudgetReservation> = (0..3)
                .map(|_| BudgetReservation::new(book.clone(), Some(user.clone()), &terms))
                .collect();
            // Granted calls in progress, by run.
            let mut open_calls: Vec<Vec<(CallId, u64)>> = vec![Vec::new(); 3];
            let mut of_run = [0u64; 3];
            for (number, (run, what, tokens, percent, flushes)) in steps.into_iter().enumerate() {
                match what {
                    // A stage or a fallback model starts a call.
                    0 | 1 => {
                        let claim = call_of(number, tokens);
                        let call = claim.0.call;
                        if run_reservations[run].reserve(&[claim]).await.is_ok() {
                            open_calls[run].push((call, tokens));
                        }
                    }
                    // A call ends: it is answered, fails, or is stopped. Its bill is close to its reservation.
                    2 => if let Some((call, reserved)) = open_calls[run].pop() {
                        let took = reserved * percent / 100;
                        record_usage(&store, &user, call, took, CallEnd::Failed);
                        run_reservations[run].close(call, MicroDollars(took as i64));
                        of_run[run] += took;
                        if flushes {
                            run_reservations[run].release_stored();
                        }
                    }
                    // The run is over, so its open calls no longer cost anything.
                    _ => {
                        open_calls[run].clear();
                        of_run[run] = 0;
                        run_reservations[run] = BudgetReservation::new(book.clone(), Some(user.clone()), &terms);
                    }
                }
            }
            let (id, today) = (user.clone(), clock::now().day());
            let user_spending = store.read(move |db| usage::spent(db, &id, today)).await.unwrap();
            let with_margin = |cap: u64| cap + cap * RESERVATION_MARGIN_PERCENT / 100;
            assert!(user_spending.day.tokens <= with_margin(cap), "{user_spending:?} of {cap}");
            assert!(of_run.iter().all(|took| *took <= with_margin(run_cap as u64)), "{of_run:?}");
            drop(run_reservations);
            assert_eq!(book.holder_count(), 0);
            store.close().await;
        });
    }
}

#[test]
fn unpriced_calls_are_refused_under_a_dollar_limit() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (_folder, store, user) = store();
        for (limits, budget, own_key, refused) in [
            (UserLimits::default(), None, false, false),
            (UserLimits::default(), Some(9), false, true),
            (UserLimits::default(), Some(9), true, true),
            (daily_limits(9), None, false, true),
            (daily_limits(9), None, true, false),
        ] {
            let book = ledger(&store, limits);
            let terms = RunTerms {
                budget: budget.map(MicroDollars),
                ..RunTerms::default()
            };
            let mut reservation = BudgetReservation::new(book, Some(user.clone()), &terms);
            let mut claim = call_of(0, 5);
            claim.0.cost = None;
            claim.1 = own_key;
            let result = reservation.reserve(&[claim]).await;
            assert_eq!(result.is_err(), refused, "{limits:?} {budget:?} {own_key}");
            if let Err(reason) = result {
                assert!(reason.contains("p/m"), "{reason}");
            }
        }
        store.close().await;
    });
}

fn daily_limits(micro: i64) -> UserLimits {
    UserLimits {
        day_cost: Some(MicroDollars(micro)),
        ..UserLimits::default()
    }
}

/// The user has no limits at first, and gets some while the usage of the first call is still unstored.
#[tokio::test]
async fn only_calls_of_a_user_with_limits_hold_and_release_a_reservation() {
    let (_folder, store, user) = store();
    let ledger = ledger(&store, UserLimits::default());
    let terms = RunTerms::default();
    let reserved = async |tokens: u64| {
        let mut reservation = BudgetReservation::new(ledger.clone(), Some(user.clone()), &terms);
        reservation.reserve(&[call_of(0, tokens)]).await.unwrap();
        reservation.close(call_of(0, tokens).0.call, MicroDollars(1));
        reservation
    };
    let without_limits = reserved(50).await;
    assert!(
        !without_limits.holds_budget(),
        "the usage may be stored with that of later calls"
    );
    let (id, limits) = (user.clone(), daily_limits(1000));
    let stored = store.write(move |db| budgets::put(db, &id, &limits)).await;
    stored.unwrap();
    ledger.budgets_changed();
    let with_limits = reserved(70).await;
    assert!(with_limits.holds_budget());
    let amount = async || ledger.status(&user).await.unwrap().reserved_amount.tokens;
    assert_eq!(amount().await, 70);
    drop(without_limits);
    assert_eq!(amount().await, 70, "that call had reserved nothing");
    drop(with_limits);
    assert_eq!(amount().await, 0);
}
