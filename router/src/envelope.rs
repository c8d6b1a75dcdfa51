//! What a delivery looks like: the event's facts around the provider's own bytes.
//!
//! The provider's bytes are never re-serialised. They are spliced in as they are when they are exactly one JSON text,
//! and as base64 otherwise, so that no body can break out of the envelope.

mod cloudevents;
mod json;
mod nango;
mod raw;
mod text;

use std::{borrow::Cow, collections::VecDeque};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use gatepost_config::DeliveryFormat;
use http::{HeaderMap, HeaderValue};

pub(crate) use self::text::is_one_json_text;
use crate::carried::Carried;

/// A delivery's body, in the pieces it is sent in: the event's bytes are not copied.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Envelope {
    content_type: HeaderValue,
    /// Facts that the format has beside the body.
    headers: HeaderMap,
    pieces: [Bytes; 3],
}

/// Writes the event in a destination's format.
///
/// # Errors
/// When the format can't carry this event; why, for people.
pub(crate) fn write(event: &Carried, format: DeliveryFormat) -> Result<Envelope, String> {
    match format {
        DeliveryFormat::Json => Ok(json::write(event)),
        DeliveryFormat::CloudEvents => Ok(cloudevents::write(event)),
        DeliveryFormat::Raw => Ok(raw::write(event)),
        DeliveryFormat::Nango => nango::write(event),
    }
}

/// Whether a format splices a body that is JSON into JSON of its own.
pub(crate) const fn splices(format: DeliveryFormat) -> bool {
    match format {
        DeliveryFormat::Json | DeliveryFormat::CloudEvents | DeliveryFormat::Nango => true,
        DeliveryFormat::Raw => false,
    }
}

impl Envelope {
    /// One without headers of its own.
    fn new(content_type: &'static str, pieces: [Bytes; 3]) -> Self {
        Self { content_type: HeaderValue::from_static(content_type), headers: HeaderMap::new(), pieces }
    }

    /// JSON of our own.
    pub(crate) fn of_json(json: Vec<u8>) -> Self {
        Self::new("application/json", [json.into(), Bytes::new(), Bytes::new()])
    }

    /// No body at all.
    pub(crate) fn empty() -> Self {
        Self::of_json(Vec::new())
    }

    /// Its media type.
    pub(crate) const fn content_type(&self) -> &HeaderValue {
        &self.content_type
    }

    /// The headers of its format, which are then gone from it.
    pub(crate) fn take_headers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.headers)
    }

    /// The pieces, in the order they are sent.
    pub(crate) const fn pieces(&self) -> &[Bytes; 3] {
        &self.pieces
    }

    /// Bytes in all.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// One of any bytes.
    #[cfg(test)]
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self::new("application/json", [Bytes::copy_from_slice(bytes), Bytes::new(), Bytes::new()])
    }

    /// The pieces that are not empty, to be sent.
    pub(crate) fn into_queue(self) -> VecDeque<Bytes> {
        self.pieces.into_iter().filter(|piece| !piece.is_empty()).collect()
    }
}

/// Headers by name, in order of first appearance; a repeated name's values are joined as HTTP has it.
pub(crate) fn header_map(headers: &[(String, String)]) -> Vec<(&str, Cow<'_, str>)> {
    let mut map: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        match map.iter_mut().find(|(seen, _)| seen == name) {
            Some((_, joined)) => {
                let joined = joined.to_mut();
                joined.push_str(", ");
                joined.push_str(value);
            }
            None => map.push((name, Cow::Borrowed(value))),
        }
    }
    map
}

/// Bytes of an envelope around a body that are seldom more.
const USUAL_BYTES: usize = 1024;

/// An object under construction, keys in the order they are written. It is left open for the body.
struct Object(String);

impl Object {
    fn new() -> Self {
        let mut object = String::with_capacity(USUAL_BYTES);
        object.push('{');
        Self(object)
    }

    /// The rest of one, after a member that is written elsewhere.
    const fn continued() -> Self {
        Self(String::new())
    }

    /// A member of text.
    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        quote(value, &mut self.0);
    }

    /// A member of text, or null.
    fn text_or_null(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(key, value),
            None => self.raw(key, "null"),
        }
    }

    /// A member whose value is JSON already.
    fn raw(&mut self, key: &str, json: &str) {
        self.key(key);
        self.0.push_str(json);
    }

    fn key(&mut self, key: &str) {
        if self.0 != "{" {
            self.0.push(',');
        }
        quote(key, &mut self.0);
        self.0.push(':');
    }

    /// Closes it with bytes that are one JSON text as the last member.
    fn close_with(mut self, key: &str, body: Bytes) -> [Bytes; 3] {
        self.raw(key, "");
        [self.0.into(), body, Bytes::from_static(b"}")]
    }

    /// Closes it with bytes of any kind, in base64, as the last member.
    fn close_with_base64(mut self, key: &str, body: &[u8]) -> [Bytes; 3] {
        self.raw(key, "\"");
        [self.0.into(), STANDARD.encode(body).into(), Bytes::from_static(b"\"}")]
    }
}

/// Writes a text as JSON.
fn quote(text: &str, into: &mut String) {
    // All bytes are looked at, since many at once cost less than stopping at the first.
    let is_plain = text.bytes().fold(true, |plain, byte| plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\'));
    if is_plain {
        into.push('"');
        into.push_str(text);
        into.push('"');
    } else {
        // Writing a text can't fail; if it ever did, an empty text keeps the envelope whole.
        into.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned()));
    }
}

/// Headers as a JSON object.
fn headers_object(headers: &[(String, String)]) -> String {
    let mut object = Object::new();
    for (name, value) in header_map(headers) {
        object.text(name, &value);
    }
    object.0.push('}');
    object.0
}

#[cfg(test)]
mod tests;
