//! Which destinations answer, as far as the routers tell.
//!
//! Whether one does is memory of the router that owns its shard. That router writes it down in an entry of the registry for
//! each shard, so that another process can say it, and writes it again once in a while: old word is none.

use std::{collections::BTreeMap, time::Duration};

use gatepost_config::{DestinationId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::subject::destination_token;

/// How often a router says it at least, also when nothing changed.
pub const TOLD_EVERY: Duration = Duration::from_secs(60);

/// How old its word may be to be believed.
pub const BELIEVED: Duration = Duration::from_secs(180);

/// Destinations of a shard that are named at most.
const NAMED_MAX: usize = 1_000;

/// The destinations of a shard that don't answer, each with since when.
pub type Unanswering = BTreeMap<DestinationId, Timestamp>;

/// What a router says of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When.
    pub at: Timestamp,
    unanswering: Unanswering,
    /// There are more of them than are named.
    more: bool,
}

/// Whether a destination answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    /// Nothing is held back for it.
    Yes,
    /// It doesn't, or only with 429 or 5xx: its deliveries wait, and one at a time probes.
    No {
        /// Since when, as far as the router knows that owns its shard now.
        since: Timestamp,
    },
    /// Nobody has said so lately.
    Unknown,
}

/// The entry of a shard in the registry.
pub fn entry_id(shard: u16) -> String {
    shard.to_string()
}

/// The shard of a destination's deliveries, of so many.
pub fn shard_of(destination: &DestinationId, shards: u16) -> u16 {
    destination_token(destination).spread(shards)
}

impl Told {
    /// Said now.
    pub fn new(unanswering: &Unanswering, at: Timestamp) -> Self {
        let named = unanswering.iter().take(NAMED_MAX).map(|(id, since)| (id.clone(), *since));
        Self { at, unanswering: named.collect(), more: unanswering.len() > NAMED_MAX }
    }

    /// What it says of a destination of its shard, to somebody who reads it at `now`.
    pub fn of(&self, destination: &DestinationId, now: Timestamp) -> Answering {
        match self.unanswering.get(destination) {
            _ if now.since(self.at) > BELIEVED => Answering::Unknown,
            Some(since) => Answering::No { since: *since },
            None if self.more => Answering::Unknown,
            None => Answering::Yes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> DestinationId {
        text.parse().expect("an id")
    }

    #[test]
    fn a_routers_word_is_believed_for_a_while() {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let since = at.before(Duration::from_secs(7));
        let told = Told::new(&[(id("down"), since)].into(), at);
        let json = serde_json::to_string(&told).expect("JSON");
        assert_eq!(serde_json::from_str::<Told>(&json).expect("what was written"), told);
        assert_eq!(told.of(&id("down"), at.after(BELIEVED)), Answering::No { since });
        assert_eq!(told.of(&id("up"), at.after(BELIEVED)), Answering::Yes);
        for destination in ["down", "up"] {
            let late = at.after(BELIEVED + Duration::from_millis(1));
            assert_eq!(told.of(&id(destination), late), Answering::Unknown, "{destination}");
        }
    }

    #[test]
    fn of_too_many_the_others_may_answer_or_not() {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let many = |count: usize| -> Unanswering { (0..count).map(|n| (id(&format!("d{n:04}")), at)).collect() };
        assert_eq!(Told::new(&many(NAMED_MAX), at).of(&id("up"), at), Answering::Yes);
        let told = Told::new(&many(NAMED_MAX + 1), at);
        assert_eq!(told.of(&id("up"), at), Answering::Unknown);
        assert_eq!(told.of(&id("d0000"), at), Answering::No { since: at });
        let longest: Unanswering = (0..NAMED_MAX).map(|n| (id(&format!("{n:0128}")), at)).collect();
        let json = serde_json::to_vec(&Told::new(&longest, at)).expect("JSON");
        assert!(json.len() <= crate::registry::VALUE_BYTES_MAX, "{} bytes", json.len());
    }
}
