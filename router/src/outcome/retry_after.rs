//! `Retry-After`: seconds, or a date.

use std::time::Duration;

use gatepost_config::Timestamp;
use time::{PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description};

/// The form of dates that RFC 9110 has senders use; its two obsolete forms are not read.
const IMF_FIXDATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// Most digits of a number of seconds that is read; a longer one is not meant seriously.
const DIGITS_MAX: usize = 10;

/// How long the destination asks to be left alone; `None` when what it says can't be read.
pub(super) fn parse(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.len() <= DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let at = PrimitiveDateTime::parse(text, IMF_FIXDATE).ok()?.assume_utc();
    let at = Timestamp::from_millis(at.unix_timestamp().checked_mul(1000)?);
    Some(at.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_nothing_else() {
        let now: Timestamp = "2026-11-22T17:00:00Z".parse().expect("a time");
        for (text, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 120 ", Some(120)),
            ("9999999999", Some(9_999_999_999)),
            ("Sun, 22 Nov 2026 17:02:00 GMT", Some(120)),
            ("Sun, 22 Nov 2026 16:00:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("5s", None),
            ("99999999999", None),
            ("1e3", None),
            ("soon", None),
            ("Sun, 22 Nov 2026 17:02:00", None),
            ("Sun, 22 Nov 2026 17:02:00 PST", None),
            ("Sun, 31 Feb 2026 17:02:00 GMT", None),
            ("2026-11-22T17:02:00Z", None),
        ] {
            assert_eq!(parse(text, now), expected.map(Duration::from_secs), "{text:?}");
        }
    }
}
