//! How much of a file has been read, for those who wait. Kept in memory: a restart reads the file from its beginning.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a reader has done, out of a total: pages, sheets, or bytes, as its kind of file counts.
#[derive(Debug, Default)]
pub(super) struct ReadProgress {
    done: AtomicU64,
    total: AtomicU64,
}

impl ReadProgress {
    /// Notes what the reader reports. It is not trusted: more than everything counts as everything.
    pub fn set(&self, done: u64, total: u64) {
        self.total.store(total, Relaxed);
        self.done.store(done.min(total), Relaxed);
    }

    /// Share of the whole that has been read, 0 to 1; none before the reader knows the whole.
    pub fn share(&self) -> Option<f64> {
        let (done, total) = (self.done.load(Relaxed), self.total.load(Relaxed));
        (total > 0).then(|| (done.min(total) as f64) / total as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_known_once_the_whole_is() {
        let progress = ReadProgress::default();
        assert_eq!(progress.share(), None);
        progress.set(3, 4);
        assert_eq!(progress.share(), Some(0.75));
        progress.set(9, 4);
        assert_eq!(progress.share(), Some(1.0));
    }
}
