//! The list of syncs: those that have been run, as the store has them; then those that connections have by the routes and of
//! which the store has nothing, because they never were.

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use gatepost_config::{Config, ConnectionId, IntegrationId, SyncEngineId, Timestamp};
use gatepost_event::{
    connection,
    registry::Kind,
    sync::{SyncKey, SyncState},
};
use serde::Deserialize;

use super::{
    View, asked_at, engines,
    routed::{first_run, is_declared, is_live, routed},
};
use crate::{
    page::{self, Page},
    problem::Problem,
    serve::Admin,
};

/// Syncs and connections looked at for one page; a page may hold fewer items than asked for, or none, and still have a
/// `next`.
const EXAMINED_MAX: usize = 10_000;

/// Whether the store has something of one sync is a question of its own, which counts as many.
const QUESTION: usize = 20;

/// Syncs and connections read at a time.
const READ: usize = 256;

/// What is asked of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = SyncQuery)]
pub(crate) struct Ask {
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    #[param(pattern = "^([0-9]{1,18}|(file|made)-[0-9]{1,18}-[0-9]{1,18}-[0-9]{1,9})$")]
    cursor: Option<String>,
    /// Only those of an engine.
    engine: Option<SyncEngineId>,
    /// Only those of a connection.
    connection: Option<ConnectionId>,
}

/// Where a list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spot {
    /// After this revision of those that have been run.
    Ran(u64),
    /// Among those that never were.
    Never(Never),
}

/// A place among the syncs of all connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Never {
    /// The revision up to which those that have been run were listed. What ran since then is listed here.
    listed: u64,
    of: Of,
    /// After this connection.
    after: u64,
    /// Of the one that follows, so many syncs were listed.
    syncs: usize,
}

/// Which connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The file's, by their places there.
    File,
    /// Those made, by their revisions.
    Made,
}

/// A page being made.
struct Listing<'a> {
    admin: &'a Admin,
    config: Arc<Config>,
    ask: &'a Ask,
    limit: usize,
    paused: BTreeSet<SyncEngineId>,
    now: Timestamp,
    items: Vec<View>,
    examined: usize,
}

/// `GET /v1/syncs`
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<View>>, Problem> {
    let Query(ask) = ask?;
    let limit = page::limit(ask.limit)?;
    let mut spot = ask.cursor.as_deref().map_or(Ok(Spot::Ran(0)), str::parse).map_err(|()| page::bad_cursor())?;
    let paused = engines::paused(&admin).await?;
    let (config, now) = (admin.config.borrow().clone(), Timestamp::now());
    let mut listing = Listing { admin: &admin, config, ask: &ask, limit, paused, now, items: Vec::new(), examined: 0 };
    while !listing.is_full() {
        let next = match spot {
            Spot::Ran(after) => listing.ran(after).await?,
            Spot::Never(never) => listing.never(never).await?.map(Spot::Never),
        };
        let Some(next) = next else { return Ok(Json(Page::of(listing.items, None))) };
        spot = next;
    }
    Ok(Json(Page::of(listing.items, Some(spot.to_string()))))
}

impl Listing<'_> {
    fn is_full(&self) -> bool {
        self.items.len() >= self.limit || self.examined >= EXAMINED_MAX
    }

    /// Some of those that have been run.
    async fn ran(&mut self, mut after: u64) -> Result<Option<Spot>, Problem> {
        let entries = self.admin.store.entries_after(Kind::Sync, after, READ).await?;
        let is_end = entries.len() < READ;
        for entry in entries {
            if self.is_full() {
                return Ok(Some(Spot::Ran(after)));
            }
            after = entry.revision;
            self.examined += 1;
            if let Some(state) = SyncState::of(&entry) {
                self.add(state).await?;
            }
        }
        let never = Never { listed: after, of: Of::File, after: 0, syncs: 0 };
        Ok(Some(if is_end { Spot::Never(never) } else { Spot::Ran(after) }))
    }

    /// Some of those that never were; `None` at the end.
    async fn never(&mut self, mut spot: Never) -> Result<Option<Never>, Problem> {
        let (connections, is_end) = self.connections(spot).await?;
        for (place, known) in connections {
            // The one that was begun may have another place by now.
            let listed = if place == spot.after + 1 { spot.syncs } else { 0 };
            self.examined += 1;
            if let Some((integration, connection)) = known {
                let syncs = routed(&self.config, &integration);
                for (n, sync) in syncs.into_iter().enumerate().skip(listed) {
                    if self.is_full() {
                        return Ok(Some(Never { after: place - 1, syncs: n, ..spot }));
                    }
                    let (integration, connection) = (integration.clone(), connection.clone());
                    let key = SyncKey { engine: sync.engine, integration, connection, sync: sync.name };
                    let first = sync.backstop.map(|every| first_run(&key, every, self.now));
                    self.one(SyncState { backstop_at: first, ..SyncState::new(key) }, spot.listed).await?;
                }
            }
            (spot.after, spot.syncs) = (place, 0);
            if self.is_full() {
                return Ok(Some(spot));
            }
        }
        Ok(match (is_end, spot.of) {
            (false, _) => Some(spot),
            (true, Of::File) => Some(Never { of: Of::Made, after: 0, syncs: 0, ..spot }),
            (true, Of::Made) => None,
        })
    }

    /// Connections after a spot, each with its place and, where its syncs are run and asked for, with its name; and whether
    /// they were the last.
    async fn connections(
        &self,
        spot: Never,
    ) -> Result<(Vec<(u64, Option<(IntegrationId, ConnectionId)>)>, bool), Problem> {
        let wants = |id: &ConnectionId| self.ask.connection.as_ref().is_none_or(|wanted| wanted == id);
        if spot.of == Of::File {
            let after = usize::try_from(spot.after).unwrap_or(usize::MAX);
            let rest = (1..).zip(&self.config.connections).skip(after);
            let named =
                |one: &gatepost_config::Connection| wants(&one.id).then(|| (one.integration.clone(), one.id.clone()));
            return Ok((rest.map(|(place, one)| (place, named(one))).collect(), true));
        }
        let page = connection::page(&self.admin.store, spot.after, READ).await?;
        let is_end = page.len() < READ;
        let named = |found: connection::Found| {
            let one = found.linked;
            let is_run = is_live(&one) && !is_declared(&self.config, &one.integration, &one.id);
            (found.revision, (is_run && wants(&one.id)).then_some((one.integration, one.id)))
        };
        Ok((page.into_iter().map(named).collect(), is_end))
    }

    /// One of a connection's, unless it was listed among those that have been run.
    async fn one(&mut self, unknown: SyncState, listed: u64) -> Result<(), Problem> {
        if !self.wants(&unknown.key) {
            return Ok(());
        }
        self.examined += QUESTION;
        match self.admin.store.entry(Kind::Sync, &unknown.key.id()).await? {
            None => self.add(unknown).await,
            Some(entry) if entry.revision > listed => self.add(SyncState::of(&entry).unwrap_or(unknown)).await,
            Some(_) => Ok(()),
        }
    }

    async fn add(&mut self, state: SyncState) -> Result<(), Problem> {
        if self.wants(&state.key) {
            let asked_at = asked_at(self.admin, &state.key.id()).await?;
            let paused = self.paused.contains(&state.key.engine);
            self.items.push(View::of(state, asked_at, paused));
        }
        Ok(())
    }

    fn wants(&self, key: &SyncKey) -> bool {
        self.ask.engine.as_ref().is_none_or(|engine| *engine == key.engine)
            && self.ask.connection.as_ref().is_none_or(|connection| *connection == key.connection)
            && !self.admin.erasures.is_erasing(&key.integration, &key.connection)
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ran(after) => write!(f, "{after}"),
            Self::Never(Never { listed, of, after, syncs }) => {
                let of = if *of == Of::File { "file" } else { "made" };
                write!(f, "{of}-{listed}-{after}-{syncs}")
            }
        }
    }
}

impl FromStr for Spot {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 18 {
            true => text.parse::<u64>().map_err(|_| ()),
            false => Err(()),
        };
        let of = match text.split('-').next() {
            Some("file") => Of::File,
            Some("made") => Of::Made,
            _ => return number(text).map(Self::Ran),
        };
        let numbers: Vec<u64> = text.split('-').skip(1).map(number).collect::<Result<_, ()>>()?;
        let [listed, after, syncs] = numbers.try_into().map_err(|_| ())?;
        let syncs = usize::try_from(syncs).map_err(|_| ())?;
        Ok(Self::Never(Never { listed, of, after, syncs }))
    }
}
