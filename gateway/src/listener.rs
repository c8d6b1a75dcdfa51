//! Accepts connections and serves HTTP/1 on them, each within its time.

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    answer,
    serve::{self, Gateway},
    workers::Workers,
};

/// Bounds on connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections open at once.
    pub(crate) connections_max: usize,
    /// Time for a request's head, and for an idle connection.
    pub(crate) head_timeout: Duration,
}

/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Bytes that a connection reads ahead, about: not a limit of the head, which may grow past it in one read.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Most headers of a request. Counted when they are read, of which no more than 100 are: told another number, the server
/// would fill as many places anew for each request.
const HEADERS_MAX: usize = 64;
/// A connection without a request under way is cut after so long, whatever time a head has.
const STALLED_AFTER: Duration = Duration::from_secs(60);
/// Looks at a connection within the time that it has.
const LOOKS: u32 = 4;
/// What a connection without a request under way gets at the end, to finish sending one or to close.
const LAST_HEAD: Duration = Duration::from_millis(500);
/// Waits after an accept error that will not pass by itself, such as no free file descriptor.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Requests on one connection.
#[derive(Default)]
struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// Why a connection is served no longer.
enum End {
    /// No request has been under way for too long.
    Stalled,
    /// The gateway stops.
    Shutdown,
}

/// Accepts until `shutdown`; the connections still open are in the tracker, and end by themselves.
pub(crate) async fn accept(
    listener: TcpListener,
    gateway: &Arc<Gateway>,
    limits: Limits,
    workers: &Workers,
    shutdown: &CancellationToken,
) -> TaskTracker {
    let slots = Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)));
    let connections = TaskTracker::new();
    let mut backoff = BACKOFF.0;
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = shutdown.cancelled() => return connections,
            next = next => next,
        };
        // It is to be heard of by the runtime of the thread that serves it.
        match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
            Ok((stream, peer)) => {
                backoff = BACKOFF.0;
                let (gateway, open) = (Arc::clone(gateway), gateway.metrics.connection());
                // Its own: every connection that is polled looks at it, and would look at the same lock.
                let shutdown = shutdown.child_token();
                workers.give(&connections, async move {
                    match TcpStream::from_std(stream) {
                        Ok(stream) => serve(stream, peer.ip(), gateway, limits, shutdown).await,
                        Err(error) => {
                            gateway.metrics.accept_error();
                            tracing::error!(%error, "can't serve a connection; free file descriptors or memory");
                        }
                    }
                    drop((slot, open));
                });
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                gateway.metrics.accept_error();
                tracing::error!(%error, wait = ?backoff, "can't accept connections; free file descriptors or memory");
                tokio::time::sleep(backoff).await;
                backoff = backoff.saturating_mul(2).min(BACKOFF.1);
            }
        }
    }
}

/// Whether an accept error is about one connection that its client gave up.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Serves one connection until it closes, stalls, or the gateway stops.
async fn serve(stream: TcpStream, peer: IpAddr, gateway: Arc<Gateway>, limits: Limits, shutdown: CancellationToken) {
    // Answers are small; without this they would wait for the client's acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::default());
    let service = {
        let activity = Arc::clone(&activity);
        service_fn(move |request: Request<Incoming>| {
            let (gateway, activity) = (Arc::clone(&gateway), Arc::clone(&activity));
            async move {
                activity.begun.fetch_add(1, Ordering::Relaxed);
                let response = match request.headers().len() {
                    0..=HEADERS_MAX => serve::answer(&gateway, peer, request).await,
                    _ => answer::head_too_long(),
                };
                activity.ended.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>(response)
            }
        })
    };
    let connection = http1::Builder::new()
        // It would set one for every request; see `stalled`.
        .header_read_timeout(None)
        .max_buf_size(BUFFER_BYTES_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .half_close(true)
        // Answers are short: one piece to write is less work for the system than two.
        .writev(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);

    let ends = async {
        tokio::select! {
            () = stalled(&activity, limits.head_timeout.min(STALLED_AFTER)) => End::Stalled,
            () = shutdown.cancelled() => End::Shutdown,
        }
    };
    // Polled when something of it has happened, and not whenever the connection is: both look behind locks.
    let mut ends = FuturesUnordered::from_iter([ends]);
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        end = ends.next() => match end {
            Some(End::Shutdown) => connection.as_mut().graceful_shutdown(),
            Some(End::Stalled) | None => return,
        },
    }
    tokio::select! {
        _ = connection => {}
        () = stalled(&activity, LAST_HEAD) => {}
    }
}

/// Waits until no request has been under way, begun or ended for a time, or up to a quarter longer: it is looked at now and
/// then, so that no request has to set a timer for its head.
async fn stalled(activity: &Activity, after: Duration) {
    let (mut seen, mut quiet) = (activity.ended.load(Ordering::Relaxed), 0);
    loop {
        tokio::time::sleep(after / LOOKS).await;
        let (begun, ended) = (activity.begun.load(Ordering::Relaxed), activity.ended.load(Ordering::Relaxed));
        quiet = if begun == ended && ended == seen { quiet + 1 } else { 0 };
        if quiet == LOOKS {
            return;
        }
        seen = ended;
    }
}
