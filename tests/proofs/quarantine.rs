//! A wrong secret, put right: what was kept meanwhile is delivered. A flood of forged requests: memory and disk stay flat,
//! and genuine requests that fail beside it are still there.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use gatepost_tests::{
    backend::Backend,
    gatepost::{Gatepost, Home},
    github::Webhook,
    nats_server::NatsServer,
    post,
    process::rss_kib,
    wait::eventually,
};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{rounds, setup::SECRET};

const KEY: &str = "a key of the drill's own";
const NEXT: &str = "the secret that comes after it";
const WORKERS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(120);
/// By how much memory may grow while forged requests pour in: a queue's worth, and what an allocator keeps.
const GROWTH_MAX_KIB: u64 = 96 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn quarantine_releases_what_a_wrong_secret_kept_out_and_survives_a_flood_embedded() {
    drill(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quarantine_releases_what_a_wrong_secret_kept_out_and_survives_a_flood_nats() {
    drill(Some(NatsServer::start().await)).await;
}

struct Site {
    home: Home,
    backend: Backend,
    nats: Option<NatsServer>,
    gatepost: Gatepost,
    kept_max: usize,
}

async fn drill(nats: Option<NatsServer>) {
    let site = Site::start(nats).await;
    let refused = site.wrong_secret().await;
    let kept = site.list().await;
    assert!(kept.len() == refused.min(site.kept_max), "{} of {refused} are kept", kept.len());
    let shown = site.command(&["quarantine", "show", kept[0]["request"].as_str().expect("an id")]).await;
    assert_eq!(shown["reason"], "signature_mismatch");
    assert!(shown["body"].as_str().is_some_and(|body| body.starts_with(r#"{"n":"#)), "{shown}");
    let early = site.release().await;
    assert_eq!((events(&early), early["progress"]["examined"].as_u64()), (0, Some(kept.len() as u64)), "{early}");

    // What was posted to learn whether the secret is in force is kept too, in the place of the oldest or until they go.
    let controls = site.fix(SECRET).await;
    let began = Instant::now();
    let release = site.release().await;
    let examined = release["progress"]["examined"].as_u64().map_or(0, |count| count as usize);
    assert!((kept.len()..=kept.len() + controls).contains(&examined), "{release}, {controls} controls");
    let back = events(&release);
    assert_eq!(back, examined - controls, "{release}, {controls} controls");
    let delivered = site.backend.wait_for(back + 1, PATIENCE).await;
    let took = began.elapsed();
    let said = |envelope: &Value| envelope["headers"]["gatepost-released"].is_string();
    assert_eq!(delivered.iter().filter(|delivery| said(&delivery.envelope())).count(), back);
    assert_eq!(site.list().await.len(), 0);
    println!("wrong secret: {refused} refused, {} kept, {back} released and delivered in {took:.1?}", kept.len());

    let (genuine, before, after) = site.flood().await;
    site.fix(NEXT).await;
    let release = site.release().await;
    assert_eq!(events(&release), genuine, "{release}");
    site.backend.wait_for(back + 2 + genuine, PATIENCE).await;
    println!("flood: RSS {} -> {} KiB, disk {} -> {} KiB", before.0, after.0, before.1, after.1);
    site.gatepost.stop().await;
}

/// Events that a release brought; what was posted to learn whether a secret is in force brings none.
fn events(release: &Value) -> usize {
    release["progress"]["events"].as_u64().map_or(usize::MAX, |count| count as usize)
}

impl Site {
    async fn start(nats: Option<NatsServer>) -> Self {
        let backend = Backend::start().await;
        let store = match &nats {
            None => "engine = \"embedded\"\npath = \"data\"".to_owned(),
            Some(server) => format!(
                "engine = \"nats\"\nurl = \"{}\"\nreplicas = 1\ndurability = \"replicated\"\npartitions = 4\nshards = 4",
                server.url()
            ),
        };
        let kept_max = rounds(200, 10_000);
        let config = format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{{ file = \"api\" }}]\n[store]\n{store}\n\
             [secrets]\nmaster_keys = [{{ file = \"master\" }}]\n\
             [quarantine]\nrequests_max = {kept_max}\nbytes_max = \"{}KiB\"\n\
             [[integration]]\nid = \"github\"\nprovider = \"github\"\nsecrets = [{{ file = \"github\" }}]\n\
             unmatched = \"forward\"\n\
             [[destination]]\nid = \"backend\"\nurl = \"{}\"\nprivate = true\nsecrets = [{{ file = \"signing\" }}]\n\
             [[route]]\nid = \"all\"\nforward = [\"backend\"]\n",
            kept_max * 4,
            backend.url()
        );
        let files = [
            ("api", KEY),
            ("master", "the drill's master key of 32 bytes and more"),
            ("github", "a wrong secret, as it was pasted"),
            ("signing", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwmuf8Yd4zsY4="),
        ];
        let home = Home::new(&config, &files);
        if nats.is_some() {
            home.init_store();
        }
        let gatepost = home.run(&[]).await;
        Self { home, backend, nats, gatepost, kept_max }
    }

    /// Posts genuine requests to a gateway that has the wrong secret; how many.
    async fn wrong_secret(&self) -> usize {
        let (count, pace) = (rounds(80, 12_000), Duration::from_millis(rounds(0, 5) as u64));
        let address = self.gatepost.gateway().await;
        let mut posts = JoinSet::new();
        let began = Instant::now();
        for n in 0..count {
            tokio::time::sleep_until((began + pace * u32::try_from(n).expect("few")).into()).await;
            while posts.len() >= WORKERS * 4 {
                posts.join_next().await.expect("one").expect("no panic");
            }
            let address = address.clone();
            posts.spawn(async move {
                let webhook = Webhook::signed(SECRET, "push", &format!("early-{n}"), format!(r#"{{"n":{n}}}"#));
                let answer = webhook.post(&address, "github").await.expect("an answer");
                assert_eq!(answer.status.as_u16(), 401);
            });
        }
        while let Some(posted) = posts.join_next().await {
            posted.expect("no panic");
        }
        self.settled(count).await;
        count
    }

    /// Puts another secret in force; how many posts were refused until it was.
    async fn fix(&self, secret: &str) -> usize {
        self.home.write("github", secret);
        let address = self.gatepost.gateway().await;
        let control = format!("control of {secret}");
        let refused = AtomicUsize::new(0);
        eventually("the new secret", PATIENCE, async || {
            let webhook = Webhook::signed(secret, "push", &control, r#"{"control":true}"#);
            let answer = webhook.post(&address, "github").await.expect("an answer");
            let is_stored = answer.result() == "stored";
            refused.fetch_add(usize::from(!is_stored), Ordering::Relaxed);
            is_stored.then_some(())
        })
        .await;
        refused.into_inner()
    }

    /// Forged requests as fast as they go, and beside them genuine ones of a secret that we don't have yet: how many of
    /// these, and memory and disk before and after.
    async fn flood(&self) -> (usize, (u64, u64), (u64, u64)) {
        let (count, genuine) = (rounds(600, 100_000), rounds(10, 50));
        let address = self.gatepost.gateway().await;
        let before = (self.memory(), self.disk());
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let (address, next) = (address.clone(), Arc::clone(&next));
            workers.spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    forged(&address, n).await;
                    if n % (count / genuine) == 1 {
                        let webhook = Webhook::signed(NEXT, "push", &format!("beside-{n}"), format!(r#"{{"n":{n}}}"#));
                        let answer = webhook.post(&address, "github").await.expect("an answer");
                        assert_eq!(answer.status.as_u16(), 401);
                    }
                }
            });
        }
        while let Some(done) = workers.join_next().await {
            done.expect("no panic");
        }
        self.settled(count + genuine).await;
        let after = (self.memory(), self.disk());
        if rounds(0, 1) == 1 {
            assert!(after.0 < before.0 + GROWTH_MAX_KIB, "RSS grew from {} to {} KiB", before.0, after.0);
            assert!(after.1 < before.1 + 256 * 1024, "the disk grew from {} to {} KiB", before.1, after.1);
        }
        (genuine, before, after)
    }

    /// Waits until every refused request since the start was kept or not, and what is kept is within its bounds.
    async fn settled(&self, at_least: usize) {
        let at_least = at_least as f64;
        eventually("the quarantine within its bounds", PATIENCE, async || {
            let mut told = 0.0;
            for word in ["quarantined_total", "quarantine_sampled_out_total", "quarantine_dropped_total"] {
                told += self.gatepost.metric(&format!("gatepost_gateway_{word}"), "github").await;
            }
            (told >= at_least && self.list().await.len() <= self.kept_max).then_some(())
        })
        .await;
    }

    async fn list(&self) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut args = vec!["quarantine", "list", "--integration", "github", "--limit", "500"];
            if let Some(cursor) = &cursor {
                args.extend(["--cursor", cursor]);
            }
            let page = self.command(&args).await;
            items.extend(page["items"].as_array().expect("a list").clone());
            cursor = page["next"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return items;
            }
        }
    }

    async fn release(&self) -> Value {
        self.command(&["quarantine", "release", "--integration", "github"]).await
    }

    /// Runs a command of the client; its output, which must be JSON.
    async fn command(&self, args: &[&str]) -> Value {
        let url = format!("http://{}", self.gatepost.address("admin").await);
        let args = [args, &["--json", "--url", &url, "--api-key", KEY]].concat();
        let output = self.home.command(&args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Of the gateway's process, in KiB.
    fn memory(&self) -> u64 {
        rss_kib(self.gatepost.pid())
    }

    /// Of the store's files, in KiB.
    fn disk(&self) -> u64 {
        let folder = self.nats.as_ref().map_or_else(|| self.home.path("data"), |nats| nats.folder().to_owned());
        bytes_of(&folder) / 1024
    }
}

fn bytes_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |path: PathBuf| match std::fs::symlink_metadata(&path) {
        Ok(meta) if meta.is_dir() => bytes_of(&path),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.map(|entry| of(entry.path())).sum()
}

async fn forged(address: &str, n: usize) {
    let signature = format!("sha256={:064x}", n);
    let delivery = format!("forged-{n}");
    let headers = [
        ("content-type", "application/json"),
        ("user-agent", "flood/1.0"),
        ("x-github-event", "push"),
        ("x-github-delivery", delivery.as_str()),
        ("x-hub-signature-256", signature.as_str()),
    ];
    let body = Bytes::from(format!(r#"{{"forged":{n},"filler":"{}"}}"#, "x".repeat(1_000)));
    let answer = post::post(address, "/webhooks/github", &headers, body).await.expect("an answer");
    assert_eq!(answer.status.as_u16(), 401);
}
