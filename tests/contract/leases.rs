//! One owner for each partition and shard.

use std::time::Duration;

use gatepost_event::{
    StoreError,
    store::{LeaseKey, Routed, types::LEASE_TTL},
};

use crate::{
    fixture::{Fixture, contract},
    journey::{self, Logs, lease},
    make, wait,
};

contract! {
    a_lease_has_one_owner_until_it_is_released,
    a_lease_that_is_not_renewed_passes_on,
    a_lost_lease_cannot_move_the_cursor,
    the_cursor_does_not_pass_what_is_not_recorded,
    a_router_that_lives_is_counted,
}

async fn a_lease_has_one_owner_until_it_is_released(fixture: &Fixture) {
    let store = fixture.open().await;
    for key in [LeaseKey::Partition(0), LeaseKey::Shard(0)] {
        let mut a = lease(&store, key, "router-a").await;
        assert_eq!((a.key, a.owner.as_str()), (key, "router-a"));
        assert!(a.valid_until > std::time::Instant::now());
        assert!(store.acquire(key, "router-b").await.expect("it is asked").is_none());
        assert_eq!(store.renew(&mut a).await, Ok(true));
        let epoch = a.epoch;
        store.release(a).await.expect("it is released");
        let b = lease(&store, key, "router-b").await;
        assert!(b.epoch > epoch, "the epoch does not grow: {} after {epoch}", b.epoch);
    }
    store.close().await;
}

async fn a_lease_that_is_not_renewed_passes_on(fixture: &Fixture) {
    let store = fixture.open().await;
    let key = LeaseKey::Shard(0);
    let taken = std::time::Instant::now();
    let mut a = lease(&store, key, "router-a").await;
    let b = lease(&store, key, "router-b").await;
    assert!(taken.elapsed() + std::time::Duration::from_millis(500) >= LEASE_TTL, "taken from an owner that lives");
    assert!(a.valid_until <= std::time::Instant::now(), "two owners at once");
    assert_eq!(store.renew(&mut a).await, Ok(false));
    store.release(a).await.expect("nothing happens");
    assert!(store.acquire(key, "router-c").await.expect("it is asked").is_none(), "the late release took b's lease");
    assert!(b.epoch > 0);
    store.close().await;
}

async fn a_lost_lease_cannot_move_the_cursor(fixture: &Fixture) {
    let store = fixture.open().await;
    journey::append(&store, make::event("acme", "1")).await;
    let mut logs = Logs::open(&store).await;
    let events = logs.take(1).await;
    let partition = events[0].at.partition;
    let lost = logs.lease(partition).clone();
    logs.release(&store).await;

    let new = lease(&store, LeaseKey::Partition(partition), "router-b").await;
    let mut log = store.log(&new, partition).await.expect("the log opens");
    let again = wait::within(wait::SOON, log.next(10)).await.expect("it is read");
    assert_eq!(again[0].at, events[0].at);
    let routed = Routed { partition, through: events[0].at.sequence, ..Routed::default() };
    store.routed(&new, routed).await.expect("the new owner may");
    journey::append(&store, make::event("acme", "2")).await;
    let next = wait::within(wait::SOON, log.next(10)).await.expect("it is read");

    let late = Routed { partition, through: next[0].at.sequence, ..Routed::default() };
    // An engine may gather cursors, and then says it with a later call.
    wait::eventually("the lease is lost", async || {
        (store.routed(&lost, late.clone()).await == Err(StoreError::LeaseLost)).then_some(())
    })
    .await;
    store.release(new).await.expect("it is released");
    let events = Logs::open(&store).await.take(1).await;
    assert_eq!(events[0].at, next[0].at, "the cursor was moved without the lease");
    store.close().await;
}

async fn the_cursor_does_not_pass_what_is_not_recorded(fixture: &Fixture) {
    let store = fixture.open().await;
    journey::append(&store, make::event("acme", "1")).await;
    journey::append(&store, make::event("acme", "2")).await;
    let mut logs = Logs::open(&store).await;
    let events = logs.take(2).await;
    let (first, second) = (events[0].at, events[1].at);
    let partition = first.partition;
    let routed = |after, through| Routed { partition, after, through, ..Routed::default() };
    let lease = logs.lease(partition).clone();
    store.routed(&lease, routed(0, first.sequence - 1)).await.expect("nothing is before it");

    // An engine may wait for what comes before, or say that it is to be tried again.
    let mut early = std::pin::pin!(async {
        while let Err(error) = store.routed(&lease, routed(first.sequence, second.sequence)).await {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(
        tokio::time::timeout(Duration::from_millis(200), early.as_mut()).await.is_err(),
        "the first is not recorded"
    );
    store.routed(&lease, routed(first.sequence - 1, first.sequence)).await.expect("it is its turn");
    wait::within(wait::SOON, early).await;

    logs.release(&store).await;
    journey::append(&store, make::event("acme", "3")).await;
    let events = Logs::open(&store).await.take(1).await;
    assert!(events[0].at.sequence > second.sequence, "both are recorded");
    store.close().await;
}

async fn a_router_that_lives_is_counted(fixture: &Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.announce("router-a").await, Ok(1));
    assert_eq!(store.announce("router-a").await, Ok(1));
    store.close().await;
}
