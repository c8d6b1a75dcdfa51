//! Requests that were refused.

use gatepost_event::RefusalKey;

use crate::{
    fixture::{Fixture, contract},
    make,
};

contract! {
    refused_requests_are_listed_by_time_and_read_back_as_they_were,
    refused_requests_are_forgotten_one_by_one,
}

async fn refused_requests_are_listed_by_time_and_read_back_as_they_were(fixture: &Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.quarantined(None).await.expect("they are listed"), []);
    let before = store.quarantine_mark().await.expect("it is told");
    let bodies = [make::noise(100), make::noise(960 * 1024), make::noise(0)];
    let mut kept = Vec::new();
    for (n, body) in bodies.into_iter().enumerate() {
        let open = make::open_refusal(["github", "stripe"][n % 2], n, body);
        let sealed = make::keys().seal_refusal(&open).expect("it is sealed");
        for _ in 0..2 {
            store.quarantine(&sealed).await.expect("it is kept, once");
        }
        kept.push((open, sealed));
    }
    kept.sort_by_key(|(open, _)| open.request);
    assert!(store.quarantine_mark().await.expect("it is told") > before);
    let store = fixture.reopen(store).await;
    let keys: Vec<RefusalKey> = kept.iter().map(|(_, sealed)| sealed.key()).collect();
    assert_eq!(store.quarantined(None).await.expect("they are listed"), keys);
    for ((open, sealed), key) in kept.iter().zip(&keys) {
        assert_eq!(store.quarantined(Some(key.request)).await.expect("it is listed"), std::slice::from_ref(key));
        let read = store.refusal(key).await.expect("it is read").expect("it is there");
        assert!(read == *sealed, "it came back different");
        assert!(make::keys().open_refusal(&read).expect("it opens") == *open, "it opened to something else");
    }
    store.close().await;
}

async fn refused_requests_are_forgotten_one_by_one(fixture: &Fixture) {
    let store = fixture.open().await;
    for n in 0..20 {
        store.quarantine(&make::refusal("github", n, "refused")).await.expect("it is kept");
    }
    let keys = store.quarantined(None).await.expect("they are listed");
    let (go, stay) = keys.split_at(8);
    for _ in 0..2 {
        store.forget_refusals(go).await.expect("they are forgotten");
    }
    assert_eq!(store.quarantined(None).await.expect("they are listed"), stay);
    assert_eq!(store.quarantined(Some(go[0].request)).await.expect("it is looked for"), []);
    assert_eq!(store.refusal(&go[0]).await.expect("it is looked for"), None);
    assert!(store.refusal(&stay[0]).await.expect("it is read").is_some());
    store.close().await;
}
