//! A caller's rate limit as response headers.

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use crate::domain::time::Timestamp;

/// The state of a caller's rate limit after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// The maximum number of requests that the bucket allows at once.
    pub limit: u32,
    /// The number of requests that the bucket still allows.
    pub remaining: u32,
    /// The time until the bucket is full again.
    pub time_to_reset: Duration,
}

impl RateLimitStatus {
    /// Adds the `x-ratelimit-*` headers.
    pub fn add_headers(&self, headers: &mut HeaderMap) {
        let reset = self.time_to_reset.as_millis().div_ceil(1000) as u64;
        for (name, number) in [
            ("x-ratelimit-limit", u64::from(self.limit)),
            ("x-ratelimit-remaining", u64::from(self.remaining)),
            ("x-ratelimit-reset", reset),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(number));
        }
    }

    /// Adds the rate limit headers that the clients of OpenAI and Anthropic understand.
    pub fn add_vendor_headers(&self, now: Timestamp, headers: &mut HeaderMap) {
        let reset = self.time_to_reset.as_millis().div_ceil(1000) as u64;
        let until = now + Duration::from_secs(reset);
        for (name, value) in [
            ("x-ratelimit-limit-requests", self.limit.to_string()),
            ("x-ratelimit-remaining-requests", self.remaining.to_string()),
            ("x-ratelimit-reset-requests", format!("{reset}s")),
            ("anthropic-ratelimit-requests-limit", self.limit.to_string()),
            (
                "anthropic-ratelimit-requests-remaining",
                self.remaining.to_string(),
            ),
            ("anthropic-ratelimit-requests-reset", until.to_string()),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}
