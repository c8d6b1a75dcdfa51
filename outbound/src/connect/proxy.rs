//! The way through an egress proxy: a tunnel made by CONNECT.
//!
//! <https://www.rfc-editor.org/rfc/rfc9110#name-connect>

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use gatepost_config::EgressProxy;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{DialError, Target};
use crate::{phases::Stopwatch, resolve::Resolver};

/// Largest head of a proxy's answer.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// A connection to a target through a proxy. The proxy's own address is the operator's word and is not checked.
pub(super) async fn dial(
    resolver: &Resolver,
    proxy: &Arc<EgressProxy>,
    target: &Target<'_>,
    watch: &Stopwatch,
) -> Result<TcpStream, DialError> {
    let addresses = resolver.addresses(&proxy.host).await.map_err(DialError::Proxy)?;
    watch.resolved();
    let mut tcp = super::connect(&addresses, proxy.port).await.map_err(|error| DialError::Proxy(error.to_string()))?;
    let broken = |error: std::io::Error| DialError::Proxy(error.to_string());
    tcp.write_all(request(proxy, target).as_bytes()).await.map_err(broken)?;
    let head = read_head(&mut tcp).await.map_err(broken)?;
    match status(&head) {
        Some(200..=299) => Ok(tcp),
        Some(status) => Err(DialError::Proxy(format!("it answered {status}"))),
        None => Err(DialError::Proxy("its answer is not HTTP".to_owned())),
    }
}

fn request(proxy: &EgressProxy, target: &Target<'_>) -> String {
    let Target { host, port, .. } = target;
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let credentials = proxy.credentials.as_ref().map_or_else(String::new, |credentials| {
        format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(credentials.expose()))
    });
    format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{credentials}\r\n")
}

/// Reads to the end of the head and no further: what follows belongs to the tunnel.
async fn read_head(tcp: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_BYTES_MAX {
            return Err(std::io::Error::other("its answer is too long"));
        }
        head.push(tcp.read_u8().await?);
    }
    Ok(head)
}

fn status(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head).ok()?.strip_prefix("HTTP/1.")?;
    line.get(2..5)?.parse().ok()
}
