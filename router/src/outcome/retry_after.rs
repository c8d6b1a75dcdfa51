//! `Retry-After`: seconds, or a date.

use std::time::Duration;

use gatepost_config::Timestamp;
use time::{
    Date, OffsetDateTime, PrimitiveDateTime, Time, format_description::BorrowedFormatItem, macros::format_description,
    parsing::Parsed,
};

/// The three forms of dates that RFC 9110 has recipients read: its own, that of RFC 850, and that of C's `asctime`.
const IMF_FIXDATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
const RFC_850: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday], [day]-[month repr:short]-[year repr:last_two] [hour]:[minute]:[second] GMT");
const ASCTIME: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]");

/// Most digits of a number of seconds that is read; a longer one is not meant seriously.
const DIGITS_MAX: usize = 10;

/// How long the destination asks to be left alone; `None` when what it says can't be read.
pub(super) fn parse(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.len() <= DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let read = |form| PrimitiveDateTime::parse(text, form).ok();
    let at = read(IMF_FIXDATE).or_else(|| rfc_850(text, now)).or_else(|| read(ASCTIME))?.assume_utc();
    let at = Timestamp::from_millis(at.unix_timestamp().checked_mul(1000)?);
    Some(at.since(now))
}

/// A year of two digits is the one in which the date is nearest to now, and at most 50 years ahead.
fn rfc_850(text: &str, now: Timestamp) -> Option<PrimitiveDateTime> {
    let mut parsed = Parsed::new();
    let rest = parsed.parse_items(text.as_bytes(), RFC_850).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let this_year = OffsetDateTime::from_unix_timestamp(now.seconds()).ok()?.year();
    let year = this_year - this_year.rem_euclid(100) + i32::from(parsed.year_last_two()?);
    let year = if year > this_year + 50 { year - 100 } else { year };
    let date = Date::from_calendar_date(year, parsed.month()?, parsed.day()?.get()).ok()?;
    let time = Time::from_hms(parsed.hour_24()?, parsed.minute()?, parsed.second()?).ok()?;
    Some(PrimitiveDateTime::new(date, time))
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
            ("Sunday, 22-Nov-26 17:02:00 GMT", Some(120)),
            ("Sunday, 22-Nov-26 16:00:00 GMT", Some(0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(0)),
            ("Sunday, 22-Nov-76 17:00:00 GMT", Some(1_577_923_200)),
            ("Sunday, 22-Nov-77 17:00:00 GMT", Some(0)),
            ("Sun Nov 22 17:02:00 2026", Some(120)),
            ("Sun Nov  1 17:02:00 2026", Some(0)),
            ("Tue Dec  1 17:00:00 2026", Some(777_600)),
            ("", None),
            ("Sunday, 22-Nov-26 17:02:00 PST", None),
            ("Sunday, 31-Feb-26 17:02:00 GMT", None),
            ("Sunday, 22-Nov-26 17:02:00 GMT and so on", None),
            ("Sun, 22-Nov-26 17:02:00 GMT", None),
            ("Sun Nov 22 17:02:00 2026 GMT", None),
            ("Sun Nov 22 17:02:00", None),
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
