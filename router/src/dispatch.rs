//! Gives each delivery its slot: the one task that works on the [`Lanes`] of all shards this router owns.
//!
//! It never waits for the store or a destination itself. A delivery has a slot while an attempt of it is under way; the
//! slots are bounded over all destinations (`router.concurrency`) and for each.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::{DestinationId, Timestamp};
use gatepost_event::{Lane, Queued, StoreError, Task, id::Token, store::LaneCount, subject::destination_token};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{Id, JoinError, JoinSet},
    time::timeout,
};

use crate::{
    delivery::Due,
    expiry,
    lanes::{Ended, Go, Health, Lanes, Pass, Refill},
    lease::Held,
    plan::{Backend, Plan},
    settle::Settled,
    standing::Known,
    work::{self, Attempted, Desk, Report},
};

/// Questions for lanes' heads under way at once.
const REFILLS_MAX: usize = 16;

/// Longest time that such a question may take.
const REFILL_TIME_MAX: Duration = Duration::from_secs(5);

/// Longest time without looking at the lanes.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Most deliveries ended by one such look.
const EXPIRED_MAX: usize = 256;

/// Tasks read of a lane whose destination is not configured, to see whether they waited for too long.
const UNKNOWN_HEADS: usize = 32;

/// What a shard's follower tells the dispatcher.
#[derive(Debug)]
pub(crate) enum Note {
    /// The shard is worked on from now.
    Opened(u16, Held),
    /// What its lanes hold; `true` when arrivals may have gone unheard.
    Listed(u16, Vec<LaneCount>, bool),
    /// A task arrived.
    Arrived(u16, Lane, Box<Queued>),
    /// The first task of an ordered lane may go earlier than was said.
    Sooner(Lane),
    /// Nothing of the shard begins any more; answer when nothing of it is under way.
    Closed(u16, oneshot::Sender<()>),
}

/// The dispatcher.
pub(crate) struct Dispatcher {
    desk: Arc<Desk>,
    plan: watch::Receiver<Arc<Plan>>,
    standings: watch::Receiver<Arc<Known>>,
    lanes: Lanes,
    shards: HashMap<u16, Shard>,
    under_way: JoinSet<Report>,
    started: HashMap<Id, Started>,
    /// Ends being stored without a slot, by destination.
    settling: HashMap<Token, usize>,
    slots_used: usize,
    bytes_used: u64,
    refills: JoinSet<Heads>,
    refills_asked: HashMap<Id, Refill>,
    scans: JoinSet<(Lane, u16, Vec<Queued>)>,
    unknown_told: HashSet<DestinationId>,
}

/// A lane's heads; none when the store did not answer.
type Heads = Option<Vec<Queued>>;

struct Shard {
    held: Held,
    flying: usize,
    drained: Option<oneshot::Sender<()>>,
}

/// A delivery under way.
#[derive(Debug, Clone, Copy)]
struct Started {
    lane: Lane,
    shard: u16,
    position: u64,
    /// It has one of the router's slots until its end is stored.
    has_slot: bool,
    /// It has one of its destination's until the attempt is over, and got it by this leave.
    pass: Option<Pass>,
    /// What the attempt said of the destination, when it is over and the destination's slot was kept.
    health: Option<Health>,
    /// Its end is being stored without a slot of its destination's.
    is_settling: bool,
    bytes: u64,
}

impl Started {
    const fn slotted(lane: Lane, shard: u16, position: u64, pass: Pass, bytes: u64) -> Self {
        Self { has_slot: true, pass: Some(pass), bytes, ..Self::unslotted(lane, shard, position) }
    }

    const fn unslotted(lane: Lane, shard: u16, position: u64) -> Self {
        Self { lane, shard, position, has_slot: false, pass: None, health: None, is_settling: false, bytes: 0 }
    }
}

impl Dispatcher {
    /// With nothing to do yet.
    pub(crate) fn new(desk: Arc<Desk>, plan: watch::Receiver<Arc<Plan>>) -> Self {
        let lanes = Lanes::new(plan.borrow().clone());
        let standings = desk.standings.subscribe();
        Self {
            desk,
            plan,
            standings,
            lanes,
            shards: HashMap::new(),
            under_way: JoinSet::new(),
            started: HashMap::new(),
            settling: HashMap::new(),
            slots_used: 0,
            bytes_used: 0,
            refills: JoinSet::new(),
            refills_asked: HashMap::new(),
            scans: JoinSet::new(),
            unknown_told: HashSet::new(),
        }
    }

    /// Works until all senders of notes are gone.
    pub(crate) async fn run(mut self, mut notes: mpsc::Receiver<Note>) {
        let mut count_tick = tokio::time::interval(Duration::from_secs(1));
        let mut look_for_expired = Instant::now();
        loop {
            self.begin();
            let wake = self.lanes.wakes_at().unwrap_or_else(|| Instant::now() + LOOK_EVERY);
            tokio::select! {
                note = notes.recv() => match note {
                    Some(note) => self.hear(note),
                    None => return,
                },
                Some(ended) = self.under_way.join_next_with_id() => self.ended(ended),
                Some(answer) = self.refills.join_next_with_id() => self.refilled(answer),
                Some(Ok((lane, shard, heads))) = self.scans.join_next() => self.scanned(lane, shard, heads),
                () = tokio::time::sleep_until(wake.into()) => {}
                Ok(()) = self.plan.changed() => self.replan(),
                Ok(()) = self.standings.changed() => self.stand(),
                _ = count_tick.tick() => self.count(),
                () = tokio::time::sleep_until(look_for_expired.into()) => {
                    look_for_expired = Instant::now() + expiry::look_every(self.plan.borrow().retention.shortest(|kept| kept.events));
                    self.look_for_expired();
                }
            }
        }
    }

    /// Begins whatever can begin now.
    fn begin(&mut self) {
        // Before anything else begins: an attempt that has just ended may have shut its destination.
        if self.standings.has_changed().unwrap_or(false) {
            self.stand();
        }
        let now = Instant::now();
        let (slots, bytes) = {
            let plan = self.plan.borrow();
            (plan.config.router.concurrency.max(1), plan.config.router.inflight_bytes_max.0.max(1))
        };
        while self.slots_used < slots && self.bytes_used < bytes {
            let scarce = self.slots_used >= slots / 2 || self.bytes_used >= bytes / 2;
            let shards = &self.shards;
            let may_begin = |shard: u16| shards.get(&shard).is_some_and(|shard| shard.held.may_begin(now));
            let Some(go) = self.lanes.next(now, Timestamp::now(), scarce, may_begin) else { break };
            self.go(go);
        }
        while self.refills.len() < REFILLS_MAX
            && let Some(refill) = self.lanes.refill()
        {
            let desk = self.desk.clone();
            let id = self.refills.spawn(async move { heads(&desk, refill).await }).id();
            self.refills_asked.insert(id, refill);
        }
    }

    fn go(&mut self, go: Go) {
        let Go { lane, shard, queued, backend, pass } = go;
        let (position, bytes) = (queued.position, queued.task.bytes);
        if let Some(due) = self.due(shard, queued, backend) {
            self.slots_used += 1;
            self.bytes_used += bytes;
            let id = self.under_way.spawn(work::deliver(self.desk.clone(), due)).id();
            self.note_start(id, Started::slotted(lane, shard, position, pass, bytes));
        }
    }

    fn due(&self, shard: u16, queued: Queued, backend: Arc<Backend>) -> Option<Due> {
        let held = self.shards.get(&shard)?.held.clone();
        let kept = self.plan.borrow().retention.of(&queued.task.integration).events;
        let expires_at = expiry::expires_at(queued.task.event.received_at, kept);
        Some(Due { queued, shard, held, backend, expires_at })
    }

    fn note_start(&mut self, id: Id, started: Started) {
        if let Some(shard) = self.shards.get_mut(&started.shard) {
            shard.flying += 1;
        }
        self.started.insert(id, started);
    }

    fn hear(&mut self, note: Note) {
        match note {
            Note::Opened(shard, held) => {
                self.shards.insert(shard, Shard { held, flying: 0, drained: None });
            }
            Note::Listed(shard, counts, _) if self.shards.contains_key(&shard) => self.lanes.listed(shard, &counts),
            Note::Arrived(shard, lane, queued) if self.shards.contains_key(&shard) => {
                self.tell_unknown(&lane, &queued);
                self.lanes.arrived(shard, lane, *queued);
            }
            Note::Sooner(lane) => self.lanes.sooner(lane),
            Note::Listed(..) | Note::Arrived(..) => {}
            Note::Closed(shard, drained) => {
                self.lanes.close(shard);
                if let Some(shard) = self.shards.get_mut(&shard) {
                    shard.drained = Some(drained);
                }
                self.let_go(shard);
            }
        }
    }

    /// Says that a closed shard has nothing under way any more, once it hasn't.
    fn let_go(&mut self, number: u16) {
        if self.shards.get(&number).is_some_and(|shard| shard.flying == 0 && shard.drained.is_some())
            && let Some(drained) = self.shards.remove(&number).and_then(|shard| shard.drained)
        {
            // The follower may be gone already.
            let _ = drained.send(());
        }
    }

    fn ended(&mut self, ended: Result<(Id, Report), JoinError>) {
        let (id, report) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "an attempt failed inside gatepost; the delivery stays owed");
                (error.id(), Report::Ended(Settled::No))
            }
        };
        let Some(started) = self.started.remove(&id) else { return };
        let settled = match report {
            Report::Ended(settled) => settled,
            Report::Attempted(attempted) => return self.attempted(started, *attempted),
        };
        let Started { lane, position, pass, health, bytes, .. } = started;
        if started.is_settling {
            self.has_settled(lane.destination);
        }
        if started.has_slot {
            self.slots_used = self.slots_used.saturating_sub(1);
            self.bytes_used = self.bytes_used.saturating_sub(bytes);
        }
        if let Some(pass) = pass {
            self.lanes.leave_gate(&lane, pass, health, Instant::now());
        }
        self.lanes.ended(Ended { lane, position, settled }, Instant::now());
        if let Some(shard) = self.shards.get_mut(&started.shard) {
            shard.flying = shard.flying.saturating_sub(1);
        }
        self.let_go(started.shard);
    }

    /// Has an attempt's end stored. Its destination's slot is free meanwhile, but for no more ends than it has slots: so
    /// many attempts are made again at most when the router dies now.
    fn attempted(&mut self, mut started: Started, attempted: Attempted) {
        let settling = self.settling.entry(started.lane.destination).or_default();
        started.health = Some(attempted.health);
        if *settling < attempted.slots() {
            *settling += 1;
            started.is_settling = true;
            if let Some(pass) = started.pass.take() {
                self.lanes.leave_gate(&started.lane, pass, started.health, Instant::now());
            }
        }
        let id = self.under_way.spawn(work::settle(self.desk.clone(), attempted)).id();
        self.started.insert(id, started);
    }

    fn has_settled(&mut self, destination: Token) {
        if let Entry::Occupied(mut settling) = self.settling.entry(destination) {
            *settling.get_mut() -= 1;
            if *settling.get() == 0 {
                settling.remove();
            }
        }
    }

    fn refilled(&mut self, answer: Result<(Id, Heads), JoinError>) {
        let (id, heads) = match answer {
            Ok((id, heads)) => (id, heads),
            Err(error) => (error.id(), None),
        };
        if let Some(asked) = self.refills_asked.remove(&id) {
            self.lanes.refilled(asked, heads, Instant::now());
        }
    }

    fn replan(&mut self) {
        let plan = self.plan.borrow_and_update().clone();
        self.unknown_told.retain(|id| plan.backend_named(id).is_none());
        self.lanes.replan(plan);
    }

    fn stand(&mut self) {
        let known = self.standings.borrow_and_update().clone();
        let shut = known.iter().filter(|(_, standing)| standing.is_shut()).map(|(id, _)| destination_token(id));
        self.lanes.shut(shut.collect(), Instant::now());
    }

    fn tell_unknown(&mut self, lane: &Lane, queued: &Queued) {
        let destination = &queued.task.destination;
        if self.plan.borrow().backend(&lane.destination).is_none() && self.unknown_told.insert(destination.clone()) {
            tracing::warn!(
                %destination,
                "deliveries wait for a destination that is not configured; configure it again or they end as expired"
            );
        }
    }

    fn count(&self) {
        let (known, unknown) = self.lanes.waiting();
        self.desk.metrics.waiting(known, unknown);
        self.desk.metrics.slots(self.slots_used, self.bytes_used);
        self.desk.metrics.unanswering(self.lanes.unanswering());
    }

    /// Ends deliveries that waited until their event's retention ended: those remembered, and those of destinations
    /// that are not configured, which only the store remembers.
    fn look_for_expired(&mut self) {
        let is_expired = self.is_expired();
        for (lane, shard, queued) in self.lanes.take_expired(is_expired, EXPIRED_MAX) {
            self.expire(lane, shard, queued);
        }
        for (lane, shard) in self.lanes.unknown().collect::<Vec<_>>() {
            let desk = self.desk.clone();
            let ask = Refill { lane, shard, after: 0, limit: UNKNOWN_HEADS };
            self.scans.spawn(async move { (lane, shard, heads(&desk, ask).await.unwrap_or_default()) });
        }
    }

    fn scanned(&mut self, lane: Lane, shard: u16, heads: Vec<Queued>) {
        let is_expired = self.is_expired();
        for queued in heads {
            self.tell_unknown(&lane, &queued);
            if is_expired(&queued.task) && self.lanes.take(&lane, queued.position) {
                self.expire(lane, shard, queued);
            }
        }
    }

    /// Whether what is owed is to be given up now.
    fn is_expired(&self) -> impl Fn(&Task) -> bool + use<> {
        let (plan, now) = (Arc::clone(&self.plan.borrow()), Timestamp::now());
        move |task| {
            let kept = plan.retention.of(&task.integration).events;
            task.event.received_at < expiry::expired_before(now, kept)
        }
    }

    fn expire(&mut self, lane: Lane, shard: u16, queued: Queued) {
        let Some(held) = self.shards.get(&shard).map(|shard| shard.held.clone()) else { return };
        let position = queued.position;
        let expiring = expiry::expire(self.desk.clone(), held, shard, queued);
        let id = self.under_way.spawn(async { Report::Ended(expiring.await) }).id();
        self.note_start(id, Started::unslotted(lane, shard, position));
    }
}

async fn heads(desk: &Desk, ask: Refill) -> Heads {
    match timeout(REFILL_TIME_MAX, desk.store.heads(ask.shard, &ask.lane, ask.after, ask.limit)).await {
        Ok(Ok(heads)) => Some(heads),
        Ok(Err(StoreError::Corrupt(error))) => {
            tracing::error!(lane = %ask.lane, error, "a lane can't be read; its deliveries wait");
            None
        }
        // The store is away: the ownership says so, once.
        Ok(Err(_)) | Err(_) => None,
    }
}
