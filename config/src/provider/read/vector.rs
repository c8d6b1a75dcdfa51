//! `[[vector]]`: how a request that proves a provider's file is read.

use std::collections::BTreeMap;

use url::Url;

use super::{header_name, in_table};
use crate::{
    ProviderName, Timestamp,
    provider::{Expected, Method, Vector},
    read::{Node, Read, Table, all},
};

pub(super) fn read(table: &Table<'_>, provider: Option<&ProviderName>) -> Option<Vector> {
    let name = table.optional("name", Option::<String>::read);
    let keys = table.optional("keys", BTreeMap::<String, String>::read);
    let authorities = table.optional("authorities", Option::<String>::read);
    let secret = match keys.as_ref().is_some_and(BTreeMap::is_empty) {
        true => table.required_like("secret", "\"a-secret-that-nobody-uses\"", String::read),
        false => table.optional("secret", String::read),
    };
    let at = table.required_like("at", "2026-11-22T17:04:05Z", Timestamp::read);
    let method = table.or("method", Method::Post);
    let usual = provider.map_or_else(|| "/webhooks".to_owned(), |name| format!("/webhooks/{name}"));
    let target = table.get("target").map_or(Some(usual), |node| target(&node));
    let public_url = table.optional("public_url", Option::<Url>::read);
    let values = table.optional("values", BTreeMap::<String, String>::read);
    let headers = table.optional("headers", headers);
    let body = body(table);
    let expect = table.optional("expect", |node| all(node.items()?.iter().map(expected)).map(Some));
    let answer = table.optional("answer", Option::<String>::read);
    Some(Vector {
        name: name?,
        secret: secret?,
        keys: keys?,
        authorities: authorities?,
        at: at?,
        method: method?,
        target: target?,
        public_url: public_url?,
        values: values?,
        headers: headers?,
        body: body?,
        expect: expect?,
        answer: answer?,
    })
}

fn target(node: &Node<'_>) -> Option<String> {
    node.parsed("a path, such as \"/webhooks/acme?v=1\"", |text| match text.parse::<http::uri::PathAndQuery>() {
        Ok(_) if text.starts_with('/') => Ok(text.to_owned()),
        _ => Err(format!("is {text:?}, which is no path")),
    })
}

/// `{ x-one = "a", x-two = ["b", "c"] }`: a list is a header sent several times.
fn headers(node: &Node<'_>) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    for (name, node) in node.table()?.entries() {
        if let Err(why) = header_name(&name) {
            node.error(why, "write the header's name in lower case");
            return None;
        }
        for value in all(node.one_or_more()?.iter().map(String::read))? {
            headers.push((name.clone(), value));
        }
    }
    Some(headers)
}

fn body(table: &Table<'_>) -> Option<Vec<u8>> {
    let text = table.optional("body", Option::<String>::read);
    let encoded = table.optional("body_base64", |node| {
        let form = "the body in base64, padded";
        node.parsed(form, |text| crate::provider::scheme::base64(text.as_bytes())).map(|bytes| Some(bytes.to_vec()))
    });
    match (text?, encoded?) {
        (Some(_), Some(_)) => {
            table.at("body_base64").error("stands beside body", "leave one of them out");
            None
        }
        (Some(text), None) => Some(text.into_bytes()),
        (None, Some(bytes)) => Some(bytes),
        (None, None) => Some(Vec::new()),
    }
}

fn expected(node: &Node<'_>) -> Option<Expected> {
    in_table(node, |table| {
        let kind = table.optional("type", Option::<String>::read);
        let id = table.optional("id", Option::<String>::read);
        let account = table.optional("account", Option::<String>::read);
        Some(Expected { kind: kind?, id: id?, account: account? })
    })
}
