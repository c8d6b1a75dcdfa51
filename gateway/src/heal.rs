//! Heals: what a provider could not deliver, had from it later. One gateway does all of them, by a lease.
//!
//! A heal stands in the registry; the API writes it there, or the schedule of an integration ([`schedule`]). It asks the
//! provider what it could not deliver ([`source`]), a router what of that is stored all the same ([`known`]), and gets
//! the rest: GitHub posts it again, Stripe's events are taken through the gateway's own stages ([`ingest`]). A crash
//! begins it again; ids, and the router's answer, make that harmless.

mod error;
mod going;
mod ingest;
mod known;
mod outside;
mod pause;
mod schedule;
mod source;
mod work;

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use gatepost_config::Timestamp;
use gatepost_event::{
    HealId, StoreError,
    heal::Heal,
    registry::{Entry, Expect, Kind},
    store::LeaseKey,
    turned_away::Hour,
};
use tokio::task::{AbortHandle, JoinSet};

use self::going::Going;
pub(crate) use self::outside::Outside;
use crate::{lease, serve::Gateway};

/// Time between looks for heals.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Heals worked on at once; of one integration, one.
const AT_ONCE: usize = 4;

/// How long an ended heal can be looked at; one that the schedule asked for is one of many.
const ENDED_KEPT: Duration = Duration::from_secs(30 * 86_400);
const SCHEDULED_KEPT: Duration = Duration::from_secs(2 * 86_400);

/// Looks between which records of requests turned away are not thinned out.
const LOOKS_PER_SWEEP: u32 = 7_200;

/// Has the lease whenever nobody else does, and works while it has it.
pub(crate) async fn tend(gateway: Arc<Gateway>) -> Infallible {
    lease::whenever(&gateway.store, LeaseKey::Heals, || work(Arc::clone(&gateway))).await
}

async fn work(gateway: Arc<Gateway>) -> Infallible {
    // Dropping the set with the lease ends what is under way.
    let mut running = JoinSet::new();
    let mut handles: HashMap<HealId, AbortHandle> = HashMap::new();
    for look in 0_u32.. {
        if look.is_multiple_of(LOOKS_PER_SWEEP)
            && let Err(error) = sweep(&gateway).await
        {
            tracing::debug!(%error, "old records of requests turned away could not be removed; trying again later");
        }
        if let Err(error) = self::look(&gateway, &mut running, &mut handles).await {
            tracing::debug!(%error, "heals could not be looked for; trying again");
        }
        tokio::time::sleep(LOOK_EVERY).await;
        while running.try_join_next().is_some() {}
        handles.retain(|_, handle| !handle.is_finished());
    }
    std::future::pending().await
}

/// Begins what can begin, asks for what a schedule wants, and forgets what ended long ago.
async fn look(
    gateway: &Arc<Gateway>,
    running: &mut JoinSet<()>,
    handles: &mut HashMap<HealId, AbortHandle>,
) -> Result<(), StoreError> {
    let now = Timestamp::now();
    let mut all = Vec::new();
    for entry in gateway.store.entries(Kind::Heal).await? {
        match read(&entry) {
            Some(heal) if is_old(&heal, now) => {
                let _ = gateway.store.remove(Kind::Heal, &entry.id, Expect::Revision(entry.revision)).await?;
            }
            Some(heal) => all.push(Going::new(heal, entry.revision)),
            None => tracing::debug!(id = entry.id, "a heal can't be read; it is left alone"),
        }
    }
    for heal in schedule::due(&gateway.tables(), all.iter().map(|going| &going.heal), now) {
        all.extend(going::ask_for(&gateway.store, heal).await?);
    }
    let recent = Arc::new(work::under_way(all.iter().map(|going| &going.heal), now));
    all.retain(|going| !going.heal.state.is_over());
    all.sort_by_key(|going| going.heal.id);
    let mut busy: Vec<_> = all.iter().filter(|going| handles.contains_key(&going.heal.id)).collect();
    let mut begun = Vec::new();
    for going in all.iter().filter(|going| !handles.contains_key(&going.heal.id)) {
        let is_taken = busy.iter().any(|other| other.heal.wish.integration == going.heal.wish.integration);
        if busy.len() < AT_ONCE && !is_taken {
            busy.push(going);
            begun.push(going.clone());
        }
    }
    for going in begun {
        let (gateway, recent) = (Arc::clone(gateway), Arc::clone(&recent));
        let id = going.heal.id;
        handles.insert(id, running.spawn(async move { work::run(&gateway, going, &recent).await }));
    }
    Ok(())
}

fn is_old(heal: &Heal, now: Timestamp) -> bool {
    let kept = if heal.scheduled { SCHEDULED_KEPT } else { ENDED_KEPT };
    heal.ended_at.is_some_and(|at| now.since(at) > kept)
}

fn read(entry: &Entry) -> Option<Heal> {
    serde_json::from_slice(&entry.value).ok()
}

/// Removes records of requests turned away that nobody will ask for.
async fn sweep(gateway: &Gateway) -> Result<(), StoreError> {
    let now = Timestamp::now();
    for entry in gateway.store.entries(Kind::TurnedAway).await? {
        if serde_json::from_slice::<Hour>(&entry.value).is_ok_and(|hour| hour.is_past(now)) {
            let _ = gateway.store.remove(Kind::TurnedAway, &entry.id, Expect::Revision(entry.revision)).await?;
        }
    }
    Ok(())
}
