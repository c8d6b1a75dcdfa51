//! Heals that nobody has to ask for.

use std::time::Duration;

use gatepost_config::Timestamp;
use gatepost_event::{
    heal::{Heal, Wish},
    replay::State,
};

use crate::tables::Tables;

/// What happened a moment ago may still be delivered by itself.
const GRACE: Duration = Duration::from_secs(2 * 60);

/// By how much the times of two heals overlap: providers' clocks are not ours, and lists come late.
const OVERLAP: Duration = Duration::from_secs(10 * 60);

/// The heals that integrations' schedules want now. Each looks at what the last one that succeeded had not seen, or
/// at one period.
pub(super) fn due<'h>(tables: &Tables, all: impl Iterator<Item = &'h Heal> + Clone, now: Timestamp) -> Vec<Heal> {
    let mut due = Vec::new();
    for integration in tables.integrations() {
        let Some((every, by)) = integration.heal.as_ref().and_then(|heal| Some((heal.every?, heal.from.by()))) else {
            continue;
        };
        let own = all.clone().filter(|heal| heal.scheduled && heal.wish.integration == integration.id);
        let is_open = own.clone().any(|heal| !heal.state.is_over());
        let asked = own.clone().map(|heal| heal.created_at).max();
        if is_open || asked.is_some_and(|at| now.since(at) < every) {
            continue;
        }
        let seen = own.filter(|heal| heal.state == State::Done).map(Heal::until).max();
        let since = seen.unwrap_or_else(|| now.before(every)).before(OVERLAP).max(now.before(by.reach()));
        let (integration, until) = (integration.id.clone(), Some(now.before(GRACE)));
        due.push(Heal::new(Wish { integration, since, until, dry_run: false }, true, now));
    }
    due
}
