//! A request that is made place by place.

use gatepost_config::provider::{Location, Pointer, Source};
use gatepost_tests::post::{self, Answer};
use serde_json::Value;
use url::form_urlencoded::byte_serialize;

/// A challenge that every provider might send.
pub(crate) const CHALLENGE: &str = "c0ffee42c0ffee42c0ffee42";

/// A request under construction.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: http::Method,
    path: String,
    query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn new(method: http::Method, path: &str) -> Self {
        Self { method, path: path.to_owned(), query: Vec::new(), headers: Vec::new(), body: String::new() }
    }

    /// The path and query.
    pub(crate) fn target(&self) -> String {
        let encode = |text: &String| byte_serialize(text.as_bytes()).collect::<String>();
        let pairs: Vec<_> =
            self.query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        if pairs.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, pairs.join("&")) }
    }

    /// Whether something stands at a place.
    pub(crate) fn has(&self, place: &Location) -> bool {
        match &place.source {
            Source::Header(name) => self.headers.iter().any(|(given, _)| given == name),
            Source::Query(name) => self.query.iter().any(|(given, _)| given == name),
            Source::Json(pointer) => {
                let body: Option<Value> = serde_json::from_str(&self.body).ok();
                let path: String = pointer.0.iter().map(|part| format!("/{part}")).collect();
                body.is_some_and(|body| body.pointer(&path).is_some())
            }
            _ => false,
        }
    }

    /// Writes something at a place; `None` when it can't stand there.
    pub(crate) fn write(&mut self, place: &Location, value: &Value) -> Option<()> {
        if place.within.is_some() {
            return None;
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match &place.source {
            Source::Header(name) => {
                http::HeaderValue::from_str(&text).ok()?;
                put(&mut self.headers, name, text);
            }
            Source::Query(name) => put(&mut self.query, name, text),
            Source::Form(name) => {
                let field = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                self.body = format!("{}={}", field(name), field(&text));
                put(&mut self.headers, "content-type", "application/x-www-form-urlencoded".to_owned());
            }
            Source::Json(Pointer(path)) => {
                let mut body = serde_json::from_str(&self.body).unwrap_or(Value::Null);
                put_json(&mut body, path, value);
                self.body = body.to_string();
                put(&mut self.headers, "content-type", "application/json".to_owned());
            }
            _ => return None,
        }
        Some(())
    }

    pub(crate) async fn send(&self, address: &str) -> Answer {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (method, body) = (self.method.clone(), self.body.clone().into());
        post::request(method, address, &self.target(), &headers, body).await.expect("an answer")
    }
}

fn put(pairs: &mut Vec<(String, String)>, name: &str, value: String) {
    pairs.retain(|(given, _)| given != name);
    pairs.push((name.to_owned(), value));
}

pub(crate) fn put_json(at: &mut Value, path: &[String], value: &Value) {
    let Some((first, rest)) = path.split_first() else {
        *at = value.clone();
        return;
    };
    if let Ok(index) = first.parse::<usize>() {
        if !at.is_array() {
            *at = Value::Array(Vec::new());
        }
        let items = at.as_array_mut().expect("an array");
        items.resize(items.len().max(index + 1), Value::Null);
        put_json(&mut items[index], rest, value);
    } else {
        if !at.is_object() {
            *at = Value::Object(serde_json::Map::new());
        }
        put_json(&mut at[first.as_str()], rest, value);
    }
}
