//! What stands at the front of the lanes: up to where all that is in a lane is known, and which of it is still owed.
//!
//! Everything that stands before the first task that is owed may leave the lane by one purge, if nothing stands there that
//! was never read.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::Lane;

/// Lanes that are remembered; of others tasks leave one by one.
const LANES_MAX: usize = 1024;
/// Tasks of one lane that are remembered.
const OWED_MAX: usize = 4096;
/// How long the task at the front may hold up those that have ended behind it, which then leave one by one.
const PATIENCE: Duration = Duration::from_millis(10);

/// The fronts of lanes, by shard.
#[derive(Debug, Default)]
pub(super) struct Fronts(Mutex<HashMap<(u16, Lane), Front>>);

#[derive(Debug, Default)]
struct Front {
    /// Nothing is known of what stands up to here; 0 where the lane was read from its beginning.
    unread: u64,
    /// What stands in the lane after that and up to here is in `owed`, or may go.
    through: u64,
    owed: BTreeSet<u64>,
    /// The first that is owed, since when it is.
    first: Option<(u64, Instant)>,
}

/// How far a lane may be emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    /// All up to here may go; 0 for nothing.
    pub(super) through: u64,
    /// What has ended behind it had better wait: what is in its way began only now.
    pub(super) is_moving: bool,
    /// More may go if nothing stands in the lane any more up to here; 0 where that is known.
    pub(super) unread: u64,
}

impl Bound {
    const fn none(unread: u64) -> Self {
        Self { through: 0, is_moving: false, unread }
    }
}

impl Fronts {
    /// A lane was read from behind a place: all that stands in it up to `through`, of which this is owed.
    pub(super) fn read(&self, shard: u16, lane: &Lane, after: u64, owed: impl Iterator<Item = u64>, through: u64) {
        let mut fronts = self.fronts();
        if after == 0 || fronts.get(&(shard, *lane)).is_none_or(|front| after > front.through) {
            if fronts.len() >= LANES_MAX {
                fronts.clear();
            }
            fronts.insert((shard, *lane), Front { unread: after, through: after, ..Front::default() });
        }
        let Some(front) = fronts.get_mut(&(shard, *lane)) else { return };
        let known = front.through;
        front.owed.extend(owed.filter(|place| *place > known));
        front.through = known.max(through);
        if front.owed.len() > OWED_MAX {
            fronts.remove(&(shard, *lane));
        }
    }

    /// A task is owed no more.
    pub(super) fn ended(&self, shard: u16, lane: &Lane, place: u64) {
        if let Some(front) = self.fronts().get_mut(&(shard, *lane)) {
            front.owed.remove(&place);
        }
    }

    /// How far a lane may be emptied now.
    pub(super) fn bound(&self, shard: u16, lane: &Lane, now: Instant) -> Bound {
        let mut fronts = self.fronts();
        let Some(front) = fronts.get_mut(&(shard, *lane)) else { return Bound::none(0) };
        if front.unread > 0 {
            return Bound::none(front.unread);
        }
        let Some(first) = front.owed.first().copied() else {
            return Bound { through: front.through, ..Bound::none(0) };
        };
        let since = match front.first {
            Some((was_first, since)) if was_first == first => since,
            _ => now,
        };
        front.first = Some((first, since));
        Bound { through: first - 1, is_moving: now.saturating_duration_since(since) < PATIENCE, unread: 0 }
    }

    /// Nothing stands in a lane before a place.
    pub(super) fn begins(&self, shard: u16, lane: &Lane, first: u64) {
        if let Some(front) = self.fronts().get_mut(&(shard, *lane))
            && first > front.unread
        {
            front.unread = 0;
        }
    }

    /// Nothing is known of a shard's lanes any more.
    pub(super) fn forget(&self, shard: u16) {
        self.fronts().retain(|(of, _), _| *of != shard);
    }

    fn fronts(&self) -> MutexGuard<'_, HashMap<(u16, Lane), Front>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
