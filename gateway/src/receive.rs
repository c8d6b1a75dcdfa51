//! The way of one webhook, from its head to its answer.

use std::{sync::Arc, time::Instant};

use http::Request;
use hyper::body::Incoming;

use crate::{
    announce,
    answer::{self, Answer, Response},
    attribute, captured, claimants, event, handshake,
    inbound::{self, Arrival},
    inflate, keys, quota,
    serve::Gateway,
    split, store,
};

/// Takes one webhook all the way: read, proven genuine, split, attributed, stored, answered.
///
/// What few of them wait for is in a box of its own, here and in the stages: this future is moved for every one, and as
/// long as its longest way.
pub(crate) async fn receive(gateway: &Arc<Gateway>, arrival: Arc<Arrival>, request: Request<Incoming>) -> Response {
    let began = Instant::now();
    let outcome = async {
        let inbound = inbound::read(Arc::clone(&arrival), request, gateway).await?;
        let inbound = inflate::before_check(inbound, Some(&gateway.inflight))?;
        captured::known(&inbound)?;
        if let Some(reply) = handshake::unsigned(&inbound)? {
            return Ok(Answer::Handshake(Box::pin(captured::keep(reply, &inbound, gateway)).await?));
        }
        let unproven = claimants::unproven(&inbound, gateway).await?;
        let verified = keys::prove(inbound, &unproven, gateway).await?;
        let verified = inflate::after_check(verified, Some(&gateway.inflight))?;
        if let Some(reply) = handshake::signed(&verified)? {
            keys::visit(&reply, &verified, gateway).await?;
            return Ok(Answer::Handshake(reply));
        }
        let split = split::split(verified)?;
        let told = announce::heard(&split);
        let claimants = claimants::of_parts(&split, gateway).await?;
        let attributed = attribute::attribute(split, &claimants)?;
        let accepted = event::accept(attributed);
        let admitted = quota::admit(accepted, gateway)?;
        let stored = store::append(admitted, gateway).await?;
        announce::note(told, stored.inbound(), gateway).await?;
        Ok(Answer::Stored(stored))
    };
    let outcome = outcome.await;
    answer::respond(gateway, &arrival, began, outcome)
}
