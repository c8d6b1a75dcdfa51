mod bombs;
mod dial;
mod https;
mod proxy;
mod server;
mod tls;

use std::{sync::Arc, time::Duration};

use gatepost_config::{DeliveryFormat, Destination, EgressProxy, Timestamp};

use super::*;
use crate::{
    delivery::fixture::delivery,
    envelope,
    route::fixture::{destination, event},
    sign,
};

/// The deadline of the attempts here, and what a deadline may be overrun by.
const TIMEOUT: Duration = Duration::from_millis(600);
const SLACK: Duration = Duration::from_secs(5);

fn to(url: &str) -> Destination {
    Destination { url: url.parse().expect("a URL"), timeout: TIMEOUT, ..destination("backend", None) }
}

async fn attempt(outside: &Outside, destination: &Destination) -> Sent {
    attempt_through(outside, destination, None).await
}

async fn attempt_through(outside: &Outside, destination: &Destination, proxy: Option<EgressProxy>) -> Sent {
    let delivery = delivery(destination.clone(), event("github.push", "{\"a\":1}"), 1);
    let envelope = envelope::write(delivery.event(), DeliveryFormat::Json).expect("a body that JSON can carry");
    let signed = sign::sign(&delivery, envelope, Timestamp::now());
    let mut backend = Backend::clone(&delivery.due().backend);
    backend.proxy = proxy.map(Arc::new);
    send(outside, &backend, signed).await
}

fn outside() -> Outside {
    Outside::new()
}
