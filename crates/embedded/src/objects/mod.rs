//! The object store as files. An object is written beside the store and then renamed into it, so that a reader sees a
//! whole object or none; what a dead process left half-written is removed at open.

mod key;
mod writer;

use crate::lock::DirLock;
use crate::sync::blocking;
use async_trait::async_trait;
use bytes::Bytes;
use common::ports::{ObjectMeta, ObjectStore, ObjectWriter, PortError, Put, PutMode};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use writer::{FileWriter, NewFile};

pub(super) const WHAT: &str = "the object store";

/// Objects as files.
pub(crate) struct FileObjects(Arc<Inner>);

struct Inner {
    root: PathBuf,
    /// On the same file system as `root`, so that a rename moves.
    scratch: PathBuf,
    fsync: bool,
    next: AtomicU64,
    _lock: Arc<DirLock>,
}

fn failed(e: &io::Error) -> PortError {
    PortError::Unavailable { what: WHAT, why: e.to_string() }
}

/// `None` where there is no such file.
fn found<T>(result: io::Result<T>) -> Result<Option<T>, PortError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(failed(&e)),
    }
}

impl FileObjects {
    /// Opens the store in `root`, with its unfinished objects in `scratch`.
    pub(crate) fn open(root: PathBuf, scratch: PathBuf, fsync: bool, lock: Arc<DirLock>) -> io::Result<Self> {
        fs::create_dir_all(&root)?;
        if scratch.exists() {
            fs::remove_dir_all(&scratch)?;
        }
        fs::create_dir_all(&scratch)?;
        Ok(Self(Arc::new(Inner { root, scratch, fsync, next: AtomicU64::new(0), _lock: lock })))
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let inner = self.0.clone();
        blocking(WHAT, move || work(&inner)).await
    }
}

impl Inner {
    /// A file for an object that nobody sees yet.
    fn new_file(&self) -> io::Result<NewFile> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        NewFile::create(self.scratch.join(format!("{number}.part")))
    }

    /// Makes a finished file visible under `path`. Its old name goes when `file` is dropped.
    fn publish(&self, file: &NewFile, path: &Path, mode: PutMode) -> io::Result<Put> {
        if self.fsync {
            file.sync()?;
        }
        let dir = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(dir)?;
        match mode {
            PutMode::Replace => file.rename(path)?,
            PutMode::IfAbsent => match fs::hard_link(file.path(), path) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(Put::Exists),
                Err(e) => return Err(e),
            },
        }
        if self.fsync {
            // New directories above have entries to be kept too.
            for dir in dir.ancestors().take_while(|dir| dir.starts_with(&self.root)) {
                File::open(dir)?.sync_all()?;
            }
        }
        Ok(Put::Stored)
    }

    /// Adds every object below `dir` whose key begins with `prefix`.
    fn walk(
        &self,
        dir: &Path,
        above: &str,
        prefix: &str,
        out: &mut Vec<ObjectMeta>,
    ) -> Result<(), PortError> {
        let Some(entries) = found(fs::read_dir(dir))? else { return Ok(()) };
        for entry in entries {
            let entry = entry.map_err(|e| failed(&e))?;
            match entry.file_name().to_str().and_then(key::read) {
                Some(key::Name::Directory(part)) => {
                    let above = format!("{above}{part}/");
                    if above.starts_with(prefix) || prefix.starts_with(&above) {
                        self.walk(&entry.path(), &above, prefix, out)?;
                    }
                }
                Some(key::Name::Object(part)) => {
                    let key = format!("{above}{part}");
                    // One that was deleted meanwhile is not listed.
                    if key.starts_with(prefix)
                        && let Some(meta) = found(entry.metadata())?
                    {
                        out.push(ObjectMeta { key, bytes: meta.len() });
                    }
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// A file's bytes, or a range of them, cut at the end.
fn read(path: &Path, range: Option<Range<u64>>) -> io::Result<Bytes> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let Range { start, end } = range.unwrap_or(0..length);
    let (start, end) = (start.min(length), end.min(length));
    let size = usize::try_from(end.saturating_sub(start)).map_err(|_| ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes.into())
}

#[async_trait]
impl ObjectStore for FileObjects {
    async fn put(&self, key: &str, bytes: Bytes, mode: PutMode) -> Result<Put, PortError> {
        let path = key::path(&self.0.root, key)?;
        self.run(move |inner| {
            let mut file = inner.new_file().map_err(|e| failed(&e))?;
            file.write(&bytes).and_then(|()| inner.publish(&file, &path, mode)).map_err(|e| failed(&e))
        })
        .await
    }

    async fn writer(&self, key: &str) -> Result<Box<dyn ObjectWriter>, PortError> {
        let path = key::path(&self.0.root, key)?;
        let file = self.0.new_file().map_err(|e| failed(&e))?;
        Ok(Box::new(FileWriter::new(self.0.clone(), file, path)))
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Option<Bytes>, PortError> {
        let path = key::path(&self.0.root, key)?;
        self.run(move |_| found(read(&path, range))).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>, PortError> {
        let (path, key) = (key::path(&self.0.root, key)?, key.to_owned());
        self.run(move |_| {
            let meta = found(fs::metadata(path))?;
            Ok(meta.map(|meta| ObjectMeta { key, bytes: meta.len() }))
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, PortError> {
        let prefix = prefix.to_owned();
        self.run(move |inner| {
            let mut out = Vec::new();
            let (dir, above) = key::directory(&inner.root, &prefix);
            inner.walk(&dir, above, &prefix, &mut out)?;
            out.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            Ok(out)
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        let path = key::path(&self.0.root, key)?;
        self.run(move |_| found(fs::remove_file(path)).map(|_| ())).await
    }
}
