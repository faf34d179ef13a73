//! Tests of limits, charges, and calendar days and months.

use super::*;
use crate::domain::chat::Usage;

fn at(text: &str) -> Timestamp {
    let moment = humantime::parse_rfc3339(text).unwrap();
    let since = moment.duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(since.as_millis() as i64)
}

#[test]
fn days_and_months_follow_the_calendar() {
    for (now, day, month) in [
        (
            "1970-01-01T00:00:00Z",
            "1970-01-02T00:00:00Z",
            "1970-02-01T00:00:00Z",
        ),
        (
            "2024-02-28T23:59:59Z",
            "2024-02-29T00:00:00Z",
            "2024-03-01T00:00:00Z",
        ),
        (
            "2023-02-28T12:00:00Z",
            "2023-03-01T00:00:00Z",
            "2023-03-01T00:00:00Z",
        ),
        (
            "2026-12-31T23:00:00Z",
            "2027-01-01T00:00:00Z",
            "2027-01-01T00:00:00Z",
        ),
        (
            "2026-11-23T01:00:00Z",
            "2026-11-24T00:00:00Z",
            "2026-12-01T00:00:00Z",
        ),
        (
            "2000-02-29T01:00:00Z",
            "2000-03-01T00:00:00Z",
            "2000-03-01T00:00:00Z",
        ),
        (
            "2100-02-28T01:00:00Z",
            "2100-03-01T00:00:00Z",
            "2100-03-01T00:00:00Z",
        ),
    ] {
        assert_eq!(day_end(at(now)), at(day), "{now}");
        assert_eq!(month_end(at(now)), at(month), "{now}");
    }
}

#[test]
fn days_round_trip() {
    for text in ["1970-01-01", "2024-02-29", "2026-11-23"] {
        assert_eq!(parse_day(text).map(format_day).as_deref(), Some(text));
    }
    for text in ["", "2026-13-01", "2026-11-23T00:00:00Z", "1969-12-31", "x"] {
        assert_eq!(parse_day(text), None, "{text}");
    }
}

#[test]
fn each_limit_applies_alone_and_is_named() {
    let now = at("2026-11-23T01:00:00Z");
    let amount = |cost, tokens| UsageAmount {
        cost: MicroDollars(cost),
        tokens,
    };
    let spending = UserSpending {
        day: amount(50, 500),
        month: amount(80, 800),
    };
    let (reserved_total, requested_amount) = (amount(10, 100), amount(5, 50));
    let limits =
        |day_cost: Option<i64>, month_cost: Option<i64>, day_tokens, month_tokens| UserLimits {
            day_cost: day_cost.map(MicroDollars),
            month_cost: month_cost.map(MicroDollars),
            day_tokens,
            month_tokens,
        };
    for (limits, over) in [
        (limits(None, None, None, None), None),
        (limits(Some(65), Some(95), Some(650), Some(950)), None),
        (
            limits(Some(64), None, None, None),
            Some((LimitKind::DayCost, 4)),
        ),
        (
            limits(Some(99), Some(94), None, None),
            Some((LimitKind::MonthCost, 4)),
        ),
        (
            limits(None, None, Some(649), None),
            Some((LimitKind::DayTokens, 49)),
        ),
        (
            limits(None, None, None, Some(100)),
            Some((LimitKind::MonthTokens, 0)),
        ),
    ] {
        let result = check_limits(&limits, &spending, reserved_total, requested_amount, now);
        assert_eq!(result.err().map(|over| (over.kind, over.remaining())), over);
    }
    // A run without cost is not blocked by an exhausted cost limit.
    let free = amount(0, 50);
    assert_eq!(
        check_limits(
            &limits(Some(1), None, None, None),
            &spending,
            reserved_total,
            free,
            now
        ),
        Ok(())
    );
    let text = check_limits(
        &limits(Some(1_000_000), None, None, None),
        &spending,
        reserved_total,
        amount(2_000_000, 0),
        now,
    )
    .unwrap_err()
    .to_string();
    assert_eq!(
        text,
        "the day's budget of 1.00 USD has 0.99994 USD left, and this would take up to 2.00 USD; \
         it resets at 2026-11-24T00:00:00.000Z"
    );
}

#[test]
fn the_reported_charge_overrides_the_price() {
    let price = Price {
        input: 1.0,
        output: 2.0,
        cached_input: None,
        long: None,
    };
    let bill = |input, charged| CallBill {
        usage: Usage {
            input,
            ..Usage::default()
        },
        charged,
        ..CallBill::default()
    };
    for (bill, price, expected) in [
        (bill(10, None), Some(price), Some(10)),
        (bill(10, Some(MicroDollars(3))), Some(price), Some(3)),
        (bill(10, Some(MicroDollars(3))), None, Some(3)),
        (bill(10, None), None, None),
        (bill(0, None), None, Some(0)),
    ] {
        assert_eq!(cost(&bill, price), expected.map(MicroDollars));
    }
}
