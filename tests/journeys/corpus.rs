//! All 329 real GitHub payloads, signed by GitHub's own library.

use std::collections::{BTreeMap, BTreeSet};

use gatepost_tests::{
    backend::Delivery,
    corpus::{self, Payload},
    judge,
};

use crate::setup::{Engine, Journey, PATIENCE, SECRET, SIGNING, each_engine, unmatched};

each_engine!(every_real_payload_is_delivered_once_to_its_connection_or_parked);
each_engine!(with_forward_what_no_connection_claims_reaches_the_operator);

async fn every_real_payload_is_delivered_once_to_its_connection_or_parked(engine: Engine) {
    let payloads = corpus::github(SECRET);
    let journey = Journey::new(engine, "park", &installations(&payloads)).await;
    let gatepost = journey.run().await;
    let address = gatepost.gateway().await;
    for (payload, answer) in payloads.iter().zip(corpus::post_all(&payloads, &address, "github").await) {
        let expected = if payload.installation.is_some() { "stored" } else { "unmatched" };
        assert_eq!((answer.status.as_u16(), answer.result()), (200, expected), "{}", payload.webhook.event);
    }

    let deliveries = journey.backend.wait_for(133, PATIENCE).await;
    gatepost.stop().await;
    assert_eq!(deliveries.len(), 133, "each exactly once");
    let claimed: Vec<_> = payloads.iter().filter(|payload| payload.installation.is_some()).collect();
    assert_envelopes(&claimed, &deliveries);
    judge::accept_all(SIGNING, &deliveries);

    let store = journey.store().await;
    let parked: BTreeMap<_, _> =
        unmatched(&store).await.into_iter().map(|event| (event.meta.provider_event_id.clone(), event)).collect();
    store.close().await;
    assert_eq!(parked.len(), 196);
    for payload in payloads.iter().filter(|payload| payload.installation.is_none()) {
        let event = &parked[&Some(payload.webhook.delivery.clone())];
        assert_eq!(event.body, payload.webhook.body, "byte-equal");
        assert_eq!(event.meta.connection, None);
    }
}

async fn with_forward_what_no_connection_claims_reaches_the_operator(engine: Engine) {
    let payloads = corpus::github(SECRET);
    let journey = Journey::new(engine, "forward", &installations(&payloads)).await;
    let gatepost = journey.run().await;
    let address = gatepost.gateway().await;
    for (payload, answer) in payloads.iter().zip(corpus::post_all(&payloads, &address, "github").await) {
        assert_eq!(answer.status.as_u16(), 200, "{}", payload.webhook.event);
    }
    let deliveries = journey.backend.wait_for(329, PATIENCE).await;
    gatepost.stop().await;
    assert_eq!(deliveries.len(), 329, "each exactly once");
    assert_envelopes(&payloads.iter().collect::<Vec<_>>(), &deliveries);
    judge::accept_all(SIGNING, &deliveries);
}

#[tokio::test]
async fn the_judges_refuse_a_changed_delivery() {
    let journey = Journey::new(Engine::Embedded, "forward", &BTreeSet::new()).await;
    let gatepost = journey.run().await;
    let payload = &corpus::github(SECRET)[0];
    payload.webhook.post(&gatepost.gateway().await, "github").await.expect("an answer");
    let delivery = journey.backend.wait_for(1, PATIENCE).await.remove(0);
    judge::accept_all(SIGNING, std::slice::from_ref(&delivery));
    let mut changed = delivery.clone();
    changed.body = [&delivery.body[..], b" "].concat().into();
    judge::refuse(SIGNING, &changed);
    gatepost.stop().await;
}

fn installations(payloads: &[Payload]) -> BTreeSet<u64> {
    payloads.iter().filter_map(|payload| payload.installation).collect()
}

/// Each payload arrived once, as its connection, with the provider's own bytes.
fn assert_envelopes(payloads: &[&Payload], deliveries: &[Delivery]) {
    let arrived: BTreeMap<_, _> = deliveries
        .iter()
        .map(|delivery| {
            let envelope = delivery.envelope();
            assert_eq!(envelope["id"], delivery.header("webhook-id"));
            (envelope["provider_event_id"].as_str().expect("GitHub names its events").to_owned(), (delivery, envelope))
        })
        .collect();
    assert_eq!(arrived.len(), payloads.len());
    for payload in payloads {
        let (delivery, envelope) = &arrived[&payload.webhook.delivery];
        assert_eq!(delivery.data(), &payload.webhook.body[..], "data is the posted bytes");
        assert_eq!(envelope["headers"]["x-github-event"], payload.webhook.event.as_str());
        assert_eq!(envelope["trust"], "verified");
        match payload.installation {
            Some(id) => {
                assert_eq!(envelope["connection"], format!("c{id}"));
                assert_eq!(envelope["tenant"], format!("t{id}"));
                assert_eq!(envelope["account"], id.to_string());
            }
            None => assert!(envelope["connection"].is_null() && envelope["tenant"].is_null()),
        }
    }
}
