//! The syncs of one engine: which wait, which may be run, and when.
//!
//! Plain memory of whoever owns the engine's shard. It never asks the store or the engine, and is told what time it is.

mod backstop;
mod go;
mod slot;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use gatepost_config::{SyncKind, SyncName, Timestamp};
use gatepost_event::{
    Queued,
    id::Token,
    subject,
    sync::{SyncKey, SyncState},
};
pub(crate) use go::{Ended, Go, Next, Why};
use slot::{NEVER, Phase, Slot};

use super::{engine::Engine, live::Live};

/// Waits for what is expected to be over soon: an earlier run, a store that did not answer.
const SOON: Duration = Duration::from_secs(1);

/// Longest text kept of an error.
const ERROR_CHARS_MAX: usize = 200;

/// Stands for a slot of this board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SlotId(u32);

/// The board.
#[derive(Debug)]
pub(crate) struct Board {
    engine: Arc<Engine>,
    slots: Vec<Slot>,
    by_token: HashMap<Token, SlotId>,
    /// One entry a slot, of which [`Slot::timer`] tells; it may be too early, never too late.
    timers: BTreeSet<(i64, SlotId)>,
    ready: VecDeque<SlotId>,
    stale: Vec<SlotId>,
}

impl Board {
    /// Nothing is known.
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            slots: Vec::new(),
            by_token: HashMap::new(),
            timers: BTreeSet::new(),
            ready: VecDeque::new(),
            stale: Vec::new(),
        }
    }

    /// The engine.
    pub(crate) const fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The configuration: the engine as it is now, and the connections that are live.
    pub(crate) fn replan(&mut self, engine: Arc<Engine>, connections: &[Live], now: Timestamp) {
        self.engine = engine.clone();
        let mut expected: HashMap<SlotId, i64> = HashMap::new();
        for (connection, sync, backstop) in engine.backstops(connections) {
            let Live { integration, connection } = connection;
            let token = subject::sync_token(integration, Some(connection), sync);
            let slot = self.slot(token, || (integration.clone(), connection.clone(), sync.clone()));
            expected.insert(slot, millis(backstop));
        }
        for at in 0..self.slots.len() {
            let Ok(id) = u32::try_from(at).map(SlotId) else { break };
            let backstop = expected.get(&id).copied().unwrap_or(0);
            if let Some(slot) = self.slots.get_mut(at).filter(|slot| slot.backstop != backstop) {
                slot.backstop = backstop;
                slot.backstop_at = slot.next_backstop_of_new_owner(now.millis());
                self.set_timer(id);
            }
        }
    }

    /// What the store remembers of a sync. Told before anything else is.
    pub(crate) fn recall(&mut self, state: &SyncState, now: Timestamp) {
        let SyncKey { integration, connection, sync, .. } = &state.key;
        let token = subject::sync_token(integration, Some(connection), sync);
        let id = self.slot(token, || (integration.clone(), connection.clone(), sync.clone()));
        let Some(slot) = self.get(id) else { return };
        slot.triggered_at = state.triggered_at.map_or(0, Timestamp::millis);
        slot.succeeded_at = state.succeeded_at.map_or(0, Timestamp::millis);
        slot.failures = state.failures;
        slot.error = state.error.clone().map(Into::into);
        slot.backstop_at = slot.next_backstop(now.millis());
        if let Some(retry_at) = state.retry_at.filter(|_| state.failures > 0) {
            slot.phase = Phase::Waiting;
            slot.due = retry_at.millis();
        }
        self.set_timer(id);
    }

    /// A task arrived in its lane.
    pub(crate) fn arrived(&mut self, queued: &Queued, now: Timestamp) {
        if let Some(id) = self.slot_of(queued)
            && let Some(slot) = self.get(id)
            && queued.position > slot.newest
        {
            slot.newest = queued.position;
            slot.events = slot.events.saturating_add(1);
            self.owed(id, now, now);
        }
    }

    /// What was found in a lane: its first and its last task.
    pub(crate) fn found(&mut self, oldest: &Queued, newest: &Queued, now: Timestamp) {
        if let Some(id) = self.slot_of(newest)
            && let Some(slot) = self.get(id)
        {
            slot.newest = slot.newest.max(newest.position);
            if slot.phase == Phase::Idle {
                // Whatever was thought to have ended has not.
                slot.ended = slot.ended.min(oldest.position.saturating_sub(1));
            }
            if slot.is_owed() {
                slot.events = slot.events.max(1);
                let came = oldest.task.created_at.min(now);
                self.owed(id, came, now);
            }
        }
    }

    /// Whether a lane that holds tasks has to be looked at to know what is owed. `missed`: arrivals may have gone unheard.
    pub(crate) fn needs_look(&mut self, token: &Token, missed: bool) -> bool {
        let Some(slot) = self.by_token.get(token).copied().and_then(|id| self.get(id)) else { return true };
        match slot.phase {
            Phase::Idle => true,
            // It is asked for the lane's last task when it begins or ends.
            Phase::Waiting | Phase::Ready | Phase::Running => {
                slot.unsure |= missed;
                !slot.is_owed()
            }
        }
    }

    /// Somebody asks for a run.
    pub(crate) fn wished(&mut self, key: &SyncKey, now: Timestamp) {
        let token = subject::sync_token(&key.integration, Some(&key.connection), &key.sync);
        let id = self.slot(token, || (key.integration.clone(), key.connection.clone(), key.sync.clone()));
        let Some(slot) = self.get(id) else { return };
        slot.wished = true;
        if matches!(slot.phase, Phase::Idle | Phase::Waiting) {
            slot.phase = Phase::Waiting;
            slot.due = now.millis();
            self.set_timer(id);
        }
    }

    /// When the board is to be looked at again by itself.
    pub(crate) fn wakes_at(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| Timestamp::from_millis(*at))
    }

    /// Lets what is due wait for a place at the engine.
    pub(crate) fn wake(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.timers.first().copied()
            && at <= now.millis()
        {
            self.timers.pop_first();
            let Some(slot) = self.get(id) else { continue };
            slot.timer = NEVER;
            if slot.wakes_at() <= now.millis() {
                slot.phase = Phase::Ready;
                self.ready.push_back(id);
            } else {
                self.set_timer(id);
            }
        }
    }

    /// Whether a run waits for a place.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Syncs that wait for a place, and that wait for more events or another try.
    pub(crate) fn waiting(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot.phase, Phase::Waiting | Phase::Ready)).count()
    }

    /// Begins the next run.
    pub(crate) fn begin(&mut self, now: Timestamp) -> Option<Go> {
        let id = self.ready.pop_front()?;
        let engine = self.engine.config.id.clone();
        let slot = self.get(id)?;
        let why = match () {
            () if slot.is_owed() => Why::Events,
            () if std::mem::take(&mut slot.wished) => Why::Wish,
            () => Why::Backstop,
        };
        slot.wished = false;
        slot.phase = Phase::Running;
        slot.due = NEVER;
        let (first_at, events) = (std::mem::take(&mut slot.first_at), std::mem::take(&mut slot.events));
        slot.triggered_at = now.millis();
        slot.backstop_at = slot.next_backstop(now.millis());
        let go = Go {
            slot: id,
            key: SyncKey {
                engine,
                integration: slot.integration.clone(),
                connection: slot.connection.clone(),
                sync: slot.sync.clone(),
            },
            token: slot.token,
            through: slot.is_owed().then_some(slot.newest),
            why,
            events,
            first_at: (first_at > 0).then(|| Timestamp::from_millis(first_at)),
        };
        self.is_stale(id);
        Some(go)
    }

    /// A run that began has ended. `jitter` is between -1 and 1.
    pub(crate) fn ended(&mut self, go: &Go, ended: Ended, now: Timestamp, jitter: f64) -> Next {
        let (coalesce, max_wait) = self.times(&go.key.sync);
        let schedule = self.engine.config.schedule.clone();
        let again = match self.engine.config.kind {
            // Each look is a call of its API.
            SyncKind::Nango => millis(self.engine.config.poll),
            SyncKind::Http | SyncKind::Nats => millis(SOON),
        };
        let Some(slot) = self.get(go.slot).filter(|slot| slot.phase == Phase::Running) else { return Next::Rest };
        let next = match ended {
            Ended::Succeeded | Ended::GivenUp => {
                if ended == Ended::Succeeded {
                    slot.succeeded_at = now.millis();
                    slot.error = None;
                }
                slot.failures = 0;
                slot.ended = slot.ended.max(go.through.unwrap_or(0));
                slot.phase = Phase::Idle;
                match (slot.is_owed(), std::mem::take(&mut slot.unsure)) {
                    (true, _) => {
                        slot.phase = Phase::Waiting;
                        let latest = slot.first_at.saturating_add(max_wait);
                        slot.due = (now.millis() + coalesce).min(latest).max(now.millis());
                        Next::Dirty
                    }
                    (false, true) => Next::Look,
                    (false, false) => Next::Rest,
                }
            }
            Ended::Again => slot.restore(go, now.millis() + again),
            Ended::Failed { error, after, counts } => {
                slot.error = Some(error.chars().take(ERROR_CHARS_MAX).collect::<String>().into());
                slot.failures += u32::from(counts);
                let tries = usize::try_from(slot.failures).unwrap_or(usize::MAX);
                match schedule.get(tries) {
                    None if go.through.is_some() => Next::GiveUp,
                    None => {
                        // Nothing is owed; the backstop comes again.
                        slot.failures = 0;
                        slot.phase = if slot.is_owed() { Phase::Waiting } else { Phase::Idle };
                        slot.due = now.millis() + coalesce;
                        Next::Failed
                    }
                    Some(wait) => {
                        let wait = if counts { wait.mul_f64(jitter.mul_add(0.2, 1.0)) } else { SOON };
                        let wait = wait.max(after.unwrap_or_default()).max(SOON);
                        slot.restore(go, now.millis() + millis(wait))
                    }
                }
            }
        };
        if next != Next::GiveUp {
            if slot.wished && slot.phase == Phase::Idle {
                slot.phase = Phase::Waiting;
                slot.due = now.millis();
            }
            self.set_timer(go.slot);
        }
        self.is_stale(go.slot);
        next
    }

    /// States that the store does not have yet.
    pub(crate) fn take_stale(&mut self) -> Vec<SyncState> {
        let stale = std::mem::take(&mut self.stale);
        stale.into_iter().filter_map(|id| self.state(id)).collect()
    }

    fn state(&mut self, id: SlotId) -> Option<SyncState> {
        let engine = self.engine.config.id.clone();
        let slot = self.get(id)?;
        slot.stale = false;
        let at = |millis: i64| (millis != 0 && millis != NEVER).then(|| Timestamp::from_millis(millis));
        Some(SyncState {
            key: SyncKey {
                engine,
                integration: slot.integration.clone(),
                connection: slot.connection.clone(),
                sync: slot.sync.clone(),
            },
            triggered_at: at(slot.triggered_at),
            succeeded_at: at(slot.succeeded_at),
            backstop_at: at(slot.backstop_at),
            failures: slot.failures,
            retry_at: at(slot.due).filter(|_| slot.failures > 0 && slot.phase == Phase::Waiting),
            error: slot.error.clone().map(Into::into),
        })
    }

    /// A task is owed a run: the first waits for more, each for as long as others come, none for too long.
    fn owed(&mut self, id: SlotId, came: Timestamp, now: Timestamp) {
        let Some(sync) = self.get(id).map(|slot| slot.sync.clone()) else { return };
        let (coalesce, max_wait) = self.times(&sync);
        let Some(slot) = self.get(id) else { return };
        if slot.first_at == 0 {
            slot.first_at = came.millis();
        }
        let latest = slot.first_at.saturating_add(max_wait);
        let due = (came.millis() + coalesce).min(latest).max(now.millis());
        match slot.phase {
            Phase::Idle => {
                slot.phase = Phase::Waiting;
                slot.due = due;
            }
            // The time of another try stays, and so does somebody's wish.
            Phase::Waiting if slot.failures == 0 && !slot.wished => slot.due = due,
            Phase::Waiting | Phase::Ready | Phase::Running => return,
        }
        self.set_timer(id);
    }

    /// The times of a sync; of one that no route names any more, none.
    fn times(&self, sync: &SyncName) -> (i64, i64) {
        self.engine.syncs.get(sync).map_or((0, 0), |rule| (millis(rule.coalesce), millis(rule.max_wait)))
    }

    fn slot_of(&mut self, queued: &Queued) -> Option<SlotId> {
        let task = &queued.task;
        let (connection, sync) = (task.connection.as_ref()?, task.sync.as_ref()?);
        let token = subject::sync_token(&task.integration, Some(connection), sync);
        Some(self.slot(token, || (task.integration.clone(), connection.clone(), sync.clone())))
    }

    fn slot(
        &mut self,
        token: Token,
        named: impl FnOnce() -> (gatepost_config::IntegrationId, gatepost_config::ConnectionId, SyncName),
    ) -> SlotId {
        let next = SlotId(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        *self.by_token.entry(token).or_insert_with(|| {
            let (integration, connection, sync) = named();
            self.slots.push(Slot::new(token, integration, connection, sync));
            next
        })
    }

    fn get(&mut self, id: SlotId) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(id.0).ok()?)
    }

    fn set_timer(&mut self, id: SlotId) {
        let Some(slot) = self.get(id) else { return };
        let (at, before) = (slot.wakes_at(), slot.timer);
        if at < before {
            slot.timer = at;
            self.timers.remove(&(before, id));
            self.timers.insert((at, id));
        }
    }

    fn is_stale(&mut self, id: SlotId) {
        if let Some(slot) = self.get(id)
            && !std::mem::replace(&mut slot.stale, true)
        {
            self.stale.push(id);
        }
    }
}

impl Slot {
    /// What a run was for is owed still.
    fn restore(&mut self, go: &Go, due: i64) -> Next {
        self.phase = Phase::Waiting;
        self.due = due;
        self.events = self.events.saturating_add(go.events);
        self.first_at = go.first_at.map_or(self.first_at, Timestamp::millis);
        self.wished |= go.why == Why::Wish;
        Next::Rest
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4)
}
