//! A small HTTP server for what is not ingest: the ops endpoints and the sample backend.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

/// Connections at once; a scraper and a few people.
const CONNECTIONS_MAX: usize = 256;
/// Time for a request's head to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Wait after a failed accept (no file descriptors left, for example).
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Serves until the token is cancelled. Requests under way then are dropped: nothing here is worth waiting for.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Some(Ok(slot)) = shutdown.run_until_cancelled(slots.clone().acquire_owned()).await {
        let stream = match shutdown.run_until_cancelled(listener.accept()).await {
            None => return,
            Some(Ok((stream, _))) => stream,
            Some(Err(error)) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            let mut http = http1::Builder::new();
            let connection = http
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            // A broken connection of a scraper is its own business.
            let _ = shutdown.run_until_cancelled(connection).await;
            drop(slot);
        });
    }
}
