//! Opens a log: every segment is read, in order, into the index. A torn tail is cut off; damage is named and skipped.

use super::scan::{BodyOffsets, scan};
use super::{Files, Log, LogError, SEGMENT_BYTES, SEGMENT_HEAD_BYTES, Segment, segment_path};
use common::time::UnixMs;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a queue's log that are not what was written. What they held is lost; everything else was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub file: PathBuf,
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// What it looks like.
    pub what: &'static str,
}

impl Log {
    /// Opens or begins the log in this directory, which exists. Answers the damage that it found too.
    pub(crate) fn open(
        dir: &Path,
        files: Arc<dyn Files>,
        fsync: bool,
        now: UnixMs,
    ) -> Result<(Self, Vec<Damage>), LogError> {
        let mut log = Self {
            dir: dir.to_owned(),
            files,
            fsync,
            segments: BTreeMap::new(),
            entries: HashMap::new(),
            remembered: VecDeque::new(),
            next_seq: 1,
            tail_is_dirty: false,
            stopped: None,
            segment_bytes: SEGMENT_BYTES,
        };
        let numbers = segment_numbers(dir)?;
        let mut damage = gaps(dir, &numbers);
        for number in &numbers {
            log.replay(*number, numbers.last() == Some(number), &mut damage)?;
        }
        for found in &damage {
            let (file, offset, bytes) = (found.file.display(), found.offset, found.bytes);
            tracing::error!(%file, offset, bytes, what = found.what, "queue log is damaged; what these bytes held is lost");
        }
        log.make_room(now)?;
        log.drop_dead_segments();
        Ok((log, damage))
    }

    /// Reads one segment into the index.
    fn replay(&mut self, number: u64, is_last: bool, damage: &mut Vec<Damage>) -> Result<(), LogError> {
        let path = self.path(number);
        let file = self.files.open(&path)?;
        let bytes = file.read_all()?;
        self.segments.insert(number, Segment { file: file.clone(), bytes: 0, alive: 0, alive_bytes: 0 });
        let found = scan(&bytes, number, |at, parts| {
            self.apply(number, &bytes[at..][parts.meta.clone()], BodyOffsets::new(at as u64, parts));
        });
        let named = |(offset, bytes), what| Damage { file: path.clone(), offset, bytes, what };
        damage.extend(found.damage.iter().map(|range| named(*range, "changed bytes between good ones")));
        self.next_seq = self.next_seq.max(found.next_seq.unwrap_or(0));
        let has_no_head = found.next_seq.is_none() && bytes.len() < SEGMENT_HEAD_BYTES;
        if has_no_head && !is_last {
            damage.push(named((0, bytes.len() as u64), "a segment without its head"));
        }
        if found.tail_bytes > 0 {
            if !is_last || !found.tail_is_torn {
                damage
                    .push(named((found.good_bytes, found.tail_bytes), "changed or missing bytes at the end"));
            } else {
                let (file, cut_bytes) = (path.display(), found.tail_bytes);
                tracing::warn!(%file, cut_bytes, "cut off a queue log frame that was never acknowledged");
            }
        }
        if is_last && has_no_head {
            // The process ended while it began this segment.
            self.segments.remove(&number);
            self.files.remove(&path)?;
        } else if let Some(segment) = self.segments.get_mut(&number) {
            segment.bytes = found.good_bytes;
            if is_last && found.tail_bytes > 0 {
                file.truncate(found.good_bytes)?;
            }
        }
        Ok(())
    }
}

fn segment_numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for file in std::fs::read_dir(dir)? {
        let name = file?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|n| n.strip_suffix(".log")).and_then(|n| n.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Segments go oldest first: one that is missing between others was taken away.
fn gaps(dir: &Path, numbers: &[u64]) -> Vec<Damage> {
    let missing = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1);
    missing
        .map(|pair| Damage {
            file: segment_path(dir, pair[0] + 1),
            offset: 0,
            bytes: 0,
            what: "missing segment, or several",
        })
        .collect()
}
