use std::{sync::Arc, time::Duration};

use gatepost_config::{Config, Engine, Timestamp};
use gatepost_event::{
    Linked, Store, StoreError,
    connection::{self, Claiming, Phase},
    registry::{Expect, Kind},
};
use prometheus::Registry;

use super::{Directory, Endpoint};
use crate::{metrics::Metrics, tables::Tables};

const FILE: &str = "[[integration]]\nid = \"github\"\nprovider = \"github\"\nsecrets = [{ env = \"SECRET\" }]\n";

struct Rig {
    directory: Arc<Directory>,
    endpoint: Arc<Endpoint>,
    store: Store,
    following: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

async fn rig(stale_max: Duration) -> Rig {
    let folder = tempfile::tempdir().expect("a folder");
    let env = |_: &str| Some("a secret of the test".to_owned());
    let loaded = gatepost_config::parse(FILE, "gatepost.toml".as_ref(), &env, gatepost_config::Options::default());
    let mut config: Config = loaded.expect("a good configuration").config;
    config.store.engine = Engine::Embedded { path: folder.path().to_owned() };
    config.gateway.connections_stale_max = stale_max;
    let store = Store::open(&config.store, &config.retention).await.expect("it opens");
    let endpoint = Arc::clone(Tables::new(&config).endpoint("github").expect("there"));
    let metrics = Metrics::register(&Registry::new()).expect("they are new");
    let directory = Arc::new(Directory::new(&config, store.clone(), metrics).expect("it is made"));
    let following = {
        let directory = Arc::clone(&directory);
        tokio::spawn(async move { match directory.follow().await {} })
    };
    let rig = Rig { directory, endpoint, store, following, _folder: folder };
    while rig.directory.away_for().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    rig
}

impl Rig {
    async fn make(&self, account: &str) {
        let id = |text: &str| text.parse().expect("an id");
        let linked = Linked::new(
            id("github"),
            format!("c{account}").parse().expect("an id"),
            "t".parse().expect("an id"),
            Timestamp::now(),
        );
        let linked = Linked { accounts: vec![account.to_owned()], ..linked };
        let put = connection::put(&self.store, linked, Expect::Any, Claiming::default(), Timestamp::now()).await;
        let found = put.expect("it is put");
        connection::advance(&self.store, &found, Phase::Active).await.expect("it is answered").expect("as it was");
    }

    async fn is_known(&self, account: &str) -> Result<bool, StoreError> {
        Ok(!self.directory.claimants(&self.endpoint, account).await?.is_empty())
    }

    /// Returns once all changes so far were heard: they are told in order, and this one is made last.
    async fn heard(&self) {
        let last = "github/last";
        let mark = self.directory.marks.of(last);
        let put = self.store.put(Kind::Claim, last, bytes::Bytes::from_static(b"{}"), Expect::Any).await;
        drop(put.expect("it is put"));
        while self.directory.marks.stand_at(&[mark]) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns once it is found, which must be soon.
    async fn found(&self, account: &str) {
        let found = async {
            while !self.is_known(account).await.expect("it is asked") {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), found).await.expect("an old answer hides a new connection");
    }
}

/// Answers that were asked for before a change and remembered after it was told must lose.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_from_before_a_change_is_never_taken_for_a_fresh_one() {
    let rig = rig(Duration::from_secs(30)).await;
    for round in 0..60 {
        let account = format!("{round}");
        let asking = async {
            for _ in 0..20 {
                rig.is_known(&account).await.expect("it is asked");
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(rig.make(&account), asking, async { rig.is_known(&account).await.expect("it is asked") });
        rig.found(&account).await;
    }
    rig.store.close().await;
}

#[tokio::test]
async fn while_the_store_is_away_known_connections_stay_for_a_time_and_nobody_is_said_not_to_be() {
    for (stale_max, stays) in [(Duration::from_secs(60), true), (Duration::ZERO, false)] {
        let rig = rig(stale_max).await;
        rig.make("1").await;
        rig.heard().await;
        rig.found("1").await;
        assert_eq!(rig.is_known("2").await, Ok(false), "the control");
        rig.store.close().await;
        while rig.directory.away_for().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let known = rig.is_known("1").await;
        match stays {
            true => assert_eq!(known, Ok(true)),
            false => assert!(known.is_err(), "{known:?} is too old"),
        }
        for unknown in ["2", "3"] {
            assert!(rig.is_known(unknown).await.is_err(), "{unknown}: nobody can know that there is none");
        }
        rig.following.abort();
    }
}

/// What was remembered while changes went unheard is asked for anew once they are heard.
#[tokio::test]
async fn what_changed_while_nobody_listened_is_seen_afterwards() {
    let rig = rig(Duration::from_secs(60)).await;
    assert_eq!(rig.is_known("1").await, Ok(false));
    rig.following.abort();
    tokio::task::yield_now().await;
    rig.make("1").await;
    let directory = Arc::clone(&rig.directory);
    let again = tokio::spawn(async move { match directory.follow().await {} });
    rig.found("1").await;
    again.abort();
    rig.store.close().await;
}
