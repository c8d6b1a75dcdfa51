//! The admin API: what an operator's tools see of events and deliveries, and ask for.
//!
//! It reads the store and writes wishes and records into its registry; gateways and routers fulfil them. It never uses the
//! gateway or the router.

mod access;
mod audit;
mod connections;
mod deliveries;
mod destinations;
mod docs;
mod erasures;
mod etag;
mod events;
mod failures;
mod heals;
mod history;
mod incidents;
mod jobs;
mod key;
mod keys;
mod listener;
mod page;
mod past;
mod problem;
mod quarantine;
mod replays;
mod requests;
mod search;
mod serve;
mod syncs;
mod table;
mod tenants;
mod unmatched;

pub use docs::openapi;
pub use serve::{RunError, run};
