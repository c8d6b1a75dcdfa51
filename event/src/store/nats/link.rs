//! Requests to JetStream: gated by the connection's state, bounded in number, each with a deadline.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{Client, HeaderMap, Message, Request, client::RequestErrorKind, connection::State};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, SemaphorePermit, watch},
    time::{sleep, timeout, timeout_at},
};

use super::{
    connect::{self, Heard},
    pulse::Pulse,
    reply::{self, Failed, PubAck},
};
use crate::{StoreError, store::OpenError};

/// How long an operation may take whose caller gave no deadline.
pub(super) const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests under way at once.
const INFLIGHT_MAX: u32 = 4096;
/// How long one try may wait for its answer; message ids make another one harmless.
const TRY_TIMEOUT: Duration = Duration::from_millis(1200);
/// How often a connection is looked for besides its events, and whether it was lost that an answer is waited for on.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// The waits between tries: the first, and the longest.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// What the checks of the engine came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They did not run yet.
    Pending,
    /// The engine keeps the contract.
    Passed,
    /// It does not.
    Refused(String),
    /// The store was closed.
    Closed,
}

/// The way to JetStream.
pub(super) struct Link {
    client: Client,
    verdict: Arc<watch::Sender<Verdict>>,
    heard: watch::Receiver<Heard>,
    slots: Semaphore,
    /// Every [`LOOK_AGAIN`].
    pulse: Pulse,
}

/// A message to store.
#[derive(Debug, Clone)]
pub(super) struct Post {
    pub(super) subject: String,
    /// Beside the other headers, which most messages don't have: a map of them is then made for each try, and none copied.
    message_id: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

/// Whether a request whose answer did not come may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It may: it says the same again.
    Harmless,
    /// It may not: it would be refused because of its own first copy.
    Never,
}

/// Why one try had no answer.
enum Unanswered {
    NoResponders,
    TimedOut,
    Fatal(StoreError),
}

impl Post {
    /// A message that the server stores as often as it is sent.
    pub(super) const fn new(subject: String, headers: HeaderMap, payload: Bytes) -> Self {
        Self { subject, message_id: None, headers, payload }
    }

    /// A message that the server stores once within its dedupe window.
    pub(super) fn once(subject: String, message_id: &str, payload: Bytes) -> Self {
        Self { subject, message_id: Some(message_id.to_owned()), headers: HeaderMap::new(), payload }
    }

    /// The same, which the server keeps for no longer than that, if it is said; whole seconds are its measure.
    pub(super) fn lasting(mut self, span: Option<Duration>) -> Self {
        if let Some(span) = span {
            let seconds = (span.as_secs() + u64::from(span.subsec_nanos() > 0)).max(1);
            self.headers.insert(async_nats::header::NATS_MESSAGE_TTL, format!("{seconds}s").as_str());
        }
        self
    }

    /// Its headers, for one try.
    fn all_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Some(id) = &self.message_id {
            headers.insert(async_nats::header::NATS_MESSAGE_ID, id.as_str());
        }
        headers
    }
}

impl Link {
    pub(super) fn new(client: Client, heard: watch::Receiver<Heard>) -> Self {
        Self::judged_by(Arc::new(watch::Sender::new(Verdict::Pending)), client, heard, &Handle::current())
    }

    /// Another way to the servers that were found to keep the contract over this one, for a runtime's own tasks.
    pub(super) fn beside(&self, client: Client, heard: watch::Receiver<Heard>, runtime: &Handle) -> Self {
        Self::judged_by(Arc::clone(&self.verdict), client, heard, runtime)
    }

    fn judged_by(
        verdict: Arc<watch::Sender<Verdict>>,
        client: Client,
        heard: watch::Receiver<Heard>,
        runtime: &Handle,
    ) -> Self {
        let (slots, pulse) = (Semaphore::new(INFLIGHT_MAX as usize), Pulse::start(runtime, LOOK_AGAIN));
        Self { client, verdict, heard, slots, pulse }
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn decide(&self, verdict: Verdict) {
        self.verdict.send_if_modified(|old| match old {
            Verdict::Closed => false,
            _ => {
                *old = verdict;
                true
            }
        });
    }

    pub(super) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    pub(super) fn is_checked(&self) -> bool {
        matches!(*self.verdict.borrow(), Verdict::Passed | Verdict::Closed)
    }

    /// Waits until a server is connected.
    pub(super) async fn connected(&self) {
        let mut heard = self.heard.clone();
        while !self.is_connected() {
            // An event may have been lost, so the wait has an end of its own.
            let _ = timeout(LOOK_AGAIN, heard.changed()).await;
        }
    }

    /// As [`Self::connected`], but an error when a server refuses the credentials.
    pub(super) async fn welcomed(&self) -> Result<(), OpenError> {
        let mut heard = self.heard.clone();
        let refused = async move {
            if heard.wait_for(|heard| heard.refused).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.connected() => Ok(()),
            () = refused => Err(connect::refused_credentials()),
        }
    }

    /// Fails at once when no operation can succeed now.
    pub(super) fn ready(&self) -> Result<(), StoreError> {
        let unavailable = |why: &str| Err(StoreError::Unavailable(why.into()));
        match &*self.verdict.borrow() {
            Verdict::Closed => Err(StoreError::Closed),
            Verdict::Refused(why) => unavailable(why),
            _ if !self.is_connected() => unavailable("no NATS server is connected"),
            Verdict::Pending => unavailable("the NATS servers are still being checked"),
            Verdict::Passed => Ok(()),
        }
    }

    /// Stores a message; `Ok` only when the server confirmed it.
    pub(super) async fn publish(&self, post: &Post, repeat: Repeat, deadline: Instant) -> Result<PubAck, Failed> {
        self.ready()?;
        let mut delay = RETRY_DELAYS.0;
        loop {
            let answer = self.exchange(&post.subject, Some(post), &post.payload, repeat, deadline).await?;
            match reply::read_ack(&answer.payload) {
                Err(Failed::Refused(refused)) if refused.is_passing() && Instant::now() + delay < deadline => {
                    tokio::time::sleep(delay).await;
                    delay = (delay * 2).min(RETRY_DELAYS.1);
                }
                outcome => return outcome,
            }
        }
    }

    /// Asks the JetStream API once the engine's checks have passed.
    pub(super) async fn api<T: DeserializeOwned>(
        &self,
        subject: &str,
        body: &impl Serialize,
        deadline: Instant,
    ) -> Result<T, Failed> {
        self.ready()?;
        self.api_unchecked(subject, body, deadline).await
    }

    /// Asks the JetStream API: for the checks themselves.
    pub(super) async fn api_unchecked<T: DeserializeOwned>(
        &self,
        subject: &str,
        body: &impl Serialize,
        deadline: Instant,
    ) -> Result<T, Failed> {
        let body = serde_json::to_vec(body).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let subject = format!("$JS.API.{subject}");
        let answer = self.exchange(&subject, None, &body.into(), Repeat::Harmless, deadline).await?;
        reply::read(&answer.payload)
    }

    /// One question with one answer, asked again while nobody answers; with a message's headers, if it is one.
    pub(super) async fn exchange(
        &self,
        subject: &str,
        headers: Option<&Post>,
        payload: &Bytes,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<Message, StoreError> {
        let _slot = self.slot(deadline).await?;
        let mut delay = RETRY_DELAYS.0;
        loop {
            let now = Instant::now();
            let left = deadline.saturating_duration_since(now);
            let wait = if repeat == Repeat::Harmless { left.min(TRY_TIMEOUT) } else { left };
            let mut request = Request::new().payload(payload.clone());
            if let Some(post) = headers {
                request = request.headers(post.all_headers());
            }
            match self.attempt(subject, request, (now, wait)).await {
                Ok(message) => return Ok(message),
                Err(Unanswered::Fatal(error)) => return Err(error),
                Err(Unanswered::TimedOut) if repeat == Repeat::Harmless && Instant::now() + delay < deadline => {}
                Err(Unanswered::TimedOut) => {
                    return Err(StoreError::Unavailable("NATS did not confirm in time".into()));
                }
                Err(Unanswered::NoResponders) if Instant::now() + delay < deadline => {
                    tokio::time::sleep(delay).await;
                    delay = (delay * 2).min(RETRY_DELAYS.1);
                }
                Err(Unanswered::NoResponders) => {
                    return Err(StoreError::Unavailable("no NATS server answers for this stream (no leader?)".into()));
                }
            }
        }
    }

    /// Waits until every request under way has ended, and lets no new one in.
    pub(super) async fn close(&self, deadline: Instant) {
        self.decide(Verdict::Closed);
        if timeout_at(deadline.into(), self.slots.acquire_many(INFLIGHT_MAX)).await.is_err() {
            tracing::warn!("some requests to NATS were still under way when the store closed");
        }
        self.slots.close();
    }

    async fn slot(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, StoreError> {
        if let Ok(slot) = self.slots.try_acquire() {
            return Ok(slot);
        }
        match timeout_at(deadline.into(), self.slots.acquire()).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::Unavailable("too many requests to NATS are under way".into())),
        }
    }

    /// One try, from a time on and so long. It ends soon after the connection is lost: a request in flight then has no answer
    /// to wait for. Whether it was is looked at when the pulse beats, since every webhook waits here; near its end the try
    /// has a timer of its own.
    async fn attempt(
        &self,
        subject: &str,
        request: Request,
        (began, wait): (Instant, Duration),
    ) -> Result<Message, Unanswered> {
        let unavailable = |why: &str| Unanswered::Fatal(StoreError::Unavailable(why.into()));
        let (losses, mut left) = (self.losses(), wait);
        let mut asked = pin!(self.client.send_request(subject.to_owned(), request.timeout(None)));
        let answer = loop {
            let look = async {
                match left > LOOK_AGAIN * 2 {
                    true => self.pulse.next().await,
                    false => sleep(left.min(LOOK_AGAIN)).await,
                }
            };
            tokio::select! {
                biased;
                answer = asked.as_mut() => break answer,
                () = look => {}
            }
            if !self.is_connected() || self.losses() != losses {
                return Err(unavailable("the connection to NATS was lost"));
            }
            left = wait.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(Unanswered::TimedOut);
            }
        };
        answer.map_err(|error| match error.kind() {
            RequestErrorKind::TimedOut => Unanswered::TimedOut,
            RequestErrorKind::NoResponders => Unanswered::NoResponders,
            RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded | RequestErrorKind::Other => {
                unavailable(&error.to_string())
            }
        })
    }

    /// How often the connection was lost.
    fn losses(&self) -> u64 {
        self.heard.borrow().losses
    }
}

/// When an operation has to be done whose caller gave no deadline.
pub(super) fn soon() -> Instant {
    Instant::now() + OPERATION_TIMEOUT
}
