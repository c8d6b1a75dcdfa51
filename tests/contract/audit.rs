//! The audit log.

use std::time::Duration;

use gatepost_config::{Retention, Timestamp};
use gatepost_event::{Act, ActId};
use serde_json::json;

use crate::{
    fixture::{Fixture, Setup, contract},
    make, wait,
};

contract! {
    acts_are_read_newest_first_in_pages_and_a_repeat_adds_none,
    an_act_vanishes_after_its_retention,
}

pub(crate) fn act(n: u64) -> Act {
    let at = Timestamp::now();
    Act {
        id: ActId::fresh(at),
        at,
        who: "gpk_x (test)".to_owned(),
        tenant: Some(make::id("acme")),
        action: "PUT /v1/destinations/{destination}".to_owned(),
        target: format!("/v1/destinations/{n}"),
        status: 200,
        before: None,
        after: Some(json!({ "id": n })),
    }
}

async fn acts_are_read_newest_first_in_pages_and_a_repeat_adds_none(fixture: &Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.acts(u64::MAX, 10).await, Ok(Vec::new()));
    let acts: Vec<Act> = (0..5).map(act).collect();
    for act in &acts {
        store.note_act(act).await.expect("it is noted");
    }
    store.note_act(&acts[4]).await.expect("it is there already");
    let store = fixture.reopen(store).await;
    let (mut read, mut before) = (Vec::new(), u64::MAX);
    loop {
        let page = store.acts(before, 2).await.expect("they are read");
        assert!(page.len() <= 2);
        let Some((last, _)) = page.last() else { break };
        before = *last;
        read.extend(page.into_iter().map(|(_, act)| act));
    }
    assert!(read.iter().eq(acts.iter().rev()), "{read:?}");
    store.close().await;
}

async fn an_act_vanishes_after_its_retention(fixture: &Fixture) {
    let kept = Duration::from_secs(1);
    let retention = Retention { audit: kept, ..Setup::default().retention };
    let store = fixture.open_as(&Setup { retention, ..Setup::default() }).await;
    store.note_act(&act(1)).await.expect("it is noted");
    let noted = Timestamp::now();
    wait::eventually("the act's end", async || {
        store.acts(u64::MAX, 10).await.expect("they are read").is_empty().then_some(())
    })
    .await;
    assert!(Timestamp::now().since(noted) + Duration::from_millis(200) >= kept, "it went too early");
    store.note_act(&act(2)).await.expect("it is noted");
    let targets: Vec<_> =
        store.acts(u64::MAX, 10).await.expect("read").into_iter().map(|(_, act)| act.target).collect();
    assert_eq!(targets, ["/v1/destinations/2"], "the log goes on behind it");
    store.close().await;
}
