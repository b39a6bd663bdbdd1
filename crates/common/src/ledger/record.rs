//! The record of one batch, and its bytes.

use crate::device::Platform;
use crate::ids::{Epoch, Fence, WorkerId};
use crate::limits::{CLAIM_LEASE, CLOCK_AHEAD_MAX};
use crate::outcome::{Class, Outcome};
use crate::time::UnixMs;
use crate::wire::{Malformed, Reader};

/// The version that is written. Older ones can be read.
const VERSION: u8 = 2;

/// What the ledger knows of one batch. About 60 bytes and 5 for each device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRecord {
    /// The newest epoch that claimed it.
    pub epoch: Epoch,
    /// The newest claim.
    pub fence: Fence,
    /// Who holds it; `None` when nobody does.
    pub holder: Option<WorkerId>,
    /// Until when, by the holder's clock.
    pub lease_until: UnixMs,
    /// When it was first written: what the devices' times count from.
    pub created_at: UnixMs,
    /// When it was last completed.
    pub completed_at: UnixMs,
    /// When the last request of its first turn was handed to a connection, by the sender's clock; 0 when none was, or nobody
    /// said. Later tries change nothing: waiting for them is not sending.
    pub sent_at: UnixMs,
    /// Devices that may have been sent twice at most, over all re-claims.
    pub doubled_at_most: u32,
    /// Dead tokens of which the gateway said since when: place and time.
    pub dead_since: Vec<(u16, UnixMs)>,
    /// One byte per device: see [`Outcome::to_byte`].
    bytes: Vec<u8>,
    /// Per device: milliseconds from `created_at` to its answer.
    times: Vec<u32>,
}

impl BatchRecord {
    /// A record that nobody has claimed, with every device unsent.
    #[must_use]
    pub fn blank(blank: &[u8], now: UnixMs) -> Self {
        Self {
            epoch: Epoch(0),
            fence: Fence(0),
            holder: None,
            lease_until: UnixMs(0),
            created_at: now,
            completed_at: UnixMs(0),
            sent_at: UnixMs(0),
            doubled_at_most: 0,
            dead_since: Vec::new(),
            bytes: blank.to_vec(),
            times: vec![0; blank.len()],
        }
    }

    /// Devices of the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has no devices at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Every device's outcome and gateway, in order.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, Platform)> + '_ {
        self.bytes.iter().map(|b| Outcome::from_byte(*b))
    }

    /// One device's outcome.
    #[must_use]
    pub fn outcome(&self, index: usize) -> Option<Outcome> {
        self.bytes.get(index).map(|b| Outcome::from_byte(*b).0)
    }

    /// When one device's answer came; `None` while it has none.
    #[must_use]
    pub fn answered_at(&self, index: usize) -> Option<UnixMs> {
        let outcome = self.outcome(index)?;
        let ms = i64::from(*self.times.get(index)?);
        (outcome != Outcome::Unsent).then_some(UnixMs(self.created_at.0.saturating_add(ms)))
    }

    /// When the last answer of a gateway came; `None` while nothing is known to have been sent.
    #[must_use]
    pub fn last_answer_at(&self) -> Option<UnixMs> {
        let of_a_gateway = |outcome: Outcome| {
            let ours = matches!(outcome, Outcome::Unsendable | Outcome::Misconfigured);
            !ours && matches!(outcome.class(), Class::Accepted | Class::Rejected | Class::Ambiguous)
        };
        let of_gateways = (0..self.len()).filter(|&i| self.outcome(i).is_some_and(of_a_gateway));
        of_gateways.filter_map(|i| self.answered_at(i)).max().filter(|_| self.sent_at.0 > 0)
    }

    /// Writes one device's outcome. Out of range does nothing.
    pub fn set(&mut self, index: usize, outcome: Outcome, at: UnixMs) {
        if let (Some(byte), Some(time)) = (self.bytes.get_mut(index), self.times.get_mut(index)) {
            *byte = outcome.to_byte(Outcome::from_byte(*byte).1);
            *time = u32::try_from(at.since(self.created_at).as_millis()).unwrap_or(u32::MAX);
        }
    }

    /// Whether somebody holds it now. A lease that ends much later than any lease can was written by a clock that ran
    /// ahead; it binds nobody.
    #[must_use]
    pub fn is_held(&self, now: UnixMs) -> bool {
        let latest = now.plus(CLAIM_LEASE + CLOCK_AHEAD_MAX);
        self.holder.is_some() && self.lease_until > now && self.lease_until <= latest
    }

    /// Whether any device is of this class.
    #[must_use]
    pub fn has(&self, class: Class) -> bool {
        self.outcomes().any(|(o, _)| o.class() == class)
    }

    /// Counts the unsent devices as possibly doubled: their holder vanished.
    pub(super) fn count_doubles(&mut self) {
        let unsent = self.outcomes().filter(|(o, _)| *o == Outcome::Unsent).count();
        self.doubled_at_most = self.doubled_at_most.saturating_add(u32::try_from(unsent).unwrap_or(u32::MAX));
    }

    /// Its bytes, with a version in front.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.bytes.len() * 5);
        out.push(VERSION);
        out.extend_from_slice(&self.epoch.0.to_le_bytes());
        out.extend_from_slice(&self.fence.0.to_le_bytes());
        out.extend_from_slice(&self.holder.map_or(0, |h| h.0).to_le_bytes());
        for at in [self.lease_until, self.created_at, self.completed_at, self.sent_at] {
            out.extend_from_slice(&at.0.to_le_bytes());
        }
        out.extend_from_slice(&self.doubled_at_most.to_le_bytes());
        for count in [self.dead_since.len(), self.bytes.len()] {
            out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
        }
        for (place, since) in &self.dead_since {
            out.extend_from_slice(&place.to_le_bytes());
            out.extend_from_slice(&since.0.to_le_bytes());
        }
        out.extend_from_slice(&self.bytes);
        for t in &self.times {
            out.extend_from_slice(&t.to_le_bytes());
        }
        out
    }

    /// Reads what [`BatchRecord::encode`] wrote.
    ///
    /// # Errors
    /// Says at which byte it is not.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let version = r.u8("ledger record version")?;
        if !(1..=VERSION).contains(&version) {
            return Err(r.bad("ledger record of an unknown version"));
        }
        let (epoch, fence) = (r.u32("epoch")?, r.u32("fence")?);
        let holder = Some(r.u64("holder")?).filter(|h| *h != 0).map(WorkerId);
        let mut at = || r.i64("time").map(UnixMs);
        let (lease_until, created_at, completed_at) = (at()?, at()?, at()?);
        // The first version had none.
        let sent_at = if version == 1 { UnixMs(0) } else { at()? };
        let doubled_at_most = r.u32("doubled at most")?;
        let (dead, devices) = (r.u16("count of dead tokens")?, r.u16("count of devices")?);
        let since =
            |r: &mut Reader<'_>| Ok((r.u16("place of a dead token")?, UnixMs(r.i64("time of death")?)));
        let dead_since = (0..dead).map(|_| since(&mut r)).collect::<Result<_, Malformed>>()?;
        let bytes = r.take(devices.into(), "outcomes")?.to_vec();
        let times = (0..devices).map(|_| r.u32("answer time")).collect::<Result<_, _>>()?;
        if !r.is_empty() {
            return Err(r.bad("bytes after the record's end"));
        }
        let (epoch, fence) = (Epoch(epoch), Fence(fence));
        Ok(Self {
            epoch,
            fence,
            holder,
            lease_until,
            created_at,
            completed_at,
            sent_at,
            doubled_at_most,
            dead_since,
            bytes,
            times,
        })
    }
}
