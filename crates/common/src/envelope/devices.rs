//! The devices of a batch, found in one walk over its records.

use super::body::{DeviceView, user_lengths};
use crate::device::{Platform, TargetRef};
use crate::wire::{Malformed, Reader};
use bytes::Bytes;

/// Where one device stands in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DeviceAt {
    from: u32,
    bytes: u16,
    head: u8,
    locale: u8,
}

/// The devices of a batch: every record was looked at, so that what comes out can be sent without another check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Devices {
    body: Bytes,
    at: Vec<DeviceAt>,
    /// By platform.
    counts: [usize; 2],
}

impl Devices {
    /// Finds them in user records; `hint`: about how many there are.
    ///
    /// # Errors
    /// Says at which byte a record is broken.
    pub fn find(body: Bytes, hint: usize) -> Result<Self, Malformed> {
        // A hint may be wrong; no record has more than one device in four bytes.
        let mut at = Vec::with_capacity(hint.min(body.len() / 4));
        let mut counts = [0; 2];
        let mut r = Reader::new(&body);
        while !r.is_empty() {
            let start = r.at() + 2;
            let (id, devices) = user_lengths(&mut r)?;
            text(id, "user id that is not UTF-8", start)?;
            for _ in 0..devices {
                let found = device(&mut r)?;
                counts[found.platform() as usize] += 1;
                at.push(found);
            }
        }
        Ok(Self { body, at, counts })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// How many a platform has.
    #[must_use]
    pub fn count(&self, platform: Platform) -> usize {
        self.counts[platform as usize]
    }

    /// Whose each device is.
    pub fn platforms(&self) -> impl Iterator<Item = Platform> {
        self.at.iter().map(|at| at.platform())
    }

    /// Each device.
    pub fn views(&self) -> impl Iterator<Item = DeviceView<'_>> {
        self.at.iter().map(|at| {
            let from = at.from as usize;
            let bytes = self.body.get(from..from + usize::from(at.bytes)).unwrap_or_default();
            // It is text: `find` looked.
            let text = || std::str::from_utf8(bytes).unwrap_or_default();
            let target = match at.head & 3 {
                0 => TargetRef::Apns(bytes),
                1 => TargetRef::FcmToken(text()),
                _ => TargetRef::FcmFid(text()),
            };
            DeviceView { target, locale: at.locale }
        })
    }
}

impl DeviceAt {
    fn platform(self) -> Platform {
        if self.head & 3 == 0 { Platform::Apns } else { Platform::Fcm }
    }
}

fn device(r: &mut Reader<'_>) -> Result<DeviceAt, Malformed> {
    let (head, locale) = (r.u8("device head")?, r.u8("locale number")?);
    let bytes = match head & 3 {
        0 => u16::from(r.u8("token length")?),
        1 | 2 => r.u16("token length")?,
        _ => return Err(r.bad("unknown kind of target")),
    };
    let at = r.at();
    let from = u32::try_from(at).map_err(|_| r.bad("records of more than 4 GiB"))?;
    let token = r.take(bytes.into(), "target")?;
    if head & 3 != 0 {
        text(token, "FCM target that is not UTF-8", at)?;
    }
    Ok(DeviceAt { from, bytes, head, locale })
}

/// Nearly all of it is ASCII, which is seen sooner.
fn text(bytes: &[u8], what: &'static str, at: usize) -> Result<(), Malformed> {
    let good = bytes.is_ascii() || std::str::from_utf8(bytes).is_ok();
    good.then_some(()).ok_or(Malformed { what, at })
}
