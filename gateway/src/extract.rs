//! Finds in a request what a provider's file points at, without changing or copying the body.

pub(crate) mod form;
pub(crate) mod items;
pub(crate) mod json;
pub(crate) mod multipart;
pub(crate) mod template;
pub(crate) mod xml;

use std::{borrow::Cow, cell::OnceCell, collections::BTreeMap};

use gatepost_config::{
    Provider, Secret,
    provider::{Location, Pointer, Source},
};

use crate::request::RawRequest;
use json::{Found, JsonTrouble, Trie};
use xml::XmlScan;

/// Most texts of a claim that is a list.
const LIST_MAX: usize = 64;

/// Why a place can't be read with one meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It stands there more than once: two readers could see two values.
    Duplicated,
    /// What holds it is not what it should be (JSON, XML, a form), or its text can't be decoded.
    Unreadable,
}

/// A request with everything that a place may be looked up in.
pub(crate) struct Lookup<'a> {
    request: &'a RawRequest,
    values: &'a BTreeMap<String, Secret>,
    form_payload: Option<&'a str>,
    payload: OnceCell<Result<Cow<'a, [u8]>, Trouble>>,
    signature: &'a [(&'a str, &'a str)],
    scanned: Option<Scan<'a>>,
    xml: Option<XmlScan<'a>>,
    item: Option<ItemScan<'a>>,
    claims: Option<&'a [u8]>,
}

/// One pass over a JSON text.
#[derive(Clone, Copy)]
pub(crate) struct Scan<'a> {
    /// What was looked for.
    pub(crate) trie: &'a Trie,
    /// What was found, or why nothing could be.
    pub(crate) found: &'a Result<Found<'a>, JsonTrouble>,
}

/// One pass over an item of a batch.
#[derive(Clone, Copy)]
pub(crate) enum ItemScan<'a> {
    /// A JSON text.
    Json(Scan<'a>),
    /// An XML element.
    Xml(XmlScan<'a>),
}

impl<'a> Lookup<'a> {
    /// Looks into a request with nothing scanned beforehand.
    pub(crate) fn new(provider: &'a Provider, request: &'a RawRequest, values: &'a BTreeMap<String, Secret>) -> Self {
        let form_payload = provider.form_payload.as_deref();
        let payload = OnceCell::new();
        let (signature, claims) = (&[][..], None);
        Self { request, values, form_payload, payload, signature, scanned: None, xml: None, item: None, claims }
    }

    /// The same, with the fields of the parsed signature.
    pub(crate) fn with_signature(self, signature: &'a [(&'a str, &'a str)]) -> Self {
        Self { signature, ..self }
    }

    /// The same, with passes over the payload, as JSON and as XML, and one over a batch item.
    pub(crate) fn with_scans(self, payload: Scan<'a>, xml: XmlScan<'a>, item: Option<ItemScan<'a>>) -> Self {
        Self { scanned: Some(payload), xml: Some(xml), item, ..self }
    }

    /// The same, with a pass over a batch item alone.
    pub(crate) fn with_item(self, item: Scan<'a>) -> Self {
        Self { item: Some(ItemScan::Json(item)), ..self }
    }

    /// The same, with the claims of the token that proved the request.
    pub(crate) fn with_claims(self, claims: Option<&'a [u8]>) -> Self {
        Self { claims, ..self }
    }

    /// The texts of a claim that is a list; none when it isn't one.
    pub(crate) fn claim_list(&self, location: &Location) -> Result<Vec<String>, Trouble> {
        let (Source::Claim(pointer), None, Some(claims)) = (&location.source, &location.within, self.claims) else {
            return Ok(Vec::new());
        };
        let texts = point(claims, pointer, |raw| {
            let items = json::items(raw, LIST_MAX).and_then(Result::ok).unwrap_or_default();
            items
                .into_iter()
                .map(|raw| Ok(json::text(raw)?.map(Cow::into_owned)))
                .collect::<Result<Vec<_>, _>>()
                .map(Some)
        })?;
        Ok(texts.unwrap_or_default().into_iter().flatten().collect())
    }

    /// The request.
    pub(crate) const fn request(&self) -> &'a RawRequest {
        self.request
    }

    /// The value at a place: decoded text as bytes, numbers and booleans as they are written. `None`: absent, null, or
    /// not a single value.
    pub(crate) fn find(&self, location: &Location) -> Result<Option<Cow<'_, [u8]>>, Trouble> {
        let outer = self.find_source(&location.source)?;
        let Some(pointer) = &location.within else { return Ok(outer) };
        match outer {
            Some(text) => point(&text, pointer, |raw| Ok(json::text(raw)?.map(|text| owned(&text)))),
            None => Ok(None),
        }
    }

    /// The same as text; `None` also when it is not UTF-8.
    pub(crate) fn find_text(&self, location: &Location) -> Result<Option<String>, Trouble> {
        let found = self.find(location)?;
        Ok(found.and_then(|bytes| String::from_utf8(bytes.into_owned()).ok()))
    }

    /// Whether there is anything at a place, even an empty text or a whole object.
    pub(crate) fn is_present(&self, location: &Location) -> Result<bool, Trouble> {
        let raw_present = |raw: &str| raw != "null";
        match (&location.source, &location.within) {
            (Source::Json(pointer), None) => self.json(pointer, |raw| Ok(raw_present(raw).then_some(()))),
            (Source::Item(pointer), None) => match self.item {
                Some(ItemScan::Json(scan)) => {
                    scan.get(pointer).map(|raw| raw.filter(|raw| raw_present(raw)).map(|_| ()))
                }
                Some(ItemScan::Xml(scan)) => scan.get(pointer).map(|value| value.map(|_| ())),
                None => Ok(None),
            },
            (Source::Xml(pointer), None) => self.xml(pointer).map(|value| value.map(|_| ())),
            _ => self.find(location).map(|found| found.map(|_| ())),
        }
        .map(|found| found.is_some())
    }

    fn find_source(&self, source: &Source) -> Result<Option<Cow<'_, [u8]>>, Trouble> {
        match source {
            Source::Header(name) => {
                let mut values = self.request.headers.get_all(name.as_str()).iter();
                let first = values.next().map(|value| Cow::Borrowed(value.as_bytes()));
                if values.next().is_some() { Err(Trouble::Duplicated) } else { Ok(first) }
            }
            Source::Query(name) => single(form::fields(self.request.query().as_bytes()), name),
            Source::Form(name) => match form::of(self.request) {
                Some(fields) => single(fields?.into_iter(), name),
                None => Ok(None),
            },
            Source::Json(pointer) => self.json(pointer, |raw| Ok(json::text(raw)?.map(|text| owned(&text)))),
            Source::Xml(pointer) => Ok(self.xml(pointer)?.and_then(|value| value.text).map(|text| owned(&text))),
            Source::Item(pointer) => match self.item {
                Some(ItemScan::Json(scan)) => match scan.get(pointer)? {
                    Some(raw) => Ok(json::text(raw)?.map(|text| owned(&text))),
                    None => Ok(None),
                },
                Some(ItemScan::Xml(scan)) => Ok(scan.get(pointer)?.and_then(|value| value.text.as_deref()).map(owned)),
                None => Ok(None),
            },
            Source::Claim(pointer) => match self.claims {
                Some(claims) => point(claims, pointer, |raw| Ok(json::text(raw)?.map(|text| owned(&text)))),
                None => Ok(None),
            },
            Source::Signature(name) => {
                let mut values = self.signature.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
                let first = values.next().map(|value| Cow::Borrowed(value.as_bytes()));
                if values.next().is_some() { Err(Trouble::Duplicated) } else { Ok(first) }
            }
            Source::Value(name) => Ok(self.values.get(name).map(|secret| Cow::Borrowed(secret.expose()))),
            Source::PathConnection => {
                Ok(self.request.connection.as_ref().map(|connection| Cow::Borrowed(connection.as_bytes())))
            }
            Source::Body => Ok(Some(Cow::Borrowed(&self.request.body))),
        }
    }

    /// Reads a place of the XML payload: from the pass made beforehand, or by a pass of its own.
    fn xml(&self, pointer: &Pointer) -> Result<Option<xml::Value>, Trouble> {
        if let Some(scan) = self.xml.filter(|scan| scan.trie.holds(pointer)) {
            return scan.get(pointer).map(|value| value.cloned());
        }
        match self.payload.get_or_init(|| payload(self.form_payload, self.request)) {
            Ok(payload) => xml::point(payload, pointer),
            Err(trouble) => Err(*trouble),
        }
    }

    /// Reads a place of the JSON payload: from the pass made beforehand, or by a pass of its own.
    fn json<T>(
        &self,
        pointer: &Pointer,
        read: impl FnOnce(&str) -> Result<Option<T>, Trouble>,
    ) -> Result<Option<T>, Trouble> {
        if let Some(scan) = self.scanned.filter(|scan| scan.trie.holds(pointer)) {
            return scan.get(pointer)?.map_or(Ok(None), read);
        }
        match self.payload.get_or_init(|| payload(self.form_payload, self.request)) {
            Ok(payload) => point(payload, pointer, read),
            Err(trouble) => Err(*trouble),
        }
    }
}

impl<'a> Scan<'a> {
    /// What was found at a pointer, as JSON text.
    pub(crate) fn get(&self, pointer: &Pointer) -> Result<Option<&'a str>, Trouble> {
        match self.found {
            Ok(found) => Ok(found.get(self.trie, pointer)),
            Err(JsonTrouble::Duplicated) => Err(Trouble::Duplicated),
            Err(JsonTrouble::NotJson) => Err(Trouble::Unreadable),
        }
    }
}

/// The bytes that JSON places look into: the body, or the declared field of a form that has it.
pub(crate) fn payload<'a>(form_payload: Option<&str>, request: &'a RawRequest) -> Result<Cow<'a, [u8]>, Trouble> {
    let whole = Cow::Borrowed(&*request.body);
    let Some(name) = form_payload else { return Ok(whole) };
    match form::of(request) {
        Some(fields) => Ok(single(fields?.into_iter(), name)?.unwrap_or(whole)),
        None => Ok(whole),
    }
}

/// Reads one place of a JSON text by a pass of its own.
fn point<T>(
    text: &[u8],
    pointer: &Pointer,
    read: impl FnOnce(&str) -> Result<Option<T>, Trouble>,
) -> Result<Option<T>, Trouble> {
    let trie = Trie::new(std::iter::once(pointer));
    let found = json::scan(&trie, text);
    Scan { trie: &trie, found: &found }.get(pointer)?.map_or(Ok(None), read)
}

/// The value of a field that may stand there once.
fn single<'a>(
    fields: impl Iterator<Item = (Cow<'a, [u8]>, Cow<'a, [u8]>)>,
    name: &str,
) -> Result<Option<Cow<'a, [u8]>>, Trouble> {
    let mut values = fields.filter(|(key, _)| **key == *name.as_bytes()).map(|(_, value)| value);
    let first = values.next();
    if values.next().is_some() { Err(Trouble::Duplicated) } else { Ok(first) }
}

fn owned<'x>(text: &str) -> Cow<'x, [u8]> {
    Cow::Owned(text.as_bytes().to_vec())
}
