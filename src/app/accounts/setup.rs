//! Who becomes the first administrator. Where only this machine can connect, whoever registers first. Elsewhere only
//! whoever shows the setup token: a stranger who comes first, or after the disk has vanished, gets an ordinary account.

use crate::app::{Error, Kind, Result};
use crate::config::Config;
use crate::crypto::{self, token};

/// The rule of an installation.
#[derive(Clone)]
pub enum FirstAdminRule {
    /// The first account becomes the administrator.
    FirstCome,
    /// An account becomes the administrator only with this token, and only while there is none.
    Token {
        /// The token.
        token: String,
        /// It was made for this process, and is in no setting.
        is_made: bool,
    },
}

/// What a registration asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum AdminClaim {
    /// To be the administrator where nobody has an account yet.
    FirstCome,
    /// The same, from elsewhere through a proxy: an ordinary account, and refused where nobody has one yet.
    FromElsewhere,
    /// An ordinary account.
    Ordinary,
    /// To be the administrator, with the right token.
    Setup,
}

impl FirstAdminRule {
    /// As the settings say; makes a token where one is needed and none is set.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub fn of(config: &Config) -> Result<Self> {
        if !config.needs_setup_token() {
            return Ok(Self::FirstCome);
        }
        Ok(match &config.setup_token {
            Some(token) => Self::Token {
                token: token.expose().to_owned(),
                is_made: false,
            },
            None => Self::Token {
                token: token::new()?,
                is_made: true,
            },
        })
    }

    /// What a registration with this token asks for. `is_local`: as far as can be seen, nobody else sent it.
    ///
    /// # Errors
    /// `Forbidden` where the token is not the right one.
    pub(super) fn claim(&self, shown: Option<&str>, is_local: bool) -> Result<AdminClaim> {
        let shown = shown.map(str::trim).filter(|shown| !shown.is_empty());
        match (self, shown) {
            (Self::FirstCome, _) if is_local => Ok(AdminClaim::FirstCome),
            (Self::FirstCome, _) => Ok(AdminClaim::FromElsewhere),
            (Self::Token { .. }, None) => Ok(AdminClaim::Ordinary),
            // Hashes have one length, and comparing them takes one time.
            (Self::Token { token, .. }, Some(shown))
                if crypto::same(&token::hash(token), &token::hash(shown)) =>
            {
                Ok(AdminClaim::Setup)
            }
            (Self::Token { .. }, Some(_)) => Err(Error::new(
                Kind::Forbidden,
                "the setup token is not right",
            )
            .resolve(
                "use the newest setup link from the server's output, or the value of QUIRE_SETUP_TOKEN; leave it out \
                 for an ordinary account",
            )),
        }
    }
}

/// The refusal of a stranger where the first to come is the administrator.
pub(super) fn from_elsewhere() -> Error {
    Error::new(
        Kind::Forbidden,
        "this server has no administrator yet, and this request did not come from its own machine",
    )
    .resolve(
        "open Quire at http://127.0.0.1 and its port on the machine itself, run `quire user add EMAIL --admin` there, \
         or set TRUSTED_PROXIES and PUBLIC_URL and use the setup link from the server's output",
    )
}

/// The refusal of a setup token that comes too late.
pub(super) fn done() -> Error {
    Error::new(Kind::Forbidden, "this server has an administrator already")
        .resolve("register without the setup token, or sign in")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_token_claims() {
        let setup = FirstAdminRule::Token {
            token: "0123456789abcdef".to_owned(),
            is_made: false,
        };
        let right = Some(" 0123456789abcdef ");
        assert_eq!(setup.claim(right, false), Ok(AdminClaim::Setup));
        for none in [None, Some(""), Some("  ")] {
            assert_eq!(setup.claim(none, true), Ok(AdminClaim::Ordinary));
            assert_eq!(
                FirstAdminRule::FirstCome.claim(none, true),
                Ok(AdminClaim::FirstCome)
            );
            let stranger = FirstAdminRule::FirstCome.claim(none, false);
            assert_eq!(stranger, Ok(AdminClaim::FromElsewhere));
        }
        for wrong in ["0123456789abcde", "0123456789abcdef0", "x"] {
            let refused = setup.claim(Some(wrong), true).map_err(|error| error.kind);
            assert_eq!(refused, Err(Kind::Forbidden), "{wrong}");
        }
    }
}
