//! A server that says exactly what it is told to.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// The server; it goes away with the value.
pub(super) struct Server {
    pub(super) port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Server {
    /// Reads each request whole, then lets `say` speak. The connection stays open for the next request when `say` says
    /// so.
    pub(super) async fn start<F>(say: impl Fn(TcpStream) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<TcpStream>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, heard) = (connections.clone(), requests.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut speaking = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.expect("a connection");
                counted.fetch_add(1, Ordering::SeqCst);
                let (say, heard) = (say.clone(), heard.clone());
                speaking.spawn(async move {
                    let mut open = Some(tcp);
                    while let Some(mut tcp) = open.take() {
                        if read_request(&mut tcp).await.is_none() {
                            return;
                        }
                        heard.fetch_add(1, Ordering::SeqCst);
                        open = say(tcp).await;
                    }
                });
            }
        });
        Self { port, connections, requests, _task: task }
    }

    /// Says these bytes once and closes.
    pub(super) async fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = Arc::new(bytes.into());
        Self::start(move |mut tcp: TcpStream| {
            let bytes = bytes.clone();
            async move {
                let _ = tcp.write_all(&bytes).await;
                let _ = tcp.shutdown().await;
                None
            }
        })
        .await
    }

    /// Says `first` and then `again` without end, with a pause.
    pub(super) async fn endless(first: &'static [u8], again: &'static [u8], pause_ms: u64) -> Self {
        Self::start(move |mut tcp: TcpStream| async move {
            tcp.write_all(first).await.ok()?;
            loop {
                tcp.write_all(again).await.ok()?;
                tokio::time::sleep(std::time::Duration::from_millis(pause_ms)).await;
            }
        })
        .await
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads one request with a length.
async fn read_request(tcp: &mut TcpStream) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            if bytes.len() >= end + 4 + length.expect("a length") {
                return Some(());
            }
        }
        let mut buffer = [0; 4096];
        match tcp.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}
