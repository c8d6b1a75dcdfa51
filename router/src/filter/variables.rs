//! What expressions see: a filter the variable `event`, with the fields of the delivered envelope; a body the run.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use cel::{Context, Value};
use gatepost_event::{Event, event::trust_name};

use crate::envelope::header_map;

/// What an event has for a filter: `headers` is a map, `data` the body's JSON.
const EVENT: &[&str] = &[
    "id",
    "type",
    "provider",
    "provider_type",
    "provider_event_id",
    "integration",
    "connection",
    "tenant",
    "account",
    "trust",
    "redacted",
    "occurred_at",
    "received_at",
    "request_id",
    "headers",
    "data",
];
/// What a run has for a body.
const RUN: &[&str] = &["engine", "sync", "integration", "connection", "reason", "first_event_at"];

/// The fields of a variable.
pub(super) fn fields(variable: &str) -> &'static [&'static str] {
    if variable == "run" { RUN } else { EVENT }
}

/// Binds `event` with the fields of [`EVENT`]; `data` is null when the body is not JSON, absent when the filter does not
/// read it.
pub(super) fn bind(context: &mut Context<'_, '_>, event: &Event, with_body: bool) {
    let meta = &event.meta;
    let text = |value: Option<&str>| value.map_or(Value::Null, |value| Value::from(value.to_owned()));
    let header = |(name, value): (&str, Cow<'_, str>)| (name.to_owned(), Value::from(value.into_owned()));
    let headers: HashMap<String, Value> = header_map(&meta.headers).into_iter().map(header).collect();
    let mut fields: HashMap<String, Value> = HashMap::from([
        ("id".to_owned(), Value::from(meta.id.to_string())),
        ("type".to_owned(), Value::from(meta.kind.clone())),
        ("provider".to_owned(), text(Some(meta.provider.as_str()))),
        ("provider_type".to_owned(), text(meta.provider_type.as_deref())),
        ("provider_event_id".to_owned(), text(meta.provider_event_id.as_deref())),
        ("integration".to_owned(), text(Some(meta.integration.as_str()))),
        ("connection".to_owned(), text(meta.connection.as_ref().map(|id| id.as_str()))),
        ("tenant".to_owned(), text(meta.tenant.as_ref().map(|id| id.as_str()))),
        ("account".to_owned(), text(meta.account.as_deref())),
        ("trust".to_owned(), text(Some(trust_name(meta.trust)))),
        ("redacted".to_owned(), Value::Bool(meta.redacted)),
        ("occurred_at".to_owned(), meta.occurred_at.map_or(Value::Null, |at| Value::from(at.to_string()))),
        ("received_at".to_owned(), Value::from(meta.received_at.to_string())),
        ("request_id".to_owned(), Value::from(meta.request.to_string())),
        ("headers".to_owned(), Value::from(headers)),
    ]);
    if with_body {
        fields.insert("data".to_owned(), serde_json::from_slice(&event.body).map_or(Value::Null, value));
    }
    context.add_variable_from_value("event", fields);
}

/// Binds `run`: what an engine without a body of its own is sent.
pub(super) fn bind_run(context: &mut Context<'_, '_>, run: serde_json::Value) {
    context.add_variable_from_value("run", value(run));
}

/// JSON as CEL has it: whole numbers are `int` where they fit, so that `event.data.n * 2` means what it says.
fn value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(truth),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Value::Int(int),
            (None, Some(uint)) => Value::UInt(uint),
            (None, None) => number.as_f64().map_or(Value::Null, Value::Float),
        },
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) => Value::List(Arc::new(items.into_iter().map(value).collect())),
        serde_json::Value::Object(members) => {
            let members: HashMap<String, Value> = members.into_iter().map(|(key, json)| (key, value(json))).collect();
            Value::from(members)
        }
    }
}
