//! Events that no connection claims yet.

use std::time::Duration;

use gatepost_event::{
    Event,
    store::{Appended, Release, Under},
};

use crate::{
    fixture::{Fixture, contract},
    journey::{self, Logs},
    make, wait,
};

contract! {
    parked_events_are_listed_by_account_and_are_not_in_the_log,
    unparked_events_move_in_order_under_their_ids,
    a_parked_id_is_stored_once,
    what_waits_for_a_tenant_or_a_connection_goes_to_no_other,
}

async fn park(store: &gatepost_event::Store, account: &str, ids: &[String]) {
    for id in ids {
        let item = make::to_park(make::parked(account, id));
        let answer = store.append(vec![item], wait::soon()).await.expect("it is stored");
        assert_eq!(answer, [Appended::Stored]);
    }
}

async fn parked_events_are_listed_by_account_and_are_not_in_the_log(fixture: &Fixture) {
    let store = fixture.open().await;
    park(&store, "one", &journey::ids("one", 3)).await;
    park(&store, "two", &journey::ids("two", 2)).await;
    let store = fixture.reopen(store).await;

    let github = make::integration();
    let one = store.unmatched(Some(&github), Some("one"), 0, 10).await.expect("they are listed");
    assert_eq!(
        one.iter().map(|parked| parked.event.meta.id).collect::<Vec<_>>(),
        journey::ids("one", 3).iter().map(|id| make::parked("one", id).meta.id).collect::<Vec<_>>()
    );
    let after = store.unmatched(Some(&github), Some("one"), one[1].position, 10).await.expect("they are listed");
    assert_eq!(after.len(), 1);
    assert_eq!(after[0].event, one[2].event);
    assert_eq!(store.unmatched(None, None, 0, 10).await.expect("they are listed").len(), 5);
    assert_eq!(store.unmatched(Some(&github), None, 0, 4).await.expect("they are listed").len(), 4);
    assert_eq!(store.unmatched(Some(&make::id("other")), None, 0, 10).await.expect("they are listed").len(), 0);
    assert_eq!(store.unmatched(Some(&github), Some("three"), 0, 10).await.expect("they are listed").len(), 0);
    assert!(Logs::open(&store).await.is_quiet().await, "a parked event is in the log");
    assert_eq!(store.census().await.expect("it counts").unmatched, 5);
    store.close().await;
}

async fn unparked_events_move_in_order_under_their_ids(fixture: &Fixture) {
    let store = fixture.open().await;
    let ids = journey::ids("one", 300);
    let items = ids.iter().map(|id| make::to_park(make::parked("one", id))).collect();
    store.append(items, wait::soon()).await.expect("they are stored");
    let large = make::with_body(make::parked("one", "large"), make::noise(600 * 1024));
    store.append(vec![make::to_park(large.clone())], wait::soon()).await.expect("it is stored");
    park(&store, "two", &journey::ids("two", 1)).await;

    // The items of one append have no order among themselves; what is stored has.
    let (github, acme, tenant) = (make::integration(), make::id("acme"), make::id("acme-inc"));
    let parked = store.unmatched(Some(&github), Some("one"), 0, 500).await.expect("they are listed");
    assert_eq!(parked.len(), 301);
    assert_eq!(store.unpark(&github, "one", &acme, &tenant).await, Ok(301));
    assert_eq!(store.unpark(&github, "one", &acme, &tenant).await, Ok(0));
    let store = fixture.reopen(store).await;
    assert_eq!(store.unpark(&github, "one", &acme, &tenant).await, Ok(0));

    let mut logs = Logs::open(&store).await;
    let moved = logs.take(301).await;
    assert!(logs.is_quiet().await);
    for (moved, parked) in moved.iter().zip(&parked) {
        let event = moved.event.as_ref().expect("readable");
        let id = parked.event.meta.id;
        assert_eq!((moved.at.id, event.meta.id, &event.body), (id, id, &parked.event.body));
        assert_eq!((event.meta.connection.as_ref(), event.meta.tenant.as_ref()), (Some(&acme), Some(&tenant)));
    }
    assert!(moved[300].event.as_ref().expect("readable").body == large.body, "the large body came back different");
    let left = store.unmatched(None, None, 0, 10).await.expect("they are listed");
    assert_eq!(left.iter().map(|parked| parked.event.meta.account.as_deref()).collect::<Vec<_>>(), [Some("two")]);
    let census = store.census().await.expect("it counts");
    assert_eq!((census.unmatched, census.unrouted_yet), (1, 301));
    store.close().await;
}

async fn a_parked_id_is_stored_once(fixture: &Fixture) {
    let store = fixture.open().await;
    park(&store, "one", &journey::ids("one", 1)).await;
    let again = || vec![make::to_park(make::parked("one", "one-0"))];
    assert_eq!(store.append(again(), wait::soon()).await, Ok(vec![Appended::Duplicate(None)]));
    let store = fixture.reopen(store).await;
    assert_eq!(store.append(again(), wait::soon()).await, Ok(vec![Appended::Duplicate(None)]));
    assert_eq!(store.census().await.expect("it counts").unmatched, 1);
    park(&store, "one", &["another".to_owned()]).await;
    store.close().await;
}

async fn what_waits_for_a_tenant_or_a_connection_goes_to_no_other(fixture: &Fixture) {
    let store = fixture.open().await;
    let queued = |id: &str, tenant: Option<&str>, connection: Option<&str>, hours: u64| {
        let mut event: Event = make::parked("one", id);
        event.meta.tenant = tenant.map(make::id);
        event.meta.connection = connection.map(make::id);
        event.meta.received_at = event.meta.received_at.before(Duration::from_hours(hours));
        event
    };
    let events = [
        queued("old", None, None, 30),
        queued("a", None, None, 0),
        queued("b", Some("zeta"), None, 0),
        queued("c", Some("acme"), None, 0),
        queued("d", Some("acme"), Some("its-own"), 0),
        queued("e", Some("zeta"), Some("its-own"), 0),
    ];
    let now = events[1].meta.received_at;
    for event in events {
        let stored = store.append(vec![make::to_park(event)], wait::soon()).await;
        assert_eq!(stored, Ok(vec![Appended::Stored]));
    }
    let release = async |under: Under, connection: &str, tenant: &str, hours: Option<u64>| {
        let (connection, tenant) = (make::id(connection), make::id(tenant));
        let since = hours.map(|hours| now.before(Duration::from_hours(hours)));
        let destination = Some(make::id("far"));
        let release = Release { integration: make::integration(), under, connection, tenant, destination, since };
        store.release_parked(&release).await.expect("they are moved")
    };
    let one = || Under::Account("one".to_owned());
    let listed = store.unmatched(Some(&make::integration()), Some("one"), 0, 10).await.expect("they are listed");
    assert_eq!(listed.len(), 4, "what waits under a connection does not wait under its account");
    assert_eq!(release(Under::Connection, "other", "acme", None).await, 0);
    assert_eq!(release(one(), "its-own", "acme", Some(24)).await, 2);
    assert_eq!(release(one(), "its-own", "acme", Some(24)).await, 0);
    assert_eq!(release(Under::Connection, "its-own", "acme", Some(24)).await, 1);
    assert_eq!(release(one(), "its-own", "acme", None).await, 1, "the old one, by its own wish");
    let mut logs = Logs::open(&store).await;
    let moved = logs.take(4).await;
    assert!(logs.is_quiet().await);
    let moved = moved.into_iter().map(|stored| stored.event.expect("readable").meta);
    for meta in moved {
        assert_eq!(meta.connection.map(|id| id.to_string()).as_deref(), Some("its-own"));
        assert_eq!(meta.tenant.map(|id| id.to_string()).as_deref(), Some("acme"));
        assert_eq!(meta.destination.map(|id| id.to_string()).as_deref(), Some("far"));
        assert!(["old", "a", "c", "d"].contains(&meta.provider_event_id.as_deref().expect("named")));
    }
    assert_eq!(release(one(), "theirs", "zeta", None).await, 1, "the control");
    assert_eq!(release(Under::Connection, "its-own", "zeta", None).await, 1, "the control");
    assert_eq!(store.census().await.expect("it counts").unmatched, 0);
    store.close().await;
}
