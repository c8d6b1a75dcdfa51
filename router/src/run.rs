//! The router, from its start to its end.

use std::sync::Arc;

use gatepost_config::{Config, Destination};
use gatepost_event::{Store, store::OpenError};
use prometheus::Registry;
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    answering,
    dispatch::Dispatcher,
    erasure, made,
    metrics::Metrics,
    ownership::Ownership,
    plan::Plan,
    recent::Recent,
    send::Outside,
    settle::Unconfirmed,
    shard::Notes,
    standing,
    sync::{conduct::Conductor, live, wish},
    work::Desk,
    workers::Workers,
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
    /// A thread with a way to the store did not start.
    #[error(transparent)]
    Store(#[from] OpenError),
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
    Plan::compile(first.clone(), &[]).map_err(RunError::Config)?;
    let metrics = Metrics::register(registry)?;
    // Before anything is routed: what goes to a tenant's destinations must find those that were made.
    let Some(made) = shutdown.run_until_cancelled(made::first(&store, &config)).await else { return Ok(()) };
    let Some(erasures) = shutdown.run_until_cancelled(erasure::first(&store)).await else { return Ok(()) };
    let Some(standings) = shutdown.run_until_cancelled(standing::first(&store)).await else { return Ok(()) };
    let (plan_send, plan) = watch::channel(Arc::new(Plan::compile(first, &made).map_err(RunError::Config)?));
    let (made_send, made) = watch::channel(Arc::new(made));
    let following_made = {
        let (store, config) = (store.clone(), config.clone());
        AbortOnDropHandle::new(tokio::spawn(async move { made::follow(&store, config, made_send).await }))
    };
    let (wishes, wished) = mpsc::channel(NOTES_MAX);
    let desk = Arc::new(Desk {
        store,
        outside,
        metrics,
        unconfirmed: Unconfirmed::default(),
        recent: Recent::default(),
        ahead: Recent::default(),
        standings,
        heard: wishes.clone(),
        erasures,
    });

    let workers = Workers::start(&desk.store).await?;
    let (deliveries, heard) = mpsc::channel(NOTES_MAX);
    let (unanswering, known) = watch::channel(Arc::default());
    let telling = {
        let desk = desk.clone();
        AbortOnDropHandle::new(tokio::spawn(async move { answering::tell(&desk.store, known).await }))
    };
    let dispatcher = Dispatcher::new(desk.clone(), plan.clone(), workers.shares(), unanswering);
    let dispatcher = AbortOnDropHandle::new(workers.first().spawn(dispatcher.run(heard)));
    let (syncs, heard) = mpsc::channel(NOTES_MAX);
    let conductor = Conductor::new(desk.clone(), plan.clone());
    let conductor = AbortOnDropHandle::new(tokio::spawn(conductor.run(heard, wished)));
    let wishing = {
        let (desk, wishes) = (desk.clone(), wishes.clone());
        AbortOnDropHandle::new(tokio::spawn(async move { wish::follow(&desk, wishes).await }))
    };
    let living = {
        let (desk, plan) = (desk.clone(), plan.clone());
        AbortOnDropHandle::new(tokio::spawn(async move { live::follow(&desk, plan, wishes).await }))
    };
    let following = {
        let desk = desk.clone();
        AbortOnDropHandle::new(tokio::spawn(async move { standing::follow(&desk).await }))
    };
    let erasing = {
        let desk = desk.clone();
        AbortOnDropHandle::new(tokio::spawn(async move { erasure::follow(&desk).await }))
    };
    let mut ownership = Ownership::new(desk, plan.clone(), Notes { deliveries, syncs });

    tokio::select! {
        () = ownership.run(&shutdown) => {}
        () = recompile(config, made, plan_send) => {}
    }
    let deadline = plan.borrow().config.router.shutdown_deadline;
    match ownership.drain(deadline).await {
        true => tracing::info!("the router has stopped; every attempt under way has ended"),
        false => tracing::warn!(
            ?deadline,
            "the router has stopped at its deadline; attempts that were under way are made again"
        ),
    }
    drop((dispatcher, workers, conductor, following, following_made, wishing, living, erasing, telling));
    Ok(())
}

/// Never returns: what can't change any more is good.
async fn recompile(
    mut config: watch::Receiver<Arc<Config>>,
    mut made: watch::Receiver<Arc<Vec<Destination>>>,
    plan: watch::Sender<Arc<Plan>>,
) {
    loop {
        tokio::select! {
            Ok(()) = config.changed() => {}
            Ok(()) = made.changed() => {}
            else => return std::future::pending().await,
        }
        let (config, made) = (config.borrow_and_update().clone(), made.borrow_and_update().clone());
        match Plan::compile(config, &made) {
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
}
