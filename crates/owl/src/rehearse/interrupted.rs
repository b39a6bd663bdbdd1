//! Ctrl-C in the middle of a rehearsal: its processes end, one that hangs on purpose too, and its directory goes.

use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What has to be put away.
static OPEN: Mutex<Option<(PathBuf, [u32; 2])>> = Mutex::new(None);

/// As long as this lives, an interruption puts the directory and the processes away.
pub(super) struct Open;

impl Open {
    pub(super) fn new(dir: &Path, processes: [u32; 2]) -> Self {
        *OPEN.lock().unwrap_or_else(PoisonError::into_inner) = Some((dir.to_owned(), processes));
        Self
    }
}

/// The first process was started again, and is this one now.
pub(super) fn started_again(process: u32) {
    if let Some((_, [first, _])) = OPEN.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        *first = process;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        *OPEN.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Listens for Ctrl-C and SIGTERM from now on, on a thread of its own.
#[expect(clippy::disallowed_methods, reason = "the main thread waits for others and can't be called back")]
pub(super) fn listen() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("interrupted".to_owned()).spawn(move || {
        if runtime.block_on(signal()).is_ok() {
            put_away();
            eprintln!("owl: interrupted; nothing is left running, and nothing was written");
            std::process::exit(130);
        }
    })?;
    Ok(())
}

async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        done = tokio::signal::ctrl_c() => done,
    }
}

fn put_away() {
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((dir, processes)) = open else { return };
    for pid in processes.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
        // SIGKILL ends a stopped process too; one that has gone needs nothing.
        let _ = kill_process(pid, Signal::KILL);
    }
    let _ = std::fs::remove_dir_all(dir);
}
