//! The server configuration in `deploy/nats`, run as it stands: every role can do its work, and no more.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use gatepost_config::{Durability, Engine, NatsStore, Store as Settings, Timestamp};
use gatepost_event::{
    DeadReason, Ending, EventRef, Lane, Noted, Redelivery, ReplayId, Store, StoreError,
    erasure::{Erasure, Remains, Whose, forget_secrets, walk},
    registry::{Change, Expect, Kind, Put},
    store::{Kept, LeaseKey, LogPlace, SecretNews, nats},
};
use gatepost_tests::nats_server::{DEPLOYED_PASSWORD as PASSWORD, NatsCluster, NatsServer, Options};
use tokio::sync::mpsc;

use crate::{
    fixture::{self, Setup},
    journey::{self, Logs, heads},
    make, registry, secrets, wait,
};

fn settings(servers: &[NatsServer], user: &str) -> NatsStore {
    let urls = servers.iter().map(|server| server.url_as(&format!("{user}:{PASSWORD}"))).collect();
    NatsStore {
        durability: Durability::Fsync,
        monitor_url: servers[0].monitor_url().parse().ok(),
        ..fixture::nats::settings(urls, servers.len())
    }
}

fn of(settings: NatsStore) -> Settings {
    Settings { dedupe_window: None, engine: Engine::Nats(settings) }
}

async fn open(servers: &[NatsServer], user: &str) -> Store {
    let store = Store::open(&of(settings(servers, user)), &Setup::default().retention).await.expect(user);
    assert_eq!(store.promises().warnings, [""; 0], "{user}");
    store
}

async fn init(servers: &[NatsServer]) {
    let setup = settings(servers, "setup");
    let retention = Setup::default().retention;
    let made = nats::init(&setup, &of(setup.clone()), &retention).await.expect("the streams are made");
    assert_eq!(made.len(), 14, "{made:?}");
    assert_eq!(nats::check(&setup, &of(setup.clone()), &retention).await, Ok(Vec::new()));
}

/// A connection as a role, and what the server refused it.
struct Role {
    client: Client,
    refusals: mpsc::Receiver<String>,
}

impl Role {
    async fn connect(server: &NatsServer, user: &str) -> Self {
        let (sender, refusals) = mpsc::channel(64);
        let client = ConnectOptions::with_user_and_password(user.to_owned(), PASSWORD.to_owned())
            .custom_inbox_prefix(format!("_INBOX_{user}"))
            .event_callback(move |event| {
                if let Event::ServerError(error) = event {
                    sender.try_send(error.to_string()).expect("there is room");
                }
                async {}
            })
            .connect(server.url())
            .await
            .expect("it is connected");
        Self { client, refusals }
    }

    /// Each is refused, by name.
    async fn may_not_publish(&mut self, subjects: &[&str]) {
        for subject in subjects {
            self.client.publish(subject.to_string(), "{}".into()).await.expect("it is sent");
            self.refused("publish", subject).await;
        }
    }

    async fn may_not_subscribe(&mut self, subjects: &[&str]) {
        for subject in subjects {
            let _subscription = self.client.subscribe(subject.to_string()).await.expect("it is sent");
            self.refused("subscription", subject).await;
        }
    }

    /// The control: each is answered.
    async fn may_ask(&mut self, subjects: &[&str]) {
        for subject in subjects {
            let answer = self.client.request(subject.to_string(), "{}".into());
            wait::within(wait::SOON, answer).await.unwrap_or_else(|error| panic!("{subject}: {error}"));
        }
        assert!(self.refusals.try_recv().is_err(), "something was refused");
    }

    /// Whether a message is stored; one that is refused is answered all the same.
    async fn stored(&self, subject: &str) -> bool {
        let answer = wait::within(wait::SOON, self.client.request(subject.to_owned(), "{}".into())).await;
        let answer: serde_json::Value = serde_json::from_slice(&answer.expect("an answer").payload).expect("JSON");
        answer.get("error").is_none()
    }

    async fn refused(&mut self, what: &str, subject: &str) {
        let refusal = wait::within(wait::SOON, self.refusals.recv()).await.expect("a refusal").to_lowercase();
        assert!(refusal.contains(what) && refusal.contains(&subject.to_lowercase()), "{subject}: {refusal}");
    }
}

/// An append as gateway, and the whole way of a delivery as router.
async fn the_whole_way(servers: &[NatsServer]) {
    let gateway = open(servers, "gateway").await;
    let large = make::with_body(make::event("acme", "2"), make::noise(1_500_000));
    for event in [make::event("acme", "1"), large.clone(), make::event("acme", "3")] {
        journey::append(&gateway, event).await;
    }
    let parked = make::to_park(make::parked("nobody", "1"));
    gateway.append(vec![parked], wait::soon()).await.expect("it is parked");
    for n in 0..2 {
        gateway.quarantine(&make::refusal("github", n, "refused")).await.expect("it is kept");
    }
    let refused = gateway.quarantined(None).await.expect("they are listed");
    assert!(gateway.refusal(&refused[0]).await.expect("it is read").is_some());
    gateway.forget_refusals(&refused[..1]).await.expect("it is forgotten");
    for key in [LeaseKey::Quarantine, LeaseKey::Heals] {
        let mut lease = journey::lease(&gateway, key, "gateway-a").await;
        assert_eq!(gateway.renew(&mut lease).await, Ok(true));
    }
    for kind in [Kind::Heal, Kind::TurnedAway, Kind::Swept] {
        let put = gateway.put(kind, "a", "written by a gateway".into(), Expect::Absent).await;
        let Ok(Put::Stored(revision)) = put else { panic!("{kind:?}: {put:?}") };
        let removed = gateway.remove(kind, "a", Expect::Revision(revision)).await;
        assert!(matches!(removed, Ok(Put::Stored(_))), "{kind:?}: {removed:?}");
    }

    let secret = secrets::sealed("asana", None, "captured");
    let mut kept = gateway.secrets().await.expect("they are read");
    assert_eq!(secrets::told(&mut kept).await, []);
    assert_eq!(gateway.keep_secret(&secret, wait::soon()).await, Ok(Kept::New));
    assert_eq!(wait::within(wait::SOON, kept.next()).await, Ok(SecretNews::Kept(secret.clone())));
    let other = secrets::sealed("asana", None, "another");
    assert_eq!(gateway.keep_secret(&other, wait::soon()).await, Ok(Kept::Already(Box::new(secret))));

    let router = open(servers, "router").await;
    assert_eq!(router.announce("router-a").await, Ok(1));
    let mut logs = Logs::open(&router).await;
    let events = logs.take(3).await;
    let body = events.iter().find(|event| event.at.id == large.meta.id).and_then(|event| event.event.as_ref().ok());
    assert!(body == Some(&large), "the large event came back different");
    let tasks: Vec<_> = events.iter().map(|event| make::task(event.at, "acme", "backend")).collect();
    let lane = Lane::of(&tasks[0]);
    let shard = journey::shard(&router, &lane);
    let mut lease = journey::lease(&router, LeaseKey::Shard(shard), "router-a").await;
    let mut tail = router.tail(shard).await.expect("it is opened");
    logs.record(&router, &events, tasks).await;
    logs.release(&router).await;
    assert_eq!(router.lanes(shard).await.expect("they are listed")[0].waiting, 3);

    let waiting = heads(&router, &lane, 0, 10).await;
    router.finish(shard, &waiting[0], &make::attempt(&waiting[0], 200)).await.expect("it is finished");
    let event = router.event(&waiting[1].task.event).await.expect("it is read").expect("it is there");
    let letter = make::letter(&waiting[1], event, DeadReason::Exhausted);
    router.bury(shard, &waiting[1], &letter).await.expect("it is buried");
    let due = Timestamp::now().after(Duration::from_millis(300));
    router.retry(shard, &waiting[2], &make::attempt(&waiting[2], 500), due).await.expect("it waits");
    assert_eq!(router.renew(&mut lease).await, Ok(true));
    let again = loop {
        let (_, heard) = journey::arrival(&mut tail).await;
        if heard.task.attempt == 2 {
            break heard;
        }
    };
    router.finish(shard, &again, &make::attempt(&again, 200)).await.expect("it is finished");
    router.release(lease).await.expect("it is released");
    let census = router.census().await.expect("it is counted");
    assert_eq!((census.waiting(), census.unmatched), (0, 1));
    assert_eq!(census.ended, [(Ending::Delivered, 2), (Ending::Dead, 1)].into());

    the_redelivery(&gateway, &router, waiting[0].task.event).await;
    // No worker of the operator's listens; the server says so, and no more.
    let asked = router.request("contacts", "{}".into(), wait::soon()).await;
    assert!(matches!(&asked, Err(StoreError::Unavailable(error)) if error.contains("no responders")), "{asked:?}");

    let admin = open(servers, "admin").await;
    assert_eq!(admin.dead_letters(0, 10).await.expect("they are read").len(), 1);
    wait::eventually("four records", async || {
        (admin.attempts(0, 10).await.expect("they are read").len() == 4).then_some(())
    })
    .await;
    let refused = admin.quarantined(None).await.expect("they are listed");
    assert_eq!(refused.len(), 1);
    assert!(admin.refusal(&refused[0]).await.expect("it is read").is_some());
    let act = crate::audit::act(1);
    admin.note_act(&act).await.expect("it is noted");
    assert_eq!(admin.acts(u64::MAX, 10).await, Ok(vec![(1, act)]));
    let mut logs = Logs::open(&router).await;
    for (mover, account) in [(&admin, "an admin's"), (&router, "a router's")] {
        let large = make::with_body(make::parked(account, "1"), make::noise(700_000));
        gateway.append(vec![make::to_park(large.clone())], wait::soon()).await.expect("it is parked");
        let moved = mover.unpark(&make::integration(), account, &make::id("acme"), &make::id("acme")).await;
        assert_eq!(moved, Ok(1));
        assert_eq!(logs.take(1).await[0].at.id, large.meta.id);
    }
    the_erasing(&gateway, &router).await;
    the_registry(&gateway, [&router, &admin]).await;
    for store in [gateway, router, admin] {
        store.close().await;
    }
}

/// A gateway notes that an event came once more, and a router deals with it.
async fn the_redelivery(gateway: &Store, router: &Store, event: EventRef) {
    let place = LogPlace { partition: event.partition, sequence: event.sequence };
    let at = Timestamp::now();
    let redelivery = Redelivery { event: event.id, place, at, replay: ReplayId::fresh(at) };
    assert_eq!(gateway.note_redelivery(&redelivery, wait::soon()).await, Ok(Noted::New));
    let open = router.redeliveries(10).await.expect("they are read");
    assert_eq!(open.iter().map(|(_, told)| told).collect::<Vec<_>>(), [&Ok(redelivery)]);
    router.redelivered_through(open[0].0).await.expect("it is kept");
    assert_eq!(router.redeliveries(10).await, Ok(Vec::new()));
}

/// Everything that is left of the connection, by the roles that erase.
async fn the_erasing(gateway: &Store, router: &Store) {
    let whose = Whose::Connection(make::integration(), make::id("acme"));
    let erasure = Erasure::of(router, &[], whose, Timestamp::now()).await.expect("it is made");
    let secret = secrets::sealed(make::integration().as_str(), Some("acme"), "captured");
    assert_eq!(gateway.keep_secret(&secret, wait::soon()).await, Ok(Kept::New));
    assert_eq!(router.kept_secrets().await.map(|kept| kept.len()), Ok(2));
    forget_secrets(router, &[], &erasure).await.expect("it is erased");
    assert_eq!(router.kept_secrets().await.map(|kept| kept.len()), Ok(1), "the integration's stays");
    let walked = walk(router, &erasure).await.expect("it is erased");
    assert_eq!((walked.erased.dead_letters, walked.erased.attempts, walked.left), (1, 4, 2), "{walked:?}");
    assert_eq!(walked.erased.events, 3, "{walked:?}");
    let kept = gateway.quarantined(None).await.expect("they are listed");
    gateway.erase(vec![Remains::Refused(kept[0].clone())]).await.expect("it is erased");
    assert_eq!(gateway.quarantined(None).await.expect("they are listed"), []);
}

/// Every role reads it and hears of changes; a gateway writes none.
async fn the_registry(gateway: &Store, writers: [&Store; 2]) {
    let mut watches = Vec::new();
    for store in [gateway, writers[0], writers[1]] {
        watches.push(store.watch(Kind::Destination).await.expect("it is opened"));
    }
    for (writer, id) in writers.into_iter().zip(["a", "b"]) {
        let revision = registry::stored(&registry::put(writer, id, "open", Expect::Absent).await);
        let kept = registry::entry(id, revision, "open");
        assert_eq!(gateway.entry(Kind::Destination, id).await, Ok(Some(kept.clone())));
        for watch in &mut watches {
            assert_eq!(registry::heard(watch).await, Change::Put(kept.clone()));
        }
        for store in [gateway, writers[0], writers[1]] {
            assert_eq!(store.entries(Kind::Destination).await, Ok(vec![kept.clone()]));
        }
        let removed = writer.remove(Kind::Destination, id, Expect::Revision(revision)).await;
        assert!(matches!(removed, Ok(Put::Stored(_))), "{removed:?}");
        for watch in &mut watches {
            assert_eq!(registry::heard(watch).await, Change::Removed(id.to_owned()));
        }
    }
    let refused = gateway.put(Kind::Destination, "c", "x".into(), Expect::Any).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(writers[0].entry(Kind::Destination, "c").await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_can_do_its_work_on_one_server() {
    let servers = [NatsServer::start_with(Options::deployed("single.conf")).await];
    init(&servers).await;
    wait::within(wait::CASE, the_whole_way(&servers)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_can_do_its_work_on_three_servers() {
    let cluster = NatsCluster::start_with(&vec![Options::deployed("cluster.conf"); 3]).await;
    init(&cluster.servers).await;
    wait::within(wait::CASE, the_whole_way(&cluster.servers)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_role_can_do_another_s_work() {
    let server = NatsServer::start_with(Options::deployed("single.conf")).await;
    let servers = [server];
    init(&servers).await;
    let [server] = &servers;

    let mut gateway = Role::connect(server, "gateway").await;
    gateway.may_ask(&["gatepost.ev.0.a", "gatepost.unm.a.b", "gatepost.qtn.a.b.c.d.e", "gatepost.blb.0.a"]).await;
    gateway.may_ask(&["gatepost.rdl.a", "gatepost.reg.announcement.a"]).await;
    gateway.may_ask(&["$JS.API.STREAM.MSG.GET.GATEPOST_SEC", "$JS.API.STREAM.MSG.DELETE.GATEPOST_QTN"]).await;
    let taken = [gateway.stored("gatepost.sec.a").await, gateway.stored("gatepost.sec.a").await];
    assert_eq!(taken, [true, false], "a secret can be replaced by whoever may add one");
    gateway.may_ask(&["$JS.API.STREAM.INFO.GATEPOST_EV_0"]).await;
    gateway
        .may_not_publish(&[
            "gatepost.dlv.0.a",
            "gatepost.att.0.delivered",
            "gatepost.dlq.a",
            "$KV.GATEPOST_STATE.lease.shard.0",
            "$KV.GATEPOST_STATE.lease.replays",
            "gatepost.reg.replay.a",
            "gatepost.sync.contacts",
            "$JS.API.DIRECT.GET.GATEPOST_EV_0",
            "$JS.API.STREAM.MSG.GET.GATEPOST_EV_0",
            "$JS.API.CONSUMER.CREATE.GATEPOST_EV_0",
            "$JS.API.STREAM.MSG.DELETE.GATEPOST_EV_0",
            "$JS.API.STREAM.PURGE.GATEPOST_EV_0",
            "$JS.API.STREAM.DELETE.GATEPOST_EV_0",
            "$JS.API.STREAM.UPDATE.GATEPOST_EV_0",
            "$JS.API.STREAM.MSG.DELETE.GATEPOST_SEC",
            "$JS.API.STREAM.PURGE.GATEPOST_SEC",
            "gatepost.reg.destination.a",
            "gatepost.reg.connection.a",
            "gatepost.reg.claim.a",
            "gatepost.aud.act",
            "$JS.API.STREAM.PURGE.GATEPOST_REG",
            "$JS.API.DIRECT.GET.GATEPOST_RDL",
            "$JS.API.STREAM.PURGE.GATEPOST_RDL",
        ])
        .await;
    gateway.may_not_subscribe(&["gatepost.ev.>", "_INBOX_router.>", ">"]).await;

    let mut router = Role::connect(server, "router").await;
    router.may_ask(&["gatepost.dlv.0.a", "gatepost.att.0.retried", "gatepost.dlq.a"]).await;
    router.may_ask(&["$JS.API.STREAM.MSG.DELETE.GATEPOST_DLV_0", "$JS.API.DIRECT.GET.GATEPOST_EV_0"]).await;
    // A dead letter that is owed again is a letter no more.
    router.may_ask(&["$JS.API.STREAM.MSG.DELETE.GATEPOST_DLQ", "$JS.API.STREAM.PURGE.GATEPOST_DLQ"]).await;
    router.may_ask(&["$JS.API.STREAM.MSG.GET.GATEPOST_UNM", "$JS.API.STREAM.MSG.DELETE.GATEPOST_UNM"]).await;
    router.may_ask(&["gatepost.aud.act"]).await;
    // To erase.
    router.may_ask(&["$JS.API.STREAM.MSG.DELETE.GATEPOST_EV_15", "$JS.API.STREAM.MSG.DELETE.GATEPOST_BLB"]).await;
    router.may_ask(&["$JS.API.STREAM.MSG.DELETE.GATEPOST_ATT", "$JS.API.STREAM.MSG.DELETE.GATEPOST_SEC"]).await;
    router
        .may_not_publish(&[
            "gatepost.unm.a.b",
            "gatepost.qtn.a",
            "gatepost.rdl.a",
            "$JS.API.STREAM.PURGE.GATEPOST_EV_0",
            "$JS.API.STREAM.PURGE.GATEPOST_ATT",
            "$JS.API.STREAM.DELETE.GATEPOST_DLV_0",
            "$JS.API.STREAM.CREATE.MINE",
            "$JS.API.STREAM.UPDATE.GATEPOST_DLV_0",
            "$JS.API.DIRECT.GET.GATEPOST_QTN",
            "$JS.API.STREAM.PURGE.GATEPOST_UNM",
            "$JS.API.CONSUMER.CREATE.GATEPOST_SEC",
            "gatepost.sec.b",
            "$JS.API.STREAM.MSG.DELETE.GATEPOST_REG",
            "$JS.API.STREAM.MSG.DELETE.GATEPOST_AUD",
            "$JS.API.STREAM.MSG.DELETE.GATEPOST_QTN",
            "$JS.API.STREAM.PURGE.GATEPOST_REG",
        ])
        .await;
    router.may_not_subscribe(&["gatepost.ev.>", "_INBOX_gateway.>"]).await;

    let mut admin = Role::connect(server, "admin").await;
    admin.may_ask(&["$JS.API.STREAM.MSG.GET.GATEPOST_QTN", "$JS.API.STREAM.MSG.DELETE.GATEPOST_UNM"]).await;
    admin.may_ask(&["gatepost.reg.destination.a", "gatepost.aud.act"]).await;
    admin
        .may_not_publish(&[
            "gatepost.dlv.0.a",
            "$JS.API.STREAM.PURGE.GATEPOST_REG",
            "$JS.API.STREAM.PURGE.GATEPOST_AUD",
            "$JS.API.STREAM.MSG.DELETE.GATEPOST_AUD",
            "$JS.API.CONSUMER.CREATE.GATEPOST_EV_0",
            "$JS.API.STREAM.MSG.DELETE.GATEPOST_EV_0",
            "$JS.API.STREAM.UPDATE.GATEPOST_EV_0",
            "$JS.API.STREAM.DELETE.GATEPOST_EV_0",
        ])
        .await;

    let mut setup = Role::connect(server, "setup").await;
    setup.may_ask(&["$JS.API.STREAM.INFO.GATEPOST_EV_0", "$JS.API.STREAM.UPDATE.GATEPOST_EV_0"]).await;
    setup
        .may_not_publish(&[
            "gatepost.ev.0.a",
            "$JS.API.STREAM.DELETE.GATEPOST_EV_0",
            "$JS.API.STREAM.PURGE.GATEPOST_EV_0",
            "$JS.API.DIRECT.GET.GATEPOST_EV_0",
        ])
        .await;
}
