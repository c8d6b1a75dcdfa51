//! Events' frames beside the database: each is written once, where it stays, and the commit of an append is synced here.
//!
//! A frame in the database goes to the disk twice, with the page it stands on: into the write-ahead log, and from there into
//! the database. Here a commit is one write and one `fdatasync` of a file that already has its length, for which the file
//! system's journal has nothing to do. Only what does nothing but log events is committed so. Its rows say only where their
//! frames stand ([`Place`]), and SQLite doesn't sync them: every record has what its row is made of, so that a start after a
//! power failure makes those that are lost anew (`Writer::restore`).
//!
//! A bucket's frames stand in files of its own, `<bucket>.<number>`, and go with it. Any other transaction SQLite syncs itself,
//! with its events' frames in their rows, and with it all that was committed before.

mod prepare;
mod read;
mod record;
#[cfg(test)]
mod tests;

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use gatepost_config::Timestamp;

use super::sql::disk_error;

use self::{
    prepare::Preparer,
    record::{HEAD_BYTES, Head, Records},
};
pub(super) use self::{read::Reader, record::Place};

/// Length of a file that is made ahead.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes in a bucket's first file from which on files are made ahead: a store that takes a few events needs none.
const PREPARE_AFTER: u64 = 256 * 1024;

/// What the writer appends frames to.
#[derive(Debug)]
pub(super) struct Frames {
    folder: PathBuf,
    segment: Option<Segment>,
    batch: Batch,
    preparer: Preparer,
}

/// A file of a bucket.
#[derive(Debug)]
struct Segment {
    name: Name,
    file: fs::File,
    /// Frames go into it up to here.
    size: u64,
    /// Whether it has this length already.
    is_prepared: bool,
    /// Where the records of committed events end, and what the last of them is chained by.
    tail: u64,
    chain: u32,
}

/// Names a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name {
    bucket: i64,
    number: u32,
}

/// The records of a transaction that is under way.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    chain: u32,
}

/// An event whose row may be missing.
pub(super) struct Lost {
    pub(super) sequence: u64,
    pub(super) stored_at: Timestamp,
    pub(super) frame: Vec<u8>,
    pub(super) place: Place,
}

/// Gives those of a bucket's events that stand behind a sequence, in order.
pub(super) fn lost(
    store: &Path,
    bucket: i64,
    after: u64,
    mut each: impl FnMut(Lost) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let failed = |error: io::Error| disk_error(&error);
    let folder = folder(store);
    let mut segments = names(&folder).map_err(failed)?;
    segments.retain(|name| name.bucket == bucket);
    let mut last = after;
    for (at, name) in segments.iter().enumerate() {
        // Where a file was given up, a later one begins with the sequences of what was never committed in it.
        let later = segments.iter().skip(at + 1);
        let first = later.map(|later| Records::open(&folder, *later)?.next()).find_map(Result::transpose);
        let behind = first.transpose().map_err(failed)?.map_or(u64::MAX, |(head, _)| head.sequence);
        let mut records = Records::open(&folder, *name).map_err(failed)?;
        while let Some((head, offset)) = records.next().map_err(failed)?.filter(|(head, _)| head.sequence < behind) {
            if head.sequence <= last {
                continue;
            }
            // One that isn't whole was never acknowledged, nor was anything behind it.
            let Some(frame) = records.frame(&head, offset).map_err(failed)? else { break };
            last = head.sequence;
            let place = Place { name: *name, offset, length: head.length };
            each(Lost { sequence: head.sequence, stored_at: head.stored_at, frame, place })?;
        }
    }
    Ok(())
}

impl Frames {
    /// Makes the folder if need be; removes the files of other buckets than these, which are gone, and gives back what was made
    /// ahead for a process that was killed.
    pub(super) fn open(store: &Path, buckets: impl Iterator<Item = i64>) -> io::Result<Self> {
        let folder = folder(store);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        fs::File::open(store)?.sync_all()?;
        let buckets: Vec<i64> = buckets.collect();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = Name::parse(&entry.file_name().to_string_lossy());
            if name.is_none_or(|name| !buckets.contains(&name.bucket)) {
                fs::remove_file(entry.path())?;
            }
        }
        for name in names(&folder)? {
            give_back(&folder, name)?;
        }
        Ok(Self::at(store))
    }

    /// The folder as it is.
    pub(super) fn at(store: &Path) -> Self {
        let folder = folder(store);
        Self { preparer: Preparer::new(&folder), folder, segment: None, batch: Batch::default() }
    }

    /// Begins a transaction's records in a bucket, of so many frames with so many bytes at most.
    pub(super) fn begin(&mut self, bucket: i64, frames: usize, bytes: usize) -> io::Result<()> {
        let room = (bytes + frames * HEAD_BYTES) as u64;
        let fits = |segment: &Segment| segment.name.bucket == bucket && segment.tail + room <= segment.size;
        let slow = |segment: &Segment| !segment.is_prepared && segment.tail > PREPARE_AFTER;
        let segment = match self.segment.take() {
            Some(segment) if fits(&segment) && !(slow(&segment) && self.preparer.is_ready()) => segment,
            before => self.next(before, bucket, room)?,
        };
        let is_nearly_full = segment.is_prepared && segment.tail > segment.size / 2;
        if slow(&segment) || is_nearly_full {
            self.preparer.ask();
        }
        self.batch.bytes.clear();
        self.batch.chain = segment.chain;
        self.segment = Some(segment);
        Ok(())
    }

    /// Adds a record; where its frame will stand.
    pub(super) fn add(&mut self, sequence: u64, stored_at: Timestamp, frame: &[u8]) -> io::Result<Place> {
        let segment = self.segment.as_ref().ok_or_else(|| io::Error::other("no file was begun"))?;
        let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
        let head = Head { length, sequence, stored_at, sum: crc32fast::hash(frame) };
        let written = head.write(self.batch.chain);
        self.batch.chain = Head::chain(&written);
        let offset = segment.tail + (self.batch.bytes.len() + written.len()) as u64;
        self.batch.bytes.extend_from_slice(&written);
        self.batch.bytes.extend_from_slice(frame);
        Ok(Place { name: segment.name, offset: u32::try_from(offset).map_err(io::Error::other)?, length })
    }

    /// Writes the transaction's records and waits until they are on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let Some(segment) = self.segment.as_ref().filter(|_| !self.batch.bytes.is_empty()) else { return Ok(()) };
        let synced = segment.file.write_all_at(&self.batch.bytes, segment.tail).and_then(|()| segment.file.sync_data());
        if synced.is_err() {
            // What the disk has of it now, nobody knows: nothing more goes there.
            self.segment = None;
        }
        synced
    }

    /// The transaction was committed: its records stay.
    pub(super) fn keep(&mut self) {
        if let Some(segment) = &mut self.segment {
            segment.tail += self.batch.bytes.len() as u64;
            segment.chain = self.batch.chain;
        }
        self.batch.bytes.clear();
        self.batch.bytes.shrink_to(SEGMENT_BYTES as usize / 16);
    }

    /// The file that follows another one.
    fn next(&mut self, before: Option<Segment>, bucket: i64, room: u64) -> io::Result<Segment> {
        if let Some(before) = before {
            // What was made ahead and isn't needed.
            before.file.set_len(before.tail)?;
        }
        let last = names(&self.folder)?.into_iter().filter(|name| name.bucket == bucket).map(|name| name.number).max();
        let name = Name { bucket, number: last.map_or(0, |last| last + 1) };
        let path = name.path(&self.folder);
        let is_prepared = room <= SEGMENT_BYTES && self.preparer.take(&path)?;
        let file = if is_prepared { existing(&path)? } else { made(&path)? };
        fs::File::open(&self.folder)?.sync_all()?;
        Ok(Segment { name, file, size: room.max(SEGMENT_BYTES), is_prepared, tail: 0, chain: name.seed() })
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        if let Some(segment) = &self.segment {
            // What was made ahead and isn't needed.
            drop(segment.file.set_len(segment.tail));
        }
    }
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        let (bucket, number) = text.split_once('.')?;
        Some(Self { bucket: bucket.parse().ok()?, number: number.parse().ok()? })
    }

    fn path(self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.{}", self.bucket, self.number))
    }

    /// What its first record is chained by.
    fn seed(self) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        sum.update(&self.bucket.to_be_bytes());
        sum.update(&self.number.to_be_bytes());
        sum.finalize()
    }
}

/// The folder of frames in a store's.
pub(super) fn folder(store: &Path) -> PathBuf {
    store.join("frames")
}

/// The files there are, in order.
fn names(folder: &Path) -> io::Result<Vec<Name>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(Name::parse(&entry?.file_name().to_string_lossy()));
    }
    names.sort_unstable();
    Ok(names)
}

/// Shortens a file that still has the length it was made with to its records. One with anything else behind them stays as it is.
fn give_back(folder: &Path, name: Name) -> io::Result<()> {
    let file = existing(&name.path(folder))?;
    if file.metadata()?.len() != SEGMENT_BYTES {
        return Ok(());
    }
    Records::open(folder, name)?.end()?.map_or(Ok(()), |end| file.set_len(end))
}

fn made(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

fn existing(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().read(true).write(true).open(path)
}

/// Fills a new file with zeros, a part at a time, so that no sync of another file waits for long behind them.
fn fill(path: &Path) -> io::Result<()> {
    const PART: usize = 1024 * 1024;
    let mut file = made(path)?;
    let zeros = vec![0; PART];
    for _ in 0..SEGMENT_BYTES / PART as u64 {
        file.write_all(&zeros)?;
        file.sync_data()?;
    }
    file.sync_all()
}
