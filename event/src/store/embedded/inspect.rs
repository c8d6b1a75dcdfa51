//! What `gatepost store check` says of a folder.

use std::{collections::HashMap, path::Path};

use rusqlite::Connection;

use super::{
    body::Bodies,
    bucket,
    frames::Place,
    history,
    open::{self, DATABASE, check_sqlite, refuse},
    read::{Read, ReadError, Snapshot},
    sql::int,
};
use crate::store::OpenError;

/// Looks at a store without changing it, also while a gatepost process uses it: versions, soundness, counts.
///
/// # Errors
/// In words for the operator: there is no store, or it is damaged or of another version.
pub fn inspect(path: &Path) -> Result<Vec<String>, OpenError> {
    check_sqlite(rusqlite::version_number())?;
    if !path.join(DATABASE).is_file() {
        return Err(refuse(path, "holds no store yet; it is made by the first `gatepost run`"));
    }
    let broken = |error: rusqlite::Error| refuse(path, &format!("can't be read ({error}); restore it from a backup"));
    let mut db = open::reader(path).map_err(broken)?;
    let version = open::version(&db, path)?;
    let mut lines = vec![
        format!("SQLite {}, schema {version}", rusqlite::version()),
        "every commit is synced, events beside the database and the rest in its write-ahead log".to_owned(),
    ];
    if version == 0 {
        lines.push("empty".to_owned());
        return Ok(lines);
    }
    let sound: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(broken)?;
    if sound != "ok" {
        return Err(refuse(path, &format!("holds a damaged database ({sound}); restore it from a backup")));
    }
    lines.push("the database is sound".to_owned());
    let bodies = Bodies::at(path);
    let missing = without_frames(&db, &bodies).map_err(broken)?;
    if missing > 0 {
        let what = format!("lacks the frames of {missing} of its events; put frames/ of the same backup there too");
        return Err(refuse(path, &what));
    }
    let transaction = db.transaction().map_err(broken)?;
    let counted = counts(&Snapshot { db: &transaction, bodies: &bodies }).map_err(|error| match error {
        ReadError::Sql(error) => broken(error),
        ReadError::Corrupt(what) => refuse(path, &format!("holds something that can't be read ({what})")),
    })?;
    lines.extend(counted);
    Ok(lines)
}

/// How many events' frames should stand beside the database and don't.
fn without_frames(db: &Connection, bodies: &Bodies) -> rusqlite::Result<usize> {
    let mut missing = 0;
    for bucket in bucket::list(db)? {
        let mut files = HashMap::new();
        let sql = format!("SELECT frame FROM event_{} WHERE length(frame) = ?1", bucket.number);
        let mut frames = db.prepare(&sql)?;
        let mut frames = frames.query([int(Place::BYTES as u64)])?;
        let mut without = 0;
        while let Some(row) = frames.next()? {
            let Some(place) = Place::read(row.get_ref(0)?.as_blob()?) else { continue };
            let length = files.entry(place.name()).or_insert_with(|| bodies.frames.length(place));
            without += usize::from(place.end() > *length);
        }
        // A process that uses the store may have dropped it meanwhile.
        if without > 0 && bucket::list(db)?.contains(&bucket) {
            missing += without;
        }
    }
    Ok(missing)
}

fn counts(from: &Snapshot<'_>) -> Read<Vec<String>> {
    let census = history::census(from)?;
    let mut lines = vec![
        format!("{} events in {} tables", events(from.db)?, bucket::list(from.db)?.len()),
        format!("{} not yet routed", census.unrouted_yet),
        format!("{} deliveries in lanes, {} waiting for a retry", census.in_lanes, census.scheduled),
        format!("{} unmatched", census.unmatched),
    ];
    lines.extend(census.ended.iter().map(|(ending, count)| format!("{count} {}", ending.word())));
    Ok(lines)
}

fn events(db: &Connection) -> Read<i64> {
    let mut count = 0;
    for bucket in bucket::list(db)? {
        let sql = format!("SELECT count(*) FROM event_{}", bucket.number);
        count += db.query_row(&sql, [], |row| row.get::<_, i64>(0))?;
    }
    Ok(count)
}
