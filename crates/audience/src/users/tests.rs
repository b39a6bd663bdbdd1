use super::*;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::io::Write;

/// Good ids with their lines, and bad lines.
type Read = (Vec<(u64, String)>, Vec<BadLine>);

fn read_with(mut reader: ListReader, bytes: &[u8], cut: usize) -> Result<(Read, ListFacts), ListError> {
    let (mut ids, mut bad) = (vec![], vec![]);
    let mut on = |entry: Entry<'_>| match entry {
        Entry::User { line, id } => ids.push((line, id.to_owned())),
        Entry::Bad(b) => bad.push(b.clone()),
    };
    for chunk in bytes.chunks(cut) {
        reader.feed(chunk, &mut on)?;
    }
    let facts = reader.finish(&mut on)?;
    Ok(((ids, bad), facts))
}

fn read(format: Option<ListFormat>, bytes: &[u8]) -> Result<(Read, ListFacts), ListError> {
    let whole = read_with(ListReader::new(format, None)?, bytes, bytes.len().max(1));
    for cut in [1, 3] {
        let pieces = read_with(ListReader::new(format, None)?, bytes, cut);
        match (&whole, &pieces) {
            (Ok(whole), Ok(pieces)) => assert_eq!(whole, pieces),
            // How much the decompressor sees at once decides which fault of damaged data is met first.
            (Err(whole), Err(pieces)) if !whole.to_string().contains("damaged") => {
                assert_eq!(whole.to_string(), pieces.to_string());
            }
            _ => assert_eq!(whole.is_ok(), pieces.is_ok()),
        }
    }
    whole
}

fn ids(bytes: &[u8]) -> Vec<(u64, String)> {
    read(None, bytes).unwrap().0.0
}

fn error(format: ListFormat, bytes: &[u8]) -> String {
    read(Some(format), bytes).unwrap_err().to_string()
}

fn bad(format: ListFormat, line: &[u8]) -> String {
    let good = match format {
        ListFormat::Csv => "user_id,x\na,1\nb,2\n",
        ListFormat::Ndjson => "\"a\"\n\"b\"\n\"c\"\n",
        ListFormat::Plain => "a\nb\nc\n",
    };
    let ((ids, bad), facts) = read(Some(format), &[good.as_bytes(), line, b"\n"].concat()).unwrap();
    assert_eq!((bad.len(), facts.bad, facts.entries), (1, 1, ids.len() as u64 + 1));
    bad[0].to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(vec![], Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn numbered(ids: &[(u64, &str)]) -> Vec<(u64, String)> {
    ids.iter().map(|(n, id)| (*n, (*id).to_owned())).collect()
}

#[test]
fn every_format_is_read_and_guessed() {
    assert_eq!(ids(b"\xef\xbb\xbfa\r\n\r\nb"), numbered(&[(1, "a"), (3, "b")]));
    assert_eq!(ids(b"name, user_id\n\"x, y\",a\n,\"b\"\"c\"\n"), numbered(&[(2, "a"), (3, "b\"c")]));
    assert_eq!(
        ids(b"{\"n\":[1],\"user_id\":\"a\"}\n\"b\\u00e9\"\n \"c\" \n"),
        numbered(&[(1, "a"), (2, "b\u{e9}"), (3, "c")])
    );
}

#[test]
fn bad_lines_are_named_with_line_and_reason() {
    use ListFormat::{Csv, Ndjson, Plain};
    for (format, line, wanted) in [
        (Plain, &b" spaced"[..], "line 4: user_id: has spaces around it or a control character in it"),
        (Plain, b"x\0y", "line 4: has a NUL byte at byte 2"),
        (Plain, b"ab\xff", "line 4: is not UTF-8 at byte 3"),
        (Plain, &[b'u'; 129], "line 4: user_id: is 129 bytes long, 128 are allowed"),
        (Csv, b",x", "line 4: user_id: is empty"),
        (Csv, b"c", "line 4: has 1 fields, the header has 2"),
        (Csv, b"c\"d,1", "line 4: field 1 has a quote in the wrong place"),
        (Ndjson, b"{\"user_id\":\"x\"", "line 4: is not valid JSON at byte 14"),
        (Ndjson, b"{\"user_id\":7}", "line 4: has a value of the wrong type at byte 12"),
        (Ndjson, b"{\"user\":\"x\"}", "line 4: missing field `user_id`"),
        (Ndjson, b"{\"user_id\":\"x\",\"user_id\":\"y\"}", "line 4: duplicate field `user_id`"),
        (Ndjson, b"17", "line 4: is neither a JSON object with `user_id` nor a JSON string"),
        (Ndjson, b"\"a\\u0000\"", "line 4: user_id: has spaces around it or a control character in it"),
    ] {
        assert_eq!(bad(format, line), wanted);
    }
}

#[test]
fn faults_of_the_whole_file_say_where() {
    use ListFormat::{Csv, Ndjson, Plain};
    assert_eq!(error(Plain, b""), "the list is empty: it has 0 lines and no entry");
    assert_eq!(error(Csv, b"user_id\n\n"), "the list is empty: it has 2 lines and no entry");
    assert!(error(Csv, b"\nid;name\n1;2\n").starts_with("line 2: the header has no column `user_id`"));
    assert_eq!(error(Csv, b"user_id,USER_ID\n"), "line 1: the header has two columns `user_id`");
    assert!(
        error(Csv, b"user_id,x\na,\"two\nlines\"\n").starts_with("line 2: a quote is opened and not closed")
    );
    assert!(error(Plain, b"PK\x03\x04rubbish").contains("a ZIP archive or an Excel file"));
    assert!(error(Plain, b"\xff\xfea\0").contains("UTF-16"));
    assert!(error(Csv, b"\xfe\xff\0\n\0a\0\n").contains("UTF-16"), "whatever the pieces in which it comes");
    assert!(error(Ndjson, b"a\nb\n\"c\"\n").starts_with("this does not look like an NDJSON list of users"));
    let long = [&b"a\nb\n"[..], &vec![b'x'; 70_000]].concat();
    assert!(error(Plain, &long).starts_with("line 3 (from byte 4) is longer than 65536 bytes"));
    assert!(matches!(read(None, b"id,name\n1,bob\n"), Err(ListError::Header { line: 1, .. })));
}

#[test]
fn a_file_is_refused_for_its_first_thousand_lines_only() {
    let line = |n: u64, bad: bool| if bad { format!(" bad{n}\n") } else { format!("u{n}\n") };
    let early: String = (0..3000).map(|n| line(n, n < 501)).collect();
    let message = error(ListFormat::Plain, early.as_bytes());
    assert!(
        message.contains("501 of the first 1000 entries are bad; the first is line 1: user_id"),
        "{message}"
    );
    let late: String = (0..3000).map(|n| line(n, n >= 500)).collect();
    let (_, facts) = read(Some(ListFormat::Plain), [line(0, false), late].concat().as_bytes()).unwrap();
    assert_eq!((facts.entries, facts.bad), (3001, 2500));
}

#[test]
fn compressed_lists_are_read_and_every_cut_is_an_error() {
    let (one, two) = (b"user_id\na\nb\n", b"c\nd");
    let wanted = ids(&[&one[..], two].concat());
    for pack in [gzip, zstd] {
        let packed = [pack(one), pack(b""), pack(two)].concat();
        let border = [pack(one).len(), pack(one).len() + pack(b"").len()];
        assert_eq!(ids(&packed), wanted);
        for cut in 4..packed.len() {
            let result = read(None, &packed[..cut]);
            assert_eq!(result.is_ok(), border.contains(&cut), "{cut}: {result:?}");
        }
        let mut broken = packed.clone();
        broken[pack(one).len() - 3] ^= 0x55;
        if pack(one)[0] == 0x1f {
            assert!(matches!(read(None, &broken), Err(ListError::Damaged { .. })));
        }
        let trailing = [&packed[..], b"trailing"].concat();
        assert!(matches!(read(None, &trailing), Err(ListError::Damaged { .. })));
    }
    let cut = read(None, &gzip(one)[..20]).unwrap_err();
    assert_eq!(
        cut.to_string(),
        "the gzip data ends at byte 20 in the middle of a stream: it was cut off, upload it again"
    );
    let plain = read_with(ListReader::new(None, Some(Encoding::Gzip)).unwrap(), b"user_id\na\n", 5);
    assert!(matches!(plain, Err(ListError::Damaged { at: 0, .. })), "{plain:?}");
    assert!(error(ListFormat::Plain, &gzip(&gzip(one))).contains("gzip data"));
}

#[test]
fn bombs_and_crowds_end_at_their_limits() {
    let bomb = gzip(&b"a\n".repeat(500_000));
    assert!(bomb.len() < 5_000);
    for pack in [bomb, zstd(&b"a\n".repeat(500_000))] {
        let reader = ListReader::new(None, None).unwrap().limits(100_000, 10_000_000);
        let result = read_with(reader, &pack, 100).unwrap_err();
        assert!(matches!(result, ListError::TooManyPlainBytes { .. }) && result.is_too_large());
    }
    let reader = ListReader::new(None, None).unwrap().limits(1000, 3);
    let result = read_with(reader, b"a\nb\n\nc\n\nd\n", 2).unwrap_err();
    assert_eq!(result, ListError::TooManyUsers { line: 6 });
}

#[test]
fn a_check_names_the_first_bad_lines() {
    let list: String =
        (0..100).map(|n| if n % 3 == 0 { " x\n".to_owned() } else { format!("{n}\n") }).collect();
    let mut check = UploadCheck::new(None, None).unwrap();
    list.as_bytes().chunks(7).for_each(|c| check.feed(c).unwrap());
    let facts = check.finish().unwrap();
    assert_eq!((facts.lines, facts.bad, facts.bad_lines.len()), (100, 34, 20));
    assert_eq!((facts.bytes, facts.plain_bytes), (list.len() as u64, list.len() as u64));
    assert_eq!((facts.bad_lines[1].line, facts.bad_lines[1].text.as_str()), (4, " x"));
}

proptest! {
    /// Whatever the bytes, however they are cut: no panic, the same answer, and every entry is counted once.
    #[test]
    fn rubbish(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'"'), Just(b','), any::<u8>()], 0..300), cut in 1usize..40, head in 0usize..4) {
        let head = [&b""[..], b"user_id,x\n", b"{\"user_id\":\"u\"}\n", b"\x1f\x8b\x08\0"][head];
        let bytes = [head, &bytes].concat();
        let whole = read_with(ListReader::new(None, None).unwrap(), &bytes, bytes.len().max(1));
        let pieces = read_with(ListReader::new(None, None).unwrap(), &bytes, cut);
        match (whole, pieces) {
            (Ok(whole), Ok(pieces)) => {
                prop_assert_eq!(&whole, &pieces);
                prop_assert_eq!(whole.1.entries, (whole.0.0.len() + whole.0.1.len()) as u64);
            }
            (whole, pieces) => prop_assert_eq!(whole.is_err(), pieces.is_err()),
        }
    }
}
