//! How much room the data directory has left.

use common::ports::Disk;
use std::path::PathBuf;

/// The file system of this directory.
pub(crate) struct DataDisk(pub(crate) PathBuf);

impl Disk for DataDisk {
    fn free_bytes(&self) -> Option<u64> {
        match rustix::fs::statvfs(&self.0) {
            Ok(disk) => Some(disk.f_bavail.saturating_mul(disk.f_frsize)),
            Err(why) => {
                tracing::warn!(%why, dir = %self.0.display(), "nobody knows how much of the disk is free");
                None
            }
        }
    }
}
