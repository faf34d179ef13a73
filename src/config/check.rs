//! From raw texts to checked values. Collects every fault instead of stopping at the first, and says
//! for each what would be right.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::domain::money::MicroDollars;
use crate::domain::network::Network;

use super::load::{Gathered, Source};
use super::options::{self, Kind, Setting};

/// The raw values while they are being checked.
pub(super) struct Checker {
    pub gathered: Gathered,
}

impl Checker {
    /// Where a setting's value comes from.
    pub fn source(&self, name: &str) -> Source {
        let raw = self.gathered.values.get(name);
        raw.map_or(Source::Default, |raw| raw.source.clone())
    }

    /// Notes a fault of a setting.
    pub fn fault(&mut self, name: &str, right: &str) {
        let fault = match self.gathered.values.get(name) {
            Some(raw) => format!("{} ({}): {right}", raw.name, raw.source),
            None => format!("{name}: {right}"),
        };
        self.gathered.faults.push(fault);
    }

    /// The text that was given, not the default.
    pub fn given(&self, name: &str) -> Option<String> {
        self.gathered.values.get(name).map(|raw| raw.text.clone())
    }

    /// The text that holds.
    pub fn text(&self, name: &str) -> String {
        self.given(name)
            .unwrap_or_else(|| row(name).default.to_owned())
    }

    /// Reads the text that holds; on a fault the default stands in, so that checking can go on.
    fn read<T>(&mut self, name: &str, read: impl Fn(&str) -> Option<T>, right: &str) -> Option<T> {
        let text = self.text(name);
        if text.is_empty() {
            return None;
        }
        let value = read(&text);
        if value.is_none() {
            let shown = if row(name).is_secret() {
                "the value"
            } else {
                text.as_str()
            };
            self.fault(name, &format!("{} is not {right}", quoted(shown)));
            return read(row(name).default);
        }
        value
    }

    /// A whole number within the row's bounds.
    pub fn number(&mut self, name: &str) -> u64 {
        let (least, most) = match row(name).kind {
            Kind::Number(least, most) | Kind::Seconds(least, most) => (least, most),
            _ => (0, u64::MAX),
        };
        let within = |text: &str| text.parse().ok().filter(|n| (least..=most).contains(n));
        self.read(
            name,
            within,
            &format!("a whole number from {least} to {most}"),
        )
        .unwrap_or(least)
    }

    /// An amount of money, where one was given.
    pub fn dollars(&mut self, name: &str) -> Option<MicroDollars> {
        let amount = |text: &str| text.parse().ok().and_then(MicroDollars::from_dollars);
        self.read(name, amount, "an amount of dollars such as 2.50")
    }

    /// The same for a row that may be unset.
    pub fn number_if_given(&mut self, name: &str) -> Option<u64> {
        self.given(name).map(|_| self.number(name))
    }

    /// A length of time within the row's bounds.
    pub fn seconds(&mut self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }

    /// A port.
    pub fn port(&mut self, name: &str) -> Option<u16> {
        self.read(
            name,
            |text| text.parse().ok(),
            "a port, which is a number from 0 to 65535",
        )
    }

    /// The address to listen on. Platforms that give a PORT expect the whole machine to be reachable.
    pub fn host(&mut self) -> IpAddr {
        let everywhere = self.source("PORT") == Source::Environment;
        if everywhere && self.given("HOST").is_none() {
            return IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        }
        let read = |text: &str| match text {
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            other => other.trim_matches(['[', ']']).parse().ok(),
        };
        self.read(
            "HOST",
            read,
            "an IP address such as 127.0.0.1, 0.0.0.0 or ::",
        )
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// A switch; `None` when nothing is said.
    pub fn switch(&mut self, name: &str) -> Option<bool> {
        let read = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        };
        self.read(name, read, "true or false")
    }

    /// The word of a choice, as the table writes it.
    pub fn choice(&mut self, name: &str) -> &'static str {
        let Kind::Choice(words) = row(name).kind else {
            return "";
        };
        let read = |text: &str| {
            let text = text.to_ascii_lowercase();
            let text = SAME_WORD
                .iter()
                .find(|(other, _)| *other == text)
                .map_or(text.as_str(), |(_, word)| word);
            words.iter().copied().find(|word| *word == text)
        };
        self.read(name, read, &format!("one of {}", words.join(", ")))
            .unwrap_or(words[0])
    }

    /// An http or https address without a slash at its end.
    pub fn url(&mut self, name: &str) -> Option<String> {
        self.read(
            name,
            http_url,
            "an address that begins with http:// or https:// and has no name or password in it",
        )
    }

    /// Origins as browsers send them. A wildcard is refused with a warning: together with cookies it
    /// would let any page act for its visitors.
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
                self.gathered.warnings.push(warning);
                continue;
            }
            match http_url(entry).filter(|url| url.matches('/').count() == 2) {
                Some(origin) => origins.push(origin.to_ascii_lowercase()),
                None => self.fault(
                    name,
                    &format!(
                        "{} is not an origin such as https://example.org (no path)",
                        quoted(entry)
                    ),
                ),
            }
        }
        origins
    }

    /// Addresses and networks.
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
                None => self.fault(
                    name,
                    &format!(
                        "{} is not an address or network such as 10.0.0.0/8",
                        quoted(entry)
                    ),
                ),
            }
        }
        networks
    }
}

/// Words other programs use for the same choice.
const SAME_WORD: &[(&str, &str)] = &[
    ("dev", "development"),
    ("local", "development"),
    ("prod", "production"),
    ("staging", "production"),
    ("testing", "test"),
    ("warning", "warn"),
    ("critical", "error"),
    ("trace", "debug"),
];

fn row(name: &str) -> &'static Setting {
    options::setting(name)
        .expect("the checks name rows of the table only; a test asks for every one")
}

/// Shown values are cut and lose their control characters: they may come from anywhere.
fn quoted(text: &str) -> String {
    let clean: String = text
        .chars()
        .take(60)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    format!("\"{clean}\"")
}

/// The address without a slash at its end, if it is one we would open.
pub fn http_url(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('/');
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let sound = !authority.is_empty()
        && !authority.contains('@')
        && !text.contains('#')
        && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    sound.then(|| text.to_owned())
}

/// Whether only this machine can open the address: its host is `localhost`, a name below it, or a loopback address.
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
    fn an_address_is_local_by_its_host_alone() {
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
