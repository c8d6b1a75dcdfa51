//! Erases what is stored of a connection or tenant: every router ends its deliveries from when the erasure stands in the
//! registry, and one of them, the one that works on replays, walks through the store once nothing of it can come any
//! more.

use std::{sync::Arc, time::Duration};

use gatepost_config::{Connection, Timestamp};
use gatepost_event::{
    Store, StoreError,
    erasure::{
        Counts, ENDED_KEPT, Job, Known, count, forget_secrets, forget_swept, forget_syncs, is_swept, lives, unlink,
        walk,
    },
    registry::{Entry, Expect, Kind, Put},
    replay::State,
};
use tokio::sync::watch;

use crate::{
    backoff::{Backoff, around},
    lease::Held,
    plan::Plan,
    work::Desk,
};

/// Time between looks for erasures.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What hearing of an erasure, and writing the last records of attempts, may take above the times that the configuration
/// allows for.
const HEARD_WITHIN: Duration = Duration::from_secs(3);

/// What is erased, waiting for the store: nothing is routed or delivered before.
pub(crate) async fn first(store: &Store) -> Known {
    let (known, mut backoff) = (Known::default(), Backoff::store());
    while let Err(error) = known.read(store).await {
        tracing::debug!(%error, "what is erased can't be read; trying again");
        backoff.wait().await;
    }
    known
}

/// Keeps what is known of erasures up to date with the registry. Never returns.
pub(crate) async fn follow(desk: &Desk) {
    let mut backoff = Backoff::store();
    loop {
        if let Err(error) = desk.erasures.follow(&desk.store).await {
            tracing::debug!(%error, "erasures can't be followed; trying again");
        }
        backoff.wait().await;
    }
}

/// Works on erasures until the lease ends or is to be given up.
pub(crate) async fn work(desk: &Desk, plan: watch::Receiver<Arc<Plan>>, held: Held) {
    loop {
        let looked = tokio::select! {
            () = held.stopped() => return,
            looked = look(desk, &plan) => looked,
        };
        if let Err(error) = looked {
            tracing::debug!(%error, "an erasure does not get on; trying again");
        }
        tokio::select! {
            () = held.stopped() => return,
            () = tokio::time::sleep(around(LOOK_EVERY)) => {}
        }
    }
}

async fn look(desk: &Desk, plan: &watch::Receiver<Arc<Plan>>) -> Result<(), StoreError> {
    for (job, entry) in Job::all(&desk.store).await? {
        let plan = plan.borrow().clone();
        if !job.state.is_over() {
            one(desk, &plan, job, &entry).await?;
        } else if job.ended_at.is_some_and(|at| Timestamp::now().since(at) > ENDED_KEPT) {
            forget_swept(&desk.store, job.id).await?;
            let _ = desk.store.remove(Kind::Erasure, &entry.id, Expect::Revision(entry.revision)).await?;
        }
    }
    Ok(())
}

/// Brings one erasure on. Whatever a crash cuts short, or somebody else does at the same time, is safe to repeat.
async fn one(desk: &Desk, plan: &Plan, mut job: Job, entry: &Entry) -> Result<(), StoreError> {
    let (store, declared) = (&desk.store, &plan.config.connections);
    let now = Timestamp::now();
    if job.dry_run {
        let counted = count(store, &job.erasure).await?;
        job.erased = Counts { events: counted.erased.events + counted.left, ..counted.erased };
        job.end(now);
        return write(desk, &job, entry).await;
    }
    let Some(settles_at) = job.settles_at else {
        unlink(store, &job.erasure).await?;
        job.begin(now.after(settles_within(plan)), lives(store, declared, &job.erasure.whose).await?);
        return write(desk, &job, entry).await;
    };
    if now < settles_at {
        return Ok(());
    }
    if job.walked_at.is_none() {
        overwrite(store, declared, &mut job).await?;
    } else if !is_swept(store, job.id).await? {
        return Ok(());
    }
    if job.walked_at.is_some() && is_swept(store, job.id).await? {
        job.end(Timestamp::now());
    }
    write(desk, &job, entry).await
}

/// Overwrites all but refused requests, which are the gateways'.
async fn overwrite(store: &Store, declared: &[Connection], job: &mut Job) -> Result<(), StoreError> {
    if job.erasure.late.is_some() && lives(store, declared, &job.erasure.whose).await? {
        // Made again meanwhile: what comes for it is not what was to be erased.
        job.erasure.late = None;
    }
    forget_secrets(store, declared, &job.erasure).await?;
    let walked = walk(store, &job.erasure).await?;
    forget_syncs(store, &job.erasure).await?;
    job.erased = job.erased.plus(walked.erased);
    job.walked_at = Some(Timestamp::now()).filter(|_| walked.left == 0);
    Ok(())
}

/// How long an event may still be accepted as a connection's, or an attempt be under way, after the erasure.
fn settles_within(plan: &Plan) -> Duration {
    let slowest = plan.backends.iter().map(|backend| backend.destination.timeout).max();
    plan.config.gateway.connections_stale_max + slowest.unwrap_or_default() + HEARD_WITHIN
}

async fn write(desk: &Desk, job: &Job, entry: &Entry) -> Result<(), StoreError> {
    // Somebody else's write is somebody else's walk; the counts are then theirs.
    let put = job.write(&desk.store, Expect::Revision(entry.revision)).await?;
    if let (Put::Stored(_), State::Done) = (put, job.state) {
        let Counts { events, parked, deliveries, dead_letters, attempts } = job.erased;
        let dry_run = job.dry_run;
        tracing::info!(
            erasure = %job.id, dry_run, events, parked, deliveries, dead_letters, attempts, "an erasure has ended"
        );
    }
    Ok(())
}
