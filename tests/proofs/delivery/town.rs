//! A gateway and routers between one provider and many customers.

use gatepost_config::{Options, load, std_env};
use gatepost_event::{Store, store::Census};
use gatepost_tests::{
    gatepost::{Gatepost, Home, PATIENCE},
    nats_server::{NatsCluster, NatsServer},
    process::{peak_kib, rss_kib},
    wait::eventually,
};

use crate::{rounds, setup::SECRET};

/// Shards of the deliveries on NATS.
const SHARDS: f64 = 8.0;

/// The processes, and what they stand on.
pub(crate) struct Town {
    home: Home,
    nats: bool,
    all: Vec<Gatepost>,
    servers: Option<Servers>,
}

/// NATS servers: one in the short form, three in the full one.
pub(crate) enum Servers {
    /// Alone.
    One(NatsServer),
    /// A cluster.
    Three(NatsCluster),
}

impl Servers {
    /// Starts them, or none for the embedded engine.
    pub(crate) async fn start(nats: bool) -> Option<Self> {
        match (nats, rounds(1, 3)) {
            (false, _) => None,
            (true, 1) => Some(Self::One(NatsServer::start().await)),
            (true, count) => Some(Self::Three(NatsCluster::start(count).await)),
        }
    }

    fn all(&self) -> &[NatsServer] {
        match self {
            Self::One(server) => std::slice::from_ref(server),
            Self::Three(cluster) => &cluster.servers,
        }
    }

    fn urls(&self) -> Vec<String> {
        match self {
            Self::One(server) => vec![server.url()],
            Self::Three(cluster) => cluster.urls(),
        }
    }
}

/// What stands in the configuration beside the store and the integration.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    text: String,
    gateway: String,
}

impl Plan {
    /// A connection, whose account is its number and whose tenant is named.
    pub(crate) fn connection(&mut self, number: u64, tenant: &str) {
        self.text += &format!(
            "[[connection]]\nintegration = \"github\"\nid = \"c{number}\"\naccount = \"{number}\"\ntenant = \"{tenant}\"\n\n"
        );
    }

    /// A destination; `more` are further settings.
    pub(crate) fn destination(&mut self, id: &str, url: &str, more: &str) {
        self.text += &format!(
            "[[destination]]\nid = \"{id}\"\nurl = \"{url}\"\nprivate = true\n\
             secrets = [{{ file = \"signing\" }}]\n{more}\n\n"
        );
    }

    /// A setting of the gateway's.
    pub(crate) fn gateway(&mut self, setting: &str) {
        self.gateway += &format!("{setting}\n");
    }

    /// Anything else.
    pub(crate) fn also(&mut self, text: &str) {
        self.text += text;
    }
}

impl Town {
    /// On SQLite, or on these NATS servers.
    pub(crate) fn new(servers: Option<Servers>, plan: &Plan) -> Self {
        let urls: Vec<String> = servers.iter().flat_map(Servers::urls).map(|url| format!("\"{url}\"")).collect();
        let store = match urls.len() {
            0 => "engine = \"embedded\"\npath = \"data\"".to_owned(),
            replicas => format!(
                "engine = \"nats\"\nurl = [{}]\nreplicas = {replicas}\ndurability = \"replicated\"\npartitions = 4\nshards = {SHARDS}",
                urls.join(", ")
            ),
        };
        let config = format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\n{}\n[ops]\nlisten = \"127.0.0.1:0\"\n\n[store]\n{store}\n\n\
             [[integration]]\nid = \"github\"\nprovider = \"github\"\nsecrets = [{{ file = \"github\" }}]\n\n{}",
            plan.gateway, plan.text
        );
        let signing = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwmuf8Yd4zsY4=";
        let home = Home::new(&config, &[("github", SECRET), ("signing", signing)]);
        let nats = servers.is_some();
        if nats {
            home.init_store();
        }
        Self { home, nats, all: Vec::new(), servers }
    }

    /// Starts a gateway and as many routers as the engine allows up to two; the gateway's address.
    pub(crate) async fn start(&mut self) -> String {
        let first =
            if self.nats { self.home.run(&["gateway"]).await } else { self.home.run(&["gateway", "router"]).await };
        let address = first.gateway().await;
        self.all.push(first);
        if self.nats {
            self.add_router().await;
            self.add_router().await;
            self.share_evenly().await;
        }
        address
    }

    /// Waits until the two routers have half of the shards each.
    async fn share_evenly(&self) {
        let routers = &self.all[1..];
        eventually("an even share", PATIENCE, async || {
            for router in routers {
                if router.metric("gatepost_router_leases", "shard").await != SHARDS / 2.0 {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    /// Starts a router.
    pub(crate) async fn add_router(&mut self) {
        self.all.push(self.home.run(&["router"]).await);
    }

    /// Kills the last process that was started.
    pub(crate) async fn kill_last(&mut self) {
        self.all.pop().expect("one runs").kill().await;
    }

    /// The largest resident set of the processes, in KiB, that the system has seen.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.all.iter().map(|process| peak_kib(process.pid())).max().unwrap_or(0)
    }

    /// The resident sets of the processes, in KiB, now.
    pub(crate) fn memory(&self) -> u64 {
        self.all.iter().map(|process| rss_kib(process.pid())).sum()
    }

    /// Requests that the NATS servers were sent by all that ever connected; none when there are no servers.
    pub(crate) async fn requests(&self) -> Option<u64> {
        let mut sum = 0;
        for server in self.servers.as_ref()?.all() {
            let page = server.page("connz?state=all&limit=10000").await.expect("a monitoring page");
            let connections = page["connections"].as_array().expect("connections");
            sum += connections.iter().filter_map(|connection| connection["in_msgs"].as_u64()).sum::<u64>();
        }
        Some(sum)
    }

    /// Stops the processes and counts what the store holds.
    pub(crate) async fn close(&mut self) -> Census {
        for process in self.all.drain(..) {
            process.stop().await;
        }
        let store = self.store().await;
        let census = store.census().await.expect("it counts");
        store.close().await;
        census
    }

    /// Opens the store as a role does; the embedded one belongs to one process.
    pub(crate) async fn store(&self) -> Store {
        let path = self.home.path("gatepost.toml");
        let loaded = load(&path, &std_env, Options::default()).expect("a good configuration");
        Store::open(&loaded.config.store, &loaded.config.retention).await.expect("the store opens")
    }
}
