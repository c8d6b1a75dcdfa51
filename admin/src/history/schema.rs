//! The file's tables. Numbers and words stand for texts that repeat, so that the indexes stay small.

/// Version of the tables, kept as `user_version`: a file of another version is made anew.
pub(super) const VERSION: i32 = 5;

/// Makes the tables.
///
/// What does not stand as delivered is listed by its state and something else besides, of which a page may look at thousands:
/// its index has all that such a list is chosen by.
///
/// `event.number` grows with the time of receipt and comes from the event alone, so that lists have the same order and
/// cursors the same meaning in a file that was made anew.
pub(super) const TABLES: &str = "
CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE cursor (feed TEXT PRIMARY KEY, after INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE event (
    number INTEGER PRIMARY KEY,
    state INTEGER NOT NULL,
    ended INTEGER,
    integration INTEGER NOT NULL,
    connection INTEGER,
    tenant INTEGER,
    kind INTEGER NOT NULL,
    account INTEGER,
    partition INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    id TEXT NOT NULL,
    request TEXT NOT NULL,
    provider_event_id TEXT,
    bytes INTEGER NOT NULL,
    meta TEXT NOT NULL
);
CREATE UNIQUE INDEX event_place ON event (partition, sequence);
CREATE INDEX event_id ON event (id);
CREATE INDEX event_request ON event (request);
CREATE INDEX event_provider_event_id ON event (provider_event_id) WHERE provider_event_id IS NOT NULL;
CREATE INDEX event_integration ON event (integration);
CREATE INDEX event_connection ON event (connection) WHERE connection IS NOT NULL;
CREATE INDEX event_tenant ON event (tenant) WHERE tenant IS NOT NULL;
CREATE INDEX event_account ON event (account) WHERE account IS NOT NULL;
CREATE INDEX event_kind ON event (kind);
CREATE INDEX event_state ON event (state, number, integration, connection, tenant, kind, account) WHERE state <> 1;
CREATE TABLE delivery (
    id TEXT PRIMARY KEY,
    state INTEGER NOT NULL,
    destination INTEGER,
    tenant INTEGER,
    integration INTEGER,
    connection INTEGER,
    kind INTEGER,
    event INTEGER,
    event_id TEXT,
    sync INTEGER,
    route INTEGER,
    owed_at INTEGER NOT NULL,
    anew_at INTEGER NOT NULL,
    replay TEXT,
    done_at INTEGER NOT NULL,
    died_at INTEGER NOT NULL,
    revived_at INTEGER NOT NULL,
    synced_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    reason TEXT,
    detail TEXT
) WITHOUT ROWID;
CREATE INDEX delivery_event ON delivery (event);
CREATE INDEX delivery_state ON delivery (state) WHERE state <> 1;
CREATE INDEX delivery_destination ON delivery (destination);
CREATE INDEX delivery_tenant ON delivery (tenant) WHERE tenant IS NOT NULL;
CREATE TABLE attempt (
    delivery TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    number INTEGER NOT NULL,
    attempt TEXT NOT NULL,
    PRIMARY KEY (delivery, started_at, number)
) WITHOUT ROWID;
CREATE TABLE anew (
    delivery TEXT NOT NULL,
    replay TEXT NOT NULL,
    PRIMARY KEY (delivery, replay)
) WITHOUT ROWID;
CREATE TABLE erased (id TEXT PRIMARY KEY, is_last INTEGER NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE text USING fts5(body, tags, content='', contentless_delete=1);
";
