//! What the journeys, the contract suite and the proofs share: the true binary, recording backends, real servers and
//! third-party judges. Nothing here stands in for a part of Gatepost.

pub mod backend;
pub mod corpus;
pub mod gatepost;
pub mod github;
pub mod judge;
pub mod nats_server;
pub mod post;
pub mod process;
pub mod sync_engine;
pub mod wait;
