//! One message of a shard's ledger.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::names;
use crate::{Ending, Task};

/// What was counted so far, and what ended last. Each page says all that whoever takes the shard over needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::store::nats) struct Page<A> {
    /// Which store wrote it.
    pub(super) owner: u64,
    /// Which try to write a page it was, of all that its writer made: no two have the same.
    pub(super) number: u64,
    /// How many have ended so far, by how.
    pub(in crate::store::nats) counts: BTreeMap<Ending, u64>,
    /// Places of tasks that have ended and may still stand in their lanes.
    pub(super) standing: Vec<u64>,
    /// Where the oldest page is whose ends are remembered; 0 for none before this one.
    pub(super) since: u64,
    /// What ended, as this page counts it.
    pub(in crate::store::nats) ends: Vec<End<A>>,
}

/// A delivery that has ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::store::nats) struct End<A> {
    /// Stands for what was owed.
    pub(super) key: u64,
    /// The attempt that ended it, unless there was none or its record is kept for a time of its own.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub(in crate::store::nats) attempt: Option<A>,
}

const fn none<A>() -> Option<A> {
    None
}

/// What an end is recognized by. It goes by what is owed and not by the delivery's id: after a crash, what had ended may
/// be owed again under a new one, and must not be counted twice.
pub(super) fn key(task: &Task) -> u64 {
    let digest = Sha256::digest(names::end_message(task).as_bytes());
    digest.first_chunk().copied().map_or(0, u64::from_be_bytes)
}
