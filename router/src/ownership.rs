//! Which partitions and shards this router works on.
//!
//! Every router says that it lives, takes its fair share (the total divided by the living, rounded up), renews what it
//! holds and gives up what is too much. A lease that is lost stops its worker at once.

use std::{collections::HashMap, sync::Arc, time::Duration};

use gatepost_config::Timestamp;
use gatepost_event::{
    DeliveryId,
    store::{Lease, LeaseKey},
};
use tokio::{
    sync::watch,
    task::{Id, JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    announced,
    backoff::around,
    binding, erasure, heal,
    lease::{Keeper, hold},
    plan::Plan,
    redelivery, replay, routing,
    shard::{self, Notes},
    work::Desk,
};

/// Time between looks at what should be held.
const LOOK_EVERY: Duration = Duration::from_millis(1500);

/// Longest time that one question to the store may take here.
const ASK_MAX: Duration = Duration::from_secs(2);

/// A router's holdings.
pub(crate) struct Ownership {
    desk: Arc<Desk>,
    plan: watch::Receiver<Arc<Plan>>,
    notes: Notes,
    owner: String,
    living: usize,
    held: HashMap<LeaseKey, CancellationToken>,
    keys: HashMap<Id, LeaseKey>,
    workers: JoinSet<()>,
    abandon: CancellationToken,
    store_is_away: bool,
}

impl Ownership {
    /// Holds nothing yet.
    pub(crate) fn new(desk: Arc<Desk>, plan: watch::Receiver<Arc<Plan>>, notes: Notes) -> Self {
        Self {
            desk,
            plan,
            notes,
            owner: format!("router-{}", DeliveryId::fresh(Timestamp::now()).token()),
            living: 1,
            held: HashMap::new(),
            keys: HashMap::new(),
            workers: JoinSet::new(),
            abandon: CancellationToken::new(),
            store_is_away: false,
        }
    }

    /// Takes, keeps and gives up leases until told to stop.
    pub(crate) async fn run(&mut self, shutdown: &CancellationToken) {
        tracing::info!(owner = %self.owner, "the router takes its share of the work");
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.look() => {}
            }
            let pause = tokio::time::sleep(around(LOOK_EVERY));
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = &mut pause => break,
                    Some(ended) = self.workers.join_next_with_id() => self.ended(ended),
                }
            }
        }
    }

    /// Lets what is under way end within `deadline`, drops the rest, and gives all leases up. Says whether the deadline
    /// was met.
    pub(crate) async fn drain(&mut self, deadline: Duration) -> bool {
        self.held.values().for_each(CancellationToken::cancel);
        let met = timeout(deadline, self.join_all()).await.is_ok();
        if !met {
            self.abandon.cancel();
            // What was dropped ends at once; only giving up the leases may still take the store's time.
            let _ = timeout(ASK_MAX * 2, self.join_all()).await;
        }
        self.workers.abort_all();
        met
    }

    async fn join_all(&mut self) {
        while let Some(ended) = self.workers.join_next_with_id().await {
            self.ended(ended);
        }
    }

    async fn look(&mut self) {
        match timeout(ASK_MAX, self.desk.store.announce(&self.owner)).await {
            Ok(Ok(living)) => {
                self.living = living.max(1);
                if std::mem::take(&mut self.store_is_away) {
                    tracing::info!("the store answers again");
                }
            }
            Ok(Err(error)) => return self.away(&error.to_string()),
            Err(_) => return self.away("it did not answer in time"),
        }
        let partitions: Vec<_> = (0..self.desk.store.partitions()).map(LeaseKey::Partition).collect();
        let shards: Vec<_> = (0..self.desk.store.shards()).map(LeaseKey::Shard).collect();
        self.balance(&partitions).await;
        self.balance(&shards).await;
        self.balance(&[LeaseKey::Replays]).await;
        self.balance(&[LeaseKey::Bindings]).await;
        self.desk.metrics.leases(self.held.keys());
    }

    fn away(&mut self, error: &str) {
        if !std::mem::replace(&mut self.store_is_away, true) {
            tracing::error!(error, "the store can't be asked which work is free; trying again until it can");
        }
    }

    /// Brings the holdings among `keys` to the fair share.
    async fn balance(&mut self, keys: &[LeaseKey]) {
        let share = keys.len().div_ceil(self.living);
        let mine: Vec<LeaseKey> =
            keys.iter().copied().filter(|key| self.held.get(key).is_some_and(|stop| !stop.is_cancelled())).collect();
        for surplus in mine.iter().skip(share) {
            if let Some(stop) = self.held.get(surplus) {
                tracing::info!(key = ?surplus, "giving it up to another router");
                stop.cancel();
            }
        }
        let mut wanted = share.saturating_sub(mine.len());
        // Routers start at different keys, so that they don't all ask for the same one.
        let start = rand::random_range(0..keys.len().max(1));
        for key in keys.iter().cycle().skip(start).take(keys.len()).copied().collect::<Vec<_>>() {
            if wanted == 0 {
                return;
            }
            if self.held.contains_key(&key) {
                continue;
            }
            match timeout(ASK_MAX, self.desk.store.acquire(key, &self.owner)).await {
                Ok(Ok(Some(lease))) => {
                    wanted -= 1;
                    self.employ(lease);
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => return self.away(&error.to_string()),
                Err(_) => return self.away("it did not answer in time"),
            }
        }
    }

    fn employ(&mut self, lease: Lease) {
        let key = lease.key;
        let stop = CancellationToken::new();
        let (held, keeper) = hold(lease, stop.clone(), &self.abandon);
        let (desk, plan, notes) = (self.desk.clone(), self.plan.clone(), self.notes.clone());
        let worker = async move {
            let work = async {
                match key {
                    LeaseKey::Partition(partition) => routing::follow(&desk, plan, held, partition).await,
                    LeaseKey::Shard(shard) => shard::follow(&desk, plan, held, shard, &notes).await,
                    LeaseKey::Replays => {
                        let replays = replay::follow(desk.clone(), plan.clone(), held.clone());
                        let heals = heal::follow(&desk.store, held.clone());
                        let redeliveries = redelivery::follow(&desk, plan.clone(), held.clone());
                        tokio::join!(replays, heals, redeliveries, erasure::work(&desk, plan, held));
                    }
                    // A gateway's; no router asks for them.
                    LeaseKey::Quarantine | LeaseKey::Heals => {}
                    LeaseKey::Bindings => {
                        let bindings = binding::follow(desk.clone(), plan.clone(), held.clone());
                        tokio::join!(bindings, announced::follow(&desk, plan, held));
                    }
                }
            };
            tokio::pin!(work);
            tokio::select! {
                () = &mut work => {}
                () = keeper.keep(&desk.store) => work.await,
            }
            release(&desk, keeper).await;
        };
        let id = self.workers.spawn(worker).id();
        self.keys.insert(id, key);
        self.held.insert(key, stop);
        tracing::info!(?key, "working on it");
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let Some(key) = self.keys.remove(&id) else { return };
        self.held.remove(&key);
        self.desk.metrics.leases(self.held.keys());
        match ended {
            Ok(_) => tracing::info!(?key, "no longer working on it"),
            Err(error) => tracing::error!(?key, %error, "the work on it failed; it is taken up again"),
        }
    }
}

async fn release(desk: &Desk, keeper: Keeper) {
    let Some(lease) = keeper.into_lease() else { return };
    let key = lease.key;
    match timeout(ASK_MAX, desk.store.release(lease)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(?key, %error, "the lease could not be given up; it runs out by itself"),
        Err(_) => tracing::warn!(?key, "the lease could not be given up in time; it runs out by itself"),
    }
}
