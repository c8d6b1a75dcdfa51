//! Asking a server's monitoring page whether it syncs before it confirms: no client can see that on the NATS port.

use std::time::Duration;

use gatepost_config::{Durability, NatsStore};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::store::OpenError;

/// How long the page may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(2);
/// The most that is read of it.
const PAGE_BYTES_MAX: u64 = 1024 * 1024;

/// Checks what a 2xx is configured to promise. A warning when it can't be shown.
///
/// # Errors
/// When the promise is shown to be false.
pub(super) async fn durability(settings: &NatsStore) -> Result<Option<String>, OpenError> {
    if settings.durability == Durability::Replicated {
        let lone = settings.replicas < 2;
        return Ok(lone.then(|| {
            "durability is \"replicated\" but replicas is 1: what was confirmed is lost when that machine loses power"
                .to_owned()
        }));
    }
    let Some(url) = &settings.monitor_url else {
        return Ok(Some(
            "durability \"fsync\" can't be shown: set store.monitor_url, and `sync_interval: always` in every server's \
             jetstream block"
                .to_owned(),
        ));
    };
    let page = match url.scheme() {
        "http" => timeout(PAGE_TIMEOUT, page(url.host_str().unwrap_or_default(), url.port().unwrap_or(80)))
            .await
            .map_err(|_| "it does not answer in time".to_owned())
            .flatten(),
        _ => Err("only http can be asked".to_owned()),
    };
    match page {
        Ok(page) if page.pointer("/config/sync_always") == Some(&Value::Bool(true)) => Ok(None),
        Ok(page) if page.pointer("/config/store_dir").is_some() => Err(OpenError(format!(
            "store.durability is \"fsync\", but the server at {url} confirms before it syncs: set `sync_interval: always` \
             in its jetstream block, or durability = \"replicated\""
        ))),
        Ok(_) => Ok(Some(format!("durability \"fsync\" can't be shown: {url}jsz tells nothing of JetStream"))),
        Err(why) => Ok(Some(format!("durability \"fsync\" can't be shown: {url}: {why}"))),
    }
}

/// The page, by HTTP/1.0, which has no chunks and ends with the connection.
async fn page(host: &str, port: u16) -> Result<Value, String> {
    let words = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await.map_err(words)?;
    let request = format!("GET /jsz HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(words)?;
    let mut answer = Vec::new();
    stream.take(PAGE_BYTES_MAX).read_to_end(&mut answer).await.map_err(words)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("it gave no HTTP answer")?;
    match head.split(' ').nth(1) {
        Some("200") => serde_json::from_str(body).map_err(|error| error.to_string()),
        status => Err(format!("it answered {}", status.unwrap_or("nothing"))),
    }
}
