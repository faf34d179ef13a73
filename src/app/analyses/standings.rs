//! Catalog ranks and the user's own scores of a panel's members, read when a run is planned.

use super::Analyses;
use crate::app::Result;
use crate::domain::id::UserId;
use crate::domain::model::Model;
use crate::domain::standing::MemberTrackRecord;
use crate::store::model_records;

impl Analyses<'_> {
    /// Returns the catalog rank and the user's own scores of each model, in the order of `models`.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) async fn member_standings(
        &self,
        user: Option<&UserId>,
        models: &[Model],
    ) -> Result<Vec<MemberTrackRecord>> {
        let records = match user {
            // A single model is not compared with anything, so its record is not needed.
            Some(user) if models.len() > 1 => {
                let user = user.clone();
                let ids: Vec<String> = models.iter().map(|model| model.id.to_string()).collect();
                let read = self.store.read(move |db| {
                    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                    model_records::for_user(db, &user, &ids)
                });
                read.await?
            }
            _ => model_records::ModelRecords::default(),
        };
        let standing = |model: &Model| MemberTrackRecord {
            strength: model.strength,
            experiments: records
                .experiments
                .get(&model.id)
                .copied()
                .unwrap_or_default(),
            votes: records.votes.get(&model.id).copied().unwrap_or_default(),
        };
        Ok(models.iter().map(standing).collect())
    }
}
