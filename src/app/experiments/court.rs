//! Has a model judge answers, as an analysis of its own that is priced, kept and bounded like any other. What
//! it is asked and what its words mean stands in `domain::experiment::jury`.

use std::sync::Arc;

use super::runner::over;
use crate::app::{App, Result, analyses};
use crate::crypto;
use crate::domain::analysis::{CacheUse, Status};
use crate::domain::experiment::jury::{self, Probe};
use crate::domain::experiment::pairwise::Preferred;
use crate::domain::experiment::record::Experiment;
use crate::domain::experiment::scoring::{Judge, Way};
use crate::domain::experiment::spec::PLAIN;
use crate::domain::experiment::{Bill, Case};
use crate::domain::money::MicroDollars;
use crate::domain::parameters::Parameters;
use crate::domain::user::{Caller, Role};
use crate::store::analyses as stored;

/// Tokens of a judge's reply at most: it works the question out before it compares.
pub(super) const REPLY: u32 = 2_000;
/// Tokens of what a judge is asked at most: the question, what is expected and two answers of 8,000
/// characters, and our own words.
pub(super) const ASKED: u64 = 6_000;
/// Marks that differ less are the same.
const SAME_MARK: f64 = 0.06;

/// A judge at work.
pub(super) struct Court<'a> {
    pub app: &'a Arc<App>,
    pub experiment: &'a Experiment,
    pub judge: &'a Judge,
}

/// What came of judging.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Opinion<T> {
    /// The verdict, or why there is none.
    pub said: std::result::Result<T, Silence>,
    /// What it took.
    pub bill: Bill,
    /// The other order changed the verdict.
    pub flipped: bool,
}

/// Why a judge said nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Silence {
    /// It could not be asked, or did not answer.
    Failed(String),
    /// It answered, and that cannot be read.
    Unreadable(&'static str),
}

impl Court<'_> {
    /// Which of two answers is better: asked in both orders, a flip being a tie.
    pub async fn compare(
        &self,
        case: &Case,
        first: &str,
        second: &str,
    ) -> Result<Opinion<Preferred>> {
        if self.judge.kind == Way::Rubric {
            return self.compare_marks(case, first, second).await;
        }
        let nonce = nonce()?;
        let once = self
            .ask(jury::pairwise(case, first, second, &nonce))
            .await?;
        let (once, mut bill) = (once.0.and_then(|text| read(jury::preferred(&text))), once.1);
        if let Err(silence) = once {
            return Ok(silent(silence, bill));
        }
        let turned = self
            .ask(jury::pairwise(case, second, first, &nonce))
            .await?;
        bill = bill.plus(turned.1);
        let turned = turned.0.and_then(|text| read(jury::preferred(&text)));
        Ok(match (once, turned) {
            (Ok(once), Ok(turned)) => Opinion {
                said: Ok(Preferred::of_both_orders(once, turned)),
                flipped: once != turned.turned(),
                bill,
            },
            (Err(silence), _) | (_, Err(silence)) => silent(silence, bill),
        })
    }

    /// The marks of one answer, 0 to 1.
    pub async fn marks(&self, case: &Case, answer: &str) -> Result<Opinion<f64>> {
        let (text, bill) = self.ask(jury::rubric(case, answer, &nonce()?)).await?;
        Ok(Opinion {
            said: text.and_then(|text| read(jury::marks(&text))),
            flipped: false,
            bill,
        })
    }

    /// Whether the judge is taken in by a planted bias; none where it said nothing.
    pub async fn is_taken_in(&self, case: &Case, probe: &Probe) -> Result<(Option<bool>, Bill)> {
        let opinion = self.compare(case, &probe.first, &probe.second).await?;
        let taken = opinion.said.ok().map(|said| jury::is_taken_in(probe, said));
        Ok((taken, opinion.bill))
    }

    async fn compare_marks(
        &self,
        case: &Case,
        first: &str,
        second: &str,
    ) -> Result<Opinion<Preferred>> {
        let one = self.marks(case, first).await?;
        let other = self.marks(case, second).await?;
        let bill = one.bill.plus(other.bill);
        Ok(match (one.said, other.said) {
            (Ok(one), Ok(other)) => Opinion {
                said: Ok(match one - other {
                    apart if apart > SAME_MARK => Preferred::First,
                    apart if apart < -SAME_MARK => Preferred::Second,
                    _ => Preferred::Neither,
                }),
                flipped: false,
                bill,
            },
            (Err(silence), _) | (_, Err(silence)) => silent(silence, bill),
        })
    }

    async fn ask(&self, prompt: String) -> Result<(std::result::Result<String, Silence>, Bill)> {
        let wanted = analyses::Wanted {
            prompt,
            models: vec![self.judge.model.clone()],
            pattern: Some(PLAIN.to_owned()),
            parameters: Parameters {
                max_tokens: Some(REPLY),
                ..Parameters::default()
            },
            cache: CacheUse::On,
            detached: true,
            topic: Some("experiment".to_owned()),
            experiment: Some(self.experiment.id.clone()),
            ..analyses::Wanted::default()
        };
        let caller = Caller {
            user: self.experiment.user.clone(),
            role: Role::User,
            session: None,
        };
        let analyses = self.app.analyses();
        let id = match analyses.start_for(&caller, wanted, |_, _| Ok(())).await {
            Ok(id) => id,
            Err(error) => return Ok((Err(Silence::Failed(error.public)), Bill::default())),
        };
        over(self.app, &id).await?;
        let (user, wanted) = (self.experiment.user.clone(), id);
        let read = self
            .app
            .store
            .read(move |db| stored::by_id(db, Some(&user), &wanted));
        let Some(done) = read.await? else {
            let why = "its analysis was deleted".to_owned();
            return Ok((Err(Silence::Failed(why)), Bill::default()));
        };
        let bill = Bill {
            cost: done.cost,
            tokens: done.usage.input + done.usage.output,
        };
        let said = match (done.status, done.synthesis) {
            (Status::Completed, Some(text)) => Ok(text),
            (_, _) => Err(Silence::Failed(
                done.error.unwrap_or_else(|| "it did not answer".to_owned()),
            )),
        };
        Ok((said, bill))
    }
}

fn silent<T>(silence: Silence, bill: Bill) -> Opinion<T> {
    Opinion {
        said: Err(silence),
        flipped: false,
        bill,
    }
}

fn read<T>(said: std::result::Result<T, &'static str>) -> std::result::Result<T, Silence> {
    said.map_err(Silence::Unreadable)
}

fn nonce() -> Result<String> {
    Ok(crypto::hex(&crypto::random_number()?.to_be_bytes()[..8]))
}

/// What judging one answer may take at most; none where the judge's price is not known.
pub(super) fn most(judge: &Judge, price: Option<crate::domain::money::Price>) -> Option<Bill> {
    let usage = crate::domain::chat::Usage {
        input: ASKED,
        output: REPLY.into(),
        ..Default::default()
    };
    let calls = match judge.kind {
        Way::Pairwise => 2,
        Way::Rubric => 1,
    };
    Some(Bill {
        cost: MicroDollars(price?.cost(&usage).0 * calls),
        tokens: (ASKED + u64::from(REPLY)) * calls as u64,
    })
}
