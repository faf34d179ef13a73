//! Browsers that have signed in before, by the token of their cookie. A browser keeps the tokens of its last few
//! accounts. A device is named after the session in which its token was issued, and outlives it.

use super::{Accounts, RequestOrigin, chance};
use crate::app::Result;
use crate::crypto::device::DeviceToken;
use crate::domain::id::SessionId;
use crate::domain::user::User;
use crate::store::users;

/// How long a browser keeps its tokens, in seconds: 365 days.
pub const DEVICE_LENGTH: u64 = 365 * 24 * 3600;
/// Limit on accounts of which one browser keeps the token.
const MAX_ACCOUNTS: usize = 4;
/// Between two tokens in a cookie.
const SEPARATOR: char = '~';

impl Accounts {
    /// The device that a cookie names, whatever its account; `None` unless we issued it.
    pub fn device(&self, cookie: &str) -> Option<SessionId> {
        let mut tokens = self.tokens_in(cookie);
        tokens.find_map(|token| SessionId::parse(token.device))
    }

    /// The cookie for a browser that has just made this account.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new_device(&self, user: &User, visit: &RequestOrigin) -> Result<String> {
        let device = SessionId::new(visit.now, chance()?);
        Ok(self.device_cookie(user, &device, visit))
    }

    /// The cookie for a browser that has shown this account's password, with its tokens of other accounts.
    pub(super) fn device_cookie(
        &self,
        user: &User,
        device: &SessionId,
        visit: &RequestOrigin,
    ) -> String {
        let (id, device) = (user.id.as_str(), device.as_str());
        let mut cookie = self.devices.token(id, device, &user.password_hash);
        let others = self.tokens_in(&visit.devices);
        for other in others
            .filter(|token| token.user != id)
            .take(MAX_ACCOUNTS - 1)
        {
            cookie.push(SEPARATOR);
            cookie.push_str(other.text);
        }
        cookie
    }

    /// The device of this request, if it has signed in to the account with the password it has now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn known_device(
        &self,
        account: &str,
        visit: &RequestOrigin,
    ) -> Result<Option<SessionId>> {
        // The seal is checked first: a forged token costs no query.
        if self.device(&visit.devices).is_none() {
            return Ok(None);
        }
        let email = account.to_owned();
        let user = self
            .store
            .read(move |db| users::by_email(db, &email))
            .await?;
        let Some(user) = user else {
            return Ok(None);
        };
        let mut tokens = self.tokens_in(&visit.devices);
        let known = tokens.find(|token| {
            token.user == user.id.as_str() && self.devices.is_current(token, &user.password_hash)
        });
        Ok(known.and_then(|token| SessionId::parse(token.device)))
    }

    fn tokens_in<'a>(&'a self, cookie: &'a str) -> impl Iterator<Item = DeviceToken<'a>> {
        let texts = cookie.split(SEPARATOR).take(MAX_ACCOUNTS);
        texts.filter_map(|text| self.devices.read(text))
    }
}
