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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_room_and_what_is_not_there_has_no_disk() {
        let dir = tempfile::tempdir().unwrap();
        let free = DataDisk(dir.path().to_owned()).free_bytes().unwrap();
        assert!((1_000..1 << 60).contains(&free), "{free}");
        assert_eq!(DataDisk(dir.path().join("nothing")).free_bytes(), None);
    }
}
