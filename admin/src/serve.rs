//! The API's routes, each behind a key.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{Router, extract::DefaultBodyLimit, middleware, routing::MethodRouter};
use gatepost_config::Config;
use gatepost_event::{Keyring, Meta, Store, erasure::Known};
use http::StatusCode;
use prometheus::{IntCounterVec, Opts, Registry};
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    access::{self, Access},
    erasures,
    failures::Failures,
    history::History,
    listener,
    problem::Problem,
    table::{Route, table},
};

/// Longest body of a request.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Longest wait for what was erased, before anything is answered.
const FIRST_LOOK_MAX: Duration = Duration::from_secs(5);

/// What every request shares.
pub(crate) struct Admin {
    /// The configuration in force.
    pub(crate) config: watch::Receiver<Arc<Config>>,
    /// Where everything is kept.
    pub(crate) store: Store,
    /// What is not to be shown any more.
    pub(crate) erasures: Arc<Known>,
    /// What became of every event; none when it is turned off.
    pub(crate) history: Option<Arc<History>>,
    requests: IntCounterVec,
    /// Wrong keys, by who sent them.
    pub(crate) failures: Failures,
    /// Paths that need no key.
    open: BTreeSet<&'static str>,
}

/// Why the API could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A metric of the same name is registered already.
    #[error("the admin API's metrics can't be registered: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Serves the API on `listener` until `shutdown`. Its keys follow the configuration.
///
/// # Errors
/// When its metrics can't be registered.
pub async fn run(
    config: watch::Receiver<Arc<Config>>,
    store: Store,
    listener: TcpListener,
    registry: &Registry,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let requests = IntCounterVec::new(
        Opts::new("gatepost_admin_requests_total", "Requests to the API, by the answer's status"),
        &["status"],
    )?;
    registry.register(Box::new(requests.clone()))?;
    if config.borrow().admin.api_keys.is_empty() {
        tracing::warn!("admin.api_keys is empty: the API takes only keys that were made by `gatepost keys create`");
    }
    let open = table().iter().filter(|route| route.access == Access::Open).map(|route| route.path).collect();
    let erasures = Arc::new(Known::default());
    if !matches!(timeout(FIRST_LOOK_MAX, erasures.read(&store)).await, Ok(Ok(()))) {
        tracing::warn!("the store doesn't say what was erased; until it does, what is gone may be shown");
    }
    let started = History::start(config.clone(), store.clone(), erasures.clone(), registry, shutdown.clone()).await?;
    let (history, following) = started.unzip();
    let admin = Arc::new(Admin { config, store, erasures, history, requests, failures: Failures::default(), open });
    let _erasing = AbortOnDropHandle::new(tokio::spawn(erasures::follow(admin.clone())));
    listener::serve(listener, router(admin), &shutdown).await;
    if let Some(following) = following {
        following.ended().await;
    }
    Ok(())
}

fn router(admin: Arc<Admin>) -> Router {
    let mut router = Router::new();
    for Route { path, access, handler, body_bytes_max, .. } in table() {
        let guard = middleware::from_fn_with_state((admin.clone(), access, path), access::authorize);
        let longest = DefaultBodyLimit::max(body_bytes_max.unwrap_or(BODY_BYTES_MAX));
        let handler: MethodRouter<_> = handler.layer(guard);
        router = router.route(path, handler.layer(longest));
    }
    router
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "unknown_route", "there is no such path"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "the path has no such method")
        })
        // Around everything above, the fallbacks too: what is not let in learns nothing of what there is.
        .layer(middleware::from_fn_with_state(admin.clone(), access::authenticate))
        .with_state(admin)
}

impl Admin {
    /// Whether a path needs no key.
    pub(crate) fn is_open(&self, path: &str) -> bool {
        self.open.contains(path)
    }

    /// Whether an event may be shown: it is not erased.
    pub(crate) fn shows(&self, meta: &Meta) -> bool {
        !self.erasures.reach().takes(meta)
    }

    /// The master keys.
    ///
    /// # Errors
    /// When the store's own can't be read.
    pub(crate) fn keyring(&self) -> Result<Keyring, Problem> {
        let config = self.config.borrow().clone();
        Keyring::load(&config).map_err(|error| Problem::unreadable("master key", "", &error))
    }

    /// Counts an answer.
    pub(crate) fn count(&self, status: StatusCode) {
        self.requests.with_label_values(&[status.as_str()]).inc();
    }
}
