//! The router: the second half of a webhook's way.
//!
//! It reads stored events, works out which deliveries they make, and attempts each until it is done or a dead letter.
//! Any number of routers share one store: each owns some partitions (routing) and shards (delivery) by leases. A router
//! keeps nothing on disk; what it knows of its lanes is a bounded memory of what the store holds.

mod announced;
mod answering;
mod backoff;
mod binding;
mod carried;
mod delivery;
mod dispatch;
mod envelope;
mod erasure;
mod expiry;
pub mod filter;
mod heal;
mod lanes;
mod lease;
mod made;
mod metrics;
mod outcome;
mod own;
mod ownership;
mod pattern;
mod plan;
mod recent;
mod redelivery;
pub mod rehearse;
mod replay;
mod route;
mod routing;
mod run;
mod send;
mod settle;
mod shard;
mod sign;
mod standing;
mod step;
mod sync;
mod work;
mod workers;

#[cfg(test)]
mod cost;

pub use run::{RunError, run};
