//! Dialling: the one place where a connection to the outside is made, so that nothing goes round the guard.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower::Service;

use crate::{guard, resolve::Resolver};

/// Longest time that dialling may take, also when the attempt that asked for it has ended.
const DIAL_MAX: Duration = Duration::from_secs(30);

/// Longest time for one address of several.
const ADDRESS_MAX: Duration = Duration::from_secs(5);

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Dials: resolve, check every address, dial a checked one, TLS.
#[derive(Debug, Clone)]
pub struct Connector {
    resolver: Resolver,
    tls: Arc<ClientConfig>,
    private: bool,
}

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name did not resolve.
    #[error("the name did not resolve: {0}")]
    Dns(String),
    /// An address that may not be dialled; the whole answer is refused.
    #[error("{0}")]
    Refused(#[from] guard::Refused),
    /// No connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// No TLS session.
    #[error("no TLS session: {0}")]
    Tls(String),
}

impl Connector {
    /// Without `private`, only public addresses are dialled.
    pub const fn new(resolver: Resolver, tls: Arc<ClientConfig>, private: bool) -> Self {
        Self { resolver, tls, private }
    }

    async fn dial(self, uri: Uri) -> Result<Stream, DialError> {
        let host = uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });

        guard::check_name(host)?;
        let addresses = self.resolver.addresses(host).await.map_err(DialError::Dns)?;
        for address in addresses.iter() {
            guard::check(*address, self.private)?;
        }
        let tcp = connect(&addresses, port).await?;
        if !is_tls {
            return Ok(Stream::Plain(TokioIo::new(tcp)));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|error| DialError::Tls(error.to_string()))?;
        let session = TlsConnector::from(self.tls).connect(name, tcp).await;
        let session = session.map_err(|error| DialError::Tls(error.to_string()))?;
        Ok(Stream::Tls(Box::new(TokioIo::new(session))))
    }
}

/// Dials checked addresses, one after the other.
async fn connect(addresses: &[IpAddr], port: u16) -> Result<TcpStream, DialError> {
    let mut last = DialError::Connect("the name has no address".to_owned());
    for address in addresses.iter().take(ADDRESSES_MAX) {
        match timeout(ADDRESS_MAX, TcpStream::connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(tcp)) => {
                // Without it a small request could wait for the acknowledgement of the one before.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Ok(Err(error)) => last = DialError::Connect(error.to_string()),
            Err(_) => last = DialError::Connect("it took too long".to_owned()),
        }
    }
    Err(last)
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dial = self.clone().dial(uri);
        Box::pin(async {
            timeout(DIAL_MAX, dial).await.unwrap_or_else(|_| Err(DialError::Connect("it took too long".to_owned())))
        })
    }
}

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// Without TLS: private addresses only.
    Plain(TokioIo<TcpStream>),
    /// With TLS.
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(context, buffer),
            Self::Tls(io) => Pin::new(io).poll_read(context, buffer),
        }
    }
}

impl hyper::rt::Write for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(context, bytes),
            Self::Tls(io) => Pin::new(io).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(context),
            Self::Tls(io) => Pin::new(io).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(context),
            Self::Tls(io) => Pin::new(io).poll_shutdown(context),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(io) => io.is_write_vectored(),
            Self::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write_vectored(context, pieces),
            Self::Tls(io) => Pin::new(io).poll_write_vectored(context, pieces),
        }
    }
}

#[cfg(test)]
mod tests;
