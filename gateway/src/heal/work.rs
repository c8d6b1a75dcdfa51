//! One heal, from what its provider could not deliver to its end.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use gatepost_config::{IntegrationId, Timestamp};
use gatepost_event::{
    StoreError, connection,
    heal::{Heal, Progress, WANTED_MAX},
    replay::State,
};

use super::{
    error::HealError,
    going::Going,
    known,
    source::{Source, Span, Undelivered},
};
use crate::{serve::Gateway, tables::Endpoint};

/// How long after it was asked for a delivery may be under way.
const UNDER_WAY: Duration = Duration::from_secs(5 * 60);

/// Deliveries asked for that are remembered.
const REQUESTED_MAX: usize = 2_000;

/// Of them, asked for between two times that it is written down how far a heal is.
const KEPT_EVERY: u64 = 50;

/// Connections read at a time.
const PAGE: usize = 1_000;

/// What Stripe's ids of accounts begin with; other account keys are none that it can be asked as.
const STRIPE_ACCOUNT: &str = "acct_";

/// Deliveries that other heals asked for a moment ago, by integration.
pub(super) type Recent = HashMap<IntegrationId, HashSet<String>>;

/// What heals asked for a moment ago.
pub(super) fn under_way<'h>(all: impl Iterator<Item = &'h Heal>, now: Timestamp) -> Recent {
    let mut recent = Recent::new();
    for heal in all.filter(|heal| heal.ended_at.is_none_or(|at| now.since(at) < UNDER_WAY)) {
        recent.entry(heal.wish.integration.clone()).or_default().extend(heal.requested.iter().cloned());
    }
    recent
}

/// Works on a heal to its end.
pub(super) async fn run(gateway: &Gateway, mut going: Going, recent: &Recent) {
    let wish = going.heal.wish.clone();
    tracing::info!(heal = %going.heal.id, integration = %wish.integration, since = %wish.since, dry_run = wish.dry_run,
        "healing");
    going.heal.state = State::Running;
    going.heal.progress = Progress::default();
    let outcome = heal(gateway, &mut going, recent).await;
    let word = match &outcome {
        Ok(()) => "done",
        Err(error) => {
            going.heal.error = Some(error.to_string());
            "failed"
        }
    };
    going.heal.state = if outcome.is_ok() { State::Done } else { State::Failed };
    going.heal.question = None;
    going.heal.ended_at = Some(Timestamp::now());
    gateway.metrics.heal_ended(wish.integration.as_str(), word, going.heal.progress.healed);
    // What can't be written is begun again by whoever has the lease then, and finds done what is.
    if let Err(error) = going.keep(&gateway.store).await {
        tracing::warn!(heal = %going.heal.id, %error, "the end of a heal could not be kept");
    }
    let Progress { undelivered, present, missing, healed, failed, .. } = going.heal.progress;
    match outcome {
        Ok(()) => {
            tracing::info!(heal = %going.heal.id, undelivered, present, missing, healed, failed, "a heal has ended")
        }
        Err(error) => tracing::error!(heal = %going.heal.id, integration = %wish.integration, %error, "a heal failed"),
    }
}

async fn heal(gateway: &Gateway, going: &mut Going, recent: &Recent) -> Result<(), HealError> {
    let endpoint = gateway.tables().endpoint(going.heal.wish.integration.as_str()).map(Arc::clone);
    let endpoint = endpoint.ok_or(HealError::NoIntegration)?;
    let settings = endpoint.integration.heal.clone().ok_or(HealError::NotConfigured)?;
    let mut source = Source::new(&settings, &gateway.outside, accounts(gateway, &endpoint).await?)?;
    let span = Span { since: going.heal.wish.since, until: going.heal.until() };
    let undelivered = source.undelivered(span, &mut going.heal.progress).await?;
    going.heal.progress.undelivered = undelivered.len() as u64;
    let recent = recent.get(&endpoint.integration.id);
    for batch in undelivered.chunks(WANTED_MAX) {
        let missing = missing(gateway, &endpoint, going, batch).await?;
        for one in missing {
            if recent.is_some_and(|recent| recent.contains(&one.id)) {
                going.heal.progress.under_way += 1;
                continue;
            }
            going.heal.progress.missing += 1;
            if !going.heal.wish.dry_run {
                have(gateway, &endpoint, going, &mut source, one).await?;
            }
        }
        going.keep(&gateway.store).await?;
    }
    Ok(())
}

async fn have(
    gateway: &Gateway,
    endpoint: &Arc<Endpoint>,
    going: &mut Going,
    source: &mut Source<'_>,
    one: &Undelivered,
) -> Result<(), HealError> {
    match source.have(gateway, endpoint, one).await? {
        true => going.heal.progress.healed += 1,
        false => going.heal.progress.failed += 1,
    }
    if matches!(source, Source::Github(_)) {
        let requested = &mut going.heal.requested;
        requested.push(one.id.clone());
        if requested.len() > REQUESTED_MAX {
            requested.remove(0);
        }
        let Progress { healed, failed, .. } = going.heal.progress;
        if (healed + failed).is_multiple_of(KEPT_EVERY) {
            going.keep(&gateway.store).await?;
        }
    }
    Ok(())
}

/// Those of a batch that are not stored.
async fn missing<'b>(
    gateway: &Gateway,
    endpoint: &Arc<Endpoint>,
    going: &mut Going,
    batch: &'b [Undelivered],
) -> Result<Vec<&'b Undelivered>, HealError> {
    let mut wanted = Vec::with_capacity(batch.len());
    for one in batch {
        wanted.push(known::wanted(gateway, endpoint, one).await?);
    }
    let present: HashSet<u32> = going.present(&gateway.store, wanted).await?.into_iter().collect();
    going.heal.progress.present += present.len() as u64;
    let missing = (0_u32..).zip(batch).filter(|(place, _)| !present.contains(place));
    Ok(missing.map(|(_, one)| one).collect())
}

/// The accounts of an integration's connections that Stripe can be asked as.
async fn accounts(gateway: &Gateway, endpoint: &Endpoint) -> Result<Vec<String>, StoreError> {
    let connected = endpoint
        .integration
        .heal
        .as_ref()
        .is_some_and(|heal| matches!(heal.from, gatepost_config::HealFrom::Stripe { connected: true, .. }));
    if !connected {
        return Ok(Vec::new());
    }
    let mut accounts: BTreeSet<String> = endpoint.accounts().map(str::to_owned).collect();
    let mut after = 0;
    loop {
        let page = connection::page(&gateway.store, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.revision;
        let own = page.into_iter().filter(|found| found.linked.integration == endpoint.integration.id);
        accounts.extend(own.flat_map(|found| found.linked.accounts));
    }
    accounts.retain(|account| account.starts_with(STRIPE_ACCOUNT));
    Ok(accounts.into_iter().collect())
}
