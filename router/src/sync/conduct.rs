//! Runs the syncs of the engines whose shards this router owns: the one task that works on their [`Board`]s.
//!
//! It never waits for the store or an engine itself.

mod ended;
mod shards;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_event::{Lane, id::Token, registry::Entry, sync::SyncWish};
use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, Id, JoinSet},
};

use super::{
    board::Go,
    lane::{self, Looked},
    live::Live,
    record::{self, Remembered},
    run::{self, Came, Run},
    worked::{self, Clock, Worked},
};
use crate::{
    dispatch::Note,
    lanes::gate::{Claim, Pass, Verdict},
    lease::Held,
    plan::Plan,
    standing::Known,
    work::Desk,
};

/// Looks at lanes under way at once.
const LOOKS_MAX: usize = 16;

/// Wait before a lane is looked at again that could not be.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Longest time without looking at the boards.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Time between writes of what changed.
const STORE_EVERY: Duration = Duration::from_secs(1);

/// What is heard of syncs beside what their lanes hold.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Somebody asks for a run.
    Wish(Entry),
    /// These connections of the registry are live.
    Live(Vec<Live>),
    /// An engine answered while a run that its gate let begin goes on.
    Answers(Token, Pass),
    /// An engine says that a run of the sync that this stands for has ended.
    Ran(Token),
}

/// The conductor.
pub(crate) struct Conductor {
    desk: Arc<Desk>,
    plan: watch::Receiver<Arc<Plan>>,
    /// Engines that somebody paused are among them.
    standings: watch::Receiver<Arc<Known>>,
    clock: Clock,
    shards: HashMap<u16, Held>,
    worked: HashMap<Token, Worked>,
    lives: u64,
    /// Connections that were made at run time.
    linked: Vec<Live>,
    to_look: VecDeque<Lane>,
    looks: usize,
    done: JoinSet<Done>,
    begun: HashMap<Id, Begun>,
}

/// A run under way, or the burial of what it was for.
struct Begun {
    engine: Token,
    life: u64,
    go: Go,
    pass: Option<Pass>,
    wish: Option<(String, u64)>,
    task: AbortHandle,
}

/// What was done beside the conductor.
enum Done {
    Ran(Option<Came>),
    GaveUp(bool),
    Looked(Lane, Looked),
    Loaded(Token, u64, Box<Remembered>),
    Stored(Token, u64, Vec<gatepost_event::sync::SyncState>),
    Other,
}

impl Conductor {
    /// With nothing to do yet.
    pub(crate) fn new(desk: Arc<Desk>, plan: watch::Receiver<Arc<Plan>>) -> Self {
        let standings = desk.standings.subscribe();
        Self {
            desk,
            plan,
            standings,
            clock: Clock::start(),
            shards: HashMap::new(),
            worked: HashMap::new(),
            lives: 0,
            linked: Vec::new(),
            to_look: VecDeque::new(),
            looks: 0,
            done: JoinSet::new(),
            begun: HashMap::new(),
        }
    }

    /// Works until all senders of notes are gone.
    pub(crate) async fn run(mut self, mut notes: mpsc::Receiver<Note>, mut heard: mpsc::Receiver<Heard>) {
        let mut store_tick = tokio::time::interval(STORE_EVERY);
        loop {
            let wake = self.begin();
            tokio::select! {
                note = notes.recv() => match note {
                    Some(note) => self.hear(note),
                    None => return,
                },
                Some(heard) = heard.recv() => self.hear_of(heard),
                Some(ended) = self.done.join_next_with_id() => self.ended(ended),
                () = tokio::time::sleep_until(wake.into()) => {}
                Ok(()) = self.plan.changed() => self.replan(),
                Ok(()) = self.standings.changed() => self.stand(),
                _ = store_tick.tick() => self.store(),
            }
        }
    }

    /// Begins whatever can begin now; when to look again.
    fn begin(&mut self) -> Instant {
        let (now, mut wake) = (Instant::now(), Instant::now() + LOOK_EVERY);
        let wall = self.clock.now();
        let mut gone = Vec::new();
        for (token, worked) in self.worked.iter_mut().filter(|(_, worked)| worked.is_loaded) {
            worked.board.wake(wall);
            while worked.board.is_ready() {
                if !self.shards.get(&worked.shard).is_some_and(|held| held.may_begin(now)) {
                    wake = wake.min(now + LOOK_AGAIN);
                    break;
                }
                match worked.gate.ask(&worked.policy, Claim::Lone, false, now) {
                    Verdict::Go => {}
                    Verdict::At(at) => {
                        wake = wake.min(at);
                        break;
                    }
                    Verdict::AfterOne | Verdict::Shut => break,
                }
                let Some(go) = worked.board.begin(wall) else { break };
                gone.push((*token, go, worked.gate.begin(Claim::Lone, now)));
            }
            wake = worked.board.wakes_at().map_or(wake, |at| wake.min(self.clock.instant(at)));
        }
        for (engine, go, pass) in gone {
            self.go(engine, go, pass);
        }
        self.look();
        wake
    }

    fn go(&mut self, engine: Token, go: Go, pass: Pass) {
        let Some(worked) = self.worked.get_mut(&engine) else { return };
        let Some(held) = self.shards.get(&worked.shard).cloned() else { return };
        self.desk.metrics.syncs.begun(&go, self.clock.now());
        let id = go.key.id();
        let wish = worked.wishes.remove(&id).map(|revision| (id, revision));
        let heard = worked.hearers.entry(go.token).or_default().clone();
        let run = Run {
            go: go.clone(),
            engine: worked.board.engine().clone(),
            pace: worked.pace.clone(),
            shard: worked.shard,
            held,
            pass,
            heard,
        };
        let desk = self.desk.clone();
        let task = self.done.spawn(async move { Done::Ran(run::run(desk, run).await) });
        let life = worked.life;
        self.begun.insert(task.id(), Begun { engine, life, go, pass: Some(pass), wish, task });
    }

    fn hear(&mut self, note: Note) {
        match note {
            Note::Opened(shard, held) => {
                self.shards.insert(shard, held);
                self.take_engines();
            }
            Note::Listed(shard, counts, missed) if self.shards.contains_key(&shard) => {
                for lane in counts.into_iter().map(|count| count.lane) {
                    let Some(token) = lane.connection else { continue };
                    let worked = self.worked.get_mut(&lane.destination);
                    if worked.is_some_and(|worked| worked.board.needs_look(&token, missed)) {
                        self.to_look.push_back(lane);
                    }
                }
            }
            Note::Arrived(shard, lane, queued) if self.shards.contains_key(&shard) => {
                let now = self.clock.now();
                if let Some(worked) = self.worked.get_mut(&lane.destination) {
                    worked.board.arrived(&queued, now);
                }
            }
            // What a sync is owed never waits for a time of its own in the store.
            Note::Listed(..) | Note::Arrived(..) | Note::Sooner(_) => {}
            Note::Closed(shard, drained) => self.close(shard, drained),
        }
    }

    fn hear_of(&mut self, heard: Heard) {
        let entry = match heard {
            Heard::Wish(entry) => entry,
            Heard::Live(live) => {
                self.linked = live;
                return self.expect();
            }
            Heard::Answers(engine, pass) => {
                if let Some(worked) = self.worked.get_mut(&engine) {
                    worked.gate.answers(pass, &worked.policy, Instant::now());
                }
                return;
            }
            Heard::Ran(sync) => {
                let hearers = self.worked.values().filter_map(|worked| worked.hearers.get(&sync));
                return hearers.for_each(|hearer| hearer.notify_one());
            }
        };
        let Some(wish) = SyncWish::of(&entry) else { return };
        let now = self.clock.now();
        let token = gatepost_event::subject::engine_token(wish.key.engine.as_str());
        let asked = Some((entry.id, entry.revision));
        let is_begun = self.begun.values().any(|begun| begun.wish == asked);
        if let (Some((id, revision)), Some(worked)) = (asked, self.worked.get_mut(&token))
            && !is_begun
            && worked.wishes.insert(id, revision) != Some(revision)
        {
            worked.board.wished(&wish.key, now);
        }
    }

    fn replan(&mut self) {
        self.plan.mark_unchanged();
        self.take_engines();
        self.stand();
        self.expect();
    }

    /// What lets runs begin: as configured, and as somebody paused.
    fn stand(&mut self) {
        let (plan, known) = (self.plan.borrow().clone(), self.standings.borrow_and_update().clone());
        for (token, worked) in &mut self.worked {
            if let Some(engine) = plan.engines.get(token) {
                worked.policy = worked::policy(engine, &known);
            }
        }
    }

    /// Tells the boards which connections are live, and what is configured.
    fn expect(&mut self) {
        let (live, now, plan) = (self.live(), self.clock.now(), self.plan.borrow().clone());
        for (token, worked) in self.worked.iter_mut().filter(|(_, worked)| worked.is_loaded) {
            if let Some(engine) = plan.engines.get(token) {
                worked.board.replan(engine.clone(), &live, now);
            }
        }
    }

    fn live(&self) -> Vec<Live> {
        let plan = self.plan.borrow();
        if !plan.has_backstops() {
            return Vec::new();
        }
        let declared = plan
            .config
            .connections
            .iter()
            .map(|declared| Live { integration: declared.integration.clone(), connection: declared.id.clone() });
        declared.chain(self.linked.iter().cloned()).collect()
    }

    fn look(&mut self) {
        while self.looks < LOOKS_MAX
            && let Some(lane) = self.to_look.pop_front()
        {
            let Some(shard) = self.worked.get(&lane.destination).map(|worked| worked.shard) else { continue };
            self.looks += 1;
            let desk = self.desk.clone();
            self.done.spawn(async move {
                let looked = lane::look(desk, shard, lane).await;
                if matches!(looked, Looked::Unknown) {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Done::Looked(lane, looked)
            });
        }
    }

    /// Writes what changed, and counts what waits.
    fn store(&mut self) {
        for (token, worked) in self.worked.iter_mut().filter(|(_, worked)| worked.is_loaded) {
            let engine = &worked.board.engine().config.id;
            let running = self.begun.values().filter(|begun| begun.engine == *token && begun.pass.is_some()).count();
            self.desk.metrics.syncs.standing(engine, worked.board.waiting(), running);
            self.desk.metrics.syncs.paused(engine, worked.policy.paused);
            if worked.is_storing {
                continue;
            }
            let states = record::newest(std::mem::take(&mut worked.unstored), worked.board.take_stale());
            if states.is_empty() {
                continue;
            }
            worked.is_storing = true;
            let (desk, token, life) = (self.desk.clone(), *token, worked.life);
            self.done.spawn(async move { Done::Stored(token, life, record::store(desk, states).await) });
        }
    }
}

/// Where the tasks wait that a run is for.
const fn lane_of(engine: Token, go: &Go) -> Lane {
    Lane { destination: engine, tenant: None, connection: Some(go.token) }
}
