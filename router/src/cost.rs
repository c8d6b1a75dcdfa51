//! The stages of a delivery, one after the other, for `tests/cost/run` to count their instructions: it begins another
//! count at each function whose name begins with `stage_`. So nothing else here is named so, none holds a closure, and
//! `stage_nothing` takes what stands between two of them.

use std::{hint::black_box, sync::Arc};

use bytes::Bytes;
use gatepost_config::{DeliveryFormat, Destination, Route, Secret, SigningKey, Timestamp};
use gatepost_event::{Event, EventRef, store::StoredEvent};

use crate::{
    carried::Carried,
    delivery::{Delivery, fixture::delivery},
    envelope::{self, Envelope},
    plan::Plan,
    route::{Decision, fixture, route},
    sign::{Signed, sign},
};

/// Routes that are about other events, before the one that matches.
const OTHER_ROUTES: usize = 99;

/// What the stages work on.
struct Given {
    plan: Plan,
    frame: Bytes,
    small: Delivery,
    large: Delivery,
    now: Timestamp,
}

#[test]
#[ignore = "tests/cost/run runs it, and counts"]
fn stages() {
    let given = Given::new();
    // The first time works out what is kept.
    run(&given);
    run(&given);
}

fn run(given: &Given) {
    let event = stage_read_frame_2_kib(&given.frame);
    stage_nothing();
    let at = EventRef { id: event.meta.id, partition: 0, sequence: 1, received_at: event.meta.received_at };
    let stored = StoredEvent { at, event: Ok(event) };
    let decision = stage_route_by_100_routes(&given.plan, &stored, given.now);
    stage_nothing();
    assert_eq!(decision.into_tasks().len(), 1);
    // Nobody has looked at its body yet.
    let carried = given.small.clone().into_event().into();
    let envelope = stage_envelope_2_kib(&carried);
    stage_sign_2_kib(&given.small, envelope, given.now);
    stage_nothing();
    let envelope = written(given.large.event());
    stage_sign_7_kib(&given.large, envelope, given.now);
    stage_nothing();
}

#[inline(never)]
fn stage_nothing() {
    black_box(());
}

#[inline(never)]
fn stage_read_frame_2_kib(frame: &Bytes) -> Event {
    Event::from_frame(frame).expect("an event")
}

#[inline(never)]
fn stage_route_by_100_routes(plan: &Plan, stored: &StoredEvent, now: Timestamp) -> Decision {
    route(plan, stored, now)
}

#[inline(never)]
fn stage_envelope_2_kib(event: &Carried) -> Envelope {
    written(event)
}

#[inline(never)]
fn stage_sign_2_kib(delivery: &Delivery, envelope: Envelope, now: Timestamp) -> Signed {
    sign(delivery, envelope, now)
}

#[inline(never)]
fn stage_sign_7_kib(delivery: &Delivery, envelope: Envelope, now: Timestamp) -> Signed {
    sign(delivery, envelope, now)
}

fn written(event: &Carried) -> Envelope {
    envelope::write(event, DeliveryFormat::Json).expect("it can be carried")
}

impl Given {
    fn new() -> Self {
        let key = Secret::new(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_vec(), "a test");
        let secrets = vec![SigningKey::parse(key).expect("a key")];
        let backend = Destination { secrets, ..fixture::destination("backend", None) };
        let (small, large) = (event(2_024), event(7_124));
        let other = |n: usize| {
            let route = fixture::route(&format!("other-{n}"), fixture::to(&["backend"]));
            Route { events: vec![format!("github.other_{n}.*")], ..route }
        };
        let routes = (0..OTHER_ROUTES).map(other).chain([fixture::route("all", fixture::to(&["backend"]))]);
        let config = fixture::config(vec![backend.clone()], routes.collect());
        Self {
            plan: Plan::compile(Arc::new(config), &[]).expect("a plan"),
            frame: small.to_frame().expect("a frame"),
            now: "2026-11-22T17:04:06Z".parse().expect("a time"),
            small: delivery(backend.clone(), small, 1),
            large: delivery(backend, large, 1),
        }
    }
}

/// An event of so many bytes.
fn event(bytes: usize) -> Event {
    let around = r#"{"ref":"refs/heads/main","commits":[],"pusher":""}"#.len();
    let commit = r#"{"id":"1f0e2d3c","message":"Update the price list","modified":["prices.csv"]}"#;
    let commits = (bytes - around) / (commit.len() + 1);
    let padding = bytes - around - (commits * (commit.len() + 1) - 1);
    let (commits, padding) = (vec![commit; commits].join(","), "p".repeat(padding));
    let body = format!(r#"{{"ref":"refs/heads/main","commits":[{commits}],"pusher":"{padding}"}}"#);
    assert_eq!(body.len(), bytes);
    fixture::event("github.push", &body)
}
