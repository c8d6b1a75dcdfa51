//! What events say of connections themselves: an account was connected, or is no more.
//!
//! It is written down once the events are stored and before they are answered, so that a 2xx loses none of it; a router
//! deals with it. Only what a signature over the body proved is heard at all.

use std::sync::Arc;

use gatepost_config::{
    Timestamp,
    provider::{Conditions, Location, Trust},
};
use gatepost_event::{
    Announcement, StoreError,
    announcement::{self, Heard, What},
};

use crate::{
    extract::Lookup,
    failure::Failure,
    fields,
    inbound::Inbound,
    reason::Reason,
    serve::Gateway,
    split::Split,
    store::answer_by,
    tables::Endpoint,
    verify::{Proof, condition::all_hold},
};

/// Announcements of one request that are written down.
const HEARD_MAX: usize = 16;

/// Bytes of what a connection or tenant is to be called; no id is longer.
const NAME_BYTES_MAX: usize = 128;

/// What an event says of the connection of its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    what: What,
    connection: Option<String>,
    tenant: Option<String>,
}

/// What a request says of connections, proven and yet to be written down.
#[derive(Debug, Default)]
pub(crate) struct Told(Vec<Announcement>);

/// Reads what an event says, if the integration heeds it.
pub(crate) fn read(endpoint: &Endpoint, lookup: &Lookup<'_>) -> Result<Option<News>, Reason> {
    let announce = &endpoint.profile.announce;
    if announce.is_empty() {
        return Ok(None);
    }
    let holds = |all: &Conditions| all_hold(all, lookup, &endpoint.integration.values, None);
    let what = match () {
        () if announce.ends.iter().any(holds) => What::Ends,
        () if announce.begins.iter().any(holds) => What::Begins,
        () => return Ok(None),
    };
    let (connection, tenant) = (first(lookup, &announce.connection)?, first(lookup, &announce.tenant)?);
    Ok(Some(News { what, connection, tenant }))
}

/// What the parts of a request say that its signature covers.
pub(crate) fn heard(split: &Split) -> Told {
    let inbound = split.verified().inbound();
    let verified = split.verified();
    // Who proved a request by a secret of a connection's own speaks for that connection alone, not for any account.
    if verified.trust() != Trust::Verified || !matches!(verified.proof(), Proof::Integration) {
        return Told::default();
    }
    let told = split.parts().iter().filter_map(|part| {
        let news = part.news.clone()?;
        Some(Announcement {
            integration: inbound.endpoint().integration.id.clone(),
            account: part.fields.account.key()?.to_owned(),
            what: news.what,
            connection: news.connection,
            tenant: news.tenant,
            event: part.fields.provider_event_id().unwrap_or_else(|| inbound.arrival.request.to_string()),
            request: inbound.arrival.request,
            at: Timestamp::now(),
        })
    });
    // What was refused once may be told long after it was so: by then somebody may have connected the account again.
    let is_late = inbound.arrival.released.is_some();
    Told(told.filter(|told| !(is_late && told.what == What::Ends)).collect())
}

/// Writes down what a request says, before it is answered.
pub(crate) async fn note(told: Told, inbound: &Arc<Inbound>, gateway: &Gateway) -> Result<(), Failure> {
    if told.0.is_empty() {
        return Ok(());
    }
    match tokio::time::timeout_at(answer_by(inbound).into(), Box::pin(keep(told, gateway))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            gateway.metrics.store_error(&error);
            tracing::warn!(request = %inbound.arrival.request, %error, "could not note an announcement; answered 503");
            Err(Failure::StoreAway)
        }
        Err(_) => {
            gateway.metrics.store_deadline();
            Err(Failure::StoreAway)
        }
    }
}

/// The same, whenever the store has answered.
pub(crate) async fn keep(told: Told, gateway: &Gateway) -> Result<(), StoreError> {
    for (n, announcement) in told.0.iter().enumerate() {
        let integration = announcement.integration.as_str();
        let heard = match n < HEARD_MAX {
            true => announcement::note(&gateway.store, announcement).await?,
            false => Heard::Full,
        };
        let (account, what, request) = (&announcement.account, announcement.what.word(), announcement.request);
        let result = match heard {
            Heard::New => "noted",
            Heard::Known => "known",
            Heard::Full => {
                tracing::warn!(integration, account, what, %request, "too many announcements wait; this one is dropped");
                "dropped"
            }
        };
        tracing::debug!(integration, account, what, %request, result, "a connection was announced");
        gateway.metrics.announced(integration, result);
    }
    Ok(())
}

impl Told {
    /// Together with another's.
    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// The first of some places that holds a name.
fn first(lookup: &Lookup<'_>, places: &[Location]) -> Result<Option<String>, Reason> {
    for place in places {
        if let Some(name) = fields::one(lookup, place)? {
            return Ok(Some(name).filter(|name| name.len() <= NAME_BYTES_MAX));
        }
    }
    Ok(None)
}
