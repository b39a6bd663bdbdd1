//! Where what the other ports hold can fill up.

/// The disk of a data directory. Services in a cloud have none.
pub trait Disk: Send + Sync {
    /// Bytes that may still be written. None where the system does not say.
    fn free_bytes(&self) -> Option<u64>;
}
