//! What is stored of a connection is erased by the command line: gone from every answer at once, and soon from every
//! file of the store and the history; what is another's stays.

use std::{collections::BTreeSet, fs, path::Path};

use gatepost_tests::{gatepost::Gatepost, github::Webhook, nats_server::NatsServer, wait::eventually};
use http::Method;
use serde_json::{Value, json};

use crate::{
    access::{Api, KEY},
    setup::{Engine, Journey, PATIENCE, SECRET},
};

/// Words in what is posted and answered; no other begins like them, so that the text index keeps their ends whole.
const GONE: &str = "zqgonecanary";
const KEPT: &str = "xqkeptcanary";
/// A word in what the API was told of the connection.
const MEMO: &str = "wqmemocanary";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_in_no_answer_and_no_file_on_embedded() {
    what_is_erased_is_in_no_answer_and_no_file(Engine::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_in_no_answer_and_no_file_on_nats() {
    what_is_erased_is_in_no_answer_and_no_file(Engine::Nats(NatsServer::start().await)).await;
}

async fn what_is_erased_is_in_no_answer_and_no_file(engine: Engine) {
    let site = Site::start(engine).await;
    let (stored, waiting) = site.fill().await;
    let questions = site.questions().await;
    for (question, word) in &questions {
        assert!(site.tells(question, word).await, "the control: {question}");
    }
    let database = if site.journey.engine.is_embedded() { "gatepost.db" } else { ".blk" };
    for word in [GONE, KEPT] {
        let files = site.holding(word);
        let is_in = |name: &str| files.iter().any(|file| file.contains(name));
        assert!(is_in("history.db") && is_in(database), "the control: {files:?}");
    }

    let dry = site.erase(&["--connection", "github/gone", "--dry-run"]);
    let all = json!({ "events": stored, "parked": 1, "deliveries": waiting, "dead_letters": 1, "attempts": stored });
    assert_eq!((&dry["state"], &dry["progress"]), (&json!("done"), &all), "{dry}");
    assert!(site.tells(&questions[0].0, GONE).await, "counting erases nothing");

    let asked = site.erase(&["--connection", "github/gone", "--no-wait"]);
    for (question, word) in &questions {
        assert!(!site.tells(question, word).await, "{question} shows what is erased");
    }
    assert!(site.tells("/v1/search?q=xq*", KEPT).await, "the control");
    let path = format!("/v1/erasures/{}", asked["id"].as_str().expect("an id"));
    let erased = eventually("the end of the erasure", PATIENCE, async || {
        let erasure = site.api.told(Method::GET, &path, KEY, None, 200).await;
        (erasure["state"] == "done" && erasure["history"] == "done").then_some(erasure)
    })
    .await;
    assert_eq!(erased["progress"], all, "{erased}");
    assert_eq!(site.holding(GONE), [""; 0]);
    assert!(!site.holding(KEPT).is_empty(), "the control");
    let refused = site.api.told(Method::GET, "/v1/quarantine", KEY, None, 200).await;
    assert_eq!(count(&refused), 1, "it is done when a gateway has taken the refused request out that named it");

    let Site { journey, gatepost, .. } = site;
    gatepost.stop().await;
    let gatepost = journey.run().await;
    let site = Site { api: Api::of(&gatepost).await, journey, gatepost };
    for (question, word) in &questions {
        assert!(!site.tells(question, word).await, "{question} after a restart");
    }
    assert!(site.tells("/v1/search?q=xq*", KEPT).await, "the control");
    assert_eq!(site.holding(GONE), [""; 0], "after a restart");
    site.gatepost.stop().await;
}

struct Site {
    api: Api,
    journey: Journey,
    gatepost: Gatepost,
}

impl Site {
    /// A careless backend, which answers with what it gets; few attempts, of which none lasts.
    async fn start(engine: Engine) -> Self {
        let journey = Journey::new(engine, "park", &BTreeSet::from([2])).await;
        let file = fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
        let file = file
            .replace("schedule = [", "timeout = \"1s\"\nfinal_statuses = [404]\nschedule = [\"0s\", \"1h\"]\n#")
            .replace("[gateway]\n", "[gateway]\nconnections_stale_max = \"100ms\"\n");
        let admin =
            "\n[admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{ file = \"api\" }]\nhistory_path = \"h/history.db\"\n";
        journey.home.write("api", KEY);
        journey.home.write("gatepost.toml", &format!("{file}{admin}"));
        journey.backend.echo();
        let gatepost = journey.run().await;
        Self { api: Api::of(&gatepost).await, journey, gatepost }
    }

    /// Something of both connections in every place that there is; how many events of the first are in the log, and how
    /// many deliveries wait.
    async fn fill(&self) -> (usize, usize) {
        let wish = json!({ "tenant": "t7", "accounts": ["7"], "metadata": { "memo": MEMO } });
        let path = "/v1/connections/github/gone";
        self.api.told(Method::PUT, path, KEY, Some(&wish), 201).await;
        eventually("the connection", PATIENCE, async || {
            (self.api.told(Method::GET, path, KEY, None, 200).await["state"] == "active").then_some(())
        })
        .await;
        self.journey.backend.answer(200);
        let delivered = self.push_until(GONE, "delivered", "stored").await;
        assert_eq!(self.push(2, KEPT, "delivered").await, "stored");
        // What was parked until the gateway had heard is released.
        self.attempted("gone", "delivered", delivered).await;
        self.attempted("c2", "delivered", 1).await;
        for (id, status) in [("dead", 404), ("waiting", 500)] {
            self.journey.backend.answer(status);
            for (account, word) in [(7, GONE), (2, KEPT)] {
                assert_eq!(self.push(account, word, id).await, "stored");
            }
            for connection in ["gone", "c2"] {
                self.attempted(connection, id, 1).await;
            }
        }
        self.api.told(Method::POST, &format!("{path}/disable"), KEY, None, 200).await;
        // The last of them is parked, the others are like the one that waits.
        let waiting = self.push_until(GONE, "late", "unmatched").await;
        self.attempted("gone", "waiting", waiting).await;
        for connection in ["gone", "c2"] {
            let forged = Webhook::signed("wrong", "push", "forged", format!(r#"{{"word":"{GONE}"}}"#));
            let gateway = self.gatepost.gateway().await;
            let answer = forged.post(&gateway, &format!("github/{connection}")).await.expect("an answer");
            assert_eq!(answer.status.as_u16(), 401);
        }
        eventually("all that is refused and parked", PATIENCE, async || {
            let refused = self.api.told(Method::GET, "/v1/quarantine", KEY, None, 200).await;
            let parked = self.api.told(Method::GET, "/v1/events?state=unmatched", KEY, None, 200).await;
            (count(&refused) == 2 && count(&parked) == 1).then_some(())
        })
        .await;
        (delivered + 1 + waiting, waiting)
    }

    /// Pushes for the connection until the gateway has heard of it, or of its end; how often.
    async fn push_until(&self, word: &str, id: &str, result: &str) -> usize {
        for n in 1..1000 {
            if self.push(7, word, &format!("{id}-{n}")).await == result {
                return n;
            }
        }
        panic!("no {id} was {result}");
    }

    async fn push(&self, account: u64, word: &str, id: &str) -> String {
        let body = format!(r#"{{"word":"{word}","installation":{{"id":{account}}}}}"#);
        let webhook = Webhook::signed(SECRET, "push", &format!("{word}-{id}"), body);
        let answer = webhook.post(&self.gatepost.gateway().await, "github").await.expect("an answer");
        answer.result().to_owned()
    }

    /// Waits until so many deliveries of a connection stand so, each after one attempt.
    async fn attempted(&self, connection: &str, status: &str, deliveries: usize) {
        let path = format!("/v1/deliveries?connection={connection}&status={status}");
        eventually(&format!("{connection}: {status}"), PATIENCE, async || {
            let page = self.api.told(Method::GET, &path, KEY, None, 200).await;
            let items = page["items"].as_array().expect("a list");
            (items.len() == deliveries && items.iter().all(|item| item["attempts"] == 1)).then_some(())
        })
        .await;
    }

    /// What to ask, and the word that is in the answer while it may be.
    async fn questions(&self) -> Vec<(String, &'static str)> {
        let dead = self.api.told(Method::GET, "/v1/deliveries?connection=gone&status=dead", KEY, None, 200).await;
        let (delivery, event) = (id(&dead["items"][0]["id"]), id(&dead["items"][0]["event"]["id"]));
        let request = id(&self.api.told(Method::GET, &format!("/v1/events/{event}"), KEY, None, 200).await["request"]);
        let mut questions: Vec<_> = [
            "/v1/search?q=zq*".to_owned(),
            "/v1/events".to_owned(),
            "/v1/events?order=stored&include=body".to_owned(),
            format!("/v1/events/{event}"),
            format!("/v1/events/{event}/body"),
            "/v1/deliveries".to_owned(),
            format!("/v1/deliveries/{delivery}"),
            format!("/v1/deliveries/{delivery}/attempts"),
            format!("/v1/requests/{request}"),
            "/v1/unmatched".to_owned(),
        ]
        .map(|path| (path, GONE))
        .into();
        let refused = self.api.told(Method::GET, "/v1/quarantine", KEY, None, 200).await;
        for item in refused["items"].as_array().expect("a list") {
            let path = format!("/v1/quarantine/{}", id(&item["request"]));
            if self.tells(&path, "\"connection\":\"gone\"").await {
                questions.push((path, "\"connection\":\"gone\""));
            }
        }
        assert_eq!(questions.len(), 11, "a refused request that named it");
        questions.extend(["/v1/connections/github/gone", "/v1/audit"].map(|path| (path.to_owned(), MEMO)));
        questions
    }

    /// Whether an answer has a word in it.
    async fn tells(&self, path: &str, word: &str) -> bool {
        let answer = self.api.ask(Method::GET, path, KEY, None).await;
        answer.status.is_success() && String::from_utf8_lossy(&answer.body).contains(word)
    }

    /// `gatepost erase`.
    fn erase(&self, args: &[&str]) -> Value {
        let url = format!("http://{}", self.api.address());
        let output =
            self.journey.home.command(&[&["erase", "--json", "--url", &url, "--api-key", KEY][..], args].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Files of the store and the history that hold a word.
    fn holding(&self, word: &str) -> Vec<String> {
        let mut found = holding(&self.journey.home.path("."), word);
        let servers = match &self.journey.engine {
            Engine::Embedded => &[],
            Engine::Nats(server) => std::slice::from_ref(server),
            Engine::Cluster(cluster) => &cluster.servers[..],
        };
        found.extend(servers.iter().flat_map(|server| holding(server.folder(), word)));
        found
    }
}

fn holding(folder: &Path, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, word));
        } else if fs::read(&path).is_ok_and(|bytes| bytes.windows(word.len()).any(|part| part == word.as_bytes())) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn id(value: &Value) -> String {
    value.as_str().expect("an id").to_owned()
}

fn count(page: &Value) -> usize {
    page["items"].as_array().map_or(0, Vec::len)
}
