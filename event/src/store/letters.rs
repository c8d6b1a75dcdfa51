//! Dead letters.

use super::{Store, StoreError};
use crate::{DeadLetter, DeliveryId, Task};

impl Store {
    /// Dead letters, oldest first, after a position.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<(u64, DeadLetter)>, StoreError> {
        engine!(self.dead_letters(after, limit).await)
    }

    /// The newest dead letter of a delivery, with its position.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn dead_letter(&self, delivery: DeliveryId) -> Result<Option<(u64, DeadLetter)>, StoreError> {
        engine!(self.dead_letter(delivery).await)
    }

    /// Takes a dead letter back: `tasks` are owed instead, each with its own copy of the letter's event, which lasts until
    /// that delivery has ended, whatever the log still holds. They must name the letter's position
    /// ([`crate::replay::Replay::letter`]). `false` when there is no such letter, or none with an event.
    ///
    /// A crash in between may leave the letter beside its tasks; a repeat then ends it and adds nothing within the dedupe
    /// window.
    ///
    /// # Errors
    /// When the engine can't confirm; repeat it.
    pub async fn revive(&self, position: u64, tasks: Vec<Task>) -> Result<bool, StoreError> {
        engine!(self.revive(position, tasks).await)
    }
}
