//! Fills a store that no process uses, by its own operations, faster than through a gateway: small events, and
//! connections as they stand once they are active.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use gatepost_config::{Options, Timestamp, load, provider::Trust, std_env};
use gatepost_event::{
    Claim, Event, EventId, Linked, Meta, RequestId, Store, StoreError,
    connection::Phase,
    registry::{Expect, Kind, Put},
    store::{Item, Place},
};
use serde_json::json;

use crate::Args;

/// Events of one append.
const BATCH: usize = 256;
/// Appends, or entries, under way at once.
const AT_ONCE: usize = 32;
/// How many connections the events are of.
const SENDERS: usize = 1_000;
/// The account of the webhooks that the load posts.
const ACCOUNT: &str = "12345678";
const PATIENCE: Duration = Duration::from_secs(60);

/// `--config` names the file, `--events` and `--connections` say how many.
pub(crate) async fn measure(args: &Args) {
    let loaded = load(Path::new(args.text("config")), &std_env, Options::default()).expect("a good configuration");
    let store = Store::open(&loaded.config.store, &loaded.config.retention).await.expect("the store opens");
    let began = Instant::now();
    let (events, connections) = (args.count("events"), args.count("connections"));
    let batches = (0..events).step_by(BATCH).map(|from| append(&store, from, BATCH.min(events - from)));
    let batches = stream::iter(batches).buffer_unordered(AT_ONCE);
    batches.try_for_each(async |()| Ok(())).await.expect("they are stored");
    let entries = stream::iter((0..connections).flat_map(entries)).map(|entry| put(&store, entry));
    entries.buffer_unordered(AT_ONCE * 8).try_for_each(async |()| Ok(())).await.expect("they are written");
    store.close().await;
    println!("{}", json!({ "events": events, "connections": connections, "seconds": began.elapsed().as_secs_f64() }));
}

/// What could not be confirmed is stored once more, and converges.
async fn append(store: &Store, from: usize, count: usize) -> Result<(), StoreError> {
    let items: Vec<_> = (from..from + count).map(item).collect();
    let until = Instant::now() + PATIENCE;
    loop {
        match store.append(items.clone(), until).await {
            Err(_) if Instant::now() < until => tokio::time::sleep(Duration::from_millis(50)).await,
            other => return other.map(drop),
        }
    }
}

fn item(n: usize) -> Item {
    let now = Timestamp::now();
    let (connection, delivery) = (format!("c{}", n % SENDERS), format!("fill-{n}"));
    let meta = Meta {
        id: EventId::of("github", &connection, &delivery, None),
        request: RequestId::fresh(now),
        integration: "github".parse().expect("an id"),
        provider: "github".parse().expect("a name"),
        tenant: Some(connection.parse().expect("an id")),
        connection: Some(connection.parse().expect("an id")),
        account: Some((n % SENDERS).to_string()),
        destination: None,
        kind: "github.push".to_owned(),
        provider_type: Some("push".to_owned()),
        provider_event_id: Some(delivery),
        trust: Trust::Verified,
        redacted: false,
        occurred_at: None,
        received_at: now,
        headers: vec![("x-github-event".to_owned(), "push".to_owned())],
        content_type: Some("application/json".to_owned()),
        key_id: None,
    };
    Item { event: Event { meta, body: Bytes::from(format!(r#"{{"n":{n}}}"#)) }, place: Place::Log }
}

/// A connection's record and its claim; the first is the one that webhooks are posted of.
fn entries(n: usize) -> [(Kind, String, Vec<u8>); 2] {
    let account = if n == 0 { ACCOUNT.to_owned() } else { n.to_string() };
    let integration: gatepost_config::IntegrationId = "github".parse().expect("an id");
    let (id, tenant) = (format!("c{n}").parse().expect("an id"), format!("t{n}").parse().expect("an id"));
    let linked = Linked::new(integration.clone(), id, tenant, Timestamp::now());
    let linked = Linked { accounts: vec![account.clone()], phase: Phase::Active, ..linked };
    let claim = Claim {
        integration: integration.clone(),
        account: account.clone(),
        tenant: linked.tenant.clone(),
        connections: vec![linked.id.clone()],
        doubted: false,
    };
    let ids = (Linked::entry_id(&integration, &linked.id), Claim::entry_id(&integration, &account));
    let values = (serde_json::to_vec(&linked).expect("JSON"), serde_json::to_vec(&claim).expect("JSON"));
    [(Kind::Connection, ids.0, values.0), (Kind::Claim, ids.1, values.1)]
}

async fn put(store: &Store, (kind, id, value): (Kind, String, Vec<u8>)) -> Result<(), StoreError> {
    let put = store.put(kind, &id, Bytes::from(value), Expect::Any).await?;
    assert!(matches!(put, Put::Stored(_)), "{put:?}");
    Ok(())
}
