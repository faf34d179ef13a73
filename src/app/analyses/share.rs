//! Creates and removes share links to analyses, and shows an analysis to people who have such a link.

use super::report::ComparisonOffer;
use super::{Analyses, AnalysisReport, calls_of};
use crate::app::{Error, Result};
use crate::crypto;
use crate::domain::analysis::Analysis;
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::user::Caller;
use crate::store::analyses;

impl Analyses<'_> {
    /// Creates the token for a read-only link. Any older link stops working.
    ///
    /// # Errors
    /// `Missing` if the caller has no such analysis. Also returns any error from the store.
    pub async fn share(&self, caller: &Caller, id: &AnalysisId) -> Result<String> {
        let token = crypto::token::new()?;
        self.set_share(caller, id, Some(crypto::token::hash(&token)))
            .await?;
        Ok(token)
    }

    /// Removes the read-only link, which then stops working.
    ///
    /// # Errors
    /// `Missing` if the caller has no such analysis. Also returns any error from the store.
    pub async fn unshare(&self, caller: &Caller, id: &AnalysisId) -> Result<()> {
        self.set_share(caller, id, None).await
    }

    async fn set_share(
        &self,
        caller: &Caller,
        id: &AnalysisId,
        hash: Option<[u8; 32]>,
    ) -> Result<()> {
        let (user, id) = (caller.user.clone(), id.clone());
        Ok(self
            .store
            .write(move |db| analyses::set_share(db, &user, &id, hash.as_ref()))
            .await?)
    }

    /// Returns the analysis that a share link shows.
    ///
    /// # Errors
    /// `Missing` if no analysis has this link. Also fails if the store cannot be read.
    pub async fn find_shared(&self, token: &str) -> Result<AnalysisReport> {
        let hash = crypto::token::hash(token);
        let lookup = self
            .store
            .read(move |db| analyses::by_share_link(db, &hash));
        let analysis = lookup.await?.ok_or_else(Error::missing)?;
        self.without_owner(analysis).await
    }

    /// Returns an analysis as people with a share link see it; `None` if the user has no such analysis.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub(in crate::app) async fn shared_report(
        &self,
        user: &UserId,
        id: &AnalysisId,
    ) -> Result<Option<AnalysisReport>> {
        let (user, id) = (user.clone(), id.clone());
        let lookup = self
            .store
            .read(move |db| analyses::by_id(db, Some(&user), &id));
        match lookup.await? {
            Some(analysis) => Ok(Some(self.without_owner(analysis).await?)),
            None => Ok(None),
        }
    }

    async fn without_owner(&self, analysis: Analysis) -> Result<AnalysisReport> {
        let lookup = self.store.read(move |db| {
            let answers = analyses::answers_of(db, &analysis.id)?;
            let calls = calls_of(db, &analysis)?;
            Ok((analysis, answers, calls))
        });
        let (analysis, answers, calls) = lookup.await?;
        Ok(self.report_of(analysis, answers, calls, ComparisonOffer::Never))
    }
}
