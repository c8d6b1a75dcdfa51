//! An endpoint of the operator's: one POST a run, signed as deliveries are.

use std::time::Instant;

use gatepost_config::Timestamp;
use gatepost_event::DeliveryId;
use serde_json::json;

use super::run::{Run, Said, failure};
use crate::{
    envelope::Envelope,
    filter,
    lanes::Health,
    outcome,
    send::{self, Sent},
    sign,
    work::Desk,
};

/// The status that says that an earlier run is still under way.
const CONFLICT: u16 = 409;

/// Asks for a run; the answer is its end.
pub(super) async fn ask(desk: &Desk, run: &Run) -> (Said, Option<Health>) {
    let backend = &run.engine.backend;
    run.pace.wait(&backend.destination).await;
    let now = Timestamp::now();
    let body = match body(run).await {
        Ok(body) => Envelope::of_json(body),
        Err(error) => {
            let error = format!("the engine's body: {error}");
            return (Said::Failed { error, after: None, counts: true }, None);
        }
    };
    let id = DeliveryId::fresh(now).to_string();
    let signed = sign::sign_call(&backend.destination, body, &id, now);
    let sent = send::send(&desk.outside, backend, signed).await;
    let health = outcome::health(&sent);
    (judge(&sent, now), Some(health))
}

/// The usual request, or what the configuration makes of it.
async fn body(run: &Run) -> Result<Vec<u8>, String> {
    let usual = request(run);
    match run.engine.body.clone() {
        None => Ok(usual.to_string().into_bytes()),
        Some(body) => filter::on_big_stack(move || body.of(usual, Instant::now())).await?,
    }
}

/// What is asked for, also of workers on NATS.
pub(super) fn request(run: &Run) -> serde_json::Value {
    let key = &run.go.key;
    json!({
        "version": 1,
        "engine": key.engine,
        "sync": key.sync,
        "integration": key.integration,
        "connection": key.connection,
        "reason": run.go.why.word(),
        "first_event_at": run.go.first_at,
    })
}

fn judge(sent: &Sent, now: Timestamp) -> Said {
    match (sent.error, sent.status) {
        (None, _) => Said::Succeeded,
        (_, Some(CONFLICT)) => Said::Busy,
        _ => failure(sent, outcome::asked_wait(sent, now)),
    }
}
