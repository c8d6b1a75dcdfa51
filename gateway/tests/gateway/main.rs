//! The gateway over real TCP on the real embedded store. Every check of an answer is a check of the store too.
#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test that can't go on fails")]

mod answers;
mod attribution;
mod batches;
mod canonical;
mod chains;
mod client;
mod connections;
mod edge;
mod fixtures;
mod forms;
mod handshakes;
mod identity;
mod keys;
mod quarantine;
mod quota;
mod reading;
mod reasons;
mod rig;
mod schemes;
mod send;
mod signatures;
mod storing;
mod vectors;
