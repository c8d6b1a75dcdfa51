//! Finds the connections that a request may be of: before it is proven, those whose own secrets may prove it; after it
//! was split, those that claim its parts' accounts.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, stream};
use gatepost_config::provider::{SecretScope, Source};
use gatepost_event::StoreError;

use crate::{
    extract::{Lookup, Trouble},
    failure::Failure,
    inbound::Inbound,
    link::{Link, State},
    reason::Reason,
    serve::Gateway,
    split::Split,
    store::answer_by,
    verify::Proof,
};

/// Accounts of one request that are looked up at once.
const AT_ONCE: usize = 16;

/// The longest that a request waits for a connection that settles.
const SETTLES_WITHIN: Duration = Duration::from_millis(1500);

/// Time between looks at a connection that settles.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The connections that the parts of a request may be of.
#[derive(Debug, Default)]
pub(crate) struct Claimants {
    /// In the order of the accounts.
    by_account: Vec<(String, Vec<Arc<Link>>)>,
    named: Option<Arc<Link>>,
}

impl Claimants {
    /// Those that claim an account.
    pub(crate) fn of(&self, account: &str) -> &[Arc<Link>] {
        let found = self.by_account.binary_search_by(|(known, _)| known.as_str().cmp(account)).ok();
        found.and_then(|at| self.by_account.get(at)).map(|(_, links)| links.as_slice()).unwrap_or_default()
    }

    /// The one that the URL names, or whose own secret proved the request, as it stands now.
    pub(crate) const fn named(&self) -> Option<&Arc<Link>> {
        self.named.as_ref()
    }

    /// Of the file's alone.
    pub(crate) fn declared(split: &Split) -> Self {
        let inbound = split.verified().inbound();
        let endpoint = inbound.endpoint();
        let by_account = accounts(split).into_iter().map(|account| {
            let claimants = endpoint.claimants(account).to_vec();
            (account.to_owned(), claimants)
        });
        Self { by_account: by_account.collect(), named: named(split).cloned() }
    }

    /// Whether nothing has to be asked beside the file, which goes before what was made at run time.
    fn is_all(&self) -> bool {
        self.named.is_none() && self.by_account.iter().all(|(_, claimants)| !claimants.is_empty())
    }

    fn settles(&self) -> bool {
        let mut all = self.by_account.iter().flat_map(|(_, claimants)| claimants).chain(&self.named);
        all.any(|link| link.state == State::Settling)
    }
}

/// The connections with secrets of their own that claim the account in the request, which is not believed yet: it only
/// chooses whose secret must prove it.
pub(crate) async fn unproven(inbound: &Arc<Inbound>, gateway: &Gateway) -> Result<Vec<Arc<Link>>, Failure> {
    let Some(account) = unproven_account(inbound).map_err(|reason| inbound.refuse(reason))? else {
        return Ok(Vec::new());
    };
    let claimants =
        in_time(Box::pin(gateway.directory.claimants(inbound.endpoint(), &account)), inbound, gateway).await?;
    match claimants.iter().any(|claimant| claimant.is_sealed) {
        true => Err(Failure::StoreAway),
        false => Ok(with_secrets(inbound, &claimants)),
    }
}

/// As [`unproven`], of the file's alone.
pub(crate) fn unproven_declared(inbound: &Arc<Inbound>) -> Result<Vec<Arc<Link>>, Failure> {
    let account = unproven_account(inbound).map_err(|reason| inbound.refuse(reason))?;
    Ok(account.map_or(Vec::new(), |account| with_secrets(inbound, inbound.endpoint().claimants(&account))))
}

/// The connections that a proven request's parts may be of. One that settles is waited for.
pub(crate) async fn of_parts(split: &Split, gateway: &Gateway) -> Result<Claimants, Failure> {
    let declared = Claimants::declared(split);
    if declared.is_all() {
        return Ok(declared);
    }
    let inbound = split.verified().inbound();
    let settled_by = answer_by(inbound).min(Instant::now() + SETTLES_WITHIN);
    loop {
        let claimants = in_time(Box::pin(look(split, gateway)), inbound, gateway).await?;
        let before = named(split).map(|link| &link.tenant);
        if claimants.named().map(|link| &link.tenant) != before {
            // It was removed or given to another tenant since it was proven: what was proven is not its word any more.
            return Err(Failure::StoreAway);
        }
        if !claimants.settles() {
            return Ok(claimants);
        }
        if Instant::now() + LOOK_EVERY > settled_by {
            return Err(Failure::StoreAway);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn look(split: &Split, gateway: &Gateway) -> Result<Claimants, StoreError> {
    let endpoint = split.verified().inbound().endpoint();
    let directory = &gateway.directory;
    let named = match named(split) {
        Some(link) => directory.connection(endpoint, link.id.as_str()).await?,
        None => None,
    };
    let accounts: Vec<String> = accounts(split).into_iter().map(str::to_owned).collect();
    let lookups = stream::iter(accounts).map(|account| async move {
        let claimants = directory.claimants(endpoint, &account).await;
        claimants.map(|claimants| (account, claimants))
    });
    // In their order, whichever is found first.
    Ok(Claimants { by_account: lookups.buffered(AT_ONCE).try_collect().await?, named })
}

/// The connection that the request is proven to be of, whatever its parts say, or that its URL names.
fn named(split: &Split) -> Option<&Arc<Link>> {
    match split.verified().proof() {
        Proof::Own(link) => Some(link),
        Proof::Integration | Proof::Nothing => split.verified().inbound().arrival.connection.as_ref(),
    }
}

/// The accounts of a request's parts, each once and in order.
fn accounts(split: &Split) -> Vec<&str> {
    let mut accounts: Vec<_> = split.parts().iter().filter_map(|part| part.fields.account.key()).collect();
    accounts.sort_unstable();
    accounts.dedup();
    accounts
}

fn with_secrets(inbound: &Inbound, claimants: &[Arc<Link>]) -> Vec<Arc<Link>> {
    claimants.iter().filter(|claimant| !inbound.arrival.own_secrets(claimant).is_empty()).cloned().collect()
}

/// The account that an unproven request claims to be of, where it chooses whose secret must prove it.
fn unproven_account(inbound: &Inbound) -> Result<Option<String>, Reason> {
    let endpoint = inbound.endpoint();
    let provider = endpoint.provider();
    if provider.secret_scope != SecretScope::Connection || inbound.arrival.connection.is_some() {
        return Ok(None);
    }
    let lookup = Lookup::new(provider, &inbound.raw, &endpoint.integration.values);
    let places = provider.event.account.iter().filter(|place| !matches!(place.source, Source::Item(_)));
    for place in places {
        match lookup.find_text(place) {
            Ok(Some(account)) if !account.is_empty() => return Ok(Some(account)),
            Ok(_) | Err(Trouble::Unreadable) => {}
            Err(Trouble::Duplicated) => return Err(Reason::FieldDuplicated),
        }
    }
    Ok(None)
}

/// What a lookup finds before the answer is due; that it can't be asked refuses nothing.
async fn in_time<T>(
    lookup: impl Future<Output = Result<T, StoreError>>,
    inbound: &Inbound,
    gateway: &Gateway,
) -> Result<T, Failure> {
    match tokio::time::timeout_at(answer_by(inbound).into(), lookup).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => {
            gateway.metrics.store_error(&error);
            tracing::warn!(request = %inbound.arrival.request, %error, "could not look up a connection; answered 503");
            Err(Failure::StoreAway)
        }
        Err(_) => {
            gateway.metrics.store_deadline();
            Err(Failure::StoreAway)
        }
    }
}
