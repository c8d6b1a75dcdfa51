//! What is known of a time: what was turned away, what was stored, and what heals found.

use std::collections::BTreeMap;

use gatepost_config::{IntegrationId, Timestamp};
use gatepost_event::{HealId, heal::Heal, registry::Entry, turned_away::Hour};
use serde::Serialize;

use crate::{
    history::query::{Pulse, pulse},
    problem::Problem,
    serve::Admin,
};

/// Requests answered otherwise than 2xx, as gateways counted them: whole minutes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct TurnedAway {
    /// How many.
    pub(crate) total: u64,
    /// By reason: a refusal's stable code, or the word of another answer.
    pub(crate) by_reason: BTreeMap<String, u64>,
    /// The minute of the first.
    pub(crate) first_at: Option<Timestamp>,
    /// The minute of the last.
    pub(crate) last_at: Option<Timestamp>,
}

/// What was stored in a time, and in as long a time before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = IncidentEvents)]
pub(crate) struct Pulses {
    /// Events stored.
    pub(crate) events: u64,
    /// Events stored in as long a time before.
    pub(crate) events_before: u64,
    /// The longest time without one: from.
    pub(crate) silent_from: Timestamp,
    /// The longest time without one: to.
    pub(crate) silent_to: Timestamp,
    /// Whether that is much longer than before.
    pub(crate) silence_is_odd: bool,
}

/// What heals found and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Heals {
    /// The last that looked at all of the time.
    pub(crate) last: Option<Last>,
    /// What all heals of that time got.
    pub(crate) healed: u64,
}

/// The last heal that looked at all of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) id: HealId,
    /// Missing when it had ended.
    pub(crate) left: u64,
    /// It tried, and the provider does not give what is left.
    pub(crate) in_vain: bool,
}

/// A silence that is shorter is none.
const SILENCE_MIN_MILLIS: i64 = 5 * 60_000;

/// Fewer events say nothing of what is usual.
const USUAL_MIN: u64 = 3;

/// A record of the registry.
pub(crate) fn read(entry: &Entry) -> Option<Hour> {
    serde_json::from_slice(&entry.value).ok()
}

impl TurnedAway {
    pub(crate) fn of(hours: &[Hour], integration: &IntegrationId, from: Timestamp, to: Timestamp) -> Self {
        let mut all = Self::default();
        let own = hours.iter().filter(|hour| hour.integration == *integration);
        for (at, counts) in own.flat_map(|hour| hour.within(from, to)) {
            all.first_at = Some(all.first_at.map_or(at, |first| first.min(at)));
            all.last_at = Some(all.last_at.map_or(at, |last| last.max(at)));
            for (reason, count) in counts {
                *all.by_reason.entry(reason.clone()).or_default() += count;
                all.total += count;
            }
        }
        all
    }
}

impl Pulses {
    /// Of an integration; none when no history is kept.
    pub(crate) async fn of(
        admin: &Admin,
        integration: &IntegrationId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Self>, Problem> {
        let Some(history) = &admin.history else { return Ok(None) };
        let integration = integration.as_str().to_owned();
        let before = from.before(to.since(from));
        let read = move |db: &rusqlite::Connection| {
            Ok((pulse(db, &integration, from, to)?, pulse(db, &integration, before, from)?))
        };
        let (now, usual) = history.ask(read).await?;
        Ok(Some(Self::judged(now, usual)))
    }

    fn judged(now: Pulse, usual: Pulse) -> Self {
        let length = |pulse: Pulse| pulse.silent_to.millis() - pulse.silent_from.millis();
        let is_longer = length(now) > SILENCE_MIN_MILLIS && length(now) / 3 > length(usual);
        Self {
            events: now.events,
            events_before: usual.events,
            silent_from: now.silent_from,
            silent_to: now.silent_to,
            silence_is_odd: usual.events >= USUAL_MIN && is_longer,
        }
    }
}

impl Heals {
    pub(crate) fn of(heals: &[Heal], integration: &IntegrationId, from: Timestamp, to: Timestamp) -> Self {
        let own = heals.iter().filter(|heal| heal.wish.integration == *integration);
        let touching = own.clone().filter(|heal| heal.wish.since < to && from < heal.until());
        let last = own.filter(|heal| heal.has_covered(from, to)).max_by_key(|heal| heal.id);
        let last = last.map(|heal| Last {
            id: heal.id,
            left: heal.progress.left(),
            in_vain: !heal.wish.dry_run && heal.progress.left() > 0,
        });
        Self { last, healed: touching.map(|heal| heal.progress.healed).sum() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_odd_when_it_is_much_longer_than_usual() {
        let minutes = |minutes: i64| Timestamp::from_millis(minutes * 60_000);
        let pulse = |events, silent| Pulse { events, silent_from: minutes(0), silent_to: minutes(silent) };
        let is_odd = |now, usual| Pulses::judged(now, usual).silence_is_odd;
        assert!(is_odd(pulse(0, 120), pulse(40, 9)));
        assert!(!is_odd(pulse(0, 120), pulse(2, 9)), "too few to say");
        assert!(!is_odd(pulse(30, 20), pulse(40, 9)), "not much longer");
        assert!(!is_odd(pulse(30, 4), pulse(400, 1)), "short");
    }
}
