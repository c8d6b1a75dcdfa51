//! A customer's backend: records what it gets and answers as told.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::wait::eventually;

/// A backend on loopback; it stops when this is dropped.
pub struct Backend {
    address: String,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

struct Shared {
    got: Mutex<Vec<Delivery>>,
    status: AtomicU16,
    echoes: AtomicBool,
}

/// One delivery as it arrived.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// When.
    pub at: Instant,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Delivery {
    /// A header as text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("headers are text"))
    }

    /// The envelope.
    pub fn envelope(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a delivery is JSON")
    }

    /// The bytes of `data`, exactly as they stand in the envelope: it is its last member.
    pub fn data(&self) -> &[u8] {
        let mark = b",\"data\":";
        let at = self.body.windows(mark.len()).position(|window| window == mark).expect("an envelope has data");
        &self.body[at + mark.len()..self.body.len() - 1]
    }
}

impl Backend {
    /// Starts one that answers 204.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let shared =
            Arc::new(Shared { got: Mutex::default(), status: AtomicU16::new(204), echoes: AtomicBool::new(false) });
        let server = tokio::spawn(serve(listener, shared.clone()));
        Self { address, shared, server }
    }

    /// Where deliveries are posted.
    pub fn url(&self) -> String {
        format!("http://{}/webhooks", self.address)
    }

    /// Answers with this status from now on.
    pub fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::Release);
    }

    /// Answers with what it gets from now on, as a careless backend does in its error pages.
    pub fn echo(&self) {
        self.shared.echoes.store(true, Ordering::Release);
    }

    /// Everything that arrived.
    pub fn got(&self) -> Vec<Delivery> {
        self.shared.got.lock().unwrap().clone()
    }

    /// How often each `webhook-id` arrived.
    pub fn counts(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for delivery in self.shared.got.lock().unwrap().iter() {
            *counts.entry(delivery.header("webhook-id").to_owned()).or_default() += 1;
        }
        counts
    }

    /// Waits until `n` different `webhook-id`s arrived.
    pub async fn wait_for(&self, n: usize, deadline: Duration) -> Vec<Delivery> {
        let what = format!("{n} different deliveries");
        eventually(&what, deadline, async || (self.counts().len() >= n).then(|| self.got())).await
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { return };
        let shared = shared.clone();
        let service = service_fn(move |request| receive(shared.clone(), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

async fn receive(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let mut response = Response::new(Full::default());
    match body.collect().await {
        Ok(body) => {
            let delivery = Delivery { at: Instant::now(), headers: head.headers, body: body.to_bytes() };
            if shared.echoes.load(Ordering::Acquire) {
                *response.body_mut() = Full::new(delivery.body.clone());
            }
            shared.got.lock().unwrap().push(delivery);
            let status = shared.status.load(Ordering::Acquire);
            *response.status_mut() = StatusCode::from_u16(status).expect("a test's status is valid");
        }
        Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    Ok(response)
}
