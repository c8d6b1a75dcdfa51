//! Gives each delivery its slot: the one task that works on the [`Lanes`] of all shards this router owns.
//!
//! It never waits for the store or a destination itself. A delivery has a slot while an attempt of it is under way; the
//! slots are bounded over all destinations (`router.concurrency`) and for each.

mod expired;
mod unanswering;

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::{DeliveryFormat, DestinationId, Timestamp};
use gatepost_event::{EventRef, Lane, Queued, StoreError, id::Token, store::LaneCount, subject::destination_token};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
    task::{Id, JoinError, JoinSet},
    time::timeout,
};

use crate::{
    answering,
    delivery::{self, Due},
    expiry,
    lanes::{Ended, Go, Lanes, Pass, Refill},
    lease::Held,
    plan::{Backend, Plan},
    settle::Settled,
    standing::Known,
    work::{self, Answered, Answers, Desk, Report},
    workers::Shares,
};

/// Questions for lanes' heads under way at once.
const REFILLS_MAX: usize = 16;

/// Longest time that such a question may take.
const REFILL_TIME_MAX: Duration = Duration::from_secs(5);

/// Reads of events whose turn is near under way at once.
const AHEAD_MAX: usize = 8;

/// Answers that may wait to be heard; one more is heard of when its end is stored.
const ANSWERS_MAX: usize = 1024;

/// Ends of one destination that may be on their way to the store, for each of its slots.
const SETTLING_EACH: usize = 4;

/// What is heard of each kind before something may begin.
const HEARD_MAX: usize = 64;

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
    /// Where lanes and events are read before their turn: beside the thread that deliveries are made on, where that is
    /// another, since it is the one that a backlog keeps busy.
    reading: Handle,
    desk: Arc<Desk>,
    plan: watch::Receiver<Arc<Plan>>,
    standings: watch::Receiver<Arc<Known>>,
    lanes: Lanes,
    shards: HashMap<u16, Shard>,
    under_way: JoinSet<Report>,
    shares: Shares,
    started: HashMap<Id, Started>,
    answers: Answers,
    answered: mpsc::Receiver<Answered>,
    /// Ends being stored without a slot, by destination.
    settling: HashMap<Token, usize>,
    slots_used: usize,
    bytes_used: u64,
    refills: JoinSet<Heads>,
    refills_asked: HashMap<Id, Refill>,
    ahead: JoinSet<()>,
    scans: JoinSet<(Lane, u16, Vec<Queued>)>,
    unknown_told: HashSet<DestinationId>,
    unanswering: unanswering::Told,
}

/// A lane's heads; none when the store did not answer.
type Heads = Option<Vec<Queued>>;

struct Shard {
    held: Arc<Held>,
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
    /// How many slots the destination has.
    slots: usize,
    /// Its end is being stored without a slot of its destination's.
    is_settling: bool,
    bytes: u64,
}

impl Started {
    const fn unslotted(lane: Lane, shard: u16, position: u64) -> Self {
        Self { lane, shard, position, has_slot: false, pass: None, slots: 0, is_settling: false, bytes: 0 }
    }
}

impl Dispatcher {
    /// With nothing to do yet. What it reads before its turn it reads on the runtime that this is called on.
    pub(crate) fn new(
        desk: Arc<Desk>,
        plan: watch::Receiver<Arc<Plan>>,
        shares: Shares,
        unanswering: watch::Sender<Arc<answering::Shards>>,
    ) -> Self {
        let lanes = Lanes::new(plan.borrow().clone());
        let standings = desk.standings.subscribe();
        let (answers, answered) = mpsc::channel(ANSWERS_MAX);
        let mut dispatcher = Self {
            reading: Handle::current(),
            desk,
            plan,
            standings,
            lanes,
            shards: HashMap::new(),
            under_way: JoinSet::new(),
            shares,
            started: HashMap::new(),
            answers,
            answered,
            settling: HashMap::new(),
            slots_used: 0,
            bytes_used: 0,
            refills: JoinSet::new(),
            refills_asked: HashMap::new(),
            ahead: JoinSet::new(),
            scans: JoinSet::new(),
            unknown_told: HashSet::new(),
            unanswering: unanswering::Told::new(unanswering),
        };
        dispatcher.stand();
        dispatcher
    }

    /// Works until all senders of notes are gone.
    pub(crate) async fn run(mut self, mut notes: mpsc::Receiver<Note>) {
        let mut count_tick = tokio::time::interval(Duration::from_secs(1));
        let mut look_for_expired = Instant::now();
        let mut pause = pin!(tokio::time::sleep_until(look_for_expired.into()));
        loop {
            let has_room = self.begin();
            let next =
                self.lanes.wakes_at().filter(|_| has_room).map_or(look_for_expired, |at| at.min(look_for_expired));
            let wake = tokio::time::Instant::from(next);
            // Seldom another time than before: setting it costs a lock that all timers share.
            if pause.deadline() != wake || pause.is_elapsed() {
                pause.as_mut().reset(wake);
            }
            tokio::select! {
                note = notes.recv() => match note {
                    Some(note) => self.hear(note),
                    None => return,
                },
                Some(answered) = self.answered.recv() => self.answered(answered),
                Some(ended) = self.under_way.join_next_with_id() => self.ended(ended),
                Some(answer) = self.refills.join_next_with_id() => self.refilled(answer),
                Some(_) = self.ahead.join_next() => {}
                Some(Ok((lane, shard, heads))) = self.scans.join_next() => self.scanned(lane, shard, heads),
                Ok(()) = self.plan.changed() => self.replan(),
                Ok(()) = self.standings.changed() => self.stand(),
                _ = count_tick.tick() => self.count(),
                () = &mut pause => if look_for_expired <= Instant::now() {
                    look_for_expired = Instant::now() + expiry::look_every(self.plan.borrow().retention.shortest(|kept| kept.events));
                    self.look_for_expired();
                }
            }
            self.hear_what_is_here(&mut notes);
        }
    }

    /// Hears what need not be waited for, so that what is dear to find out is found out once for all of it.
    fn hear_what_is_here(&mut self, notes: &mut mpsc::Receiver<Note>) {
        for _ in 0..HEARD_MAX {
            let Ok(answered) = self.answered.try_recv() else { break };
            self.answered(answered);
        }
        for _ in 0..HEARD_MAX {
            let Some(ended) = self.under_way.try_join_next_with_id() else { break };
            self.ended(ended);
        }
        for _ in 0..HEARD_MAX {
            let Ok(note) = notes.try_recv() else { break };
            self.hear(note);
        }
    }

    /// Begins whatever can begin now. Whether there is room for more.
    fn begin(&mut self) -> bool {
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
            let id = self.refills.spawn_on(async move { heads(&desk, refill).await }, &self.reading).id();
            self.refills_asked.insert(id, refill);
        }
        self.slots_used < slots && self.bytes_used < bytes
    }

    fn go(&mut self, go: Go) {
        let Go { lane, shard, queued, backend, pass, ahead } = go;
        let (position, bytes, slots) = (queued.position, queued.task.bytes, backend.destination.concurrency);
        let format = backend.destination.format;
        if let Some(due) = self.due(shard, queued, backend) {
            self.slots_used += 1;
            self.bytes_used += bytes;
            let turn = work::deliver(self.desk.clone(), Arc::new(due), self.answers.clone());
            let id = self.shares.give(&mut self.under_way, turn);
            let unslotted = Started::unslotted(lane, shard, position);
            self.note_start(id, Started { has_slot: true, pass: Some(pass), slots, bytes, ..unslotted });
            self.read_ahead(ahead, format);
        }
    }

    fn read_ahead(&mut self, wanted: Vec<EventRef>, format: DeliveryFormat) {
        if !wanted.is_empty() && self.ahead.len() < AHEAD_MAX {
            self.ahead.spawn_on(delivery::read_ahead(self.desk.clone(), wanted, format), &self.reading);
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
                self.shards.insert(shard, Shard { held: Arc::new(held), flying: 0, drained: None });
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
                (error.id(), Report { settled: Settled::No, health: None })
            }
        };
        self.shares.ended(id);
        let Some(started) = self.started.remove(&id) else { return };
        let Report { settled, health } = report;
        let Started { lane, position, pass, bytes, .. } = started;
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

    /// An attempt is over, and its end is being stored. Its destination's slot is free meanwhile, but for no more ends
    /// than four times as many as it has slots: so many attempts are made again at most when the router dies now.
    fn answered(&mut self, Answered { by, health }: Answered) {
        // What has ended already was told with its end.
        let Some(started) = self.started.get_mut(&by) else { return };
        let settling = self.settling.entry(started.lane.destination).or_default();
        if *settling < started.slots.saturating_mul(SETTLING_EACH)
            && let Some(pass) = started.pass.take()
        {
            *settling += 1;
            started.is_settling = true;
            let lane = started.lane;
            self.lanes.leave_gate(&lane, pass, Some(health), Instant::now());
        }
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

    fn count(&mut self) {
        let (known, unknown) = self.lanes.waiting();
        self.desk.metrics.waiting(known, unknown);
        self.desk.metrics.slots(self.slots_used, self.bytes_used);
        let owned = self.shards.iter().filter(|(_, shard)| shard.drained.is_none()).map(|(number, _)| *number);
        self.unanswering.tell(owned, self.lanes.unanswering(), Timestamp::now(), &self.desk.metrics);
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
