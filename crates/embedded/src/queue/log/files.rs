//! The few things that the log asks of the file system, behind traits, so that tests can let a disk be full.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Most slices in one `writev` (POSIX's IOV_MAX on Linux).
const SLICES_MAX: usize = 1_024;

/// Makes and removes segment files.
pub(crate) trait Files: Send + Sync {
    /// Opens a segment for appending and reading; makes it when it is not there.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>>;
    /// Removes a segment.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Puts a directory's entries on the disk.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A segment's file.
pub(crate) trait SegmentFile: Send + Sync {
    /// Appends all of the slices.
    fn append(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()>;
    /// Reads from a place until `buffer` is full.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Reads all of it.
    fn read_all(&self) -> io::Result<Vec<u8>>;
    /// Cuts it off.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Puts its bytes on the disk.
    fn sync(&self) -> io::Result<()>;
}

/// The real ones.
#[derive(Debug)]
pub(crate) struct DiskFiles;

impl Files for DiskFiles {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

struct DiskFile(File);

impl SegmentFile for DiskFile {
    fn append(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        for mut part in slices.chunks_mut(SLICES_MAX) {
            while !part.is_empty() {
                match (&self.0).write_vectored(part) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => IoSlice::advance_slices(&mut part, n),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&self.0).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
