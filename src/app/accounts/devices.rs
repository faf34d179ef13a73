//! Device cookies: proof that a browser has signed in before. A cookie holds one token for each of the browser's most
//! recent accounts. A token identifies the device by the session in which it was issued, or by a new ID at
//! registration, and outlives that session.

use super::{Accounts, RequestOrigin, random_number};
use crate::app::Result;
use crate::crypto::device::DeviceToken;
use crate::domain::id::SessionId;
use crate::domain::user::User;
use crate::store::users;

/// Lifetime of the device cookie, in seconds: 365 days.
pub const DEVICE_TOKEN_LIFETIME: u64 = 365 * 24 * 3600;
/// Maximum number of accounts whose tokens a device cookie holds.
const MAX_ACCOUNTS: usize = 4;
/// Separator between the tokens in a cookie.
const SEPARATOR: char = '~';

impl Accounts {
    /// Returns the device that a device cookie identifies, without checking its account; `None` if the cookie contains
    /// no token issued by this installation.
    pub fn known_device_session(&self, cookie: &str) -> Option<SessionId> {
        let mut tokens = self.tokens_in_cookie(cookie);
        tokens.find_map(|token| SessionId::parse(token.device))
    }

    /// Returns the device cookie for a browser that has just registered an account.
    ///
    /// # Errors
    /// Returns an error if the system provides no random numbers.
    pub fn first_device_cookie(&self, user: &User, origin: &RequestOrigin) -> Result<String> {
        let device = SessionId::new(origin.now, random_number()?);
        Ok(self.device_cookie(user, &device, origin))
    }

    /// Returns the device cookie for a browser that has just proved this account's password. It also keeps the tokens
    /// for other accounts from the request's cookie, up to the maximum.
    pub(super) fn device_cookie(
        &self,
        user: &User,
        device: &SessionId,
        origin: &RequestOrigin,
    ) -> String {
        let (id, device) = (user.id.as_str(), device.as_str());
        let mut cookie = self.device_cookie.token(id, device, &user.password_hash);
        let kept_tokens = self.tokens_in_cookie(&origin.devices);
        for token in kept_tokens
            .filter(|token| token.user != id)
            .take(MAX_ACCOUNTS - 1)
        {
            cookie.push(SEPARATOR);
            cookie.push_str(token.text);
        }
        cookie
    }

    /// Returns the device that sent this request, if it has signed in to the account since the account's last password
    /// change.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub(super) async fn known_device(
        &self,
        account: &str,
        origin: &RequestOrigin,
    ) -> Result<Option<SessionId>> {
        // The signature is checked first, so that a forged token does not cost a query.
        if self.known_device_session(&origin.devices).is_none() {
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
        let mut tokens = self.tokens_in_cookie(&origin.devices);
        let matching = tokens.find(|token| {
            token.user == user.id.as_str()
                && self.device_cookie.is_current(token, &user.password_hash)
        });
        Ok(matching.and_then(|token| SessionId::parse(token.device)))
    }

    fn tokens_in_cookie<'a>(&'a self, cookie: &'a str) -> impl Iterator<Item = DeviceToken<'a>> {
        let texts = cookie.split(SEPARATOR).take(MAX_ACCOUNTS);
        texts.filter_map(|text| self.device_cookie.read(text))
    }
}
