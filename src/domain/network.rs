//! IP networks: membership, public addresses, and permitted targets of outbound connections.

// Imported from `core`, because only the address types are needed: nothing in this module opens a connection.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network in CIDR notation; a single address is a network with one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Parses a network such as `10.0.0.0/8` or `::1`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let max_bits = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(max_bits);
        (bits <= max_bits).then_some(Self { address, bits })
    }

    /// Whether the network contains the address. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let drop = width - self.bits;
            a.checked_shr(drop).unwrap_or(0) == b.checked_shr(drop).unwrap_or(0)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

/// Permitted targets of outbound connections. Defaults to the public internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AddressScope {
    /// Public addresses and the networks in `OUTBOUND_ALLOW`. For addresses chosen by users.
    #[default]
    Public,
    /// Any address, including this machine's. For addresses chosen by the operator or an administrator.
    AnyAddress,
}

/// IPv4 networks without public servers: loopback, private and link-local networks, carrier-grade NAT, testing and
/// documentation, multicast, and reserved (IANA special-purpose registry, RFC 6890 and its updates).
const NON_PUBLIC_V4: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
];

/// The only IPv6 range from which public addresses are allocated (RFC 4291, section 2.4).
const GLOBAL_UNICAST: &str = "2000::/3";

/// Parts of the global unicast range without public servers.
const NON_PUBLIC_V6: &[&str] = &["2001::/23", "2001:db8::/32", "3fff::/20"];

/// Whether the address is public. An address with an embedded IPv4 address (IPv4-mapped, NAT64, 6to4) is as
/// public as the embedded one.
pub fn is_public(address: IpAddr) -> bool {
    let within =
        |text: &&str| Network::parse(text).is_some_and(|network| network.contains(address));
    match address.to_canonical() {
        IpAddr::V4(_) => !NON_PUBLIC_V4.iter().any(within),
        IpAddr::V6(v6) => match embedded_ipv4(v6) {
            Some(v4) => is_public(IpAddr::V4(v4)),
            None => within(&GLOBAL_UNICAST) && !NON_PUBLIC_V6.iter().any(within),
        },
    }
}

/// Resolves a URL host that is an address literal, without DNS: bracketed IPv6, IPv4 in the forms that
/// `inet_aton` accepts (1 to 4 parts, decimal, octal, or hexadecimal, optional final dot), and `localhost`
/// (RFC 6761, section 6.3). `None` for every other name.
pub fn ip_literal(host: &str) -> Option<IpAddr> {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']')?.parse().map(IpAddr::V6).ok();
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let last_label = host.rsplit('.').next().unwrap_or(host);
    if last_label.eq_ignore_ascii_case("localhost") {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let parts: Vec<u32> = host
        .split('.')
        .map(parse_ipv4_part)
        .collect::<Option<_>>()?;
    let (last, before) = parts.split_last()?;
    // The last part fills all remaining bytes, as in `127.1`.
    let room = 32_u32.checked_sub(8 * u32::try_from(before.len()).ok()?)?;
    if room == 0 || before.iter().any(|part| *part > 255) || u64::from(*last) >> room != 0 {
        return None;
    }
    let high = before
        .iter()
        .fold(0_u64, |bits, part| bits << 8 | u64::from(*part));
    let bits = high << room | u64::from(*last);
    u32::try_from(bits)
        .ok()
        .map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)))
}

/// Parses a part of an IPv4 address as a C integer literal.
fn parse_ipv4_part(text: &str) -> Option<u32> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = match (hex, text.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        _ => (text, 10),
    };
    // Check the digits separately, because `from_str_radix` would accept a sign.
    let plain = digits.chars().all(|digit| digit.is_digit(radix));
    u32::from_str_radix(digits, radix).ok().filter(|_| plain)
}

/// Returns the IPv4 address to which a NAT64 gateway (64:ff9b::/96, RFC 6052) or a 6to4 relay (2002::/16, RFC
/// 3056) forwards. Local-use NAT64 (64:ff9b:1::/48) can lead anywhere and does not count as public.
fn embedded_ipv4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    if bits >> 32 == 0x0064_ff9b << 64 {
        return Some(Ipv4Addr::from_bits(bits as u32));
    }
    (bits >> 112 == 0x2002).then(|| Ipv4Addr::from_bits((bits >> 80) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("0.0.0.0/0", "9.9.9.9", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "fe80::1", true),
            ("fc00::/7", "fd12::1", true),
            ("fc00::/7", "fe80::1", false),
        ] {
            let network_read = Network::parse(network).expect(network);
            let address_read = address.parse().expect(address);
            assert_eq!(
                network_read.contains(address_read),
                expected,
                "{network} {address}"
            );
        }
        for bad in ["", "*", "10.0.0.0/33", "::/129", "10.0.0", "10.0.0.0/x"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn address_literals_are_resolved() {
        for (host, expected) in [
            ("127.0.0.1", Some("127.0.0.1")),
            ("127.0.0.1.", Some("127.0.0.1")),
            ("127.1", Some("127.0.0.1")),
            ("127.0.256", Some("127.0.1.0")),
            ("2130706433", Some("127.0.0.1")),
            ("0x7f000001", Some("127.0.0.1")),
            ("0X7F.0x1", Some("127.0.0.1")),
            ("017700000001", Some("127.0.0.1")),
            ("0177.0x0.00.1", Some("127.0.0.1")),
            ("0", Some("0.0.0.0")),
            ("4294967295", Some("255.255.255.255")),
            ("[::1]", Some("::1")),
            ("[::ffff:127.0.0.1]", Some("::ffff:127.0.0.1")),
            ("localhost", Some("127.0.0.1")),
            ("LocalHost.", Some("127.0.0.1")),
            ("models.localhost", Some("127.0.0.1")),
            ("localhost.example", None),
            ("4294967296", None),
            ("256.0.0.1", None),
            ("1.2.3.256", None),
            ("1.2.3.4.5", None),
            ("127.0.0.1..", None),
            ("+127.0.0.1", None),
            ("08.0.0.1", None),
            ("0x", None),
            ("", None),
            (".", None),
            ("::1", None),
            ("[127.0.0.1]", None),
            ("api.openai.com", None),
        ] {
            let parsed = ip_literal(host).map(|address| address.to_string());
            assert_eq!(parsed.as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn only_internet_addresses_are_public() {
        let listed_ranges = NON_PUBLIC_V4
            .iter()
            .chain(NON_PUBLIC_V6)
            .chain([&GLOBAL_UNICAST]);
        for text in listed_ranges {
            assert!(Network::parse(text).is_some(), "{text}");
        }
        for address in [
            "8.8.8.8",
            "1.1.1.1",
            "172.32.0.1",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(is_public(address.parse().expect(address)), "{address}");
        }
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.170",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fec0::1",
            "fd00::1",
            "ff02::1",
            "4000::1",
            "5f00::1",
            "100::1",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "64:ff9b:1:ffff::7f00:1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2002:c0a8:101::1",
        ] {
            assert!(!is_public(address.parse().expect(address)), "{address}");
        }
    }
}
