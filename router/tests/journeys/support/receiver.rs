//! A backend that records what it gets and answers from a script.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use sha2::Sha256;
use tokio::{net::TcpListener, task::JoinSet};

use super::{KEY, eventually};

/// One answer of a script.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A status, with `Retry-After` when given.
    Status(u16, Option<&'static str>),
    /// A status, after a while.
    Late(u16, Duration),
    /// None, ever.
    Hang,
}

/// What came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) at: Instant,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Default)]
struct State {
    script: VecDeque<Answer>,
    usual: Option<Answer>,
    got: Vec<Got>,
    now: usize,
    most: usize,
}

/// The backend. It goes away with the value.
pub(crate) struct Receiver {
    address: String,
    state: Arc<Mutex<State>>,
    _server: JoinSet<()>,
}

impl Receiver {
    /// Answers 204 to everything.
    pub(crate) async fn start() -> Self {
        Self::scripted([]).await
    }

    /// Answers from the script, then 204.
    pub(crate) async fn scripted(script: impl IntoIterator<Item = Answer>) -> Self {
        Self::serve(State { script: script.into_iter().collect(), ..State::default() }).await
    }

    /// Answers the same to everything.
    pub(crate) async fn always(answer: Answer) -> Self {
        Self::first_then([], answer).await
    }

    /// Answers from the script, then the same to everything.
    pub(crate) async fn first_then(script: impl IntoIterator<Item = Answer>, usual: Answer) -> Self {
        Self::serve(State { script: script.into_iter().collect(), usual: Some(usual), ..State::default() }).await
    }

    async fn serve(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(state));
        let mut server = JoinSet::new();
        let shared = state.clone();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.expect("a connection");
                let shared = shared.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(shared.clone(), request));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(tcp), service).await;
                });
            }
        });
        Self { address, state, _server: server }
    }

    /// Where to post.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// What came so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.state.lock().expect("a lock").got.clone()
    }

    /// The most requests that were there at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.state.lock().expect("a lock").most
    }

    /// Requests that are there now.
    pub(crate) fn now(&self) -> usize {
        self.state.lock().expect("a lock").now
    }

    /// Answers 204 to everything from now on.
    pub(crate) fn recover(&self) {
        let mut state = self.state.lock().expect("a lock");
        state.usual = None;
        state.script.clear();
    }

    /// Waits until so many requests have come.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Got> {
        eventually(&format!("{count} requests came"), || async { self.got().len() >= count }).await;
        self.got()
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let at = Instant::now();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let answer = {
        let mut state = state.lock().expect("a lock");
        state.got.push(Got { at, path: head.uri.path().to_owned(), headers: head.headers, body });
        state.now += 1;
        state.most = state.most.max(state.now);
        let usual = state.usual.clone().unwrap_or(Answer::Status(204, None));
        state.script.pop_front().unwrap_or(usual)
    };
    let there = There(state);
    let (status, retry_after) = match answer {
        Answer::Status(status, retry_after) => (status, retry_after),
        Answer::Late(status, after) => {
            tokio::time::sleep(after).await;
            (status, None)
        }
        Answer::Hang => std::future::pending().await,
    };
    drop(there);
    let mut response = Response::new(Full::new(Bytes::from(format!("answer {status}"))));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    if let Some(value) = retry_after {
        response.headers_mut().insert("retry-after", value.parse().expect("a value"));
    }
    if status == 204 {
        *response.body_mut() = Full::default();
    }
    Ok(response)
}

/// A request that is there; also over when the other side went away.
struct There(Arc<Mutex<State>>);

impl Drop for There {
    fn drop(&mut self) {
        self.0.lock().expect("a lock").now -= 1;
    }
}

impl Got {
    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// Whether the signature is right, worked out here from the received bytes.
    pub(crate) fn verifies(&self) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("a key");
        mac.update(self.header("webhook-id").as_bytes());
        mac.update(b".");
        mac.update(self.header("webhook-timestamp").as_bytes());
        mac.update(b".");
        mac.update(&self.body);
        self.header("webhook-signature") == format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}
