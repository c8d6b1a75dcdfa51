//! Entries with revisions, and who hears of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::future::join_all;
use gatepost_event::{
    Store, StoreError,
    registry::{Change, Entry, Expect, ID_BYTES_MAX, Kind, Put, VALUE_BYTES_MAX},
    store::Watch,
};

use crate::{
    fixture::{Fixture, contract},
    make, wait,
};

contract! {
    of_two_writers_at_one_revision_one_wins,
    of_many_that_expect_no_entry_one_puts_it,
    a_write_that_is_repeated_finds_what_it_did,
    what_was_removed_can_be_put_again,
    a_restart_keeps_every_entry,
    any_text_is_an_id_and_is_kept_apart_from_others,
    what_is_too_long_is_refused,
    pages_go_through_all_entries_in_the_order_of_their_last_writes,
    a_watch_hears_every_change_in_order,
    a_watch_that_falls_behind_hears_that_it_missed_some,
}

const KIND: Kind = Kind::Destination;

/// Puts a value, which is answered.
pub(crate) async fn put(store: &Store, id: &str, value: &str, expect: Expect) -> Put {
    store.put(KIND, id, Bytes::copy_from_slice(value.as_bytes()), expect).await.expect("it is answered")
}

async fn remove(store: &Store, id: &str, expect: Expect) -> Put {
    store.remove(KIND, id, expect).await.expect("it is answered")
}

/// The revision of a write that was done.
pub(crate) fn stored(put: &Put) -> u64 {
    match put {
        Put::Stored(revision) => *revision,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn entry(id: &str, revision: u64, value: &str) -> Entry {
    Entry { id: id.to_owned(), revision, value: Bytes::copy_from_slice(value.as_bytes()) }
}

/// The next change.
pub(crate) async fn heard(watch: &mut Watch) -> Change {
    wait::within(wait::SOON, watch.next()).await.expect("it is told")
}

/// As another process, where the engine lets several in.
async fn second(fixture: &Fixture, store: &Store) -> Store {
    match fixture {
        Fixture::Embedded(_) => store.clone(),
        Fixture::Nats(_) => fixture.open().await,
    }
}

async fn of_two_writers_at_one_revision_one_wins(fixture: &Fixture) {
    let store = fixture.open().await;
    let other = second(fixture, &store).await;
    let mut at = stored(&put(&store, "a", "0", Expect::Absent).await);
    for round in 0..20 {
        let expect = Expect::Revision(at);
        let (left, right) = (format!("left {round}"), format!("right {round}"));
        let answers = tokio::join!(put(&store, "a", &left, expect), put(&other, "a", &right, expect));
        let (revision, won, lost) = match &answers {
            (Put::Stored(revision), lost) => (*revision, &left, lost),
            (lost, Put::Stored(revision)) => (*revision, &right, lost),
            neither => panic!("{neither:?}"),
        };
        assert!(revision > at);
        assert_eq!(*lost, Put::Conflict(Some(entry("a", revision, won))));
        assert_eq!(other.entry(KIND, "a").await, Ok(Some(entry("a", revision, won))));
        at = revision;
    }
    let any = stored(&put(&store, "a", "whatever was there", Expect::Any).await);
    assert!(any > at);
    assert!(stored(&put(&store, "b", "nothing was there", Expect::Any).await) > any);
    assert_eq!(put(&store, "c", "x", Expect::Revision(at)).await, Put::Conflict(None));
    store.close().await;
    other.close().await;
}

async fn of_many_that_expect_no_entry_one_puts_it(fixture: &Fixture) {
    let store = fixture.open().await;
    let other = second(fixture, &store).await;
    let values: Vec<_> = (0..16).map(|n| format!("writer {n}")).collect();
    let puts = values.iter().enumerate().map(|(n, value)| {
        let store = if n % 2 == 0 { &store } else { &other };
        put(store, "a", value, Expect::Absent)
    });
    let answers = join_all(puts).await;
    let kept = store.entry(KIND, "a").await.expect("it is read").expect("it is there");
    for (value, answer) in values.iter().zip(answers) {
        match value.as_bytes() == kept.value {
            true => assert_eq!(answer, Put::Stored(kept.revision)),
            false => assert_eq!(answer, Put::Conflict(Some(kept.clone()))),
        }
    }
    store.close().await;
    other.close().await;
}

async fn a_write_that_is_repeated_finds_what_it_did(fixture: &Fixture) {
    let store = fixture.open().await;
    let ours = Bytes::from_static(b"ours");
    let first = stored(&put(&store, "a", "ours", Expect::Absent).await);
    let again = put(&store, "a", "ours", Expect::Absent).await;
    assert_eq!(again, Put::Conflict(Some(entry("a", first, "ours"))));
    assert_eq!(again.revision_of(&ours), Some(first));
    let second = stored(&put(&store, "a", "theirs", Expect::Revision(first)).await);
    let late = put(&store, "a", "ours", Expect::Absent).await;
    assert_eq!(late, Put::Conflict(Some(entry("a", second, "theirs"))));
    assert_eq!(late.revision_of(&ours), None, "somebody has changed it since");
    assert!(stored(&remove(&store, "a", Expect::Revision(second)).await) > second);
    assert_eq!(remove(&store, "a", Expect::Revision(second)).await, Put::Conflict(None));
    store.close().await;
}

async fn what_was_removed_can_be_put_again(fixture: &Fixture) {
    let store = fixture.open().await;
    assert_eq!(remove(&store, "a", Expect::Any).await, Put::Conflict(None), "there is none");
    let first = stored(&put(&store, "a", "one", Expect::Absent).await);
    for expect in [Expect::Absent, Expect::Revision(first + 1)] {
        assert_eq!(remove(&store, "a", expect).await, Put::Conflict(Some(entry("a", first, "one"))));
    }
    let removed = stored(&remove(&store, "a", Expect::Revision(first)).await);
    assert_eq!(store.entry(KIND, "a").await, Ok(None));
    assert_eq!(store.entries(KIND).await, Ok(Vec::new()));
    for gone in [first, removed] {
        assert_eq!(put(&store, "a", "late", Expect::Revision(gone)).await, Put::Conflict(None));
    }
    assert_eq!(remove(&store, "a", Expect::Absent).await, Put::Conflict(None));
    let second = stored(&put(&store, "a", "two", Expect::Absent).await);
    assert!(first < removed && removed < second, "{first}, {removed}, {second}");
    assert_eq!(store.entries(KIND).await, Ok(vec![entry("a", second, "two")]));
    let gone = stored(&remove(&store, "a", Expect::Any).await);
    assert!(stored(&put(&store, "a", "three", Expect::Any).await) > gone);
    store.close().await;
}

async fn a_restart_keeps_every_entry(fixture: &Fixture) {
    let store = fixture.open().await;
    let mut kept = Vec::new();
    for n in 0..600 {
        let (id, value) = (format!("d{n:03}"), format!("value {n}"));
        kept.push(entry(&id, stored(&put(&store, &id, &value, Expect::Absent).await), &value));
    }
    let of_replays = store.put(Kind::Replay, "d001", "another's".into(), Expect::Absent).await.expect("it is answered");
    for n in [5, 300] {
        kept[n].revision = stored(&put(&store, &kept[n].id, "changed", Expect::Any).await);
        kept[n].value = "changed".into();
    }
    let removed = stored(&remove(&store, "d599", Expect::Any).await);
    kept.pop();
    let store = fixture.reopen(store).await;
    assert_eq!(store.entries(KIND).await, Ok(kept));
    let replay = entry("d001", stored(&of_replays), "another's");
    assert_eq!(store.entry(Kind::Replay, "d001").await, Ok(Some(replay.clone())));
    assert_eq!(store.entries(Kind::Replay).await, Ok(vec![replay]));
    let next = stored(&put(&store, "d599", "again", Expect::Absent).await);
    assert!(next > removed, "{next} after {removed}");
    store.close().await;
}

async fn pages_go_through_all_entries_in_the_order_of_their_last_writes(fixture: &Fixture) {
    let store = fixture.open().await;
    let mut kept = Vec::new();
    for n in 0..40 {
        let (id, value) = (format!("d{n}"), n.to_string());
        kept.push(entry(&id, stored(&put(&store, &id, &value, Expect::Absent).await), &value));
        let other = store.put(Kind::Replay, &id, "another's".into(), Expect::Absent).await;
        stored(&other.expect("it is answered"));
    }
    // Removed in rows, so that a page has to pass over more than it holds.
    for n in (10..25).rev() {
        stored(&remove(&store, &kept.remove(n).id, Expect::Any).await);
    }
    let mut written = kept.remove(3);
    written.revision = stored(&put(&store, &written.id, "3", Expect::Any).await);
    kept.push(written);
    for size in [1, 4, 7, 100] {
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let page = store.entries_after(KIND, after, size).await.expect("they are listed");
            assert!(page.len() <= size, "{} of {size}", page.len());
            let Some(last) = page.last() else { break };
            after = last.revision;
            let is_end = page.len() < size;
            found.extend(page);
            assert_eq!(is_end, found.len() == kept.len() && found.len() % size != 0, "a page ends too early");
        }
        assert_eq!(found, kept, "by {size}");
    }
    let mut watch = store.watch_any(vec![KIND, Kind::Claim]).await.expect("it is opened");
    let claim = store.put(Kind::Claim, "c", "of two kinds".into(), Expect::Absent).await.expect("it is answered");
    assert_eq!(heard(&mut watch).await, Change::Put(entry("c", stored(&claim), "of two kinds")));
    let next = stored(&put(&store, "d", "x", Expect::Absent).await);
    assert_eq!(heard(&mut watch).await, Change::Put(entry("d", next, "x")));
    store.close().await;
}

async fn any_text_is_an_id_and_is_kept_apart_from_others(fixture: &Fixture) {
    let store = fixture.open().await;
    let mut watch = store.watch(KIND).await.expect("it is opened");
    let longest = ["x".repeat(ID_BYTES_MAX), format!("{}é", "x".repeat(ID_BYTES_MAX - 2))];
    let odd = [
        "",
        " ",
        "a",
        "A",
        "a.b",
        "a.*",
        ">",
        "*",
        "$KV.x",
        "a b",
        "a\0",
        "a\0b",
        "\0",
        "a\r\nb: c",
        "\u{202e}",
        "é",
        "e\u{301}",
        "destination",
        "'; DROP TABLE registry; --",
        "\u{10ffff}",
        &longest[0],
        &longest[1],
    ];
    let mut kept = BTreeMap::new();
    for id in odd {
        let revision = stored(&put(&store, id, id, Expect::Absent).await);
        assert_eq!(heard(&mut watch).await, Change::Put(entry(id, revision, id)));
        kept.insert(id.to_owned(), entry(id, revision, id));
    }
    assert_eq!(kept.len(), odd.len());
    assert_eq!(store.entries(KIND).await, Ok(kept.values().cloned().collect()), "ordered by id");
    for id in odd {
        assert_eq!(store.entry(KIND, id).await, Ok(kept.get(id).cloned()), "{id:?}");
        stored(&remove(&store, id, Expect::Any).await);
        assert_eq!(heard(&mut watch).await, Change::Removed(id.to_owned()));
    }
    assert_eq!(store.entries(KIND).await, Ok(Vec::new()));
    store.close().await;
}

async fn what_is_too_long_is_refused(fixture: &Fixture) {
    let store = fixture.open().await;
    let id = "x".repeat(ID_BYTES_MAX);
    let value = make::noise(VALUE_BYTES_MAX);
    let longest = store.put(KIND, &id, value.clone(), Expect::Absent).await.expect("it is answered");
    let revision = stored(&longest);
    let kept = Entry { id: id.clone(), revision, value };
    assert_eq!(store.entry(KIND, &id).await, Ok(Some(kept.clone())));
    let longer = store.put(KIND, &id, make::noise(VALUE_BYTES_MAX + 1), Expect::Any).await;
    assert_eq!(longer, Ok(Put::TooLong));
    let id = format!("{id}x");
    assert_eq!(put(&store, &id, "x", Expect::Any).await, Put::TooLong);
    assert_eq!(store.entry(KIND, &id).await, Ok(None));
    assert_eq!(remove(&store, &id, Expect::Any).await, Put::Conflict(None));
    assert_eq!(store.entries(KIND).await, Ok(vec![kept]));
    store.close().await;
}

async fn a_watch_hears_every_change_in_order(fixture: &Fixture) {
    let store = fixture.open().await;
    let other = second(fixture, &store).await;
    stored(&put(&store, "before", "x", Expect::Absent).await);
    let mut watches = [other.watch(KIND).await, store.watch(KIND).await].map(|watch| watch.expect("it is opened"));
    for n in 0..200 {
        let id = format!("d{}", n % 7);
        let writer = if n % 2 == 0 { &store } else { &other };
        let change = match n % 5 {
            4 => {
                let id = format!("d{}", (n - 1) % 7);
                stored(&remove(writer, &id, Expect::Any).await);
                Change::Removed(id)
            }
            _ => Change::Put(entry(&id, stored(&put(writer, &id, &n.to_string(), Expect::Any).await), &n.to_string())),
        };
        if n % 3 == 0 {
            let replay = writer.put(Kind::Replay, &id, "not of this kind".into(), Expect::Any).await;
            stored(&replay.expect("it is answered"));
        }
        for watch in &mut watches {
            assert_eq!(heard(watch).await, change, "change {n}");
        }
    }
    store.close().await;
    other.close().await;
    for watch in &mut watches {
        let end = wait::within(wait::SOON, watch.next()).await;
        assert!(matches!(end, Err(StoreError::Closed | StoreError::Unavailable(_))), "{end:?}");
    }
}

/// It may miss changes, but then it is told so; what it is told is in order.
async fn a_watch_that_falls_behind_hears_that_it_missed_some(fixture: &Fixture) {
    let store = fixture.open().await;
    let mut watch = store.watch(KIND).await.expect("it is opened");
    let mut revisions = Vec::new();
    for n in 0..900 {
        revisions.push(stored(&put(&store, &format!("d{}", n % 3), &n.to_string(), Expect::Any).await));
    }
    let (mut told, mut missed, mut unknown) = (0, 0, false);
    while told < revisions.len() {
        match heard(&mut watch).await {
            Change::Put(entry) => {
                let at = revisions.iter().position(|revision| *revision == entry.revision).expect("it was put");
                assert!(at >= told, "told {at} after {told}");
                assert!(unknown || at == told, "{told} to {at} were left out in silence");
                (told, unknown) = (at + 1, false);
            }
            Change::Missed => (missed, unknown) = (missed + 1, true),
            Change::Removed(id) => panic!("{id} was never removed"),
        }
    }
    assert!(missed > 0, "900 changes waited for a watch that did not listen");
    let last = stored(&put(&store, "d0", "the last", Expect::Any).await);
    assert_eq!(heard(&mut watch).await, Change::Put(entry("d0", last, "the last")), "it goes on");
    store.close().await;
}
