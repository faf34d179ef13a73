//! Share links of analyses, and what their holders see.

use super::report::ComparisonOffer;
use super::{Analyses, AnalysisReport, calls_of};
use crate::app::{Error, Result};
use crate::crypto;
use crate::domain::analysis::Analysis;
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::user::Caller;
use crate::store::analyses;

impl Analyses<'_> {
    /// Creates the token of a read-only link. An older link stops working.
    ///
    /// # Errors
    /// `Missing` when there is no such analysis of the caller; otherwise when the store fails.
    pub async fn share(&self, caller: &Caller, id: &AnalysisId) -> Result<String> {
        let token = crypto::token::new()?;
        self.set_share(caller, id, Some(crypto::token::hash(&token)))
            .await?;
        Ok(token)
    }

    /// Removes the read-only link.
    ///
    /// # Errors
    /// `Missing` when there is no such analysis of the caller; otherwise when the store fails.
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
    /// `Missing` when no analysis has this link; otherwise when the store cannot be read.
    pub async fn shared(&self, token: &str) -> Result<AnalysisReport> {
        let hash = crypto::token::hash(token);
        let found = self.store.read(move |db| analyses::by_share(db, &hash));
        let analysis = found.await?.ok_or_else(Error::missing)?;
        self.without_owner(analysis).await
    }

    /// Returns an analysis as holders of a link see it; none when the user has no such analysis.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(in crate::app) async fn shared_report(
        &self,
        user: &UserId,
        id: &AnalysisId,
    ) -> Result<Option<AnalysisReport>> {
        let (user, id) = (user.clone(), id.clone());
        let found = self
            .store
            .read(move |db| analyses::by_id(db, Some(&user), &id));
        match found.await? {
            Some(analysis) => Ok(Some(self.without_owner(analysis).await?)),
            None => Ok(None),
        }
    }

    async fn without_owner(&self, analysis: Analysis) -> Result<AnalysisReport> {
        let found = self.store.read(move |db| {
            let answers = analyses::answers_of(db, &analysis.id)?;
            let calls = calls_of(db, &analysis)?;
            Ok((analysis, answers, calls))
        });
        let (analysis, answers, calls) = found.await?;
        Ok(self.report_of(analysis, answers, calls, ComparisonOffer::Never))
    }
}
