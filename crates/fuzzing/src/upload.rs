//! Lists of users, imports of devices, lists of testers: however the bytes are cut, the same comes out, and every line is
//! either taken or named.

use crate::script::Script;
use audience::devices_file::{self, DeviceReader, RowFormat};
use audience::users::ListReader;
use audience::{Encoding, ListError, UploadCheck};
use common::campaign::ListFormat;
use common::time::UnixMs;

/// See `docs/fuzzing.md`.
pub fn upload(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let kind = script.byte();
    let encoding =
        script.one_of(&[None, None, Some(Encoding::Identity), Some(Encoding::Gzip), Some(Encoding::Zstd)]);
    let (format, piece) = (script.byte(), usize::from(script.byte()) + 1);
    let text = script.rest();
    match kind % 3 {
        0 => users(text, format, encoding, piece),
        1 => devices(text, format, encoding, piece),
        _ => testers(text),
    }
}

fn users(text: &[u8], format: u8, encoding: Option<Encoding>, piece: usize) {
    let formats = [None, Some(ListFormat::Csv), Some(ListFormat::Ndjson), Some(ListFormat::Plain)];
    let format = formats[usize::from(format) % formats.len()];
    let read = |piece: usize| {
        let mut all = Vec::new();
        let mut reader = ListReader::new(format, encoding).expect("the decompressor starts");
        let mut on = |entry: audience::users::Entry<'_>| all.push(format!("{entry:?}"));
        let fed = text.chunks(piece).try_for_each(|chunk| reader.feed(chunk, &mut on));
        let end = fed.and_then(|()| reader.finish(&mut on));
        (all, end)
    };
    let (whole, pieces) = (read(text.len().max(1)), read(piece));
    agree(&whole.1, &pieces.1);
    let mut check = UploadCheck::new(format, encoding).expect("the decompressor starts");
    let checked = text.chunks(piece).try_for_each(|chunk| check.feed(chunk)).and_then(|()| check.finish());
    assert_eq!(checked.is_ok(), whole.1.is_ok(), "the check at the door and the builder differ");
    if let Ok(facts) = &whole.1 {
        assert_eq!(whole.0, pieces.0, "what comes out depends on where the bytes are cut");
        assert_eq!(whole.0.len() as u64, facts.entries, "every entry is handed out");
        let bad = whole.0.iter().filter(|entry| entry.starts_with("Bad")).count();
        assert_eq!(bad as u64, facts.bad, "every bad line is named");
    }
}

/// Both refused, or the same facts. Where compressed data is damaged, how much the decompressor sees at once decides which fault is met first.
fn agree<T: PartialEq + std::fmt::Debug>(whole: &Result<T, ListError>, pieces: &Result<T, ListError>) {
    let damaged = |end: &Result<T, ListError>| end.as_ref().is_err_and(|e| e.to_string().contains("damaged"));
    match (whole, pieces) {
        (Err(_), Err(_)) if damaged(whole) || damaged(pieces) => {}
        (Err(whole), Err(pieces)) => {
            assert_eq!(whole.to_string(), pieces.to_string(), "the fault depends on where the bytes are cut");
        }
        (Ok(whole), Ok(pieces)) => assert_eq!(whole, pieces, "the facts depend on where the bytes are cut"),
        _ => panic!("cut differently it is taken or refused: {whole:?}, {pieces:?}"),
    }
}

fn devices(text: &[u8], format: u8, encoding: Option<Encoding>, piece: usize) {
    let formats = [None, Some(RowFormat::Csv), Some(RowFormat::Ndjson)];
    let format = formats[usize::from(format) % formats.len()];
    let read = |piece: usize| {
        let mut all = Vec::new();
        let mut reader = DeviceReader::new(format, encoding, UnixMs(7)).expect("the decompressor starts");
        let mut on = |row: Result<devices_file::NumberedRow, devices_file::BadRow>| {
            all.push((row.is_ok(), format!("{row:?}")));
        };
        let fed = text.chunks(piece).try_for_each(|chunk| reader.feed(chunk, &mut on));
        let end = fed.and_then(|()| reader.finish(&mut on));
        (all, end)
    };
    let (whole, pieces) = (read(text.len().max(1)), read(piece));
    agree(&whole.1, &pieces.1);
    if let Ok(facts) = &whole.1 {
        assert_eq!(whole.0, pieces.0, "what comes out depends on where the bytes are cut");
        assert_eq!(whole.0.len() as u64, facts.rows, "every row is handed out");
        let bad = whole.0.iter().filter(|(good, _)| !good).count();
        assert_eq!(bad as u64, facts.bad, "every bad row is named");
    }
}

fn testers(text: &[u8]) {
    let lines = text.split(|b| *b == b'\n').count() as u64;
    match devices_file::testers(text) {
        Ok(testers) => assert!(testers.len() as u64 <= lines),
        Err(bad) => assert!((1..=lines).contains(&bad.line), "{bad}: there are {lines} lines"),
    }
}
