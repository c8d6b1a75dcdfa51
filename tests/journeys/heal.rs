//! What providers could not deliver in two hours is had from them later, once; and `incident` says so before and after.

mod github;
mod hooks;
mod stripe;

use std::time::Duration;

use gatepost_config::Timestamp;
use gatepost_tests::{
    backend::Backend,
    gatepost::{Gatepost, Home},
    github::Webhook,
    nats_server::NatsServer,
    wait::eventually,
};
use serde_json::Value;

use self::{github::GitHub, stripe::Stripe};
use crate::setup::{Engine, PATIENCE, SECRET, SIGNING};

const KEY: &str = "a key of the test's own";
const MASTER: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_in_two_hours_is_had_later_and_once_on_embedded() {
    what_was_missed_in_two_hours_is_had_later_and_once(Engine::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_in_two_hours_is_had_later_and_once_on_nats() {
    what_was_missed_in_two_hours_is_had_later_and_once(Engine::Nats(NatsServer::start().await)).await;
}

async fn what_was_missed_in_two_hours_is_had_later_and_once(engine: Engine) {
    let site = Site::start(engine, None).await;
    site.outage().await;

    let before = site.incident(&["--from", "3h"]).await;
    for (integration, verdict, missing) in
        [("app", "can_be_healed", 4), ("stripe", "can_be_healed", 5), ("quiet", "nothing_missed", 0)]
    {
        assert_eq!(verdict_of(&before, integration), (verdict, missing), "{integration}: {before}");
    }
    assert_eq!(site.backend.counts().len(), 2, "a dry run does nothing");

    let first = site.heal("app").await;
    assert_eq!(figures(&first), [5, 1, 4, 4], "undelivered, present, missing, healed: {first}");
    assert_eq!(site.github.asked(), ["missed-1", "missed-2", "missed-3", "missed-4"]);
    let first = site.heal("stripe").await;
    assert_eq!(figures(&first), [6, 1, 5, 5], "{first}");
    let delivered = site.backend.wait_for(11, PATIENCE).await;
    let healed = |envelope: &Value| envelope["headers"]["gatepost-healed"].is_string();
    let fetched: Vec<Value> = delivered.iter().map(|delivery| delivery.envelope()).filter(healed).collect();
    assert_eq!(fetched.len(), 5);
    for envelope in &fetched {
        assert_eq!(envelope["trust"], "authenticated", "{envelope}");
        let connection = if envelope["account"].is_null() { Value::Null } else { "anvils".into() };
        assert_eq!(envelope["connection"], connection, "{envelope}");
    }

    // Once GitHub lists what it delivered again.
    site.nothing_is_missing("app").await;
    for integration in ["app", "stripe"] {
        let again = site.heal(integration).await;
        assert_eq!((&again["progress"]["missing"], &again["progress"]["healed"]), (&0.into(), &0.into()), "{again}");
    }
    assert_eq!(site.github.asked().len(), 4);
    let late = site.stripe.posts("evt_missed2", &site.gateway).await;
    assert_eq!(late.result(), "duplicate", "what Stripe's own retry brings later");

    let after = site.incident(&["--from", "3h"]).await;
    for (integration, verdict) in [("app", "healed"), ("stripe", "healed"), ("quiet", "nothing_missed")] {
        assert_eq!(verdict_of(&after, integration), (verdict, 0), "{integration}: {after}");
    }
    assert!(site.backend.counts().values().all(|times| *times == 1), "{:?}", site.backend.counts());
    site.gatepost.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_tells_what_was_turned_away_and_fixes_what_can_be_fixed() {
    let site = Site::start(Engine::Embedded, None).await;
    site.outage().await;
    for (integration, requests) in [("app", 2), ("gitea", 3), ("shop", 1)] {
        for n in 0..requests {
            let webhook = Webhook::signed("a wrong secret", "push", &format!("forged-{n}"), "{}");
            let answer = webhook.post(&site.gateway, integration).await.expect("an answer");
            assert_eq!(answer.status.as_u16(), 401);
        }
    }
    let known = eventually("what was turned away is written down", PATIENCE, async || {
        let known = site.incident(&["--from", "1h", "--offline"]).await;
        let total = |integration| item(&known, integration)["turned_away"]["total"].as_u64();
        let kept = |integration| item(&known, integration)["kept"].as_u64();
        let is_whole = [("app", 2), ("gitea", 3), ("shop", 1)]
            .into_iter()
            .all(|(integration, count)| total(integration) == Some(count) && kept(integration) == Some(count));
        is_whole.then_some(known)
    })
    .await;
    for (integration, verdict, fix) in [
        ("app", "can_be_healed", "gatepost heal --integration app"),
        ("gitea", "needs_backstop_sync", "backstop"),
        ("shop", "provider_retries", "gatepost quarantine release --integration shop"),
    ] {
        assert_eq!(item(&known, integration)["verdict"], verdict, "{known}");
        let fixes = item(&known, integration)["fix"].to_string();
        assert!(fixes.contains(fix), "{integration}: {fixes}");
    }
    let reasons = &item(&known, "gitea")["turned_away"]["by_reason"];
    assert_eq!(reasons.as_object().map(|all| all.values().filter_map(Value::as_u64).sum()), Some(3_u64), "{reasons}");

    let fixed = site.incident(&["--from", "3h", "--fix"]).await;
    assert_eq!(verdict_of(&fixed, "app"), ("healed", 0), "{fixed}");
    assert_eq!(verdict_of(&fixed, "stripe"), ("healed", 0), "{fixed}");
    site.backend.wait_for(11, PATIENCE).await;
    site.gatepost.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_heals_by_itself() {
    let stripe = Stripe::start().await;
    let ago = |minutes: u64| Timestamp::now().before(Duration::from_secs(minutes * 60));
    stripe.happened("evt_missed1", Some(stripe::ACCOUNT), ago(5), false);
    stripe.happened("evt_of_now", Some(stripe::ACCOUNT), ago(0), false);
    let site = Site::start(Engine::Embedded, Some(stripe)).await;
    let delivered = site.backend.wait_for(1, PATIENCE).await;
    assert_eq!(delivered[0].envelope()["provider_event_id"], "evt_missed1", "the other may still be delivered");
    let heal = eventually("its end", PATIENCE, async || {
        let incident = site.incident(&["--from", "8m", "--to", "3m", "--integration", "stripe", "--offline"]).await;
        (verdict_of(&incident, "stripe") == ("healed", 0)).then_some(incident)
    })
    .await;
    assert_eq!(item(&heal, "stripe")["heal"]["healed"], 1, "{heal}");
    site.gatepost.stop().await;
}

struct Site {
    home: Home,
    backend: Backend,
    github: GitHub,
    stripe: Stripe,
    gatepost: Gatepost,
    gateway: String,
    _engine: Engine,
}

impl Site {
    /// With a schedule for a Stripe that is given.
    async fn start(engine: Engine, scheduled: Option<Stripe>) -> Self {
        let (backend, github) = (Backend::start().await, GitHub::start().await);
        let every = if scheduled.is_some() { "every = \"1m\"\n" } else { "" };
        let stripe = match scheduled {
            Some(stripe) => stripe,
            None => Stripe::start().await,
        };
        let config = config(&engine, &backend, &github, &stripe)
            .replace("connected = true\n", &format!("connected = true\n{every}"));
        let files = [
            ("api", KEY),
            ("master", MASTER),
            ("github", SECRET),
            ("app.pem", github::KEY),
            ("stripe", stripe::SECRET),
            ("stripe_key", stripe::KEY),
            ("signing", SIGNING),
        ];
        let home = Home::new(&config, &files);
        if !engine.is_embedded() {
            home.init_store();
        }
        let gatepost = home.run(&[]).await;
        let gateway = gatepost.gateway().await;
        github.posts_to(gateway.clone());
        Self { home, backend, github, stripe, gatepost, gateway, _engine: engine }
    }

    /// Two hours in which nothing came through, from half an hour ago back; what came before and after did.
    async fn outage(&self) {
        let now = Timestamp::now();
        let ago = |minutes: u64| now.before(Duration::from_secs(minutes * 60));
        let github = &self.github;
        github.delivered("too-old", ago(400), 503);
        github.delivered("before", ago(151), 200);
        for (guid, minutes) in [("missed-1", 150), ("missed-2", 120), ("missed-3", 60), ("missed-4", 31)] {
            github.delivered(guid, ago(minutes), 503);
        }
        github.delivered("slow", ago(30), 504);
        github.delivered("missed-and-had", ago(29), 503);
        github.delivered("after", ago(10), 200);
        github.delivered("missed-and-had", ago(9), 200);

        let (stripe, account) = (&self.stripe, Some(stripe::ACCOUNT));
        stripe.happened("evt_too_old", None, ago(400), false);
        stripe.happened("evt_before", account, ago(151), true);
        for (n, minutes) in [(1, 150), (2, 120), (3, 60)] {
            stripe.happened(&format!("evt_missed{n}"), account, ago(minutes), false);
        }
        for (n, minutes) in [(4, 45), (5, 31)] {
            stripe.happened(&format!("evt_missed{n}"), None, ago(minutes), false);
        }
        stripe.happened("evt_elsewhere", account, ago(20), false);

        // Stored, though GitHub heard no answer, and though another endpoint of Stripe's failed.
        assert_eq!(self.github.posts("slow", &self.gateway).await.result(), "stored");
        assert_eq!(stripe.posts("evt_elsewhere", &self.gateway).await.result(), "stored");
        self.backend.wait_for(2, PATIENCE).await;
    }

    async fn heal(&self, integration: &str) -> Value {
        self.command(&["heal", "--integration", integration, "--since", "3h"]).await
    }

    async fn incident(&self, args: &[&str]) -> Value {
        self.command(&[&["incident"], args].concat()).await
    }

    async fn nothing_is_missing(&self, integration: &str) {
        eventually("the provider to list what it delivered again", PATIENCE, async || {
            let heal = self.command(&["heal", "--integration", integration, "--since", "3h", "--dry-run"]).await;
            (heal["progress"]["undelivered"] == 1 && heal["progress"]["missing"] == 0).then_some(())
        })
        .await;
    }

    async fn command(&self, args: &[&str]) -> Value {
        command(&self.home, &self.gatepost, args).await
    }
}

/// Runs a command, and waits for it on a thread of its own: what it asks is served by this one's.
async fn command(home: &Home, gatepost: &Gatepost, args: &[&str]) -> Value {
    let url = format!("http://{}", gatepost.address("admin").await);
    let args = [args, &["--json", "--url", &url, "--api-key", KEY]].concat();
    let output = tokio::task::block_in_place(|| home.command(&args));
    let log = gatepost.log().join("\n");
    assert!(output.status.success(), "{args:?}: {}\n{log}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn config(engine: &Engine, backend: &Backend, github: &GitHub, stripe: &Stripe) -> String {
    format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{{ file = \"api\" }}]\nhistory_path = \"h/history.db\"\n\
         [store]\n{}\n[secrets]\nmaster_keys = [{{ file = \"master\" }}]\n\
         [[integration]]\nid = \"app\"\nprovider = \"github\"\nsecrets = [{{ file = \"github\" }}]\n\
         [integration.heal]\napp_id = \"{}\"\nprivate_key = {{ file = \"app.pem\" }}\nurl = \"{}\"\nprivate = true\n\
         [[integration]]\nid = \"stripe\"\nprovider = \"stripe\"\nsecrets = [{{ file = \"stripe\" }}]\n\
         unmatched = \"forward\"\n\
         [integration.heal]\napi_key = {{ file = \"stripe_key\" }}\nconnected = true\nurl = \"{}\"\nprivate = true\n\
         [[integration]]\nid = \"quiet\"\nprovider = \"github\"\nsecrets = [{{ file = \"github\" }}]\n\
         [[integration]]\nid = \"gitea\"\nprovider = \"gitea\"\nsecrets = [{{ file = \"github\" }}]\n\
         [[integration]]\nid = \"shop\"\nprovider = \"shopify\"\nsecrets = [{{ file = \"github\" }}]\n\
         [[connection]]\nintegration = \"app\"\nid = \"acme\"\naccount = \"{}\"\n\
         [[connection]]\nintegration = \"stripe\"\nid = \"anvils\"\naccount = \"{}\"\n\
         [[destination]]\nid = \"backend\"\nurl = \"{}\"\nprivate = true\nsecrets = [{{ file = \"signing\" }}]\n\
         [[route]]\nid = \"all\"\nforward = [\"backend\"]\n",
        engine.section(),
        github::APP,
        github.url,
        stripe.url,
        github::INSTALLATION,
        stripe::ACCOUNT,
        backend.url(),
    )
}

fn item<'i>(incident: &'i Value, integration: &str) -> &'i Value {
    let items = incident["items"].as_array().expect("a list");
    items.iter().find(|item| item["integration"] == integration).expect("the integration")
}

/// The verdict, and how many events are missing.
fn verdict_of<'i>(incident: &'i Value, integration: &str) -> (&'i str, u64) {
    let item = item(incident, integration);
    (item["verdict"].as_str().expect("a word"), item["heal"]["missing"].as_u64().unwrap_or_default())
}

/// Undelivered, present, missing, healed.
fn figures(heal: &Value) -> [u64; 4] {
    ["undelivered", "present", "missing", "healed"].map(|name| heal["progress"][name].as_u64().expect("a number"))
}
