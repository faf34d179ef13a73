//! Turns raw text into validated values. Collects all errors instead of stopping at the first, and describes a valid
//! value for each.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::domain::money::MicroDollars;
use crate::domain::network::Network;

use super::load::{MergedSettings, ValueSource};
use super::options::{self, OptionRow, ValueKind};

/// Raw values and the errors found in them so far.
pub(super) struct Checker {
    pub gathered_values: MergedSettings,
}

impl Checker {
    /// Returns where a setting's value comes from.
    pub fn source(&self, name: &str) -> ValueSource {
        let raw = self.gathered_values.values.get(name);
        raw.map_or(ValueSource::Default, |raw| raw.source.clone())
    }

    /// Records an error in a setting; `expected` describes a valid value.
    pub fn error(&mut self, name: &str, expected: &str) {
        let error = match self.gathered_values.values.get(name) {
            Some(raw) if raw.source == ValueSource::Flag => {
                format!("--{}: {expected}", row(name).flag())
            }
            Some(raw) => format!("{} ({}): {expected}", raw.name, raw.source),
            None => format!("{name}: {expected}"),
        };
        self.gathered_values.errors.push(error);
    }

    /// Returns the configured text, ignoring the default.
    pub fn configured(&self, name: &str) -> Option<String> {
        self.gathered_values
            .values
            .get(name)
            .map(|raw| raw.text.clone())
    }

    /// Returns the configured text, or the default.
    pub fn text(&self, name: &str) -> String {
        self.configured(name)
            .unwrap_or_else(|| row(name).default.to_owned())
    }

    /// Parses the effective value; `None` if there is neither a value nor a default. On an error, falls back to the
    /// default so that checking can continue.
    pub fn read<T>(
        &mut self,
        name: &str,
        read: impl Fn(&str) -> Option<T>,
        expected: &str,
    ) -> Option<T> {
        let text = self.text(name);
        if text.is_empty() {
            return None;
        }
        let value = read(&text);
        if value.is_none() {
            let display_value = if row(name).is_secret() {
                "the value"
            } else {
                text.as_str()
            };
            self.error(name, &format!("{} is not {expected}", quote(display_value)));
            return read(row(name).default);
        }
        value
    }

    /// Parses an integer within the bounds in the setting's row. Falls back to the default or, without one, to the
    /// minimum.
    pub fn number(&mut self, name: &str) -> u64 {
        let (min, max) = match row(name).kind {
            ValueKind::Number(min, max) | ValueKind::Seconds(min, max) => (min, max),
            _ => (0, u64::MAX),
        };
        let within = |text: &str| text.parse().ok().filter(|n| (min..=max).contains(n));
        self.read(name, within, &format!("a whole number from {min} to {max}"))
            .unwrap_or(min)
    }

    /// Parses an amount in dollars, if one is set.
    pub fn dollars(&mut self, name: &str) -> Option<MicroDollars> {
        let amount = |text: &str| text.parse().ok().and_then(MicroDollars::from_dollars);
        self.read(name, amount, "an amount in dollars such as 2.50")
    }

    /// Parses an integer, if one is set.
    pub fn optional_number(&mut self, name: &str) -> Option<u64> {
        self.configured(name).map(|_| self.number(name))
    }

    /// Parses a number within the bounds in the setting's row. Returns 0 if it is not set, for limits that then depend
    /// on the machine.
    pub fn number_or_zero(&mut self, name: &str) -> usize {
        self.optional_number(name).unwrap_or_default() as usize
    }

    /// Parses a duration in seconds within the bounds in the setting's row.
    pub fn seconds(&mut self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }

    /// Parses a TCP port, if one is set.
    pub fn port(&mut self, name: &str) -> Option<u16> {
        self.read(
            name,
            |text| text.parse().ok(),
            "a port number from 0 to 65535",
        )
    }

    /// Parses the address to listen on. If the environment sets PORT and nothing sets HOST, returns 0.0.0.0, because
    /// platforms that set PORT expect the server to listen on all interfaces.
    pub fn host(&mut self) -> IpAddr {
        let is_port_from_environment = self.source("PORT") == ValueSource::Environment;
        if is_port_from_environment && self.configured("HOST").is_none() {
            return IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        }
        let read = |text: &str| match text {
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            other => other.trim_matches(['[', ']']).parse().ok(),
        };
        self.read(
            "HOST",
            read,
            "an IP address such as 127.0.0.1, 0.0.0.0, or ::",
        )
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// Parses a switch; `None` if it is not set.
    pub fn switch(&mut self, name: &str) -> Option<bool> {
        let read = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        };
        self.read(name, read, "true or false")
    }

    /// Parses a choice or a synonym of one, ignoring case, and returns the choice as spelled in the table.
    pub fn choice(&mut self, name: &str) -> &'static str {
        let ValueKind::Choice(words) = row(name).kind else {
            return "";
        };
        let read = |text: &str| {
            let text = text.to_ascii_lowercase();
            let text = SYNONYMS
                .iter()
                .find(|(other, _)| *other == text)
                .map_or(text.as_str(), |(_, word)| word);
            words.iter().copied().find(|word| *word == text)
        };
        self.read(name, read, &format!("one of {}", words.join(", ")))
            .unwrap_or(words[0])
    }

    /// Parses an http or https URL, if one is set, and removes trailing slashes.
    pub fn url(&mut self, name: &str) -> Option<String> {
        self.read(
            name,
            http_url,
            "a URL that begins with http:// or https://, with a host in plain ASCII (xn--…) and no user name or password",
        )
    }

    /// Parses origins as browsers send them. Ignores a wildcard with a warning: combined with cookies, it
    /// would let any page act on behalf of its visitors.
    pub fn origins(&mut self, name: &str) -> Vec<String> {
        let text = self.text(name);
        let list = serde_json::from_str::<Vec<String>>(&text)
            .unwrap_or_else(|_| text.split(',').map(str::to_owned).collect());
        let mut origins = Vec::new();
        for entry in list
            .iter()
            .map(|entry| entry.trim())
            .filter(|entry| !entry.is_empty())
        {
            if entry == "*" {
                let warning =
                    format!("{name}: * is ignored; list the origins that may call the API");
                self.gathered_values.warnings.push(warning);
                continue;
            }
            match http_url(entry).filter(|url| url.matches('/').count() == 2) {
                Some(origin) => origins.push(origin.to_ascii_lowercase()),
                None => self.error(
                    name,
                    &format!(
                        "{} is not an origin such as https://example.org (no path)",
                        quote(entry)
                    ),
                ),
            }
        }
        origins
    }

    /// Parses IP addresses and networks.
    pub fn networks(&mut self, name: &str) -> Vec<Network> {
        let text = self.text(name);
        let mut networks = Vec::new();
        for entry in text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            match Network::parse(entry) {
                Some(network) => networks.push(network),
                None => self.error(
                    name,
                    &format!(
                        "{} is not an address or network such as 10.0.0.0/8",
                        quote(entry)
                    ),
                ),
            }
        }
        networks
    }
}

/// Synonyms that other programs use for a choice.
const SYNONYMS: &[(&str, &str)] = &[
    ("dev", "development"),
    ("local", "development"),
    ("prod", "production"),
    ("staging", "production"),
    ("testing", "test"),
    ("warning", "warn"),
    ("critical", "error"),
    ("trace", "debug"),
];

fn row(name: &str) -> &'static OptionRow {
    // Without the aliases, because this runs for each setting at startup.
    options::SETTINGS
        .iter()
        .find(|row| row.name == name)
        .expect("the checks name only rows of the table; a test looks up every one")
}

/// Quotes a value for an error message: truncated to 60 characters and without control characters, because it may
/// be untrusted.
fn quote(text: &str) -> String {
    let clean: String = text
        .chars()
        .take(60)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    format!("\"{clean}\"")
}

/// Returns the HTTP(S) URL without trailing slashes; `None` if it has another scheme, a user name, a fragment,
/// whitespace, or a host that is not plain ASCII.
pub fn http_url(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('/');
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let is_valid = !authority.is_empty()
        && has_plain_host(authority)
        && !text.contains('#')
        && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    is_valid.then(|| text.to_owned())
}

/// Whether a URL's authority spells its host in plain characters. Clients read `①②⑦.0.0.1` and
/// `%31%32%37.0.0.1` as 127.0.0.1, so a check of the literal address would miss them. A name in another
/// script can be written in its ASCII form (`xn--…`).
fn has_plain_host(authority: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:[]".contains(c);
    authority.chars().all(plain)
}

/// Whether only this machine can open the URL: its host is `localhost`, a subdomain of it, or a loopback address.
pub fn is_local(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_loopback = host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    is_loopback || host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_the_host_makes_an_address_local() {
        for url in [
            "http://localhost:8000",
            "https://LOCALHOST./x",
            "http://quire.localhost",
            "http://127.0.0.1:1/",
            "http://127.3.2.1",
            "http://[::1]:8000",
        ] {
            assert!(is_local(url), "{url}");
        }
        for url in [
            "https://quire.example.com",
            "http://192.168.1.2:8000",
            "http://[fe80::1]",
            "https://localhost.example.com",
            "https://example.com/localhost",
            "https://127.0.0.1.example.com",
            "https://notlocalhost",
            "",
        ] {
            assert!(!is_local(url), "{url}");
        }
    }
}
