//! Making the streams, and comparing them with what the contract needs: `gatepost store init` and `store check`.

use std::time::Instant;

use async_nats::jetstream::stream::Config;
use gatepost_config::{NatsStore, Retention};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::{
    connect,
    link::{self, Link, OPERATION_TIMEOUT},
    monitor,
    names::Names,
    reply::Failed,
    streams,
};
use crate::store::OpenError;

/// The oldest server that keeps the contract.
const SERVER_MIN: (i64, i64, i64) = (2, 15, 1);
/// The largest message that we send: a body of 512 KiB and its meta.
const PAYLOAD_MIN: usize = 1024 * 1024;
/// More than one request in a row may be needed for each of many streams.
const SETUP_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);
/// Pause before a stream is tried again that the cluster has no place for yet.
const PEERS_DELAY: std::time::Duration = std::time::Duration::from_millis(250);

/// Why the engine can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    /// It would not keep the contract.
    #[error(transparent)]
    Refused(#[from] OpenError),
    /// It could not be asked; worth another try.
    #[error("{0}")]
    Unknown(String),
}

/// What of a stream's description is used here.
#[derive(Deserialize)]
struct Info {
    config: Config,
}

/// Makes what is missing and updates what may be updated. Returns a line about each thing done.
///
/// # Errors
/// In words for the operator: servers that can't be reached, are too old or refuse, and streams that no update can
/// put right.
pub async fn init(
    settings: &NatsStore,
    store: &gatepost_config::Store,
    retention: &Retention,
) -> Result<Vec<String>, OpenError> {
    let (link, names) = start(settings).await?;
    let deadline = Instant::now() + SETUP_TIMEOUT;
    let mut done = Vec::new();
    for wanted in streams::wanted(&names, settings, store.dedupe_window, retention) {
        let name = &wanted.name;
        let refused = |failed: Failed| OpenError(format!("stream {name}: {failed}"));
        match find(&link, name, deadline).await.map_err(refused)? {
            None => {
                create(&link, &wanted, deadline).await?;
                done.push(format!("made stream {name}"));
            }
            Some(actual) => {
                let fixed = streams::fixed_differences(&actual, &wanted);
                if !fixed.is_empty() {
                    return Err(OpenError(fixed.join("; ")));
                }
                let right = streams::put_right(&actual, &wanted);
                if right != actual {
                    let _: Info = link
                        .api_unchecked(&format!("STREAM.UPDATE.{name}"), &right, deadline)
                        .await
                        .map_err(refused)?;
                    done.push(format!("updated stream {name}"));
                }
            }
        }
    }
    let _ = timeout(OPERATION_TIMEOUT, link.client().drain()).await;
    Ok(done)
}

/// Compares the servers with what the contract needs and changes nothing. Returns a line about each difference.
///
/// # Errors
/// When the servers can't be reached, are too old or refuse to be asked.
pub async fn check(
    settings: &NatsStore,
    store: &gatepost_config::Store,
    retention: &Retention,
) -> Result<Vec<String>, OpenError> {
    let (link, names) = start(settings).await?;
    let compared = compare(&link, &names, settings, store, retention).await;
    let mut found = compared.map_err(|unfit| OpenError(unfit.to_string()))?;
    match monitor::durability(settings).await {
        Ok(None) => {}
        // Nothing differs as far as can be seen.
        Ok(Some(warning)) => tracing::warn!("{warning}"),
        Err(error) => found.push(error.0),
    }
    let _ = timeout(OPERATION_TIMEOUT, link.client().drain()).await;
    Ok(found)
}

/// Whether the connected server is one that keeps the contract.
pub(super) fn server_fits(link: &Link) -> Result<(), OpenError> {
    let client = link.client();
    let info = client.server_info();
    let (major, minor, patch) = SERVER_MIN;
    if !client.is_server_compatible(major, minor, patch) {
        return Err(OpenError(format!(
            "NATS server {} has version {}; gatepost needs {major}.{minor}.{patch} or later (earlier ones lose or never \
             deliver scheduled messages): upgrade every server of the cluster",
            info.server_name, info.version
        )));
    }
    if !info.jetstream {
        return Err(OpenError(format!(
            "JetStream is off on NATS server {}: add a `jetstream {{ store_dir: ... }}` block to its configuration",
            info.server_name
        )));
    }
    if info.max_payload < PAYLOAD_MIN {
        return Err(OpenError(format!(
            "max_payload of NATS server {} is {} bytes; gatepost needs {PAYLOAD_MIN}",
            info.server_name, info.max_payload
        )));
    }
    Ok(())
}

/// Every difference of the streams from what they must be.
pub(super) async fn compare(
    link: &Link,
    names: &Names,
    settings: &NatsStore,
    store: &gatepost_config::Store,
    retention: &Retention,
) -> Result<Vec<String>, Unfit> {
    let deadline = link::soon();
    let wanted = streams::wanted(names, settings, store.dedupe_window, retention);
    let looked = wanted.iter().map(|wanted| async move {
        match find(link, &wanted.name, deadline).await {
            Ok(Some(actual)) => Ok(streams::differences(&actual, wanted)),
            Ok(None) => Ok(vec![format!("stream {} is missing", wanted.name)]),
            Err(Failed::Refused(refused)) if !refused.is_passing() => {
                Err(Unfit::Refused(OpenError(format!("stream {}: {refused}", wanted.name))))
            }
            Err(failed) => Err(Unfit::Unknown(format!(
                "stream {}: {failed} (if this stays: may this credential publish to $JS.API.STREAM.INFO.{}?)",
                wanted.name, wanted.name
            ))),
        }
    });
    Ok(futures::future::try_join_all(looked).await?.into_iter().flatten().collect())
}

/// Connects with a credential for setup, and refuses servers that don't fit.
async fn start(settings: &NatsStore) -> Result<(Link, Names), OpenError> {
    let (client, heard) = connect::connect(settings, true).await?;
    let link = Link::new(client, heard);
    let away = |_| OpenError(format!("no NATS server of store.url answers within {} s", OPERATION_TIMEOUT.as_secs()));
    timeout(OPERATION_TIMEOUT, link.welcomed()).await.map_err(away)??;
    server_fits(&link)?;
    Ok((link, Names::new(settings)))
}

async fn find(link: &Link, name: &str, deadline: Instant) -> Result<Option<Config>, Failed> {
    match link.api_unchecked::<Info>(&format!("STREAM.INFO.{name}"), &json!({}), deadline).await {
        Ok(info) => Ok(Some(info.config)),
        Err(Failed::Refused(refused)) if refused.is_not_found() => Ok(None),
        Err(failed) => Err(failed),
    }
}

/// Makes a stream, with some patience for a cluster whose servers have just begun to find each other.
async fn create(link: &Link, wanted: &Config, deadline: Instant) -> Result<(), OpenError> {
    let name = &wanted.name;
    loop {
        match link.api_unchecked::<Info>(&format!("STREAM.CREATE.{name}"), wanted, deadline).await {
            Ok(_) => return Ok(()),
            Err(Failed::Refused(refused)) if refused.lacks_peers() && Instant::now() + PEERS_DELAY < deadline => {
                tokio::time::sleep(PEERS_DELAY).await;
            }
            Err(failed) => return Err(OpenError(format!("stream {name}: {failed}"))),
        }
    }
}
