//! The gateway: proves a webhook genuine, works out whose it is, stores it durably and only then answers 2xx.
//!
//! `receive.rs` tells the way of one webhook; every stage of it is a file of its own. A stage takes the
//! type that the stage before it made, and only that stage can make it: an unverified body can't reach the store.

mod announce;
mod answer;
mod attribute;
mod captured;
mod claimants;
mod directory;
mod event;
pub mod explain;
mod extract;
mod failure;
mod fields;
mod handshake;
mod heal;
mod identity;
mod inbound;
mod inflate;
mod kept;
mod keys;
mod lease;
mod link;
mod listener;
mod metrics;
mod path;
mod quarantine;
mod quota;
mod reason;
mod receive;
mod redact;
mod redelivered;
mod rehearse;
mod request;
mod serve;
pub mod sign;
mod split;
mod store;
mod tables;
mod turned_away;
mod verify;
mod workers;

#[cfg(test)]
mod fixtures;

pub use inflate::{InflateError, as_signed};
pub use reason::Reason;
pub use rehearse::{Rehearsal, Rehearsed, Turned};
pub use request::RawRequest;
pub use serve::{RunError, run};
pub use verify::{Judge, Passed, check_public_key, verify};
