//! User records: the same bytes in a snapshot's shard and in a batch envelope, so that expanding is copying.
//!
//! A record is: length of the user id (1 byte), count of devices (1), the id, then per device a head byte (kind of
//! target), the locale's number in the manifest (1), and the target behind its length.

use crate::device::{TargetRef, put_target, read_target, target_head};
use crate::wire::{Malformed, Reader};

/// One device as it stands in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceView<'a> {
    /// Where it is reached.
    pub target: TargetRef<'a>,
    /// Number of its locale in the snapshot's manifest.
    pub locale: u8,
}

/// One user as it stands in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserView<'a> {
    /// The user's id.
    pub id: &'a str,
    /// The user's devices.
    pub devices: Vec<DeviceView<'a>>,
    /// Length of the record, in bytes.
    pub bytes: usize,
}

/// User records, one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct BatchBody<'a> {
    bytes: &'a [u8],
}

impl<'a> BatchBody<'a> {
    /// Looks at these bytes as records.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Every device of every user. Ends early at a broken record; [`Devices::find`](super::Devices::find) tells beforehand.
    pub fn devices(self) -> impl Iterator<Item = DeviceView<'a>> {
        let (mut r, mut left) = (Reader::new(self.bytes), 0);
        std::iter::from_fn(move || {
            while left == 0 {
                left = user_lengths(&mut r).ok()?.1;
            }
            left -= 1;
            device(&mut r).ok()
        })
    }

    /// Every user. Ends early at a broken record.
    pub fn users(self) -> impl Iterator<Item = UserView<'a>> {
        let mut r = Reader::new(self.bytes);
        std::iter::from_fn(move || {
            let start = r.at();
            let (id, n) = user_head(&mut r).ok()?;
            let devices = (0..n).map(|_| device(&mut r)).collect::<Result<_, _>>().ok()?;
            Some(UserView { id, devices, bytes: r.at() - start })
        })
    }
}

/// A user's id as bytes, which need not be text, and how many devices follow.
pub(super) fn user_lengths<'a>(r: &mut Reader<'a>) -> Result<(&'a [u8], u8), Malformed> {
    let (length, devices) = (usize::from(r.u8("user id length")?), r.u8("device count")?);
    Ok((r.take(length, "user id")?, devices))
}

fn user_head<'a>(r: &mut Reader<'a>) -> Result<(&'a str, u8), Malformed> {
    let start = r.at();
    let (id, devices) = user_lengths(r)?;
    let at = start + 2;
    let id = std::str::from_utf8(id).map_err(|_| Malformed { what: "user id that is not UTF-8", at })?;
    Ok((id, devices))
}

fn device<'a>(r: &mut Reader<'a>) -> Result<DeviceView<'a>, Malformed> {
    let (head, locale) = (r.u8("device head")?, r.u8("locale number")?);
    Ok(DeviceView { target: read_target(r, head)?, locale })
}

/// Builds one user record.
#[derive(Debug)]
pub struct UserWriter {
    bytes: Vec<u8>,
}

impl UserWriter {
    /// For this user, without devices as yet. The id has been checked ([`crate::device::check_user_id`]).
    #[must_use]
    pub fn new(id: &str) -> Self {
        let mut bytes = Vec::with_capacity(2 + id.len() + 180);
        bytes.extend_from_slice(&[u8::try_from(id.len()).unwrap_or(u8::MAX), 0]);
        bytes.extend_from_slice(&id.as_bytes()[..id.len().min(usize::from(u8::MAX))]);
        Self { bytes }
    }

    /// Adds a device. The target has been checked ([`crate::device::Target::parse`]).
    pub fn device(&mut self, target: TargetRef<'_>, locale: u8) {
        self.bytes[1] = self.bytes[1].saturating_add(1);
        self.bytes.extend_from_slice(&[target_head(target), locale]);
        put_target(&mut self.bytes, target);
    }

    /// Devices so far.
    #[must_use]
    pub fn devices(&self) -> u8 {
        self.bytes[1]
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has no device.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices() == 0
    }

    /// Appends the record, unless the user has no device.
    pub fn finish(self, out: &mut Vec<u8>) {
        if !self.is_empty() {
            out.extend_from_slice(&self.bytes);
        }
    }
}
