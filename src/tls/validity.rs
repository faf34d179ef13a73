//! Reads a certificate's expiry, the only field we need that rustls does not expose, from its DER encoding. Parses only
//! the fields up to it, and bounds-checks every length.

use crate::domain::time::Timestamp;

/// A certificate's validity period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    /// Expiry (`notAfter`).
    pub until: Timestamp,
}

// DER tags of the elements that are parsed.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

impl Validity {
    /// Parses the validity period of a certificate. Returns `None` if the certificate is malformed.
    pub fn parse(certificate: &[u8]) -> Option<Self> {
        let (signed_part, _) = expect_element(certificate, SEQUENCE)?;
        let (mut rest, _) = expect_element(signed_part, SEQUENCE)?;
        if rest.first() == Some(&VERSION) {
            rest = split_element(rest)?.2;
        }
        // Skip the serial number, the signature algorithm, and the issuer.
        for _ in 0..3 {
            rest = split_element(rest)?.2;
        }
        let (validity, _) = expect_element(rest, SEQUENCE)?;
        let (_, _, after) = split_element(validity)?;
        let (kind, text, _) = split_element(after)?;
        Some(Self {
            until: parse_time(kind, text)?,
        })
    }
}

fn expect_element(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (element_tag, content, rest) = split_element(bytes)?;
    (element_tag == kind).then_some((content, rest))
}

/// Splits off the first DER element. Returns its tag, its content, and the remaining bytes.
fn split_element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Four length bytes already allow 4 GiB.
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let fold = |sum: usize, digit: &u8| sum << 8 | usize::from(*digit);
            (digits.iter().fold(0, fold), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((kind, content, rest))
}

/// Parses `260102030405Z` or `20260102030405Z`; two-digit years of 50 and above belong to the 1900s.
fn parse_time(kind: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text)
        .ok()
        .filter(|text| text.is_ascii())?;
    let long = match kind {
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    if long.len() != 15 || !long.ends_with('Z') {
        return None;
    }
    let part = |from: usize| &long[from..from + 2];
    let (month, day, hour) = (part(4), part(6), part(8));
    let (year, minute, second) = (&long[..4], part(10), part(12));
    Timestamp::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_parsed() {
        for (kind, text, expected) in [
            (UTC_TIME, "260102030405Z", Some("2026-01-02T03:04:05.000Z")),
            (UTC_TIME, "990102030405Z", Some("1999-01-02T03:04:05.000Z")),
            (
                GENERALIZED_TIME,
                "20510102030405Z",
                Some("2051-01-02T03:04:05.000Z"),
            ),
            (GENERALIZED_TIME, "20510102030405", None),
            (GENERALIZED_TIME, "20511302030405Z", None),
            (UTC_TIME, "2601020304Z", None),
            (UTC_TIME, "", None),
            (0x02, "260102030405Z", None),
        ] {
            let parsed_time = parse_time(kind, text.as_bytes()).map(|moment| moment.to_string());
            assert_eq!(parsed_time.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn truncated_certificates_are_rejected() {
        let signed_certificate =
            rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        let der = signed_certificate.cert.der().to_vec();
        assert!(Validity::parse(&der).is_some());
        for length in 0..der.len() {
            assert_eq!(Validity::parse(&der[..length]), None, "{length}");
        }
        // Parsing a certificate with any byte replaced must not panic.
        for place in 0..der.len() {
            for byte in [0, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut damaged = der.clone();
                damaged[place] = byte;
                let _ = Validity::parse(&damaged);
            }
        }
    }
}
