//! Requests with many items: an event for each, at its own connection, with the item's own bytes; told once.

mod catalogue;
mod real;
mod rig;

use std::collections::{BTreeMap, BTreeSet};

use gatepost_tests::{backend::Delivery, judge};
use serde_json::{Value, json};

use self::{
    catalogue::{Made, made},
    real::{ITEMS, Real},
    rig::Rig,
};
use crate::setup::{Engine, PATIENCE, SIGNING, each_engine};

each_engine!(a_hundred_items_of_twenty_accounts_each_reach_their_own_connection_once);

/// On NATS HubSpot alone, whose items are the hardest to tell apart.
async fn a_hundred_items_of_twenty_accounts_each_reach_their_own_connection_once(engine: Engine) {
    let mut engine = Some(engine);
    let embedded = engine.as_ref().is_some_and(Engine::is_embedded);
    for real in real::all().into_iter().filter(|real| embedded || real.provider == "hubspot") {
        a_hundred(engine.take().unwrap_or(Engine::Embedded), &real).await;
    }
}

async fn a_hundred(engine: Engine, real: &Real) {
    let name = real.provider;
    let accounts: BTreeSet<_> = real.items.iter().filter_map(|(_, account)| account.clone()).collect();
    let rig = Rig::start_with(engine, name, &accounts, real.secret.as_deref()).await;
    let answer = rig.send(real, &real.body()).await;
    assert_eq!((answer.status.is_success(), answer.result()), (true, "stored"), "{name}");
    let deliveries = rig.backend.wait_for(ITEMS, PATIENCE).await;
    judge::accept_all(SIGNING, &deliveries);
    let mut arrived = by_bytes(&deliveries);
    assert_eq!(arrived.len(), ITEMS, "{name}: each item arrives with its own bytes");
    for (item, account) in &real.items {
        let stored = real::without_secret(item);
        let envelope = arrived.remove(stored.as_bytes()).unwrap_or_else(|| panic!("{name}: {item} didn't arrive"));
        let connection = account.as_ref().map_or_else(|| "default".to_owned(), |account| rig::connection(account));
        assert_eq!(envelope["connection"], connection, "{name}: {item}");
        assert_eq!(envelope["account"], json!(account), "{name}: {item}");
    }

    let again = rig.send(real, &real.body()).await;
    let copies = if real.repeats { 2 } else { 1 };
    let word = if real.repeats { "stored" } else { "duplicate" };
    assert_eq!((again.status.is_success(), again.result()), (true, word), "{name}: a retry");
    let deliveries = rig.backend.wait_for(copies * ITEMS, PATIENCE).await;
    let ids: BTreeSet<_> = deliveries.iter().map(|delivery| delivery.header("webhook-id")).collect();
    assert_eq!((deliveries.len(), ids.len()), (copies * ITEMS, copies * ITEMS), "{name}: no two items share an id");
    let (parked, census) = rig.stop().await;
    assert_eq!((parked.len(), census.waiting()), (0, 0), "{name}: nothing else is owed: {census:?}");
}

fn by_bytes(deliveries: &[Delivery]) -> BTreeMap<Vec<u8>, Value> {
    deliveries.iter().map(|delivery| (delivery.data().to_vec(), delivery.envelope())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn items_of_accounts_that_nobody_connected_are_parked_and_the_others_arrive() {
    let all = real::all();
    let real = all.iter().find(|real| real.provider == "hubspot").expect("HubSpot's");
    let accounts: BTreeSet<_> = real.items.iter().filter_map(|(_, account)| account.clone()).collect();
    let unknown: BTreeSet<_> = ["acct-3".to_owned(), "acct-17".to_owned()].into();
    let rig = Rig::start(Engine::Embedded, "hubspot", &(&accounts - &unknown)).await;
    for (n, word) in ["stored", "duplicate"].into_iter().enumerate() {
        let answer = rig.send(real, &real.body()).await;
        assert_eq!((answer.status.as_u16(), answer.result()), (200, word), "request {n}");
    }
    let deliveries = rig.backend.wait_for(90, PATIENCE).await;
    let arrived = by_bytes(&deliveries);
    let is_unknown = |account: &Option<String>| account.as_ref().is_some_and(|account| unknown.contains(account));
    for (item, account) in &real.items {
        assert_eq!(arrived.contains_key(item.as_bytes()), !is_unknown(account), "{item}");
    }
    let news = real.body().replace("\"eventId\": 0,", "\"eventId\": 777,");
    assert_eq!(rig.send(real, &news).await.result(), "stored", "the positive control: a new item among the old");
    assert_eq!(rig.backend.wait_for(92, PATIENCE).await.len(), 92);

    let (parked, census) = rig.stop().await;
    let accounts: BTreeSet<_> = parked.iter().filter_map(|event| event.meta.account.clone()).collect();
    let bodies: BTreeSet<_> = parked.iter().map(|event| event.body.clone()).collect();
    assert_eq!((parked.len(), bodies.len(), accounts), (10, 10, unknown), "the unknown accounts' items are parked");
    assert_eq!(census.waiting(), 0, "nothing else is owed: {census:?}");
}

/// Providers that say no more of an occurrence than of the next one.
const FRESH: [&str; 2] = ["dropbox", "fitbit"];

/// Providers that must be among those judged.
const NAMED: [&str; 6] = ["dropbox", "gocardless", "line", "meta", "quickbooks", "xero"];

#[tokio::test(flavor = "multi_thread")]
async fn every_provider_of_batches_splits_attributes_and_tells_its_items_apart() {
    let (mut judged, mut fresh, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for provider in gatepost_config::provider::Catalogue::builtin().0.into_values().filter(|p| p.batch.is_some()) {
        let name = provider.name.to_string();
        let Some(made) = made(&provider) else {
            others.push(name);
            continue;
        };
        match one(&name, &made).await {
            Retry::AddsNothing => judged.push(name),
            Retry::IsStoredAgain => fresh.push(name),
        }
    }
    let missing: Vec<_> =
        NAMED.iter().filter(|name| !judged.iter().chain(&fresh).any(|known| known == *name)).collect();
    assert!(missing.is_empty(), "these must be judged: {missing:?}");
    assert_eq!(fresh, FRESH, "a retry of any other adds nothing");
    println!("batches: {judged:?}; of these a retry can't be told from news: {fresh:?}; not made here: {others:?}");
}

/// What a repeated request does.
enum Retry {
    AddsNothing,
    IsStoredAgain,
}

/// Posts a provider's batch, twice, and checks what arrives.
async fn one(name: &str, made: &Made) -> Retry {
    let connected: BTreeSet<_> = made.accounts.iter().take(3).cloned().collect();
    let rig = Rig::start(Engine::Embedded, name, &connected).await;
    let answer = rig.post(&made.headers, &made.query, &made.body).await;
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!((answer.status.is_success(), answer.result()), (true, "stored"), "{name}: {said}");
    let of = |account: &Option<String>| account.as_ref().is_none_or(|account| connected.contains(account));
    let wanted: Vec<_> = made.items.iter().filter(|(_, account)| of(account)).collect();
    let deliveries = rig.backend.wait_for(wanted.len(), PATIENCE).await;
    assert_eq!(deliveries.len(), wanted.len(), "{name}");
    for (item, account) in &wanted {
        let delivery = deliveries.iter().find(|delivery| delivery.data() == item.as_bytes());
        let envelope = delivery.unwrap_or_else(|| panic!("{name}: {item} didn't arrive")).envelope();
        let connection = account.as_ref().map_or_else(|| "default".to_owned(), |account| rig::connection(account));
        assert_eq!(envelope["connection"], connection, "{name}: {item}");
        assert_eq!(envelope["account"], json!(account), "{name}: {item}");
    }

    let again = rig.post(&made.headers, &made.query, &made.body).await;
    let retry = match again.result() {
        "duplicate" => Retry::AddsNothing,
        _ => Retry::IsStoredAgain,
    };
    if matches!(retry, Retry::IsStoredAgain) {
        assert!(!made.named, "{name} names its items, so a retry must add nothing: {}", again.result());
        rig.backend.wait_for(2 * wanted.len(), PATIENCE).await;
    }
    let copies = if matches!(retry, Retry::AddsNothing) { 1 } else { 2 };
    let (parked, _) = rig.stop().await;
    assert_eq!(parked.len(), copies * (made.items.len() - wanted.len()), "{name}: what nobody connected is parked");
    retry
}
