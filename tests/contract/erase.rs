//! What is erased of one connection is gone from every question and from every file; what is another's is not.

use std::{fs, path::Path, time::Duration};

use gatepost_config::Timestamp;
use gatepost_event::{
    Attempt, DeadReason, Ending, Event, EventRef, Lane, Linked, Queued, Refusal, Replay, ReplayId, Store, Task,
    connection::{self, Claiming},
    erasure::{Counts, Erasure, Reach, Remains, Walked, Whose, count, forget_secrets, walk},
    registry::Expect,
    store::{Appended, Census, StoredEvent},
    subject::{account_token, connection_token},
};

use crate::{
    fixture::{Fixture, contract},
    journey::{self, Logs, heads},
    make, secrets, wait,
};

contract! {
    what_is_erased_of_a_connection_is_in_no_file_and_every_event_has_its_end,
    what_is_parked_under_an_account_that_others_have_too_stays_theirs,
}

/// A word that stands in the body, headers, account and answers of all that is a connection's.
fn canary(whose: &str) -> String {
    format!("a-canary-of-{whose}-that-no-file-may-keep")
}

fn event(whose: &str, id: &str) -> Event {
    let mut event = make::event(whose, id);
    event.meta.account = Some(canary(whose));
    event.meta.headers.push(("x-canary".to_owned(), canary(whose)));
    let filler = if id == "large" { 600 * 1024 } else { 10 };
    make::with_body(event, format!(r#"{{"{}":"{}"}}"#, canary(whose), "x".repeat(filler)))
}

fn attempt(head: &Queued, whose: &str, status: u16) -> Attempt {
    Attempt { response: canary(whose), ..make::attempt(head, status) }
}

async fn append(store: &Store, item: gatepost_event::store::Item) {
    assert_eq!(store.append(vec![item], wait::soon()).await, Ok(vec![Appended::Stored]));
}

/// Leaves something of a connection in every place that there is.
async fn fill(store: &Store, whose: &str) {
    let ids = ["done", "large", "dead", "again", "later", "waits"];
    for id in ids {
        append(store, make::to_log(event(whose, id))).await;
    }
    // Parked, and released.
    let parked = |id: &str| {
        let mut event = event(whose, id);
        (event.meta.connection, event.meta.tenant) = (None, None);
        make::to_park(event)
    };
    append(store, parked("moved")).await;
    let (connection, tenant) = (make::id(whose), make::id(whose));
    assert_eq!(store.unpark(&make::integration(), &canary(whose), &connection, &tenant).await, Ok(1));
    append(store, parked("parked")).await;

    let mut logs = Logs::open(store).await;
    let events = logs.take(ids.len() + 1).await;
    let owed = events.iter().filter(|stored| name(stored) != "moved");
    logs.record(store, &events, owed.map(|stored| make::task(stored.at, whose, "backend")).collect()).await;
    logs.release(store).await;
    let of = |stored: &StoredEvent| stored.event.clone().expect("readable");
    let lane = Lane::of(&make::task(events[0].at, whose, "backend"));
    let shard = journey::shard(store, &lane);
    let queued = heads(store, &lane, 0, 10).await;
    for head in &queued {
        let stored = events.iter().find(|stored| stored.at == head.task.event).expect("one of them");
        let done = match name(stored).as_str() {
            "done" | "large" => store.finish(shard, head, &attempt(head, whose, 200)).await,
            "later" => {
                let due = Timestamp::now().after(Duration::from_hours(1));
                store.retry(shard, head, &attempt(head, whose, 500), due).await
            }
            "dead" | "again" => {
                let mut letter = make::letter(head, of(stored), DeadReason::Exhausted);
                letter.note.last = Some(attempt(head, whose, 500));
                store.bury(shard, head, &letter).await
            }
            _ => Ok(()),
        };
        done.expect("it is written");
    }
    revive(store, whose, "again").await;
}

/// Owes a dead letter anew.
async fn revive(store: &Store, whose: &str, id: &str) {
    let letters = store.dead_letters(0, 100).await.expect("they are read");
    let wanted = event(whose, id).meta.id;
    let is_it = |event: &Option<Event>| event.as_ref().is_some_and(|event| event.meta.id == wanted);
    let (position, letter) = letters.into_iter().find(|(_, letter)| is_it(&letter.event)).expect("it is dead");
    let now = Timestamp::now();
    let at = EventRef { id: wanted, partition: 0, sequence: 0, received_at: now };
    let replay = Replay { id: ReplayId::fresh(now), webhook_id: None, letter: Some(position) };
    let task = Task { delivery: letter.note.delivery, replay: Some(replay), ..make::task(at, whose, "backend") };
    assert_eq!(store.revive(position, vec![task]).await, Ok(true));
}

fn name(stored: &StoredEvent) -> String {
    stored.event.as_ref().expect("readable").meta.provider_event_id.clone().expect("named")
}

/// What was acknowledged, by what became of it.
fn sum(census: &Census) -> u64 {
    census.ended.values().sum::<u64>() + census.waiting() + census.unmatched - census.replayed
}

/// As it is made of what the registry says of a connection.
fn erasure(whose: Whose, name: &str) -> Erasure {
    let (integration, id) = (make::integration(), make::id(name));
    let account = account_token(&integration, &canary(name));
    Erasure {
        whose,
        connections: [connection_token(&integration, Some(&id), None)].into(),
        accounts: [(integration, [account].into())].into(),
        shared_accounts: 0,
        until: Timestamp::now(),
        late: None,
    }
}

fn of_gone() -> Erasure {
    erasure(Whose::Connection(make::integration(), make::id("gone")), "gone")
}

/// Files of a folder, however deep, that hold some bytes.
fn holding(folder: &Path, bytes: impl AsRef<[u8]>) -> Vec<String> {
    let (mut found, bytes) = (Vec::new(), bytes.as_ref());
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, bytes));
        } else if fs::read(&path).is_ok_and(|all| all.windows(bytes.len()).any(|part| part == bytes)) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Refused requests, of which the first named the connection, by what is on disk of each.
async fn refuse(store: &Store) -> [Vec<u8>; 2] {
    let mut sealed = Vec::new();
    for (n, connection) in ["gone", "kept"].into_iter().enumerate() {
        let refusal = Refusal { connection: Some(connection.to_owned()), ..make::open_refusal("github", n, "forged") };
        let refusal = make::keys().seal_refusal(&refusal).expect("it is sealed");
        store.quarantine(&refusal).await.expect("it is kept");
        sealed.push(refusal.sealed.to_vec());
    }
    sealed.try_into().expect("two")
}

/// Secrets that handshakes gave, of which the first is the connection's, by what is on disk of each.
async fn keep_secrets(store: &Store) -> [Vec<u8>; 2] {
    let mut sealed = Vec::new();
    for connection in ["gone", "kept"] {
        let secret = secrets::sealed(make::integration().as_str(), Some(connection), "of a handshake");
        store.keep_secret(&secret, wait::soon()).await.expect("it is kept");
        sealed.push(secret.sealed.into_bytes());
    }
    sealed.try_into().expect("two")
}

/// Erases them, as a gateway does.
async fn erase_refused(store: &Store, erasure: &Erasure) -> usize {
    let reach = Reach::of([erasure]);
    let mut remains = Vec::new();
    for key in store.quarantined(None).await.expect("they are listed") {
        let sealed = store.refusal(&key).await.expect("it is read").expect("it is there");
        if reach.takes_refusal(&make::keys().open_refusal(&sealed).expect("it opens")) {
            remains.push(Remains::Refused(key));
        }
    }
    let erased = remains.len();
    store.erase(remains).await.expect("they are erased");
    erased
}

async fn what_is_erased_of_a_connection_is_in_no_file_and_every_event_has_its_end(fixture: &Fixture) {
    let store = fixture.open().await;
    for whose in ["gone", "kept"] {
        fill(&store, whose).await;
    }
    let (refused, secrets) = (refuse(&store).await, keep_secrets(&store).await);
    // Everything that is written beside the way is there by then.
    let store = fixture.reopen(store).await;
    append(&store, make::to_log(event("gone", "late"))).await;
    let before = store.census().await.expect("it counts");
    let [gone, kept] = ["gone", "kept"].map(|whose| canary(whose).into_bytes());
    let marks = [&gone, &kept, &refused[0], &refused[1], &secrets[0], &secrets[1]];
    for mark in marks {
        wait::eventually("the canaries on disk", async || (!holding(fixture.folder(), mark).is_empty()).then_some(()))
            .await;
    }

    // What is to be routed yet has its end first.
    let erased = Counts { events: 7, parked: 1, deliveries: 3, dead_letters: 1, attempts: 5 };
    assert_eq!(count(&store, &of_gone()).await, Ok(Walked { erased, left: 1 }));
    assert_eq!(erase_refused(&store, &of_gone()).await, 1);
    forget_secrets(&store, &[], &of_gone()).await.expect("they are erased");
    let left = store.kept_secrets().await.expect("they are read");
    assert_eq!(left.iter().map(|secret| secret.name.connection.clone()).collect::<Vec<_>>(), [Some(make::id("kept"))]);
    assert_eq!(walk(&store, &of_gone()).await, Ok(Walked { erased, left: 1 }), "counting erased nothing");
    let mut logs = Logs::open(&store).await;
    let late = logs.take(1).await;
    assert_eq!(name(&late[0]), "late");
    logs.record(&store, &late, vec![make::task(late[0].at, "gone", "backend")]).await;
    logs.release(&store).await;
    let erased = Counts { events: 1, deliveries: 1, ..Counts::default() };
    assert_eq!(walk(&store, &of_gone()).await, Ok(Walked { erased, left: 0 }));
    assert_eq!(walk(&store, &of_gone()).await, Ok(Walked::default()), "nothing is left");

    let census = store.census().await.expect("it counts");
    assert_eq!((sum(&census), census.ended.get(&Ending::Erased)), (sum(&before), Some(&5)), "{before:?} {census:?}");
    assert_eq!(census.ended.get(&Ending::Delivered), Some(&4), "what was delivered was");
    let on_disk = || marks.map(|mark| !holding(fixture.folder(), mark).is_empty());
    let only_the_other_s = [false, true].repeat(3);
    assert_eq!(on_disk(), only_the_other_s[..], "{:?}", holding(fixture.folder(), marks[0]));

    // All of the other's goes on, until its tenant goes.
    let store = fixture.reopen(store).await;
    assert_eq!(on_disk(), only_the_other_s[..], "after a restart");
    let erased = Counts { events: 7, parked: 1, deliveries: 3, dead_letters: 1, attempts: 5 };
    let of_kept = erasure(Whose::Tenant(make::id("kept")), "kept");
    assert_eq!(walk(&store, &of_kept).await, Ok(Walked { erased, left: 0 }), "nothing of it was lost");
    store.close().await;
}

/// Two connections of a tenant have one account, and each another of its own.
async fn what_is_parked_under_an_account_that_others_have_too_stays_theirs(fixture: &Fixture) {
    let store = fixture.open().await;
    let shared = Claiming { shared: true, ..Claiming::default() };
    for (id, accounts) in [("one", ["both", "one's"]), ("two", ["both", "two's"])] {
        let linked = Linked::new(make::integration(), make::id(id), make::id("acme"), Timestamp::now());
        let linked = Linked { accounts: accounts.map(str::to_owned).into(), ..linked };
        connection::put(&store, linked, Expect::Absent, shared, Timestamp::now()).await.expect("it is put");
    }
    for account in ["both", "one's", "two's"] {
        append(&store, make::to_park(make::parked(account, "1"))).await;
    }
    let of = async |id: &str| {
        let whose = Whose::Connection(make::integration(), make::id(id));
        Erasure::of(&store, &[], whose, Timestamp::now()).await.expect("it is made")
    };
    let parked = async || {
        let parked = store.unmatched(None, None, 0, 10).await.expect("they are read");
        parked.into_iter().filter_map(|parked| parked.event.meta.account).collect::<Vec<_>>()
    };
    let one = of("one").await;
    assert_eq!(one.shared_accounts, 1);
    walk(&store, &one).await.expect("it is erased");
    assert_eq!(parked().await, ["both", "two's"]);
    // The last that has it takes it along.
    assert_eq!(connection::remove(&store, &make::integration(), &make::id("one"), Expect::Any).await, Ok(true));
    let two = of("two").await;
    assert_eq!(two.shared_accounts, 0);
    walk(&store, &two).await.expect("it is erased");
    assert_eq!(parked().await, [""; 0]);
    store.close().await;
}
