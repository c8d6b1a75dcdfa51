//! Connections that are made at run time: what waited for them arrives, in order, and nobody gets another's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use gatepost_config::{Secret, Timestamp};
use gatepost_event::{
    Event, EventId, Keyring, Linked, Store,
    connection::{self, Claiming, Phase},
    registry::Expect,
};
use gatepost_tests::{
    backend::{Backend, Delivery},
    gatepost::{Gatepost, Home},
    github::{Webhook, hex, hmac_sha256},
    nats_server::NatsServer,
    post,
    wait::eventually,
};

use crate::setup::{Engine, PATIENCE, SECRET, SIGNING, open};

/// The key that seals secrets in these tests.
const MASTER: &str = "a master key of the tests' own, long enough";

/// Events that wait before there is a connection.
const BACKLOG: usize = 200;

/// A GitHub integration, and one of a provider with a secret per connection; deliveries of a connection in their order.
fn home(engine: &Engine, backend: &Backend) -> Home {
    let config = format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n[store]\n{}\n\
         [secrets]\nmaster_keys = [{{ file = \"master\" }}]\n\
         [[provider]]\nname = \"own\"\ntitle = \"Own\"\nsecret_scope = \"connection\"\n\
         [[provider.scheme]]\nid = \"v1\"\nkind = \"hmac\"\nhash = \"sha256\"\n\
         signature = {{ from = \"header:x-sig\", encoding = \"hex\" }}\nsigned = \"{{body}}\"\n\
         [provider.event]\ntype = \"json:/type\"\nid = \"json:/id\"\naccount = \"json:/account\"\n\
         [[integration]]\nid = \"github\"\nprovider = \"github\"\nsecrets = [{{ file = \"github\" }}]\n\
         [[integration]]\nid = \"own\"\nprovider = \"own\"\n\
         [[destination]]\nid = \"backend\"\nurl = \"{}\"\nprivate = true\nsecrets = [{{ file = \"signing\" }}]\n\
         [[route]]\nid = \"all\"\nforward = [\"backend\"]\nordered = true\n",
        engine.section(),
        backend.url(),
    );
    let home = Home::new(&config, &[("github", SECRET), ("signing", SIGNING), ("master", MASTER)]);
    if !engine.is_embedded() {
        home.init_store();
    }
    home
}

fn linked(integration: &str, id: &str, tenant: &str, account: &str) -> Linked {
    let parsed = integration.parse().expect("an id");
    let linked = Linked::new(parsed, id.parse().expect("an id"), tenant.parse().expect("an id"), Timestamp::now());
    Linked { accounts: vec![account.to_owned()], ..linked }
}

async fn make(store: &Store, wanted: Linked) {
    let put = connection::put(store, wanted, Expect::Absent, Claiming::default(), Timestamp::now()).await;
    put.expect("nobody has it");
}

/// The processes: one, or on NATS one that receives and one that delivers.
struct Site {
    home: Home,
    backend: Backend,
    engine: Engine,
    gateway: Option<Gatepost>,
    router: Option<Gatepost>,
}

impl Site {
    async fn start(engine: Engine) -> Self {
        let backend = Backend::start().await;
        let home = home(&engine, &backend);
        let mut site = Self { home, backend, engine, gateway: None, router: None };
        site.run().await;
        site
    }

    async fn run(&mut self) {
        if self.engine.is_embedded() {
            self.gateway = Some(self.home.run(&[]).await);
            return;
        }
        if self.gateway.is_none() {
            self.gateway = Some(self.home.run(&["gateway"]).await);
        }
        self.router = Some(self.home.run(&["router"]).await);
    }

    /// Kills whoever releases parked events.
    async fn kill(&mut self) {
        match self.router.take() {
            Some(router) => router.kill().await,
            None => self.gateway.take().expect("it runs").kill().await,
        }
    }

    /// Makes a connection: on NATS while all goes on, on the embedded engine, which belongs to one process, in a pause.
    async fn link(&mut self, wanted: Linked) {
        if self.engine.is_embedded() {
            self.gateway.take().expect("it runs").stop().await;
        }
        let store = open(&self.home).await;
        make(&store, wanted).await;
        store.close().await;
        if self.engine.is_embedded() {
            self.run().await;
        }
    }

    async fn push(&self, account: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
        let address = self.gateway.as_ref().expect("it runs").gateway().await;
        let mut results = Vec::new();
        for n in numbers {
            let body = format!(r#"{{"n":{n},"installation":{{"id":{account}}}}}"#);
            let webhook = Webhook::signed(SECRET, "push", &format!("{account}-{n}"), body);
            let result = eventually("it is taken", PATIENCE, async || {
                let answer = webhook.post(&address, "github").await.ok()?;
                (answer.status == 200).then(|| answer.result().to_owned())
            });
            results.push(result.await);
        }
        results
    }

    /// What arrived of an account, once there are so many different ones.
    async fn arrived(&self, account: &str, count: usize) -> Vec<Delivery> {
        eventually("all have arrived", PATIENCE, async || {
            let of = |delivery: &Delivery| delivery.envelope()["account"] == account;
            let got: Vec<_> = self.backend.got().into_iter().filter(of).collect();
            let ids: BTreeSet<_> = got.iter().map(|delivery| delivery.header("webhook-id")).collect();
            (ids.len() >= count).then(|| got.clone())
        })
        .await
    }

    /// The last that the processes said.
    fn told(&self) -> String {
        let logs = self.gateway.iter().chain(&self.router).map(|process| {
            let log = process.log();
            log[log.len().saturating_sub(30)..].join("\n")
        });
        logs.collect::<Vec<_>>().join("\n\n")
    }

    /// Stops all, and reads the log as it was stored.
    async fn stop(self) -> Vec<Event> {
        for process in [self.gateway, self.router].into_iter().flatten() {
            process.stop().await;
        }
        let store = open(&self.home).await;
        let mut events = Vec::new();
        for partition in 0..store.partitions() {
            let mut after = 0;
            loop {
                let page = store.events(partition, after, 500).await.expect("they are read");
                let Some(last) = page.last() else { break };
                after = last.at.sequence;
                events.extend(page.into_iter().map(|stored| stored.event.expect("an event")));
            }
        }
        assert_eq!(store.census().await.expect("it counts").unmatched, 0, "something is left behind");
        store.close().await;
        events
    }
}

fn number(delivery: &Delivery) -> usize {
    usize::try_from(delivery.envelope()["data"]["n"].as_u64().expect("a number")).expect("small")
}

/// The id under which an event was acknowledged while nobody claimed its account.
fn parked_id(account: &str, n: usize) -> String {
    EventId::of("github", &format!("account:{account}"), &format!("{account}-{n}"), None).to_string()
}

async fn what_waited_for_a_connection_arrives_in_stored_order(engine: Engine) {
    let mut site = Site::start(engine).await;
    for (account, killed) in [("777", false), ("888", true)] {
        let results = site.push(account, 0..BACKLOG).await;
        assert!(results.iter().all(|result| result == "unmatched"), "{results:?}");
        site.link(linked("github", &format!("c{account}"), "acme", account)).await;
        if killed {
            site.kill().await;
            site.run().await;
        }
        let mut more = BACKLOG;
        let deadline = Instant::now() + PATIENCE;
        loop {
            more += 1;
            let results = site.push(account, more - 1..more).await;
            if results.last().is_some_and(|last| last == "stored") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(Instant::now() < deadline, "c{account} takes nothing: {}", site.told());
        }
        let got = site.arrived(account, more).await;
        let numbers: BTreeSet<_> = got.iter().map(number).collect();
        assert_eq!(numbers, (0..more).collect(), "each arrives");
        let mut ids = BTreeMap::new();
        for delivery in &got {
            let id = ids.entry(number(delivery)).or_insert_with(|| delivery.header("webhook-id").to_owned());
            assert_eq!(id, delivery.header("webhook-id"), "a repeat has another id");
            assert_eq!(delivery.envelope()["connection"], format!("c{account}"));
            assert_eq!(delivery.envelope()["tenant"], "acme");
        }
        for n in 0..BACKLOG {
            assert_eq!(ids[&n], parked_id(account, n), "it was acknowledged under another id");
        }
        let backlog: Vec<_> = got.iter().map(number).filter(|n| *n < BACKLOG).collect();
        if !killed {
            assert_eq!(got.len(), more, "some arrived twice");
            assert_eq!(backlog, (0..BACKLOG).collect::<Vec<_>>(), "not in the order in which they were stored");
        }
    }
    let got = site.backend.got();
    let logged = site.stop().await;
    let order: Vec<_> = logged.iter().filter(|event| event.meta.account.as_deref() == Some("777")).collect();
    let delivered = got.iter().filter(|delivery| delivery.envelope()["account"] == "777");
    let delivered: Vec<_> = delivered.map(|delivery| delivery.header("webhook-id").to_owned()).collect();
    assert_eq!(delivered, order.iter().map(|event| event.meta.id.to_string()).collect::<Vec<_>>());
}

/// Account keys that differ by case, by Unicode's forms, by leading zeros or by nothing to see.
const LOOKALIKES: [&str; 20] = [
    "Acme",
    "acme",
    "ACME",
    "\u{ff21}cme",
    "acme ",
    " acme",
    "acme\u{200b}",
    "\u{e9}",
    "e\u{301}",
    "\u{c9}",
    "1",
    "01",
    "001",
    "1.0",
    "+1",
    "\u{ff11}",
    "1e0",
    "0x1",
    "\u{df}",
    "ss",
];

async fn twenty_connections_are_kept_apart(engine: Engine) {
    let backend = Backend::start().await;
    let home = home(&engine, &backend);
    let keys = Keyring::new(&[Secret::new(MASTER.into(), "the test")]);
    let store = open(&home).await;
    for (n, account) in LOOKALIKES.iter().enumerate() {
        for integration in ["own", "github"] {
            let mut wanted = linked(integration, &format!("c{n}"), &format!("t{n}"), account);
            let sealed = wanted.seal(&keys, secret(n).as_bytes(), None, Timestamp::now()).expect("it is sealed");
            wanted.secrets.extend((integration == "own").then_some(sealed));
            let put = connection::put(&store, wanted, Expect::Absent, Claiming::default(), Timestamp::now()).await;
            let found = put.expect("nobody has it");
            connection::advance(&store, &found, Phase::Active).await.expect("it is answered").expect("as it was");
        }
    }
    store.close().await;
    let gatepost = home.run(&[]).await;
    let address = gatepost.gateway().await;
    let address = address.as_str();

    let pairs = (0..20).flat_map(|signer| (0..20).map(move |of| (signer, of)));
    let asked = stream::iter(pairs).map(|(signer, of)| async move {
        let by_url = own(address, &format!("/webhooks/own/c{of}"), "whatever it says", signer, "by url").await;
        let by_account = own(address, "/webhooks/own", LOOKALIKES[of], signer, "by account").await;
        (signer == of, [by_url, by_account])
    });
    let answers: Vec<_> = asked.buffer_unordered(8).collect().await;
    let refused = answers.iter().filter(|(same, answers)| !same && answers.iter().all(|(status, _)| *status == 401));
    assert_eq!(refused.count(), 380, "{answers:?}");
    // All of them under the same provider's ids, and none is taken for another's.
    let accepted = answers.iter().filter(|(same, answers)| *same && answers.iter().all(|(_, word)| word == "stored"));
    assert_eq!(accepted.count(), 20, "{answers:?}");
    let (_, again) = own(address, "/webhooks/own", LOOKALIKES[3], 3, "by account").await;
    assert_eq!(again, "duplicate", "the control");
    for account in LOOKALIKES {
        let mut body = String::new();
        let account = serde_json::to_string(account).expect("text");
        write!(body, r#"{{"installation":{{"id":{account}}}}}"#).expect("text");
        let answer = Webhook::signed(SECRET, "push", "the same id", body).post(address, "github").await;
        assert_eq!(answer.expect("an answer").result(), "stored", "{account}");
    }
    gatepost.stop().await;

    let site = Site { home, backend, engine, gateway: None, router: None };
    let logged = site.stop().await;
    assert_eq!(logged.len(), 60);
    let mut seen = BTreeSet::new();
    for Event { meta, .. } in logged {
        let (connection, tenant) =
            (meta.connection.expect("owned").to_string(), meta.tenant.expect("owned").to_string());
        let n: usize = connection[1..].parse().expect("a number");
        let account = meta.account.expect("said");
        assert_eq!(tenant, format!("t{n}"));
        assert!(account == LOOKALIKES[n] || account == "whatever it says", "{account} of {connection}");
        seen.insert((meta.integration.to_string(), n, account));
    }
    assert_eq!(seen.len(), 60, "{seen:?}");
}

fn secret(n: usize) -> String {
    format!("the signing secret of connection {n}")
}

/// Posts an event signed with a connection's secret: status and result.
async fn own(address: &str, target: &str, account: &str, signer: usize, id: &str) -> (u16, String) {
    let body = serde_json::json!({ "type": "t", "id": id, "account": account }).to_string();
    let signature = hex(&hmac_sha256(secret(signer).as_bytes(), body.as_bytes()));
    let headers = [("content-type", "application/json"), ("x-sig", signature.as_str())];
    let answer = post::post(address, target, &headers, body.into()).await.expect("an answer");
    (answer.status.as_u16(), answer.result().to_owned())
}

mod embedded {
    use crate::setup::Engine;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_waited_for_a_connection_arrives_in_stored_order() {
        super::what_waited_for_a_connection_arrives_in_stored_order(Engine::Embedded).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn twenty_connections_are_kept_apart() {
        super::twenty_connections_are_kept_apart(Engine::Embedded).await;
    }
}

mod nats {
    use super::NatsServer;
    use crate::setup::Engine;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_waited_for_a_connection_arrives_in_stored_order() {
        super::what_waited_for_a_connection_arrives_in_stored_order(Engine::Nats(NatsServer::start().await)).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn twenty_connections_are_kept_apart() {
        super::twenty_connections_are_kept_apart(Engine::Nats(NatsServer::start().await)).await;
    }
}
