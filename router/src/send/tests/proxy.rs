//! The way through an egress proxy.

use std::sync::{Arc, Mutex};

use gatepost_config::{Destination, EgressProxy, Secret};
use gatepost_event::AttemptError;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    Outside, attempt_through,
    https::{Https, Identity, Manner, params},
    outside,
    server::Server,
    to,
};

/// A proxy that makes every tunnel to one port, or says something else.
struct Proxy {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Proxy {
    async fn start(answer: &'static [u8], to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = heard.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut tunnels = JoinSet::new();
            loop {
                let (mut tcp, _) = listener.accept().await.expect("a connection");
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match tcp.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                hears.lock().expect("no panic").push(String::from_utf8_lossy(&head).into_owned());
                tunnels.spawn(async move {
                    let _ = tcp.write_all(answer).await;
                    if let Ok(mut onward) = TcpStream::connect(("127.0.0.1", to)).await {
                        let _ = copy_bidirectional(&mut tcp, &mut onward).await;
                    }
                });
            }
        });
        Self { port, heard, _task: task }
    }

    fn settings(&self, credentials: Option<&str>) -> Option<EgressProxy> {
        let credentials = credentials.map(|text| Secret::new(text.as_bytes().to_vec(), "a test"));
        Some(EgressProxy { host: "127.0.0.1".to_owned(), port: self.port, credentials })
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no panic").clone()
    }
}

const YES: &[u8] = b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n";

fn public(url: &str) -> Destination {
    Destination { private: false, timeout: std::time::Duration::from_secs(10), ..to(url) }
}

#[tokio::test]
async fn public_destinations_are_reached_through_the_proxy_and_tls_is_with_the_backend() {
    let identity = Identity::self_signed(&params("backend.example.com"));
    let server = Https::start(&identity, Manner { h2: true, ..Manner::default() }).await;
    let proxy = Proxy::start(YES, server.port).await;
    let trusting = Outside::with_roots(vec![identity.root.clone()]);
    let destination = public("https://backend.example.com/hook");
    for _ in 0..3 {
        let sent = attempt_through(&trusting, &destination, proxy.settings(Some("me:pass word"))).await;
        assert_eq!((sent.status, sent.error, sent.response.as_str()), (Some(200), None, "HTTP/2.0"));
    }
    assert_eq!(
        proxy.heard(),
        ["CONNECT backend.example.com:443 HTTP/1.1\r\nHost: backend.example.com:443\r\n\
          Proxy-Authorization: Basic bWU6cGFzcyB3b3Jk\r\n\r\n"],
        "one tunnel, kept"
    );
    // Another password is another way: nothing that was opened with the first is used.
    let sent = attempt_through(&trusting, &destination, proxy.settings(None)).await;
    assert_eq!((sent.error, proxy.heard().len()), (None, 2));
    assert!(!proxy.heard()[1].contains("Proxy-Authorization"));
    // A backend that is not who it should be is no better behind a proxy.
    let other = attempt_through(&trusting, &public("https://other.example.com/"), proxy.settings(None)).await;
    assert_eq!((other.status, other.error), (None, Some(AttemptError::Tls)));
}

#[tokio::test]
async fn what_may_not_be_dialled_may_not_be_asked_of_the_proxy_either() {
    let identity = Identity::self_signed(&params("backend.example.com"));
    let server = Https::start(&identity, Manner::default()).await;
    let proxy = Proxy::start(YES, server.port).await;
    let trusting = Outside::with_roots(vec![identity.root.clone()]);
    for url in [
        "https://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://metadata.google.internal/",
        "https://0x7f.1/",
        "https://user@backend.example.com/",
        "https://backend.example.com:22/",
        "http://backend.example.com/",
    ] {
        let sent = attempt_through(&trusting, &public(url), proxy.settings(None)).await;
        assert_eq!(sent.error, Some(AttemptError::AddressRefused), "{url}");
    }
    assert!(proxy.heard().is_empty(), "{:?}", proxy.heard());
    let control = attempt_through(&trusting, &public("https://backend.example.com/"), proxy.settings(None)).await;
    assert_eq!((control.error, proxy.heard().len()), (None, 1));
}

#[tokio::test]
async fn a_proxy_that_does_not_let_us_through_is_the_attempts_error() {
    for answer in [
        &b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..],
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
        b"\r\n\r\n",
    ] {
        let proxy = Proxy::start(answer, 9).await;
        let sent = attempt_through(&outside(), &public("https://backend.example.com/"), proxy.settings(None)).await;
        assert_eq!((sent.status, sent.error), (None, Some(AttemptError::Proxy)), "{}", answer.escape_ascii());
    }
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    let gone = EgressProxy { host: "127.0.0.1".to_owned(), port: gone, credentials: None };
    let sent = attempt_through(&outside(), &public("https://backend.example.com/"), Some(gone)).await;
    assert_eq!(sent.error, Some(AttemptError::Proxy));
}

#[tokio::test]
async fn private_destinations_are_dialled_directly() {
    let server = Server::saying("HTTP/1.1 204 No Content\r\n\r\n").await;
    let proxy = Proxy::start(YES, server.port).await;
    let sent = attempt_through(&outside(), &to(&server.url()), proxy.settings(None)).await;
    assert_eq!((sent.error, server.requests(), proxy.heard().len()), (None, 1, 0));
}
