//! Ctrl-C in the middle of a demo or a rehearsal: its processes end, one that hangs on purpose too, and its directory goes.

use rustix::process::{Pid, Signal, kill_process};
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::signal::unix::{SignalKind, signal};

/// Set before anything else is done about an interruption.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Comes back only where nobody has interrupted this. Asked before whatever must not happen after Ctrl-C: what was begun elsewhere
/// goes no further, and this process ends as the interruption has it end.
pub(crate) fn wait_if_interrupted() {
    if INTERRUPTED.load(Ordering::SeqCst) {
        wait_for_the_end();
    }
}

/// What has to be put away.
static OPEN: Mutex<Option<(PathBuf, Vec<u32>)>> = Mutex::new(None);

/// What is said of services that run elsewhere, instead of that nothing runs.
static ELSEWHERE: Mutex<Option<String>> = Mutex::new(None);

/// What goes on elsewhere when this is interrupted.
pub(crate) fn elsewhere(goes_on: String) {
    *ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner) = Some(goes_on);
}

/// What is still to be done when this is interrupted; it answers what to say of it.
type Last = Box<dyn FnOnce() -> String + Send>;

/// Besides, what to say when nobody waited for its end.
static LAST: Mutex<Option<(Last, &'static str)>> = Mutex::new(None);

/// Does this, too, when interrupted. It should take no longer than a person waits; of one who has no time, and interrupts again, it
/// is said that it is `perhaps_undone`.
pub(crate) fn last(act: impl FnOnce() -> String + Send + 'static, perhaps_undone: &'static str) {
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some((Box::new(act), perhaps_undone));
}

fn open() -> MutexGuard<'static, Option<(PathBuf, Vec<u32>)>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As long as this lives, an interruption puts the directory and the processes away.
pub(crate) struct Open;

impl Open {
    pub(crate) fn new(dir: &Path, processes: &[u32]) -> Self {
        *open() = Some((dir.to_owned(), processes.to_vec()));
        Self
    }
}

/// Starts one more process, while [`Open`] lives. An interruption waits until it is known: it would make its files again
/// that were put away.
pub(crate) fn starting<T>(
    start: impl FnOnce() -> anyhow::Result<T>,
    pid: impl FnOnce(&T) -> u32,
) -> anyhow::Result<T> {
    let mut open = open();
    let Some((_, processes)) = open.as_mut() else {
        drop(open);
        wait_for_the_end()
    };
    let started = start()?;
    processes.push(pid(&started));
    Ok(started)
}

/// A process was started again, and is this one now.
pub(crate) fn started_again(before: u32, process: u32) {
    if let Some((_, processes)) = open().as_mut() {
        processes.retain(|pid| *pid != before);
        processes.push(process);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if open().take().is_none() {
            wait_for_the_end();
        }
    }
}

/// Interrupted: whoever listens ends this process, and what goes wrong meanwhile is of its making.
fn wait_for_the_end() -> ! {
    loop {
        std::thread::park();
    }
}

/// Listens for Ctrl-C and SIGTERM from now on, on a thread of its own. `more` is what can be said beyond that nothing runs.
pub(crate) fn listen(more: &'static str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("interrupted".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        INTERRUPTED.store(true, Ordering::SeqCst);
        let dir = end_processes();
        let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
        let last = last.map(|(act, perhaps_undone)| {
            let (done, said) = tokio::sync::oneshot::channel();
            std::thread::spawn(move || done.send(act()));
            let said = runtime.block_on(async {
                tokio::select! {
                    // None where it panicked.
                    said = said => said.ok(),
                    // Somebody who presses it twice has no time.
                    _ = interrupt.recv() => None,
                    _ = terminate.recv() => None,
                }
            });
            said.unwrap_or_else(|| perhaps_undone.to_owned())
        });
        let last = last.map(|said| format!(" {said}")).unwrap_or_default();
        let said = match ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner).as_deref() {
            None => format!("owl: interrupted; nothing is left running, and {more}{last}"),
            Some(goes_on) => format!("owl: interrupted; {more}. {goes_on}{last}"),
        };
        // Nobody may be there to read it (`| tee`, which the same Ctrl-C ended): this process ends all the same.
        let _ = writeln!(std::io::stderr(), "{said}");
        leave(dir.as_deref());
    })?;
    Ok(())
}

/// Ends all processes but this one. Answers the directory.
fn end_processes() -> Option<PathBuf> {
    let (dir, processes) = open().take()?;
    for pid in processes.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
        // SIGKILL ends a stopped process too; one that has gone needs nothing.
        let _ = kill_process(pid, Signal::KILL);
    }
    Some(dir)
}

/// Ends this process, and removes the directory. In this order, because other threads may be making files in it: the shell
/// takes this process's place, and its threads are gone.
#[expect(clippy::disallowed_methods, reason = "the main thread waits for others and can't be called back")]
fn leave(dir: Option<&Path>) -> ! {
    if let Some(dir) = dir {
        // Comes back only where there is no shell.
        let _ = Command::new("sh").args(["-c", "rm -rf -- \"$0\"; exit 130"]).arg(dir).exec();
        let _ = std::fs::remove_dir_all(dir);
    }
    std::process::exit(130)
}
