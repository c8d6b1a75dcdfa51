//! What waits in lanes: for metrics, and for whoever ends what waited for too long.

use std::collections::HashMap;

use gatepost_config::DestinationId;
use gatepost_event::{Lane, Queued, Task};

use super::{Lanes, lane::Place};

impl Lanes {
    /// Takes out remembered tasks that are expired, at most `most`, as under way.
    pub(crate) fn take_expired(&mut self, is_expired: impl Fn(&Task) -> bool, most: usize) -> Vec<(Lane, u16, Queued)> {
        let mut expired = Vec::new();
        for (lane, state) in &mut self.lanes {
            let old = |queued: &Queued| is_expired(&queued.task);
            while expired.len() < most
                && let Some(at) = state.heads.iter().position(old)
                && let Some(queued) = state.heads.remove(at)
            {
                self.cached -= 1;
                state.flying.insert(queued.position);
                expired.push((*lane, state.shard, queued));
            }
        }
        expired
    }

    /// Lanes whose destinations are not configured.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = (Lane, u16)> {
        self.lanes.iter().filter(|(_, state)| state.place == Place::Unknown).map(|(lane, state)| (*lane, state.shard))
    }

    /// Marks a task of a lane with an unknown destination as under way; `false` when it is already.
    pub(crate) fn take(&mut self, lane: &Lane, position: u64) -> bool {
        self.lanes.get_mut(lane).is_some_and(|state| state.flying.insert(position))
    }

    /// Destinations that are known not to answer, each with its shard.
    pub(crate) fn unanswering(&self) -> impl Iterator<Item = (u16, &DestinationId)> {
        let open = self.gates.iter().filter(|(_, gate)| gate.is_open());
        open.filter_map(|(token, gate)| Some((gate.shard, &self.plan.backend(token)?.destination.id)))
    }

    /// Deliveries in lanes by destination, and how many wait for destinations that are not configured.
    pub(crate) fn waiting(&self) -> (HashMap<&DestinationId, u64>, u64) {
        let mut unknown = 0;
        let mut known: HashMap<&DestinationId, u64> =
            self.plan.backends.iter().map(|backend| (&backend.destination.id, 0)).collect();
        for (lane, state) in &self.lanes {
            match self.plan.backend(&lane.destination) {
                Some(backend) => *known.entry(&backend.destination.id).or_default() += state.waiting,
                None => unknown += state.waiting,
            }
        }
        (known, unknown)
    }

    /// Tasks remembered, of all lanes.
    #[cfg(test)]
    pub(crate) const fn cached(&self) -> usize {
        self.cached
    }
}
