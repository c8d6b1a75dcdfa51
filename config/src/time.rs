//! Wall-clock instants.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::id::parsed;

/// A wall-clock instant in milliseconds since 1970-01-01T00:00:00Z; written as RFC 3339 in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text that is not an RFC 3339 time between the years 0000 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a time such as 2026-11-22T17:04:05Z (RFC 3339)")]
pub struct NotATime;

impl Timestamp {
    /// Now, by the system's clock. Pure code takes a `now` instead.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This instant and a span later, at most the end of time.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This instant and a span earlier.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was; zero when it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let schema = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::String);
        let format = utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::DateTime);
        schema.format(Some(format)).into()
    }
}

impl utoipa::ToSchema for Timestamp {}

impl Timestamp {
    /// Gives its text away.
    fn written<T>(self, to: impl FnOnce(&str) -> T) -> T {
        let at = OffsetDateTime::from_unix_timestamp(self.seconds()).ok();
        let Some((at, year)) = at.and_then(|at| Some((at, u32::try_from(at.year()).ok()?))) else {
            return to("out of range");
        };
        let [month, day] = [u8::from(at.month()), at.day()].map(u32::from);
        let [hour, minute, second] = [at.hour(), at.minute(), at.second()].map(u32::from);
        let millis = u32::try_from(self.0.rem_euclid(1000)).unwrap_or_default();
        // Written by hand: it stands in every event, and a format description takes ten times as long.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (number, last, digits) in
            [(year, 3, 4), (month, 6, 2), (day, 9, 2), (hour, 12, 2), (minute, 15, 2), (second, 18, 2), (millis, 22, 3)]
        {
            write_digits(&mut text, number, last, digits);
        }
        to(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written(|text| f.write_str(text))
    }
}

/// Writes a number's last digits, the last of all at a place.
fn write_digits(text: &mut [u8], mut number: u32, last: usize, digits: usize) {
    for place in text.iter_mut().take(last + 1).rev().take(digits) {
        *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| NotATime)?;
        let millis = at.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(millis).map(Self).map_err(|_| NotATime)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.written(|text| to.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        parsed(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_milliseconds() {
        let at: Timestamp = "2026-11-22T18:04:05.123456+01:00".parse().expect("a time");
        assert_eq!(at.to_string(), "2026-11-22T17:04:05.123Z");
        assert_eq!(at.millis(), 1_795_367_045_123);
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn every_time_that_can_be_read_is_written_as_it_was() {
        for text in [
            "0000-01-01T00:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "1970-01-01T00:00:00.000Z",
            "2024-02-29T12:34:56.789Z",
            "9999-12-31T23:59:59.999Z",
        ] {
            assert_eq!(text.parse::<Timestamp>().expect(text).to_string(), text);
        }
        assert_eq!(Timestamp::from_millis(i64::MAX).to_string(), "out of range");
        assert_eq!(Timestamp::from_millis(i64::MIN).to_string(), "out of range");
    }
}
