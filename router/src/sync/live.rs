//! Connections that were made at run time, for backstops.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use gatepost_config::{ConnectionId, IntegrationId};
use gatepost_event::{
    StoreError,
    connection::{self, Linked, Phase},
    registry::{Change, Entry, Kind},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::conduct::Heard;
use crate::{backoff::Backoff, plan::Plan, work::Desk};

/// Connections read at a time.
const PAGE: usize = 1000;

/// Time in which changes are told together.
const TOGETHER: Duration = Duration::from_secs(1);

/// A connection that is live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) integration: IntegrationId,
    pub(crate) connection: ConnectionId,
}

/// Tells the conductor which connections of the registry are live, while any sync has a backstop. Never returns before the
/// conductor is gone.
pub(crate) async fn follow(desk: &Desk, mut plan: watch::Receiver<Arc<Plan>>, heard: mpsc::Sender<Heard>) {
    let mut backoff = Backoff::store();
    loop {
        if plan.wait_for(|plan| plan.has_backstops()).await.is_err() {
            return;
        }
        match listen(desk, &heard).await {
            Ok(()) => return,
            Err(error) => tracing::debug!(%error, "connections can't be followed; trying again"),
        }
        backoff.wait().await;
    }
}

async fn listen(desk: &Desk, heard: &mpsc::Sender<Heard>) -> Result<(), StoreError> {
    let mut watch = desk.store.watch(Kind::Connection).await?;
    loop {
        let mut live = list(desk).await?;
        let mut tell_at = Some(Instant::now());
        loop {
            let later = tell_at.unwrap_or_else(|| Instant::now() + TOGETHER);
            tokio::select! {
                () = sleep_until(later), if tell_at.is_some() => {
                    tell_at = None;
                    let all = live.values().cloned().collect();
                    if heard.send(Heard::Live(all)).await.is_err() {
                        return Ok(());
                    }
                    continue;
                }
                change = watch.next() => match change? {
                    Change::Put(entry) => match of(&entry) {
                        Some(one) => drop(live.insert(entry.id, one)),
                        None => drop(live.remove(&entry.id)),
                    },
                    Change::Removed(id) => drop(live.remove(&id)),
                    Change::Missed => break,
                },
            }
            tell_at = tell_at.or_else(|| Some(Instant::now() + TOGETHER));
        }
    }
}

async fn list(desk: &Desk) -> Result<BTreeMap<String, Live>, StoreError> {
    let (mut live, mut after) = (BTreeMap::new(), 0);
    loop {
        let page = connection::page(&desk.store, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(live) };
        after = last.revision;
        for found in page {
            let linked = found.linked;
            let id = Linked::entry_id(&linked.integration, &linked.id);
            if let Some(one) = of_linked(linked) {
                live.insert(id, one);
            }
        }
    }
}

fn of(entry: &Entry) -> Option<Live> {
    serde_json::from_slice(&entry.value).ok().and_then(of_linked)
}

fn of_linked(linked: Linked) -> Option<Live> {
    let is_live = linked.phase == Phase::Active && !linked.disabled;
    is_live.then_some(Live { integration: linked.integration, connection: linked.id })
}
