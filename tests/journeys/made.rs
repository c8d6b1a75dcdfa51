//! Destinations made through the API: deliveries reach them without a restart, by every router.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use gatepost_tests::{
    backend::{Backend, Delivery},
    gatepost::Gatepost,
    github::Webhook,
    wait::eventually,
};
use http::Method;
use serde_json::json;

use crate::{
    access::{Api, KEY},
    setup::{Engine, Journey, PATIENCE, SECRET, SIGNING, each_engine},
};

each_engine!(a_destination_is_made_signed_to_rotated_tried_out_and_deleted_while_every_router_runs);

/// Installations of tenants `t1` to `t3`.
const TENANTS: [u64; 3] = [1, 2, 3];

static PUSHED: AtomicUsize = AtomicUsize::new(0);

async fn push(gatepost: &Gatepost, installation: u64) {
    let body = format!(r#"{{"installation":{{"id":{installation}}}}}"#);
    let id = format!("push-{}", PUSHED.fetch_add(1, Ordering::Relaxed));
    let webhook = Webhook::signed(SECRET, "push", &id, body);
    let answer = webhook.post(&gatepost.gateway().await, "github").await.expect("an answer");
    assert_eq!(answer.result(), "stored");
}

/// Pushes until a delivery arrives that was not there before and is as wanted.
async fn delivered(gatepost: &Gatepost, theirs: &Backend, tenant: u64, wants: impl Fn(&Delivery) -> bool) {
    let name = format!("t{tenant}");
    let before = theirs.got().len();
    eventually(&format!("a delivery to {name}"), PATIENCE, async || {
        push(gatepost, tenant).await;
        let got = theirs.got().split_off(before);
        got.iter().any(|delivery| delivery.envelope()["tenant"] == name && wants(delivery)).then_some(())
    })
    .await;
}

fn signatures(delivery: &Delivery) -> usize {
    delivery.header("webhook-signature").split(' ').count()
}

async fn a_destination_is_made_signed_to_rotated_tried_out_and_deleted_while_every_router_runs(engine: Engine) {
    let theirs = Backend::start().await;
    let journey = Journey::new(engine, "park", &BTreeSet::from(TENANTS)).await;
    let mut file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    file += "\n[[route]]\nid = \"tenants\"\nforward = \"tenant\"\n\n[admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{ file = \"api\" }]\n";
    journey.home.write("api", KEY);
    journey.home.write("gatepost.toml", &file);
    let gatepost = journey.run().await;
    let other = match journey.engine.is_embedded() {
        true => None,
        false => Some(journey.home.run(&["router"]).await),
    };
    let api = Api::of(&gatepost).await;
    let wish = |tenant: u64| {
        json!({ "tenant": format!("t{tenant}"), "url": theirs.url(), "private": true, "secrets": [SIGNING],
            "headers": { "x-api-key": "a canary in a header" } })
    };
    let path = |tenant: u64| format!("/v1/destinations/made-{tenant}");
    for tenant in TENANTS {
        let made = api.told(Method::PUT, &path(tenant), KEY, Some(&wish(tenant)), 201).await;
        assert_eq!((made["source"].as_str(), made["state"].as_str()), (Some("api"), Some("active")));
        delivered(&gatepost, &theirs, tenant, |delivery| {
            signatures(delivery) == 1 && delivery.header("x-api-key") == "a canary in a header"
        })
        .await;
    }

    // The same again changes nothing; what is wrong is told as of the file; the file's are the file's.
    let again = api.ask(Method::PUT, &path(1), KEY, Some(&wish(1))).await;
    let shown = api.ask(Method::GET, &path(1), KEY, None).await;
    assert_eq!((again.status.as_u16(), again.header("etag")), (200, shown.header("etag")));
    for (wrong, said) in [
        (json!({ "url": "https://example.com/", "secrets": [SIGNING], "concurency": 3 }), "did you mean"),
        (json!({ "url": theirs.url(), "secrets": [SIGNING] }), "url is on this machine"),
        (json!({ "url": { "env": "PATH" }, "secrets": [SIGNING] }), "url.env is no known setting"),
    ] {
        let problem = api.told(Method::PUT, "/v1/destinations/wrong", KEY, Some(&wrong), 422).await;
        assert!(problem["detail"].as_str().expect("words").contains(said), "{problem}");
    }
    let declared = api.told(Method::PUT, "/v1/destinations/backend", KEY, Some(&wish(1)), 409).await;
    assert_eq!(declared["code"], "declared_in_file");

    // A tenant's key makes its own tenant's, in public only.
    let (_, key) = api.key(&json!({ "name": "t1", "scopes": ["read", "write"], "tenant": "t1" })).await;
    let public = json!({ "url": "https://example.com/hooks", "secrets": [SIGNING], "paused": true });
    let own = api.told(Method::PUT, "/v1/destinations/own", &key, Some(&public), 201).await;
    assert_eq!((own["tenant"].as_str(), own["state"].as_str()), (Some("t1"), Some("paused")));
    for (path, wish, status) in [
        ("/v1/destinations/own", wish(1), 403),
        ("/v1/destinations/own", json!({ "tenant": "t2", "url": "https://example.com/", "secrets": [SIGNING] }), 403),
        ("/v1/destinations/made-2", public, 404),
    ] {
        api.told(Method::PUT, path, &key, Some(&wish), status).await;
    }

    // Two secrets sign while they overlap, and the new one is told once.
    let rotated = api.told(Method::POST, &format!("{}/rotate", path(1)), KEY, Some(&json!({})), 200).await;
    let fresh = rotated["secret"].as_str().expect("the new secret").to_owned();
    assert!(
        fresh.starts_with("whsec_")
            && rotated["destination"]["settings"]["secrets"].as_array().map(Vec::len) == Some(2)
    );
    delivered(&gatepost, &theirs, 1, |delivery| signatures(delivery) == 2).await;
    let brief = json!({ "overlap_seconds": 0, "secret": SIGNING });
    api.told(Method::POST, &format!("{}/rotate", path(1)), KEY, Some(&brief), 200).await;
    delivered(&gatepost, &theirs, 1, |delivery| signatures(delivery) == 1).await;

    // A test goes there and nowhere else.
    let tested = api.told(Method::POST, &format!("{}/test", path(2)), KEY, None, 202).await;
    let event = tested["event"].as_str().expect("an event");
    let arrived = |backend: &Backend| backend.got().into_iter().find(|delivery| delivery.header("webhook-id") == event);
    let sample = eventually("the test", PATIENCE, async || arrived(&theirs)).await;
    assert_eq!(sample.envelope()["data"]["destination"], "made-2");
    assert_eq!(theirs.counts().get(event), Some(&1));
    assert!(arrived(&journey.backend).is_none());

    // Nothing shows a secret: no answer, no log.
    let mut said = gatepost.log().join("\n");
    for place in ["/v1/destinations", "/v1/audit", &path(1)] {
        said += &api.told(Method::GET, place, KEY, None, 200).await.to_string();
    }
    for secret in ["canary", &SIGNING["whsec_".len()..], &fresh["whsec_".len()..]] {
        assert!(!said.contains(secret), "{secret} is shown");
    }

    // They are there after a restart, and gone once they are deleted.
    if let Some(other) = other {
        other.stop().await;
    }
    gatepost.stop().await;
    let gatepost = journey.run().await;
    let api = Api::of(&gatepost).await;
    delivered(&gatepost, &theirs, 3, |_| true).await;
    api.told(Method::DELETE, &path(3), KEY, None, 204).await;
    api.told(Method::GET, &path(3), KEY, None, 404).await;
    eventually("the last delivery", PATIENCE, async || {
        let before = (theirs.got().len(), journey.backend.counts().len());
        push(&gatepost, 3).await;
        journey.backend.wait_for(before.1 + 1, PATIENCE).await;
        (theirs.got().len() == before.0).then_some(())
    })
    .await;
    gatepost.stop().await;
}
