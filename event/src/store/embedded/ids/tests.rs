//! The index beside a plain map, under everything that happens to it.

use std::{
    collections::HashMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::{Retention, Timestamp};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::{Filter, Ids, Key, RUN, Run};
use crate::store::{
    embedded::{
        Embedded, append,
        body::{Bodies, Stored},
        bucket::Buckets,
        frames::Frames,
        job::Incoming,
        queue::Queue,
        schema,
        shared::Shared,
        tests::{event, open},
        work::State,
        writer::Writer,
    },
    types::{Appended, Item, LogPlace, Place},
};

/// What happens to a store.
#[derive(Debug, Clone)]
enum Step {
    /// One request with events of these ids.
    Append(Vec<u8>),
    /// Events are deleted, as when they are erased.
    Delete,
    /// The store is closed and opened again.
    Reopen,
}

/// Deletes some events, never the last.
const DELETE: &str = "DELETE FROM event_1 WHERE sequence % 5 = 0 AND sequence < (SELECT max(sequence) FROM event_1)";

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => proptest::collection::vec(any::<u8>(), 1..40).prop_map(Step::Append),
        1 => Just(Step::Delete),
        2 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_id_is_found_where_it_is_stored_whatever_happens(first: u8, steps in proptest::collection::vec(step(), 1..24)) {
        compare(std::iter::once(Step::Append(vec![first])).chain(steps));
    }
}

/// A writer on a database in memory: what becomes of ids has nothing to do with disks.
fn writer(mut db: Connection) -> Writer {
    let day = Duration::from_hours(24);
    let retention = Retention { events: 14 * day, dead_letters: day, unmatched: day, quarantine: day, audit: day };
    let buckets = Buckets::load(&db, day, &retention).expect("the buckets");
    let state = State::load(&db, buckets).expect("the state");
    let ids = Ids::load(&mut db, state.buckets.in_window(Timestamp::now())).expect("the ids");
    let (checkpoint, _) = std::sync::mpsc::sync_channel(1);
    Writer {
        db,
        state,
        ids,
        bodies: Bodies::at(Path::new("nowhere")),
        frames: Frames::at(Path::new("nowhere")),
        queue: Arc::new(Queue::new()),
        shared: Arc::new(Shared::new(0, (&retention).into())),
        checkpoint,
        help: Arc::default(),
        database_syncs: true,
    }
}

fn incoming(id: u8) -> Incoming {
    let event = event(&id.to_string(), 10);
    let stored = Stored { frame: event.to_frame().expect("a frame"), file: None };
    Incoming::of(event.meta, Place::Log, stored)
}

fn compare(steps: impl Iterator<Item = Step>) {
    let db = Connection::open_in_memory().expect("a database");
    db.execute_batch(&[schema::TABLES, schema::BRIEF].concat()).expect("its tables");
    let mut writer = writer(db);
    let (mut places, mut last) = (HashMap::new(), 0_u64);
    for step in steps {
        match step {
            Step::Append(ids) => {
                let expected: Vec<Appended> = ids
                    .iter()
                    .map(|id| match places.get(id) {
                        Some(sequence) => Appended::Duplicate(Some(LogPlace { partition: 0, sequence: *sequence })),
                        None => {
                            last += 1;
                            places.insert(*id, last);
                            Appended::Stored
                        }
                    })
                    .collect();
                let items: Vec<Incoming> = ids.iter().map(|id| incoming(*id)).collect();
                let failed = writer.transact(|work| {
                    append::append(work, &items)?;
                    Err::<(), _>(rusqlite::Error::InvalidQuery)
                });
                failed.expect_err("it was to fail, and to leave nothing");
                let answers = writer.transact(|work| append::append(work, &items)).expect("they are stored");
                assert_eq!(answers, expected, "{ids:?}");
                assert!(writer.write_runs(), "runs are written");
            }
            Step::Delete => {
                writer.db.execute_batch(DELETE).expect("they are deleted");
                places.retain(|_, sequence| *sequence % 5 != 0 || *sequence == last);
            }
            Step::Reopen => writer = self::writer(writer.db),
        }
    }
}

#[tokio::test]
async fn ids_of_runs_are_found_until_their_window_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let window = Duration::from_secs(1);
    let store = open(folder.path(), Some(window)).await;
    let ids = || (0..10 * RUN).map(|id| id.to_string());
    let first = Instant::now();
    let answers = append_to(&store, ids()).await;
    assert!(answers.iter().all(|answer| *answer == Appended::Stored), "{answers:?}");
    let repeated = append_to(&store, ids()).await;
    // The control is only fair while the window lasts.
    let is_duplicate = |answer: &Appended| matches!(answer, Appended::Duplicate(Some(_)));
    assert!(repeated.iter().all(is_duplicate) || first.elapsed() >= window, "{repeated:?}");
    let (mut waiting, until): (Vec<String>, _) = (ids().collect(), Instant::now() + Duration::from_secs(30));
    while !waiting.is_empty() {
        assert!(Instant::now() < until, "never stored again: {waiting:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let answers = append_to(&store, waiting.iter().cloned()).await;
        let mut answers = answers.iter();
        waiting.retain(|_| answers.next().is_some_and(is_duplicate));
    }
    assert!(first.elapsed() >= window - Duration::from_millis(50), "stored again after {:?}", first.elapsed());
    store.close().await;
}

#[test]
fn a_filter_knows_every_key_of_a_run_and_few_others() {
    let key = |number: u64| {
        let hash = Sha256::digest(number.to_be_bytes());
        Key(u64::from_be_bytes(*hash.first_chunk().expect("eight bytes")) & !Key::OFFSET)
    };
    let runs: Vec<Run> = (0..40).map(|number| Run { bucket: 1, number, from: 1 + number * RUN }).collect();
    let mut filter = Filter::default();
    for run in &runs {
        filter.add(*run, (run.from..run.from + RUN).map(|sequence| key(sequence).0));
    }
    for run in &runs {
        for sequence in run.from..run.from + RUN {
            assert!(filter.candidates(key(sequence)).any(|found| found == *run), "{sequence} of {run:?}");
        }
    }
    let strangers = 10_000;
    let wrong: usize = (0..strangers).map(|n| filter.candidates(key(1_000_000 + n as u64)).count()).sum();
    assert!(wrong < strangers * runs.len() / 200, "{wrong} runs may have one of {strangers} ids that none has");
    filter.forget_before(2);
    assert_eq!(filter.candidates(key(1)).count(), 0);
}

async fn append_to(store: &Embedded, ids: impl Iterator<Item = String>) -> Vec<Appended> {
    let items = ids.map(|id| Item { event: event(&id, 10), place: Place::Log }).collect();
    store.append(items, Instant::now() + Duration::from_secs(30)).await.expect("they are stored")
}
