//! Server state that handlers, event streams, and connections share.

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

/// State that all handlers, event streams, and connections of a server share.
pub struct SharedState {
    pub(super) app: Arc<App>,
    /// Request counters since the server started.
    pub(super) stats: RequestStats,
    /// Statistics per minute for the last day.
    pub(super) minute_stats: MinuteStats,
    pub(super) limiter: RateLimiter,
    pub(super) health: HealthCache,
    /// Set at shutdown, so that event streams end.
    pub(super) stopping: AtomicBool,
}

/// The cached response of `/health`, and the result of the last database probe.
#[derive(Default)]
pub struct HealthCache {
    pub(super) cached_response: Mutex<Option<(Instant, StatusCode, Bytes)>>,
    /// Notified when `/health` is computed, to request another probe of the database.
    pub(super) probe_requested: Notify,
    /// Whether the last probe of the database failed.
    pub(super) probe_failed: AtomicBool,
}

impl SharedState {
    /// Creates the state of a new server.
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

    /// Whether an address belongs to a trusted proxy.
    pub(super) fn is_trusted_proxy(&self, peer: IpAddr) -> bool {
        let networks = &self.app.config.trusted_proxies;
        networks.iter().any(|network| network.contains(peer))
    }
}
