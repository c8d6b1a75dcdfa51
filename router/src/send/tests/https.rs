//! Servers with TLS, made to order.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use time::OffsetDateTime;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

/// A certificate with those that lead to its root, and its key.
pub(super) struct Identity {
    pub(super) root: CertificateDer<'static>,
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// What a server asks and offers.
#[derive(Default)]
pub(super) struct Manner {
    /// Clients must have a certificate of this authority.
    pub(super) client_root: Option<CertificateDer<'static>>,
    /// HTTP/2 is offered.
    pub(super) h2: bool,
}

/// A server that answers 200 and the protocol's version.
pub(super) struct Https {
    pub(super) port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

/// For a name, valid now.
pub(super) fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    let now = now();
    params.not_before = now - time::Duration::days(1);
    params.not_after = now + time::Duration::days(1);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

pub(super) fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(gatepost_config::Timestamp::now().seconds()).expect("a time")
}

impl Identity {
    /// Its own root.
    pub(super) fn self_signed(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").der().clone();
        Self { root: certificate.clone(), chain: vec![certificate], key: private(&key) }
    }

    /// Signed by one of these parameters, which an authority signed, which is its root.
    pub(super) fn signed_through(
        authority: CertificateParams,
        between: CertificateParams,
        params: &CertificateParams,
    ) -> Self {
        let [authority_key, between_key, key] = [(); 3].map(|()| KeyPair::generate().expect("a key"));
        let root = authority.self_signed(&authority_key).expect("a certificate").der().clone();
        let authority = Issuer::new(authority, authority_key);
        let intermediate = between.signed_by(&between_key, &authority).expect("a certificate").der().clone();
        let between = Issuer::new(between, between_key);
        let certificate = params.signed_by(&key, &between).expect("a certificate").der().clone();
        Self { root, chain: vec![certificate, intermediate], key: private(&key) }
    }

    /// Signed by an authority of these parameters, which is its root.
    pub(super) fn signed_by(authority: CertificateParams, params: &CertificateParams) -> Self {
        let authority_key = KeyPair::generate().expect("a key");
        let root = authority.self_signed(&authority_key).expect("a certificate").der().clone();
        let key = KeyPair::generate().expect("a key");
        let issuer = Issuer::new(authority, authority_key);
        let certificate = params.signed_by(&key, &issuer).expect("a certificate").der().clone();
        Self { root, chain: vec![certificate], key: private(&key) }
    }
}

impl Https {
    pub(super) async fn start(identity: &Identity, manner: Manner) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config(identity, &manner)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, heard) = (connections.clone(), requests.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut serving = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.expect("a connection");
                counted.fetch_add(1, Ordering::SeqCst);
                let (acceptor, heard) = (acceptor.clone(), heard.clone());
                serving.spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    let is_h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
                    let service = service_fn(move |request: Request<Incoming>| {
                        heard.fetch_add(1, Ordering::SeqCst);
                        answer(request.version())
                    });
                    let io = TokioIo::new(tls);
                    let _ = match is_h2 {
                        true => {
                            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                                .serve_connection(io, service)
                                .await
                        }
                        false => hyper::server::conn::http1::Builder::new().serve_connection(io, service).await,
                    };
                });
            }
        });
        Self { port, connections, requests, _task: task }
    }

    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}/", self.port)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn answer(version: Version) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    Ok(Response::new(Full::from(format!("{version:?}"))))
}

fn config(identity: &Identity, manner: &Manner) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.expect("versions");
    let builder = match &manner.client_root {
        None => builder.with_no_client_auth(),
        Some(root) => {
            let mut roots = RootCertStore::empty();
            roots.add(root.clone()).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    let mut config = builder.with_single_cert(identity.chain.clone(), identity.key.clone_key()).expect("a server");
    if manner.h2 {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    config
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(key.serialize_der()).expect("a key")
}
