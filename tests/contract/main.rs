//! What every engine of the store keeps: one suite, written once, run against each engine.
//!
//! A case is an `async fn(&Fixture)` in the file of its subject; [`fixture::contract`] makes a test of it for every
//! engine. What only one engine promises stands in that engine's own file.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "this is a test: it fails by panicking"
)]

mod append;
mod audit;
mod census;
mod connections;
mod deliver;
mod deploy;
mod embedded_only;
mod erase;
mod fixture;
mod journey;
mod lanes;
mod leases;
mod make;
mod nats_only;
mod next_attempt;
mod order;
mod outcomes;
mod park;
mod quarantine;
mod rate;
mod redelivery;
mod registry;
mod replay;
mod retention;
mod secrets;
mod synced;
mod wait;
