//! The threads that deliveries are made on.
//!
//! Each has a runtime and a way to the store of its own, and takes tasks in their turn: what many deliveries ask of a shared
//! store goes out in one write, they end nearly in the order in which they began, and no thread wakes another for a step of
//! one.

use std::{collections::HashMap, future::Future, thread};

use gatepost_event::{
    Store,
    store::{OpenError, Thread},
};
use tokio::{
    runtime::Handle,
    task::{Id, JoinSet},
};

/// Cores for each thread: the store, be it a server or a thread that writes, and the backends need some too.
const CORES_EACH: usize = 2;

/// Most threads: a router has one dispatcher, which no more can keep busy.
const THREADS_MAX: usize = 8;

/// The threads. Dropped, they end, whatever they were doing.
pub(crate) struct Workers {
    first: Thread,
    others: Vec<Thread>,
}

/// How many deliveries each is making.
#[derive(Debug)]
pub(crate) struct Shares {
    threads: Vec<Share>,
    /// By delivery, which thread makes it.
    whose: HashMap<Id, usize>,
}

#[derive(Debug)]
struct Share {
    runtime: Handle,
    under_way: usize,
}

impl Workers {
    /// Starts them.
    pub(crate) async fn start(store: &Store) -> Result<Self, OpenError> {
        let first = Thread::start(store, "router").await?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut others = Vec::new();
        for _ in 1..(cores / CORES_EACH).min(THREADS_MAX) {
            others.push(Thread::start(store, "router").await?);
        }
        Ok(Self { first, others })
    }

    /// Where deliveries are given out: on the first of them, so that where there is one nothing crosses threads.
    pub(crate) const fn first(&self) -> &Handle {
        self.first.runtime()
    }

    /// All of them, with nothing under way.
    pub(crate) fn shares(&self) -> Shares {
        let all = std::iter::once(&self.first).chain(&self.others);
        Shares::over(all.map(|thread| thread.runtime().clone()))
    }
}

impl Shares {
    fn over(runtimes: impl Iterator<Item = Handle>) -> Self {
        let threads = runtimes.map(|runtime| Share { runtime, under_way: 0 }).collect();
        Self { threads, whose: HashMap::new() }
    }

    /// Gives a delivery to the thread that makes the fewest; the first of several.
    pub(crate) fn give<T: Send + 'static>(
        &mut self,
        under_way: &mut JoinSet<T>,
        turn: impl Future<Output = T> + Send + 'static,
    ) -> Id {
        let fewest = self.threads.iter_mut().enumerate().min_by_key(|(_, share)| share.under_way);
        let Some((number, share)) = fewest else { return under_way.spawn(turn).id() };
        let id = under_way.spawn_on(turn, &share.runtime).id();
        share.under_way += 1;
        self.whose.insert(id, number);
        id
    }

    /// A delivery has ended.
    pub(crate) fn ended(&mut self, id: Id) {
        let share = self.whose.remove(&id).and_then(|number| self.threads.get_mut(number));
        if let Some(share) = share {
            share.under_way -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
