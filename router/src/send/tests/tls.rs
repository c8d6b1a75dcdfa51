//! Certificates that are good, and certificates that are not.

use std::sync::Arc;

use gatepost_event::AttemptError;
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use time::OffsetDateTime;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{Outside, attempt, outside, to};

struct Https {
    port: u16,
    root: CertificateDer<'static>,
    _task: JoinSet<()>,
}

/// A server with a certificate for `name`, valid for some days around now.
async fn https(name: &str, from_days: i64, to_days: i64) -> Https {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    let now = OffsetDateTime::from_unix_timestamp(gatepost_config::Timestamp::now().seconds()).expect("a time");
    params.not_before = now + time::Duration::days(from_days);
    params.not_after = now + time::Duration::days(to_days);
    let key = KeyPair::generate().expect("a key");
    let root = params.self_signed(&key).expect("a certificate").der().clone();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![root.clone()], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
        .expect("a server");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut task = JoinSet::new();
    task.spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.expect("a connection");
            let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
            let _ = tls.read(&mut [0; 4096]).await;
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            let _ = tls.shutdown().await;
        }
    });
    Https { port, root, _task: task }
}

#[tokio::test]
async fn only_a_trusted_valid_certificate_of_the_host_is_spoken_to() {
    let good = https("localhost", -1, 1).await;
    let trusting = Outside::with_roots(vec![good.root.clone()]).expect("TLS");
    let sent = attempt(&trusting, &to(&format!("https://localhost:{}/", good.port))).await;
    assert_eq!((sent.status, sent.error, sent.response.as_str()), (Some(200), None, "ok"));

    let untrusted = attempt(&outside(), &to(&format!("https://localhost:{}/", good.port))).await;
    assert_eq!((untrusted.status, untrusted.error), (None, Some(AttemptError::Tls)));
    let other_name = attempt(&trusting, &to(&format!("https://127.0.0.1:{}/", good.port))).await;
    assert_eq!((other_name.status, other_name.error), (None, Some(AttemptError::Tls)));

    for (name, from, until) in [("localhost", -3, -1), ("localhost", 1, 3), ("example.com", -1, 1)] {
        let bad = https(name, from, until).await;
        let trusting = Outside::with_roots(vec![bad.root.clone()]).expect("TLS");
        let sent = attempt(&trusting, &to(&format!("https://localhost:{}/", bad.port))).await;
        assert_eq!((sent.status, sent.error), (None, Some(AttemptError::Tls)), "{name} {from} {until}");
    }
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing_from_an_https_destination() {
    let plain = super::server::Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let sent = attempt(&outside(), &to(&plain.url().replace("http:", "https:"))).await;
    assert!(matches!(sent.error, Some(AttemptError::Tls | AttemptError::Timeout)), "{:?}", sent.error);
    assert_eq!(plain.requests(), 0);
}
