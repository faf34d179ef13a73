//! Validates the authority of a request: a host and an optional port, as in `Host` and absolute request targets (RFC
//! 9110, section 7.2). Host names may contain only the characters that DNS and container networks use, which are fewer
//! than in RFC 3986, so that no other server on the way parses them differently.

use std::net::Ipv6Addr;

use crate::domain::network;

/// Maximum length of a label in a host name, in bytes.
const MAX_LABEL_BYTES: usize = 63;
/// Maximum length of a host name including its final dot, in bytes.
const MAX_NAME_BYTES: usize = 254;

/// Whether an authority is a host name, an IPv4 address, or an IPv6 address in brackets, with an optional port.
pub(super) fn is_valid(authority: &[u8]) -> bool {
    let Some((name, port)) = split(authority) else {
        return false;
    };
    let has_valid_port = match port {
        None | Some("") => true,
        Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
    };
    let has_valid_host = match name.strip_prefix('[') {
        Some(rest) => {
            let address = rest.strip_suffix(']');
            address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        }
        None => is_name(name),
    };
    has_valid_port && has_valid_host
}

/// Whether a DNS lookup is unnecessary, because the host is an IP address, `localhost`, or a name below `localhost`.
/// Such a host cannot be used for DNS rebinding.
pub(super) fn is_ip_literal(authority: &str) -> bool {
    split(authority.as_bytes()).is_some_and(|(name, _)| network::ip_literal(name).is_some())
}

/// Whether the host is this machine. Only hosts that need no DNS lookup count: `localhost`, a name below it, an address
/// in 127.0.0.0/8, or `::1`.
pub(super) fn is_loopback(authority: &str) -> bool {
    let host = split(authority.as_bytes()).and_then(|(name, _)| network::ip_literal(name));
    host.is_some_and(|address| address.to_canonical().is_loopback())
}

/// Splits an authority into its host and, if a colon follows the host, the text of its port. Returns `None` if it is
/// malformed.
fn split(authority: &[u8]) -> Option<(&str, Option<&str>)> {
    let text = std::str::from_utf8(authority).ok()?;
    let end = match text.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(end);
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None if rest.is_empty() => Some((host, None)),
        None => None,
    }
}

fn is_name(name: &str) -> bool {
    let bare_name = name.strip_suffix('.').unwrap_or(name);
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_label =
        |label: &str| (1..=MAX_LABEL_BYTES).contains(&label.len()) && label.bytes().all(is_allowed);
    name.len() <= MAX_NAME_BYTES && bare_name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_validated() {
        for (host, valid) in [
            ("x", true),
            ("a.b", true),
            ("a.b.:80", true),
            ("quire_1:8080", true),
            ("a:", true),
            ("a:0", true),
            ("a:65535", true),
            ("127.0.0.1:8080", true),
            ("[::1]", true),
            ("[::1]:8080", true),
            ("", false),
            (".", false),
            (":80", false),
            ("a,b", false),
            ("a b", false),
            ("a/b", false),
            ("a..b", false),
            (".a", false),
            ("a.b..", false),
            ("a:65536", false),
            ("a:99999", false),
            ("a:b", false),
            ("a:-1", false),
            ("a:+1", false),
            ("a:1:2", false),
            ("user@a", false),
            ("user:pass@a", false),
            ("a%41", false),
            ("a;b", false),
            ("gr\u{fc}n", false),
            ("::1", false),
            ("[::1", false),
            ("[::1]x", false),
            ("[::1%25eth0]", false),
            ("[v1.x]", false),
            ("[127.0.0.1]", false),
        ] {
            assert_eq!(is_valid(host.as_bytes()), valid, "{host:?}");
        }
        let label = "a".repeat(MAX_LABEL_BYTES);
        assert!(is_valid(label.as_bytes()));
        assert!(!is_valid(format!("{label}a").as_bytes()));
        assert!(!is_valid([label.as_str(); 5].join(".").as_bytes()));
    }

    #[test]
    fn address_literals_need_no_dns() {
        for (host, literal) in [
            ("127.0.0.1:8080", true),
            ("192.168.1.2", true),
            ("[::1]:8080", true),
            ("localhost:8080", true),
            ("quire.localhost.", true),
            ("example.org", false),
            ("127.0.0.1.example.org", false),
            ("localhost.example.org", false),
            ("", false),
        ] {
            assert_eq!(is_ip_literal(host), literal, "{host}");
        }
        for (host, loopback) in [
            ("127.0.0.1:8080", true),
            ("127.0.0.1", true),
            ("[::1]:8080", true),
            ("localhost:8080", true),
            ("192.168.1.2:8080", false),
            ("203.0.113.5", false),
            ("0.0.0.0", false),
            ("[2001:db8::1]", false),
            ("127.0.0.1.example.org", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(host), loopback, "{host}");
        }
    }
}
