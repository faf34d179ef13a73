//! Keeps runs within their budgets: sets aside in memory what calls may take at most, and lets go of it
//! when what they really took has been stored. What fits is the domain's to say.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock;
use crate::domain::analysis::{Member, Plan, StageAnswer};
use crate::domain::id::UserId;
use crate::domain::money::{MicroDollars, Price};
use crate::domain::pattern::{CallId, Claim};
use crate::domain::usage::{Amount, Limits, Over, Spent, allow, allow_run};
use crate::store::{Store, StoreError, budgets, usage};

/// Prices and budget of one run, as they stood when it was planned.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    prices: BTreeMap<String, Price>,
    /// What the run may cost in all.
    budget: Option<MicroDollars>,
    /// What it had cost before the last stop of the server.
    spent: MicroDollars,
}

impl Terms {
    /// Those of a plan of which these calls have been made.
    pub fn of(plan: &Plan, answers: &[StageAnswer]) -> Self {
        let planned = plan.members.iter().chain([&plan.synthesiser]);
        let all = planned.flat_map(|member| std::iter::once(member).chain(&member.fallbacks));
        let priced = |member: &Member| Some((member.model.clone(), member.price?));
        let costs = answers.iter().flat_map(|answer| {
            let earlier = answer.earlier.iter().map(|one| one.cost);
            earlier.chain([answer.cost]).flatten()
        });
        Self {
            prices: all.filter_map(priced).collect(),
            budget: plan.budget,
            spent: costs.fold(MicroDollars(0), MicroDollars::plus),
        }
    }

    /// A model's price, where it is known.
    pub fn price(&self, model: &str) -> Option<Price> {
        self.prices.get(model).copied()
    }
}

/// A person's standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Their own limits, else the installation's.
    pub limits: Limits,
    /// What is spent.
    pub spent: Spent,
    /// What is set aside for calls under way.
    pub reserved: Amount,
}

/// What is set aside for everybody. One process has one.
pub(super) struct Book {
    store: Store,
    /// For whom nothing else is said.
    limits: Limits,
    reserved: Mutex<HashMap<UserId, Amount>>,
    /// Held from the look at what is spent until more is set aside: two runs must not be granted the same
    /// money.
    granting: tokio::sync::Mutex<()>,
}

impl Book {
    pub fn new(store: Store, limits: Limits) -> Self {
        Self {
            store,
            limits,
            reserved: Mutex::default(),
            granting: tokio::sync::Mutex::default(),
        }
    }

    /// Where a person stands now.
    pub async fn standing(&self, user: &UserId) -> Result<Standing, StoreError> {
        // Looked at before the store: what is let go of meanwhile has been stored by then, so that it is
        // counted twice at worst, and never not at all.
        let reserved = self.reserved().get(user).copied().unwrap_or_default();
        let (id, default, today) = (user.clone(), self.limits, clock::now().day());
        let look = self.store.read(move |db| {
            let limits = budgets::of_user(db, &id)?.unwrap_or(default);
            Ok((limits, usage::spent(db, &id, today)?))
        });
        let (limits, spent) = look.await?;
        Ok(Standing {
            limits,
            spent,
            reserved,
        })
    }

    /// Sets aside what a person's limits allow. False where they have none, and nothing is set aside.
    async fn grant(
        &self,
        user: &UserId,
        wanted: Amount,
        unpriced: Option<&str>,
    ) -> Result<bool, String> {
        let unread = |_| "the budgets could not be read".to_owned();
        // Who has no limits need not stand in line with those who have.
        let limits = self.standing(user).await.map_err(unread)?.limits;
        if limits == Limits::default() {
            return Ok(false);
        }
        let _granting = self.granting.lock().await;
        let standing = self.standing(user).await;
        let Standing {
            limits,
            spent,
            reserved,
        } = standing.map_err(unread)?;
        if let (Some(model), true) = (unpriced, limits.bound_cost()) {
            return Err(unknown_price(model));
        }
        allow(&limits, &spent, reserved, wanted, clock::now()).map_err(|over| over.to_string())?;
        let mut all = self.reserved();
        let sum = all.entry(user.clone()).or_default();
        *sum = sum.plus(wanted);
        Ok(true)
    }

    fn let_go(&self, user: &UserId, amount: Amount) {
        let mut all = self.reserved();
        if let Some(sum) = all.get_mut(user) {
            *sum = sum.less(amount);
            if *sum == Amount::default() {
                all.remove(user);
            }
        }
    }

    /// People for whom something is set aside.
    #[cfg(test)]
    pub fn holders(&self) -> usize {
        self.reserved().len()
    }

    fn reserved(&self) -> MutexGuard<'_, HashMap<UserId, Amount>> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is set aside for something that is no run, until this is dropped.
pub struct Aside {
    book: Arc<Book>,
    user: UserId,
    amount: Amount,
}

impl Aside {
    pub(super) async fn of(book: Arc<Book>, user: &UserId, amount: Amount) -> Result<Self, String> {
        let is_bound = book.grant(user, amount, None).await?;
        Ok(Self {
            book,
            user: user.clone(),
            amount: if is_bound { amount } else { Amount::default() },
        })
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.book.let_go(&self.user, self.amount);
    }
}

/// What one run has set aside. Dropping it lets go of all.
pub(super) struct Purse {
    book: Arc<Book>,
    user: Option<UserId>,
    budget: Option<MicroDollars>,
    spent: MicroDollars,
    open: BTreeMap<CallId, Held>,
    /// The budget of the run's API key, where it has one.
    key: Option<Box<dyn KeyFunds>>,
    /// Of calls that are over and not stored yet.
    over: Amount,
}

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    /// Towards the person's budgets: the house's money, and tokens.
    amount: Amount,
    /// Towards the run's.
    cost: MicroDollars,
    /// Output tokens.
    output: u64,
    /// A budget binds it.
    is_bound: bool,
}

/// Money of an API key's budget that is set aside for a run until this is dropped.
pub trait KeyFunds: Send + Sync {
    /// Sets aside more.
    ///
    /// # Errors
    /// When the key's budget has no room for it.
    fn extend(&self, cost: MicroDollars) -> Result<(), String>;
}

impl Purse {
    pub fn new(book: Arc<Book>, user: Option<UserId>, terms: &Terms) -> Self {
        Self {
            book,
            user,
            key: None,
            budget: terms.budget,
            spent: terms.spent,
            open: BTreeMap::new(),
            over: Amount::default(),
        }
    }

    /// Bound by the budget of an API key too.
    pub fn with_key(mut self, key: Option<Box<dyn KeyFunds>>) -> Self {
        self.key = key;
        self
    }

    /// Sets aside what these calls may take, each with whether its person pays it, or says why not. What has
    /// ended must have been stored before.
    pub async fn reserve(&mut self, calls: &[(Claim, bool)]) -> Result<(), String> {
        let held: Vec<(CallId, Held)> = calls.iter().map(held).collect();
        let wanted = held
            .iter()
            .fold(Held::default(), |sum, (_, one)| sum.plus(one));
        let open = self.open.values().fold(Held::default(), Held::plus);
        let used = self.spent.plus(open.cost);
        allow_run(self.budget, used, wanted.cost).map_err(|over: Over| over.to_string())?;
        let unpriced = |of_house: bool| {
            let mut calls = calls.iter();
            let found = calls.find(|(claim, own)| claim.cost.is_none() && !(of_house && *own));
            found.map(|(claim, _)| claim.model.as_str())
        };
        if let (Some(model), Some(_)) = (unpriced(false), self.budget) {
            return Err(unknown_price(model));
        }
        let mut is_bound = self.budget.is_some() || self.key.is_some();
        if let Some(user) = &self.user {
            is_bound |= self.book.grant(user, wanted.amount, unpriced(true)).await?;
        }
        for ((call, held), (claim, _)) in held.into_iter().zip(calls) {
            let sum = self.open.entry(call).or_default();
            *sum = sum.plus(&held);
            sum.output = sum.output.saturating_add(claim.output);
            sum.is_bound |= is_bound;
        }
        Ok(())
    }

    /// Output tokens that are reserved for a call; none where no budget binds it.
    pub fn reserved_output(&self, call: CallId) -> Option<u64> {
        let held = self.open.get(&call).filter(|held| held.is_bound);
        held.map(|held| held.output)
    }

    /// Reserves more output for a call under way.
    ///
    /// # Errors
    /// When a budget has no room for it.
    pub async fn extend(&mut self, more: Claim, own_key: bool) -> Result<(), String> {
        if let Some(key) = &self.key {
            key.extend(more.cost.unwrap_or_default())?;
        }
        self.reserve(&[(more, own_key)]).await
    }

    /// A call is over and cost this much.
    pub fn close(&mut self, call: CallId, cost: MicroDollars) {
        self.spent = self.spent.plus(cost);
        if let Some(held) = self.open.remove(&call) {
            self.over = self.over.plus(held.amount);
        }
    }

    /// Calls are over that have not been stored.
    pub fn is_waiting(&self) -> bool {
        self.over != Amount::default()
    }

    /// What the calls took that are over has been stored.
    pub fn stored(&mut self) {
        let over = std::mem::take(&mut self.over);
        if let Some(user) = &self.user {
            self.book.let_go(user, over);
        }
    }
}

impl Drop for Purse {
    fn drop(&mut self) {
        let open = std::mem::take(&mut self.open);
        let open = open.values().fold(Held::default(), Held::plus);
        self.over = self.over.plus(open.amount);
        self.stored();
    }
}

impl Held {
    fn plus(self, other: &Self) -> Self {
        Self {
            amount: self.amount.plus(other.amount),
            cost: self.cost.plus(other.cost),
            ..self
        }
    }
}

fn unknown_price(model: &str) -> String {
    format!("the price of {model} is not known, so a budget in dollars cannot be kept")
}

fn held((claim, own_key): &(Claim, bool)) -> (CallId, Held) {
    let cost = claim.cost.unwrap_or_default();
    let amount = Amount {
        cost: if *own_key { MicroDollars(0) } else { cost },
        tokens: claim.input.saturating_add(claim.output),
    };
    let held = Held {
        amount,
        cost,
        ..Held::default()
    };
    (claim.call, held)
}

#[cfg(test)]
mod tests;
