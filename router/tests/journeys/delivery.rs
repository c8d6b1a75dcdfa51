//! One event, delivered.

use gatepost_event::{AttemptError, Ending, id::ID_CHARS};

use crate::support::{Rig, config, destination, receiver::Receiver, route, stored::event};

#[tokio::test]
async fn a_stored_event_is_delivered_once_signed_and_whole() {
    let backend = Receiver::start().await;
    let to = destination("backend", &backend.url("/webhooks?x=1"), "");
    let mut rig = Rig::start(config(&format!("{to}{}", route("all", &["backend"])))).await;
    let body = r#"{ "z":1,"a" : [1.50, "é"] }"#;
    let stored = event("one", "github.push", body);
    rig.append(vec![stored.clone()]).await;
    rig.ended(Ending::Delivered, 1).await;

    let got = backend.got();
    assert_eq!(got.len(), 1);
    let got = &got[0];
    assert_eq!(got.path, "/webhooks");
    assert!(got.verifies());
    assert_eq!(got.header("webhook-id"), stored.meta.id.to_string());
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.header("user-agent"), concat!("gatepost/", env!("CARGO_PKG_VERSION")));
    assert_eq!(got.header("gatepost-attempt"), "1");
    assert_eq!(got.header("gatepost-delivery-id").len(), "dlv_".len() + ID_CHARS);
    assert_eq!(got.header("content-length"), got.body.len().to_string());
    assert!(got.body.ends_with(format!(",\"data\":{body}}}").as_bytes()), "the provider's own bytes");
    assert_eq!(got.json()["connection"], "acme");

    let attempts = rig.attempts().await;
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].number, attempts[0].status, attempts[0].error), (1, Some(204), None));
    assert_eq!(attempts[0].key_ids.len(), 1);
    let labels = [("destination", "backend"), ("outcome", "delivered")];
    assert!((rig.metric("gatepost_router_deliveries_total", &labels) - 1.0).abs() < f64::EPSILON);
    rig.stop().await;
    assert_eq!(backend.got().len(), 1);
}

#[tokio::test]
async fn cloudevents_come_as_structured_mode() {
    let backend = Receiver::start().await;
    let to = destination("backend", &backend.url("/"), "format = \"cloudevents\"");
    let rig = Rig::start(config(&format!("{to}{}", route("all", &["backend"])))).await;
    rig.append(vec![event("one", "github.push", "not json")]).await;
    rig.ended(Ending::Delivered, 1).await;
    let got = &backend.got()[0];
    assert!(got.verifies());
    assert!(got.header("content-type").starts_with("application/cloudevents+json"));
    assert_eq!(got.json()["specversion"], "1.0");
    assert_eq!(got.json()["data_base64"], "bm90IGpzb24=");
}

#[tokio::test]
async fn a_large_body_arrives_byte_for_byte() {
    let backend = Receiver::start().await;
    let to = destination("backend", &backend.url("/"), "");
    let rig = Rig::start(config(&format!("{to}{}", route("all", &["backend"])))).await;
    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(3 * 1024 * 1024));
    rig.append(vec![event("one", "github.push", &body)]).await;
    rig.ended(Ending::Delivered, 1).await;
    let got = &backend.got()[0];
    assert!(got.verifies());
    assert!(got.body.ends_with(format!(",\"data\":{body}}}").as_bytes()));
}

#[tokio::test]
async fn a_private_address_without_leave_is_not_dialled() {
    let backend = Receiver::start().await;
    let to = destination("backend", &backend.url("/"), "schedule = [\"0s\"]");
    let mut config = config(&format!("{to}{}", route("all", &["backend"])));
    // The file can't say so; destinations made at run time could.
    config.destinations[0].private = false;
    let rig = Rig::start(config).await;
    rig.append(vec![event("one", "github.push", "{}")]).await;
    rig.ended(Ending::Dead, 1).await;
    let attempts = rig.attempts().await;
    assert_eq!(attempts[0].error, Some(AttemptError::AddressRefused));
    assert_eq!((attempts[0].status, attempts[0].response.as_str()), (None, ""));
    assert!(backend.got().is_empty());
}
