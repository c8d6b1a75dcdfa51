//! Secrets that providers give in their handshakes: kept sealed in the store, once, and known to every gateway.
//!
//! Whoever asks first is believed, since such a provider proves itself by nothing else; so a secret is taken only while
//! there is none, neither in the configuration nor in the store, and none is ever replaced by a request.

mod follow;

use std::{collections::HashMap, sync::Arc, time::Instant};

use gatepost_config::{ConnectionId, Provider, Secret, provider::Handshake, provider::SecretScope};
use gatepost_event::{SealedSecret, SecretName, SecretPurpose, store::Kept};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub(crate) use follow::Captures;

use crate::{
    failure::Failure,
    handshake::Reply,
    inbound::{Arrival, Inbound},
    link::Link,
    reason::Reason,
    serve::Gateway,
    store,
};

/// The captured secrets that a gateway knows of at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    secrets: HashMap<SecretName, Vec<Secret>>,
    /// All that the store keeps is among them.
    is_current: bool,
    /// Kept, but no master key opens it.
    sealed: Vec<SecretName>,
}

/// What an offered secret is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offer {
    /// There is none yet.
    First,
    /// It is the one that we have.
    Known,
}

impl Known {
    /// Those of a gateway without a store.
    pub(crate) fn nothing() -> Arc<Self> {
        Arc::new(Self { is_current: true, ..Self::default() })
    }

    fn of(&self, name: &SecretName) -> &[Secret] {
        self.secrets.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Arrival {
    /// The integration's secrets: those of the configuration, or else the captured one.
    pub(crate) fn integration_secrets(&self) -> &[Secret] {
        match self.endpoint.integration.secrets.as_slice() {
            [] => self.captured(None),
            declared => declared,
        }
    }

    /// A connection's own secrets: those of the configuration, or else the captured one.
    pub(crate) fn own_secrets<'a>(&'a self, connection: &'a Link) -> &'a [Secret] {
        match connection.secrets.as_slice() {
            [] => self.captured(Some(&connection.id)),
            declared => declared,
        }
    }

    fn captured(&self, connection: Option<&ConnectionId>) -> &[Secret] {
        match captures(self.endpoint.provider()) {
            true => self.captured.of(&self.name(connection.cloned())),
            false => &[],
        }
    }

    fn name(&self, connection: Option<ConnectionId>) -> SecretName {
        let integration = self.endpoint.integration.id.clone();
        SecretName { integration, connection, purpose: SecretPurpose::Captured }
    }

    /// The connection that a captured secret would be of: the one in the URL, where each has its own.
    fn capturing(&self) -> Option<&Arc<Link>> {
        let of_its_own = self.endpoint.provider().secret_scope == SecretScope::Connection;
        self.connection.as_ref().filter(|_| of_its_own)
    }
}

/// Whether a provider gives secrets in its handshakes.
pub(crate) fn captures(provider: &Provider) -> bool {
    provider.handshakes.iter().any(Handshake::captures)
}

/// Refuses to judge by captured secrets before all of them are known: that we don't know one is no reason to say that a
/// request is forged, or that nobody was here before.
pub(crate) fn known(inbound: &Arc<Inbound>) -> Result<(), Failure> {
    let arrival = &inbound.arrival;
    if arrival.connection.as_ref().is_some_and(|connection| connection.is_sealed) {
        return Err(Failure::StoreAway);
    }
    if !captures(arrival.endpoint.provider()) || !arrival.endpoint.integration.secrets.is_empty() {
        return Ok(());
    }
    let captured = &arrival.captured;
    let connection = arrival.connection.as_ref().map(|connection| connection.id.clone());
    let names = [arrival.name(None), arrival.name(connection)];
    match captured.is_current && !names.iter().any(|name| captured.sealed.contains(name)) {
        true => Ok(()),
        false => Err(Failure::StoreAway),
    }
}

/// Keeps the secret that a handshake gives, before it is answered.
pub(crate) async fn keep(reply: Reply, inbound: &Arc<Inbound>, gateway: &Gateway) -> Result<Reply, Failure> {
    let Some(offered) = reply.secret.clone() else { return Ok(reply) };
    if judge(inbound, &offered).map_err(|reason| inbound.refuse(reason))? == Offer::Known {
        return Ok(reply);
    }
    let name = inbound.arrival.name(inbound.arrival.capturing().map(|connection| connection.id.clone()));
    let sealed = gateway.captures.seal(name, &offered, inbound.received_at);
    let sealed = sealed.map_err(|error| {
        tracing::error!(integration = %inbound.endpoint().integration.id, %error, "a handshake's secret can't be sealed");
        Failure::StoreAway
    })?;
    let deadline = store::answer_by(inbound);
    match kept(sealed.clone(), gateway, deadline).await? {
        Kept::New => gateway.captures.add(&sealed),
        // Another request came first, here or at another gateway.
        Kept::Already(first) => {
            gateway.captures.add(&first);
            match gateway.captures.opens_to(&first, &offered) {
                true => {}
                false => return Err(inbound.refuse(Reason::SecretTaken)),
            }
        }
    }
    Ok(reply)
}

/// As [`keep`], where nothing can be kept.
pub(crate) fn rehearse(reply: Reply, inbound: &Arc<Inbound>) -> Result<Reply, Failure> {
    if let Some(offered) = &reply.secret {
        judge(inbound, offered).map_err(|reason| inbound.refuse(reason))?;
    }
    Ok(reply)
}

/// Stores a sealed secret in a task of its own: a client that hangs up doesn't cancel it.
async fn kept(sealed: SealedSecret, gateway: &Gateway, deadline: Instant) -> Result<Kept, Failure> {
    let store = gateway.store.clone();
    let task = gateway.appends.spawn(async move { store.keep_secret(&sealed, deadline).await });
    match tokio::time::timeout_at(deadline.into(), task).await {
        Ok(Ok(Ok(kept))) => Ok(kept),
        Ok(Ok(Err(error))) => {
            gateway.metrics.store_error(&error);
            tracing::warn!(%error, "could not keep a handshake's secret; answered 503");
            Err(Failure::StoreAway)
        }
        Ok(Err(_)) => Err(Failure::Panicked),
        Err(_) => {
            gateway.metrics.store_deadline();
            Err(Failure::StoreAway)
        }
    }
}

/// What an offered secret is to us. Any but the one that we have is refused, and so is the first where connections have
/// URLs of their own to give theirs at.
fn judge(inbound: &Inbound, offered: &Secret) -> Result<Offer, Reason> {
    let arrival = &inbound.arrival;
    let own = arrival.capturing().map(|connection| arrival.own_secrets(connection)).unwrap_or_default();
    let ours = if own.is_empty() { arrival.integration_secrets() } else { own };
    let mut active = ours.iter().filter(|secret| secret.is_active(inbound.received_at));
    let of_a_connection = arrival.endpoint.provider().secret_scope == SecretScope::Connection;
    let misplaced =
        of_a_connection && arrival.connection.is_none() && (arrival.endpoint.has_connections() || arrival.has_links);
    match ours {
        [] if misplaced => Err(Reason::SecretTaken),
        [] => Ok(Offer::First),
        _ if active.any(|secret| is_same(secret, offered)) => Ok(Offer::Known),
        _ => Err(Reason::SecretTaken),
    }
}

/// Compares two secrets, both hashed so that neither length nor content shows in the time.
fn is_same(one: &Secret, other: &Secret) -> bool {
    Sha256::digest(one.expose()).ct_eq(&Sha256::digest(other.expose())).into()
}
