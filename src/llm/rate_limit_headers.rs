//! Determines from a provider's response headers how long to pause: `retry-after` in seconds or as a date,
//! `retry-after-ms`, and the vendors' rate-limit counters. Pure.

use std::time::{Duration, UNIX_EPOCH};

use crate::domain::time::Timestamp;

/// Maximum pause that a provider's headers may request. A longer one is considered implausible and ignored.
const MAX_PAUSE: Duration = Duration::from_secs(24 * 3600);
/// Maximum pause after a successful call whose headers report an exhausted counter.
const MAX_PAUSE_BEFORE_REFUSAL: Duration = Duration::from_secs(60);

/// Pairs of rate-limit headers: the remaining requests or tokens, and when that counter is reset. OpenAI and compatible
/// vendors send the reset as a duration, Anthropic as a date.
const COUNTER_HEADERS: &[(&str, &str)] = &[
    (
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    (
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ),
    (
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ),
    (
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ),
    (
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ),
];

/// A function that returns the value of the header with this lowercase name.
pub(super) type Header<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Returns how long to pause after a refused call: the time in a retry header or, without one, the time until an
/// exhausted counter is reset.
pub(super) fn pause_after_refusal(header: Header, now: Timestamp) -> Option<Duration> {
    let own = header("retry-after-ms")
        .and_then(|text| parse_duration(&format!("{}ms", text.trim())))
        .or_else(|| header("retry-after").and_then(|text| parse_wait(&text, now)));
    own.or_else(|| exhausted_counter_pause(header, now))
        .filter(is_plausible)
}

/// Returns how long to pause after a successful call; `None` if no counter is exhausted.
pub(super) fn pause_after_answer(header: Header, now: Timestamp) -> Option<Duration> {
    exhausted_counter_pause(header, now).map(|wait| wait.min(MAX_PAUSE_BEFORE_REFUSAL))
}

fn exhausted_counter_pause(header: Header, now: Timestamp) -> Option<Duration> {
    let wait = |(remaining, reset): &(&str, &str)| {
        // Azure sends -1, or 0 without a reset time, if it does not limit requests or tokens.
        let left = header(remaining)?.trim().parse::<f64>().ok()?;
        (left == 0.0)
            .then(|| parse_wait(&header(reset)?, now))
            .flatten()
    };
    COUNTER_HEADERS
        .iter()
        .filter_map(wait)
        .max()
        .filter(is_plausible)
}

fn is_plausible(wait: &Duration) -> bool {
    !wait.is_zero() && *wait <= MAX_PAUSE
}

/// Returns the time until a reset. Parses a duration (`20`, `1.5`, `6s`, `1m30s`, `250ms`) or a point in time (an HTTP
/// date, RFC 3339, or seconds or milliseconds since 1970).
fn parse_wait(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        let at = match number {
            number if number >= 1e12 => number,
            number if number >= 1e9 => number * 1000.0,
            number => return seconds(number),
        };
        return (at < 1e15).then(|| Timestamp::from_millis(at as i64).since(now));
    }
    parse_duration(text)
        .or_else(|| parse_date_wait(text, now))
        .or_else(|| http_date(text).map(|at| at.since(now)))
}

fn seconds(number: f64) -> Option<Duration> {
    (0.0..1e9)
        .contains(&number)
        .then(|| Duration::from_secs_f64(number))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let mut sum = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let end = unit
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(unit.len());
        sum += number
            * match &unit[..end] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &unit[end..];
    }
    if text.is_empty() { None } else { seconds(sum) }
}

fn parse_date_wait(text: &str, now: Timestamp) -> Option<Duration> {
    let at = humantime::parse_rfc3339_weak(text).ok()?;
    let millis = at.duration_since(UNIX_EPOCH).ok()?.as_millis();
    Some(Timestamp::from_millis(i64::try_from(millis).ok()?).since(now))
}

/// Parses an HTTP date such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
fn http_date(text: &str) -> Option<Timestamp> {
    let at = httpdate::parse_http_date(text).ok()?;
    let millis = at.duration_since(UNIX_EPOCH).ok()?.as_millis();
    Some(Timestamp::from_millis(i64::try_from(millis).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_793_985_600_000); // 2026-11-06T17:20:00Z

    fn headers(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        move |name| {
            let header = pairs.iter().find(|(known, _)| *known == name);
            header.map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn retry_times_are_parsed_in_many_forms() {
        for (pairs, expected) in [
            (&[("retry-after", "7")] as &[_], Some(7_000)),
            (&[("retry-after", " 1.5 ")], Some(1_500)),
            (
                &[("retry-after-ms", "250"), ("retry-after", "7")],
                Some(250),
            ),
            (
                &[("retry-after", "Fri, 06 Nov 2026 17:20:30 GMT")],
                Some(30_000),
            ),
            (&[("retry-after", "Fri, 06 Nov 2026 17:00:00 GMT")], None),
            (&[("retry-after", "2026-11-06T17:21:00Z")], Some(60_000)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-3")], None),
            (&[("retry-after", "1e300")], None),
            (&[("retry-after", "")], None),
            (
                &[
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-requests", "1m6s"),
                ],
                Some(66_000),
            ),
            (
                &[
                    ("x-ratelimit-remaining-tokens", "0"),
                    ("x-ratelimit-reset-tokens", "20ms"),
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-requests", "6s"),
                ],
                Some(6_000),
            ),
            (
                &[
                    ("anthropic-ratelimit-output-tokens-remaining", "0"),
                    (
                        "anthropic-ratelimit-output-tokens-reset",
                        "2026-11-06T17:20:09Z",
                    ),
                ],
                Some(9_000),
            ),
            (
                &[
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1793985612000"),
                ],
                Some(12_000),
            ),
            (
                &[
                    ("x-ratelimit-remaining-requests", "-1"),
                    ("x-ratelimit-reset-requests", "6s"),
                ],
                None,
            ),
            (&[("x-ratelimit-remaining-requests", "0")], None),
            (&[], None),
        ] {
            let pause = pause_after_refusal(&headers(pairs), NOW).map(|wait| wait.as_millis());
            assert_eq!(pause, expected, "{pairs:?}");
        }
    }

    #[test]
    fn an_exhausted_counter_delays_the_next_call() {
        let lookup = headers(&[
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "2h"),
        ]);
        assert_eq!(
            pause_after_answer(&lookup, NOW),
            Some(MAX_PAUSE_BEFORE_REFUSAL)
        );
        let lookup = headers(&[
            ("x-ratelimit-remaining-requests", "3"),
            ("retry-after", "9"),
        ]);
        assert_eq!(pause_after_answer(&lookup, NOW), None);
    }
}
