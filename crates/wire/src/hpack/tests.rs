//! The vectors of RFC 7541, appendix C.

use super::*;

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn fields(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<String>, BadBlock> {
    let mut all = Vec::new();
    decoder.decode(block, |field| {
        let mut line = Vec::new();
        field.name.decode_into(&mut line)?;
        line.extend_from_slice(b"=");
        field.value.decode_into(&mut line)?;
        all.push(String::from_utf8(line).unwrap());
        Ok(())
    })?;
    Ok(all)
}

fn check(table_bytes: usize, blocks: &[(&str, &[&str])]) {
    let mut decoder = Decoder::new();
    decoder.limit(table_bytes);
    for (hex, wanted) in blocks {
        assert_eq!(fields(&mut decoder, &octets(hex)).unwrap(), *wanted, "{hex}");
    }
}

#[test]
fn c2_single_representations() {
    check(4_096, &[("400a637573746f6d2d6b65790d637573746f6d2d686561646572", &["custom-key=custom-header"])]);
    check(4_096, &[("040c2f73616d706c652f70617468", &[":path=/sample/path"])]);
    check(4_096, &[("100870617373776f726406736563726574", &["password=secret"])]);
    check(4_096, &[("82", &[":method=GET"])]);
}

const REQUESTS: [&[&str]; 3] = [
    &[":method=GET", ":scheme=http", ":path=/", ":authority=www.example.com"],
    &[":method=GET", ":scheme=http", ":path=/", ":authority=www.example.com", "cache-control=no-cache"],
    &[
        ":method=GET",
        ":scheme=https",
        ":path=/index.html",
        ":authority=www.example.com",
        "custom-key=custom-value",
    ],
];

#[test]
fn c3_and_c4_requests_without_and_with_huffman() {
    let plain = [
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ];
    let coded = [
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
    ];
    check(4_096, &[0, 1, 2].map(|n| (plain[n], REQUESTS[n])));
    check(4_096, &[0, 1, 2].map(|n| (coded[n], REQUESTS[n])));
}

const COOKIE: &str = "set-cookie=foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const RESPONSES: [&[&str]; 3] = [
    &[
        ":status=302",
        "cache-control=private",
        "date=Mon, 21 Oct 2013 20:13:21 GMT",
        "location=https://www.example.com",
    ],
    &[
        ":status=307",
        "cache-control=private",
        "date=Mon, 21 Oct 2013 20:13:21 GMT",
        "location=https://www.example.com",
    ],
    &[
        ":status=200",
        "cache-control=private",
        "date=Mon, 21 Oct 2013 20:13:22 GMT",
        "location=https://www.example.com",
        "content-encoding=gzip",
        COOKIE,
    ],
];

/// With a table of 256 bytes, so that entries leave.
#[test]
fn c5_and_c6_responses_without_and_with_huffman() {
    let plain = [
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
    ];
    let coded = [
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ];
    check(256, &[0, 1, 2].map(|n| (plain[n], RESPONSES[n])));
    check(256, &[0, 1, 2].map(|n| (coded[n], RESPONSES[n])));
}

#[test]
fn c4_huffman_is_what_we_write() {
    let mut out = Vec::new();
    put_short(&mut out, b"www.example.com");
    assert_eq!(out, octets("8cf1e3c2e5f23a6ba0ab90f4ff"));
    out.clear();
    put_short(&mut out, b"\x00\x01");
    assert_eq!(out, [2, 0, 1]);
}

#[test]
fn broken_blocks_are_refused() {
    for hex in ["80", "be", "ff80808080", "4003", "8220", "3fe21f", "7f", "40", "0485ff"] {
        assert_eq!(fields(&mut Decoder::new(), &octets(hex)), Err(BadBlock), "{hex}");
    }
}

#[test]
fn a_table_of_nothing_takes_no_entry() {
    let mut decoder = Decoder::new();
    decoder.limit(0);
    assert_eq!(fields(&mut decoder, &octets("2040016101628820".get(..12).unwrap())).unwrap(), ["a=b"]);
    assert_eq!(fields(&mut decoder, &octets("be")), Err(BadBlock));
    assert_eq!(fields(&mut decoder, &octets("21")), Err(BadBlock));
}

use proptest::prelude::*;

proptest! {
    #[test]
    fn arbitrary_blocks_do_no_harm(blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 1..6)) {
        let mut decoder = Decoder::new();
        for block in &blocks {
            let _ = decoder.decode(block, |field| {
                let mut text = Vec::new();
                field.name.decode_into(&mut text)?;
                field.value.decode_into(&mut text)
            });
        }
    }

    /// A block that is passed over is as good or bad as one that is read, and leaves the same table behind.
    #[test]
    fn passing_over_sees_what_reading_sees(
        table_bytes in prop_oneof![Just(0_usize), Just(100)],
        blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..12), 1..6),
    ) {
        let (mut reads, mut passes) = (Decoder::new(), Decoder::new());
        reads.limit(table_bytes);
        passes.limit(table_bytes);
        for block in &blocks {
            let read = reads.decode(block, |_| Ok(()));
            prop_assert_eq!(passes.pass_over(block), read);
            if read.is_err() {
                break;
            }
        }
        let newest = |decoder: &mut Decoder| {
            let mut value = Vec::new();
            decoder.decode(&[0xbe], |field| field.value.decode_into(&mut value)).map(|()| value)
        };
        prop_assert_eq!(newest(&mut reads), newest(&mut passes));
    }

    /// Fields written in every representation come back, whatever they hold.
    #[test]
    fn what_is_written_is_read(texts in proptest::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>(), 0..4_usize), 0..8)) {
        let (mut decoder, mut block, mut seen) = (Decoder::new(), Vec::new(), Vec::new());
        for (name, value, how) in &texts {
            let representation = [INCREMENTAL, LITERAL, NEVER, LITERAL][*how];
            put_integer(&mut block, representation, 0);
            if *how == 3 { put_raw(&mut block, &[name]) } else { put_short(&mut block, name) }
            put_short(&mut block, value);
        }
        decoder.decode(&block, |field| {
            let (mut name, mut value) = (Vec::new(), Vec::new());
            field.name.decode_into(&mut name)?;
            field.value.decode_into(&mut value)?;
            seen.push((name, value));
            Ok(())
        }).unwrap();
        let meant: Vec<_> = texts.into_iter().map(|(name, value, _)| (name, value)).collect();
        prop_assert_eq!(seen, meant);
    }
}

/// An entry leaves as soon as the new one needs its room (RFC 7541, 4.4): 34 octets each, so a table of 100 holds two.
#[test]
fn the_oldest_entry_leaves_when_the_next_needs_its_room() {
    let mut decoder = Decoder::new();
    decoder.limit(100);
    for name in ["a", "b", "c"] {
        let block = [&[0x40, 1][..], name.as_bytes(), &[1, b'v']].concat();
        assert_eq!(fields(&mut decoder, &block).unwrap(), [format!("{name}=v")]);
    }
    assert_eq!(fields(&mut decoder, &[0xbe, 0xbf]).unwrap(), ["c=v", "b=v"]);
    assert_eq!(fields(&mut decoder, &[0xc0]), Err(BadBlock));
}
