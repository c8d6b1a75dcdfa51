//! Releases: kept requests go through the very stages again that refused them, and those that pass are let in.
//!
//! The secrets are those of now, so one that was taken out of use lets nothing in. The clock is that of the request's
//! arrival: only the time that it has waited here doesn't count against it.

use std::{sync::Arc, time::Duration, time::Instant};

use gatepost_config::Timestamp;
use gatepost_event::{
    Refusal, RefusalKey, StoreError,
    registry::{Entry, Expect, Kind, Put},
    release::Release,
    replay::State,
    store::{Appended, Item},
};

use super::evidence;
use crate::{
    announce::{self, Told},
    attribute, captured, claimants, event,
    failure::Failure,
    handshake,
    inbound::{Arrival, Inbound, Released},
    inflate, keys,
    serve::Gateway,
    split,
};

/// Requests that are let in together.
const PAGE: usize = 64;

/// How long the events of a page may take to be stored.
const STORED_WITHIN: Duration = Duration::from_secs(10);

/// How long an ended release can be looked at.
const ENDED_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// What a kept request comes to.
enum Verdict {
    /// It is genuine, and these are its events and what they say of connections.
    Genuine(Vec<Item>, Told),
    /// It is genuine, and brings none.
    NoEvent,
    /// It stays, for this reason.
    Refused(String),
}

/// A release that is worked on.
struct Going {
    release: Release,
    revision: u64,
}

/// Fulfils every release that is asked for, the first asked for first.
pub(super) async fn fulfil(gateway: &Gateway) -> Result<(), StoreError> {
    let now = Timestamp::now();
    let mut open = Vec::new();
    for entry in gateway.store.entries(Kind::Release).await? {
        match read(&entry) {
            Some(release) if !release.state.is_over() => open.push(Going { release, revision: entry.revision }),
            Some(release) if release.ended_at.is_some_and(|at| now.since(at) > ENDED_KEPT) => {
                let _ = gateway.store.remove(Kind::Release, &entry.id, Expect::Revision(entry.revision)).await?;
            }
            Some(_) => {}
            None => tracing::debug!(id = entry.id, "a release can't be read; it is left alone"),
        }
    }
    open.sort_by_key(|going| going.release.id);
    for going in open {
        run(gateway, going).await?;
    }
    Ok(())
}

async fn run(gateway: &Gateway, mut going: Going) -> Result<(), StoreError> {
    let keys = gateway.store.quarantined(going.release.wish.request).await?;
    let wanted: Vec<RefusalKey> = keys.into_iter().filter(|key| going.release.wants(key)).collect();
    tracing::info!(release = %going.release.id, requests = wanted.len(), "verifying refused requests again");
    going.release.state = State::Running;
    for page in wanted.chunks(PAGE) {
        step(gateway, &mut going.release, page).await?;
        if !going.keep(gateway).await? {
            return Ok(());
        }
    }
    going.release.state = State::Done;
    going.release.ended_at = Some(Timestamp::now());
    going.keep(gateway).await?;
    let Release { id, progress, .. } = going.release;
    let (examined, released, events) = (progress.examined, progress.released, progress.events);
    tracing::info!(release = %id, examined, released, events, "a release has ended");
    Ok(())
}

/// Verifies a page of requests; those that pass are stored, and only then are kept no more.
async fn step(gateway: &Gateway, release: &mut Release, page: &[RefusalKey]) -> Result<(), StoreError> {
    let mut progress = release.progress.clone();
    let (mut items, mut genuine, mut told) = (Vec::new(), Vec::new(), Told::default());
    for key in page {
        let Some(sealed) = gateway.store.refusal(key).await? else { continue };
        progress.examined += 1;
        let verdict = match gateway.captures.keyring().open_refusal(&sealed) {
            Ok(refusal) => judge(gateway, &refusal, release.wish.takes_any_time()).await,
            Err(error) => {
                tracing::warn!(request = %key.request, %error, "a kept request can't be opened");
                Verdict::Refused("sealed".to_owned())
            }
        };
        match verdict {
            Verdict::Genuine(events, announced) => {
                items.extend(events);
                told.extend(announced);
                genuine.push(key.clone());
                gateway.metrics.released(sealed.integration.as_str());
            }
            Verdict::NoEvent => progress.skipped += 1,
            Verdict::Refused(reason) => *progress.refused.entry(reason).or_default() += 1,
        }
    }
    let stored = match items.is_empty() {
        true => Vec::new(),
        false => gateway.store.append(items, Instant::now() + STORED_WITHIN).await?,
    };
    announce::keep(told, gateway).await?;
    gateway.store.forget_refusals(&genuine).await?;
    progress.events += stored.iter().filter(|appended| **appended == Appended::Stored).count() as u64;
    progress.released += genuine.len() as u64;
    release.progress = progress;
    release.after = page.last().map(|key| key.request);
    Ok(())
}

/// Takes a kept request up to the store, through the same stages as [`crate::receive`].
async fn judge(gateway: &Gateway, refusal: &Refusal, any_time: bool) -> Verdict {
    let inbound = match inbound(gateway, refusal, any_time).await {
        Ok(Some(inbound)) => inbound,
        Ok(None) => return Verdict::Refused("unknown_endpoint".to_owned()),
        Err(error) => {
            tracing::debug!(request = %refusal.request, %error, "its connection could not be looked up");
            return Verdict::Refused(Failure::StoreAway.word().to_owned());
        }
    };
    let outcome = async {
        let inbound = inflate::before_check(inbound, Some(&gateway.inflight))?;
        captured::known(&inbound)?;
        if handshake::unsigned(&inbound)?.is_some() {
            return Ok(Verdict::NoEvent);
        }
        let unproven = claimants::unproven(&inbound, gateway).await?;
        let verified = keys::prove(inbound, &unproven, gateway).await?;
        let verified = inflate::after_check(verified, Some(&gateway.inflight))?;
        if handshake::signed(&verified)?.is_some() {
            return Ok(Verdict::NoEvent);
        }
        let split = split::split(verified)?;
        let told = announce::heard(&split);
        let claimants = claimants::of_parts(&split, gateway).await?;
        let accepted = event::accept(attribute::attribute(split, &claimants)?);
        Ok(Verdict::Genuine(accepted.into_parts().1, told))
    };
    outcome.await.unwrap_or_else(|failure: Failure| match failure {
        Failure::Refused(reason, _) => Verdict::Refused(reason.code().to_owned()),
        other => Verdict::Refused(other.word().to_owned()),
    })
}

/// The request as it came, by the configuration and connections of now; none when what it was posted to is no more.
async fn inbound(gateway: &Gateway, refusal: &Refusal, any_time: bool) -> Result<Option<Arc<Inbound>>, StoreError> {
    let tables = gateway.tables();
    let Some(endpoint) = tables.endpoint(refusal.integration.as_str()).map(Arc::clone) else { return Ok(None) };
    let connection = match &refusal.connection {
        Some(id) => match gateway.directory.connection(&endpoint, id).await? {
            Some(connection) => Some(connection),
            None => return Ok(None),
        },
        None => None,
    };
    let has_links = gateway.directory.has_connections(&endpoint);
    let arrival = Arrival {
        request: refusal.request,
        tables,
        endpoint,
        connection,
        has_links,
        captured: gateway.captures.known(),
        peer: None,
        released: Some(Released { at: Timestamp::now(), any_time }),
        fetched: None,
    };
    let raw = evidence::request(refusal);
    Ok(raw.map(|raw| Inbound::rehearsed(Arc::new(arrival), raw, refusal.received_at, Instant::now())))
}

fn read(entry: &Entry) -> Option<Release> {
    serde_json::from_slice(&entry.value).ok()
}

impl Going {
    /// Writes down how far it is; `false` when it was removed.
    async fn keep(&mut self, gateway: &Gateway) -> Result<bool, StoreError> {
        let id = self.release.id.to_string();
        loop {
            let value = serde_json::to_vec(&self.release).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let put = gateway.store.put(Kind::Release, &id, value.into(), Expect::Revision(self.revision)).await?;
            match put {
                Put::Stored(revision) => {
                    self.revision = revision;
                    return Ok(true);
                }
                // Only the one that has the lease changes it: an earlier try of ours, or one that had it before.
                Put::Conflict(Some(entry)) => self.revision = entry.revision,
                Put::Conflict(None) | Put::TooLong => return Ok(false),
            }
        }
    }
}
