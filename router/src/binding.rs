//! Connections that are to receive the events that waited for them. One router does this for all.
//!
//! What is parked under a connection's keys is released in stored order while gateways still park. If there was any, the
//! connection settles: gateways let its requests wait for a moment, and what was parked last is released too. Then it is
//! active. A gateway that heard late may park one more event meanwhile, so a later pass looks again. Every step may be
//! repeated: whoever has the lease next goes on from what the connection's phase says.

mod job;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use gatepost_config::Timestamp;
use gatepost_event::{
    StoreError,
    connection::{self, Found, Phase},
    registry::{Change, Kind},
    store::Watch,
};
use tokio::{sync::watch, task::JoinSet, time::Instant};

use self::job::{Declared, Job};
use crate::{backoff::Backoff, lease::Held, plan::Plan, work::Desk};

/// Connections worked on at once.
const AT_ONCE: usize = 16;
/// Connections that wait for their turn in memory; when there are more, the store is asked again after them.
const WAITING_MAX: usize = 100_000;
/// Connections listed at once.
const PAGE: usize = 1000;
/// When a connection is looked at once more after it is active, and when a declared one is: gateways read the file at
/// their own times.
const LATER: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];
/// The wait after a failure.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What is to be done, and what is.
struct Binder {
    desk: Arc<Desk>,
    plan: watch::Receiver<Arc<Plan>>,
    waiting: VecDeque<Job>,
    /// Jobs that wait or are worked on; `true` when one is to be looked at again after that.
    known: HashMap<Job, bool>,
    later: VecDeque<(Instant, Job)>,
    /// The last event that was parked when a job left nothing behind, for those that are looked at later and don't change
    /// before.
    seen: HashMap<Job, u64>,
    working: JoinSet<(Job, Result<Option<u64>, StoreError>)>,
    declared: HashSet<Declared>,
    /// Some were left out for want of room.
    is_short: bool,
}

/// Binds connections until the lease ends or is to be given up.
pub(crate) async fn follow(desk: Arc<Desk>, plan: watch::Receiver<Arc<Plan>>, held: Held) {
    let mut backoff = Backoff::store();
    let mut binder = Binder::new(desk, plan);
    loop {
        tokio::select! {
            // Dropping the binder ends what is under way; it is repeated by whoever comes next.
            () = held.stopped() => return,
            worked = binder.work() => {
                if let Err(error) = worked {
                    tracing::debug!(%error, "connections can't be followed; trying again");
                }
            }
        }
        tokio::select! {
            () = held.stopped() => return,
            () = backoff.wait() => {}
        }
    }
}

impl Binder {
    fn new(desk: Arc<Desk>, plan: watch::Receiver<Arc<Plan>>) -> Self {
        Self {
            desk,
            plan,
            waiting: VecDeque::new(),
            known: HashMap::new(),
            later: VecDeque::new(),
            seen: HashMap::new(),
            working: JoinSet::new(),
            declared: HashSet::new(),
            is_short: false,
        }
    }

    /// Returns only when the store can't be asked.
    async fn work(&mut self) -> Result<(), StoreError> {
        let mut watch: Watch = self.desk.store.watch(Kind::Connection).await?;
        self.declare();
        self.list().await?;
        loop {
            self.begin();
            if self.is_short && self.waiting.is_empty() {
                self.is_short = false;
                self.list().await?;
                continue;
            }
            let next = self.later.front().map(|(at, _)| *at);
            tokio::select! {
                change = watch.next() => match change? {
                    Change::Put(entry) => match Found::read(&entry) {
                        Ok(found) => self.consider(&found),
                        Err(error) => tracing::error!(%error, "a connection can't be read; it is left alone"),
                    },
                    Change::Removed(_) => {}
                    Change::Missed => self.list().await?,
                },
                Some(ended) = self.working.join_next(), if !self.working.is_empty() => {
                    // One that panicked is told of by the runtime, and taken up again after a restart.
                    if let Ok((job, result)) = ended {
                        self.ended(job, result);
                    }
                }
                Ok(()) = self.plan.changed() => self.declare(),
                () = until(next) => {
                    if let Some((_, job)) = self.later.pop_front() {
                        self.want(job);
                    }
                }
            }
        }
    }

    /// All connections of the store that are on their way.
    async fn list(&mut self) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let page = connection::page(&self.desk.store, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.revision;
            page.iter().for_each(|found| self.consider(found));
        }
    }

    /// Connections of the file that were not seen before; their accounts may have been nobody's until now.
    fn declare(&mut self) {
        let config = Arc::clone(&self.plan.borrow_and_update().config);
        let declared: HashSet<_> = config.connections.iter().filter_map(Declared::of).collect();
        for declared in declared.difference(&self.declared.clone()) {
            let job = Job::Declared(declared.clone());
            LATER.into_iter().for_each(|after| self.look_later(job.clone(), after));
            self.want(job);
        }
        self.declared = declared;
    }

    fn consider(&mut self, found: &Found) {
        let linked = &found.linked;
        let job = || Job::Linked(linked.integration.clone(), linked.id.clone());
        match linked.phase {
            _ if linked.disabled => {}
            Phase::Binding | Phase::Settling => {
                self.seen.remove(&job());
                self.want(job());
            }
            // The router that made it active may have died before it looked once more.
            Phase::Active if linked.active_since.is_some_and(|at| Timestamp::now().since(at) < LATER[1]) => {
                self.look_later(job(), LATER[0]);
            }
            Phase::Active | Phase::Pending => {}
        }
    }

    fn want(&mut self, job: Job) {
        if let Some(again) = self.known.get_mut(&job) {
            *again = true;
        } else if self.waiting.len() >= WAITING_MAX {
            self.is_short = true;
        } else {
            self.known.insert(job.clone(), false);
            self.waiting.push_back(job);
        }
    }

    fn begin(&mut self) {
        if self.known.is_empty() && self.later.is_empty() {
            self.seen.clear();
        }
        while self.working.len() < AT_ONCE
            && let Some(job) = self.waiting.pop_front()
        {
            self.known.insert(job.clone(), false);
            let (desk, config) = (Arc::clone(&self.desk), Arc::clone(&self.plan.borrow().config));
            let seen = self.seen.remove(&job);
            self.working.spawn(async move {
                let result = job::run_unless(&desk, &config, &job, seen).await;
                (job, result)
            });
        }
    }

    fn ended(&mut self, job: Job, result: Result<Option<u64>, StoreError>) {
        let again = self.known.remove(&job).unwrap_or_default();
        match result {
            Ok(_) if again => self.want(job),
            Ok(Some(seen)) if self.seen.len() < WAITING_MAX => drop(self.seen.insert(job, seen)),
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(?job, %error, "a connection's events could not be released; trying again");
                self.look_later(job, AGAIN_AFTER);
            }
        }
    }

    fn look_later(&mut self, job: Job, after: Duration) {
        if self.later.len() >= WAITING_MAX {
            self.is_short = true;
            return;
        }
        let at = Instant::now() + after;
        let place = self.later.partition_point(|(due, _)| *due <= at);
        self.later.insert(place, (at, job));
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
