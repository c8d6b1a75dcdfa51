//! Whose turn it is: round robin over tenants, then over a tenant's lanes.

use std::collections::{HashMap, VecDeque};

use gatepost_config::TenantId;
use gatepost_event::Lane;

/// Who shares turns: a tenant, by the owner of the lane's destination; the operator's own destinations share one.
pub(super) type Group = Option<TenantId>;

/// Lanes that may go, in the order they go in.
#[derive(Debug, Default)]
pub(super) struct Turns {
    order: VecDeque<Group>,
    lanes: HashMap<Group, VecDeque<Lane>>,
}

impl Turns {
    /// Puts a lane at the end of its group's lanes.
    pub(super) fn push(&mut self, group: Group, lane: Lane) {
        let lanes = self.lanes.entry(group.clone()).or_default();
        lanes.push_back(lane);
        if lanes.len() == 1 {
            self.order.push_back(group);
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

    /// Forgets lanes.
    pub(super) fn retain(&mut self, keep: impl Fn(&Lane) -> bool) {
        self.lanes.values_mut().for_each(|lanes| lanes.retain(&keep));
        self.lanes.retain(|_, lanes| !lanes.is_empty());
        self.order.retain(|group| self.lanes.contains_key(group));
    }
}
