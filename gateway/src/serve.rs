//! Runs the gateway: keeps its tables up to date, finds the integration of each request, drains at the end.

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use futures::FutureExt;
use gatepost_config::{Config, Timestamp};
use gatepost_event::{RequestId, Store, store::OpenError};
use http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use prometheus::Registry;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    answer::{self, Response},
    captured::Captures,
    directory::Directory,
    failure::Failure,
    heal,
    inbound::Arrival,
    keys,
    listener::{self, Limits},
    metrics::Metrics,
    path::Path,
    quarantine::{self, Quarantine},
    quota::Quota,
    receive::receive,
    redelivered::Redeliveries,
    tables::Tables,
    turned_away::{self, TurnedAway},
    workers::Workers,
};

/// What every request shares.
pub(crate) struct Gateway {
    tables: ArcSwap<Tables>,
    /// Where events are kept.
    pub(crate) store: Store,
    /// Secrets that providers gave.
    pub(crate) captures: Captures,
    /// Connections made at run time.
    pub(crate) directory: Directory,
    /// What providers publish.
    pub(crate) keys: keys::Cache,
    /// Requests that were refused.
    pub(crate) quarantine: Quarantine,
    /// What tenants may have.
    pub(crate) quota: Quota,
    /// How many requests were answered otherwise than 2xx.
    pub(crate) turned_away: TurnedAway,
    /// The way to providers' APIs.
    pub(crate) outside: heal::Outside,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// The bytes of bodies that may be held at once.
    pub(crate) inflight: Arc<Semaphore>,
    /// Store operations under way, which outlive the requests they are for.
    pub(crate) appends: TaskTracker,
    /// Notes of events that their providers sent once more.
    pub(crate) redeliveries: Redeliveries,
}

impl Gateway {
    /// The configuration in force, as requests look it up.
    pub(crate) fn tables(&self) -> Arc<Tables> {
        self.tables.load_full()
    }
}

/// Why the gateway could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A metric of the same name is registered already.
    #[error("the gateway's metrics can't be registered: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The master key of the store's folder can be neither read nor made, or a thread with a way to it did not
    /// start.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Nothing can be fetched from providers.
    #[error("TLS can't be set up: {0}")]
    Tls(String),
}

/// Serves webhooks on `listener` until `shutdown`, then answers what is under way, at most for the configured time.
///
/// Integrations, connections and limits of single requests follow `live`; the numbers of connections and of bytes in
/// flight, and the head's timeout, are those of the start.
///
/// # Errors
/// When its metrics can't be registered, its own master key can't be read, TLS can't be set up, or threads can't be started.
pub async fn run(
    mut live: watch::Receiver<Arc<Config>>,
    store: Store,
    listener: TcpListener,
    registry: &Registry,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let config = Arc::clone(&live.borrow_and_update());
    let settings = config.gateway.clone();
    let held_max = usize::try_from(settings.inflight_bytes_max.0).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
    let metrics = Metrics::register(registry)?;
    let appends = TaskTracker::new();
    let gateway = Arc::new(Gateway {
        redeliveries: Redeliveries::new(store.clone(), appends.clone(), metrics.clone()),
        tables: ArcSwap::from_pointee(Tables::new(&config)),
        captures: Captures::new(&config)?,
        directory: Directory::new(&config, store.clone(), metrics.clone())?,
        store,
        keys: keys::Cache::new(metrics.clone()).map_err(RunError::Tls)?,
        quarantine: Quarantine::new(),
        quota: Quota::new(&settings),
        turned_away: TurnedAway::new(),
        outside: heal::Outside::new().map_err(RunError::Tls)?,
        metrics,
        inflight: Arc::new(Semaphore::new(held_max)),
        appends,
    });
    // Tasks of their own: sealing and thinning out take time that belongs to requests. They end with this function.
    let mut beside = JoinSet::new();
    beside.spawn(quarantine::keep(Arc::clone(&gateway)));
    beside.spawn(quarantine::tend(Arc::clone(&gateway)));
    beside.spawn(heal::tend(Arc::clone(&gateway)));
    beside.spawn(turned_away::keep(Arc::clone(&gateway)));
    let limits = Limits { connections_max: settings.connections_max, head_timeout: settings.head_timeout };
    let workers = Workers::start(&gateway.store).await?;
    let follow = follow(Arc::clone(&gateway), live);
    let accept = async {
        gateway.captures.read_once(&config).await;
        listener::accept(listener, &gateway, limits, &workers, &shutdown).await
    };
    let connections = tokio::select! {
        connections = accept => connections,
        never = follow => match never {},
        never = gateway.captures.follow(&gateway.store) => match never {},
        never = gateway.directory.follow() => match never {},
        never = keys::keep(&gateway) => match never {},
    };

    gateway.appends.close();
    connections.close();
    let drained = async {
        connections.wait().await;
        gateway.appends.wait().await;
        turned_away::keep_all(&gateway).await;
    };
    match tokio::time::timeout(settings.shutdown_deadline, drained).await {
        Ok(()) => tracing::info!("gateway stopped; every request under way was answered"),
        Err(_) => tracing::warn!(
            connections = connections.len(),
            appends = gateway.appends.len(),
            "gateway stopped at its deadline (gateway.shutdown_deadline) with requests under way"
        ),
    }
    Ok(())
}

/// Works the tables out anew whenever the configuration changes.
async fn follow(gateway: Arc<Gateway>, mut live: watch::Receiver<Arc<Config>>) -> std::convert::Infallible {
    while live.changed().await.is_ok() {
        let config = Arc::clone(&live.borrow_and_update());
        gateway.tables.store(Arc::new(Tables::new(&config)));
        gateway.quota.follow(&config.gateway);
        gateway.captures.rekey(&config);
        gateway.directory.rekey(&config);
    }
    std::future::pending().await
}

/// Answers one request.
pub(crate) async fn answer(gateway: &Arc<Gateway>, peer: IpAddr, request: Request<Incoming>) -> Response {
    let began = Instant::now();
    let arrival = match arrive(gateway, peer, request.uri().path()).await {
        Ok(Some(arrival)) => Arc::new(arrival),
        Ok(None) => return answer::unknown_endpoint(gateway, RequestId::fresh(Timestamp::now()), began),
        Err(arrival) => return answer::respond(gateway, &arrival, began, Err(Failure::StoreAway)),
    };
    let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let under_way = gateway.metrics.request();
    let received = AssertUnwindSafe(receive(gateway, Arc::clone(&arrival), request)).catch_unwind().await;
    let mut response = received.unwrap_or_else(|_| {
        gateway.metrics.panicked();
        answer::respond(gateway, &arrival, began, Err(Failure::Panicked))
    });
    drop(under_way);
    if chunked {
        // A proxy that counts such a body otherwise than we do would have its rest taken for another request.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The integration and connection that a URL names; `None` when there is no such, `Err` when nobody can say.
async fn arrive(gateway: &Gateway, peer: IpAddr, path: &str) -> Result<Option<Arrival>, Box<Arrival>> {
    let tables = gateway.tables();
    let (integration, connection) = match Path::of(path) {
        Path::Integration(integration) => (integration, None),
        Path::Connection(integration, connection) => (integration, Some(connection)),
        Path::Nango(environment, integration) if tables.has_environment(environment) => (integration, None),
        Path::Nango(..) | Path::Nowhere => return Ok(None),
    };
    let Some(endpoint) = tables.endpoint(integration).cloned() else { return Ok(None) };
    let request = RequestId::fresh(Timestamp::now());
    let has_links = gateway.directory.has_connections(&endpoint);
    let captured = gateway.captures.known();
    let mut arrival = Arrival {
        request,
        tables,
        endpoint,
        connection: None,
        has_links,
        captured,
        peer: Some(peer),
        released: None,
        fetched: None,
    };
    let Some(id) = connection else { return Ok(Some(arrival)) };
    let lookup = Box::pin(gateway.directory.connection(&arrival.endpoint, id));
    match tokio::time::timeout(arrival.tables.settings.answer_deadline, lookup).await {
        Ok(Ok(None)) => Ok(None),
        Ok(Ok(found)) => {
            arrival.connection = found;
            Ok(Some(arrival))
        }
        Ok(Err(error)) => {
            gateway.metrics.store_error(&error);
            tracing::warn!(%request, %error, "could not look up a connection; answered 503");
            Err(Box::new(arrival))
        }
        Err(_) => {
            gateway.metrics.store_deadline();
            Err(Box::new(arrival))
        }
    }
}
