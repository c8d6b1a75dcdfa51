//! What erasures take of refused requests: those whose URL named a connection that is erased. Nobody has proven whose the
//! others are.

use std::collections::HashSet;

use gatepost_config::Timestamp;
use gatepost_event::{
    ErasureId, StoreError,
    erasure::{Known, Remains, note_swept},
};

use crate::serve::Gateway;

/// Refused requests that are overwritten together.
const TOGETHER: usize = 64;

/// Erasures that were dealt with.
#[derive(Default)]
pub(super) struct Erasing {
    known: Known,
    /// Each twice: once when it is heard of, and once when no more can come, which is said then.
    dealt_with: HashSet<(ErasureId, bool)>,
}

impl Erasing {
    /// Takes out what is erased now, and was not looked for yet.
    pub(super) async fn erase(&mut self, gateway: &Gateway) -> Result<(), StoreError> {
        self.known.read(&gateway.store).await?;
        let (jobs, now) = (self.known.jobs(), Timestamp::now());
        let heard: HashSet<_> = jobs.iter().map(|job| (job.id, job.is_settled(now))).collect();
        if !heard.is_subset(&self.dealt_with) {
            self.look(gateway).await?;
        }
        for job in jobs.iter().filter(|job| job.is_settled(now) && !job.state.is_over()) {
            if !self.dealt_with.contains(&(job.id, true)) {
                note_swept(&gateway.store, job.id).await?;
            }
        }
        self.dealt_with = heard;
        Ok(())
    }

    async fn look(&self, gateway: &Gateway) -> Result<(), StoreError> {
        let reach = self.known.reach();
        let mut remains = Vec::new();
        for key in gateway.store.quarantined(None).await? {
            let Some(sealed) = gateway.store.refusal(&key).await? else { continue };
            // One that can't be opened can't be shown either, and goes with its retention.
            let Ok(refusal) = gateway.captures.keyring().open_refusal(&sealed) else { continue };
            if reach.takes_refusal(&refusal) {
                remains.push(Remains::Refused(key));
            }
            if remains.len() == TOGETHER {
                gateway.store.erase(std::mem::take(&mut remains)).await?;
            }
        }
        gateway.store.erase(remains).await
    }
}
