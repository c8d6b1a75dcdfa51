//! A batch of any provider, made from what its file says.

use std::collections::BTreeSet;

use gatepost_config::{
    Provider, Secret, Timestamp,
    provider::{Identity, Location, Pointer, SchemeKind, Source},
};
use gatepost_gateway::sign::{Unsigned, sign_as};
use serde_json::{Value, json};

use crate::handshakes::request::put_json;

/// Items of one request.
const ITEMS: usize = 12;
/// Accounts of one request.
const ACCOUNTS: usize = 4;

/// A request of a provider.
pub(crate) struct Made {
    /// Its headers, but for the signature's.
    pub(crate) headers: Vec<(String, String)>,
    /// What its query says, where the secret itself stands there.
    pub(crate) query: String,
    /// Its body.
    pub(crate) body: String,
    /// Each item's bytes with the account it is of.
    pub(crate) items: Vec<(String, Option<String>)>,
    /// All accounts in it.
    pub(crate) accounts: BTreeSet<String>,
    /// The provider's file tells items apart, and names them.
    pub(crate) named: bool,
}

/// Stands for the items in their envelope.
const LIST: &str = "the list";

/// Makes a batch; `None` when its items, its envelope or its signature can't be made here.
pub(crate) fn made(provider: &Provider) -> Option<Made> {
    let batch = provider.batch.as_ref()?;
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let mut envelope = Value::Null;
    let list = batch.items.first()?;
    put_json(&mut envelope, &list.0, &Value::from(LIST));
    let (account, id) = (provider.event.account.first(), provider.event.id.first().and_then(|id| id.places().first()));
    let of_item = |place: &Location| matches!(place.source, Source::Item(_));
    for (place, text) in [(account, "acct-0"), (id, "1795367045123")] {
        let Some(place) = place.filter(|place| !of_item(place)) else { continue };
        match &place.source {
            Source::Header(name) => headers.push((name.clone(), text.to_owned())),
            Source::Json(Pointer(path)) if !list.0.is_empty() => put_json(&mut envelope, path, &Value::from(text)),
            _ => return None,
        }
    }

    let items: Vec<_> = (0..ITEMS).map(|n| item(provider, n)).collect();
    let list = items.iter().map(|(item, _)| item.as_str()).collect::<Vec<_>>().join(" , ");
    let body = envelope.to_string().replace(&format!("{LIST:?}"), &format!("[ {list} ]\n"));
    let vector = provider.vectors.first()?;
    let secret = |text: &String| Secret::new(text.clone().into_bytes(), "the test");
    let values = vector.values.iter().map(|(name, text)| (name.clone(), secret(text))).collect();
    let url = "https://hooks.example.com/webhooks/batch".parse().expect("a URL");
    let unsigned = Unsigned { method: &http::Method::POST, url: &url, headers: &headers, body: body.as_bytes() };
    let query = match &provider.schemes.first()?.kind {
        SchemeKind::Token { signature } => match &signature.from.first()?.source {
            Source::Query(name) => format!("?{name}={}", vector.secret),
            _ => String::new(),
        },
        _ => String::new(),
    };
    let signed = sign_as(provider, &secret(&vector.secret), &values, &unsigned, Timestamp::now());
    if signed.is_err() && query.is_empty() {
        return None;
    }
    let accounts = items.iter().filter_map(|(_, account)| account.clone()).collect();
    let named = provider.event.id.iter().any(Identity::is_of_item)
        || !batch.discriminator.is_empty() && !provider.event.id.is_empty();
    Some(Made { headers, query, body, items, accounts, named })
}

/// An item's bytes, and the account it is of.
fn item(provider: &Provider, n: usize) -> (String, Option<String>) {
    let account = provider.event.account.first();
    let mut item = json!({ "n": n });
    let discriminator = provider.batch.iter().flat_map(|batch| &batch.discriminator);
    for place in discriminator.chain(provider.event.id.iter().flat_map(Identity::places)) {
        write(&mut item, place, &format!("part-{n}"));
    }
    let key = match account.map(|place| &place.source) {
        None => None,
        Some(Source::Item(Pointer(path))) if path.is_empty() => {
            item = Value::from(format!("acct-{n}"));
            Some(format!("acct-{n}"))
        }
        Some(Source::Item(Pointer(path))) => {
            let key = format!("acct-{}", n % ACCOUNTS);
            put_json(&mut item, path, &Value::from(key.as_str()));
            Some(key)
        }
        Some(_) => Some("acct-0".to_owned()),
    };
    (item.to_string().replace("\":", "\" : "), key)
}

fn write(item: &mut Value, place: &Location, text: &str) {
    if let Source::Item(Pointer(path)) = &place.source {
        put_json(item, path, &Value::from(text));
    }
}
