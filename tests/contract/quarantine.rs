//! Requests that were refused.

use gatepost_event::store::Refusal;

use crate::{
    fixture::{Fixture, contract},
    make, wait,
};

contract! {
    refused_requests_are_kept_newest_first_and_bounded_per_integration,
    a_refused_request_reads_back_as_it_was,
}

/// The most refused requests that an engine keeps of an integration.
const KEPT_MAX: usize = 500;

async fn keep(store: &gatepost_event::Store, refusal: Refusal) {
    wait::eventually("a place in the queue", async || store.quarantine(refusal.clone()).then_some(())).await;
}

async fn refused_requests_are_kept_newest_first_and_bounded_per_integration(fixture: &Fixture) {
    let store = fixture.open().await;
    let flood: Vec<Refusal> = (0..KEPT_MAX + 50).map(|n| make::refusal("github", n, make::noise(100))).collect();
    keep(&store, make::refusal("quiet", 0, "the only one")).await;
    for refusal in &flood {
        keep(&store, refusal.clone()).await;
    }
    let (github, quiet) = (make::id("github"), make::id("quiet"));
    let kept = wait::eventually("the last refusal, and no more than are kept", async || {
        let kept = store.quarantined(&github, flood.len()).await.expect("they are listed");
        // An engine may let the oldest go a moment later.
        (kept.first() == flood.last() && kept.len() <= KEPT_MAX).then_some(kept)
    })
    .await;
    assert!(kept.iter().eq(flood.iter().rev().take(kept.len())), "not the newest, or not in order");
    assert_eq!(store.quarantined(&github, 3).await.expect("they are listed"), kept[..3]);
    assert_eq!(store.quarantined(&quiet, 10).await.expect("they are listed").len(), 1);
    let store = fixture.reopen(store).await;
    assert_eq!(store.quarantined(&github, flood.len()).await.expect("they are listed"), kept);
    store.close().await;
}

async fn a_refused_request_reads_back_as_it_was(fixture: &Fixture) {
    let store = fixture.open().await;
    let refusal = make::refusal("github", 1, make::noise(100 * 1024));
    keep(&store, refusal.clone()).await;
    let kept = wait::eventually("the refusal", async || {
        store.quarantined(&refusal.integration, 10).await.expect("they are listed").pop()
    })
    .await;
    assert!(kept == refusal, "it came back different");
    store.close().await;
}
