//! One process per data directory: an advisory lock on a file that names its holder. The kernel lets go of it when the
//! process ends, however it ends.

use crate::open::OpenError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

/// Held as long as anything of the backend lives.
#[derive(Debug)]
pub(crate) struct DirLock {
    /// Closing it unlocks.
    _file: File,
}

impl DirLock {
    /// Takes the directory for this process.
    pub(crate) fn take(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join("owl.lock");
        let io = |source| OpenError::Io { path: path.clone(), source };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Whoever holds it may be writing its number just now; the refusal stands without it.
                let _ = file.read_to_string(&mut pid);
                return Err(OpenError::Taken { dir: dir.to_owned(), pid: pid.trim().parse().ok() });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.set_len(0).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}
