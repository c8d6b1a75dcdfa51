//! Bodies that are too large for the database, in files beside it.
//!
//! A file is written and synced before the commit that refers to it, and removed after the commit that forgets it; what
//! a crash leaves in between is swept when the store opens.

use std::{
    collections::HashSet,
    fs,
    io::{self, Read as _, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use rusqlite::Connection;

use super::{
    bucket,
    frames::{Place, Reader},
    packed,
};
use crate::Event;

/// Bodies up to this length stand in the database.
pub(super) const INLINE_BYTES_MAX: usize = 512 * 1024;

/// The folder of body files, and the frames beside the database.
#[derive(Debug, Clone)]
pub(super) struct Bodies {
    folder: Arc<Path>,
    pub(super) frames: Arc<Reader>,
}

/// A body file that goes away with the value unless something durable refers to it.
#[derive(Debug)]
pub(super) struct BodyFile {
    /// Its name in the folder.
    pub(super) name: String,
    path: PathBuf,
    kept: AtomicBool,
}

/// An event as it is stored: in one piece, or with its body in a file.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    /// The event's frame, packed if that is shorter; without the body when that is in a file.
    pub(super) frame: Bytes,
    /// The body's file.
    pub(super) file: Option<Arc<BodyFile>>,
}

impl Bodies {
    /// Makes the folder if need be.
    pub(super) fn open(store: &Path) -> io::Result<Self> {
        let bodies = Self::at(store);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&bodies.folder)?;
        fs::File::open(store)?.sync_all()?;
        Ok(bodies)
    }

    /// The folder as it is.
    pub(super) fn at(store: &Path) -> Self {
        Self { folder: store.join("bodies").into(), frames: Arc::new(Reader::of(store)) }
    }

    /// Puts an event into its stored form, which writes and syncs a file for a large body.
    pub(super) fn store(&self, event: &Event) -> io::Result<Stored> {
        if event.body.len() <= INLINE_BYTES_MAX {
            return Ok(Stored { frame: packed::frame(event).map_err(io::Error::other)?, file: None });
        }
        let head = Event { meta: event.meta.clone(), body: Bytes::new() };
        let frame = head.to_frame().map_err(io::Error::other)?;
        let file = self.fresh();
        let mut open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file.path)?;
        open.write_all(&event.body)?;
        open.sync_all()?;
        self.sync()?;
        Ok(Stored { frame, file: Some(Arc::new(file)) })
    }

    /// Gives a body a second name, for something that outlives the first.
    pub(super) fn copy(&self, name: &str) -> io::Result<Arc<BodyFile>> {
        let file = self.fresh();
        let from = self.folder.join(name);
        if fs::hard_link(&from, &file.path).is_err() {
            fs::copy(&from, &file.path)?;
            fs::File::open(&file.path)?.sync_all()?;
        }
        self.sync()?;
        Ok(Arc::new(file))
    }

    /// Reads an event from its stored form.
    pub(super) fn load(&self, frame: Vec<u8>, file: Option<&str>) -> Result<Event, String> {
        let frame = self.frame(frame).map_err(|error| format!("its frame can't be read: {error}"))?;
        let mut event = packed::event(frame.into())?;
        if let Some(name) = file {
            let body = fs::read(self.folder.join(name));
            event.body = body.map_err(|error| format!("its body's file {name} can't be read: {error}"))?.into();
        }
        Ok(event)
    }

    /// A row's frame, which may stand beside the database.
    pub(super) fn frame(&self, frame: Vec<u8>) -> io::Result<Vec<u8>> {
        Place::read(&frame).map_or(Ok(frame), |place| self.frames.frame(place))
    }

    /// Removes files that nothing refers to any more.
    pub(super) fn remove(&self, names: &[String]) {
        for name in names {
            if let Err(error) = fs::remove_file(self.folder.join(name)) {
                tracing::warn!(file = name, %error, "a body's file could not be removed; the next start tries again");
            }
        }
    }

    /// Overwrites and removes files of what was erased. What a crash leaves is removed by the next start.
    pub(super) fn overwrite(&self, names: &[String]) {
        for name in names {
            let path = self.folder.join(name);
            let overwritten = fs::OpenOptions::new().write(true).open(&path).and_then(|mut file| {
                let length = file.metadata()?.len();
                io::copy(&mut io::repeat(0).take(length), &mut file)?;
                file.sync_all()
            });
            if let Err(error) = overwritten {
                tracing::warn!(file = name, %error, "an erased body's file could not be overwritten; it is removed");
            }
        }
        self.remove(names);
    }

    /// The folder of the store.
    pub(super) fn store_folder(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    /// Removes what a crash left: files that no row refers to. Returns how many.
    pub(super) fn sweep(&self, db: &Connection) -> io::Result<usize> {
        let known = referred(db).map_err(io::Error::other)?;
        let mut swept = 0;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if !known.contains(&*entry.file_name().to_string_lossy()) {
                fs::remove_file(entry.path())?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    fn fresh(&self) -> BodyFile {
        let name = format!("{:032x}", rand::random::<u128>());
        BodyFile { path: self.folder.join(&name), name, kept: AtomicBool::new(false) }
    }

    /// Makes new names in the folder durable.
    fn sync(&self) -> io::Result<()> {
        fs::File::open(&self.folder)?.sync_all()
    }
}

/// Names of all files that rows refer to.
fn referred(db: &Connection) -> rusqlite::Result<HashSet<String>> {
    let tables = bucket::list(db)?.into_iter().map(|bucket| format!("event_{}", bucket.number));
    let mut names = HashSet::new();
    for table in tables.chain(["dead", "parked", "copy"].map(str::to_owned)) {
        let mut rows = db.prepare(&format!("SELECT file FROM {table} WHERE file IS NOT NULL"))?;
        for name in rows.query_map([], |row| row.get(0))? {
            names.insert(name?);
        }
    }
    Ok(names)
}

impl BodyFile {
    /// Something durable may refer to it: it stays.
    pub(super) fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        // A failure leaves an orphan, which the next start sweeps.
        if !self.kept.load(Ordering::Relaxed) {
            drop(fs::remove_file(&self.path));
        }
    }
}
