//! What travels on the two queues, in a compact binary form with a version. A queue that wants text (SQS) gets it in
//! base64 from its adapter. `docs/formats.md` has the layout byte by byte.

mod body;
mod devices;

pub use body::{BatchBody, DeviceView, UserView, UserWriter};
pub use devices::Devices;

use crate::ids::{BatchKey, BatchNo, CampaignId, ContentId, Epoch, ShardNo, SnapshotId};
use crate::time::UnixMs;
use crate::trace::TraceParent;
use crate::wire::{Malformed, Reader};
use bytes::Bytes;
use std::time::Duration;

const VERSION: u8 = 1;

/// What every envelope says of its campaign: all that was frozen, so that no worker's configuration matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The campaign.
    pub campaign: CampaignId,
    /// The epoch of the run that it belongs to.
    pub epoch: Epoch,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The content.
    pub content: ContentId,
    /// Shards of the snapshot.
    pub shards: u16,
    /// Users of a batch.
    pub batch_users: u16,
    /// When the campaign was first pressed (or the canary started): what latencies count from.
    pub pressed_at: UnixMs,
    /// Nothing of it is sent after this.
    pub deadline_at: UnixMs,
}

impl Head {
    fn put(&self, out: &mut Vec<u8>, kind: u8) {
        out.extend_from_slice(&[kind, VERSION]);
        out.extend_from_slice(self.campaign.0.as_bytes());
        out.extend_from_slice(&self.epoch.0.to_le_bytes());
        out.extend_from_slice(&self.snapshot.0);
        out.extend_from_slice(&self.content.0);
        out.extend_from_slice(&self.shards.to_le_bytes());
        out.extend_from_slice(&self.batch_users.to_le_bytes());
        out.extend_from_slice(&self.pressed_at.0.to_le_bytes());
        out.extend_from_slice(&self.deadline_at.0.to_le_bytes());
    }

    fn read(r: &mut Reader<'_>, kind: u8) -> Result<Self, Malformed> {
        if r.u8("envelope kind")? != kind {
            return Err(r.bad("envelope of another kind"));
        }
        if r.u8("envelope version")? != VERSION {
            return Err(r.bad("envelope of an unknown version"));
        }
        Ok(Self {
            campaign: CampaignId(uuid::Uuid::from_bytes(r.array("campaign id")?)),
            epoch: Epoch(r.u32("epoch")?),
            snapshot: SnapshotId(r.array("snapshot id")?),
            content: ContentId(r.array("content id")?),
            shards: r.u16("shards")?,
            batch_users: r.u16("batch size")?,
            pressed_at: UnixMs(r.i64("press time")?),
            deadline_at: UnixMs(r.i64("deadline")?),
        })
    }
}

/// Which batches of a shard are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every batch.
    All,
    /// One batch in so many: a canary ([`crate::plan::in_canary`]).
    EveryNth(u32),
    /// Those that the ledger does not know as done: after a canary or a stop.
    Rest,
}

/// An envelope on the FIFO queue: expand this shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardEnvelope {
    /// Of which campaign.
    pub head: Head,
    /// Which shard.
    pub shard: ShardNo,
    /// Which of its batches.
    pub scope: Scope,
    /// How often it was sent in this epoch before.
    pub attempt: u32,
}

impl ShardEnvelope {
    /// Group and deduplication id on the FIFO queue. One group for each shard, or the shards would run one after
    /// another; the same id for the same attempt, so that presses meet in one envelope.
    #[must_use]
    pub fn fifo_key(&self) -> FifoKey {
        let group = format!("{}/{}/{}", self.head.campaign, self.head.epoch, self.shard);
        FifoKey { dedup: format!("{group}/{}", self.attempt), group }
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(128);
        self.head.put(&mut out, b'S');
        out.extend_from_slice(&self.shard.0.to_le_bytes());
        out.extend_from_slice(&self.attempt.to_le_bytes());
        let scope = match self.scope {
            Scope::All => 0,
            Scope::EveryNth(n) => n.clamp(1, u32::MAX - 1),
            Scope::Rest => u32::MAX,
        };
        out.extend_from_slice(&scope.to_le_bytes());
        out.into()
    }

    /// Reads what [`ShardEnvelope::encode`] wrote.
    ///
    /// # Errors
    /// Says at which byte it is not.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let head = Head::read(&mut r, b'S')?;
        let (shard, attempt) = (ShardNo(r.u16("shard")?), r.u32("attempt")?);
        let scope = match r.u32("scope")? {
            0 => Scope::All,
            u32::MAX => Scope::Rest,
            n => Scope::EveryNth(n),
        };
        if !r.is_empty() {
            return Err(r.bad("bytes after the envelope's end"));
        }
        Ok(Self { head, shard, scope, attempt })
    }
}

/// What a FIFO queue wants besides the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FifoKey {
    /// While an envelope of a group is in flight, no other of that group is handed out.
    pub group: String,
    /// An envelope with an id that was seen in the last 5 minutes is accepted and dropped.
    pub dedup: String,
}

/// An envelope on the standard queue: send to these users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchEnvelope {
    /// Of which campaign.
    pub head: Head,
    /// Which batch.
    pub key: BatchKey,
    /// Attempts before this one: 0 in an envelope that an interim worker made.
    pub attempt: u8,
    /// In a retry: the places, in the whole batch, of the devices that `body` holds. Empty: all of them, in order.
    pub only: Vec<u16>,
    /// Devices of the whole batch.
    pub devices: u16,
    /// User records, as they stand in the snapshot (or, in a retry, the ones that are left).
    pub body: Bytes,
}

impl BatchEnvelope {
    /// Its bytes: a head of about 130 bytes, then the user records unchanged.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(140 + self.only.len() * 2 + self.body.len());
        self.head.put(&mut out, b'B');
        out.extend_from_slice(&self.key.shard.0.to_le_bytes());
        out.extend_from_slice(&self.key.number.0.to_le_bytes());
        out.push(self.attempt);
        out.extend_from_slice(&self.devices.to_le_bytes());
        out.extend_from_slice(&u16::try_from(self.only.len()).unwrap_or(u16::MAX).to_le_bytes());
        for place in &self.only {
            out.extend_from_slice(&place.to_le_bytes());
        }
        out.extend_from_slice(&self.body);
        out.into()
    }

    /// Reads what [`BatchEnvelope::encode`] wrote; the body stays a slice of `bytes`. Every user record is walked, so
    /// that what comes out can be sent without another check.
    ///
    /// # Errors
    /// Says at which byte it is not.
    pub fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        Self::decode_with_devices(bytes).map(|(batch, _)| batch)
    }

    /// The same, with the devices that were found.
    ///
    /// # Errors
    /// Those of [`BatchEnvelope::decode`].
    pub fn decode_with_devices(bytes: &Bytes) -> Result<(Self, Devices), Malformed> {
        let mut r = Reader::new(bytes);
        let head = Head::read(&mut r, b'B')?;
        let key = BatchKey { shard: ShardNo(r.u16("shard")?), number: BatchNo(r.u32("batch number")?) };
        let (attempt, devices) = (r.u8("attempt")?, r.u16("device count")?);
        let only = (0..r.u16("count of places")?).map(|_| r.u16("place")).collect::<Result<Vec<_>, _>>()?;
        let body = bytes.slice(r.at()..);
        let listed = if only.is_empty() { usize::from(devices) } else { only.len() };
        let found = Devices::find(body.clone(), listed).map_err(|e| Malformed { at: e.at + r.at(), ..e })?;
        if found.len() != listed || only.iter().any(|p| *p >= devices) {
            return Err(r.bad("the devices are not the ones that the head announces"));
        }
        Ok((Self { head, key, attempt, only, devices, body }, found))
    }

    /// The place in the whole batch of the `i`th device in this envelope.
    #[must_use]
    pub fn place(&self, i: usize) -> u16 {
        self.only.get(i).copied().unwrap_or_else(|| u16::try_from(i).unwrap_or(u16::MAX))
    }

    /// The same batch with only some of its devices, for a later try; `None` when none is left. `keep` answers by place.
    #[must_use]
    pub fn retry(&self, keep: impl Fn(u16) -> bool) -> Option<Self> {
        let (mut body, mut only) = (Vec::new(), Vec::new());
        let mut index = 0_usize;
        for user in BatchBody::new(&self.body).users() {
            let mut writer = UserWriter::new(user.id);
            for device in user.devices {
                let place = self.place(index);
                index += 1;
                if keep(place) {
                    writer.device(device.target, device.locale);
                    only.push(place);
                }
            }
            writer.finish(&mut body);
        }
        let attempt = self.attempt.saturating_add(1);
        let (head, key, devices) = (self.head.clone(), self.key, self.devices);
        (!only.is_empty()).then(|| Self { head, key, attempt, only, devices, body: body.into() })
    }
}

/// An envelope on its way to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEnvelope {
    /// The bytes.
    pub body: Bytes,
    /// Needed on a FIFO queue, refused on a standard one.
    pub fifo: Option<FifoKey>,
    /// Not handed out before this has passed. Standard queues only; an adapter may round it up to whole seconds (SQS).
    pub delay: Duration,
    /// The trace that it belongs to, when somebody follows it. A backend within one process may drop it.
    pub trace: Option<TraceParent>,
}

impl NewEnvelope {
    /// For a standard queue, at once.
    #[must_use]
    pub fn plain(body: Bytes) -> Self {
        Self { body, fifo: None, delay: Duration::ZERO, trace: None }
    }
}
