//! Erasures that a process has heard of.

use std::sync::Arc;

use gatepost_config::{ConnectionId, IntegrationId};
use tokio::sync::watch;

use super::{Job, Reach};
use crate::{Store, StoreError, registry::Kind, subject};

/// Erasures that this process has heard of: what they take is neither shown nor delivered, from when they stand in the
/// registry.
#[derive(Debug)]
pub struct Known(watch::Sender<Arc<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    jobs: Arc<Vec<Job>>,
    reach: Arc<Reach>,
}

impl Default for Known {
    fn default() -> Self {
        Self(watch::Sender::new(Arc::default()))
    }
}

impl Known {
    /// What is taken, as far as is known.
    pub fn reach(&self) -> Arc<Reach> {
        Arc::clone(&self.0.borrow().reach)
    }

    /// The jobs, dry runs left out.
    pub fn jobs(&self) -> Arc<Vec<Job>> {
        Arc::clone(&self.0.borrow().jobs)
    }

    /// Whether a connection is being erased now.
    pub fn is_erasing(&self, integration: &IntegrationId, connection: &ConnectionId) -> bool {
        let jobs = self.jobs();
        let token = || subject::connection_token(integration, Some(connection), None);
        jobs.iter().filter(|job| !job.state.is_over()).any(|job| job.erasure.connections.contains(&token()))
    }

    /// Reads what stands in the registry now.
    ///
    /// # Errors
    /// When the engine can't be asked; what was known stays known.
    pub async fn read(&self, store: &Store) -> Result<(), StoreError> {
        let mut jobs = Job::all(store).await?;
        jobs.retain(|(job, _)| !job.dry_run);
        let jobs: Vec<Job> = jobs.into_iter().map(|(job, _)| job).collect();
        let reach = Arc::new(Reach::of(jobs.iter().map(|job| &job.erasure)));
        self.0.send_replace(Arc::new(Heard { jobs: Arc::new(jobs), reach }));
        Ok(())
    }

    /// Reads, and again after each change of the registry, until that can't be.
    ///
    /// # Errors
    /// When the engine can't be asked, or the watch has ended: call it again.
    pub async fn follow(&self, store: &Store) -> Result<(), StoreError> {
        let mut watch = store.watch(Kind::Erasure).await?;
        loop {
            self.read(store).await?;
            watch.next().await?;
        }
    }
}
