//! Who may open a data directory, and when it is free again.

use crate::{START, open};
use common::time::ManualClock;
use embedded::{EmbeddedConfig, OpenError};
use std::sync::Arc;

#[tokio::test]
async fn a_second_opener_is_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let second =
        embedded::open(EmbeddedConfig::new(dir.path()), Arc::new(ManualClock::at(START))).unwrap_err();
    assert!(matches!(second, OpenError::Taken { pid: Some(pid), .. } if pid == std::process::id()));
    let told = format!("another owl is running on this data directory (pid {})", std::process::id());
    assert!(second.to_string().starts_with(&told), "{second}");
    let part = first.backend.objects.clone();
    first.close();
    assert!(embedded::open(EmbeddedConfig::new(dir.path()), Arc::new(ManualClock::at(START))).is_err());
    drop(part);
    open(dir.path()).close();
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let config = EmbeddedConfig::new(file.join("data"));
    let refused = embedded::open(config, Arc::new(ManualClock::at(START))).unwrap_err();
    assert!(refused.to_string().contains("file/data"), "{refused}");
}

#[tokio::test]
async fn unfinished_objects_of_a_dead_process_go_at_open() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).close();
    let left = dir.path().join("unfinished/7.part");
    std::fs::write(&left, "half").unwrap();
    let again = open(dir.path());
    assert!(!left.exists());
    assert_eq!(again.backend.objects.list("").await.unwrap(), vec![]);
}
