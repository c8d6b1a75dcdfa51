//! Keeps refused requests, sealed, off the path of requests; and lets those in that turn out to be genuine.
//!
//! A refused request goes through a gate that lets through only so many of each kind ([`admit`]), waits in a bounded queue,
//! is sealed and stored. What is stored is kept within bounds by the one gateway that has the lease ([`tend`],
//! [`bounds`]), which also fulfils releases ([`release`]) and takes out what is erased ([`erase`]).

mod admit;
mod bounds;
mod erase;
mod evidence;
mod release;
mod tend;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use gatepost_config::Secret;
use gatepost_event::{Keyring, refusal::BODY_BYTES_MAX};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

pub(crate) use tend::tend;

use self::{
    admit::{Admission, Class},
    evidence::source,
};
use crate::{inbound::Inbound, reason::Reason, request::RawRequest, serve::Gateway};

/// Refused requests that wait to be stored, and bytes of their bodies.
const WAITING_MAX: usize = 512;
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a waiting request takes beside its body, roughly.
const OVERHEAD_BYTES: usize = 4 * 1024;

/// Refused requests that are stored at once.
const AT_ONCE: usize = 16;

/// The way of a refused request into the store.
pub(crate) struct Quarantine {
    admission: Mutex<Admission>,
    queue: mpsc::Sender<Candidate>,
    /// The other end, until somebody keeps what comes.
    waiting: tokio::sync::Mutex<mpsc::Receiver<Candidate>>,
    bytes: Arc<Semaphore>,
}

/// A refused request that is to be kept.
struct Candidate {
    reason: Reason,
    source: u8,
    /// Without its share of the bytes in flight: a slow store must not make the gateway refuse others.
    request: Arc<Inbound>,
    _held: OwnedSemaphorePermit,
}

/// What became of a refused request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It waits to be stored.
    Taken,
    /// Enough of its kind are kept already.
    SampledOut,
    /// It is too large, or too many wait.
    Dropped,
}

impl Quarantine {
    /// With nothing in it.
    pub(crate) fn new() -> Self {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let bytes = Arc::new(Semaphore::new(WAITING_BYTES_MAX));
        Self { admission: Mutex::default(), queue, waiting: tokio::sync::Mutex::new(waiting), bytes }
    }

    /// Takes a refused request, or doesn't; never waits.
    pub(crate) fn offer(&self, reason: Reason, inbound: &Arc<Inbound>) -> Offered {
        let bytes = inbound.raw.body.len();
        if bytes > BODY_BYTES_MAX {
            return Offered::Dropped;
        }
        let (arrival, limits) = (&inbound.arrival, &inbound.arrival.tables.quarantine);
        let source = source(arrival, &inbound.raw);
        let class = Class { integration: &arrival.endpoint.integration.id, reason, source };
        let mut admission = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        let is_admitted = admission.admits(class, bytes, limits, Instant::now());
        drop(admission);
        if !is_admitted {
            return Offered::SampledOut;
        }
        let share = u32::try_from(bytes + OVERHEAD_BYTES).unwrap_or(u32::MAX);
        let Ok(held) = Arc::clone(&self.bytes).try_acquire_many_owned(share) else { return Offered::Dropped };
        let request = inbound.read_apart();
        match self.queue.try_send(Candidate { reason, source, request, _held: held }) {
            Ok(()) => Offered::Taken,
            Err(_) => Offered::Dropped,
        }
    }
}

/// Seals and stores what was taken, for as long as it is polled.
pub(crate) async fn keep(gateway: Arc<Gateway>) -> Infallible {
    if gateway.captures.keyring().is_empty() {
        tracing::warn!("refused requests are not kept: set secrets.master_keys, the quarantine is sealed by the first");
    }
    let mut waiting = gateway.quarantine.waiting.lock().await;
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(candidate) = waiting.recv(), if under_way.len() < AT_ONCE => {
                under_way.push(keep_one(&gateway, candidate));
            }
            Some(()) = under_way.next(), if !under_way.is_empty() => {}
            else => std::future::pending().await,
        }
    }
}

/// A refused request as it comes back once it was sealed and opened.
pub(crate) fn kept(inbound: &Arc<Inbound>) -> Option<RawRequest> {
    let keys = Keyring::new(&[Secret::new(vec![0; 32], "a rehearsal")]);
    let sealed = keys.seal_refusal(&evidence::of(Reason::SignatureMismatch, 0, inbound)).ok()?;
    evidence::request(&keys.open_refusal(&sealed).ok()?)
}

async fn keep_one(gateway: &Gateway, candidate: Candidate) {
    let (request, integration) = (&candidate.request, candidate.request.endpoint().integration.id.as_str());
    let refusal = evidence::of(candidate.reason, candidate.source, request);
    let sealed = match gateway.captures.keyring().seal_refusal(&refusal) {
        Ok(sealed) => sealed,
        Err(error) => {
            gateway.metrics.quarantine_dropped(integration);
            tracing::debug!(request = %refusal.request, %error, "a refused request can't be sealed");
            return;
        }
    };
    match gateway.store.quarantine(&sealed).await {
        Ok(()) => gateway.metrics.quarantined(integration),
        Err(error) => {
            gateway.metrics.quarantine_dropped(integration);
            tracing::warn!(request = %refusal.request, %error, "a refused request was not kept");
        }
    }
}

impl Inbound {
    /// The same request, holding no share of the bytes in flight.
    fn read_apart(&self) -> Arc<Self> {
        let raw: RawRequest = self.raw.clone();
        Self::rehearsed(Arc::clone(&self.arrival), raw, self.received_at, self.read_at)
    }
}
