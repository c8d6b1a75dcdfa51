//! What an attempt's answer means for its delivery.

mod retry_after;

use std::time::Duration;

use gatepost_config::{Destination, Timestamp};
use gatepost_event::{Attempt, AttemptError, DeadLetter, DeadReason};

use crate::{
    delivery::{Delivery, note_of},
    lanes::Health,
    send::Sent,
    settle::End,
};

/// Longest wait that a destination may ask for by `Retry-After`, where the schedule's own wait is short.
const ASKED_MAX: Duration = Duration::from_secs(3600);

/// What an attempt's answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The destination has it: 2xx, with a whole answer.
    Taken,
    /// 410: the destination itself is gone for good, and not this delivery alone.
    Gone,
    /// A status that the destination lists as final.
    Final,
    /// Anything else, redirects and broken answers too.
    Failed,
}

/// Judges one attempt.
///
/// - Taken: done.
/// - Gone or final: a dead letter at once. But a tenant's destination that is gone is disabled (see [`crate::standing`]),
///   and its deliveries wait in their lanes, whatever the schedule says.
/// - Failed: another attempt by the schedule (see [`wait`]), or a dead letter when the schedule has run out,
///   or when the event would be gone by then.
///
/// `jitter` is between -1 and 1.
pub(crate) fn judge(delivery: Delivery, sent: Sent, key_ids: Vec<String>, now: Timestamp, jitter: f64) -> End {
    let due = delivery.due();
    let (task, destination) = (due.task(), &due.backend.destination);
    let asked = sent.retry_after.as_deref().and_then(|text| retry_after::parse(text, now));
    let attempt = Attempt {
        delivery: task.delivery,
        event: task.event.id,
        destination: task.destination.clone(),
        number: task.attempt,
        started_at: sent.started_at,
        duration_ms: u64::try_from(sent.took.as_millis()).unwrap_or(u64::MAX),
        phases: sent.phases,
        status: sent.status,
        error: sent.error,
        response: sent.response,
        key_ids,
    };
    match Meaning::of(destination, &attempt) {
        Meaning::Taken => return End::Done(attempt),
        Meaning::Gone if destination.tenant.is_some() => return End::Retry { attempt, at: now },
        Meaning::Gone | Meaning::Final => return dead(delivery, DeadReason::FinalStatus, attempt, now),
        Meaning::Failed => {}
    }
    let Some(wait) = wait(&destination.schedule, task.attempt, asked, jitter) else {
        return dead(delivery, DeadReason::Exhausted, attempt, now);
    };
    let at = now.after(wait);
    match at < due.expires_at {
        true => End::Retry { attempt, at },
        false => dead(delivery, DeadReason::Expired, attempt, now),
    }
}

/// What an attempt says about its destination. Any answer counts as life, but for those that say "not now".
pub(crate) fn health(sent: &Sent) -> Health {
    match (sent.error, sent.status) {
        (None, _) => Health::Answers,
        (Some(AttemptError::Status), Some(429 | 500..)) | (Some(AttemptError::Status), None) => Health::Fails,
        (Some(AttemptError::Status), Some(_)) => Health::Answers,
        (Some(_), _) => Health::Fails,
    }
}

/// How long the backend asks to be left alone, at most an hour.
pub(crate) fn asked_wait(sent: &Sent, now: Timestamp) -> Option<Duration> {
    let asked = sent.retry_after.as_deref().and_then(|text| retry_after::parse(text, now));
    asked.map(|asked| asked.min(ASKED_MAX))
}

/// How long to wait after attempt `made`; `None` when the schedule has no further attempt.
///
/// The schedule's wait changed by `jitter` times a fifth. A destination's `Retry-After` can only lengthen it: then the
/// wait is what was asked, but at least the schedule's own and at most twice that or an hour, whichever is longer.
fn wait(schedule: &[Duration], made: u32, asked: Option<Duration>, jitter: f64) -> Option<Duration> {
    let base = *schedule.get(usize::try_from(made).ok()?)?;
    let usual = base.mul_f64(jitter.clamp(-1.0, 1.0).mul_add(0.2, 1.0));
    Some(match asked {
        None => usual,
        Some(asked) => asked.min(base.saturating_mul(2).max(ASKED_MAX)).max(base),
    })
}

impl Meaning {
    fn of(destination: &Destination, attempt: &Attempt) -> Self {
        match (attempt.error, attempt.status) {
            (None, _) => Self::Taken,
            (Some(AttemptError::Status), Some(GONE)) => Self::Gone,
            (Some(AttemptError::Status), Some(status)) if destination.final_statuses.contains(&status) => Self::Final,
            (Some(_), _) => Self::Failed,
        }
    }
}

const GONE: u16 = 410;

/// The end of a delivery whose event the destination's format can't carry: another attempt would change nothing.
pub(crate) fn unwritable(delivery: Delivery, why: String, now: Timestamp) -> End {
    let note = note_of(delivery.due().task(), DeadReason::Unreadable, Some(why), None, now);
    End::Dead(Box::new(DeadLetter { note, event: Some(delivery.into_event()) }))
}

fn dead(delivery: Delivery, reason: DeadReason, attempt: Attempt, now: Timestamp) -> End {
    let note = note_of(delivery.due().task(), reason, None, Some(attempt), now);
    End::Dead(Box::new(DeadLetter { note, event: Some(delivery.into_event()) }))
}

#[cfg(test)]
mod tests;
