//! Reads usage without a running server, for the command line.

use crate::app::usage::no_account_error;
use crate::app::{Result, folder};
use crate::config::Config;
use crate::domain::usage::format_day;
use crate::store::usage::{DailyUsage, UserUsage};
use crate::store::{Store, usage, users};

/// Reads usage figures for the command line. Opens only the store.
pub struct OfflineUsage(Store);

impl OfflineUsage {
    /// Opens the installation's store; works while the server is running.
    ///
    /// # Errors
    /// Same as [`folder::open_existing`].
    pub fn open(config: &Config) -> Result<Self> {
        Ok(Self(folder::open_existing(config)?.store))
    }

    /// Returns one user's usage, newest day first, labeled with day and model.
    ///
    /// # Errors
    /// `Missing` if there is no such account.
    pub async fn for_user(
        &self,
        email: &str,
        from: i64,
        to: i64,
    ) -> Result<Vec<(String, DailyUsage)>> {
        let email = email.trim().to_lowercase();
        let found = self.0.read(move |db| match users::by_email(db, &email)? {
            Some(user) => usage::for_user(db, &user.id, from, to).map(Some),
            None => Ok(None),
        });
        let rows = found.await?.ok_or_else(no_account_error)?;
        let labeled = |row: DailyUsage| (format!("{}  {}", format_day(row.day), row.model), row);
        Ok(rows.into_iter().map(labeled).collect())
    }

    /// Returns the totals of all users, most expensive first, labeled with the email address.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn for_all_users(&self, from: i64, to: i64) -> Result<Vec<(String, DailyUsage)>> {
        let found = self.0.read(move |db| {
            let mut labeled = Vec::new();
            for UserUsage { user, sum } in usage::of_all(db, from, to)? {
                let email = users::by_id(db, &user)?.map(|user| user.email);
                labeled.push((email.unwrap_or_default(), sum));
            }
            Ok(labeled)
        });
        Ok(found.await?)
    }

    /// Closes the store.
    pub async fn close(self) {
        self.0.close().await;
    }
}
