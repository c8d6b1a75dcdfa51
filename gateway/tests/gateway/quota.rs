//! Quotas that the operator sets: what is over them is answered 429, stored by nobody, and takes nothing from anybody.

use std::sync::Arc;

use gatepost_config::Timestamp;

use crate::{
    client::{Answer, Ask},
    rig::{GITHUB, Rig, config, github},
};

/// A provider of batches, and three tenants of which two have two connections each; one an hour for each.
const BATCHED: &str = r#"
[gateway]
tenant_rate = "1/h"

[[provider]]
name = "crm"
title = "CRM"
secret_scope = "app"
[[provider.scheme]]
id = "v1"
kind = "hmac"
hash = "sha256"
signature = { from = "header:x-sig", encoding = "hex" }
signed = "{body}"
[provider.batch]
items = ""
discriminator = ["item:/at"]
[provider.event]
type = "item:/kind"
id = "item:/id"
account = "item:/portal"

[[integration]]
id = "crm"
provider = "crm"
secrets = [{ env = "SECRET" }]

[[connection]]
integration = "crm"
id = "a"
account = "1"
tenant = "one"
[[connection]]
integration = "crm"
id = "b"
account = "2"
tenant = "one"
[[connection]]
integration = "crm"
id = "c"
account = "3"
tenant = "two"
[[connection]]
integration = "crm"
id = "d"
account = "4"
tenant = "three"
"#;

async fn post(rig: &Rig, ask: Ask) -> Answer {
    rig.ask(&rig.signed(ask, Timestamp::now())).await
}

/// A batch with an event of each of these portals.
async fn batch(rig: &Rig, id: u64, portals: &[u64]) -> Answer {
    let item = |(at, portal)| format!(r#"{{"id":{id},"at":{at},"portal":{portal},"kind":"x"}}"#);
    let items: Vec<String> = portals.iter().enumerate().map(item).collect();
    post(rig, Ask::post("/webhooks/crm", format!("[{}]", items.join(",")))).await
}

async fn push(rig: &Rig, delivery: &str, installation: u64) -> Answer {
    post(rig, github(delivery, &format!(r#"{{"installation":{{"id":{installation}}}}}"#))).await
}

#[tokio::test]
async fn what_is_over_a_quota_is_answered_429_and_neither_stored_nor_kept() {
    let rig = Rig::start(&format!("[gateway]\ntenant_rate = \"1/h\"\n{GITHUB}")).await;
    assert_eq!(push(&rig, "d-1", 12_345_678).await.result(), "stored");
    let refused = push(&rig, "d-2", 12_345_678).await;
    assert_eq!((refused.status, refused.header("retry-after"), refused.result()), (429, "3600", ""));
    let request = refused.header("gatepost-request-id");
    assert_eq!(refused.body, format!(r#"{{"error":"rate_limited","request_id":"{request}"}}"#));
    assert_eq!(push(&rig, "d-1", 12_345_678).await.status, 429, "a repeat counts like any other");
    assert_eq!(push(&rig, "d-3", 87_654_321).await.result(), "stored", "another tenant's");

    assert_eq!(rig.logged().await.len(), 2);
    assert_eq!(rig.store.quarantined(None).await.expect("the store answers"), []);
    let counted = |name: &str, label| rig.counted(name, &[("integration", "github"), label]);
    assert_eq!(counted("gatepost_gateway_requests_total", ("result", "rate_limited")), 2);
    assert_eq!(counted("gatepost_gateway_rate_limited_events_total", ("limit", "tenant_rate")), 2);
    assert_eq!(counted("gatepost_gateway_rate_limited_events_total", ("limit", "accept_rate")), 0);
    rig.stop().await;
}

#[tokio::test]
async fn events_that_nobody_owns_count_for_their_account() {
    let rig = Rig::start(&format!("[gateway]\ntenant_rate = \"1/h\"\n{GITHUB}")).await;
    assert_eq!(push(&rig, "d-1", 1).await.result(), "unmatched");
    assert_eq!(push(&rig, "d-2", 1).await.status, 429);
    assert_eq!(push(&rig, "d-3", 2).await.result(), "unmatched");
    assert_eq!(rig.parked().await.len(), 2);
    rig.stop().await;
}

#[tokio::test]
async fn the_items_of_a_batch_are_admitted_together_or_not_at_all() {
    let rig = Rig::start(BATCHED).await;
    assert_eq!(batch(&rig, 1, &[3]).await.result(), "stored");
    assert_eq!(batch(&rig, 2, &[1, 3, 4]).await.status, 429, "the third's tenant has had its own");
    assert_eq!(rig.stored().await, 1);
    // Nothing was taken from the others. One may have a batch that is larger than what it has at once; it pays for it.
    let large = batch(&rig, 3, &[1, 2, 1]).await;
    assert_eq!(large.result(), "stored");
    let refused = batch(&rig, 4, &[2]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "3600"), "at most an hour is asked for");
    assert_eq!(batch(&rig, 5, &[4]).await.result(), "stored");
    assert_eq!(batch(&rig, 6, &[]).await.status, 200, "a batch without events needs nothing");
    assert_eq!(rig.stored().await, 5);
    rig.stop().await;
}

#[tokio::test]
async fn a_quota_for_all_is_shared_and_follows_the_configuration() {
    let plain = config(GITHUB);
    let rig = Rig::start_with(plain.clone()).await;
    for n in 0..20 {
        assert_eq!(push(&rig, &format!("free-{n}"), 12_345_678).await.status, 200, "without a quota");
    }
    let publish = |config| rig.publish.send(Arc::new(config)).expect("it runs");
    publish(config(&format!("[gateway]\naccept_rate = \"1/h\"\n{GITHUB}")));
    // It is heard of a moment later. Of four that fit at once one tenant has two, and the other finds one of those left.
    let mut statuses = Vec::new();
    while statuses.len() < 200 && !statuses.contains(&429) {
        statuses.push(push(&rig, &format!("flood-{}", statuses.len()), 12_345_678).await.status);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert_eq!(push(&rig, "quiet-1", 87_654_321).await.status, 200);
    assert_eq!(push(&rig, "quiet-2", 87_654_321).await.status, 429);
    assert_eq!(rig.counted("gatepost_gateway_rate_limited_events_total", &[("limit", "accept_rate")]), 2);
    publish(plain);
    let mut taken = 0;
    while taken < 200 && push(&rig, &format!("again-{taken}"), 12_345_678).await.status != 200 {
        taken += 1;
    }
    assert!(taken < 200, "it is taken back");
    rig.stop().await;
}
