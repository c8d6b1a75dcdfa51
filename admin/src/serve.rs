//! The API's routes, each behind a key.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use gatepost_config::Config;
use gatepost_event::Store;
use http::StatusCode;
use prometheus::{IntCounterVec, Opts, Registry};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::{deliveries, destinations, events, key, listener, problem::Problem, replays};

/// Longest body of a request.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What every request shares.
pub(crate) struct Admin {
    /// The configuration in force.
    pub(crate) config: watch::Receiver<Arc<Config>>,
    /// Where everything is kept.
    pub(crate) store: Store,
    requests: IntCounterVec,
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
        tracing::warn!("admin.api_keys is empty: the API refuses every request");
    }
    let admin = Arc::new(Admin { config, store, requests });
    listener::serve(listener, router(admin), &shutdown).await;
    Ok(())
}

fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/v1/deliveries", get(deliveries::list))
        .route("/v1/deliveries/{id}", get(deliveries::show))
        .route("/v1/destinations", get(destinations::list))
        .route("/v1/destinations/{id}", get(destinations::show))
        .route("/v1/destinations/{id}/pause", post(destinations::pause))
        .route("/v1/destinations/{id}/resume", post(destinations::resume))
        .route("/v1/events", get(events::list))
        .route("/v1/events/{id}", get(events::show))
        .route("/v1/events/{id}/body", get(events::body))
        .route("/v1/replays", get(replays::list).post(replays::create))
        .route("/v1/replays/{id}", get(replays::show))
        .route("/v1/replays/{id}/cancel", post(replays::cancel))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "unknown_route", "there is no such path"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "the path has no such method")
        })
        // Around everything above, the fallbacks too: what is not let in learns nothing of what there is.
        .layer(middleware::from_fn_with_state(admin.clone(), guard))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(admin)
}

async fn guard(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let is_let_in = key::fits(&admin.config.borrow().admin.api_keys, request.headers());
    let response = match is_let_in {
        true => next.run(request).await,
        false => axum::response::IntoResponse::into_response(Problem::no_key()),
    };
    admin.requests.with_label_values(&[response.status().as_str()]).inc();
    response
}
