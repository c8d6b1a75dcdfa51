//! Writers over a registry in memory, whose steps are taken one at a time: every order of them, within bounds.
//!
//! A step is one operation of the registry. Writers are the true code; what it has seen so far decides where it stands, so
//! states in which the registry is the same and everybody has seen the same are looked at once.

use std::{
    collections::{BTreeMap, HashMap, hash_map::DefaultHasher},
    future::poll_fn,
    hash::{Hash, Hasher},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use crate::{
    StoreError,
    connection::entries::Entries,
    registry::{Entry, Expect, Kind, Put},
};

/// What a registry holds. An entry keeps its last revision over its removal.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Registry(BTreeMap<(Kind, String), (u64, Option<Bytes>)>);

/// A writer's way to the registry.
#[derive(Clone)]
pub(super) struct Hand {
    registry: Arc<Mutex<Registry>>,
    /// All that the writer was answered.
    seen: Arc<Mutex<DefaultHasher>>,
    /// It waits to be told before each step.
    waits: bool,
}

/// Something under way, by one hand.
struct Writer<T> {
    seen: Arc<Mutex<DefaultHasher>>,
    rest: Option<Pin<Box<dyn Future<Output = T>>>>,
    came_to: Option<T>,
}

/// Writers beside each other, at some point of their ways.
pub(super) struct Run<T> {
    registry: Arc<Mutex<Registry>>,
    writers: Vec<Writer<T>>,
}

/// What is to be done by the hand that is given.
pub(super) type Act<T> = Box<dyn Fn(Hand) -> Pin<Box<dyn Future<Output = T>>>>;

impl Registry {
    fn entry(&self, kind: Kind, id: &str) -> Option<Entry> {
        let (revision, value) = self.0.get(&(kind, id.to_owned()))?;
        Some(Entry { id: id.to_owned(), revision: *revision, value: value.clone()? })
    }

    fn write(&mut self, kind: Kind, id: &str, value: Option<Bytes>, expect: Expect) -> Put {
        let found = self.entry(kind, id);
        if !expect.is_met(found.as_ref()) || (value.is_none() && found.is_none()) {
            return Put::Conflict(found);
        }
        let slot = self.0.entry((kind, id.to_owned())).or_default();
        *slot = (slot.0 + 1, value);
        Put::Stored(slot.0)
    }

    /// The same for all registries that hold the same, however often it was written.
    pub(super) fn values(&self) -> u64 {
        let mut values = DefaultHasher::new();
        let all = self.0.iter().filter_map(|(id, (_, value))| Some((id, value.as_ref()?)));
        all.for_each(|one| one.hash(&mut values));
        values.finish()
    }

    /// Does something with nobody beside it.
    pub(super) fn alone<T>(&self, act: impl AsyncFnOnce(&Hand) -> T) -> (T, Self) {
        let registry = Arc::new(Mutex::new(self.clone()));
        let hand = Hand { registry: Arc::clone(&registry), seen: Arc::default(), waits: false };
        let done = std::pin::pin!(act(&hand)).as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(done) = done else { panic!("it waits for something else than a step") };
        let after = lock(&registry).clone();
        (done, after)
    }
}

impl Hand {
    /// Waits for its turn.
    async fn turn(&self) {
        let mut has_come = !self.waits;
        poll_fn(|_| if std::mem::replace(&mut has_come, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    fn saw(&self, found: Option<&Entry>) {
        found.map(|entry| (entry.revision, &entry.value)).hash(&mut *lock(&self.seen));
    }

    fn write(&self, kind: Kind, id: &str, value: Option<Bytes>, expect: Expect) -> Put {
        let put = lock(&self.registry).write(kind, id, value, expect);
        match &put {
            Put::Stored(revision) => revision.hash(&mut *lock(&self.seen)),
            Put::Conflict(found) => self.saw(found.as_ref()),
            Put::TooLong => {}
        }
        put
    }
}

impl Entries for Hand {
    async fn entry(&self, kind: Kind, id: &str) -> Result<Option<Entry>, StoreError> {
        self.turn().await;
        let found = lock(&self.registry).entry(kind, id);
        self.saw(found.as_ref());
        Ok(found)
    }

    async fn put(&self, kind: Kind, id: &str, value: Bytes, expect: Expect) -> Result<Put, StoreError> {
        self.turn().await;
        Ok(self.write(kind, id, Some(value), expect))
    }

    async fn remove(&self, kind: Kind, id: &str, expect: Expect) -> Result<Put, StoreError> {
        self.turn().await;
        Ok(self.write(kind, id, None, expect))
    }
}

impl<T> Run<T> {
    /// Writers that are all before their first step.
    pub(super) fn new(registry: &Registry, acts: &[Act<T>]) -> Self {
        let registry = Arc::new(Mutex::new(registry.clone()));
        let writer = |act: &Act<T>| {
            let hand = Hand { registry: Arc::clone(&registry), seen: Arc::default(), waits: true };
            let seen = Arc::clone(&hand.seen);
            let mut writer = Writer { seen, rest: Some(act(hand)), came_to: None };
            writer.go();
            writer
        };
        let writers = acts.iter().map(writer).collect();
        Self { registry, writers }
    }

    /// One of them takes a step.
    pub(super) fn step(&mut self, who: usize) {
        self.writers[who].go();
    }

    /// Those that have not come to their ends.
    pub(super) fn under_way(&self) -> Vec<usize> {
        (0..self.writers.len()).filter(|who| self.writers[*who].rest.is_some()).collect()
    }

    /// What one of them came to.
    pub(super) fn came_to(&self, who: usize) -> Option<&T> {
        self.writers[who].came_to.as_ref()
    }

    pub(super) fn registry(&self) -> Registry {
        lock(&self.registry).clone()
    }

    fn state(&self) -> u64 {
        let mut state = DefaultHasher::new();
        lock(&self.registry).hash(&mut state);
        for writer in &self.writers {
            (lock(&writer.seen).finish(), writer.rest.is_some()).hash(&mut state);
        }
        state.finish()
    }
}

impl<T> Writer<T> {
    fn go(&mut self) {
        let Some(rest) = &mut self.rest else { panic!("it has come to its end") };
        if let Poll::Ready(came_to) = rest.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            (self.rest, self.came_to) = (None, Some(came_to));
        }
    }
}

/// Goes through every order of the writers' steps in which at most `switches` times another one goes on than the one before,
/// who could have, and looks at every state on the way: each is also what a crash of everybody under way leaves. How many
/// there were.
pub(super) fn every_order<T>(
    registry: &Registry,
    acts: &[Act<T>],
    switches: usize,
    look: impl Fn(&Run<T>, &[usize]),
) -> usize {
    // With the fewest switches that led to it.
    let mut known: HashMap<(u64, Option<usize>), usize> = HashMap::new();
    let (mut looked, mut todo) = (std::collections::HashSet::new(), vec![(Vec::new(), 0)]);
    while let Some((mut path, mut switched)) = todo.pop() {
        let mut run = Run::new(registry, acts);
        path.iter().for_each(|who| run.step(*who));
        loop {
            let (state, last) = (run.state(), path.last().copied());
            if known.get(&(state, last)).is_some_and(|fewest| *fewest <= switched) {
                break;
            }
            known.insert((state, last), switched);
            if looked.insert(state) {
                look(&run, &path);
            }
            let under_way = run.under_way();
            let costs = |who: usize| usize::from(last.is_some_and(|last| last != who && under_way.contains(&last)));
            let mut next =
                under_way.iter().map(|who| (*who, switched + costs(*who))).filter(|(_, all)| *all <= switches);
            let Some((who, all)) = next.next() else { break };
            todo.extend(next.map(|(who, all)| ([path.as_slice(), &[who]].concat(), all)));
            run.step(who);
            path.push(who);
            switched = all;
        }
    }
    looked.len()
}

/// Everything that is left when a crash ends an act: before its first step, after each, and at its end.
pub(super) fn cut_anywhere<T>(registry: &Registry, act: Act<T>) -> Vec<Registry> {
    let mut run = Run::new(registry, &[act]);
    let mut left = vec![run.registry()];
    while !run.under_way().is_empty() {
        run.step(0);
        left.push(run.registry());
    }
    left
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panicked")
}
