//! Replay jobs: deliveries that an operator asked for once more. One router works on all of them.
//!
//! A job stands in the registry with the place that it reached, so that whoever has the lease next goes on from there;
//! what was under way is owed again and recognised, because ids are made of the job and the event.

pub(crate) mod anew;
mod events;
mod letters;
mod progress;
mod wanted;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::Timestamp;
use gatepost_event::{
    ReplayId, StoreError,
    registry::{Expect, Kind},
    replay::{Job, State},
};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
};

use crate::{
    backoff::{Backoff, around},
    lease::Held,
    own::OwnDestinations,
    plan::Plan,
    work::Desk,
};
use progress::{Going, Kept};
use wanted::Wanted;

/// Time between looks for jobs.
const LOOK_EVERY: Duration = Duration::from_millis(750);

/// Jobs worked on at once; others wait for their turn.
const JOBS_MAX: usize = 8;

/// How long an ended job can be looked at.
const ENDED_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// What one step of a job came to.
pub(crate) enum Step {
    /// So many deliveries are owed anew, and there may be more.
    More(u64),
    /// Nothing is left to look at.
    End,
}

/// Works on all jobs until the lease ends or is to be given up.
pub(crate) async fn follow(desk: Arc<Desk>, plan: watch::Receiver<Arc<Plan>>, held: Held) {
    let mut jobs = JoinSet::new();
    let mut running: HashMap<ReplayId, AbortHandle> = HashMap::new();
    let mut told = HashSet::new();
    loop {
        let looked = tokio::select! {
            // Dropping the set ends what is under way; it goes on from its last kept place.
            () = held.stopped() => return,
            looked = look(&desk, &plan, &mut jobs, &mut running) => looked,
        };
        match looked {
            Ok(unreadable) => {
                for id in unreadable {
                    if told.insert(id.clone()) {
                        tracing::error!(id, "a replay job can't be read; it is left alone");
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "the store can't be asked for replay jobs; trying again"),
        }
        tokio::select! {
            () = held.stopped() => return,
            () = tokio::time::sleep(around(LOOK_EVERY)) => {}
        }
        while jobs.try_join_next().is_some() {}
        running.retain(|_, job| !job.is_finished());
    }
}

/// Begins what can begin, and forgets what ended long ago. The ids of entries that are no jobs.
async fn look(
    desk: &Arc<Desk>,
    plan: &watch::Receiver<Arc<Plan>>,
    jobs: &mut JoinSet<()>,
    running: &mut HashMap<ReplayId, AbortHandle>,
) -> Result<Vec<String>, StoreError> {
    let now = Timestamp::now();
    let mut unreadable = Vec::new();
    let mut open = Vec::new();
    for entry in desk.store.entries(Kind::Replay).await? {
        match serde_json::from_slice::<Job>(&entry.value) {
            Err(_) => unreadable.push(entry.id),
            Ok(job) if !job.state.is_over() => open.push((job, entry.revision)),
            Ok(job) if job.ended_at.is_some_and(|at| now.since(at) > ENDED_KEPT) => {
                let _ = desk.store.remove(Kind::Replay, &entry.id, Expect::Revision(entry.revision)).await?;
            }
            Ok(_) => {}
        }
    }
    // Ids sort by the time they were made: the first asked for goes first.
    open.sort_by_key(|(job, _)| job.id);
    for (job, revision) in open {
        if running.len() >= JOBS_MAX || running.contains_key(&job.id) {
            continue;
        }
        let id = job.id;
        let (desk, plan) = (desk.clone(), plan.clone());
        running.insert(id, jobs.spawn(async move { run(&desk, plan, Going::new(job, revision)).await }));
    }
    Ok(unreadable)
}

/// Works on one job to its end.
async fn run(desk: &Desk, plan: watch::Receiver<Arc<Plan>>, mut going: Going) {
    let mut backoff = Backoff::store();
    let (mut wanted, mut own) = (None, OwnDestinations::default());
    tracing::info!(replay = %going.job.id, dry_run = going.job.wish.dry_run, "replaying");
    loop {
        let began = Instant::now();
        if going.job.cancel {
            return end(desk, going, State::Cancelled, None).await;
        }
        let current = plan.borrow().clone();
        match step(desk, &current, &mut going, &mut wanted, &mut own).await {
            Ok(Step::End) => return end(desk, going, State::Done, None).await,
            Ok(Step::More(owed)) => {
                going.job.state = State::Running;
                if keep(desk, &mut going).await == Kept::Gone {
                    return;
                }
                backoff = Backoff::store();
                pace(&going.job, owed, began).await;
            }
            Err(StoreError::Corrupt(why)) => return end(desk, going, State::Failed, Some(why)).await,
            Err(error) => {
                tracing::debug!(replay = %going.job.id, %error, "a step of a replay failed; trying again");
                backoff.wait().await;
            }
        }
    }
}

async fn step(
    desk: &Desk,
    plan: &Arc<Plan>,
    going: &mut Going,
    wanted: &mut Option<Wanted>,
    own: &mut OwnDestinations,
) -> Result<Step, StoreError> {
    let wanted = match wanted {
        Some(wanted) => wanted,
        None => wanted.insert(Wanted::new(&desk.store, &going.job).await?),
    };
    if going.job.place.sources.is_empty() {
        going.job.place.sources = match going.job.wish.reroute {
            true => events::sources(&desk.store, &going.job).await?,
            false => letters::sources(),
        };
    }
    match going.job.wish.reroute {
        true => events::step(desk, plan, &mut going.job, wanted, own).await,
        false => letters::step(desk, plan, &mut going.job, wanted, own).await,
    }
}

/// Waits until as many deliveries as were owed may be.
async fn pace(job: &Job, owed: u64, began: Instant) {
    let Some(rate) = job.wish.rate.filter(|_| !job.wish.dry_run) else { return };
    let due = began + Duration::from_secs_f64(owed as f64 / f64::from(rate.max(1)));
    tokio::time::sleep_until(due.into()).await;
}

async fn end(desk: &Desk, mut going: Going, state: State, error: Option<String>) {
    going.job.state = state;
    going.job.ended_at = Some(Timestamp::now());
    going.job.error = error;
    keep(desk, &mut going).await;
    let Job { id, progress, error, .. } = going.job;
    let (examined, owed, skipped) = (progress.examined, progress.owed, progress.skipped);
    tracing::info!(replay = %id, ?state, examined, owed, skipped, error, "a replay has ended");
}

/// Writes down how far a job is, trying until the store has it.
async fn keep(desk: &Desk, going: &mut Going) -> Kept {
    let mut backoff = Backoff::store();
    loop {
        match going.keep(&desk.store).await {
            Ok(kept) => return kept,
            Err(error) => {
                tracing::debug!(replay = %going.job.id, %error, "a replay's place could not be kept; trying again");
                backoff.wait().await;
            }
        }
    }
}
