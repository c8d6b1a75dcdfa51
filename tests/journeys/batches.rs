//! Requests with many items: an event for each, at its own connection, with the item's own bytes; told once.

mod catalogue;
mod rig;

use std::collections::{BTreeMap, BTreeSet};

use gatepost_tests::judge;
use serde_json::{Value, json};

use self::{
    catalogue::{Made, made},
    rig::Rig,
};
use crate::setup::{Engine, PATIENCE, SIGNING, each_engine};

each_engine!(a_hundred_items_of_twenty_portals_each_reach_their_own_connection_once);

/// HubSpot's items: an id may stand in several of them.
fn hubspot(n: usize) -> String {
    let (event, subscription, portal) = (n / 2, 1_000 + n % 2, 62_500 + n % 20);
    format!(
        "{{ \"eventId\": {event}, \"subscriptionId\":{subscription},\"portalId\":{portal}, \"appId\":1160452,\
         \"occurredAt\":1795367045{n:03},\"subscriptionType\":\"contact.propertyChange\",\"attemptNumber\":0,\
         \"objectId\":{n}.0, \"propertyValue\":\"gr\\u00fcn \\/ \u{fc}\"}}"
    )
}

async fn a_hundred_items_of_twenty_portals_each_reach_their_own_connection_once(engine: Engine) {
    let items: Vec<_> = (0..100).map(hubspot).collect();
    let portals: BTreeSet<_> = (0..20).map(|n| (62_500 + n).to_string()).collect();
    let unknown: BTreeSet<_> = ["62503".to_owned(), "62517".to_owned()].into();
    let rig = Rig::start(engine, "hubspot", &(&portals - &unknown)).await;
    let json = [("content-type".to_owned(), "application/json".to_owned())];
    let body = format!("[{}]\n", items.join(", \n"));

    let answer = rig.post(&json, "", &body).await;
    assert_eq!((answer.status.as_u16(), answer.result()), (200, "stored"));
    let deliveries = rig.backend.wait_for(90, PATIENCE).await;
    judge::accept_all(SIGNING, &deliveries);

    let again = rig.post(&json, "", &body).await;
    assert_eq!((again.status.as_u16(), again.result()), (200, "duplicate"), "a retry is told from the first");
    let control = rig.post(&json, "", &format!("[{}]", hubspot(100))).await;
    assert_eq!(control.result(), "stored", "the positive control: a new item is stored");
    let deliveries = rig.backend.wait_for(91, PATIENCE).await;
    assert_eq!(deliveries.len(), 91, "nothing came twice");

    let ids: BTreeSet<_> = deliveries.iter().map(|delivery| delivery.header("webhook-id")).collect();
    assert_eq!(ids.len(), 91, "no two items share an id");
    let mut arrived: BTreeMap<Vec<u8>, Value> = BTreeMap::new();
    for delivery in &deliveries {
        arrived.insert(delivery.data().to_vec(), delivery.envelope());
    }
    for n in 0..101 {
        let (item, portal) = (hubspot(n), (62_500 + n % 20).to_string());
        let envelope = arrived.remove(item.as_bytes());
        let Some(envelope) = envelope else {
            assert!(unknown.contains(&portal), "{n} didn't arrive with its own bytes");
            continue;
        };
        assert!(!unknown.contains(&portal), "{n} is of a portal that nobody connected");
        assert_eq!(envelope["connection"], format!("c{portal}"), "{n}");
        assert_eq!(envelope["tenant"], format!("t{portal}"), "{n}");
        assert_eq!(envelope["account"], portal, "{n}");
        assert_eq!(envelope["provider_event_id"], (n / 2).to_string(), "{n}");
        assert_eq!(envelope["trust"], "verified", "{n}");
    }
    assert!(arrived.is_empty(), "{} deliveries are no item's", arrived.len());

    let (parked, census) = rig.stop().await;
    let accounts: BTreeSet<_> = parked.iter().filter_map(|event| event.meta.account.clone()).collect();
    let bodies: BTreeSet<_> = parked.iter().map(|event| event.body.clone()).collect();
    assert_eq!((parked.len(), bodies.len(), accounts), (10, 10, unknown), "the unknown portals' items are parked");
    assert_eq!(census.waiting(), 0, "nothing else is owed: {census:?}");
}

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
