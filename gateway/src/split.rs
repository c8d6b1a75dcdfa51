//! Splits a verified request into its events: the items of a batch, or the one whole.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use gatepost_config::provider::BatchForm;

use crate::{
    announce::{self, News},
    extract::{
        ItemScan, Lookup, Scan, Trouble,
        items::{self, Unsplit},
        json, payload,
        xml::{self, XmlScan},
    },
    failure::Failure,
    fields::{self, Account, Fields},
    inbound::Inbound,
    reason::Reason,
    redact::Redacted,
    tables::Profile,
    verify::Verified,
};

/// A verified request, split.
pub(crate) struct Split {
    verified: Verified,
    parts: Vec<Part>,
}

/// One event's share of a request.
pub(crate) struct Part {
    /// The provider's own bytes, secrets overwritten.
    pub(crate) body: Bytes,
    /// Something of it was a secret, and is overwritten.
    pub(crate) redacted: bool,
    /// What they say.
    pub(crate) fields: Fields,
    /// It is one item of a batch.
    pub(crate) of_batch: bool,
    /// What it says of its account's connection itself.
    pub(crate) news: Option<News>,
}

impl Split {
    /// The request.
    pub(crate) const fn verified(&self) -> &Verified {
        &self.verified
    }

    /// Its parts.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The same; parts that carry no account are of this one.
    pub(crate) fn of_account(mut self, account: &str) -> Self {
        for part in &mut self.parts {
            if part.fields.account == Account::Absent {
                part.fields.account = Account::Key(account.to_owned());
            }
        }
        self
    }

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
        Err(Trouble::Duplicated) => return Err(Reason::FieldDuplicated),
        Err(Trouble::Unreadable) => return Err(Reason::BodyMalformed),
    };
    let redacted = redacted(profile, &payload)?;
    let found = json::scan(&profile.payload, &payload);
    let whole = Scan { trie: &profile.payload, found: &found };
    let found = if profile.xml.is_empty() { Err(Trouble::Unreadable) } else { xml::scan(&profile.xml, &payload) };
    let whole_xml = XmlScan { trie: &profile.xml, found: &found };
    let part = |item: Option<ItemScan<'_>>, range: Range<usize>, of_batch| {
        let lookup = Lookup::new(provider, &inbound.raw, &endpoint.integration.values);
        let lookup = lookup.with_scans(whole, whole_xml, item).with_claims(claims);
        let fields = fields::read(provider, &lookup)?;
        let news = announce::read(endpoint, &lookup)?;
        let body = redacted.as_ref().map_or(&payload, |redacted| &redacted.bytes).slice(range.clone());
        Ok(Part { body, redacted: redacted.as_ref().is_some_and(|r| r.touches(&range)), fields, of_batch, news })
    };

    let all = 0..payload.len();
    let Some(batch) = &provider.batch else { return Ok(vec![part(None, all, false)?]) };
    let items = items::of(batch, &payload, |place| whole.get(place)).map_err(|why| match why {
        Unsplit::TooMany => Reason::BatchTooLarge,
        Unsplit::Duplicated => Reason::FieldDuplicated,
    })?;
    let of_batch = items.is_some();
    let one = |range: Range<usize>| {
        let bytes = payload.get(range.clone()).unwrap_or_default();
        if batch.form == BatchForm::Elements {
            let found = xml::scan_element(&profile.item, bytes);
            return part(Some(ItemScan::Xml(XmlScan { trie: &profile.item, found: &found })), range, of_batch);
        }
        let found = json::scan(&profile.item, bytes);
        part(Some(ItemScan::Json(Scan { trie: &profile.item, found: &found })), range, of_batch)
    };
    items.unwrap_or_else(|| std::iter::once(all).collect()).into_iter().map(one).collect()
}

/// The payload without its secrets, where the provider puts some there. What can't be read as it should be, though it
/// was proven genuine, has none: the check reads them too.
fn redacted(profile: &Profile, payload: &Bytes) -> Result<Option<Redacted>, Reason> {
    let Some(redaction) = &profile.redaction else { return Ok(None) };
    match redaction.overwrite(payload) {
        Ok(redacted) => Ok(Some(redacted)),
        Err(Trouble::Duplicated) => Err(Reason::FieldDuplicated),
        Err(Trouble::Unreadable) => Ok(None),
    }
}
