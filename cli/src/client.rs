//! A small HTTP client for the operator's own gateway: one request, one connection, one deadline.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use url::Url;

/// From name lookup to the last byte of the answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// Longest answer read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Status and headers.
    pub(crate) head: http::response::Parts,
    /// The body.
    pub(crate) body: Bytes,
}

/// Posts a body.
///
/// # Errors
/// In words, when no whole answer came in time.
pub(crate) async fn post(url: &Url, headers: &[(String, String)], body: Bytes) -> Result<Answer, String> {
    request(Method::POST, url, headers, body, ANSWER_BYTES_MAX).await
}

/// Makes any request, and reads an answer of at most so many bytes.
///
/// # Errors
/// As [`post`].
pub(crate) async fn request(
    method: Method,
    url: &Url,
    headers: &[(String, String)],
    body: Bytes,
    answer_bytes_max: usize,
) -> Result<Answer, String> {
    match tokio::time::timeout(DEADLINE, exchange(method, url, headers, body, answer_bytes_max)).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer from {url} within {} s", DEADLINE.as_secs())),
    }
}

async fn exchange(
    method: Method,
    url: &Url,
    headers: &[(String, String)],
    body: Bytes,
    answer_bytes_max: usize,
) -> Result<Answer, String> {
    let host = url.host_str().ok_or_else(|| format!("{url} names no host"))?;
    let port = url.port_or_known_default().ok_or_else(|| format!("{url} names no port"))?;
    let socket =
        TcpStream::connect((host, port)).await.map_err(|error| format!("can't connect to {host}:{port}: {error}"))?;
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", &url[url::Position::BeforeHost..url::Position::AfterPort]);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(body)).map_err(|error| format!("can't make the request: {error}"))?;
    if url.scheme() == "https" {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| format!("{host}: {error}"))?;
        let tls = tokio_rustls::TlsConnector::from(Arc::new(tls()?));
        let socket = tls.connect(name, socket).await.map_err(|error| format!("no TLS with {host}: {error}"))?;
        speak(socket, request, answer_bytes_max).await
    } else {
        speak(socket, request, answer_bytes_max).await
    }
}

async fn speak<S>(socket: S, request: Request<Full<Bytes>>, answer_bytes_max: usize) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: &dyn std::fmt::Display| format!("the connection broke: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(|error| broken(&error))?;
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, answer_bytes_max).collect().await.map_err(|error| broken(&error))?.to_bytes();
    driver.abort();
    Ok(Answer { head, body })
}

fn tls() -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth())
}
