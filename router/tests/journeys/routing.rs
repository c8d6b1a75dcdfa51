//! Where events go, and where they don't.

use gatepost_event::{DeadReason, Ending};

use crate::support::{
    Rig, config, destination,
    receiver::Receiver,
    route,
    stored::{event, of_tenant, unmatched},
};

fn tenants(id: &str, url: &str, tenant: &str) -> String {
    destination(id, url, &format!("tenant = \"{tenant}\""))
}

#[tokio::test]
async fn a_tenants_destination_gets_that_tenants_events_and_no_other() {
    let (own, acme, rival) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    let sections = [
        destination("own", &own.url("/"), ""),
        tenants("acme-backend", &acme.url("/"), "acme-inc"),
        tenants("rival-backend", &rival.url("/"), "rival-inc"),
        route("everything", &["own"]),
        "\n[[route]]\nid = \"tenants\"\nforward = \"tenant\"\n".to_owned(),
    ];
    let rig = Rig::start(config(&sections.concat())).await;
    let ours = event("one", "github.push", "{}");
    let theirs = of_tenant(event("two", "github.push", "{}"), "rival", "rival-inc");
    let nobodys = unmatched(event("three", "github.push", "{}"));
    rig.append(vec![ours.clone(), theirs.clone(), nobodys.clone()]).await;
    rig.ended(Ending::Delivered, 5).await;

    let ids = |receiver: &Receiver| {
        let mut ids: Vec<_> = receiver.got().iter().map(|got| got.header("webhook-id").to_owned()).collect();
        ids.sort();
        ids
    };
    assert_eq!(own.got().len(), 3);
    assert_eq!(ids(&acme), [ours.meta.id.to_string()]);
    assert_eq!(ids(&rival), [theirs.meta.id.to_string()]);
    let unmatched_copy = own.got().into_iter().find(|got| got.header("webhook-id") == nobodys.meta.id.to_string());
    assert!(unmatched_copy.is_some_and(|got| got.json()["connection"].is_null()));
}

#[tokio::test]
async fn nothing_is_lost_between_filtered_unrouted_dead_and_delivered() {
    let backend = Receiver::start().await;
    let sections = [
        destination("backend", &backend.url("/"), ""),
        "\n[[route]]\nid = \"mains\"\nevents = [\"github.push\"]\nfilter = \"event.data.ref == 'main'\"\nforward = [\"backend\"]\n"
            .to_owned(),
    ];
    let rig = Rig::start(config(&sections.concat())).await;
    rig.append(vec![
        event("passes", "github.push", r#"{"ref":"main"}"#),
        event("filtered", "github.push", r#"{"ref":"other"}"#),
        event("fails", "github.push", r#"{"no":"ref"}"#),
        event("unrouted", "github.ping", "{}"),
    ])
    .await;
    let census = rig.census(|census| census.ended.values().sum::<u64>() == 4).await;
    let count = |ending| census.ended.get(&ending).copied().unwrap_or(0);
    assert_eq!(
        [Ending::Delivered, Ending::Filtered, Ending::Dead, Ending::Unrouted].map(count),
        [1, 1, 1, 1],
        "{census:?}"
    );
    let letters = rig.dead_letters().await;
    assert_eq!(letters[0].note.reason, DeadReason::FilterError);
    assert_eq!(letters[0].note.route.as_ref().map(ToString::to_string).as_deref(), Some("mains"));
    assert!(letters[0].note.detail.as_deref().is_some_and(|detail| detail.contains("ref")), "{:?}", letters[0].note);
    assert_eq!(backend.got().len(), 1);
}

#[tokio::test]
async fn a_destination_named_by_several_routes_gets_an_event_once() {
    let backend = Receiver::start().await;
    let to = destination("backend", &backend.url("/"), "");
    let sections = [to, route("one", &["backend"]), route("two", &["backend"])];
    let rig = Rig::start(config(&sections.concat())).await;
    rig.append(vec![event("one", "github.push", "{}"), event("two", "github.push", "{}")]).await;
    rig.ended(Ending::Delivered, 2).await;
    assert_eq!(backend.got().len(), 2);
}
