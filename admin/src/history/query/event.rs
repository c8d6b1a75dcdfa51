//! Events: lists by what is known of them, and single ones.

use gatepost_config::Timestamp;
use gatepost_event::{EventId, Meta, RequestId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::{
    super::{read::ReadError, state::State, write::first_number},
    EXAMINED_MAX, Part, Scope, Sight, Wanted,
};

/// Which events.
#[derive(Debug, Default)]
pub(crate) struct EventFilter {
    pub(crate) integration: Option<String>,
    pub(crate) connection: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) state: Option<State>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

/// An event.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = KnownEvent)]
pub(crate) struct EventItem {
    /// Its place in the log, when it has one.
    pub(crate) at: Option<String>,
    /// How it stands.
    pub(crate) state: State,
    #[serde(flatten)]
    pub(crate) meta: Meta,
    /// How long its body is.
    pub(crate) bytes: u64,
    /// Its number in the history.
    #[serde(skip)]
    pub(super) number: i64,
}

/// What a page is chosen by, without the wide columns.
struct Narrow {
    number: i64,
    state: i64,
    integration: Option<i64>,
    connection: Option<i64>,
    tenant: Option<i64>,
    kind: Option<i64>,
    account: Option<i64>,
}

/// The filter's texts as numbers of the file.
struct Filter {
    integration: Wanted,
    connection: Wanted,
    tenant: Wanted,
    account: Wanted,
    kind: Wanted,
    state: Option<i64>,
    own: Wanted,
}

/// Events, newest first, before a place.
pub(crate) fn events(
    db: &Connection,
    scope: &Scope,
    asked: &EventFilter,
    before: Option<i64>,
    limit: usize,
) -> Result<Part<EventItem>, ReadError> {
    let sight = scope.sight(db)?;
    let filter = Filter::of(db, scope, asked)?;
    if filter.finds_nothing() {
        return Ok(Part { items: Vec::new(), next: None });
    }
    let first = asked.since.map_or(0, first_number);
    let end = asked.until.map_or(i64::MAX, first_number).min(before.unwrap_or(i64::MAX));
    let sql = format!(
        "SELECT number, state, integration, connection, tenant, kind, account FROM event
         WHERE {} AND number >= ?1 AND number < ?2 ORDER BY number DESC",
        filter.driving()
    );
    let mut rows = db.prepare_cached(&sql)?;
    let mut rows = rows.query(params![first, end])?;
    let (mut numbers, mut examined, mut next) = (Vec::new(), 0, None);
    while let Some(row) = rows.next()? {
        let row = Narrow::of(row)?;
        let fits = sight.event(row.tenant) && filter.fits(&row);
        if fits && numbers.len() == limit {
            next = numbers.last().copied();
            break;
        }
        if fits {
            numbers.push(row.number);
        }
        examined += 1;
        if examined == EXAMINED_MAX {
            next = Some(row.number);
            break;
        }
    }
    let items =
        numbers.into_iter().filter_map(|number| item(db, &sight, number).transpose()).collect::<Result<_, _>>()?;
    Ok(Part { items, next: next.map(|number| number.to_string()) })
}

/// The newest event of an id, or the one at a place.
pub(crate) fn event(
    db: &Connection,
    scope: &Scope,
    id: EventId,
    at: Option<(u16, u64)>,
) -> Result<Option<EventItem>, ReadError> {
    let token = id.token().as_str().to_owned();
    let number: Option<i64> = match at {
        Some((partition, sequence)) => {
            let sql = "SELECT number FROM event WHERE partition = ?1 AND sequence = ?2 AND id = ?3";
            let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
            db.prepare_cached(sql)?.query_row(params![partition, sequence, token], |row| row.get(0)).optional()?
        }
        None => {
            let sql = "SELECT max(number) FROM event WHERE id = ?1";
            db.prepare_cached(sql)?.query_row([token], |row| row.get(0))?
        }
    };
    let sight = scope.sight(db)?;
    match number {
        Some(number) if is_seen(db, &sight, number)? => item(db, &sight, number),
        _ => Ok(None),
    }
}

/// The events of a request, oldest first.
pub(crate) fn of_request(db: &Connection, scope: &Scope, request: RequestId) -> Result<Vec<EventItem>, ReadError> {
    let sight = scope.sight(db)?;
    let sql = "SELECT number, tenant FROM event WHERE request = ?1 ORDER BY number LIMIT 1000";
    let mut rows = db.prepare_cached(sql)?;
    let rows = rows.query_map([request.token().as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows: Vec<(i64, Option<i64>)> = rows.collect::<Result<_, _>>()?;
    let seen = rows.into_iter().filter(|(_, tenant)| sight.event(*tenant));
    seen.filter_map(|(number, _)| item(db, &sight, number).transpose()).collect()
}

/// Whether an event is to be seen.
pub(super) fn is_seen(db: &Connection, sight: &Sight, number: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT tenant FROM event WHERE number = ?1";
    let tenant: Option<Option<i64>> = db.prepare_cached(sql)?.query_row([number], |row| row.get(0)).optional()?;
    Ok(tenant.is_some_and(|tenant| sight.event(tenant)))
}

/// All that is shown of an event; nothing of one that is gone.
pub(super) fn item(db: &Connection, sight: &Sight, number: i64) -> Result<Option<EventItem>, ReadError> {
    let sql = "SELECT partition, sequence, state, bytes, meta FROM event WHERE number = ?1";
    let row = |row: &Row<'_>| {
        let place: (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok((place, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?, row.get::<_, String>(4)?))
    };
    let found = db.prepare_cached(sql)?.query_row([number], row).optional()?;
    let Some(((partition, sequence), state, bytes, meta)) = found else { return Ok(None) };
    let meta: Meta = serde_json::from_str(&meta)?;
    if sight.gone.takes(&meta) {
        return Ok(None);
    }
    Ok(Some(EventItem {
        at: (partition >= 0).then(|| format!("{partition}.{sequence}")),
        state: State::of(state),
        meta,
        bytes: bytes.unsigned_abs(),
        number,
    }))
}

impl Filter {
    fn of(db: &Connection, scope: &Scope, asked: &EventFilter) -> rusqlite::Result<Self> {
        Ok(Self {
            integration: Wanted::of(db, asked.integration.as_deref())?,
            connection: Wanted::of(db, asked.connection.as_deref())?,
            tenant: Wanted::of(db, asked.tenant.as_deref())?,
            account: Wanted::of(db, asked.account.as_deref())?,
            kind: Wanted::of(db, asked.kind.as_deref())?,
            state: asked.state.map(State::number),
            own: Wanted::of(db, scope.tenant_id().map(|tenant| tenant.as_str()))?,
        })
    }

    fn finds_nothing(&self) -> bool {
        let all = [&self.integration, &self.connection, &self.tenant, &self.account, &self.kind, &self.own];
        all.into_iter().any(|wanted| matches!(wanted, Wanted::Nothing))
    }

    /// The condition that is read by its index, the one that fewest rows should meet; the others are looked at row by
    /// row.
    fn driving(&self) -> String {
        let by_state = self.state.filter(|state| *state != 1).map(|state| format!("state = {state} AND state <> 1"));
        self.connection
            .condition("connection")
            .or_else(|| self.account.condition("account"))
            .or_else(|| self.own.condition("tenant"))
            .or_else(|| self.tenant.condition("tenant"))
            .or(by_state)
            .or_else(|| self.kind.condition("kind"))
            .or_else(|| self.integration.condition("integration"))
            .unwrap_or_else(|| "TRUE".to_owned())
    }

    fn fits(&self, row: &Narrow) -> bool {
        self.state.is_none_or(|state| state == row.state)
            && self.integration.fits(row.integration)
            && self.connection.fits(row.connection)
            && self.tenant.fits(row.tenant)
            && self.account.fits(row.account)
            && self.kind.fits(row.kind)
    }
}

impl Narrow {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            state: row.get(1)?,
            integration: row.get(2)?,
            connection: row.get(3)?,
            tenant: row.get(4)?,
            kind: row.get(5)?,
            account: row.get(6)?,
        })
    }
}
