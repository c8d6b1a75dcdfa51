//! The verify stage: chooses the secrets that must prove a request, and remembers whose they were.

use std::sync::Arc;

use gatepost_config::{Provider, Secret, provider::Trust};

use super::{Judge, Passed, verify};
use crate::{
    explain,
    failure::Failure,
    inbound::{Inbound, Released},
    link::Link,
    reason::Reason,
};

/// Most connections whose secrets are tried for one account.
const CLAIMANTS_MAX: usize = 16;

/// A request that is proven genuine.
pub(crate) struct Verified {
    inbound: Arc<Inbound>,
    trust: Trust,
    proof: Proof,
    claims: Option<Vec<u8>>,
}

/// Whose secret proved a request.
#[derive(Clone)]
pub(crate) enum Proof {
    /// A connection's own: whatever the request says, it is that connection's.
    Own(Arc<Link>),
    /// The integration's: the account in the request says whose it is.
    Integration,
    /// Nobody's; the operator said `unverified = true`.
    Nothing,
}

impl Verified {
    /// The request.
    pub(crate) const fn inbound(&self) -> &Arc<Inbound> {
        &self.inbound
    }

    /// The same, with its request as it is to be read once it was proven.
    pub(crate) fn read_as(
        self,
        read: impl FnOnce(Arc<Inbound>) -> Result<Arc<Inbound>, Failure>,
    ) -> Result<Self, Failure> {
        Ok(Self { inbound: read(self.inbound)?, ..self })
    }

    /// What the check is worth.
    pub(crate) const fn trust(&self) -> Trust {
        self.trust
    }

    /// The claims of the token that proved it.
    pub(crate) fn claims(&self) -> Option<&[u8]> {
        self.claims.as_deref()
    }

    /// Whose secret it was.
    pub(crate) const fn proof(&self) -> &Proof {
        &self.proof
    }
}

/// What was fetched from the provider's own API, over TLS and with the operator's credential, is the provider's; no
/// signature covers its bytes.
pub(crate) fn fetched(inbound: Arc<Inbound>) -> Verified {
    Verified { inbound, trust: Trust::Authenticated, proof: Proof::Integration, claims: None }
}

/// Proves a request genuine.
///
/// The secrets are those of the connection in the URL, if it has any; or, where each connection has its own, those of
/// the connections that the request claims to be of (`unproven`), which must then prove it; or else the integration's. A secret is
/// never taken from one connection and the attribution from another. What the provider publishes stands for the
/// integration's.
pub(crate) fn prove(
    inbound: Arc<Inbound>,
    unproven: &[Arc<Link>],
    published: Option<&Secret>,
) -> Result<Verified, Failure> {
    let tried = match &inbound.arrival.connection {
        Some(named) if !inbound.arrival.own_secrets(named).is_empty() => try_own(&inbound, std::slice::from_ref(named)),
        Some(_) => try_integration(&inbound, published),
        None if unproven.is_empty() => try_integration(&inbound, published),
        None => try_own(&inbound, unproven),
    };
    let (passed, proof) = tried.map_err(|reason| inbound.refuse(reason))?;
    let proof = if passed.trust == Trust::Unverified { Proof::Nothing } else { proof };
    tracing::debug!(target: "gatepost::step", step = "verified", request = %inbound.arrival.request,
        scheme = passed.scheme);
    Ok(Verified { trust: passed.trust, proof, claims: passed.claims, inbound })
}

fn try_integration(inbound: &Inbound, published: Option<&Secret>) -> Result<(Passed, Proof), Reason> {
    let secrets = published.map_or(inbound.arrival.integration_secrets(), std::slice::from_ref);
    let passed = judge(inbound, secrets)?;
    Ok((passed, Proof::Integration))
}

/// Tries connections' own secrets; with several, the first that proves the request is whose it is.
fn try_own(inbound: &Inbound, connections: &[Arc<Link>]) -> Result<(Passed, Proof), Reason> {
    let mut refused = Reason::SecretAbsent;
    for connection in connections.iter().take(CLAIMANTS_MAX) {
        match judge(inbound, inbound.arrival.own_secrets(connection)) {
            Ok(passed) => return Ok((passed, Proof::Own(Arc::clone(connection)))),
            Err(reason) => refused = reason,
        }
    }
    Err(refused)
}

fn judge(inbound: &Inbound, secrets: &[Secret]) -> Result<Passed, Reason> {
    let integration = &inbound.endpoint().integration;
    let released = inbound.arrival.released;
    // A request that waited is judged by the clock of its arrival, but by the secrets of now.
    let active: Vec<Secret>;
    let secrets = match released {
        Some(Released { at, .. }) => {
            active = secrets.iter().filter(|secret| secret.is_active(at)).cloned().collect();
            &active
        }
        None => secrets,
    };
    let timeless: Provider;
    let provider = match released {
        Some(Released { any_time: true, .. }) => {
            timeless = explain::timeless(&integration.provider);
            &timeless
        }
        _ => &*integration.provider,
    };
    let judge = Judge {
        provider,
        secrets,
        values: &integration.values,
        public_url: inbound.arrival.tables.settings.public_url.as_ref(),
        unverified: integration.unverified,
    };
    verify(&judge, &inbound.raw, inbound.received_at)
}
