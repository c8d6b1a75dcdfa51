//! The router, from its start to its end.

use std::sync::Arc;

use gatepost_config::Config;
use gatepost_event::Store;
use prometheus::Registry;
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    dispatch::Dispatcher,
    metrics::Metrics,
    ownership::Ownership,
    plan::Plan,
    send::Outside,
    settle::Unconfirmed,
    standing::{self, Standings},
    work::Desk,
};

/// Notes of arrivals that may wait for the dispatcher.
const NOTES_MAX: usize = 1024;

/// Why the router could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration can't be used.
    #[error("the configuration can't be routed by: {}", .0.join("; "))]
    Config(Vec<String>),
    /// A metric is registered already: two routers share one registry.
    #[error("the router's metrics can't be registered: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Routes and delivers until `shutdown`, then ends within the configuration's `router.shutdown_deadline`.
///
/// A changed configuration is taken up at once; one whose filters can't be compiled is not, and the last good one goes
/// on. While the store is away the router tries again and again; it never ends because of it.
///
/// # Errors
/// Only at the start, before anything is done.
pub async fn run(
    config: watch::Receiver<Arc<Config>>,
    store: Store,
    registry: &Registry,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    work(config, store, registry, shutdown, Outside::new()).await
}

async fn work(
    mut config: watch::Receiver<Arc<Config>>,
    store: Store,
    registry: &Registry,
    shutdown: CancellationToken,
    outside: Outside,
) -> Result<(), RunError> {
    let first = config.borrow_and_update().clone();
    let (plan_send, plan) = watch::channel(Arc::new(Plan::compile(first).map_err(RunError::Config)?));
    let metrics = Metrics::register(registry)?;
    let desk = Arc::new(Desk {
        store,
        outside,
        metrics,
        unconfirmed: Unconfirmed::default(),
        standings: Standings::default(),
    });

    let (notes, heard) = mpsc::channel(NOTES_MAX);
    let dispatcher = AbortOnDropHandle::new(tokio::spawn(Dispatcher::new(desk.clone(), plan.clone()).run(heard)));
    let following = {
        let desk = desk.clone();
        AbortOnDropHandle::new(tokio::spawn(async move { standing::follow(&desk).await }))
    };
    let mut ownership = Ownership::new(desk, plan.clone(), notes);

    tokio::select! {
        () = ownership.run(&shutdown) => {}
        () = recompile(config, plan_send) => {}
    }
    let deadline = plan.borrow().config.router.shutdown_deadline;
    match ownership.drain(deadline).await {
        true => tracing::info!("the router has stopped; every attempt under way has ended"),
        false => tracing::warn!(
            ?deadline,
            "the router has stopped at its deadline; attempts that were under way are made again"
        ),
    }
    drop((dispatcher, following));
    Ok(())
}

/// Never returns: a configuration that can't change any more is a good one.
async fn recompile(mut config: watch::Receiver<Arc<Config>>, plan: watch::Sender<Arc<Plan>>) {
    while config.changed().await.is_ok() {
        let changed = config.borrow_and_update().clone();
        match Plan::compile(changed) {
            Ok(compiled) => {
                plan.send_replace(Arc::new(compiled));
            }
            Err(errors) => {
                tracing::error!(
                    errors = errors.join("; "),
                    "the changed configuration is not used; the last good one goes on"
                );
            }
        }
    }
    std::future::pending().await
}
