//! The limit of the embedded store: the same rows by one writer with group commit, synced, without an index.

use std::{
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};
use serde_json::json;

use crate::Args;

/// Most rows of one commit, as the store's writer has it.
const GROUP: usize = 512;

struct Row {
    id: [u8; 17],
    meta: Vec<u8>,
    body: Vec<u8>,
    committed: mpsc::SyncSender<()>,
}

pub(crate) fn measure(args: &Args) {
    let (waiting, seconds) = (args.number("waiting"), args.seconds());
    let (bytes, meta) = (args.count("bytes"), args.count("meta"));
    let (rows, arriving) = mpsc::sync_channel::<Row>(GROUP * 2);
    let path = Path::new(args.text("folder")).join("limit.db");
    let writer = std::thread::spawn(move || write(&path, &arriving));
    let until = Instant::now() + seconds;
    let began = Instant::now();
    let submitters: Vec<_> = (0..waiting)
        .map(|_| {
            let rows = rows.clone();
            std::thread::spawn(move || submit(&rows, bytes, meta, until))
        })
        .collect();
    drop(rows);
    let mut waits: Vec<Duration> = submitters.into_iter().flat_map(|thread| thread.join().expect("ended")).collect();
    writer.join().expect("ended");
    let rate = waits.len() as f64 / began.elapsed().as_secs_f64();
    waits.sort_unstable();
    let at = |share: f64| waits.get((waits.len() as f64 * share) as usize).map_or(0.0, |wait| wait.as_secs_f64() * 1e3);
    println!("{}", json!({ "rate": rate, "p50_ms": at(0.5), "p99_ms": at(0.99) }));
}

fn submit(rows: &mpsc::SyncSender<Row>, bytes: usize, meta: usize, until: Instant) -> Vec<Duration> {
    let mut waits = Vec::new();
    let (committed, confirmed) = mpsc::sync_channel(1);
    while Instant::now() < until {
        let began = Instant::now();
        let row =
            Row { id: rand::random(), meta: vec![b'm'; meta], body: vec![b'b'; bytes], committed: committed.clone() };
        rows.send(row).expect("the writer lives");
        confirmed.recv().expect("the writer lives");
        waits.push(began.elapsed());
    }
    waits
}

fn write(path: &Path, arriving: &mpsc::Receiver<Row>) {
    let mut connection = Connection::open(path).expect("a database");
    connection.pragma_update(None, "journal_mode", "WAL").expect("WAL");
    connection.pragma_update(None, "synchronous", "FULL").expect("FULL");
    let table = "CREATE TABLE event (sequence INTEGER PRIMARY KEY, id BLOB, meta BLOB, body BLOB)";
    connection.execute_batch(table).expect("a table");
    while let Ok(first) = arriving.recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(row) = arriving.try_recv()
        {
            group.push(row);
        }
        let transaction = connection.transaction().expect("a transaction");
        {
            let insert = "INSERT INTO event (id, meta, body) VALUES (?, ?, ?)";
            let mut insert = transaction.prepare_cached(insert).expect("SQL");
            for row in &group {
                insert.execute(params![row.id, row.meta, row.body]).expect("inserted");
            }
        }
        transaction.commit().expect("committed");
        for row in group {
            row.committed.send(()).expect("it waits");
        }
    }
}
