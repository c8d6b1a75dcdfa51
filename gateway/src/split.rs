//! Splits a verified request into its events: the items of a batch, or the one whole.

use std::borrow::Cow;

use bytes::Bytes;

use crate::{
    extract::{
        Lookup, Scan, Trouble,
        json::{self, TooMany},
        payload,
    },
    failure::Failure,
    fields::{self, Fields},
    inbound::Inbound,
    reason::Reason,
    verify::Verified,
};

/// Most items of one request.
pub(crate) const ITEMS_MAX: usize = 10_000;

/// A verified request, split.
pub(crate) struct Split {
    verified: Verified,
    parts: Vec<Part>,
}

/// One event's share of a request.
pub(crate) struct Part {
    /// The provider's own bytes.
    pub(crate) body: Bytes,
    /// What they say.
    pub(crate) fields: Fields,
    /// It is one item of a batch.
    pub(crate) of_batch: bool,
}

impl Split {
    /// The request and its parts, in their order.
    pub(crate) fn into_parts(self) -> (Verified, Vec<Part>) {
        (self.verified, self.parts)
    }
}

/// Splits a request.
///
/// A body that is not what the provider's file says (no JSON, no array where its batch should be) is one event with
/// the whole payload: it was proven genuine, so nothing of it is lost. An empty array has no events.
pub(crate) fn split(verified: Verified) -> Result<Split, Failure> {
    let parts = parts(verified.inbound(), verified.claims()).map_err(|reason| verified.inbound().refuse(reason))?;
    Ok(Split { verified, parts })
}

fn parts(inbound: &Inbound, claims: Option<&[u8]>) -> Result<Vec<Part>, Reason> {
    let endpoint = inbound.endpoint();
    let (provider, profile) = (endpoint.provider(), &endpoint.profile);
    let payload = match payload(provider.form_payload.as_deref(), &inbound.raw) {
        Ok(Cow::Borrowed(bytes)) => inbound.raw.body.slice_ref(bytes),
        Ok(Cow::Owned(bytes)) => Bytes::from(bytes),
        Err(Trouble::Duplicated | Trouble::Unreadable) => return Err(Reason::FieldDuplicated),
    };
    let found = json::scan(&profile.payload, &payload);
    let whole = Scan { trie: &profile.payload, found: &found };
    let look = |item: Option<Scan<'_>>| {
        let lookup = Lookup::new(provider, &inbound.raw, &endpoint.integration.values).with_scans(whole, item);
        let lookup = lookup.with_claims(claims);
        fields::read(provider, &lookup)
    };

    let mut items = None;
    for place in provider.batch.iter().flat_map(|batch| &batch.items) {
        items = items.or(match whole.get(place) {
            Ok(found) => found.and_then(|raw| json::items(raw, ITEMS_MAX)),
            Err(Trouble::Duplicated) => return Err(Reason::FieldDuplicated),
            Err(Trouble::Unreadable) => None,
        });
    }
    let Some(items) = items else {
        let found = json::scan(&profile.item, &payload);
        let item = provider.batch.as_ref().map(|_| Scan { trie: &profile.item, found: &found });
        let fields = look(item)?;
        return Ok(vec![Part { body: payload, fields, of_batch: false }]);
    };
    let items = items.map_err(|TooMany| Reason::BatchTooLarge)?;
    let part = |raw: &&str| {
        let found = json::scan(&profile.item, raw.as_bytes());
        let fields = look(Some(Scan { trie: &profile.item, found: &found }))?;
        Ok(Part { body: payload.slice_ref(raw.as_bytes()), fields, of_batch: true })
    };
    items.iter().map(part).collect()
}
