use super::format::read_frame;
use super::*;
use crate::sync::lock;
use proptest::prelude::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const NOW: UnixMs = UnixMs(1_000_000);

fn open(dir: &Path) -> (Log, Vec<Damage>) {
    Log::open(dir, Arc::new(DiskFiles), false, NOW).unwrap()
}

fn send_op(seq: Seq, body: &Bytes) -> Op<'static> {
    let (body_bytes, body_hash) = (u32::try_from(body.len()).unwrap(), xxh3_64(body));
    Op::Send(SendOp { seq, receives: 0, dead: false, delay_until: None, group: None, body_bytes, body_hash })
}

fn send(log: &mut Log, body: &str) -> Result<Seq, LogError> {
    let (seq, body) = (log.next_seq(), Bytes::from(body.to_owned()));
    let mut ops = Ops::default();
    ops.push(send_op(seq, &body));
    log.append(ops, &[body], NOW).map(|()| seq)
}

fn apply(log: &mut Log, op: Op<'_>) {
    let mut ops = Ops::default();
    ops.push(op);
    log.append(ops, &[], NOW).unwrap();
}

/// Every body that is alive, by number, with its count of receives and whether it is dead.
type Alive = BTreeMap<Seq, (String, u32, bool)>;

fn alive(log: &Log) -> Alive {
    let text = |seq| String::from_utf8(log.body(seq).unwrap().read().unwrap().to_vec()).unwrap();
    log.entries().map(|(seq, e)| (seq, (text(seq), e.receives, e.dead))).collect()
}

#[test]
fn everything_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path());
    for body in ["a", "b", "c", ""] {
        send(&mut log, body).unwrap();
    }
    apply(&mut log, Op::Received { seq: 1, count: 3 });
    apply(&mut log, Op::Dead { seq: 2 });
    apply(&mut log, Op::Deleted { seq: 3 });
    apply(&mut log, Op::Remember { dedup: "id", until: NOW.plus(std::time::Duration::from_secs(9)) });
    let before = alive(&log);
    drop(log);
    let (log, damage) = open(dir.path());
    assert_eq!((alive(&log), damage, log.next_seq()), (before, vec![], 5));
    assert_eq!(log.remembered().count(), 1);
    assert_eq!(alive(&log)[&1], ("a".to_owned(), 3, false));
    assert_eq!(alive(&log)[&2], ("b".to_owned(), 0, true));
}

#[test]
fn survivors_move_so_that_old_segments_can_go() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path());
    log.segment_bytes = 4_096;
    apply(&mut log, Op::Remember { dedup: "id", until: NOW.plus(std::time::Duration::from_secs(9)) });
    let kept = send(&mut log, "long-lived").unwrap();
    apply(&mut log, Op::Received { seq: kept, count: 2 });
    let dead = send(&mut log, "dead letter").unwrap();
    apply(&mut log, Op::Dead { seq: dead });
    for _ in 0..400 {
        let seq = send(&mut log, &"x".repeat(500)).unwrap();
        apply(&mut log, Op::Deleted { seq });
    }
    assert!(log.segments.len() <= 6, "{} segments", log.segments.len());
    assert!(!log.segments.contains_key(&1));
    let (before, next) = (alive(&log), log.next_seq());
    assert_eq!(before[&kept], ("long-lived".to_owned(), 2, false));
    assert_eq!(before[&dead], ("dead letter".to_owned(), 0, true));
    drop(log);
    let (log, damage) = open(dir.path());
    assert_eq!((alive(&log), damage, log.next_seq()), (before, vec![], next));
    assert!(log.remembered().any(|(_, id)| id == "id"));
}

#[test]
fn a_missing_segment_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path());
    log.segment_bytes = 100;
    for n in 0..5 {
        send(&mut log, &format!("body {n}")).unwrap();
    }
    assert!(log.segments.len() > 2);
    drop(log);
    std::fs::remove_file(segment_path(dir.path(), 2)).unwrap();
    let (log, damage) = open(dir.path());
    assert_eq!(damage.iter().map(|d| d.file.clone()).collect::<Vec<_>>(), [segment_path(dir.path(), 2)]);
    assert!(alive(&log).len() >= 2);
}

#[test]
fn numbers_are_never_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path());
    log.segment_bytes = 100;
    for _ in 0..20 {
        let seq = send(&mut log, "x").unwrap();
        apply(&mut log, Op::Deleted { seq });
    }
    assert!(log.segments.len() < 3);
    drop(log);
    assert_eq!(open(dir.path()).0.next_seq(), 21);
}

/// A disk with so many bytes left; it takes what fits of a write before it fails, as a full one does.
struct SmallDisk {
    left: Arc<AtomicU64>,
    truncates: bool,
}

struct SmallFile {
    file: Arc<dyn SegmentFile>,
    left: Arc<AtomicU64>,
    truncates: bool,
}

impl Files for SmallDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        let file = DiskFiles.open(path)?;
        Ok(Arc::new(SmallFile { file, left: self.left.clone(), truncates: self.truncates }))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskFiles.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        DiskFiles.sync_dir(dir)
    }
}

impl SegmentFile for SmallFile {
    fn append(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        for slice in slices {
            let fits = slice.len().min(usize::try_from(self.left.load(Ordering::SeqCst)).unwrap());
            if fits > 0 {
                self.file.append(&mut [IoSlice::new(&slice[..fits])])?;
            }
            self.left.fetch_sub(fits as u64, Ordering::SeqCst);
            if fits < slice.len() {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        Ok(())
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(buffer, offset)
    }
    fn read_all(&self) -> io::Result<Vec<u8>> {
        self.file.read_all()
    }
    fn truncate(&self, length: u64) -> io::Result<()> {
        if self.truncates || length == 0 {
            self.file.truncate(length)
        } else {
            Err(io::ErrorKind::Other.into())
        }
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

#[test]
fn a_full_disk_refuses_and_works_again_when_there_is_space() {
    for room in 0..120 {
        let dir = tempfile::tempdir().unwrap();
        let left = Arc::new(AtomicU64::new(10_000));
        let disk = SmallDisk { left: left.clone(), truncates: true };
        let (mut log, _) = Log::open(dir.path(), Arc::new(disk), false, NOW).unwrap();
        let first = send(&mut log, "first").unwrap();
        left.store(room, Ordering::SeqCst);
        let refused = send(&mut log, &"x".repeat(100)).unwrap_err();
        assert!(matches!(refused, LogError::Io(ref e) if e.kind() == io::ErrorKind::StorageFull));
        left.store(10_000, Ordering::SeqCst);
        let second = send(&mut log, "second").unwrap();
        assert_eq!(second, first + 1);
        let before = alive(&log);
        drop(log);
        let (log, damage) = open(dir.path());
        assert_eq!((alive(&log), damage), (before, vec![]));
    }
}

#[test]
fn what_cannot_even_be_cut_off_stops_writing_until_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let left = Arc::new(AtomicU64::new(10_000));
    let disk = SmallDisk { left: left.clone(), truncates: false };
    let (mut log, _) = Log::open(dir.path(), Arc::new(disk), false, NOW).unwrap();
    send(&mut log, "first").unwrap();
    left.store(20, Ordering::SeqCst);
    assert!(send(&mut log, "second").is_err());
    left.store(10_000, Ordering::SeqCst);
    assert!(send(&mut log, "third").is_err(), "behind half a frame nothing may be written");
    drop(log);
    let (log, damage) = open(dir.path());
    assert_eq!((alive(&log).len(), damage), (1, vec![]));
}

#[test]
fn a_new_segment_that_does_not_fit_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let left = Arc::new(AtomicU64::new(10_000));
    let disk = SmallDisk { left: left.clone(), truncates: true };
    let (mut log, _) = Log::open(dir.path(), Arc::new(disk), false, NOW).unwrap();
    log.segment_bytes = 100;
    send(&mut log, &"x".repeat(100)).unwrap();
    left.store(10, Ordering::SeqCst);
    assert!(send(&mut log, "second").is_err());
    assert_eq!(log.segments.len(), 1);
    left.store(10_000, Ordering::SeqCst);
    send(&mut log, "third").unwrap();
    drop(log);
    let (log, damage) = open(dir.path());
    assert_eq!((alive(&log).len(), damage), (2, vec![]));
}

/// A small log's bytes, with some of everything in it.
fn sample() -> &'static [u8] {
    static BYTES: Mutex<Option<&'static [u8]>> = Mutex::new(None);
    let mut bytes = lock(&BYTES);
    bytes.get_or_insert_with(|| {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, _) = open(dir.path());
        for n in 0..8 {
            let seq = send(&mut log, &format!("body {n}")).unwrap();
            apply(&mut log, Op::Received { seq, count: 1 });
        }
        apply(&mut log, Op::Deleted { seq: 2 });
        apply(&mut log, Op::Dead { seq: 3 });
        apply(&mut log, Op::Remember { dedup: "id", until: NOW.plus(std::time::Duration::from_secs(9)) });
        std::fs::read(segment_path(dir.path(), 1)).unwrap().leak()
    })
}

fn open_bytes(bytes: &[u8]) -> (Alive, Vec<Damage>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(segment_path(dir.path(), 1), bytes).unwrap();
    let (mut log, damage) = open(dir.path());
    let found = alive(&log);
    let seq = send(&mut log, "it goes on").unwrap();
    drop(log);
    assert_eq!(alive(&open(dir.path()).0).get(&seq).map(|e| &e.0[..]), Some("it goes on"));
    (found, damage)
}

#[test]
fn cut_anywhere_it_keeps_what_is_whole() {
    let whole = open_bytes(sample()).0;
    for cut in 0..sample().len() {
        let (found, damage) = open_bytes(&sample()[..cut]);
        assert_eq!(damage, vec![], "a torn tail is no damage, cut at {cut}");
        assert!(found.len() <= whole.len() + 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        open_bytes(&bytes);
    }

    #[test]
    fn one_changed_byte_loses_one_frame_at_most(at in 0_usize..1_200, with in 1_u8..) {
        let mut bytes = sample().to_vec();
        let at = at % bytes.len();
        bytes[at] ^= with;
        let (found, _) = open_bytes(&bytes);
        // A lost delete brings one back, a lost send takes one away.
        prop_assert!((6..=8).contains(&found.len()), "{} alive", found.len());
    }

    #[test]
    fn any_frame_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), lie in any::<u32>()) {
        let mut framed = vec![0; format::FRAME_HEAD_BYTES];
        framed[..4].copy_from_slice(&format::FRAME_MAGIC);
        framed[12..16].copy_from_slice(&lie.to_le_bytes());
        framed.extend_from_slice(&bytes);
        let _ = read_frame(&framed, 1, 0);
        format::each_op(&bytes, |_| {});
    }
}
