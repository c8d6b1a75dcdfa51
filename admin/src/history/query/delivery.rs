//! Deliveries: lists by how they stand, and single ones with their attempts.

use gatepost_config::Timestamp;
use gatepost_event::{Attempt, DeadReason, DeliveryId, EventId};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;

use super::{
    super::{read::ReadError, state::State, words},
    EXAMINED_MAX, Part, Scope, Sight, Wanted,
    event::{EventFilter, EventItem, item},
};

/// Which deliveries; of `event` the integration, connection, tenant, type and times of receipt count.
#[derive(Debug, Default)]
pub(crate) struct DeliveryFilter {
    pub(crate) status: Option<State>,
    pub(crate) destination: Option<String>,
    pub(crate) reason: Option<DeadReason>,
    pub(crate) event: EventFilter,
}

/// A delivery as it stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = KnownDelivery)]
pub(crate) struct DeliveryItem {
    pub(crate) id: DeliveryId,
    /// `waiting`, `delivered`, `synced` or `dead`.
    pub(crate) status: State,
    /// Where it goes; of a sync that is owed, its engine's id.
    pub(crate) destination: Option<String>,
    /// The sync, when one is owed.
    pub(crate) sync: Option<String>,
    pub(crate) route: Option<String>,
    /// Why it died, when it did.
    pub(crate) reason: Option<DeadReason>,
    pub(crate) detail: Option<String>,
    /// Attempts so far, of earlier lives too.
    pub(crate) attempts: u64,
    pub(crate) owed_at: Option<Timestamp>,
    pub(crate) delivered_at: Option<Timestamp>,
    pub(crate) synced_at: Option<Timestamp>,
    pub(crate) died_at: Option<Timestamp>,
    /// The replay that it was last owed anew by.
    pub(crate) replay: Option<String>,
    pub(crate) last_attempt: Option<Attempt>,
    /// Its event.
    pub(crate) event_id: Option<EventId>,
    #[serde(skip)]
    #[schema(ignore)]
    event: Option<i64>,
}

/// A delivery, and its event where that is known.
pub(crate) type WithEvent = (DeliveryItem, Option<EventItem>);

const COLUMNS: &str = "id, state, destination, route, reason, detail, attempts, owed_at, died_at, done_at, replay,
    event_id, event, tenant, integration, connection, kind, sync, synced_at";

/// The filter's texts as numbers of the file.
struct Filter {
    destination: Wanted,
    tenant: Wanted,
    own: Wanted,
    /// Integration, connection and type of the event.
    event: [Wanted; 3],
    state: Option<i64>,
}

/// Deliveries, newest event first, before a place.
pub(crate) fn deliveries(
    db: &Connection,
    scope: &Scope,
    asked: &DeliveryFilter,
    before: Option<DeliveryId>,
    limit: usize,
) -> Result<Part<WithEvent>, ReadError> {
    let sight = scope.sight(db)?;
    let filter = Filter::of(db, scope, asked)?;
    if filter.finds_nothing() {
        return Ok(Part { items: Vec::new(), next: None });
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM delivery WHERE {} AND id >= ?1 AND id < ?2 AND state <> 6 ORDER BY id DESC",
        filter.driving()
    );
    let mut rows = db.prepare_cached(&sql)?;
    let mut rows = rows.query([first_of(asked.event.since), end_of(asked.event.until, before)])?;
    let (mut items, mut examined, mut next): (Vec<WithEvent>, usize, Option<DeliveryId>) = (Vec::new(), 0, None);
    while let Some(row) = rows.next()? {
        let died_of: Option<String> = row.get(4)?;
        let fits = sight.delivery(row.get(13)?, row.get(2)?)
            && asked.reason.is_none_or(|wanted| died_of.as_deref() == Some(wanted.word()))
            && filter.fits(row)?;
        if fits && items.len() == limit {
            next = items.last().map(|(item, _)| item.id);
            break;
        }
        if fits {
            let delivery = read(db, row)?;
            let event = delivery.event.map(|number| item(db, &sight, number)).transpose()?.flatten();
            // One whose event is gone is gone too.
            if delivery.event.is_some() == event.is_some() {
                items.push((delivery, event));
            }
        }
        examined += 1;
        if examined == EXAMINED_MAX {
            next = Some(id_of(row)?);
            break;
        }
    }
    for (item, _) in &mut items {
        item.last_attempt = last_attempt(db, item.id)?;
    }
    Ok(Part { items, next: next.map(|id| id.to_string()) })
}

/// At or below every id of deliveries whose events were received at or after a time.
fn first_of(since: Option<Timestamp>) -> String {
    since.map(|since| DeliveryId::first_at(since).token().to_string()).unwrap_or_default()
}

/// Above every id of those received before a time, and of those that come after `before` in the list.
fn end_of(until: Option<Timestamp>, before: Option<DeliveryId>) -> String {
    let end = until.map(DeliveryId::first_at).into_iter().chain(before).min();
    end.map_or_else(|| "~".to_owned(), |end| end.token().to_string())
}

/// One delivery.
pub(crate) fn delivery(db: &Connection, scope: &Scope, id: DeliveryId) -> Result<Option<WithEvent>, ReadError> {
    let sight = scope.sight(db)?;
    let sql = format!("SELECT {COLUMNS} FROM delivery WHERE id = ?1 AND state <> 6");
    let mut find = db.prepare_cached(&sql)?;
    let mut rows = find.query([id.token().as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    if !sight.delivery(row.get(13)?, row.get(2)?) {
        return Ok(None);
    }
    let mut delivery = read(db, row)?;
    delivery.last_attempt = last_attempt(db, id)?;
    let event = delivery.event.map(|number| item(db, &sight, number)).transpose()?.flatten();
    let is_gone = delivery.event.is_some() && event.is_none();
    Ok(Some((delivery, event)).filter(|_| !is_gone))
}

/// The deliveries of an event, in the order of their ids.
pub(crate) fn deliveries_of(db: &Connection, scope: &Scope, event: &EventItem) -> Result<Vec<DeliveryItem>, ReadError> {
    let sight = scope.sight(db)?;
    let sql = format!("SELECT {COLUMNS} FROM delivery WHERE event = ?1 AND state <> 6 ORDER BY id LIMIT 1000");
    let mut rows = db.prepare_cached(&sql)?;
    let mut rows = rows.query([event.number])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if sight.delivery(row.get(13)?, row.get(2)?) {
            found.push(read(db, row)?);
        }
    }
    for item in &mut found {
        item.last_attempt = last_attempt(db, item.id)?;
    }
    Ok(found)
}

/// The attempts of a delivery, oldest first.
pub(crate) fn attempts(db: &Connection, id: DeliveryId) -> Result<Vec<Attempt>, ReadError> {
    let sql = "SELECT attempt FROM attempt WHERE delivery = ?1 ORDER BY started_at, number LIMIT 1000";
    let mut rows = db.prepare_cached(sql)?;
    let found = rows.query_map([id.token().as_str()], |row| row.get::<_, String>(0))?;
    found.map(|json| Ok(serde_json::from_str(&json?)?)).collect()
}

/// The event of a delivery that is to be seen.
pub(super) fn event_of(db: &Connection, sight: &Sight, id: DeliveryId) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT event, tenant, destination FROM delivery WHERE id = ?1 AND state <> 6";
    let row = |row: &Row<'_>| Ok((row.get::<_, Option<i64>>(0)?, row.get(1)?, row.get(2)?));
    let found = db.prepare_cached(sql)?.query_row([id.token().as_str()], row).optional()?;
    Ok(found.and_then(|(event, tenant, destination)| event.filter(|_| sight.delivery(tenant, destination))))
}

fn last_attempt(db: &Connection, id: DeliveryId) -> Result<Option<Attempt>, ReadError> {
    let sql = "SELECT attempt FROM attempt WHERE delivery = ?1 ORDER BY started_at DESC, number DESC LIMIT 1";
    let json: Option<String> = db.prepare_cached(sql)?.query_row([id.token().as_str()], |row| row.get(0)).optional()?;
    Ok(json.map(|json| serde_json::from_str(&json)).transpose()?)
}

fn id_of(row: &Row<'_>) -> Result<DeliveryId, ReadError> {
    let id: String = row.get(0)?;
    format!("{}{id}", DeliveryId::PREFIX).parse().map_err(|_| odd(&id))
}

fn reason(word: &str) -> Option<DeadReason> {
    serde_json::from_value(word.into()).ok()
}

fn odd(text: &str) -> ReadError {
    ReadError::Row(serde::de::Error::custom(format!("{text} is no id")))
}

fn read(db: &Connection, row: &Row<'_>) -> Result<DeliveryItem, ReadError> {
    let event_id: Option<String> = row.get(11)?;
    let event_id = event_id.map(|id| format!("{}{id}", EventId::PREFIX).parse().map_err(|_| odd(&id)));
    let status = State::of(row.get(1)?);
    let at = |millis: i64| (millis > 0).then(|| Timestamp::from_millis(millis));
    let is_dead = status == State::Dead;
    Ok(DeliveryItem {
        id: id_of(row)?,
        status,
        destination: words::text(db, row.get(2)?)?,
        sync: words::text(db, row.get(17)?)?,
        route: words::text(db, row.get(3)?)?,
        // What an earlier life died of is in its attempts.
        reason: row.get::<_, Option<String>>(4)?.filter(|_| is_dead).and_then(|word| reason(&word)),
        detail: row.get::<_, Option<String>>(5)?.filter(|_| is_dead),
        attempts: row.get::<_, i64>(6)?.unsigned_abs(),
        owed_at: at(row.get(7)?),
        died_at: at(row.get(8)?).filter(|_| is_dead),
        delivered_at: at(row.get(9)?),
        synced_at: at(row.get(18)?),
        replay: row.get(10)?,
        last_attempt: None,
        event_id: event_id.transpose()?,
        event: row.get(12)?,
    })
}

impl Filter {
    fn of(db: &Connection, scope: &Scope, asked: &DeliveryFilter) -> rusqlite::Result<Self> {
        let about = &asked.event;
        Ok(Self {
            destination: Wanted::of(db, asked.destination.as_deref())?,
            tenant: Wanted::of(db, about.tenant.as_deref())?,
            own: Wanted::of(db, scope.tenant_id().map(|tenant| tenant.as_str()))?,
            event: [
                Wanted::of(db, about.integration.as_deref())?,
                Wanted::of(db, about.connection.as_deref())?,
                Wanted::of(db, about.kind.as_deref())?,
            ],
            state: asked.status.map(State::number),
        })
    }

    fn finds_nothing(&self) -> bool {
        let mut all = [&self.destination, &self.tenant, &self.own].into_iter().chain(&self.event);
        all.any(|wanted| matches!(wanted, Wanted::Nothing))
    }

    /// The condition that is read by its index.
    fn driving(&self) -> String {
        let by_state = self.state.filter(|state| *state != 1).map(|state| format!("state = {state} AND state <> 1"));
        self.own
            .condition("tenant")
            .or_else(|| self.tenant.condition("tenant"))
            .or(by_state)
            .or_else(|| self.destination.condition("destination"))
            .unwrap_or_else(|| "TRUE".to_owned())
    }

    fn fits(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let state: i64 = row.get(1)?;
        let [integration, connection, kind] = &self.event;
        Ok(self.state.is_none_or(|wanted| wanted == state)
            && self.destination.fits(row.get(2)?)
            && self.tenant.fits(row.get(13)?)
            && integration.fits(row.get(14)?)
            && connection.fits(row.get(15)?)
            && kind.fits(row.get(16)?))
    }
}
