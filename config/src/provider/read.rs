//! How a provider's file is read.

pub(crate) mod announce;
mod condition;
mod handshake;
mod identity;
mod keys;
mod scheme;
mod vector;

use std::collections::BTreeMap;

use super::{
    Batch, BatchForm, Confidence, EventRule, Gzip, HealBy, Location, Method, Pointer, Provider, Responses, Sample,
    SecretScope, TimeAt, TimeUnit, Trust,
};
use crate::{
    ByteSize, ProviderName,
    read::{Node, Read, Table, all},
};

/// Largest body of providers that don't say.
const BODY_MAX: ByteSize = ByteSize(1 << 20);

impl Provider {
    /// Reads a provider. Without a name, the table must have one.
    pub(crate) fn read(table: &Table<'_>, name: Option<ProviderName>) -> Option<Self> {
        let name = match name {
            Some(name) => Some(name),
            None => table.required_like("name", "\"acme-pay\"", ProviderName::read),
        };
        let title = table.required_like("title", "\"Acme Pay\"", String::read);
        let docs = table.optional("docs", Option::<String>::read);
        let setup = table.optional("setup", Option::<String>::read);
        let category = table.optional("category", Option::<String>::read);
        let confidence = table.optional("confidence", Option::<Confidence>::read);
        let retries = table.optional("retries", Option::<String>::read);
        let retried_for = table.optional("retried_for", crate::section::maybe_span);
        let heal = table.optional("heal", |node| HealBy::read(node).map(Some));
        let methods = table.or("methods", vec![Method::Post]);
        let body_max = table.or("body_max", BODY_MAX);
        let secret_scope = table.or("secret_scope", SecretScope::Connection);
        let deadline = table.optional("deadline", crate::section::maybe_span);
        let trust = table.or("trust", Trust::Verified);
        let form_payload = table.optional("form_payload", Option::<String>::read);
        let gzip = table.optional("gzip", |node| Gzip::read(node).map(Some));
        let redact = table.optional("redact", some);
        let headers = table.optional("headers", headers);
        let values = table.optional("values", BTreeMap::<String, String>::read);
        let schemes = table.optional("scheme", |node| each(node, scheme::read));
        let keys = table.optional("keys", |node| in_table(node, keys::read).map(Some));
        let event = table.required_like("event", "{ type = \"json:/type\" }", |node| in_table(node, event));
        let batch = table.optional("batch", |node| in_table(node, batch).map(Some));
        let announce = table.optional("announce", |node| in_table(node, announce::read));
        let handshakes = table.optional("handshake", |node| each(node, handshake::read));
        let responses = table.or("responses", Responses::default());
        let samples = table.optional("sample", |node| each(node, sample));
        let vectors = table.optional("vector", |node| each(node, |table| vector::read(table, name.as_ref())));
        let provider = Self {
            name: name?,
            title: title?,
            docs: docs?,
            setup: setup?,
            category: category?,
            confidence: confidence?,
            retries: retries?,
            retried_for: retried_for?,
            heal: heal?,
            methods: methods?,
            body_max: body_max?,
            secret_scope: secret_scope?,
            deadline: deadline?,
            trust: trust?,
            schemes: schemes?,
            keys: keys?,
            handshakes: handshakes?,
            event: event?,
            batch: batch?,
            announce: announce?,
            form_payload: form_payload?,
            gzip: gzip?,
            redact: redact?,
            headers: headers?,
            values: values?,
            responses: responses?,
            samples: samples?,
            vectors: vectors?,
        };
        super::check::check(table, &provider);
        Some(provider)
    }
}

impl Default for Responses {
    fn default() -> Self {
        Self {
            accepted_status: 200,
            accepted_body: String::new(),
            accepted_headers: Vec::new(),
            refused_status: 401,
            refused_body: None,
        }
    }
}

impl Read for Responses {
    fn read(node: &Node<'_>) -> Option<Self> {
        in_table(node, |table| {
            let usual = Self::default();
            let accepted_status = status(table, "accepted_status", usual.accepted_status, 200..=299);
            let accepted_body = table.or("accepted_body", usual.accepted_body);
            let accepted_headers = table.optional("accepted_headers", handshake::headers);
            let refused_status = status(table, "refused_status", usual.refused_status, 400..=499);
            let refused_body = table.optional("refused_body", Option::<String>::read);
            Some(Self {
                accepted_status: accepted_status?,
                accepted_body: accepted_body?,
                accepted_headers: accepted_headers?,
                refused_status: refused_status?,
                refused_body: refused_body?,
            })
        })
    }
}

impl Read for Method {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[
            ("GET", Self::Get),
            ("HEAD", Self::Head),
            ("OPTIONS", Self::Options),
            ("POST", Self::Post),
            ("PUT", Self::Put),
        ])
    }
}

impl Read for SecretScope {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[("app", Self::App), ("connection", Self::Connection)])
    }
}

impl Read for Trust {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[
            ("verified", Self::Verified),
            ("authenticated", Self::Authenticated),
            ("unverified", Self::Unverified),
        ])
    }
}

impl Read for Confidence {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[
            ("official-sdk", Self::OfficialSdk),
            ("official-doc", Self::OfficialDoc),
            ("third-party", Self::ThirdParty),
            ("memory", Self::Memory),
        ])
    }
}

impl Read for Gzip {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[("decoded", Self::Decoded), ("wire", Self::Wire)])
    }
}

impl Read for BatchForm {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[("array", Self::Array), ("lines", Self::Lines), ("elements", Self::Elements)])
    }
}

impl Read for TimeUnit {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[
            ("s", Self::Seconds),
            ("ms", Self::Milliseconds),
            ("iso8601", Self::Iso8601),
            ("iso8601_utc", Self::Iso8601Utc),
        ])
    }
}

/// Reads a table with all of its keys.
fn in_table<'a, T>(node: &Node<'a>, read: impl Fn(&Table<'a>) -> Option<T>) -> Option<T> {
    let table = node.table()?;
    let value = read(&table);
    table.finish();
    value
}

/// Reads a list of tables.
fn each<'a, T>(node: &Node<'a>, read: impl Fn(&Table<'a>) -> Option<T>) -> Option<Vec<T>> {
    all(node.items()?.iter().map(|node| in_table(node, &read)))
}

/// Reads a list, or a value that stands alone.
fn some<T: Read>(node: &Node<'_>) -> Option<Vec<T>> {
    all(node.one_or_more()?.iter().map(T::read))
}

fn status(table: &Table<'_>, name: &'static str, usual: u16, range: std::ops::RangeInclusive<u64>) -> Option<u16> {
    let Some(node) = table.get(name) else { return Some(usual) };
    node.number(*range.start(), *range.end()).and_then(|number| u16::try_from(number).ok())
}

/// Names of headers, in lower case.
fn headers(node: &Node<'_>) -> Option<Vec<String>> {
    all(node.items()?.iter().map(header))
}

fn header(node: &Node<'_>) -> Option<String> {
    node.parsed("a header's name in lower case, such as \"x-github-event\"", header_name)
}

fn header_name(text: &str) -> Result<String, String> {
    let valid = http::HeaderName::from_bytes(text.as_bytes()).is_ok();
    match text {
        _ if !valid => Err(format!("is {text:?}, which is no header name")),
        _ if text.chars().any(|c| c.is_ascii_uppercase()) => {
            Err(format!("is {text:?}, which is not in lower case; write {:?}", text.to_ascii_lowercase()))
        }
        _ => Ok(text.to_owned()),
    }
}

fn event(table: &Table<'_>) -> Option<EventRule> {
    let kind = table.required_like("type", "\"json:/type\"", |node| all(node.one_or_more()?.iter().map(some)));
    let id = table.optional("id", some);
    let account = table.optional("account", some);
    let occurred_at = table.optional("occurred_at", |node| in_table(node, time_at).map(Some));
    Some(EventRule { kind: kind?, id: id?, account: account?, occurred_at: occurred_at? })
}

fn time_at(table: &Table<'_>) -> Option<TimeAt> {
    let from = table.required_like("from", "\"json:/created\"", Location::read);
    let unit = table.required_like("unit", "\"s\"", TimeUnit::read);
    Some(TimeAt { from: from?, unit: unit? })
}

fn batch(table: &Table<'_>) -> Option<Batch> {
    let items = table.required_like("items", "\"/events\" (\"\" for the body itself)", some::<Pointer>);
    let form = table.or("form", BatchForm::Array);
    let discriminator = table.optional("discriminator", some);
    Some(Batch { items: items?, form: form?, discriminator: discriminator? })
}

fn sample(table: &Table<'_>) -> Option<Sample> {
    let event = table.required_like("event", "\"push\"", String::read);
    let headers = table.optional("headers", |node| {
        all(node.table()?.entries().into_iter().map(|(name, node)| {
            let value = String::read(&node);
            match header_name(&name) {
                Ok(name) => Some((name, value?)),
                Err(why) => {
                    node.error(why, "write the header's name in lower case");
                    None
                }
            }
        }))
    });
    let body = table.required_like("body", "'''{...}'''", String::read);
    Some(Sample { event: event?, headers: headers?, body: body? })
}
