//! What was done beside the conductor, when it has ended.

use std::time::Instant;

use gatepost_event::id::Token;
use tokio::task::{Id, JoinError};

use super::{Begun, Conductor, Done, lane_of};
use crate::sync::{
    board::{Ended, Go, Next},
    give_up::{self, Lost},
    lane::Looked,
    record::{self, Remembered},
    run::Came,
};

impl Conductor {
    /// Something that was done beside the conductor has ended.
    pub(super) fn ended(&mut self, ended: Result<(Id, Done), JoinError>) {
        let (id, done) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                if !error.is_cancelled() {
                    tracing::error!(%error, "a run of a sync failed inside gatepost; it is asked for again");
                }
                (error.id(), Done::Ran(None))
            }
        };
        match done {
            Done::Ran(came) => self.ran(id, came),
            Done::GaveUp(done) => self.gave_up(id, done),
            Done::Looked(lane, looked) => {
                self.looks = self.looks.saturating_sub(1);
                let now = self.clock.now();
                let Some(worked) = self.worked.get_mut(&lane.destination) else { return };
                match looked {
                    Looked::Holds(found) => worked.board.found(&found.0, &found.1, now),
                    Looked::Unknown => self.to_look.push_back(lane),
                    Looked::Empty => {}
                }
            }
            Done::Loaded(token, life, remembered) => self.loaded(&token, life, *remembered),
            Done::Stored(token, life, unstored) => {
                if let Some(worked) = self.worked.get_mut(&token).filter(|worked| worked.life == life) {
                    worked.is_storing = false;
                    let since = std::mem::take(&mut worked.unstored);
                    worked.unstored = record::newest(unstored, since);
                }
            }
            Done::Other => {}
        }
    }

    fn ran(&mut self, id: Id, came: Option<Came>) {
        let Some(Begun { engine, life, go, pass, wish, .. }) = self.begun.remove(&id) else { return };
        let (now, instant) = (self.clock.now(), Instant::now());
        let Some(worked) = self.worked.get_mut(&engine).filter(|worked| worked.life == life) else { return };
        let came = came.unwrap_or(Came { ended: Ended::Again, health: None, synced: 0 });
        worked.hearers.remove(&go.token);
        if let Some(pass) = pass {
            worked.gate.ended(pass, Some(&worked.policy), came.health, instant);
        }
        self.desk.metrics.syncs.ended(&go, &came.ended, came.synced);
        let error = match &came.ended {
            Ended::Failed { error, .. } => error.clone(),
            _ => String::new(),
        };
        let is_over = came.ended == Ended::Succeeded;
        let next = worked.board.ended(&go, came.ended, now, rand::random_range(-1.0..=1.0));
        // Whoever asked sees in the sync's state that it failed.
        if is_over || matches!(next, Next::Failed | Next::GiveUp) {
            self.fulfil(wish);
        } else if let Some((id, revision)) = wish {
            worked.wishes.entry(id).or_insert(revision);
        }
        match next {
            Next::Rest => {}
            Next::Dirty => self.desk.metrics.syncs.again(&go),
            Next::Look => self.to_look.push_back(lane_of(engine, &go)),
            Next::Failed => {
                tracing::warn!(sync = go.key.id(), error, "a sync failed too often; no event waited for it")
            }
            Next::GiveUp => self.give_up(engine, go, error),
        }
    }

    fn fulfil(&mut self, wish: Option<(String, u64)>) {
        let Some((id, revision)) = wish else { return };
        let desk = self.desk.clone();
        self.done.spawn(async move {
            record::fulfil(desk, id, revision).await;
            Done::Other
        });
    }

    fn give_up(&mut self, engine: Token, go: Go, error: String) {
        let Some(worked) = self.worked.get(&engine) else { return };
        let Some(held) = self.shards.get(&worked.shard).cloned() else { return };
        tracing::warn!(sync = go.key.id(), error, "a sync failed too often; what waited for it is dead letters now");
        let tries = u32::try_from(worked.board.engine().config.schedule.len()).unwrap_or(u32::MAX);
        let lost = Lost { go: go.clone(), lane: lane_of(engine, &go), shard: worked.shard, tries, error };
        let (desk, life) = (self.desk.clone(), worked.life);
        let task = self.done.spawn(async move { Done::GaveUp(give_up::give_up(desk, held, lost).await) });
        self.begun.insert(task.id(), Begun { engine, life, go, pass: None, wish: None, task });
    }

    fn gave_up(&mut self, id: Id, done: bool) {
        let Some(Begun { engine, life, go, .. }) = self.begun.remove(&id) else { return };
        let now = self.clock.now();
        let Some(worked) = self.worked.get_mut(&engine).filter(|worked| worked.life == life) else { return };
        let ended = if done { Ended::GivenUp } else { Ended::Again };
        if done {
            // Its last try was counted as failed.
            self.desk.metrics.syncs.ended(&go, &ended, 0);
        }
        if worked.board.ended(&go, ended, now, 0.0) == Next::Look {
            self.to_look.push_back(lane_of(engine, &go));
        }
    }

    fn loaded(&mut self, token: &Token, life: u64, remembered: Remembered) {
        let (live, now) = (self.live(), self.clock.now());
        let Some(worked) = self.worked.get_mut(token).filter(|worked| worked.life == life) else { return };
        for state in &remembered.states {
            worked.board.recall(state, now);
        }
        worked.board.replan(worked.board.engine().clone(), &live, now);
        for (id, revision, wish) in remembered.wishes {
            worked.wishes.insert(id, revision);
            worked.board.wished(&wish.key, now);
        }
        worked.is_loaded = true;
        let engine = &worked.board.engine().config.id;
        tracing::info!(%engine, syncs = remembered.states.len(), "running its syncs");
    }
}
