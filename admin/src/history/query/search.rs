//! Search: by any id, by account or connection, and by words of the body.

use std::collections::BTreeMap;

use gatepost_event::{DeliveryId, EventId, RequestId, subject::tenant_token};
use rusqlite::{Connection, params};
use serde::Serialize;

use super::{
    super::{read::ReadError, words},
    Part, Scope, Sight,
    delivery::event_of,
    event::{EventItem, is_seen, item},
};

/// Words of a question; further ones are left out.
const WORDS_MAX: usize = 16;

/// An event that was found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Found)]
pub(crate) struct Hit {
    /// What of it is as asked: `id`, `request`, `delivery`, `provider_event_id`, `account`, `connection`, `text`.
    #[schema(value_type = Vec<String>)]
    pub(crate) matched: Vec<&'static str>,
    #[serde(flatten)]
    pub(crate) event: EventItem,
}

/// Events found, by their numbers, and why.
type Found = BTreeMap<i64, Vec<&'static str>>;

/// Finds events, newest first, before a place.
pub(crate) fn search(
    db: &Connection,
    scope: &Scope,
    text: &str,
    before: Option<i64>,
    limit: usize,
) -> Result<Part<Hit>, ReadError> {
    let sight = scope.sight(db)?;
    let (text, end) = (text.trim(), before.unwrap_or(i64::MAX));
    let mut found = Found::new();
    let mut find = |why, place: &str, value: &dyn rusqlite::ToSql| {
        // One more than a page, so that it is seen whether there are more.
        find(db, &mut found, why, place, value, end, limit + 1)
    };
    if let Ok(id) = text.parse::<EventId>() {
        find("id", "number FROM event WHERE id = ?1 AND number", &id.token().as_str())?;
    } else if let Ok(id) = text.parse::<RequestId>() {
        find("request", "number FROM event WHERE request = ?1 AND number", &id.token().as_str())?;
    } else if let Ok(id) = text.parse::<DeliveryId>() {
        let number = event_of(db, &sight, id)?.filter(|number| *number < end);
        found.extend(number.map(|number| (number, vec!["delivery"])));
    } else {
        find("provider_event_id", "number FROM event WHERE provider_event_id = ?1 AND number", &text)?;
        if let Some(word) = words::find(db, text)? {
            find("account", "number FROM event WHERE account = ?1 AND number", &word)?;
            find("connection", "number FROM event WHERE connection = ?1 AND number", &word)?;
        }
        if let Some(question) = question(text, scope) {
            find("text", "rowid FROM text WHERE text MATCH ?1 AND rowid", &question)?;
        }
    }
    newest(db, &sight, found, limit)
}

/// The newest of what was found, and where it goes on.
fn newest(db: &Connection, sight: &Sight, found: Found, limit: usize) -> Result<Part<Hit>, ReadError> {
    let more = found.len() > limit;
    let (mut items, mut last) = (Vec::new(), None);
    for (number, matched) in found.into_iter().rev().take(limit) {
        last = Some(number);
        if is_seen(db, sight, number)?
            && let Some(event) = item(db, sight, number)?
        {
            items.push(Hit { matched, event });
        }
    }
    Ok(Part { items, next: last.filter(|_| more).map(|number| number.to_string()) })
}

fn find(
    db: &Connection,
    found: &mut Found,
    why: &'static str,
    place: &str,
    value: &dyn rusqlite::ToSql,
    end: i64,
    limit: usize,
) -> rusqlite::Result<()> {
    let mut rows = db.prepare_cached(&format!("SELECT {place} < ?2 ORDER BY 1 DESC LIMIT ?3"))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    for number in rows.query_map(params![value, end, limit], |row| row.get(0))? {
        found.entry(number?).or_default().push(why);
    }
    Ok(())
}

/// The words as FTS5 asks for them: all of them, each as it stands or, with a star behind it, as a beginning. A tenant
/// asks among its own only.
fn question(text: &str, scope: &Scope) -> Option<String> {
    let words: Vec<String> = text
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(WORDS_MAX)
        .map(|word| {
            let (word, star) = word.strip_suffix('*').map_or((word, ""), |word| (word, "*"));
            format!("\"{}\"{star}", word.replace('"', "\"\""))
        })
        .collect();
    if words.is_empty() {
        return None;
    }
    let body = format!("body : ({})", words.join(" AND "));
    Some(match scope.tenant_id() {
        Some(tenant) => format!("({body}) AND (tags : \"t{}\")", tenant_token(tenant)),
        None => body,
    })
}
