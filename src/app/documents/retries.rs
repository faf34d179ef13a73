//! Retries work that fails on the server's side, such as a write to a busy disk.

use std::time::Duration;

use crate::app::Result;

/// Pauses before each retry of a server-side failure: a disk that refuses one write often accepts the next.
const RETRY_PAUSES: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_millis(500),
];

/// Runs the work, and retries it up to three times while it fails. `wait` pauses before a retry and returns whether to
/// continue.
///
/// # Errors
/// Returns the error of the last attempt.
pub(super) fn with_retries<T>(
    wait: &mut dyn FnMut(Duration) -> bool,
    work: &mut dyn FnMut() -> Result<T>,
) -> Result<T> {
    let mut last = work();
    for pause in RETRY_PAUSES {
        if last.is_ok() || !wait(pause) {
            break;
        }
        last = work();
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Error;

    #[test]
    fn a_single_disk_failure_is_retried() {
        for (failures, should_continue, calls, succeeds) in [
            (0, true, 1, true),
            (1, true, 2, true),
            (3, true, 4, true),
            (9, true, 4, false),
            (1, false, 1, false),
        ] {
            let (mut call_count, mut waits) = (0, Vec::new());
            let outcome = with_retries(
                &mut |pause| {
                    waits.push(pause);
                    should_continue
                },
                &mut || {
                    call_count += 1;
                    match call_count <= failures {
                        true => Err(Error::internal("EIO")),
                        false => Ok(()),
                    }
                },
            );
            assert_eq!(
                (call_count, outcome.is_ok()),
                (calls, succeeds),
                "{failures}"
            );
            assert_eq!(waits, RETRY_PAUSES[..waits.len()]);
        }
    }
}
