//! Overwrites the secrets that some providers put into their bodies, before anything is stored: in place, at the same
//! length, so that the rest stays byte for byte where it was.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use gatepost_config::{
    Provider,
    provider::{Batch, BatchForm, Pointer, Source},
};

use crate::extract::{
    Scan, Trouble,
    items::{self, Unsplit, offset},
    json::{self, Trie},
    xml::{self, XmlScan},
};

/// The places of a provider's bodies that hold a secret.
pub(crate) struct Redaction {
    json: Vec<Pointer>,
    xml: Vec<Pointer>,
    item: Vec<Pointer>,
    batch: Option<Batch>,
}

/// A payload without secrets.
pub(crate) struct Redacted {
    /// Its bytes.
    pub(crate) bytes: Bytes,
    /// What of it was overwritten, in its order.
    pub(crate) overwritten: Vec<Range<usize>>,
}

impl Redaction {
    /// What a provider's file says; none when nothing of its bodies is secret.
    pub(crate) fn new(provider: &Provider) -> Option<Self> {
        let mut redaction = Self { json: Vec::new(), xml: Vec::new(), item: Vec::new(), batch: provider.batch.clone() };
        for place in &provider.redact {
            match &place.source {
                Source::Json(pointer) => redaction.json.push(pointer.clone()),
                Source::Xml(pointer) => redaction.xml.push(pointer.clone()),
                Source::Item(pointer) => redaction.item.push(pointer.clone()),
                _ => {}
            }
        }
        (!provider.redact.is_empty()).then_some(redaction)
    }

    /// Overwrites the secrets in a payload.
    ///
    /// # Errors
    /// [`Trouble::Duplicated`] when a place stands there twice, [`Trouble::Unreadable`] when the payload is not what
    /// the provider's file says: nothing is known then of what in it is secret.
    pub(crate) fn overwrite(&self, payload: &Bytes) -> Result<Redacted, Trouble> {
        let mut secret = in_json(&self.json, payload)?;
        secret.extend(in_xml(&self.xml, |trie| xml::scan(trie, payload))?);
        for item in self.items(payload)? {
            let bytes = payload.get(item.clone()).unwrap_or_default();
            let inside = match self.batch.as_ref().map(|batch| batch.form) {
                Some(BatchForm::Elements) => in_xml(&self.item, |trie| xml::scan_element(trie, bytes))?,
                _ => in_json(&self.item, bytes)?,
            };
            secret.extend(inside.into_iter().map(|range| range.start + item.start..range.end + item.start));
        }
        secret.sort_unstable_by_key(|range| range.start);
        let mut bytes = BytesMut::from(&payload[..]);
        for range in &secret {
            overwrite(bytes.get_mut(range.clone()).unwrap_or_default());
        }
        Ok(Redacted { bytes: bytes.freeze(), overwritten: secret })
    }

    /// Where the items lie; the payload itself, when it is not the batch that it should be.
    fn items(&self, payload: &[u8]) -> Result<Vec<Range<usize>>, Trouble> {
        let Some(batch) = self.batch.as_ref().filter(|_| !self.item.is_empty()) else { return Ok(Vec::new()) };
        let trie = Trie::new(batch.items.iter());
        let found = json::scan(&trie, payload);
        let array = |place: &Pointer| Scan { trie: &trie, found: &found }.get(place);
        match items::of(batch, payload, array) {
            Ok(Some(items)) => Ok(items),
            Ok(None) => Ok(std::iter::once(0..payload.len()).collect()),
            Err(Unsplit::Duplicated) => Err(Trouble::Duplicated),
            Err(Unsplit::TooMany) => Err(Trouble::Unreadable),
        }
    }
}

impl Redacted {
    /// Whether something in a part of it was overwritten.
    pub(crate) fn touches(&self, part: &Range<usize>) -> bool {
        let first = self.overwritten.partition_point(|range| range.end <= part.start);
        self.overwritten.get(first).is_some_and(|range| range.start < part.end)
    }
}

/// Where secrets lie in a JSON text.
fn in_json(places: &[Pointer], text: &[u8]) -> Result<Vec<Range<usize>>, Trouble> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let trie = Trie::new(places.iter());
    let found = json::scan(&trie, text);
    let scan = Scan { trie: &trie, found: &found };
    let mut secret = Vec::new();
    for place in places {
        if let Some(raw) = scan.get(place)?.filter(|raw| *raw != "null" && *raw != "\"\"") {
            let start = offset(text, raw.as_bytes());
            secret.push(start..start + raw.len());
        }
    }
    Ok(secret)
}

/// Where secrets lie in an XML text.
fn in_xml(
    places: &[Pointer],
    scan: impl FnOnce(&Trie) -> Result<xml::Found, Trouble>,
) -> Result<Vec<Range<usize>>, Trouble> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let trie = Trie::new(places.iter());
    let found = scan(&trie);
    let scan = XmlScan { trie: &trie, found: &found };
    let mut secret = Vec::new();
    for place in places {
        let at = scan.get(place)?.and_then(|value| value.at.clone());
        secret.extend(at.filter(|at| !at.is_empty()));
    }
    Ok(secret)
}

/// Overwrites a JSON value with a text of the same length (a lone digit with 0), or an XML element's content.
fn overwrite(value: &mut [u8]) {
    match value {
        [b'"', inner @ .., b'"'] => inner.fill(b'*'),
        [digit] if digit.is_ascii_digit() => *digit = b'0',
        [first, inner @ .., last] if matches!(first, b'{' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f') => {
            (*first, *last) = (b'"', b'"');
            inner.fill(b'*');
        }
        other => other.fill(b'*'),
    }
}

#[cfg(test)]
mod tests;
