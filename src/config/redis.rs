//! The Redis server in `REDIS_URL`, through which several servers share limits.

use std::fmt;

use percent_encoding::percent_decode_str;

use super::Secret;
use super::check::Checker;

/// Port used if the address of the Redis server contains none.
const DEFAULT_PORT: u16 = 6379;
/// Maximum length of the prefix of keys, in bytes.
const MAX_PREFIX_BYTES: usize = 64;

/// The Redis server through which several servers share limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// TCP port of the Redis server.
    pub port: u16,
    /// Whether the connection uses TLS.
    pub is_encrypted: bool,
    /// User name; `None` for Redis's default user.
    pub user: Option<String>,
    /// Password, if the server requires one.
    pub password: Option<Secret>,
    /// Number of the database within the Redis server, from 0.
    pub database: u32,
    /// Prefix of every key. Servers with the same prefix share limits.
    pub prefix: String,
}

/// Shows the address without the credentials.
impl fmt::Display for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.is_encrypted {
            true => "rediss",
            false => "redis",
        };
        let (port, database) = (self.port, self.database);
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{port}/{database}", self.host),
            false => write!(f, "{scheme}://{}:{port}/{database}", self.host),
        }
    }
}

/// Returns the Redis server that the settings name; `None` if they name none or an error was recorded.
pub(super) fn redis(checker: &mut Checker) -> Option<RedisConfig> {
    let prefix = checker.text("REDIS_PREFIX");
    if prefix.is_empty()
        || prefix.len() > MAX_PREFIX_BYTES
        || !prefix.bytes().all(|byte| byte.is_ascii_graphic())
    {
        checker.error(
            "REDIS_PREFIX",
            "must be 1 to 64 printable ASCII characters without spaces",
        );
    }
    let address = checker.configured("REDIS_URL")?;
    match parse(&address, prefix) {
        Ok(redis) => Some(redis),
        Err(why) => {
            checker.error("REDIS_URL", why);
            None
        }
    }
}

/// Parses `redis://user:password@host:port/number`. The error never contains a part of the address.
fn parse(address: &str, prefix: String) -> Result<RedisConfig, &'static str> {
    const EXPECTED_FORMAT: &str =
        "must look like redis://user:password@host:6379/0, or rediss:// for TLS";
    let (scheme, rest) = address.split_once("://").ok_or(EXPECTED_FORMAT)?;
    let is_encrypted = match scheme {
        "redis" => false,
        "rediss" => true,
        _ => return Err(EXPECTED_FORMAT),
    };
    // The password may contain `@` unencoded, so split at the last one.
    let (credentials, rest) = match rest.rsplit_once('@') {
        Some((credentials, rest)) => (Some(credentials), rest),
        None => (None, rest),
    };
    if rest.contains(['?', '#']) {
        return Err("must not have parameters after the number of the database");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = split_port(authority).ok_or(EXPECTED_FORMAT)?;
    let database = match path.trim_end_matches('/') {
        "" => 0,
        number => number
            .parse()
            .map_err(|_| "must end with the number of a database, such as /0")?,
    };
    let (user, password) = credentials.map_or(Ok((None, None)), parse_credentials)?;
    Ok(RedisConfig {
        host: host.to_owned(),
        port,
        is_encrypted,
        user,
        password: password.map(Secret::new),
        database,
        prefix,
    })
}

fn parse_credentials(text: &str) -> Result<(Option<String>, Option<String>), &'static str> {
    let decode = |part: &str| -> Result<Option<String>, &'static str> {
        let decoded = percent_decode_str(part).decode_utf8();
        let decoded = decoded.map_err(|_| "has a user name or password that is not UTF-8")?;
        Ok(Some(decoded.into_owned()).filter(|text| !text.is_empty()))
    };
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    match (decode(user)?, decode(password)?) {
        (Some(_), None) => Err("has a user name but no password"),
        credentials => Ok(credentials),
    }
}

fn split_port(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?;
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(address: &str) -> Result<RedisConfig, &'static str> {
        parse(address, "quire".into())
    }

    #[test]
    fn addresses_are_parsed_and_shown_without_credentials() {
        for (address, shown, user, password) in [
            ("redis://cache", "redis://cache:6379/0", None, None),
            (
                "rediss://ann:p%40ss@[::1]:7000/3",
                "rediss://[::1]:7000/3",
                Some("ann"),
                Some("p@ss"),
            ),
            (
                "redis://:geheim@10.0.0.1/",
                "redis://10.0.0.1:6379/0",
                None,
                Some("geheim"),
            ),
            (
                "redis://:a/b@c@h/1",
                "redis://h:6379/1",
                None,
                Some("a/b@c"),
            ),
        ] {
            let redis = parsed(address).expect(address);
            assert_eq!(redis.to_string(), shown);
            assert_eq!(redis.user.as_deref(), user, "{address}");
            let found = redis.password.as_ref().map(Secret::expose);
            assert_eq!(found, password, "{address}");
            assert!(!format!("{redis:?}").contains("geheim"));
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for address in [
            "cache:6379",
            "http://cache",
            "redis://",
            "redis://:geheim@",
            "redis://h:x",
            "redis://h/x",
            "redis://h/0?a=b",
            "redis://%ff@h",
            "redis://geheim@h",
            "redis://geheim:@h",
        ] {
            let why = parsed(address).expect_err(address);
            assert!(!why.contains("geheim"));
        }
    }
}
