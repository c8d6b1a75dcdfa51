//! Whose turn it is: round robin over tenants, then over a tenant's lanes.

use std::collections::{HashMap, VecDeque};

use gatepost_event::{Lane, id::Token};

/// Who shares turns: the lanes of one tenant's events; those of events without a tenant share one.
type Group = Option<Token>;

/// Lanes that may go, in the order they go in.
#[derive(Debug, Default)]
pub(super) struct Turns {
    order: VecDeque<Group>,
    lanes: HashMap<Group, VecDeque<Lane>>,
}

impl Turns {
    /// Puts a lane at the end of its group's lanes.
    pub(super) fn push(&mut self, lane: Lane) {
        let lanes = self.lanes.entry(lane.tenant).or_default();
        lanes.push_back(lane);
        if lanes.len() == 1 {
            self.order.push_back(lane.tenant);
        }
    }

    /// The lane whose turn it is; the next turn is another group's.
    pub(super) fn pop(&mut self) -> Option<Lane> {
        let group = self.order.pop_front()?;
        let lanes = self.lanes.get_mut(&group)?;
        let lane = lanes.pop_front();
        if lanes.is_empty() {
            self.lanes.remove(&group);
        } else {
            self.order.push_back(group);
        }
        lane
    }

    /// Puts a lane before all others: it had its turn and could not take it.
    pub(super) fn push_front(&mut self, lane: Lane) {
        self.lanes.entry(lane.tenant).or_default().push_front(lane);
        self.order.retain(|group| *group != lane.tenant);
        self.order.push_front(lane.tenant);
    }

    /// Whether a lane of the same tenant is among them.
    pub(super) fn has_tenant_of(&self, lane: &Lane) -> bool {
        self.lanes.contains_key(&lane.tenant)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.values().flatten()
    }

    /// Forgets lanes.
    pub(super) fn retain(&mut self, keep: impl Fn(&Lane) -> bool) {
        self.lanes.values_mut().for_each(|lanes| lanes.retain(&keep));
        self.lanes.retain(|_, lanes| !lanes.is_empty());
        self.order.retain(|group| self.lanes.contains_key(group));
    }
}
