//! Opening the engine: connect, check that it can keep the contract, start what runs beside the operations.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use gatepost_config::{Durability, NatsStore, Retentions, Store as Settings};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Inner, Nats,
    attempts::Nothing,
    connect,
    cursor::{Cursors, WRITE_EVERY},
    dense::Dense,
    doubt::Doubts,
    front::Fronts,
    leave::Doors,
    ledger::Ledgers,
    link::{Link, Verdict},
    monitor,
    names::Names,
    near::Near,
    record,
    setup::{self, Unfit},
};
use crate::store::OpenError;

/// How long opening waits for a server; after that the store is open, but away.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long after a failed check the next is made.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// What the checks need.
#[derive(Clone)]
struct Terms {
    names: Names,
    settings: NatsStore,
    store: gatepost_config::Store,
    retention: Retentions,
}

impl Nats {
    pub(in crate::store) async fn open(
        settings: &NatsStore,
        store: &gatepost_config::Store,
        retention: Retentions,
    ) -> Result<Self, OpenError> {
        let terms = Terms { names: Names::new(settings), settings: settings.clone(), store: store.clone(), retention };
        let (client, heard) = connect::connect(settings, true).await?;
        let link = Arc::new(Link::new(client, heard));
        let (nats, records) = assemble(&terms, &link);
        match timeout(CONNECT_WAIT, link.welcomed()).await {
            Ok(welcomed) => {
                welcomed?;
                match checks(&link, &terms).await {
                    Ok(warnings) => {
                        nats.inner.warn(warnings);
                        link.decide(Verdict::Passed);
                    }
                    Err(Unfit::Refused(error)) => return Err(error),
                    Err(Unfit::Unknown(why)) => tracing::warn!("the NATS streams can't be checked yet: {why}"),
                }
            }
            Err(_) => tracing::warn!("no NATS server of store.url answers yet; the store is away until one does"),
        }
        let inner = Arc::downgrade(&nats.inner);
        let stop = nats.inner.stop.clone();
        tokio::spawn(stop.clone().run_until_cancelled_owned(check_later(inner.clone(), link.clone(), terms.clone())));
        tokio::spawn(stop.run_until_cancelled_owned(flush(inner)));
        let lost = nats.inner.records_lost.clone();
        tokio::spawn(async move { record::keep(&link, &lost, records).await });
        Ok(nats)
    }
}

/// The engine, and what its queue of records is emptied from.
fn assemble(terms: &Terms, link: &Arc<Link>) -> (Nats, mpsc::Receiver<record::Record>) {
    let (records, recorded) = mpsc::channel(record::QUEUE_MAX);
    let window = terms.store.dedupe_window.unwrap_or(Settings::WINDOW_NATS);
    let inner = Inner {
        link: link.clone(),
        near: Near::new(&terms.settings),
        names: terms.names.clone(),
        replicas: terms.settings.replicas.max(1),
        durability: durability(&terms.settings),
        dedupe_window: window.min(terms.retention.all.events),
        retention: std::sync::RwLock::new(terms.retention.clone()),
        warnings: std::sync::RwLock::default(),
        cursors: Cursors::new(terms.names.partitions),
        doubts: Doubts::default(),
        dense: Dense::default(),
        nothing: Nothing::default(),
        ledgers: Ledgers::new(terms.names.shards),
        fronts: Fronts::default(),
        doors: Doors::new(terms.names.shards),
        records,
        records_lost: Arc::default(),
        stop: CancellationToken::new(),
    };
    (Nats { inner: Arc::new(inner) }, recorded)
}

/// Everything that an open engine must be; what can't be shown, as warnings.
async fn checks(link: &Link, terms: &Terms) -> Result<Vec<String>, Unfit> {
    setup::server_fits(link)?;
    let found = setup::compare(link, &terms.names, &terms.settings, &terms.store, &terms.retention.all).await?;
    if !found.is_empty() {
        return Err(Unfit::Refused(OpenError(format!(
            "the NATS streams are not as gatepost needs them; run `gatepost store init` with a credential that may \
             manage streams: {}",
            found.join("; ")
        ))));
    }
    Ok(monitor::durability(&terms.settings).await?.into_iter().collect())
}

/// Runs the checks on the first connection, when there was none at opening.
async fn check_later(inner: Weak<Inner>, link: Arc<Link>, terms: Terms) {
    let mut told = String::new();
    while !link.is_checked() {
        link.connected().await;
        match checks(&link, &terms).await {
            Ok(warnings) => {
                for warning in &warnings {
                    tracing::warn!("{warning}");
                }
                if let Some(inner) = inner.upgrade() {
                    inner.warn(warnings);
                }
                link.decide(Verdict::Passed);
            }
            Err(unfit) => {
                let why = unfit.to_string();
                if told != why {
                    tracing::error!("the store can't work yet: {why}");
                    told.clone_from(&why);
                }
                link.decide(Verdict::Refused(why));
                tokio::time::sleep(TRY_AGAIN).await;
            }
        }
    }
}

/// Writes cursors that have moved though nothing moves them any more.
async fn flush(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(WRITE_EVERY).await;
        let Some(inner) = inner.upgrade() else { return };
        let nats = Nats { inner };
        if nats.link.ready().is_ok() {
            nats.flush_cursors().await;
        }
    }
}

fn durability(settings: &NatsStore) -> String {
    let servers = match settings.replicas {
        0 | 1 => "one server".to_owned(),
        copies => format!("{} of {copies} servers", copies / 2 + 1),
    };
    match settings.durability {
        Durability::Fsync => format!("on the disk of {servers} (sync_interval: always)"),
        Durability::Replicated => format!("accepted by {servers}, on disk up to 2 minutes later"),
    }
}
