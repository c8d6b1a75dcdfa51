//! Placeholder of the nats engine.

use std::time::Instant;

use gatepost_config::{ConnectionId, IntegrationId, TenantId, Timestamp};

use super::types::{
    Appended, Census, Health, Item, LaneCount, Lease, LeaseKey, Parked, Promises, Refusal, Routed, StoredEvent, Tailed,
};
use crate::{Attempt, DeadLetter, Event, EventRef, Lane, Queued, StoreError};

/// The engine.
#[derive(Clone)]
pub struct Nats;
/// Its log.
pub struct Log;
/// Its tail.
pub struct Tail;

#[expect(clippy::unused_async, reason = "placeholder")]
impl Nats {
    pub(super) async fn open(
        _: &gatepost_config::NatsStore,
        _: &gatepost_config::Store,
        _: &gatepost_config::Retention,
    ) -> Result<Self, super::OpenError> {
        Err(super::OpenError("placeholder".into()))
    }
    pub(super) fn promises(&self) -> Promises {
        Promises {
            engine: "nats",
            durability: String::new(),
            dedupe_window: std::time::Duration::ZERO,
            warnings: vec![],
        }
    }
    pub(super) fn health(&self) -> Health {
        Health::Disconnected
    }
    pub(super) fn partitions(&self) -> u16 {
        1
    }
    pub(super) fn shards(&self) -> u16 {
        1
    }
    pub(super) async fn append(&self, _: Vec<Item>, _: Instant) -> Result<Vec<Appended>, StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) fn quarantine(&self, _: Refusal) -> bool {
        false
    }
    pub(super) async fn quarantined(&self, _: &IntegrationId, _: usize) -> Result<Vec<Refusal>, StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn unmatched(
        &self,
        _: Option<&IntegrationId>,
        _: Option<&str>,
        _: u64,
        _: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn unpark(
        &self,
        _: &IntegrationId,
        _: &str,
        _: &ConnectionId,
        _: &TenantId,
    ) -> Result<u64, StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn acquire(&self, _: LeaseKey, _: &str) -> Result<Option<Lease>, StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn renew(&self, _: &mut Lease) -> Result<bool, StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn release(&self, _: Lease) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn announce(&self, _: &str) -> Result<usize, StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn log(&self, _: &Lease, _: u16) -> Result<Log, StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn routed(&self, _: &Lease, _: Routed) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn event(&self, _: &EventRef) -> Result<Option<Event>, StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn tail(&self, _: u16) -> Result<Tail, StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn lanes(&self, _: u16) -> Result<Vec<LaneCount>, StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn heads(&self, _: u16, _: &Lane, _: u64, _: usize) -> Result<Vec<Queued>, StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn finish(&self, _: u16, _: &Queued, _: &Attempt) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn retry(&self, _: u16, _: &Queued, _: &Attempt, _: Timestamp) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn bury(&self, _: u16, _: &Queued, _: &DeadLetter) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn dead_letters(&self, _: u64, _: usize) -> Result<Vec<(u64, DeadLetter)>, StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn attempts(&self, _: u64, _: usize) -> Result<Vec<(u64, Attempt)>, StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn census(&self) -> Result<Census, StoreError> {
        Err(StoreError::Closed)
    }
    pub(super) async fn close(&self) {}
}

impl Log {
    pub(super) async fn next(&mut self, _: usize) -> Result<Vec<StoredEvent>, StoreError> {
        Err(StoreError::Closed)
    }
}

impl Tail {
    pub(super) async fn next(&mut self) -> Result<Tailed, StoreError> {
        Err(StoreError::Closed)
    }
}
