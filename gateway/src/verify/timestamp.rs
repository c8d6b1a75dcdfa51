//! A signed time: how it may be written, and how near now it must be.

use std::time::Duration;

use gatepost_config::{
    Timestamp,
    provider::{TimeUnit, TimestampRule},
};

use crate::{
    extract::{Lookup, Trouble},
    reason::Reason,
};

/// Most digits of a time in seconds: until the year 5138.
const SECONDS_DIGITS_MAX: usize = 11;
/// Most digits of a time in milliseconds.
const MILLISECONDS_DIGITS_MAX: usize = 14;

/// Reads a time in its one spelling: digits without sign, space or leading zero, or RFC 3339.
pub(crate) fn read(unit: TimeUnit, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    match unit {
        TimeUnit::Seconds => digits(text, SECONDS_DIGITS_MAX)?.checked_mul(1_000).map(Timestamp::from_millis),
        TimeUnit::Milliseconds => digits(text, MILLISECONDS_DIGITS_MAX).map(Timestamp::from_millis),
        TimeUnit::Iso8601 => text.parse().ok(),
        TimeUnit::Iso8601Utc => format!("{text}Z").parse().ok(),
    }
}

/// Writes a time as [`read`] reads it.
pub(crate) fn write(unit: TimeUnit, at: Timestamp) -> String {
    match unit {
        TimeUnit::Seconds => at.seconds().to_string(),
        TimeUnit::Milliseconds => at.millis().to_string(),
        TimeUnit::Iso8601 => at.to_string(),
        TimeUnit::Iso8601Utc => at.to_string().trim_end_matches('Z').to_owned(),
    }
}

/// The time that a rule points at.
pub(super) fn signed_at(rule: &TimestampRule, lookup: &Lookup<'_>) -> Result<Timestamp, Reason> {
    match lookup.find(&rule.from) {
        Ok(Some(text)) if text.is_empty() => Err(Reason::TimestampMissing),
        Ok(Some(text)) => read(rule.unit, &text).ok_or(Reason::TimestampMalformed),
        Ok(None) => Err(Reason::TimestampMissing),
        Err(Trouble::Duplicated) => Err(Reason::TimestampDuplicated),
        Err(Trouble::Unreadable) => Err(Reason::TimestampMalformed),
    }
}

/// Checks that a time is near now, both ways, in the unit that it is written in.
pub(super) fn check_age(rule: &TimestampRule, at: Timestamp, now: Timestamp) -> Result<(), Reason> {
    let now = match rule.unit {
        TimeUnit::Seconds => Timestamp::from_millis(now.seconds().saturating_mul(1_000)),
        TimeUnit::Milliseconds | TimeUnit::Iso8601 | TimeUnit::Iso8601Utc => now,
    };
    if now.since(at) > rule.tolerance {
        return Err(Reason::TimestampStale);
    }
    if at.since(now) > rule.tolerance.max(Duration::ZERO) {
        return Err(Reason::TimestampFuture);
    }
    Ok(())
}

fn digits(text: &str, most: usize) -> Option<i64> {
    let fit = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if fit { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_one_spelling() {
        let read_seconds = |text: &str| read(TimeUnit::Seconds, text.as_bytes()).map(Timestamp::millis);
        assert_eq!(read_seconds("1795367045"), Some(1_795_367_045_000));
        assert_eq!(read_seconds("99999999999"), Some(99_999_999_999_000));
        let bad = [
            "",
            "0",
            "+1795367045",
            "-1",
            "-9223372036854775808",
            "01795367045",
            "1795367045.0",
            "1e9",
            " 1795367045",
            "1795367045 ",
            "1795367045000",
            "999999999999",
            "１７９５３６７０４５",
            "0x6b",
            "1_000",
            "NaN",
            "null",
            "1795367045\0",
        ];
        for text in bad {
            assert_eq!(read_seconds(text), None, "{text:?}");
        }
        let millis = |text: &str| read(TimeUnit::Milliseconds, text.as_bytes()).map(Timestamp::millis);
        assert_eq!(millis("1795367045123"), Some(1_795_367_045_123));
        assert_eq!(millis("999999999999999"), None);
        assert!(read(TimeUnit::Iso8601, b"2026-11-22T17:04:05.123456789Z").is_some());
        assert_eq!(read(TimeUnit::Iso8601, b"yesterday"), None);
        let utc = |text: &str| read(TimeUnit::Iso8601Utc, text.as_bytes()).map(Timestamp::millis);
        assert_eq!(utc("2026-11-22T17:04:05.123"), Some(1_795_367_045_123));
        assert_eq!((utc("2026-11-22T17:04:05Z"), utc("2026-11-22T17:04:05+01:00")), (None, None));
    }

    #[test]
    fn the_window_is_two_sided_to_the_second() {
        let from =
            gatepost_config::provider::Location { source: gatepost_config::provider::Source::Body, within: None };
        let rule = TimestampRule { from, unit: TimeUnit::Seconds, tolerance: Duration::from_secs(300) };
        let now = Timestamp::from_millis(1_795_367_045_999);
        let judged = |offset: i64| check_age(&rule, Timestamp::from_millis((1_795_367_045 + offset) * 1_000), now);
        for offset in [-300, -299, 0, 299, 300] {
            assert_eq!(judged(offset), Ok(()), "{offset}");
        }
        assert_eq!(judged(-301), Err(Reason::TimestampStale));
        assert_eq!(judged(301), Err(Reason::TimestampFuture));
    }
}
