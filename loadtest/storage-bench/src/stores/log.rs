//! The yardstick: an append-only log in segments, and an index in memory. What a commit costs at the least.
//!
//! A commit is one checksummed frame, written with one `writev`. A segment is removed when nothing in it is alive *and*
//! all older ones are gone, so that a tombstone outlives what it buries. It does not copy survivors forward: one
//! envelope that is never deleted keeps all later segments.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File, OpenOptions},
    io::{IoSlice, Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use xxhash_rust::xxh3::Xxh3;

use super::{Durability, Op, Store, TABLES, Table};

/// A segment takes no further frame beyond this size.
const SEGMENT_BYTES: u64 = 32 << 20;
/// Frame header: checksum (8), length of what follows (4).
const FRAME_BYTES: usize = 12;
/// Operation header: table (1), kind (1), key length (2), value length (4).
const OP_BYTES: usize = 8;

struct Segment {
    file: File,
    bytes: u64,
    alive: u64,
}

#[derive(Clone, Copy)]
struct Place {
    segment: u64,
    offset: u64,
    bytes: u32,
}

pub struct Log {
    dir: PathBuf,
    durability: Durability,
    segments: BTreeMap<u64, Segment>,
    index: [HashMap<Box<[u8]>, Place>; TABLES.len()],
    headers: Vec<u8>,
}

impl Log {
    pub fn open(dir: &Path, durability: Durability) -> Result<Self> {
        let mut log = Self {
            dir: dir.to_owned(),
            durability,
            segments: BTreeMap::new(),
            index: Default::default(),
            headers: Vec::new(),
        };
        let mut numbers: Vec<u64> = fs::read_dir(dir)?
            .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str()?.parse().ok())
            .collect();
        numbers.sort_unstable();
        for number in numbers {
            log.replay(number)?;
        }
        if log.segments.is_empty() {
            log.add_segment(0)?;
        }
        log.drop_dead_segments()?;
        Ok(log)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:010}.log"))
    }

    fn add_segment(&mut self, number: u64) -> Result<()> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(self.path(number))?;
        self.segments.insert(number, Segment { file, bytes: 0, alive: 0 });
        Ok(())
    }

    /// Reads a segment into the index; a torn frame at its end is cut off.
    fn replay(&mut self, number: u64) -> Result<()> {
        self.add_segment(number)?;
        let mut content = Vec::new();
        File::open(self.path(number))?.read_to_end(&mut content)?;
        let mut at = 0;
        while let Some(frame) = frame_at(&content[at..]) {
            let mut offset = at + FRAME_BYTES;
            let mut rest = frame;
            while rest.len() >= OP_BYTES {
                let table = TABLES[usize::from(rest[0])];
                let put = rest[1] == 1;
                let key_bytes = usize::from(u16::from_le_bytes([rest[2], rest[3]]));
                let value_bytes = u32::from_le_bytes([rest[4], rest[5], rest[6], rest[7]]);
                let key = &rest[OP_BYTES..OP_BYTES + key_bytes];
                let value_at = offset + OP_BYTES + key_bytes;
                let place =
                    put.then_some(Place { segment: number, offset: value_at as u64, bytes: value_bytes });
                self.note(table, key, place);
                let step = OP_BYTES + key_bytes + value_bytes as usize;
                offset += step;
                rest = &rest[step..];
            }
            at += FRAME_BYTES + frame.len();
        }
        let segment = self.segments.get_mut(&number).context("the segment just added")?;
        segment.bytes = at as u64;
        segment.file.set_len(at as u64)?;
        Ok(())
    }

    /// Enters one operation into the index and the segments' counts of what is alive.
    fn note(&mut self, table: Table, key: &[u8], place: Option<Place>) {
        let index = &mut self.index[table as usize];
        let before = match place {
            Some(place) => index.insert(key.into(), place),
            None => index.remove(key),
        };
        if let Some(segment) = place.and_then(|place| self.segments.get_mut(&place.segment)) {
            segment.alive += 1;
        }
        if let Some(segment) = before.and_then(|place| self.segments.get_mut(&place.segment)) {
            segment.alive -= 1;
        }
    }

    fn drop_dead_segments(&mut self) -> Result<()> {
        while self.segments.len() > 1 {
            let Some(oldest) = self.segments.first_entry() else { break };
            if oldest.get().alive > 0 {
                break;
            }
            let number = *oldest.key();
            oldest.remove();
            fs::remove_file(self.path(number))?;
        }
        Ok(())
    }
}

/// The payload of the frame at the start of `bytes`, if it is whole.
fn frame_at(bytes: &[u8]) -> Option<&[u8]> {
    let sum = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    let length = u32::from_le_bytes(bytes.get(8..FRAME_BYTES)?.try_into().ok()?) as usize;
    let payload = bytes.get(FRAME_BYTES..FRAME_BYTES + length)?;
    (length > 0 && xxhash_rust::xxh3::xxh3_64(payload) == sum).then_some(payload)
}

/// `write_all` for several slices (the standard library's is unstable).
fn write_all(mut file: &File, mut slices: &mut [IoSlice<'_>]) -> Result<()> {
    while !slices.is_empty() {
        let written = file.write_vectored(slices)?;
        anyhow::ensure!(written > 0, "the disk took no bytes");
        IoSlice::advance_slices(&mut slices, written);
    }
    Ok(())
}

impl Store for Log {
    fn commit(&mut self, ops: &[Op<'_>]) -> Result<()> {
        self.headers.clear();
        for op in ops {
            let (table, kind, key, value) = match *op {
                Op::Put(table, key, value) => (table, 1, key, value),
                Op::Delete(table, key) => (table, 0, key, &[][..]),
            };
            self.headers.extend([table as u8, kind]);
            self.headers.extend(u16::try_from(key.len())?.to_le_bytes());
            self.headers.extend(u32::try_from(value.len())?.to_le_bytes());
        }
        let headers = std::mem::take(&mut self.headers);
        let mut slices = vec![IoSlice::new(&[])];
        for (op, header) in ops.iter().zip(headers.chunks_exact(OP_BYTES)) {
            slices.push(IoSlice::new(header));
            match op {
                Op::Put(_, key, value) => slices.extend([IoSlice::new(key), IoSlice::new(value)]),
                Op::Delete(_, key) => slices.push(IoSlice::new(key)),
            }
        }
        let mut sum = Xxh3::new();
        slices.iter().for_each(|slice| sum.update(slice));
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut frame = sum.digest().to_le_bytes().to_vec();
        frame.extend(u32::try_from(length)?.to_le_bytes());
        slices[0] = IoSlice::new(&frame);

        let (&last, segment) = self.segments.last_key_value().context("a log has a segment")?;
        let number = if segment.bytes < SEGMENT_BYTES { last } else { last + 1 };
        if number != last {
            self.add_segment(number)?;
        }
        let segment = self.segments.get_mut(&number).context("the segment just looked up")?;
        // writev takes at most 1024 slices; what follows the first part of a frame is found torn after a crash.
        for part in slices.chunks_mut(1024) {
            write_all(&segment.file, part)?;
        }
        if self.durability == Durability::Disk {
            segment.file.sync_data()?;
        }
        let mut offset = segment.bytes + FRAME_BYTES as u64;
        segment.bytes = offset + length as u64;
        for op in ops {
            match *op {
                Op::Put(table, key, value) => {
                    offset += (OP_BYTES + key.len()) as u64;
                    let place = Place { segment: number, offset, bytes: u32::try_from(value.len())? };
                    self.note(table, key, Some(place));
                    offset += value.len() as u64;
                }
                Op::Delete(table, key) => {
                    offset += (OP_BYTES + key.len()) as u64;
                    self.note(table, key, None);
                }
            }
        }
        self.headers = headers;
        self.drop_dead_segments()
    }

    fn get_many(
        &self,
        table: Table,
        keys: &[&[u8]],
        each: &mut dyn FnMut(usize, Option<&[u8]>),
    ) -> Result<()> {
        let mut value = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            match self.index[table as usize].get(*key) {
                Some(place) => {
                    value.resize(place.bytes as usize, 0);
                    let segment = self.segments.get(&place.segment).context("the index names a segment")?;
                    segment.file.read_exact_at(&mut value, place.offset)?;
                    each(at, Some(&value));
                }
                None => each(at, None),
            }
        }
        Ok(())
    }

    fn scan(&self, table: Table, _: &[u8], _: &[u8], _: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        anyhow::bail!("the log's index has no order, so {} cannot be scanned", table.name())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
