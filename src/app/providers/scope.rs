//! Owner of the providers that a request concerns, and the recorded author of a change.

use crate::app::Result;
use crate::app::accounts::require_session;
use crate::domain::id::UserId;
use crate::domain::user::Caller;

/// Whose providers a request concerns.
#[derive(Debug, Clone)]
pub enum ProviderScope {
    /// The shared providers, managed by this administrator; `None` for the command line.
    Shared(Option<UserId>),
    /// This user's own providers.
    Own(UserId),
}

impl ProviderScope {
    /// Selects the caller's own providers.
    ///
    /// # Errors
    /// `Forbidden` if the caller uses an API key.
    pub fn own(caller: &Caller) -> Result<Self> {
        require_session(caller, "change providers")?;
        Ok(Self::Own(caller.user.clone()))
    }

    pub(super) fn owner(&self) -> Option<&UserId> {
        match self {
            Self::Shared(_) => None,
            Self::Own(user) => Some(user),
        }
    }

    pub(super) fn actor(&self) -> Option<&UserId> {
        match self {
            Self::Shared(actor) => actor.as_ref(),
            Self::Own(user) => Some(user),
        }
    }
}
