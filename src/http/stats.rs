//! Counters of what the server did. Only ever grow, cost an atomic addition each.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use hyper::StatusCode;

/// Parts of the server that are counted apart.
pub const AREAS: [&str; 5] = ["pages", "api", "v1", "mcp", "health"];

/// Which of them an address belongs to.
pub fn area(path: &str) -> usize {
    match path {
        "/health" | "/api/health" | "/metrics" | "/api/metrics" => 4,
        "/mcp" => 3,
        path if path.starts_with("/v1/") => 2,
        path if path.starts_with("/api/") => 1,
        _ => 0,
    }
}

/// The counters.
pub struct RequestStats {
    /// Answers by what was asked for, and by the first digit of their status.
    by_class: [[AtomicU64; 5]; AREAS.len()],
    micros: AtomicU64,
    /// Connections that are open now.
    pub open: AtomicUsize,
    /// Connections turned away because too many were open.
    pub turned_away: AtomicU64,
}

impl RequestStats {
    /// All at zero.
    pub fn new() -> Self {
        Self {
            by_class: Default::default(),
            micros: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            turned_away: AtomicU64::new(0),
        }
    }
    /// Counts an answer of an area.
    pub fn answered(&self, area: usize, status: StatusCode, started: Instant) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.by_class[area][class].fetch_add(1, Relaxed);
        let micros = started.elapsed().as_micros() as u64;
        self.micros.fetch_add(micros, Relaxed);
    }
    /// Answers by area, and in each by class: 1xx to 5xx.
    pub fn classes(&self) -> [[u64; 5]; AREAS.len()] {
        std::array::from_fn(|area| {
            std::array::from_fn(|class| self.by_class[area][class].load(Relaxed))
        })
    }
    /// All answers.
    pub fn total(&self) -> u64 {
        self.classes().iter().flatten().sum()
    }
    /// Seconds spent on all answers together, until their bodies began.
    pub fn seconds(&self) -> f64 {
        self.micros.load(Relaxed) as f64 / 1e6
    }
}
