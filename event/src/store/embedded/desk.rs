//! Answers on their way back to those who wait for them.
//!
//! Waking a task of another thread takes a lock, and a system call when that thread sleeps; and it may be asleep again
//! before the next one is woken. So what a commit has to tell the callers of a runtime is left there together, and a task
//! of that runtime tells each of them. What was written goes back with it: memory is freed for less where it was taken.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    runtime::{self, Handle},
    sync::{Notify, oneshot},
};

use super::job::{Answer, Change};
use crate::StoreError;

/// What becomes of a change.
pub(super) type Said = Result<Answer, StoreError>;

/// Where a caller's answer goes.
pub(super) struct Caller {
    answer: oneshot::Sender<Said>,
    desk: Arc<Desk>,
}

/// The desks of all runtimes that callers wait on.
#[derive(Default)]
pub(super) struct Desks(Mutex<Vec<(runtime::Id, Arc<Desk>)>>);

/// What is to be said after a commit, by the runtimes that it goes to.
#[derive(Default)]
pub(super) struct Answers(Vec<(Arc<Desk>, Vec<Told>)>);

/// A caller and what it is told, with what it wanted.
struct Told {
    caller: oneshot::Sender<Said>,
    said: Said,
    change: Change,
}

/// Where the callers of one runtime get their answers.
#[derive(Default)]
struct Desk {
    left: Mutex<Left>,
    filled: Notify,
}

/// Answers that nobody was told yet: of callers that wait, so never more than these.
#[derive(Default)]
struct Left {
    answers: Vec<Told>,
    /// Nobody tells anybody here any more.
    is_closed: bool,
}

/// Sits at a desk; without it, nothing is left there.
struct Clerk(Arc<Desk>);

impl Desks {
    /// A caller of the runtime that this is called on, and where it gets its answer.
    pub(super) fn caller(&self) -> (Caller, oneshot::Receiver<Said>) {
        let (answer, answered) = oneshot::channel();
        (Caller { answer, desk: self.here() }, answered)
    }

    /// The desk of this runtime, made if need be.
    fn here(&self) -> Arc<Desk> {
        let runtime = Handle::current();
        let mut desks = self.lock();
        if let Some((_, desk)) = desks.iter().find(|(id, _)| *id == runtime.id()) {
            return Arc::clone(desk);
        }
        // Those of runtimes that have ended.
        desks.retain(|(_, desk)| !desk.lock().is_closed);
        let desk = Arc::<Desk>::default();
        runtime.spawn(Clerk(Arc::clone(&desk)).work());
        desks.push((runtime.id(), Arc::clone(&desk)));
        desk
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(runtime::Id, Arc<Desk>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers {
    /// Notes what a caller is to be told of its change.
    pub(super) fn add(&mut self, Caller { answer, desk }: Caller, said: Said, change: Change) {
        let told = Told { caller: answer, said, change };
        match self.0.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &desk)) {
            Some((_, all)) => all.push(told),
            None => self.0.push((desk, vec![told])),
        }
    }

    /// Tells everybody.
    pub(super) fn give(self) {
        for (desk, told) in self.0 {
            desk.leave(told);
        }
    }
}

impl Desk {
    fn leave(&self, told: Vec<Told>) {
        // One is told by as short a way as there is.
        if told.len() == 1 {
            return tell(told);
        }
        let mut left = self.lock();
        if left.is_closed {
            drop(left);
            return tell(told);
        }
        match left.answers.is_empty() {
            true => left.answers = told,
            false => left.answers.extend(told),
        }
        drop(left);
        self.filled.notify_one();
    }

    fn close(&self) -> Vec<Told> {
        let mut left = self.lock();
        left.is_closed = true;
        mem::take(&mut left.answers)
    }

    fn lock(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clerk {
    async fn work(self) {
        loop {
            self.0.filled.notified().await;
            let (told, is_closed) = {
                let mut left = self.0.lock();
                (mem::take(&mut left.answers), left.is_closed)
            };
            tell(told);
            if is_closed {
                return;
            }
        }
    }
}

/// Tells callers, those that still wait.
fn tell(told: Vec<Told>) {
    for Told { caller, said, change } in told {
        drop(change);
        drop(caller.send(said));
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        // The runtime ends. Who waits elsewhere for what was asked from here is told all the same.
        tell(self.0.close());
    }
}

impl Drop for Desks {
    fn drop(&mut self) {
        // Nobody waits any more: each of them holds the store.
        for (_, desk) in self.lock().drain(..) {
            tell(desk.close());
            desk.filled.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
