//! Stage 1: streams the upload and spreads its entries over the shards.
//!
//! The entries go out in segments of bounded size, each holding its part of every shard one behind the other; the
//! checkpoint says where each part ends. So memory is bounded whatever the number of shards, and a shard is read with
//! one ranged get for each segment. Where a segment ends depends on the list alone: whoever does it again writes the
//! same ones. A stage that was broken off is done again as a whole: it takes a second for 4 million.

use super::scratch::{Head, of_shard};
use super::{BuildError, Ctx};
use crate::fault::BadLine;
use crate::users::{Entry, ListFacts, ListReader};
use bytes::Bytes;
use common::campaign::{ListFormat, Options, Upload};
use common::ports::PortError;
use common::snapshot::shard_of;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Entries held before they go out: with what is on its way, 100 MiB at most.
const SEGMENT_BYTES: usize = 24 << 20;
/// Bytes of one ranged get of the upload.
const GET_BYTES: u64 = 4 << 20;
const NAME: &str = "partition";
const SEGMENT: &str = "segment";
/// In the place of an id's length: a bad line.
const BAD: u8 = u8::MAX;
pub(super) const STAGE: &str = "reading the list";

/// What a partition was made from: a checkpoint of anything else is of no use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Inputs {
    upload: Upload,
    options: Options,
}

/// The checkpoint of this stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Partition {
    inputs: Inputs,
    /// For each segment, where the part of each shard ends.
    ends: Vec<Vec<u64>>,
    /// Lines that should name a user.
    pub(super) uploaded: u64,
}

pub(super) async fn partition(ctx: &Ctx) -> Result<Partition, BuildError> {
    let inputs = Inputs { upload: ctx.upload.clone(), options: ctx.options.clone() };
    match ctx.scratch.head::<Partition>(NAME).await? {
        Some(Head { head, .. }) if head.inputs == inputs => return Ok(head),
        Some(_) => ctx.scratch.clear().await?,
        None => {}
    }
    ctx.keeper.tick(STAGE, 0, 0).await?;
    let (chunks, to_parse) = mpsc::channel(1);
    let (parsed, segments) = mpsc::channel(1);
    let (format, shards) = (ctx.upload.format, ctx.options.shards);
    let parser = tokio::task::spawn_blocking(move || parse(format, shards, to_parse, parsed));
    // An error on either side drops both channels, and the parser ends.
    let ((), ends) = tokio::try_join!(fetch(ctx, chunks), store(ctx, segments))?;
    let facts = parser.await.map_err(|e| BuildError::broken(&e))??;
    let partition = Partition { inputs, ends, uploaded: facts.entries };
    Ok(ctx.scratch.put(NAME, partition, &[]).await?.head)
}

async fn fetch(ctx: &Ctx, chunks: mpsc::Sender<Bytes>) -> Result<(), BuildError> {
    let (key, mut at) = (&ctx.upload.object, 0);
    loop {
        let piece = ctx.backend.objects.get(key, Some(at..at + GET_BYTES)).await?;
        let piece = piece.ok_or_else(|| BuildError::UploadGone(key.clone()))?;
        at += piece.len() as u64;
        // A parser that is gone has found a fault, which is answered in its place.
        if piece.is_empty() || chunks.send(piece).await.is_err() {
            return Ok(());
        }
    }
}

async fn store(ctx: &Ctx, mut segments: mpsc::Receiver<Segment>) -> Result<Vec<Vec<u64>>, BuildError> {
    let mut ends = vec![];
    while let Some(segment) = segments.recv().await {
        let number = u16::try_from(ends.len()).map_err(|e| BuildError::Faulty(e.to_string()))?;
        ctx.scratch.put_raw(&of_shard(SEGMENT, number), segment.bytes).await?;
        ends.push(segment.ends);
        ctx.keeper.tick(STAGE, segment.entries, 0).await?;
    }
    Ok(ends)
}

fn parse(
    format: ListFormat,
    shards: u16,
    mut chunks: mpsc::Receiver<Bytes>,
    out: mpsc::Sender<Segment>,
) -> Result<ListFacts, BuildError> {
    let mut reader = ListReader::new(Some(format), None)?;
    let mut spread = Spread::new(shards, out);
    while let Some(chunk) = chunks.blocking_recv() {
        reader.feed(&chunk, |entry| spread.entry(&entry))?;
    }
    let facts = reader.finish(|entry| spread.entry(&entry))?;
    spread.flush();
    Ok(facts)
}

/// A part of every shard's entries.
struct Segment {
    bytes: Bytes,
    ends: Vec<u64>,
    /// Entries of the list up to here.
    entries: u64,
}

struct Spread {
    parts: Vec<Vec<u8>>,
    bytes: usize,
    entries: u64,
    out: mpsc::Sender<Segment>,
}

impl Spread {
    fn new(shards: u16, out: mpsc::Sender<Segment>) -> Self {
        Self { parts: vec![vec![]; usize::from(shards.max(1))], bytes: 0, entries: 0, out }
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        let shards = u16::try_from(self.parts.len()).unwrap_or(u16::MAX);
        let name = match entry {
            Entry::User { id, .. } => id,
            Entry::Bad(bad) => bad.text.as_str(),
        };
        let part = &mut self.parts[usize::from(shard_of(name, shards).0)];
        let before = part.len();
        match entry {
            Entry::User { line, id } => {
                part.push(u8::try_from(id.len()).unwrap_or(BAD - 1));
                part.extend_from_slice(&line.to_le_bytes());
                part.extend_from_slice(id.as_bytes());
            }
            Entry::Bad(bad) => put_bad(part, bad),
        }
        self.bytes += part.len() - before;
        self.entries += 1;
        if self.bytes >= SEGMENT_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut bytes = Vec::with_capacity(self.bytes);
        let mut ends = Vec::with_capacity(self.parts.len());
        for part in &mut self.parts {
            bytes.extend_from_slice(part);
            ends.push(bytes.len() as u64);
            part.clear();
        }
        self.bytes = 0;
        // Nobody takes it any more when the other side failed; then nobody reads what this answers either.
        let _ = self.out.blocking_send(Segment { bytes: bytes.into(), ends, entries: self.entries });
    }
}

fn put_bad(part: &mut Vec<u8>, bad: &BadLine) {
    part.push(BAD);
    part.extend_from_slice(&bad.line.to_le_bytes());
    for text in [&bad.text, &bad.why] {
        let length = u16::try_from(text.len()).unwrap_or(0);
        part.extend_from_slice(&length.to_le_bytes());
        part.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
    }
}

/// One entry as a segment has it.
pub(super) enum Record<'a> {
    User { line: u64, id: &'a str },
    Bad { line: u64, text: &'a str, why: &'a str },
}

/// A shard's entries, one part for each segment.
pub(super) async fn load(ctx: &Ctx, partition: &Partition, shard: u16) -> Result<Vec<Bytes>, BuildError> {
    let mut parts = Vec::with_capacity(partition.ends.len());
    for (number, ends) in (0u16..).zip(&partition.ends) {
        let before = usize::from(shard).checked_sub(1).and_then(|n| ends.get(n)).copied().unwrap_or(0);
        let end = ends.get(usize::from(shard)).copied().unwrap_or(before);
        parts.push(ctx.scratch.raw(&of_shard(SEGMENT, number), before..end).await?);
    }
    Ok(parts)
}

/// Every entry of one part.
pub(super) fn records(mut rest: &[u8]) -> impl Iterator<Item = Result<Record<'_>, BuildError>> {
    let damaged =
        || PortError::Corrupt { what: "a segment of the build", why: "an entry is cut off".to_owned() };
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let record = record(&mut rest).ok_or_else(|| damaged().into());
        if record.is_err() {
            rest = &[];
        }
        Some(record)
    })
}

fn record<'a>(rest: &mut &'a [u8]) -> Option<Record<'a>> {
    let length = take(rest, 1)?[0];
    let line = u64::from_le_bytes(*take(rest, 8)?.first_chunk()?);
    if length != BAD {
        return Some(Record::User { line, id: std::str::from_utf8(take(rest, length.into())?).ok()? });
    }
    let mut text = || {
        let length = u16::from_le_bytes(*take(rest, 2)?.first_chunk()?);
        std::str::from_utf8(take(rest, length.into())?).ok()
    };
    Some(Record::Bad { line, text: text()?, why: text()? })
}

fn take<'a>(rest: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (part, behind) = rest.split_at_checked(n)?;
    *rest = behind;
    Some(part)
}
