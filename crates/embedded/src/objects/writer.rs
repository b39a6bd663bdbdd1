//! A file on its way to become an object. Dropped before that, it is removed.

use super::{Inner, WHAT, failed};
use crate::sync::blocking;
use async_trait::async_trait;
use bytes::Bytes;
use common::ports::{ObjectWriter, PortError, PutMode};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An unfinished file; removed when dropped.
pub(super) struct NewFile {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl NewFile {
    /// A new, empty one.
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Self { file, path, bytes: 0 })
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Puts its bytes on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Moves it. Its own name is gone then, and dropping it removes nothing.
    pub(super) fn rename(&self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Not there any more when it was moved; what can't be removed goes at the next open.
        let _ = fs::remove_file(&self.path);
    }
}

/// Streams into a file.
pub(super) struct FileWriter {
    inner: Arc<Inner>,
    /// `None` after a write failed: there is nothing to finish then.
    file: Option<NewFile>,
    path: PathBuf,
}

impl FileWriter {
    /// Into `file`, which becomes `path`.
    pub(super) fn new(inner: Arc<Inner>, file: NewFile, path: PathBuf) -> Self {
        Self { inner, file: Some(file), path }
    }
}

fn broken() -> PortError {
    PortError::Unavailable { what: WHAT, why: "an earlier part of this object was not written".to_owned() }
}

#[async_trait]
impl ObjectWriter for FileWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), PortError> {
        // Taken out while the write is under way: if this call is dropped, so is the object.
        let mut file = self.file.take().ok_or_else(broken)?;
        let file = blocking(WHAT, move || match file.write(&bytes) {
            Ok(()) => Ok(file),
            Err(e) => Err(failed(&e)),
        });
        self.file = Some(file.await?);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<u64, PortError> {
        let Self { inner, file, path } = *self;
        let file = file.ok_or_else(broken)?;
        let length = file.bytes;
        blocking(WHAT, move || inner.publish(&file, &path, PutMode::Replace).map_err(|e| failed(&e))).await?;
        Ok(length)
    }
}
