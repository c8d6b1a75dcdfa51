//! Sizes and spans as people write them: `25MiB`, `2s`.

use std::{fmt, str::FromStr, time::Duration};

/// A number of bytes, written `512`, `64KiB`, `25MiB` or `2GiB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ByteSize(pub u64);

/// Why a text is not a size or span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnitError(String);

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit))
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError(format!("{text:?} is not a size such as \"512KiB\" or \"25MiB\""));
        let (number, unit) = split(text).ok_or_else(bad)?;
        let shift = match unit {
            "" | "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            "TiB" => 40,
            _ => return Err(bad()),
        };
        number.checked_mul(1 << shift).map(Self).ok_or_else(bad)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.iter().find(|(shift, _)| self.0 > 0 && self.0.trailing_zeros() >= *shift) {
            Some((shift, unit)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// Reads a span such as `500ms`, `2s`, `5m`, `10h` or `14d`.
///
/// # Errors
/// When the text has no such form, or the span is too long to count in milliseconds.
pub fn parse_span(text: &str) -> Result<Duration, UnitError> {
    let bad = || UnitError(format!("{text:?} is not a span such as \"500ms\", \"2s\", \"5m\", \"10h\" or \"14d\""));
    let (number, unit) = split(text).ok_or_else(bad)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(bad()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(bad)
}

/// Writes a span in the form [`parse_span`] reads, in the largest unit that fits exactly.
pub fn format_span(span: Duration) -> String {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    match units.iter().find(|(size, _)| millis > 0 && millis.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", millis / size),
        None => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_read_as_they_are_written() {
        for text in ["512B", "64KiB", "25MiB", "2GiB"] {
            assert_eq!(text.parse::<ByteSize>().expect(text).to_string(), text);
        }
        for text in ["500ms", "2s", "5m", "10h", "14d"] {
            assert_eq!(format_span(parse_span(text).expect(text)), text);
        }
        for text in ["", "s", "-1s", "1.5s", "2 s", "99999999999999999999s", "18446744073709551615d"] {
            assert!(parse_span(text).is_err(), "{text:?}");
        }
        for text in ["", "MiB", "25MB", "25 MiB", "18446744073709551615TiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text:?}");
        }
    }
}
