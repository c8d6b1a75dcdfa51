//! Tasks that have ended leave their lanes, many at a time: where all that stands before the first one owed has ended, by
//! one purge, which costs the servers a fifth of what as many deletes do; else each by itself.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    select,
    sync::{Mutex as Turn, oneshot},
    time::{sleep, timeout_at},
};

use super::{Nats, link, reply::Failed};
use crate::{Lane, StoreError};

/// Requests under way at once for one shard.
const AT_ONCE: usize = 32;
/// Tasks of one lane that leave at once, for which it is worth to find out where it begins.
const WORTH_A_LOOK: usize = 4;
/// How soon it is looked again whether a lane's front has moved.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// The doors of all shards.
pub(super) struct Doors(Vec<Door>);

/// Where ended tasks of one shard wait.
#[derive(Default)]
struct Door {
    waiting: Mutex<Vec<Leaver>>,
    /// Whoever has it lets out who waits.
    turn: Turn<()>,
}

/// A task that is to leave its lane.
struct Leaver {
    lane: Lane,
    place: u64,
    said: oneshot::Sender<Result<(), StoreError>>,
}

/// One request.
enum Step {
    Delete(Leaver),
    Purge(Lane, u64, Vec<Leaver>),
}

#[derive(Deserialize)]
struct Done {}

impl Doors {
    pub(super) fn new(shards: u16) -> Self {
        Self((0..shards).map(|_| Door::default()).collect())
    }
}

impl Nats {
    /// Takes a task that has ended out of its lane, with others.
    pub(super) async fn leave(&self, shard: u16, lane: Lane, place: u64, deadline: Instant) -> Result<(), StoreError> {
        let missing = || StoreError::Corrupt(format!("there is no shard {shard}"));
        let door = self.doors.0.get(usize::from(shard)).ok_or_else(missing)?;
        self.fronts.ended(shard, &lane, place);
        let (said, mut heard) = oneshot::channel();
        door.waiting().push(Leaver { lane, place, said });
        let left = async {
            loop {
                let turn = select! {
                    biased;
                    said = &mut heard => return said.unwrap_or_else(|_| Err(unavailable("nobody took the task out"))),
                    turn = door.turn.lock() => turn,
                };
                if !self.let_out(shard, door).await {
                    sleep(LOOK_AGAIN).await;
                }
                drop(turn);
            }
        };
        let late = |_| Err(unavailable("the task did not leave its lane in time"));
        timeout_at(deadline.into(), left).await.unwrap_or_else(late)
    }

    /// Lets out who can go; whether anybody could.
    async fn let_out(&self, shard: u16, door: &Door) -> bool {
        let mut waiting = mem::take(&mut *door.waiting());
        // Whoever stopped waiting asks again.
        waiting.retain(|leaver| !leaver.said.is_closed());
        let (steps, rest, unread) = self.steps(shard, waiting);
        door.waiting().extend(rest);
        let deadline = link::soon();
        let any = !steps.is_empty();
        stream::iter(steps).for_each_concurrent(AT_ONCE, |step| self.take_step(shard, step, deadline)).await;
        for lane in unread {
            self.look_at_front(shard, &lane).await;
        }
        any
    }

    /// Finds out where a lane begins of which only a later part was read: what stood before may have left.
    async fn look_at_front(&self, shard: u16, lane: &Lane) {
        let (stream, subject) = (self.names.deliveries(shard), self.names.lane_subject(shard, lane));
        // If it can't be told, tasks leave one by one until it can.
        if let Ok(first) = self.near().page(&stream, &subject, 0, 1, self.replicas).await
            && let Some(first) = first.first()
        {
            self.fronts.begins(shard, lane, first.sequence);
        }
    }

    /// What to ask for, who had better wait, and which lanes' beginnings are worth a look.
    fn steps(&self, shard: u16, waiting: Vec<Leaver>) -> (Vec<Step>, Vec<Leaver>, Vec<Lane>) {
        let mut lanes: HashMap<Lane, Vec<Leaver>> = HashMap::new();
        for leaver in waiting {
            lanes.entry(leaver.lane).or_default().push(leaver);
        }
        let (now, mut steps, mut rest, mut unread) = (Instant::now(), Vec::new(), Vec::new(), Vec::new());
        for (lane, leavers) in lanes {
            let bound = self.fronts.bound(shard, &lane, now);
            if bound.unread > 0 && leavers.len() >= WORTH_A_LOOK {
                unread.push(lane);
            }
            let (first, behind): (Vec<_>, Vec<_>) =
                leavers.into_iter().partition(|leaver| leaver.place <= bound.through);
            match first.len() {
                0 | 1 => steps.extend(first.into_iter().map(Step::Delete)),
                _ => steps.push(Step::Purge(lane, bound.through, first)),
            }
            match bound.is_moving {
                true => rest.extend(behind),
                false => steps.extend(behind.into_iter().map(Step::Delete)),
            }
        }
        (steps, rest, unread)
    }

    async fn take_step(&self, shard: u16, step: Step, deadline: Instant) {
        let (outcome, leavers) = match step {
            Step::Delete(leaver) => (self.delete_task(shard, leaver.place, deadline).await, vec![leaver]),
            Step::Purge(lane, through, leavers) => (self.purge_lane(shard, &lane, through, deadline).await, leavers),
        };
        for leaver in leavers {
            // Whoever asked may have stopped waiting.
            let _ = leaver.said.send(outcome.clone());
        }
    }

    /// Deletes a task by its place; nothing when it is gone.
    pub(super) async fn delete_task(&self, shard: u16, place: u64, deadline: Instant) -> Result<(), StoreError> {
        let delete = format!("STREAM.MSG.DELETE.{}", self.names.deliveries(shard));
        match self.near().api::<Done>(&delete, &json!({ "seq": place, "no_erase": true }), deadline).await {
            Ok(_) => Ok(()),
            // An earlier try took it out.
            Err(Failed::Refused(refused)) if refused.is_not_found() => Ok(()),
            Err(failed) => Err(failed.into()),
        }
    }

    /// Takes everything out of a lane up to a place.
    pub(super) async fn purge_lane(
        &self,
        shard: u16,
        lane: &Lane,
        through: u64,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let purge = format!("STREAM.PURGE.{}", self.names.deliveries(shard));
        let request = json!({ "filter": self.names.lane_subject(shard, lane), "seq": through + 1 });
        let _: Done = self.near().api(&purge, &request, deadline).await?;
        Ok(())
    }
}

impl Door {
    fn waiting(&self) -> MutexGuard<'_, Vec<Leaver>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}
