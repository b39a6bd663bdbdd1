//! Queue logs that somebody else has changed: what is whole is kept, what is not is named, nothing panics.

use crate::open;
use common::envelope::NewEnvelope;
use common::ports::{Backend, EntryResult};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

async fn send(backend: &Backend, bodies: &[&str]) {
    for body in bodies {
        let envelope = NewEnvelope::plain(body.to_string().into());
        assert_eq!(backend.batches.send(&[envelope]).await.unwrap(), [EntryResult::Ok]);
    }
}

async fn bodies(backend: &Backend) -> Vec<String> {
    let got = backend.batches.receive(10, Duration::ZERO, LONG).await.unwrap();
    got.iter().map(|r| String::from_utf8_lossy(&r.body).into_owned()).collect()
}

fn log(dir: &Path) -> PathBuf {
    dir.join("queues/batches/0000000001.log")
}

#[tokio::test]
async fn a_torn_tail_is_cut_off_and_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    send(&first.backend, &["one", "two", "three"]).await;
    drop(first);
    let bytes = std::fs::read(log(dir.path())).unwrap();
    std::fs::write(log(dir.path()), &bytes[..bytes.len() - 2]).unwrap();
    let second = open(dir.path());
    assert_eq!(second.damage, vec![]);
    send(&second.backend, &["four"]).await;
    drop(second);
    let third = open(dir.path());
    assert_eq!(third.damage, vec![]);
    assert_eq!(bodies(&third.backend).await, ["one", "two", "four"]);
}

#[tokio::test]
async fn changed_bytes_in_the_middle_are_named_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    send(&first.backend, &["one", "two", "three"]).await;
    drop(first);
    let mut bytes = std::fs::read(log(dir.path())).unwrap();
    let two = bytes.windows(3).position(|w| w == b"two").unwrap();
    bytes[two] ^= 1;
    std::fs::write(log(dir.path()), &bytes).unwrap();
    for _ in 0..2 {
        let again = open(dir.path());
        assert_eq!(again.damage.len(), 1, "named at each open, as long as the file is there");
        assert_eq!(again.damage[0].file, log(dir.path()));
        assert!(
            (again.damage[0].offset..again.damage[0].offset + again.damage[0].bytes).contains(&(two as u64))
        );
        assert_eq!(bodies(&again.backend).await, ["one", "three"]);
    }
}

#[tokio::test]
async fn a_log_of_other_bytes_is_named_and_the_queue_works() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).close();
    std::fs::write(log(dir.path()), vec![0xA5; 5_000]).unwrap();
    let again = open(dir.path());
    assert_eq!(again.damage.len(), 2, "its head, and the rest: {:?}", again.damage);
    send(&again.backend, &["one"]).await;
    assert_eq!(bodies(&again.backend).await, ["one"]);
}
