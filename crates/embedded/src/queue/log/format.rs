//! The bytes of a queue log: segment heads, frames, operations. `docs/formats-queue-log.md` has them in tables. Decoding
//! takes any bytes and never panics.

use common::time::UnixMs;
use std::ops::Range;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// First bytes of a segment file; the last one is the version.
const SEGMENT_MAGIC: [u8; 8] = *b"OWLQLOG1";
/// Length of a segment's head.
pub(super) const SEGMENT_HEAD_BYTES: usize = 32;
/// First bytes of a frame: what a reader looks for behind damage.
pub(super) const FRAME_MAGIC: [u8; 4] = [0xF5, b'O', b'w', b'L'];
/// Magic (4), checksum (8), length of the operations (4), length of the bodies (4).
pub(super) const FRAME_HEAD_BYTES: usize = 20;
/// Longest operations of one frame: far above what a call may bring.
const META_BYTES_MAX: usize = 1 << 20;
/// Longest bodies of one frame: far above what a call may bring, far below a segment.
const BODIES_BYTES_MAX: usize = 8 << 20;

/// One change of a queue. Bodies stand behind all operations of a frame, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op<'a> {
    /// An envelope came, or a survivor was copied here before its old segment goes.
    Send(SendOp<'a>),
    /// An envelope was handed out for the `count`-th time.
    Received { seq: u64, count: u32 },
    /// An envelope is gone for good.
    Deleted { seq: u64 },
    /// An envelope went to the dead letters; its body stays where it is.
    Dead { seq: u64 },
    /// A deduplication id is remembered until then.
    Remember { dedup: &'a str, until: UnixMs },
}

/// What is known of an envelope besides its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SendOp<'a> {
    /// Its number.
    pub(crate) seq: u64,
    /// How often it was handed out before it was copied here.
    pub(crate) receives: u32,
    /// It is a dead letter.
    pub(crate) dead: bool,
    /// Not handed out before then.
    pub(crate) delay_until: Option<UnixMs>,
    /// Its FIFO group.
    pub(crate) group: Option<&'a str>,
    /// Length of its body.
    pub(crate) body_bytes: u32,
    /// XXH3 of its body.
    pub(crate) body_hash: u64,
}

const SEND: u8 = 1;
const RECEIVED: u8 = 2;
const DELETED: u8 = 3;
const DEAD: u8 = 4;
const REMEMBER: u8 = 5;
const FLAG_DEAD: u8 = 1;
const FLAG_DELAYED: u8 = 2;
const FLAG_GROUP: u8 = 4;

/// The head of a segment: its number, and the number that the next envelope gets.
pub(super) fn segment_head(number: u64, next_seq: u64) -> [u8; SEGMENT_HEAD_BYTES] {
    let mut out = [0; SEGMENT_HEAD_BYTES];
    out[..8].copy_from_slice(&SEGMENT_MAGIC);
    out[8..16].copy_from_slice(&number.to_le_bytes());
    out[16..24].copy_from_slice(&next_seq.to_le_bytes());
    let sum = xxh3_64(&out[..24]);
    out[24..].copy_from_slice(&sum.to_le_bytes());
    out
}

/// Reads a segment's head: the number that the next envelope gets. `None` when it is not this segment's.
pub(super) fn read_segment_head(bytes: &[u8], number: u64) -> Option<u64> {
    let head = bytes.first_chunk::<SEGMENT_HEAD_BYTES>()?;
    let next_seq = Cursor(&head[16..]).u64()?;
    (*head == segment_head(number, next_seq)).then_some(next_seq)
}

/// Operations on their way to the log, with room in front for the frame's head.
#[derive(Debug)]
pub(crate) struct Ops {
    bytes: Vec<u8>,
    bodies_bytes: usize,
}

impl Default for Ops {
    fn default() -> Self {
        Self { bytes: vec![0; FRAME_HEAD_BYTES], bodies_bytes: 0 }
    }
}

impl Ops {
    /// Adds one.
    pub(crate) fn push(&mut self, op: Op<'_>) {
        let out = &mut self.bytes;
        match op {
            Op::Send(send) => {
                self.bodies_bytes += to_usize(send.body_bytes);
                push_send(out, &send);
            }
            Op::Received { seq, count } => {
                push_seq(out, RECEIVED, seq);
                out.extend_from_slice(&count.to_le_bytes());
            }
            Op::Deleted { seq } => push_seq(out, DELETED, seq),
            Op::Dead { seq } => push_seq(out, DEAD, seq),
            Op::Remember { dedup, until } => {
                out.push(REMEMBER);
                out.extend_from_slice(&until.0.to_le_bytes());
                push_text(out, dedup);
            }
        }
    }

    /// Whether none was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == FRAME_HEAD_BYTES
    }

    /// The operations, as [`each_op`] reads them.
    pub(super) fn meta(&self) -> &[u8] {
        &self.bytes[FRAME_HEAD_BYTES..]
    }

    /// Bytes of the whole frame, bodies included.
    pub(super) fn frame_bytes(&self) -> usize {
        self.bytes.len() + self.bodies_bytes
    }

    /// Fills in the frame's head for this place; what comes out goes to the log, with the bodies behind it. `None` when
    /// it is too long for a frame.
    pub(super) fn seal(&mut self, segment: u64, offset: u64) -> Option<&[u8]> {
        let meta = self.bytes.len() - FRAME_HEAD_BYTES;
        if meta > META_BYTES_MAX || self.bodies_bytes > BODIES_BYTES_MAX {
            return None;
        }
        let (meta, bodies) = (u32::try_from(meta).ok()?, u32::try_from(self.bodies_bytes).ok()?);
        self.bytes[..4].copy_from_slice(&FRAME_MAGIC);
        self.bytes[12..16].copy_from_slice(&meta.to_le_bytes());
        self.bytes[16..20].copy_from_slice(&bodies.to_le_bytes());
        let sum = xxh3_64_with_seed(&self.bytes[12..], seed(segment, offset));
        self.bytes[4..12].copy_from_slice(&sum.to_le_bytes());
        Some(&self.bytes)
    }
}

/// A frame is good at its own place only: bytes of a body that look like one, or an old one, are none.
fn seed(segment: u64, offset: u64) -> u64 {
    segment.rotate_left(40) ^ offset
}

fn push_seq(out: &mut Vec<u8>, tag: u8, seq: u64) {
    out.push(tag);
    out.extend_from_slice(&seq.to_le_bytes());
}

/// The port refuses longer text; here it would be cut.
fn push_text(out: &mut Vec<u8>, text: &str) {
    let bytes = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
    out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn push_send(out: &mut Vec<u8>, send: &SendOp<'_>) {
    let flag = |on, flag| if on { flag } else { 0 };
    push_seq(out, SEND, send.seq);
    out.push(
        flag(send.dead, FLAG_DEAD)
            | flag(send.delay_until.is_some(), FLAG_DELAYED)
            | flag(send.group.is_some(), FLAG_GROUP),
    );
    out.extend_from_slice(&send.receives.to_le_bytes());
    out.extend_from_slice(&send.body_bytes.to_le_bytes());
    out.extend_from_slice(&send.body_hash.to_le_bytes());
    if let Some(until) = send.delay_until {
        out.extend_from_slice(&until.0.to_le_bytes());
    }
    if let Some(group) = send.group {
        push_text(out, group);
    }
}

/// Why there is no frame where one was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoFrame {
    /// The file ends within it: a write that was cut short.
    Torn,
    /// The bytes are not what was written.
    Bad,
}

/// Where a frame's parts lie, from the frame's first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FrameParts {
    /// The operations.
    pub(super) meta: Range<usize>,
    /// All bodies.
    pub(super) bodies: Range<usize>,
}

/// Checks the frame at the start of `bytes`, bodies included.
pub(super) fn read_frame(bytes: &[u8], segment: u64, offset: u64) -> Result<FrameParts, NoFrame> {
    let magic = bytes.get(..4).ok_or(NoFrame::Torn)?;
    if magic != FRAME_MAGIC {
        return Err(NoFrame::Bad);
    }
    let mut head = Cursor(bytes.get(4..FRAME_HEAD_BYTES).ok_or(NoFrame::Torn)?);
    let (Some(sum), Some(meta), Some(bodies)) = (head.u64(), head.u32(), head.u32()) else {
        return Err(NoFrame::Torn);
    };
    let (meta, bodies) = (to_usize(meta), to_usize(bodies));
    if meta > META_BYTES_MAX || bodies > BODIES_BYTES_MAX {
        return Err(NoFrame::Bad);
    }
    let bodies_at = FRAME_HEAD_BYTES + meta;
    let parts = FrameParts { meta: FRAME_HEAD_BYTES..bodies_at, bodies: bodies_at..bodies_at + bodies };
    let sealed = bytes.get(12..bodies_at).ok_or(NoFrame::Torn)?;
    if xxh3_64_with_seed(sealed, seed(segment, offset)) != sum {
        return Err(NoFrame::Bad);
    }
    let bodies = bytes.get(parts.bodies.clone()).ok_or(NoFrame::Torn)?;
    if bodies_are_whole(&bytes[parts.meta.clone()], bodies) { Ok(parts) } else { Err(NoFrame::Bad) }
}

fn bodies_are_whole(meta: &[u8], bodies: &[u8]) -> bool {
    let (mut rest, mut good) = (bodies, true);
    let read = each_op(meta, |op| {
        let Op::Send(send) = op else { return };
        match rest.split_at_checked(to_usize(send.body_bytes)) {
            Some((body, behind)) if xxh3_64(body) == send.body_hash => rest = behind,
            _ => good = false,
        }
    });
    read && good && rest.is_empty()
}

/// Reads a frame's operations, in order. False when they can't be read to their end.
pub(super) fn each_op<'a>(meta: &'a [u8], mut each: impl FnMut(Op<'a>)) -> bool {
    let mut cursor = Cursor(meta);
    while !cursor.0.is_empty() {
        let Some(op) = read_op(&mut cursor) else { return false };
        each(op);
    }
    true
}

fn read_op<'a>(r: &mut Cursor<'a>) -> Option<Op<'a>> {
    Some(match r.u8()? {
        SEND => Op::Send(read_send(r)?),
        RECEIVED => Op::Received { seq: r.u64()?, count: r.u32()? },
        DELETED => Op::Deleted { seq: r.u64()? },
        DEAD => Op::Dead { seq: r.u64()? },
        REMEMBER => {
            let until = r.time()?;
            Op::Remember { dedup: r.text()?, until }
        }
        _ => return None,
    })
}

fn read_send<'a>(r: &mut Cursor<'a>) -> Option<SendOp<'a>> {
    let (seq, flags) = (r.u64()?, r.u8()?);
    let (receives, body_bytes, body_hash) = (r.u32()?, r.u32()?, r.u64()?);
    let delay_until = if flags & FLAG_DELAYED == 0 { None } else { Some(r.time()?) };
    let group = if flags & FLAG_GROUP == 0 { None } else { Some(r.text()?) };
    let dead = flags & FLAG_DEAD != 0;
    Some(SendOp { seq, receives, dead, delay_until, group, body_bytes, body_hash })
}

/// Reads from the front of a slice.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn time(&mut self) -> Option<UnixMs> {
        self.array().map(i64::from_le_bytes).map(UnixMs)
    }

    fn text(&mut self) -> Option<&'a str> {
        let n = self.u16()?.into();
        std::str::from_utf8(self.take(n)?).ok()
    }
}

/// Widens a length; every platform that this runs on has at least 32 bits.
pub(super) fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
