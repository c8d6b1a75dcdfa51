//! Stored events that their providers sent once more.

use std::time::Instant;

use super::{Store, StoreError};
use crate::{Noted, Redelivery};

impl Store {
    /// Notes that a provider sent a stored event once more: once within [`crate::redelivery::SPACING`] and at most
    /// [`crate::redelivery::PER_EVENT_MAX`] times an event, bounded over all events too.
    ///
    /// # Errors
    /// When the engine can't confirm before `deadline`; it may be noted all the same.
    pub async fn note_redelivery(&self, redelivery: &Redelivery, deadline: Instant) -> Result<Noted, StoreError> {
        engine!(self.note_redelivery(redelivery, deadline).await)
    }

    /// Noted redeliveries that were not dealt with, oldest first, with their positions; an error of a single one when it
    /// can't be read.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn redeliveries(&self, limit: usize) -> Result<Vec<(u64, Result<Redelivery, String>)>, StoreError> {
        engine!(self.redeliveries(limit).await)
    }

    /// All redeliveries up to a position were dealt with.
    ///
    /// # Errors
    /// When the engine can't confirm; they are then told once more.
    pub async fn redelivered_through(&self, position: u64) -> Result<(), StoreError> {
        engine!(self.redelivered_through(position).await)
    }
}
