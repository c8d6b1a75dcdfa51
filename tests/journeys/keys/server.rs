//! A provider's key server on loopback: answers as told, and counts who asked.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

/// What stands at a path.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// How long it keeps whoever asks waiting.
    pub(crate) delay: Duration,
}

#[derive(Default)]
struct Shared {
    shown: HashMap<String, Shown>,
    asked: Vec<String>,
}

/// The server; it is up from the start.
pub(crate) struct KeyServer {
    address: String,
    shared: Arc<Mutex<Shared>>,
    serving: Option<JoinHandle<()>>,
}

impl KeyServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let shared = Arc::<Mutex<Shared>>::default();
        let serving = Some(tokio::spawn(serve(listener, Arc::clone(&shared))));
        Self { address, shared, serving }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Shows a document from now on.
    pub(crate) fn show(&self, path: &str, body: impl Into<Bytes>) {
        self.answer(path, Shown { status: 200, body: body.into(), headers: Vec::new(), delay: Duration::ZERO });
    }

    /// Answers like this from now on.
    pub(crate) fn answer(&self, path: &str, shown: Shown) {
        self.shared.lock().unwrap().shown.insert(path.to_owned(), shown);
    }

    /// Every target that was asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.lock().unwrap().asked.clone()
    }

    /// Refuses connections from now on.
    pub(crate) async fn down(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            drop(serving.await);
        }
    }

    /// Takes connections again, at the same address.
    pub(crate) async fn up(&mut self) {
        let listener = TcpListener::bind(&self.address).await.expect("its own port");
        self.serving = Some(tokio::spawn(serve(listener, Arc::clone(&self.shared))));
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Mutex<Shared>>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { return };
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| answer(Arc::clone(&shared), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

async fn answer(shared: Arc<Mutex<Shared>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let shown = {
        let mut shared = shared.lock().unwrap();
        shared.asked.push(request.uri().to_string());
        shared.shown.get(request.uri().path()).cloned()
    };
    let Some(shown) = shown else {
        return Ok(Response::builder().status(404).body(Full::default()).expect("a response"));
    };
    tokio::time::sleep(shown.delay).await;
    let mut response = Response::builder().status(shown.status);
    for (name, value) in &shown.headers {
        response = response.header(*name, value);
    }
    Ok(response.body(Full::new(shown.body)).expect("a response"))
}
