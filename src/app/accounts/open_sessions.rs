//! Lists a user's open sessions and ends them remotely, without exposing tokens.

use super::{Accounts, RequestOrigin, require_session};
use crate::app::{Error, Result};
use crate::domain::id::SessionId;
use crate::domain::time::Timestamp;
use crate::domain::user::{Caller, Session};
use crate::store::{audit, sessions};

impl Accounts {
    /// Lists the caller's valid sessions, newest first.
    ///
    /// # Errors
    /// `Forbidden` for an API key. Also fails if the store cannot be read.
    pub async fn open_sessions(&self, caller: &Caller, now: Timestamp) -> Result<Vec<Session>> {
        require_session(caller, "list sessions")?;
        let user = caller.user.clone();
        let lookup = self.store.read(move |db| sessions::list_of(db, &user, now));
        Ok(lookup.await?)
    }

    /// Ends one of the caller's sessions at once.
    ///
    /// # Errors
    /// `Forbidden` for an API key; `Missing` if the caller has no such session. Also returns any error from the store.
    pub async fn end_session_by_id(
        &self,
        caller: &Caller,
        id: &str,
        origin: &RequestOrigin,
    ) -> Result<()> {
        require_session(caller, "end a session")?;
        let id = SessionId::parse(id).ok_or_else(Error::missing)?;
        let entry = origin.audit_entry(Some(&caller.user), "session.ended", id.as_str());
        let (user, now) = (caller.user.clone(), origin.now);
        let was_ended = self.store_with_reserve.write(move |db| {
            let is_own = sessions::by_id(db, &id)?.is_some_and(|session| session.user == user);
            if !is_own || !sessions::revoke(db, &id, now)? {
                return Ok(false);
            }
            audit::append(db, &entry)?;
            Ok(true)
        });
        if !was_ended.await? {
            return Err(Error::missing());
        }
        self.caller_cache.clear();
        Ok(())
    }

    /// Ends all of the caller's sessions except the current one. Returns their number.
    ///
    /// # Errors
    /// `Forbidden` for an API key. Also returns any error from the store.
    pub async fn end_other_sessions(
        &self,
        caller: &Caller,
        origin: &RequestOrigin,
    ) -> Result<usize> {
        require_session(caller, "end other sessions")?;
        let entry = origin.audit_entry(
            Some(&caller.user),
            "session.others_ended",
            caller.user.as_str(),
        );
        let (caller, now) = (caller.clone(), origin.now);
        let ended_count = self.store_with_reserve.write(move |db| {
            let ended_count =
                sessions::revoke_all_of(db, &caller.user, now, caller.session.as_ref())?;
            audit::append(db, &entry)?;
            Ok(ended_count)
        });
        let ended_count = ended_count.await?;
        self.caller_cache.clear();
        Ok(ended_count)
    }
}
