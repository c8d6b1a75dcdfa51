//! Accepts connections and serves HTTP/1 on them, each within its limits.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body, response::IntoResponse};
use http::{Request, StatusCode};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::problem::Problem;

/// Connections at once: operators' tools, and a console.
const CONNECTIONS_MAX: usize = 256;
/// Time for a request's head, and for an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// From a request's head to its answer, the body's arrival included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Most headers of a request, and bytes that a connection reads ahead.
const HEADERS_MAX: usize = 64;
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// The longest that a connection lasts: an answer that nobody reads must not hold its place.
const CONNECTION_MAX: Duration = Duration::from_secs(600);
/// Wait after a failed accept (no file descriptors left, for example).
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// What answers under way get at the end.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
struct Peer(IpAddr);

/// Serves until `shutdown`, then lets answers under way end.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: &CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    while let Some(Ok(slot)) = shutdown.run_until_cancelled(slots.clone().acquire_owned()).await {
        let (stream, peer) = match shutdown.run_until_cancelled(listener.accept()).await {
            None => break,
            Some(Ok(accepted)) => accepted,
            Some(Err(error)) => {
                tracing::warn!(%error, "the API can't accept a connection");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
                continue;
            }
        };
        let (router, shutdown) = (router.clone(), shutdown.clone());
        connections.spawn(async move {
            // One that lasts too long, or breaks, is its client's business.
            let _ = timeout(CONNECTION_MAX, connection(stream, peer.ip(), router, shutdown)).await;
            drop(slot);
        });
    }
    connections.close();
    if timeout(DRAIN_MAX, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "the API stopped with answers under way");
    }
}

/// Who sent a request, or the proxy that did: no header is believed.
pub(crate) fn peer<B>(request: &Request<B>) -> IpAddr {
    request.extensions().get::<Peer>().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.0)
}

async fn connection(stream: TcpStream, peer: IpAddr, router: Router, shutdown: CancellationToken) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let router = router.clone();
        async move {
            let answer = timeout(ANSWER_TIMEOUT, router.oneshot(request.map(Body::new))).await;
            let late = || {
                let detail = "the answer took too long; ask for less";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail).into_response()
            };
            Ok::<_, Infallible>(answer.unwrap_or_else(|_| Ok(late())).unwrap_or_else(|never| match never {}))
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        _ = serving.as_mut() => {}
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}
