//! What only the embedded engine promises: its folder, and what a kill leaves in it.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use gatepost_config::{Engine, Store as Settings};
use gatepost_event::{
    Store,
    store::{Appended, Tailed, embedded::inspect},
};
use rusqlite::Connection;

use crate::{
    fixture::{Setup, embedded::Folder},
    journey::{self, Logs},
    make, wait,
};

/// Acknowledged appends before the kill.
const ACKNOWLEDGED: usize = 400;

/// Callers that append at the same time.
const CALLERS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = Folder::fresh().await;
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "--nocapture", "embedded_only::appends_until_it_is_killed"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    writeln!(child.stdin.take().expect("its input"), "{}", folder.path().display()).expect("it is told the folder");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut acknowledged = BTreeSet::new();
    let mut note = |line: std::io::Result<String>| {
        // The last line may be cut short, and a short id is no id.
        if let Some(id) = line.expect("text").strip_prefix("acknowledged ") {
            acknowledged.extend(id.strip_suffix(';').map(str::to_owned));
        }
        acknowledged.len()
    };
    while note(lines.next().expect("it goes on")) < ACKNOWLEDGED {}
    let refused = open(folder.path()).await.map(drop).expect_err("the folder is in use");
    assert!(refused.contains("in use by another gatepost process"), "{refused}");
    child.kill().expect("it is killed");
    for line in lines {
        note(line);
    }
    child.wait().expect("it ends");

    let store = folder.open(&Setup::default()).await;
    let mut found = BTreeSet::new();
    let mut logs = Logs::open(&store).await;
    let stored = usize::try_from(store.census().await.expect("it counts").unrouted_yet).expect("a number");
    for stored in logs.take(stored).await {
        let event = stored.event.expect("readable");
        let large = event.meta.provider_event_id.as_ref().expect("its id").ends_with('7');
        assert!(!large || event.body == make::noise(600 * 1024), "the body of {} is different", event.meta.id);
        found.insert(event.meta.id.to_string());
    }
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged are lost: {lost:?}", lost.len(), acknowledged.len());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of what_was_acknowledged_survives_a_kill, which tells it the folder"]
async fn appends_until_it_is_killed() {
    let mut path = String::new();
    std::io::stdin().read_line(&mut path).expect("text");
    if path.trim().is_empty() {
        return;
    }
    let store = open(Path::new(path.trim())).await.expect("the store opens");
    let callers = (0..CALLERS).map(async |caller| {
        for n in 0.. {
            let mut event = make::event("acme", &format!("{caller}-{n}"));
            if n % 10 == 7 {
                event = make::with_body(event, make::noise(600 * 1024));
            }
            let id = event.meta.id;
            journey::append(&store, event).await;
            println!("acknowledged {id};");
        }
    });
    futures::future::join_all(callers).await;
}

#[tokio::test]
async fn a_folder_is_for_one_process() {
    let folder = Folder::fresh().await;
    let store = folder.open(&Setup::default()).await;
    let refused = open(folder.path()).await.map(drop).expect_err("it is in use");
    assert!(refused.contains("in use by another gatepost process"), "{refused}");
    store.close().await;
    open(folder.path()).await.expect("it is free again").close().await;
}

#[tokio::test]
async fn a_store_of_another_version_is_refused() {
    let folder = Folder::fresh().await;
    folder.open(&Setup::default()).await.close().await;
    let database = folder.path().join("data/gatepost.db");
    let set = |version: i32| {
        let db = Connection::open(&database).expect("the database opens");
        db.pragma_update(None, "user_version", version).expect("the version is set");
    };
    let others = [(8, "written by a later gatepost"), (1, "deliver what waits in it"), (0, "no gatepost has written")];
    for (version, words) in others {
        set(version);
        let refused = open(folder.path()).await.map(drop).expect_err("another version");
        assert!(refused.contains(words), "{refused}");
        assert!(inspect(&folder.path().join("data")).is_err());
    }
    set(7);
    open(folder.path()).await.expect("its own version").close().await;
}

#[tokio::test]
async fn stores_of_the_versions_before_are_taken_over() {
    let version_4 = "DROP TABLE ids_1; CREATE UNIQUE INDEX event_1_id ON event_1 (id); PRAGMA user_version = 4;";
    for before in [version_4, "PRAGMA user_version = 5;", "PRAGMA user_version = 6;"] {
        let folder = Folder::fresh().await;
        let store = folder.open(&Setup::default()).await;
        let ids = journey::ids("event", 3);
        journey::owe(&store, "acme", &ids, &["a"]).await;
        store.close().await;
        let db = Connection::open(folder.path().join("data/gatepost.db")).expect("the database opens");
        db.execute_batch(before).expect("as the version before had it");
        drop(db);
        let store = folder.open(&Setup::default()).await;
        for id in &ids {
            assert!(journey::is_duplicate(journey::append(&store, make::event("acme", id)).await), "{id}");
        }
        assert_eq!(journey::append(&store, make::event("acme", "new")).await, Appended::Stored);
        assert_eq!(store.census().await.expect("it counts").in_lanes, 3, "what waited waits");
        store.close().await;
    }
}

#[tokio::test]
async fn a_stranger_s_database_is_refused_and_left_alone() {
    let folder = Folder::fresh().await;
    std::fs::create_dir(folder.path().join("data")).expect("a folder");
    let database = folder.path().join("data/gatepost.db");
    Connection::open(&database).and_then(|db| db.execute_batch("CREATE TABLE mine (x)")).expect("a database");
    let refused = open(folder.path()).await.map(drop).expect_err("not ours");
    assert!(refused.contains("no gatepost has written"), "{refused}");
    let db = Connection::open(&database).expect("the database opens");
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).expect("a count");
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn files_that_nothing_refers_to_are_swept_at_the_start() {
    let folder = Folder::fresh().await;
    let store = folder.open(&Setup::default()).await;
    journey::append(&store, make::with_body(make::event("acme", "1"), make::noise(600 * 1024))).await;
    journey::append(&store, make::with_body(make::event("acme", "1"), make::noise(600 * 1024))).await;
    store.close().await;
    let bodies = folder.path().join("data/bodies");
    let count = || std::fs::read_dir(&bodies).expect("the folder is listed").count();
    assert_eq!(count(), 1, "the repeat left its body");
    std::fs::write(bodies.join("left-by-a-crash"), "half a bo").expect("it is written");
    let store = folder.open(&Setup::default()).await;
    assert_eq!(count(), 1);
    let events = Logs::open(&store).await.take(1).await;
    assert!(events[0].event.as_ref().expect("readable").body == make::noise(600 * 1024));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_was_parked_twice_is_unparked_twice() {
    let folder = Folder::fresh().await;
    let window = Some(Duration::from_millis(500));
    let store = folder.open(&Setup { dedupe_window: window, ..Setup::default() }).await;
    let item = || vec![make::to_park(make::parked("one", "1"))];
    assert_eq!(store.append(item(), wait::soon()).await, Ok(vec![Appended::Stored]));
    wait::eventually("the end of the window", async || {
        (store.append(item(), wait::soon()).await == Ok(vec![Appended::Stored])).then_some(())
    })
    .await;
    let moved = store.unpark(&make::integration(), "one", &make::id("acme"), &make::id("acme")).await;
    assert_eq!(moved, Ok(2), "both were acknowledged");
    let events = Logs::open(&store).await.take(2).await;
    assert_eq!(events[0].at.id, events[1].at.id);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_that_falls_behind_hears_that_it_missed_some() {
    let folder = Folder::fresh().await;
    let store = folder.open(&Setup::default()).await;
    let mut tail = store.tail(0).await.expect("the tail opens");
    for ids in journey::ids("event", 5_000).chunks(1_000) {
        journey::owe(&store, "acme", ids, &["a"]).await;
    }
    assert!(matches!(tail.next().await, Ok(Tailed::Missed)));
    assert!(matches!(tail.next().await, Ok(Tailed::Arrived(..))), "it goes on");
    store.close().await;
}

#[tokio::test]
async fn only_its_user_can_read_the_folder() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::fresh().await;
    let store = folder.open(&Setup::default()).await;
    journey::append(&store, make::with_body(make::event("acme", "1"), make::noise(600 * 1024))).await;
    let mut paths = vec![folder.path().join("data"), folder.path().join("data/bodies")];
    for folder in paths.clone() {
        paths.extend(std::fs::read_dir(folder).expect("it is listed").map(|entry| entry.expect("an entry").path()));
    }
    for path in &paths {
        let mode = std::fs::metadata(path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
    assert!(paths.len() >= 6, "{paths:?}");
    store.close().await;
}

#[tokio::test]
async fn a_store_is_inspected_while_it_is_used() {
    let folder = Folder::fresh().await;
    let path = folder.path().join("data");
    let none = inspect(&path).expect_err("there is none").to_string();
    assert!(none.contains("holds no store yet"), "{none}");
    let store = folder.open(&Setup::default()).await;
    journey::owe(&store, "acme", &journey::ids("event", 3), &["a", "b"]).await;
    let said = inspect(&path).expect("it is sound").join("\n");
    for words in ["schema 7", "sound", "3 events", "6 deliveries in lanes"] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    journey::append(&store, make::event("acme", "one more")).await;
    inspect(&path).expect("it is sound");
    std::fs::remove_dir_all(path.join("frames")).expect("as in a backup without it");
    let lacks = inspect(&path).expect_err("something is missing").to_string();
    assert!(lacks.contains("lacks the frames of 1 of its events"), "{lacks}");
    store.close().await;
}

/// Opens the store in a folder, or says why not.
async fn open(folder: &Path) -> Result<Store, String> {
    let setup = Setup::default();
    let engine = Engine::Embedded { path: folder.join("data") };
    let settings = Settings { dedupe_window: setup.dedupe_window, engine };
    Store::open(&settings, &setup.retention).await.map_err(|error| error.to_string())
}
