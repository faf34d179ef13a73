//! Read progress of files, shown to users who wait. Kept in memory: after a restart, reading starts over.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A reader's progress and its total, in pages, sheets, or bytes, depending on the kind of file.
#[derive(Debug, Default)]
pub(super) struct ReadProgress {
    done: AtomicU64,
    total: AtomicU64,
}

impl ReadProgress {
    /// Records the reader's progress. The reader is not trusted: a value above the total counts as the total.
    pub fn set(&self, done: u64, total: u64) {
        self.total.store(total, Relaxed);
        self.done.store(done.min(total), Relaxed);
    }

    /// Returns the progress, 0 to 1; `None` until the total is known.
    pub fn share(&self) -> Option<f64> {
        let (done, total) = (self.done.load(Relaxed), self.total.load(Relaxed));
        (total > 0).then(|| (done.min(total) as f64) / total as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_known_once_the_total_is() {
        let progress = ReadProgress::default();
        assert_eq!(progress.share(), None);
        progress.set(3, 4);
        assert_eq!(progress.share(), Some(0.75));
        progress.set(9, 4);
        assert_eq!(progress.share(), Some(1.0));
    }
}
