//! Tests how often the replication thread lists the target.

use super::*;

#[test]
fn listings_take_little_time_and_run_every_minute() {
    let [none, second, minute] = [0, 1, 60].map(Duration::from_secs);
    let quick = Duration::from_millis(2);
    for (interval, took, expected) in [
        (none, none, none),
        (none, quick, quick * 20),
        (none, second, second * 20),
        (none, minute, minute),
        (minute, quick, minute),
    ] {
        assert_eq!(
            next_listing_pause(interval, took),
            expected,
            "{interval:?} {took:?}"
        );
    }
}
