//! Connections with a destination of their own: their events go there instead of where routes forward them.

use std::{collections::BTreeSet, sync::Mutex};

use gatepost_tests::{backend::Backend, gatepost::Gatepost, github::Webhook, wait::eventually};
use http::Method;
use serde_json::{Value, json};

use crate::{
    access::{Api, KEY},
    setup::{Engine, Journey, PATIENCE, SECRET, SIGNING, each_engine},
};

each_engine!(the_events_of_a_connection_with_a_destination_of_its_own_go_there_and_nowhere_else);

const CONNECTION: &str = "/v1/connections/github/c7";
const DESTINATION: &str = "/v1/destinations/theirs";

/// Connection `c1` of tenant `t1` has account 1, by the file; `c7` of `t7` will have account 7.
struct Rig {
    journey: Journey,
    /// What `c7` wants instead of the operator's.
    theirs: Backend,
    gatepost: Gatepost,
    api: Api,
    /// Ids of the events of account 7.
    pushed: Mutex<BTreeSet<String>>,
}

impl Rig {
    async fn start(engine: Engine) -> Self {
        let theirs = Backend::start().await;
        let journey = Journey::new(engine, "park", &BTreeSet::from([1])).await;
        let mut file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
        file += "\n[admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{ file = \"api\" }]\n";
        journey.home.write("api", KEY);
        journey.home.write("gatepost.toml", &file);
        let gatepost = journey.run().await;
        let api = Api::of(&gatepost).await;
        Self { journey, theirs, gatepost, api, pushed: Mutex::default() }
    }

    async fn push(&self, account: u64) {
        let id = format!("{account}-{}", self.pushed().len());
        let webhook =
            Webhook::signed(SECRET, "push", &id, format!(r#"{{"id":"{id}","installation":{{"id":{account}}}}}"#));
        webhook.post(&self.gatepost.gateway().await, "github").await.expect("an answer");
        if account == 7 {
            self.pushed.lock().expect("nobody panicked").insert(id);
        }
    }

    fn pushed(&self) -> BTreeSet<String> {
        self.pushed.lock().expect("nobody panicked").clone()
    }

    async fn put(&self, path: &str, wish: &Value, status: u16) -> Value {
        self.api.told(Method::PUT, path, KEY, Some(wish), status).await
    }

    /// Makes the destination as a tenant's.
    async fn destination(&self, tenant: &str) {
        let wish = json!({ "tenant": tenant, "url": self.theirs.url(), "private": true, "secrets": [SIGNING] });
        self.put(DESTINATION, &wish, 201).await;
    }

    async fn dead(&self) -> Vec<Value> {
        let page = self.api.told(Method::GET, "/v1/deliveries?status=dead&limit=500", KEY, None, 200).await;
        page["items"].as_array().expect("a list").clone()
    }

    /// Waits until all events of account 7 have arrived at a backend.
    async fn all_at(&self, backend: &Backend) {
        eventually("all that was pushed", PATIENCE, async || (at(backend, 7) == self.pushed()).then_some(())).await;
    }

    async fn command(&self, args: &[&str]) -> Value {
        let url = format!("http://{}", self.gatepost.address("admin").await);
        let output = self.journey.home.command(&[args, &["--json", "--url", &url, "--api-key", KEY]].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

/// The events of an account that a backend got.
fn at(backend: &Backend, account: u64) -> BTreeSet<String> {
    let ids = backend.got().into_iter().map(|got| got.envelope()["data"]["id"].as_str().expect("an id").to_owned());
    ids.filter(|id| id.starts_with(&format!("{account}-"))).collect()
}

async fn the_events_of_a_connection_with_a_destination_of_its_own_go_there_and_nowhere_else(engine: Engine) {
    let mut rig = Rig::start(engine).await;
    let wish = json!({ "tenant": "t7", "accounts": ["7"], "destination": "theirs" });
    // Parked, until there is a connection; which names a destination that there is, and that it may have.
    rig.push(7).await;
    for tenant in [None, Some("t8")] {
        if let Some(tenant) = tenant {
            rig.destination(tenant).await;
        }
        let problem = rig.put(CONNECTION, &wish, 422).await;
        let detail = problem["detail"].as_str().expect("words");
        assert!(detail.starts_with("destination is \"theirs\"") && detail.contains("make it first"), "{detail}");
    }
    rig.api.told(Method::DELETE, DESTINATION, KEY, None, 204).await;
    rig.destination("t7").await;
    rig.put(CONNECTION, &wish, 201).await;
    rig.all_at(&rig.theirs).await;
    rig.push(7).await;
    rig.push(1).await;
    rig.all_at(&rig.theirs).await;
    eventually("the control", PATIENCE, async || (at(&rig.journey.backend, 1).len() == 1).then_some(())).await;

    // Removed: what comes waits, over a restart too, and another tenant's of that name never gets it.
    rig.api.told(Method::DELETE, DESTINATION, KEY, None, 204).await;
    eventually("one that waits", PATIENCE, async || {
        rig.push(7).await;
        let waits = rig.gatepost.metric("gatepost_router_waiting_unknown_deliveries", "").await;
        (waits > 0.9).then_some(())
    })
    .await;
    rig.gatepost.kill().await;
    rig.gatepost = rig.journey.run().await;
    rig.api = Api::of(&rig.gatepost).await;
    rig.destination("t8").await;
    let letters = eventually("dead letters", PATIENCE, async || {
        let arrived = at(&rig.theirs, 7).len();
        Some(rig.dead().await).filter(|dead| !dead.is_empty() && dead.len() + arrived == rig.pushed().len())
    })
    .await;
    assert!(letters.iter().all(|letter| letter["reason"] == "other_tenant"), "{letters:?}");
    rig.api.told(Method::DELETE, DESTINATION, KEY, None, 204).await;
    rig.destination("t7").await;
    eventually("all of them at last", PATIENCE, async || {
        // The router may not have heard of the new one at the first.
        rig.command(&["replays", "create", "--reason", "other_tenant", "--wait"]).await;
        (at(&rig.theirs, 7) == rig.pushed()).then_some(())
    })
    .await;
    assert_eq!(at(&rig.journey.backend, 7), BTreeSet::new());

    // What another file would do: its word on its own connections counts.
    let file = std::fs::read_to_string(rig.journey.home.path("gatepost.toml")).expect("there");
    let spare = "tenant = \"t1\"\ndestination = \"spare\"\n\n[[destination]]\nid = \"spare\"\n\
                 url = \"https://spare.example/\"\nsecrets = [{ file = \"signing\" }]\n";
    rig.journey.home.write("new.toml", &file.replace("tenant = \"t1\"\n", spare));
    let diff = rig.command(&["routes", "diff", "new.toml", "--since", "24h"]).await;
    assert_eq!(diff["changed"].as_array().map(Vec::len), Some(1), "{diff}");
    let changed = &diff["changed"][0];
    assert_eq!((&changed["added"], &changed["removed"]), (&json!(["spare"]), &json!(["backend"])), "{diff}");

    // Without one of its own it is routed like all others, and so is what is routed anew.
    rig.put(CONNECTION, &json!({ "tenant": "t7", "accounts": ["7"] }), 200).await;
    eventually("the route's way", PATIENCE, async || {
        rig.push(7).await;
        (!at(&rig.journey.backend, 7).is_empty()).then_some(())
    })
    .await;
    rig.command(&["replays", "create", "--reroute", "--connection", "c7", "--wait"]).await;
    rig.all_at(&rig.journey.backend).await;
    rig.gatepost.stop().await;
}
