//! The master key that the embedded engine makes for itself.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use gatepost_config::Secret;
use ring::rand::{SystemRandom, generate};
use zeroize::Zeroizing;

use crate::store::OpenError;

/// Its file in the store's folder.
const FILE: &str = "master.key";

/// Bytes of it, which are written in hexadecimal digits.
const KEY_BYTES: usize = 32;

/// The key of a store's folder, if it has one.
pub(super) fn read(folder: &Path) -> Result<Option<Secret>, OpenError> {
    let path = folder.join(FILE);
    match fs::read(&path).map(Zeroizing::new) {
        Ok(text) if text.trim_ascii().len() == 2 * KEY_BYTES => {
            let source = format!("file {}", path.display());
            Ok(Some(Secret::new(text.trim_ascii().to_vec(), &source)))
        }
        Ok(_) => Err(refuse(&path, "is not a whole master key; restore it from a backup")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(refuse(&path, &format!("can't be read ({error}); give it to the user that gatepost runs as")))
        }
    }
}

/// The key of a store's folder, made if need be. It is whole and on disk before it has its name.
pub(super) fn read_or_make(folder: &Path) -> Result<Secret, OpenError> {
    if let Some(key) = read(folder)? {
        return Ok(key);
    }
    make(folder).map_err(|error| refuse(&folder.join(FILE), &format!("can't be made ({error})")))?;
    read(folder)?.ok_or_else(|| refuse(&folder.join(FILE), "was removed while it was made"))
}

fn make(folder: &Path) -> std::io::Result<()> {
    let random = generate::<[u8; KEY_BYTES]>(&SystemRandom::new());
    let random = Zeroizing::new(random.map_err(|_| std::io::Error::other("no random numbers"))?.expose());
    let digits: Zeroizing<String> = Zeroizing::new(random.iter().map(|byte| format!("{byte:02x}")).collect());
    let unfinished = folder.join(format!("{FILE}.new"));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    writeln!(file, "{}", *digits)?;
    file.sync_all()?;
    // Never over one that is there: what it sealed would be lost.
    let named = fs::hard_link(&unfinished, folder.join(FILE));
    fs::remove_file(&unfinished)?;
    match named {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::File::open(folder)?.sync_all()
}

fn refuse(path: &Path, what: &str) -> OpenError {
    OpenError(format!("master key {} {what}", path.display()))
}
