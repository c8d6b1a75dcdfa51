//! A sync engine on loopback. Like Nango it takes a trigger of a sync that runs, says that it did, and starts nothing.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The key that it wants to see.
pub const API_KEY: &str = "nango-key-of-a-test";

/// The engine; it stops when this is dropped.
pub struct SyncEngine {
    address: String,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

/// One run of a connection's sync.
#[derive(Debug, Clone, Copy)]
pub struct SyncRun {
    /// When it began.
    pub began: Instant,
    /// When it is over.
    pub ends: Instant,
    /// Whether it succeeds.
    pub succeeds: bool,
}

struct Shared {
    run_time: Duration,
    ledger: Mutex<SyncLedger>,
}

/// What it was asked and what it did.
#[derive(Debug, Clone, Default)]
pub struct SyncLedger {
    /// Runs by connection and sync, in their order.
    pub runs: HashMap<(String, String), Vec<SyncRun>>,
    /// Triggers that were taken and started nothing, because the sync ran.
    pub ignored: usize,
    /// Calls that Nango would have taken for another thing, or not at all: without a connection, without the key.
    pub wrong: Vec<String>,
    /// Runs that fail, from now on.
    pub to_fail: usize,
    /// Answers with this status instead, when there is one.
    pub status: Option<u16>,
    /// Bodies of triggers.
    pub triggers: Vec<Value>,
    /// Headers and bodies of calls of the plain endpoint.
    pub calls: Vec<(http::HeaderMap, Bytes)>,
}

impl SyncEngine {
    /// Starts one whose runs take so long.
    pub async fn start(run_time: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let shared = Arc::new(Shared { run_time, ledger: Mutex::default() });
        let server = tokio::spawn(serve(listener, shared.clone()));
        Self { address, shared, server }
    }

    /// Its API, as Nango's.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A plain endpoint: the answer comes when the run is over, 409 when one is under way already.
    pub fn plain_url(&self) -> String {
        format!("http://{}/syncs", self.address)
    }

    /// What it did so far.
    pub fn ledger(&self) -> SyncLedger {
        self.shared.ledger.lock().unwrap().clone()
    }

    /// Changes what it will do.
    pub fn tell(&self, change: impl FnOnce(&mut SyncLedger)) {
        change(&mut self.shared.ledger.lock().unwrap());
    }

    /// Runs of a connection's sync.
    pub fn runs(&self, connection: &str, sync: &str) -> Vec<SyncRun> {
        let key = (connection.to_owned(), sync.to_owned());
        self.shared.ledger.lock().unwrap().runs.get(&key).cloned().unwrap_or_default()
    }
}

impl Drop for SyncEngine {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    /// Starts a run unless one is under way; when it is over.
    fn begin(&self, connection: &str, sync: &str) -> Option<SyncRun> {
        let mut ledger = self.ledger.lock().unwrap();
        let began = Instant::now();
        let succeeds = ledger.to_fail == 0;
        let runs = ledger.runs.entry((connection.to_owned(), sync.to_owned())).or_default();
        if runs.last().is_some_and(|last| last.ends > began) {
            ledger.ignored += 1;
            return None;
        }
        let run = SyncRun { began, ends: began + self.run_time, succeeds };
        runs.push(run);
        ledger.to_fail = ledger.to_fail.saturating_sub(1);
        Some(run)
    }

    /// As Nango says it.
    fn status(&self, connection: &str, sync: &str) -> Value {
        let ledger = self.ledger.lock().unwrap();
        let runs = ledger.runs.get(&(connection.to_owned(), sync.to_owned()));
        let last = runs.and_then(|runs| runs.last().map(|last| (runs.len(), *last)));
        let (status, over) = match last {
            Some((count, last)) if last.ends > Instant::now() => ("RUNNING", count - 1),
            Some((count, last)) => (if last.succeeds { "SUCCESS" } else { "ERROR" }, count),
            None => ("STOPPED", 0),
        };
        // The time only has to be another one for each run.
        let finished_at = (over > 0).then(|| format!("2026-11-22T00:00:00.{over:03}Z"));
        json!({ "id": "1", "name": sync, "status": status, "type": "INCREMENTAL", "finishedAt": finished_at,
                "nextScheduledSyncAt": null, "frequency": "every day", "latestResult": {}, "recordCount": {} })
    }

    fn wrong(&self, what: String) -> Response<Full<Bytes>> {
        self.ledger.lock().unwrap().wrong.push(what);
        answer(StatusCode::BAD_REQUEST, &json!({ "error": { "code": "invalid_body" } }))
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { return };
        let shared = shared.clone();
        let service = service_fn(move |request| {
            let shared = shared.clone();
            async move { Ok::<_, Infallible>(receive(&shared, request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

async fn receive(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return answer(StatusCode::BAD_REQUEST, &Value::Null);
    };
    if let Some(status) = shared.ledger.lock().unwrap().status {
        return answer(StatusCode::from_u16(status).expect("a status"), &Value::Null);
    }
    let is_known = head.headers.get("authorization").is_some_and(|value| *value == format!("Bearer {API_KEY}"));
    match (head.method, head.uri.path()) {
        (Method::POST, "/syncs") => {
            shared.ledger.lock().unwrap().calls.push((head.headers, body.clone()));
            plain(shared, &body).await
        }
        (method, path) if !is_known => shared.wrong(format!("{method} {path} without the key")),
        (Method::POST, "/sync/trigger") => trigger(shared, &body),
        (Method::GET, "/sync/status") => {
            let query = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
            let query: HashMap<String, String> = query.into_owned().collect();
            match (query.get("provider_config_key"), query.get("connection_id"), query.get("syncs")) {
                (Some(_), Some(connection), Some(sync)) => {
                    answer(StatusCode::OK, &json!({ "syncs": [shared.status(connection, sync)] }))
                }
                _ => shared.wrong(format!("a look at {query:?}")),
            }
        }
        (method, path) => shared.wrong(format!("{method} {path}")),
    }
}

fn trigger(shared: &Shared, body: &Bytes) -> Response<Full<Bytes>> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let connection = body["connection_id"].as_str().unwrap_or_default();
    let syncs: Vec<&str> = body["syncs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if connection.is_empty() || syncs.is_empty() || body["provider_config_key"].as_str().is_none() {
        return shared.wrong(format!("a trigger of {body}"));
    }
    for sync in syncs {
        shared.begin(connection, sync);
    }
    shared.ledger.lock().unwrap().triggers.push(body.clone());
    answer(StatusCode::OK, &json!({ "success": true }))
}

async fn plain(shared: &Shared, body: &Bytes) -> Response<Full<Bytes>> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let (Some(connection), Some(sync)) = (body["connection"].as_str(), body["sync"].as_str()) else {
        return shared.wrong(format!("a call with {body}"));
    };
    match shared.begin(connection, sync) {
        None => answer(StatusCode::CONFLICT, &Value::Null),
        Some(run) => {
            tokio::time::sleep_until(run.ends.into()).await;
            let status = if run.succeeds { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
            answer(status, &Value::Null)
        }
    }
}

fn answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.to_string().into()));
    *response.status_mut() = status;
    response
}
