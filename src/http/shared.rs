//! What the handlers of all requests share.

use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::Notify;

use super::minute_stats::MinuteStats;
use super::rate_limiter::RateLimiter;
use super::stats::RequestStats;
use crate::app::App;

/// The state that handlers, event streams, and connections share.
pub struct SharedState {
    pub(super) app: Arc<App>,
    /// Request counters since the start.
    pub(super) stats: RequestStats,
    /// Figures per minute of the last day.
    pub(super) minute_stats: MinuteStats,
    pub(super) limiter: RateLimiter,
    pub(super) health: HealthCache,
    // Set once, at shutdown: event streams then end.
    pub(super) stopping: AtomicBool,
}

/// The health response, kept for a second, and the result of the last database probe.
#[derive(Default)]
pub struct HealthCache {
    pub(super) kept: Mutex<Option<(Instant, StatusCode, Bytes)>>,
    /// Notified when a response is made: the database is then probed.
    pub(super) asked: Notify,
    /// Whether the last probe failed.
    pub(super) broken: AtomicBool,
}

impl SharedState {
    /// The state of a server that has not answered yet.
    pub fn new(app: Arc<App>) -> Self {
        let rate = app.config.limits.rate_per_minute;
        Self {
            app,
            stats: RequestStats::new(),
            minute_stats: MinuteStats::default(),
            limiter: RateLimiter::new(rate),
            health: HealthCache::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Whether an address is one of the configured proxies.
    pub(super) fn is_trusted_proxy(&self, peer: IpAddr) -> bool {
        let networks = &self.app.config.trusted_proxies;
        networks.iter().any(|network| network.contains(peer))
    }
}
