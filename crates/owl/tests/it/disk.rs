//! A disk that is full, on a small file system of its own. Where no such may be mounted (it takes user namespaces), the test says so
//! and shows nothing.

use super::support::{Stage, owl_by, wait_until};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Large enough for tables and queues of a few thousand devices.
const MEGABYTES: u32 = 256;

/// A file system in memory, seen by those who enter it. It goes with the process that holds it.
struct Disk {
    holder: Child,
    at: PathBuf,
}

impl Disk {
    /// Nothing, where this machine allows none.
    fn at(path: &Path) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let script = format!("mount -t tmpfs -o size={MEGABYTES}m none \"$0\" && echo ready && exec cat");
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", &script]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().ok()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take()?).read_line(&mut line).ok()?;
        let disk = Self { holder, at: path.to_owned() };
        (line == "ready\n" && disk.filler().parent()?.is_dir()).then_some(disk)
    }

    /// Starts the program where the disk is.
    fn command(&self) -> Command {
        let pid = self.holder.id().to_string();
        owl_by("nsenter", &["-t", &pid, "-U", "-m", "--preserve-credentials"])
    }

    fn filler(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.at.strip_prefix("/").unwrap()).join("filler")
    }

    /// Until not one more page fits.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).unwrap();
        for size in [1 << 20, 4096] {
            let zeros = vec![0; size];
            let full = loop {
                match file.write_all(&zeros) {
                    Ok(()) => {}
                    Err(error) => break error,
                }
            };
            assert_eq!(full.kind(), ErrorKind::StorageFull);
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// What is pressed while nothing can be written says so; once there is space again (and `owl up` was started again) it is pressed,
/// and everybody is sent to once.
#[test]
fn on_a_full_disk_a_press_says_so_and_later_everybody_is_sent_to_once() {
    let mut stage = Stage::of_gateways(&["--round-trip-ms", "20"]);
    let Some(disk) = Disk::at(&stage.data_dir()) else {
        eprintln!("not shown here: no file system may be mounted");
        return;
    };
    stage.up_by(disk.command());
    stage.armed(3_000, &["--batch-users", "10"]);
    disk.fill();
    // Writes find room for a moment yet, in a page that is there already.
    let write = || stage.run(&["token", "create", "--name", "x", "--role", "marketer"]);
    wait_until("a write that fails", || !write().status.success());
    let preflight = String::from_utf8(stage.run(&["preflight", "c"]).stdout).unwrap();
    assert!(
        preflight.contains("the data directory's disk has 0 MB left, and this may write 66 MB"),
        "{preflight}"
    );
    let said = stage.bad(&["campaign", "press", "c"]);
    let is_told = [
        "No space left on device",
        "an earlier write to the disk failed; restart owl on this data directory",
    ];
    assert!(is_told.iter().any(|words| said.contains(words)), "{said}");
    disk.free();
    stage.take_up().kill();
    stage.up_by(disk.command());
    let receipt = stage.good(&["campaign", "press", "c"]);
    assert_eq!(receipt["result"], "pressed", "what could not be written did not happen");
    stage.wait_for_state("done");
    let summary = stage.summary();
    assert_eq!((summary.accepted_devices, summary.duplicates), (3_000, 0));
}
