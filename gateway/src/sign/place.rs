//! Writes into places of a request, as [`Lookup`](crate::extract::Lookup) reads them.

use gatepost_config::{
    Provider,
    provider::{Location, Pointer, Source},
};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{Draft, SignError};
use crate::extract::{
    form,
    json::{self, Trie},
};

impl Draft {
    /// Writes a text to a place, in the place of what stands there.
    pub(super) fn put(&mut self, provider: &Provider, place: &Location, text: &str) -> Result<(), SignError> {
        let no_room = || SignError::NoRoom(place.to_string());
        if place.within.is_some() {
            return Err(no_room());
        }
        match &place.source {
            Source::Header(name) => self.put_header(name, text),
            Source::Query(name) => {
                let query = put_field(self.url.query().unwrap_or_default().as_bytes(), name, text);
                self.url.set_query(Some(&query));
            }
            Source::Form(name) => {
                self.become_form();
                if !self.request()?.is_form() {
                    return Err(no_room());
                }
                self.body = put_field(&self.body, name, text).into_bytes();
            }
            Source::Json(pointer) => self.put_json(provider, pointer, text).ok_or_else(no_room)?,
            Source::Body => self.body = text.as_bytes().to_vec(),
            Source::Item(_)
            | Source::Xml(_)
            | Source::Signature(_)
            | Source::Claim(_)
            | Source::Value(_)
            | Source::PathConnection => {
                return Err(no_room());
            }
        }
        Ok(())
    }

    fn put_json(&mut self, provider: &Provider, pointer: &Pointer, text: &str) -> Option<()> {
        let field = provider.form_payload.as_deref().filter(|_| self.request().is_ok_and(|request| request.is_form()));
        if let Some(field) = field {
            let (_, payload) = form::fields(&self.body).find(|(name, _)| **name == *field.as_bytes())?;
            let changed = changed(&payload, pointer, text)?;
            self.body = put_field(&self.body, field, &changed).into_bytes();
            return Some(());
        }
        self.body = changed(&self.body, pointer, text)?.into_bytes();
        Some(())
    }
}

/// A JSON text with another text at a pointer; all else stays as it is written where something stands there already.
fn changed(body: &[u8], pointer: &Pointer, text: &str) -> Option<String> {
    let trie = Trie::new(std::iter::once(pointer));
    let old =
        json::scan(&trie, body).ok().and_then(|found| found.get(&trie, pointer)).filter(|old| old.starts_with('"'));
    if let Some(old) = old {
        let at = old.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
        let (before, after) = (body.get(..at)?, body.get(at.checked_add(old.len())?..)?);
        let new = Value::from(text).to_string();
        return String::from_utf8([before, new.as_bytes(), after].concat()).ok();
    }
    let mut whole: Value = serde_json::from_slice(body).ok()?;
    put_value(&mut whole, pointer, text)?;
    Some(whole.to_string())
}

/// Writes a text at a pointer: as a number, where a number stands there.
pub(super) fn put_value(whole: &mut Value, pointer: &Pointer, text: &str) -> Option<()> {
    let mut at = whole;
    for token in &pointer.0 {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        at = match at {
            Value::Object(object) => object.entry(token.clone()).or_insert(Value::Null),
            Value::Array(items) => items.get_mut(token.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    let number = if at.is_number() { serde_json::from_str::<serde_json::Number>(text).ok() } else { None };
    *at = number.map_or_else(|| Value::String(text.to_owned()), Value::Number);
    Some(())
}

/// A form or query with another value in a field.
fn put_field(text: &[u8], name: &str, value: &str) -> String {
    let mut written = form_urlencoded::Serializer::new(String::new());
    let mut there = false;
    for (key, old) in form::fields(text) {
        let key = String::from_utf8_lossy(&key);
        if key == name {
            if !there {
                written.append_pair(name, value);
            }
            there = true;
        } else {
            written.append_pair(&key, &String::from_utf8_lossy(&old));
        }
    }
    if !there {
        written.append_pair(name, value);
    }
    written.finish()
}
