//! Journeys of stored events through a running router: the real embedded store, real HTTP receivers on loopback.

#![cfg(test)]

mod delivery;
mod erasure;
mod isolation;
mod lifecycle;
mod redelivery;
mod replicas;
mod retry;
mod routing;
mod support;
mod syncs;
