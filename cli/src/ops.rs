//! `/metrics`, `/livez` and `/readyz`, on a listener of their own in every role.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use axum::{
    Router, extract::State, http::StatusCode, http::header::CONTENT_TYPE, response::IntoResponse, routing::get,
};
use gatepost_event::{Store, store::Health};
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};

/// What the process is doing, for readiness.
#[derive(Clone, Default)]
pub(crate) struct Readiness(Arc<AtomicU8>);

// 0 is starting.
const SERVING: u8 = 1;
const DRAINING: u8 = 2;

impl Readiness {
    /// Every listener is bound and every role runs.
    pub(crate) fn serving(&self) {
        self.0.store(SERVING, Ordering::Release);
    }

    /// The process was asked to stop.
    pub(crate) fn draining(&self) {
        self.0.store(DRAINING, Ordering::Release);
    }

    /// Ready, or why not. Red for local causes only: a store that refuses is answered request by request, since taking
    /// every gateway out of rotation would turn its 503s into connection errors.
    fn answer(&self, store: &Store) -> (StatusCode, &'static str) {
        match (self.0.load(Ordering::Acquire), store.health()) {
            (SERVING, Health::Connected) => (StatusCode::OK, "ready\n"),
            (SERVING, Health::Disconnected) => (StatusCode::SERVICE_UNAVAILABLE, "not connected to the store\n"),
            (DRAINING, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        }
    }
}

/// What the endpoints look at.
#[derive(Clone)]
pub(crate) struct Ops {
    /// The process's metrics.
    pub(crate) registry: Registry,
    /// What the process is doing.
    pub(crate) readiness: Readiness,
    /// The store.
    pub(crate) store: Store,
}

/// The three endpoints.
pub(crate) fn router(ops: Ops) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .with_state(ops)
}

async fn metrics(State(ops): State<Ops>) -> impl IntoResponse {
    match TextEncoder::new().encode_to_string(&ops.registry.gather()) {
        Ok(text) => (StatusCode::OK, [(CONTENT_TYPE, TEXT_FORMAT)], text),
        Err(error) => {
            tracing::error!(%error, "metrics can't be written");
            (StatusCode::INTERNAL_SERVER_ERROR, [(CONTENT_TYPE, "text/plain")], "metrics can't be written\n".to_owned())
        }
    }
}

async fn readyz(State(ops): State<Ops>) -> impl IntoResponse {
    ops.readiness.answer(&ops.store)
}
