//! Counters of requests and connections. Each update is a single atomic addition.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use hyper::StatusCode;

/// The areas for which requests are counted separately.
pub const AREAS: [&str; 5] = ["pages", "api", "v1", "mcp", "health"];

/// Returns the index in [`AREAS`] of the area that a path belongs to.
pub fn area_index(path: &str) -> usize {
    match path {
        "/health" | "/api/health" | "/metrics" | "/api/metrics" => 4,
        "/mcp" => 3,
        path if path.starts_with("/v1/") => 2,
        path if path.starts_with("/api/") => 1,
        _ => 0,
    }
}

/// Counters of requests and connections since the server started.
pub struct RequestStats {
    /// Number of responses by area and by status class (1xx to 5xx).
    by_class: [[AtomicU64; 5]; AREAS.len()],
    /// Sum of the times to first byte of all responses, in microseconds.
    micros: AtomicU64,
    /// Number of connections that are open now.
    pub open_connections: AtomicUsize,
    /// Number of connections rejected because too many were open.
    pub rejected: AtomicU64,
}

impl RequestStats {
    /// Creates counters that are all zero.
    pub fn new() -> Self {
        Self {
            by_class: Default::default(),
            micros: AtomicU64::new(0),
            open_connections: AtomicUsize::new(0),
            rejected: AtomicU64::new(0),
        }
    }
    /// Counts a response in an area and adds its time to first byte.
    pub fn record_response(&self, area: usize, status: StatusCode, started: Instant) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.by_class[area][class].fetch_add(1, Relaxed);
        let micros = started.elapsed().as_micros() as u64;
        self.micros.fetch_add(micros, Relaxed);
    }
    /// Returns the number of responses by area and, within each area, by status class from 1xx to 5xx.
    pub fn classes(&self) -> [[u64; 5]; AREAS.len()] {
        std::array::from_fn(|area| {
            std::array::from_fn(|class| self.by_class[area][class].load(Relaxed))
        })
    }
    /// Returns the total number of responses.
    pub fn total(&self) -> u64 {
        self.classes().iter().flatten().sum()
    }
    /// Returns the sum of the times to first byte of all responses, in seconds.
    pub fn seconds(&self) -> f64 {
        self.micros.load(Relaxed) as f64 / 1e6
    }
}
