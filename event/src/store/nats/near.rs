//! Connections of single runtimes, for what their tasks wait for: of a gateway to append, of a router to deliver.
//!
//! A client's connection is driven by the runtime that it was made in. Where that is another one than the task's that
//! asks, both threads wake each other for each message and its answer.

use std::sync::{Arc, PoisonError, RwLock};

use gatepost_config::NatsStore;
use tokio::runtime::{Handle, Id};

use super::{Nats, connect, link::Link};
use crate::store::OpenError;

/// The connections, by the runtime that each belongs to.
pub(super) struct Near {
    settings: NatsStore,
    links: RwLock<Vec<(Id, Arc<Link>)>>,
}

impl Near {
    /// None yet.
    pub(super) fn new(settings: &NatsStore) -> Self {
        Self { settings: settings.clone(), links: RwLock::default() }
    }

    /// That of the runtime whose task asks, if it has one that is connected, or else this one.
    pub(super) fn link_or(&self, other: &Arc<Link>) -> Arc<Link> {
        let here = Handle::try_current().map(|runtime| runtime.id()).ok();
        let links = self.links.read().unwrap_or_else(PoisonError::into_inner);
        let own = links.iter().find(|(id, link)| Some(*id) == here && link.is_connected());
        Arc::clone(own.map_or(other, |(_, link)| link))
    }
}

impl Nats {
    /// The way to the servers of whoever asks.
    pub(super) fn near(&self) -> Arc<Link> {
        self.near.link_or(&self.link)
    }

    pub(in crate::store) async fn attach(&self, runtime: &Handle) -> Result<(), OpenError> {
        let settings = self.near.settings.clone();
        let connected = runtime.spawn(async move { connect::connect(&settings, false).await }).await;
        let (client, heard) =
            connected.map_err(|error| OpenError(format!("the NATS client did not start: {error}")))??;
        let link = Arc::new(self.link.beside(client, heard, runtime));
        self.near.links.write().unwrap_or_else(PoisonError::into_inner).push((runtime.id(), link));
        Ok(())
    }
}
