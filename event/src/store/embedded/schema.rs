//! The database's tables.
//!
//! Events stand in one table per span of time (`event_<number>`, listed in `bucket`), and the runs of their ids in another
//! (`ids_<number>`, see [`super::ids`]), so that retention drops tables instead of deleting rows.

/// Marks the file as a gatepost store: "GPST".
pub(super) const APPLICATION_ID: i32 = 0x4750_5354;

/// Version of the tables, kept as `user_version`.
pub(super) const VERSION: i32 = 7;

/// The oldest version that this one takes over.
pub(super) const TAKES_OVER: i32 = 4;

/// Makes the tables of a new store.
pub(super) const TABLES: &str = "
CREATE TABLE bucket (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    started_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL
);
CREATE TABLE cursor (partition INTEGER PRIMARY KEY, through INTEGER NOT NULL);
CREATE TABLE lease (key TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE ended (ending TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE lane (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE task (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    lane INTEGER NOT NULL REFERENCES lane (id),
    sequence INTEGER NOT NULL,
    task TEXT NOT NULL
);
CREATE INDEX task_lane ON task (lane, position);
CREATE INDEX task_sequence ON task (sequence);
CREATE TABLE retry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    due INTEGER NOT NULL,
    lane INTEGER NOT NULL REFERENCES lane (id),
    sequence INTEGER NOT NULL,
    task TEXT NOT NULL
);
CREATE INDEX retry_due ON retry (due, id);
CREATE INDEX retry_lane ON retry (lane);
CREATE INDEX retry_sequence ON retry (sequence);
CREATE INDEX retry_delivery ON retry (json_extract(task, '$.delivery'));
CREATE TABLE attempt (position INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, attempt TEXT NOT NULL);
CREATE INDEX attempt_at ON attempt (at);
CREATE TABLE outcome (position INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, outcome TEXT NOT NULL);
CREATE INDEX outcome_at ON outcome (at);
CREATE TABLE dead (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    died_at INTEGER NOT NULL,
    note TEXT NOT NULL,
    file TEXT,
    frame BLOB
);
CREATE INDEX dead_died_at ON dead (died_at);
CREATE INDEX dead_file ON dead (file) WHERE file IS NOT NULL;
CREATE TABLE parked (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    integration TEXT NOT NULL,
    account TEXT,
    stored_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    file TEXT,
    frame BLOB NOT NULL,
    connection TEXT,
    tenant TEXT
);
CREATE INDEX parked_id ON parked (id, stored_at);
CREATE INDEX parked_account ON parked (integration, account, position);
CREATE INDEX parked_connection ON parked (integration, connection, position) WHERE connection IS NOT NULL;
CREATE INDEX parked_received_at ON parked (received_at);
CREATE INDEX parked_file ON parked (file) WHERE file IS NOT NULL;
CREATE TABLE quarantine (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    request TEXT NOT NULL UNIQUE,
    integration TEXT NOT NULL,
    reason TEXT NOT NULL,
    source INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    refusal TEXT NOT NULL,
    sealed BLOB NOT NULL
);
CREATE INDEX quarantine_class ON quarantine (request, integration, reason, source, bytes);
CREATE INDEX quarantine_received_at ON quarantine (received_at);
CREATE INDEX dead_delivery ON dead (json_extract(note, '$.delivery'));
CREATE TABLE copy (token TEXT PRIMARY KEY, file TEXT, frame BLOB NOT NULL);
CREATE INDEX copy_file ON copy (file) WHERE file IS NOT NULL;
CREATE TABLE owed_anew (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX owed_anew_at ON owed_anew (at);
CREATE TABLE redelivery (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    slot INTEGER NOT NULL,
    at INTEGER NOT NULL,
    redelivery TEXT NOT NULL,
    dealt_with INTEGER NOT NULL DEFAULT 0,
    UNIQUE (event, slot)
);
CREATE INDEX redelivery_at ON redelivery (at);
CREATE INDEX redelivery_open ON redelivery (position) WHERE NOT dealt_with;
CREATE TABLE secret (position INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, secret TEXT NOT NULL);
CREATE TABLE act (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    act TEXT NOT NULL
);
CREATE INDEX act_at ON act (at);
CREATE TABLE registry (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id BLOB NOT NULL,
    value BLOB NOT NULL,
    UNIQUE (kind, id)
);
";

/// What ends before the rest of its kind, since its integration keeps it for less time ([`super::brief`]); made in stores
/// of the same version that had no such table, too.
pub(super) const BRIEF: &str = "
CREATE TABLE IF NOT EXISTS brief (at INTEGER NOT NULL, what INTEGER NOT NULL, place INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS brief_at ON brief (at);
";

/// Makes the tables of one bucket.
pub(super) fn bucket_tables(number: i64) -> String {
    format!(
        "CREATE TABLE event_{number} (
            sequence INTEGER PRIMARY KEY,
            id TEXT NOT NULL,
            stored_at INTEGER NOT NULL,
            received_at INTEGER NOT NULL,
            file TEXT,
            frame BLOB NOT NULL
        );
        CREATE INDEX event_{number}_file ON event_{number} (file) WHERE file IS NOT NULL;
        {}",
        ids_table(number)
    )
}

/// Makes the table of one bucket's ids.
pub(super) fn ids_table(number: i64) -> String {
    format!("CREATE TABLE ids_{number} (place INTEGER PRIMARY KEY, entries BLOB NOT NULL);")
}
