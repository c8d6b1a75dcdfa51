//! Reading frames where they stand, and overwriting those that were deleted.

use std::{
    collections::VecDeque,
    fs, io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Name, Place, existing, folder, names};

/// Files that are kept open.
const OPEN_MAX: usize = 16;

/// Reads frames of a store.
#[derive(Debug)]
pub(in super::super) struct Reader {
    folder: PathBuf,
    /// Those that were used last are first.
    open: Mutex<VecDeque<(Name, Arc<fs::File>)>>,
}

impl Reader {
    pub(in super::super) fn of(store: &Path) -> Self {
        Self { folder: folder(store), open: Mutex::default() }
    }

    /// A frame.
    pub(in super::super) fn frame(&self, place: Place) -> io::Result<Vec<u8>> {
        let mut frame = vec![0; place.length()];
        self.file(place.name)?.read_exact_at(&mut frame, u64::from(place.offset))?;
        Ok(frame)
    }

    /// How long the file is that a frame should stand in; 0 when there is none.
    pub(in super::super) fn length(&self, place: Place) -> u64 {
        fs::metadata(place.name.path(&self.folder)).map_or(0, |file| file.len())
    }

    /// Overwrites frames, on the disk too. Those whose file is gone are.
    pub(in super::super) fn overwrite(&self, places: &[Place]) -> io::Result<()> {
        let mut written = Vec::<Name>::new();
        for place in places {
            let file = match self.file(place.name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            file.write_all_at(&vec![0; place.length()], u64::from(place.offset))?;
            if !written.contains(&place.name) {
                written.push(place.name);
            }
        }
        written.into_iter().try_for_each(|name| self.file(name)?.sync_data())
    }

    /// Removes the files of a bucket that is gone.
    pub(in super::super) fn remove(&self, bucket: i64) {
        self.open().retain(|(name, _)| name.bucket != bucket);
        let removed = names(&self.folder).and_then(|names| {
            let mut names = names.into_iter().filter(|name| name.bucket == bucket);
            names.try_for_each(|name| fs::remove_file(name.path(&self.folder)))
        });
        if let Err(error) = removed {
            tracing::warn!(bucket, %error, "files of expired events could not be removed; the next start tries again");
        }
    }

    fn file(&self, name: Name) -> io::Result<Arc<fs::File>> {
        let mut open = self.open();
        let found = open.iter().position(|(other, _)| *other == name).and_then(|at| open.remove(at));
        let file = match found {
            Some((_, file)) => file,
            None => Arc::new(existing(&name.path(&self.folder))?),
        };
        open.push_front((name, Arc::clone(&file)));
        open.truncate(OPEN_MAX);
        Ok(file)
    }

    fn open(&self) -> MutexGuard<'_, VecDeque<(Name, Arc<fs::File>)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
