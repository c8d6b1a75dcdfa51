//! Deliveries that would outlive their event's bytes.

use std::{sync::Arc, time::Duration};

use gatepost_config::Timestamp;
use gatepost_event::{DeadLetter, DeadReason, Queued, StoreError};

use crate::{
    delivery::note_of,
    lease::Held,
    settle::{self, End, Settled},
    work::Desk,
};

/// Longest time before its event's retention ends that a delivery is given up, so that its dead letter gets the body.
const MARGIN_MAX: Duration = Duration::from_secs(600);

/// Bounds of the time between looks for such deliveries.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(100);
const LOOK_EVERY_MAX: Duration = Duration::from_secs(60);

/// When a delivery of an event is given up.
pub(crate) fn expires_at(received_at: Timestamp, retention: Duration) -> Timestamp {
    received_at.after(retention.saturating_sub(margin(retention)))
}

/// The latest arrival of events whose deliveries are given up at `now`.
pub(crate) fn expired_before(now: Timestamp, retention: Duration) -> Timestamp {
    now.before(retention.saturating_sub(margin(retention)))
}

/// Ends a delivery that waited for too long, as a dead letter with the event's body.
pub(crate) async fn expire(desk: Arc<Desk>, held: Arc<Held>, shard: u16, queued: Queued) -> Settled {
    tokio::select! {
        biased;
        () = held.attempts_ended() => Settled::Abandoned,
        settled = bury(&desk, shard, queued) => settled,
    }
}

async fn bury(desk: &Desk, shard: u16, queued: Queued) -> Settled {
    let task = &queued.task;
    let event = match desk.store.event_of(task).await {
        Ok(event) => event,
        Err(StoreError::Corrupt(_)) => None,
        Err(_) => return Settled::No,
    };
    let detail = Some("it waited until its event's retention ended".to_owned());
    let note = note_of(task, DeadReason::Expired, detail, None, Timestamp::now());
    let letter = DeadLetter { note, event };
    settle::settle(desk, shard, &queued, Arc::new(End::Dead(Box::new(letter)))).await
}

/// Time between looks for deliveries to give up: short enough that their events are still there.
pub(crate) fn look_every(retention: Duration) -> Duration {
    (margin(retention) / 2).clamp(LOOK_EVERY_MIN, LOOK_EVERY_MAX)
}

fn margin(retention: Duration) -> Duration {
    (retention / 10).min(MARGIN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_given_up_a_tenth_of_the_retention_but_at_most_ten_minutes_early() {
        let received = Timestamp::from_millis(1_000_000);
        assert_eq!(expires_at(received, Duration::from_secs(100)).millis(), 1_090_000);
        let two_weeks = Duration::from_secs(14 * 86_400);
        assert_eq!(expires_at(received, two_weeks), received.after(two_weeks).before(Duration::from_secs(600)));
        let now = expires_at(received, two_weeks);
        assert_eq!(expired_before(now, two_weeks), received);
        assert_eq!(look_every(two_weeks), Duration::from_secs(60));
        assert_eq!(look_every(Duration::from_secs(100)), Duration::from_secs(5));
    }
}
