//! How many requests were turned away, by integration, minute and reason: what is known of an incident afterwards.
//!
//! Gateways count in memory and add to these records every few seconds, off the way of requests. A record is an entry of the
//! registry for each integration and hour in which a request was turned away.

use std::collections::BTreeMap;

use gatepost_config::{IntegrationId, Timestamp};
use serde::{Deserialize, Serialize};

/// How long records are kept.
pub const KEPT: std::time::Duration = std::time::Duration::from_secs(14 * 86_400);

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// A minute's counts by reason: a refusal's stable code, or the word of another answer than 2xx.
pub type Minute = BTreeMap<String, u64>;

/// What was turned away of an integration in an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    /// The integration.
    pub integration: IntegrationId,
    /// When the hour began.
    pub began_at: Timestamp,
    /// By minute of the hour.
    pub minutes: BTreeMap<u8, Minute>,
}

impl Hour {
    /// The empty record of the hour that a time is in.
    pub fn of(integration: &IntegrationId, at: Timestamp) -> Self {
        let began_at = Timestamp::from_millis(at.millis().div_euclid(HOUR) * HOUR);
        Self { integration: integration.clone(), began_at, minutes: BTreeMap::new() }
    }

    /// Its id in the registry.
    pub fn entry_id(&self) -> String {
        format!("{}/{}", self.integration, self.began_at.millis() / HOUR)
    }

    /// Counts requests in the minute that a time of this hour is in.
    pub fn add(&mut self, at: Timestamp, reason: &str, count: u64) {
        let minute = (at.millis() - self.began_at.millis()).clamp(0, HOUR - 1) / MINUTE;
        let minute = self.minutes.entry(u8::try_from(minute).unwrap_or_default()).or_default();
        *minute.entry(reason.to_owned()).or_default() += count;
    }

    /// Adds another record's counts of the same hour.
    pub fn merge(&mut self, other: &Self) {
        for (minute, counts) in &other.minutes {
            let mine = self.minutes.entry(*minute).or_default();
            for (reason, count) in counts {
                *mine.entry(reason.clone()).or_default() += count;
            }
        }
    }

    /// The minutes that begin within a time, or in which it begins.
    pub fn within(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = (Timestamp, &Minute)> {
        let begins = |minute: &u8| Timestamp::from_millis(self.began_at.millis() + i64::from(*minute) * MINUTE);
        let all = self.minutes.iter().map(move |(minute, counts)| (begins(minute), counts));
        all.filter(move |(at, _)| at.millis() + MINUTE > from.millis() && *at < to)
    }

    /// Whether nobody will ask for it any more.
    pub fn is_past(&self, now: Timestamp) -> bool {
        now.since(self.began_at) > KEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_minute_and_found_by_time() {
        let integration: IntegrationId = "github".parse().expect("an id");
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let mut hour = Hour::of(&integration, at("2026-11-22T17:04:05Z"));
        assert_eq!((hour.began_at, hour.entry_id().as_str()), (at("2026-11-22T17:00:00Z"), "github/498713"));
        hour.add(at("2026-11-22T17:04:05Z"), "signature_mismatch", 2);
        let mut other = Hour::of(&integration, at("2026-11-22T17:59:59.999Z"));
        other.add(at("2026-11-22T17:04:59Z"), "signature_mismatch", 3);
        other.add(at("2026-11-22T17:59:59.999Z"), "unavailable", 1);
        hour.merge(&other);
        let count = |from: &str, to: &str| -> u64 {
            hour.within(at(from), at(to)).flat_map(|(_, counts)| counts.values()).sum()
        };
        assert_eq!(count("2026-11-22T17:04:30Z", "2026-11-22T17:05:00Z"), 5, "the minute in which it begins");
        assert_eq!(count("2026-11-22T17:05:00Z", "2026-11-22T18:00:00Z"), 1);
        assert_eq!(count("2026-11-22T16:00:00Z", "2026-11-22T17:04:00Z"), 0);
        assert!(!hour.is_past(at("2026-12-06T16:00:00Z")) && hour.is_past(at("2026-12-06T18:00:00Z")));
    }
}
