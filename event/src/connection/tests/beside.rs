//! Who gets an account when several claim it at once, whatever the order of their steps and wherever a crash ends them.

use std::{cell::RefCell, collections::HashSet};

use gatepost_config::{ConnectionId, Timestamp};

use super::steps::{self, Hand, Registry, Run, cut_anywhere, every_order};
use crate::{
    connection::{self, Claiming, LinkError, Linked, Phase},
    registry::Expect,
};

const PLAIN: Claiming = Claiming { shared: false, take_over: false, change_tenant: false };
const TAKE_OVER: Claiming = Claiming { take_over: true, ..PLAIN };
const SHARED: Claiming = Claiming { shared: true, ..PLAIN };
const MOVE: Claiming = Claiming { change_tenant: true, ..PLAIN };

/// Something that one writer does with a connection.
#[derive(Debug, Clone, Copy)]
struct Deed {
    connection: &'static str,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Put(&'static str, &'static [&'static str], Claiming),
    Remove,
    /// A router has released what waited for it.
    Bind,
}

/// What a deed came to.
type Told = Result<(), LinkError>;

/// What happens in a case.
#[derive(Debug, Clone, Copy, Default)]
struct Case {
    /// One after the other, each to its end.
    before: &'static [Deed],
    /// Then this one, cut off anywhere.
    cut: Option<Deed>,
    /// Then these, beside each other.
    beside: &'static [&'static [Deed]],
    /// See [`every_order`].
    switches: usize,
}

const fn put(connection: &'static str, tenant: &'static str, accounts: &'static [&'static str]) -> Deed {
    put_as(connection, tenant, accounts, PLAIN)
}

const fn put_as(
    connection: &'static str,
    tenant: &'static str,
    accounts: &'static [&'static str],
    claiming: Claiming,
) -> Deed {
    Deed { connection, what: What::Put(tenant, accounts, claiming) }
}

const fn remove(connection: &'static str) -> Deed {
    Deed { connection, what: What::Remove }
}

const fn bind(connection: &'static str) -> Deed {
    Deed { connection, what: What::Bind }
}

fn integration() -> gatepost_config::IntegrationId {
    "github".parse().expect("an id")
}

fn id(connection: &str) -> ConnectionId {
    connection.parse().expect("an id")
}

fn linked(connection: &str, tenant: &str, accounts: &[&str]) -> Linked {
    let now = Timestamp::from_millis(1);
    let linked = Linked::new(integration(), id(connection), tenant.parse().expect("an id"), now);
    Linked { accounts: accounts.iter().map(ToString::to_string).collect(), ..linked }
}

impl Deed {
    async fn done(self, by: &Hand) -> Told {
        match self.what {
            What::Put(tenant, accounts, claiming) => {
                let wanted = linked(self.connection, tenant, accounts);
                connection::put(by, wanted, Expect::Any, claiming, Timestamp::from_millis(1)).await.map(drop)
            }
            What::Remove => connection::remove(by, &integration(), &id(self.connection), Expect::Any).await.map(drop),
            What::Bind => {
                let found = connection::get(by, &integration(), &id(self.connection)).await?;
                let Some(found) = found else { return Ok(()) };
                Ok(connection::advance(by, &found, Phase::Active).await.map(drop)?)
            }
        }
    }

    fn put(self) -> Option<(&'static str, &'static [&'static str], Claiming)> {
        match self.what {
            What::Put(tenant, accounts, claiming) => Some((tenant, accounts, claiming)),
            What::Remove | What::Bind => None,
        }
    }

    fn accounts(self) -> &'static [&'static str] {
        self.put().map_or(&[], |(_, accounts, _)| accounts)
    }

    /// Whether another writer may change this one's record, but for its phase and the accounts that it loses.
    fn is_touched_by(self, other: Self) -> bool {
        self.connection == other.connection && !matches!(other.what, What::Bind)
    }

    /// Whether another writer may take what this one was told is its own.
    fn may_lose_to(self, other: Self) -> bool {
        let (Some((tenant, accounts, _)), Some((of, others, claiming))) = (self.put(), other.put()) else {
            return self.connection == other.connection && !matches!(other.what, What::Bind);
        };
        let shares = accounts.iter().any(|account| others.contains(account));
        let wants_else = tenant != of || accounts != others;
        (self.connection == other.connection && wants_else) || (claiming.take_over && tenant == of && shares)
    }
}

/// Deeds of one writer, one after the other; what the last came to.
fn act(deeds: &'static [Deed]) -> steps::Act<Told> {
    Box::new(move |by| {
        Box::pin(async move {
            let mut told = Ok(());
            for deed in deeds {
                told = deed.done(&by).await;
            }
            told
        })
    })
}

/// Connections that have an account, each with its tenant.
fn owners(registry: &Registry, account: &str) -> Vec<(String, String)> {
    let asked = registry.alone(async |by| connection::claimants(by, &integration(), account).await).0;
    let owners = asked.expect("it is asked").into_iter();
    owners.map(|found| (found.linked.id.to_string(), found.linked.tenant.to_string())).collect()
}

/// Whether an account is the connection's of a deed, as the deed wants it.
fn has(registry: &Registry, deed: Deed, account: &str) -> bool {
    let tenant = deed.put().map_or("", |(tenant, ..)| tenant);
    owners(registry, account).contains(&(deed.connection.to_owned(), tenant.to_owned()))
}

fn has_all(registry: &Registry, deed: Deed) -> bool {
    match deed.what {
        What::Put(_, accounts, _) => accounts.iter().all(|account| has(registry, deed, account)),
        What::Remove => registry.record(deed.connection).is_none(),
        What::Bind => true,
    }
}

/// Does a deed with nobody beside it: it is done, or it is refused for a reason that is true.
fn comes_to_something(registry: &Registry, deed: Deed, why: &dyn Fn() -> String) {
    let (told, after) = registry.alone(async |by| deed.done(by).await);
    let tenant = deed.put().map(|(tenant, ..)| tenant);
    let others = |account: &str, is_theirs: bool| {
        owners(registry, account)
            .iter()
            .any(|(id, of)| *id != deed.connection && (Some(of.as_str()) != tenant) == is_theirs)
    };
    let is_right = match &told {
        Ok(()) => has_all(&after, deed),
        Err(LinkError::AccountTaken(account)) => others(account, true),
        Err(LinkError::AccountShared { account, .. }) => others(account, false) || others(account, true),
        Err(LinkError::OtherTenant) => {
            registry.record(deed.connection).is_some_and(|found| Some(found.tenant.as_str()) != tenant)
        }
        Err(_) => false,
    };
    assert!(is_right, "{}: {deed:?} came to {told:?}\nbefore: {registry:#?}\nafter: {after:#?}", why());
}

/// What a case comes to.
struct Trial<'a> {
    case: &'a Case,
    start: &'a Registry,
    /// What registries hold in which somebody was seen to come to something.
    settled: RefCell<HashSet<(u64, Option<usize>)>>,
}

impl Trial<'_> {
    fn deeds(&self) -> impl Iterator<Item = Deed> {
        self.case.beside.iter().copied().flatten().copied()
    }

    /// What holds at every moment.
    fn check(&self, run: &Run<Told>, path: &[usize]) {
        let now = run.registry();
        let values = now.values();
        let why = || format!("{:?} by the steps of {path:?}", self.case);
        if self.settled.borrow_mut().insert((values, None)) {
            let may_share = self.deeds().any(|deed| deed.put().is_some_and(|(.., by)| by.shared));
            for account in self.deeds().flat_map(Deed::accounts) {
                let owners = owners(&now, account);
                let is_one = owners.iter().all(|(_, tenant)| *tenant == owners[0].1);
                assert!(is_one, "{}: {account} has two owners: {owners:?}", why());
                assert!(may_share || owners.len() <= 1, "{}: {account} is shared: {owners:?}", why());
                comes_to_something(&now, put("new", "newcomer", std::slice::from_ref(account)), &why);
            }
        }
        for (who, deeds) in self.case.beside.iter().enumerate() {
            let Some(last) = deeds.last().copied() else { continue };
            let others =
                || (0..).zip(self.case.beside).filter(|(other, _)| *other != who).flat_map(|(_, deeds)| *deeds);
            match run.came_to(who) {
                Some(Ok(())) => {
                    let names = |account: &str| now.record(last.connection).is_some_and(|record| record.names(account));
                    let may_lose = others().any(|other| last.may_lose_to(*other));
                    // What others may take, they take out of its record first.
                    let is_kept = |account: &&'static str| has(&now, last, account) || (may_lose && !names(account));
                    let is_done = last.put().is_some() || may_lose || has_all(&now, last);
                    let is_kept = is_done && last.accounts().iter().all(is_kept);
                    assert!(is_kept, "{}: {last:?} was told it is done: {now:#?}", why());
                }
                Some(Err(LinkError::Store(error))) => panic!("{}: {last:?} came to {error}", why()),
                Some(Err(_)) if deeds.len() == 1 && others().all(|other| !last.is_touched_by(*other)) => {
                    let Some(stood) = self.without_taken(run, last) else { continue };
                    assert_eq!(now.record(last.connection), stood, "{}: {last:?} was refused", why());
                }
                Some(Err(_)) => {}
                // It was cut off: whoever asked for it asks again.
                None if self.settled.borrow_mut().insert((values, Some(who))) => comes_to_something(&now, last, &why),
                None => {}
            }
        }
    }
}

impl Trial<'_> {
    /// What stood in a deed's record, without what others have taken over since; `None` while somebody is about to.
    fn without_taken(&self, run: &Run<Told>, deed: Deed) -> Option<Option<Linked>> {
        let mut stood = self.start.record(deed.connection);
        for (who, deeds) in self.case.beside.iter().enumerate() {
            for (.., accounts, by) in
                deeds.iter().filter(|taker| deed.may_lose_to(**taker)).filter_map(|taker| taker.put())
            {
                match run.came_to(who) {
                    Some(Ok(())) if by.take_over => {
                        stood
                            .iter_mut()
                            .for_each(|stood| stood.accounts.retain(|own| !accounts.contains(&own.as_str())));
                    }
                    Some(_) => {}
                    None => return None,
                }
            }
        }
        Some(stood)
    }
}

impl Registry {
    /// What stands in a connection's record, but for what counts its writes.
    fn record(&self, connection: &str) -> Option<Linked> {
        let found = self.alone(async |by| connection::get(by, &integration(), &id(connection)).await).0;
        found.expect("it is asked").map(|found| Linked { version: 0, ..found.linked })
    }
}

/// Goes through a case; how many states it has.
fn go_through(case: &Case) -> usize {
    let mut start = Registry::default();
    for deed in case.before {
        let (told, after) = start.alone(async |by| deed.done(by).await);
        told.expect("it is done before");
        start = after;
    }
    let starts = match case.cut {
        Some(deed) => cut_anywhere(&start, Box::new(move |by| Box::pin(async move { deed.done(&by).await }))),
        None => vec![start],
    };
    let acts: Vec<_> = case.beside.iter().map(|deeds| act(deeds)).collect();
    let go_through = |start| {
        let trial = Trial { case, start, settled: RefCell::default() };
        every_order(start, &acts, case.switches, |run, path| trial.check(run, path))
    };
    starts.iter().map(go_through).sum()
}

const A: Deed = put("a", "acme", &["1"]);
const Z: Deed = put("z", "zeta", &["1"]);
/// A crash cut a claim of somebody else off.
const LEFT: Case = Case { cut: Some(put("x", "exo", &["1"])), ..ALONE };
/// Nothing was before.
const ALONE: Case = Case { before: &[], cut: None, beside: &[], switches: 3 };

const CASES: &[Case] = &[
    Case { beside: &[&[A], &[Z]], ..ALONE },
    // One of a crash is there already, and is taken over, completed or removed.
    Case { beside: &[&[A], &[Z]], ..LEFT },
    Case { beside: &[&[put("x", "exo", &["1"])], &[Z]], ..LEFT },
    Case { beside: &[&[put("x", "exo", &["1", "3"])], &[Z]], ..LEFT },
    Case { beside: &[&[remove("x")], &[Z]], ..LEFT },
    // What is given up, and wanted again.
    Case { before: &[A], beside: &[&[put("a", "acme", &[]), A], &[Z]], ..ALONE },
    Case { before: &[A], beside: &[&[remove("a"), A], &[Z]], ..ALONE },
    Case { before: &[A], beside: &[&[put("a", "acme", &[])], &[A]], ..ALONE },
    Case { before: &[A], beside: &[&[remove("a")], &[A]], ..ALONE },
    // Connections of one tenant.
    Case { before: &[A], beside: &[&[put_as("b", "acme", &["1"], TAKE_OVER)], &[Z]], ..ALONE },
    Case { beside: &[&[A], &[put_as("b", "acme", &["1"], TAKE_OVER)]], ..ALONE },
    Case { beside: &[&[A], &[put("b", "acme", &["1"])]], ..ALONE },
    Case { beside: &[&[put_as("a", "acme", &["1"], SHARED)], &[put_as("b", "acme", &["1"], SHARED)]], ..ALONE },
    // One connection of two tenants, and one that moves.
    Case { beside: &[&[put("c", "acme", &["1"])], &[put("c", "zeta", &["1"])]], ..ALONE },
    Case { before: &[A], beside: &[&[put_as("a", "zeta", &["1"], MOVE)], &[put("b", "beta", &["1"])]], ..ALONE },
    Case { before: &[A], beside: &[&[put_as("a", "zeta", &["1"], MOVE)], &[remove("a")]], ..ALONE },
    // Two accounts, in another order each.
    Case { beside: &[&[put("a", "acme", &["1", "2"])], &[put("z", "zeta", &["2", "1"])]], ..ALONE },
    // One connection twice, by a repeat that came before the first had its answer.
    Case { beside: &[&[A], &[A], &[Z, remove("z")]], switches: 4, ..ALONE },
    // One that is refused another account, while what it had is taken over.
    Case {
        before: &[A],
        beside: &[
            &[put("a", "acme", &["1", "2"])],
            &[put("z", "zeta", &["2"])],
            &[put_as("b", "acme", &["1"], TAKE_OVER)],
        ],
        switches: 3,
        ..ALONE
    },
    // A router moves the connection on meanwhile.
    Case { beside: &[&[A], &[Z], &[bind("a")]], switches: 2, ..ALONE },
    // Three at once.
    Case { beside: &[&[A], &[Z], &[put("b", "beta", &["1"])]], switches: 2, ..ALONE },
];

#[test]
fn whoever_is_told_that_an_account_is_his_has_it_whatever_others_do() {
    for case in CASES {
        let states = go_through(case);
        assert!(states > 20, "{case:?} has {states} states only");
    }
}
