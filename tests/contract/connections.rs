//! Connections that are made at run time, and who gets an account.

use futures::future::join_all;
use gatepost_config::Timestamp;
use gatepost_event::{
    Claim, Linked, Store,
    connection::{self, Claiming, Found, LinkError, Phase},
    registry::{Expect, Kind},
};

use crate::{
    fixture::{Fixture, contract},
    make,
    registry::stored,
};

contract! {
    an_account_has_one_tenant_and_one_connection_unless_it_is_said_otherwise,
    of_many_tenants_that_claim_an_account_at_once_one_gets_it,
    what_a_crash_left_half_done_is_completed_or_taken_over,
    a_version_guards_against_other_writers_and_not_against_the_phase,
    a_connection_is_bound_whenever_it_may_own_parked_events,
}

const PLAIN: Claiming = Claiming { shared: false, take_over: false, change_tenant: false };

fn linked(connection: &str, tenant: &str, accounts: &[&str]) -> Linked {
    let linked = Linked::new(make::integration(), make::id(connection), make::id(tenant), Timestamp::now());
    Linked { accounts: accounts.iter().map(ToString::to_string).collect(), ..linked }
}

async fn put_as(store: &Store, wanted: Linked, claiming: Claiming) -> Result<Found, LinkError> {
    connection::put(store, wanted, Expect::Any, claiming, Timestamp::now()).await
}

async fn put(store: &Store, wanted: Linked) -> Result<Found, LinkError> {
    put_as(store, wanted, PLAIN).await
}

/// Ids of the connections that have an account.
async fn owners(store: &Store, account: &str) -> Vec<String> {
    let owners = connection::claimants(store, &make::integration(), account).await.expect("it is asked");
    owners.into_iter().map(|found| found.linked.id.to_string()).collect()
}

async fn accounts(store: &Store, connection: &str) -> Vec<String> {
    let found = connection::get(store, &make::integration(), &make::id(connection)).await.expect("it is asked");
    found.map(|found| found.linked.accounts).unwrap_or_default()
}

async fn an_account_has_one_tenant_and_one_connection_unless_it_is_said_otherwise(fixture: &Fixture) {
    let store = fixture.open().await;
    let long = "x".repeat(1000);
    put(&store, linked("a", "acme", &["1", &long])).await.expect("nobody has them");
    for account in ["1", long.as_str()] {
        assert_eq!(owners(&store, account).await, ["a"]);
        let taken = put(&store, linked("z", "zeta", &["2", account])).await;
        assert_eq!(taken, Err(LinkError::AccountTaken(account.to_owned())));
    }
    for other in ["01", "1 ", "\u{ff11}", "2", &long[1..]] {
        assert_eq!(owners(&store, other).await, [""; 0], "{other:?}");
    }
    let zeta = put(&store, linked("z", "zeta", &["2", "01", "\u{ff11}"])).await.expect("nobody has them");
    assert_eq!(owners(&store, "01").await, ["z"], "the control");

    let shared = put(&store, linked("b", "acme", &["1"])).await;
    let wanted = LinkError::AccountShared { account: "1".to_owned(), connections: vec![make::id("a")] };
    assert_eq!(shared, Err(wanted));
    put_as(&store, linked("b", "acme", &["1"]), Claiming { shared: true, ..PLAIN }).await.expect("it is allowed");
    assert_eq!(owners(&store, "1").await, ["a", "b"]);
    put_as(&store, linked("c", "acme", &["1"]), Claiming { take_over: true, ..PLAIN }).await.expect("it is asked for");
    assert_eq!(owners(&store, "1").await, ["c"]);
    assert_eq!((accounts(&store, "a").await, accounts(&store, "b").await), (vec![long.clone()], Vec::new()));
    let taken = put_as(&store, linked("z", "zeta", &["1"]), Claiming { shared: true, take_over: true, ..PLAIN }).await;
    assert_eq!(taken, Err(LinkError::AccountTaken("1".to_owned())), "another tenant's is never taken over");
    assert_eq!(owners(&store, "2").await, ["z"], "what it had it has still");

    let other = Linked { tenant: make::id("acme"), ..zeta.linked };
    assert_eq!(put(&store, other.clone()).await, Err(LinkError::OtherTenant));
    let moved = put_as(&store, other, Claiming { change_tenant: true, ..PLAIN }).await.expect("it is asked for");
    assert_eq!(moved.linked.tenant.as_str(), "acme");
    assert_eq!(owners(&store, "01").await, ["z"]);
    assert_eq!(put(&store, linked("y", "zeta", &["01"])).await, Err(LinkError::AccountTaken("01".to_owned())));

    put(&store, linked("c", "acme", &["3"])).await.expect("it gives one up for another");
    put(&store, linked("y", "zeta", &["1"])).await.expect("it was given up");
    assert_eq!(connection::remove(&store, &make::integration(), &make::id("y"), Expect::Any).await, Ok(true));
    assert_eq!(connection::remove(&store, &make::integration(), &make::id("y"), Expect::Any).await, Ok(false));
    put(&store, linked("a", "acme", &["1", &long])).await.expect("nobody has it");
    let store = fixture.reopen(store).await;
    assert_eq!((owners(&store, "1").await, owners(&store, &long).await), (vec!["a".to_owned()], vec!["a".to_owned()]));
    let ids: Vec<_> = connection::page(&store, 0, 10).await.expect("it is read").into_iter().collect();
    assert_eq!(ids.iter().map(|found| found.linked.id.as_str()).collect::<Vec<_>>(), ["b", "z", "c", "a"]);
    let after = connection::page(&store, ids[1].revision, 1).await.expect("it is read");
    assert_eq!(after[0].linked.id.as_str(), "c");
    store.close().await;
}

async fn of_many_tenants_that_claim_an_account_at_once_one_gets_it(fixture: &Fixture) {
    let store = fixture.open().await;
    for round in 0..8 {
        let account = format!("account {round}");
        let puts = (0..8).map(|n| put(&store, linked(&format!("c{n}"), &format!("t{n}"), &[&account])));
        let answers = join_all(puts).await;
        let won: Vec<_> = answers.iter().flatten().map(|found| found.linked.id.to_string()).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        assert_eq!(owners(&store, &account).await, won);
        for (n, answer) in answers.iter().enumerate() {
            let (id, lost) = (format!("c{n}"), Err(LinkError::AccountTaken(account.clone())));
            match won.contains(&id) {
                true => assert_eq!(accounts(&store, &id).await, [account.as_str()]),
                false => assert_eq!((answer, accounts(&store, &id).await), (&lost, Vec::new())),
            }
            connection::remove(&store, &make::integration(), &make::id(&id), Expect::Any).await.expect("it is removed");
        }
        assert_eq!(owners(&store, &account).await, [""; 0]);
        assert_eq!(store.entries(Kind::Claim).await, Ok(Vec::new()), "a claim is left");
    }
    store.close().await;
}

async fn what_a_crash_left_half_done_is_completed_or_taken_over(fixture: &Fixture) {
    let store = fixture.open().await;
    let claim = |connection: &str, tenant: &str, account: &str, doubted: bool| Claim {
        integration: make::integration(),
        account: account.to_owned(),
        tenant: make::id(tenant),
        connections: vec![make::id(connection)],
        doubted,
    };
    // Whoever takes a claim over doubts it first, and may die after that.
    let left =
        [(&["1"][..], true, false), (&["2"], false, false), (&["1", "3"], true, true), (&["2", "4"], false, true)];
    for (accounts, completes, doubted) in left {
        let account = accounts[accounts.len() - 1];
        let value = serde_json::to_vec(&claim("a", "acme", account, doubted)).expect("JSON");
        let id = Claim::entry_id(&make::integration(), account);
        stored(&store.put(Kind::Claim, &id, value.into(), Expect::Absent).await.expect("it is answered"));
        assert_eq!(owners(&store, account).await, [""; 0], "no record names it yet");
        let (connection, tenant) = if completes { ("a", "acme") } else { ("z", "zeta") };
        put(&store, linked(connection, tenant, accounts)).await.expect("it is nobody else's");
        assert_eq!(owners(&store, account).await, [connection]);
        let kept = store.entry(Kind::Claim, &id).await.expect("it is read").expect("it is there");
        let kept: Claim = serde_json::from_slice(&kept.value).expect("a claim");
        assert_eq!(kept, claim(connection, tenant, account, false));
    }
    // A record whose claim is another's: it was overtaken, and died before it found out.
    let mut late = linked("late", "acme", &["2"]);
    late.phase = Phase::Active;
    let value = serde_json::to_vec(&late).expect("JSON");
    let id = Linked::entry_id(&late.integration, &late.id);
    stored(&store.put(Kind::Connection, &id, value.into(), Expect::Absent).await.expect("it is answered"));
    assert_eq!(owners(&store, "2").await, ["z"]);
    assert_eq!(connection::holds(&store, &late, "2").await, Ok(false));
    assert_eq!(connection::holds(&store, &linked("z", "zeta", &["2"]), "2").await, Ok(true), "the control");
    assert_eq!(put(&store, late).await, Err(LinkError::AccountTaken("2".to_owned())));
    store.close().await;
}

async fn a_version_guards_against_other_writers_and_not_against_the_phase(fixture: &Fixture) {
    let store = fixture.open().await;
    let expecting =
        async |wanted: Linked, expect: Expect| connection::put(&store, wanted, expect, PLAIN, Timestamp::now()).await;
    let first = expecting(linked("a", "acme", &["1"]), Expect::Absent).await.expect("it is new");
    let version = first.linked.version;
    let mut changed = first.linked.clone();
    changed.metadata.insert("plan".to_owned(), "gold".to_owned());
    assert_eq!(expecting(changed.clone(), Expect::Absent).await, Err(LinkError::Conflict(Some(version))));
    let settled = connection::advance(&store, &first, Phase::Active).await.expect("it is answered").expect("as it was");
    assert_eq!(connection::advance(&store, &first, Phase::Settling).await, Ok(None), "it is not as it was");
    assert_eq!((settled.linked.version, settled.linked.phase), (version, Phase::Active));
    let second = expecting(changed.clone(), Expect::Revision(version)).await.expect("only its phase has changed");
    assert!(second.linked.version > version);
    assert_eq!(second.linked.phase, Phase::Active);
    assert_eq!(expecting(changed, Expect::Absent).await, Ok(second.clone()), "it is so already");
    let late = Err(LinkError::Conflict(Some(second.linked.version)));
    assert_eq!(expecting(first.linked.clone(), Expect::Revision(version)).await, late);
    let removed = connection::remove(&store, &make::integration(), &make::id("a"), Expect::Revision(version)).await;
    assert_eq!(removed, Err(LinkError::Conflict(Some(second.linked.version))));
    let removed = connection::remove(&store, &make::integration(), &make::id("a"), Expect::Any).await;
    assert_eq!(removed, Ok(true));
    let gone = expecting(second.linked.clone(), Expect::Revision(second.linked.version)).await;
    assert_eq!(gone, Err(LinkError::Conflict(None)));
    store.close().await;
}

async fn a_connection_is_bound_whenever_it_may_own_parked_events(fixture: &Fixture) {
    let store = fixture.open().await;
    let phase = async |wanted: Linked| put(&store, wanted).await.expect("it is put").linked.phase;
    let activate = async || {
        let found = connection::get(&store, &make::integration(), &make::id("a")).await.expect("it is asked");
        let found = found.expect("it is there");
        connection::advance(&store, &found, Phase::Active).await.expect("it is answered").expect("as it was");
    };
    let mut a = linked("a", "acme", &["1"]);
    a.phase = Phase::Pending;
    assert_eq!(phase(a.clone()).await, Phase::Pending);
    a.metadata.insert("plan".to_owned(), "gold".to_owned());
    assert_eq!(phase(a.clone()).await, Phase::Pending);
    a.phase = Phase::Active;
    assert_eq!(phase(a.clone()).await, Phase::Binding, "it is confirmed");
    activate().await;
    a.disabled = true;
    assert_eq!(phase(a.clone()).await, Phase::Active);
    a.disabled = false;
    assert_eq!(phase(a.clone()).await, Phase::Binding, "it is enabled");
    activate().await;
    a.accounts.push("2".to_owned());
    assert_eq!(phase(a.clone()).await, Phase::Binding, "it has one more account");
    activate().await;
    a.accounts.remove(0);
    assert_eq!(phase(a.clone()).await, Phase::Active, "it has one less");
    a.accounts = vec![String::new()];
    let invalid = put(&store, a).await;
    assert!(matches!(&invalid, Err(LinkError::Invalid { field: "accounts", .. })), "{invalid:?}");
    store.close().await;
}
