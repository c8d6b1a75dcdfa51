//! Making the index anew when the store opens.

use rusqlite::Connection;

use super::{Ids, Key, Latest, RUN, run, run::Run};
use crate::store::embedded::{
    bucket::Bucket,
    sql::{int, uint},
};

impl Ids {
    /// The ids of buckets, oldest first. Runs that are missing are written, so that there is never more in memory than
    /// belongs there.
    pub(in crate::store::embedded) fn load(db: &mut Connection, buckets: &[Bucket]) -> rusqlite::Result<Self> {
        let mut ids = Self::default();
        for bucket in buckets {
            let count = run::count(db, bucket.number)?;
            for number in 0..count {
                let run = Run { bucket: bucket.number, number, from: bucket.first_sequence + number * RUN };
                ids.filter.add(run, run.read(db)?.into_iter());
            }
            ids.latest.insert(bucket.number, Latest::new(bucket.first_sequence + count * RUN, count));
            ids.load_latest(db, bucket)?;
        }
        Ok(ids)
    }

    /// The ids behind a bucket's last run.
    fn load_latest(&mut self, db: &mut Connection, bucket: &Bucket) -> rusqlite::Result<()> {
        let last: Option<i64> =
            db.query_row(&format!("SELECT max(sequence) FROM event_{}", bucket.number), [], |row| row.get(0))?;
        let Some(last) = last.map(uint) else { return Ok(()) };
        while let Some(from) = self.latest.get(&bucket.number).map(|latest| latest.from).filter(|from| *from <= last) {
            self.read_events(db, bucket.number, from)?;
            let Some(latest) = self.latest.get_mut(&bucket.number) else { break };
            // Also when the last of them were deleted.
            latest.last = last.min(from + RUN - 1);
            let Some(full) = self.full() else { break };
            let transaction = db.transaction()?;
            full.write(&transaction)?;
            transaction.commit()?;
            self.written(&full);
        }
        Ok(())
    }

    /// Reads the ids of as many events as a run has.
    fn read_events(&mut self, db: &Connection, bucket: i64, from: u64) -> rusqlite::Result<()> {
        let Some(latest) = self.latest.get_mut(&bucket) else { return Ok(()) };
        let sql = format!("SELECT sequence, id FROM event_{bucket} WHERE sequence >= ?1 AND sequence < ?2");
        let mut read = db.prepare(&sql)?;
        let mut rows = read.query([int(from), int(from + RUN)])?;
        while let Some(row) = rows.next()? {
            latest.add(Key::of(row.get_ref(1)?.as_str()?), uint(row.get(0)?));
        }
        Ok(())
    }
}
