//! Audience uploads: what is taken, what is refused, and that a refusal leaves nothing.

use super::client::{Ask, Reply};
use super::fixture::{Api, config, start, start_with};
use api::ApiLimits;
use common::campaign::{ListFormat, State};
use common::ids::CampaignId;
use contract::memory::Call;
use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use std::io::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(vec![], Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn put(id: CampaignId) -> Ask {
    Ask::new("PUT", format!("/v1/campaigns/{id}/audience"))
}

/// Nothing was stored and nothing changed.
fn untouched(api: &Api, id: CampaignId) {
    assert_eq!(api.parts.objects.keys(), Vec::<String>::new());
    let campaign = api.peek(id);
    assert_eq!((campaign.state, campaign.version), (State::Draft, 1));
}

#[tokio::test]
async fn every_format_and_encoding_is_taken() {
    let csv = b"user_id,name\na,x\nb,y\n".to_vec();
    let cases = [
        (put as fn(CampaignId) -> Ask, "", "", csv.clone(), "csv"),
        (put, "text/csv; charset=utf-8", "", csv.clone(), "csv"),
        (put, "application/x-ndjson", "", b"{\"user_id\":\"a\"}\n\"b\"".to_vec(), "ndjson"),
        (put, "text/plain", "identity", b"a\nb\n".to_vec(), "plain"),
        (put, "text/plain", "", csv.clone(), "csv"),
        (put, "text/csv", "gzip", gzip(&csv), "csv"),
        (put, "", "", gzip(&csv), "csv"),
        (put, "text/csv", "zstd", zstd::encode_all(&csv[..], 3).unwrap(), "csv"),
        (put, "application/octet-stream", "", zstd::encode_all(&csv[..], 3).unwrap(), "csv"),
    ];
    for (ask, kind, encoding, body, format) in cases {
        let api = start().await;
        let id = api.campaign(State::Draft);
        let mut ask = ask(id).body(body.clone());
        for (name, value) in [("content-type", kind), ("content-encoding", encoding)] {
            ask = if value.is_empty() { ask } else { ask.header(name, value) };
        }
        let reply = api.send(ask).await;
        let json = reply.ok();
        assert_eq!(
            (reply.status, &json["facts"]["lines"], &json["facts"]["format"]),
            (202, &json!(2), &json!(format))
        );
        let upload = api.peek(id).upload.unwrap();
        assert_eq!((upload.bytes, api.peek(id).state), (body.len() as u64, State::Building));
        assert_eq!(api.parts.objects.peek(&upload.object).unwrap(), body);
        assert_eq!(json["campaign"]["upload"]["object"], upload.object);
        assert_eq!(upload.format == ListFormat::Csv, format == "csv");
    }
}

#[tokio::test]
async fn bad_lines_are_named_and_the_rest_is_taken() {
    let api = start().await;
    let id = api.campaign(State::Draft);
    let facts = api.send(put(id).body("a\n x\nb\n")).await.ok()["facts"].clone();
    assert_eq!(
        (&facts["lines"], &facts["bad"], &facts["bad_lines"][0]["line"]),
        (&json!(3), &json!(1), &json!(2))
    );
}

#[tokio::test]
async fn bad_lists_are_refused_with_the_place_and_leave_nothing() {
    let long = [&b"a\nb\n"[..], &vec![b'x'; 100_000]].concat();
    let bomb = gzip(&vec![b'x'; 64 << 20]);
    let zbomb = zstd::encode_all(&vec![b'x'; 64 << 20][..], 3).unwrap();
    assert!(zbomb.len() < 10_000);
    let cases: [(&str, Vec<u8>, &str, Option<u64>); 10] = [
        ("text/csv", b"".to_vec(), "list_empty", None),
        ("text/csv", b"\nid;name\n1;2\n".to_vec(), "list_header", Some(2)),
        ("text/csv", b"user_id\n\"a\n".to_vec(), "list_open_quote", Some(2)),
        ("text/plain", long, "list_line_too_long", Some(3)),
        ("text/csv", b"PK\x03\x04rubbish".to_vec(), "list_not_text", None),
        ("text/csv", gzip(b"user_id\na\nb\n")[..20].to_vec(), "list_truncated", None),
        ("text/csv", [gzip(b"user_id\na\n"), b"rest".to_vec()].concat(), "list_damaged", None),
        ("application/x-ndjson", b"a\nb\n\"c\"\n".to_vec(), "list_mostly_bad", Some(1)),
        ("text/plain", bomb, "list_line_too_long", Some(1)),
        ("text/plain", zbomb, "list_line_too_long", Some(1)),
    ];
    let api = start().await;
    for (kind, body, code, line) in cases {
        let id = api.campaign(State::Draft);
        let reply = api.send(put(id).header("content-type", kind).body(body)).await;
        assert_eq!(reply.problem(), (400, code.to_owned()), "{}", reply.text());
        assert_eq!(reply.json()["line"].as_u64(), line, "{code}");
        untouched(&api, id);
    }
}

#[tokio::test]
async fn a_bomb_of_good_lines_ends_at_the_limit() {
    let api = start().await;
    let id = api.campaign(State::Draft);
    let bomb = zstd::encode_all(&b"a\n".repeat(41_000_000)[..], 1).unwrap();
    let reply = api.send(put(id).body(bomb)).await;
    assert_eq!(reply.problem(), (413, "list_too_large".to_owned()));
    assert_eq!(reply.json()["line"], 40_000_001);
    untouched(&api, id);
}

#[tokio::test]
async fn types_and_encodings_that_are_not_lists_are_refused() {
    let api = start().await;
    let id = api.campaign(State::Draft);
    let form = put(id).header("content-type", "application/x-www-form-urlencoded").body("a\n");
    assert_eq!(api.send(form).await.problem(), (415, "unsupported_type".to_owned()));
    let brotli = put(id).header("content-encoding", "br").body("a\n");
    assert_eq!(api.send(brotli).await.problem(), (415, "unsupported_encoding".to_owned()));
    let lie = put(id).header("content-encoding", "gzip").body("a\n");
    assert_eq!(api.send(lie).await.problem(), (400, "list_damaged".to_owned()));
    untouched(&api, id);
}

async fn begun(api: &Api, ask: &Ask, part: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(api.served.addr).await.unwrap();
    stream.write_all(ask.head().as_bytes()).await.unwrap();
    stream.write_all(part).await.unwrap();
    stream
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let api = start().await;
    let id = api.campaign(State::Draft);
    let stream = begun(&api, &put(id).header("content-length", "1000"), b"a\nb\n").await;
    api.until("/metrics", |r| r.text().contains("owl_api_requests_in_flight 2\n")).await;
    drop(stream);
    api.until_quiet().await;
    untouched(&api, id);
}

#[tokio::test]
async fn an_upload_that_falls_silent_is_ended() {
    let limits = ApiLimits { upload_idle_timeout_ms: 50, ..ApiLimits::default() };
    let api = start_with(config(limits)).await;
    let id = api.campaign(State::Draft);
    let mut stream = begun(&api, &put(id).header("content-length", "1000"), b"a\nb\n").await;
    assert_eq!(Reply::read(&mut stream).await.problem(), (408, "body_too_slow".to_owned()));
    untouched(&api, id);
}

#[tokio::test]
async fn an_upload_that_is_too_large_is_refused_announced_or_not() {
    let limits = ApiLimits { upload_bytes_max: 1000, ..ApiLimits::default() };
    let api = start_with(config(limits)).await;
    let id = api.campaign(State::Draft);
    let announced = put(id).body("user\n".repeat(100_000));
    assert_eq!(api.send(announced).await.problem(), (413, "body_too_large".to_owned()));
    let list = "a\n".repeat(501);
    let chunk = format!("{:x}\r\n{list}\r\n0\r\n\r\n", list.len());
    let chunked = put(id).header("transfer-encoding", "chunked").body(chunk);
    assert_eq!(api.send(chunked).await.problem(), (413, "body_too_large".to_owned()));
    untouched(&api, id);
}

#[tokio::test]
async fn a_state_that_forbids_it_is_known_before_bytes_are_taken() {
    let api = start().await;
    let asking_first = |id| put(id).header("content-length", "4").header("expect", "100-continue");
    let mut refused = begun(&api, &asking_first(api.campaign(State::Armed)), b"").await;
    assert_eq!(Reply::read(&mut refused).await.problem(), (409, "armed".to_owned()));
    let mut taken = begun(&api, &asking_first(api.campaign(State::Draft)), b"").await;
    let mut go_on = [0; 25];
    taken.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    taken.write_all(b"a\nb\n").await.unwrap();
    assert_eq!(Reply::read(&mut taken).await.status, 202);
}

#[tokio::test]
async fn of_two_uploads_at_once_one_is_taken_and_the_other_leaves_nothing() {
    let api = start().await;
    let id = api.campaign(State::Draft);
    let mut slow = begun(&api, &put(id).header("content-length", "4"), b"a\n").await;
    api.until("/metrics", |r| r.text().contains("owl_api_requests_in_flight 2\n")).await;
    api.send(put(id).body("c\nd\n")).await.ok();
    slow.write_all(b"b\n").await.unwrap();
    assert_eq!(Reply::read(&mut slow).await.problem(), (409, "building".to_owned()));
    assert_eq!(api.parts.objects.keys(), vec![api.peek(id).upload.unwrap().object]);
}

#[tokio::test]
async fn a_store_that_fails_leaves_nothing_and_a_lost_answer_keeps_what_the_record_names() {
    for call in [Call::ObjectsWrite, Call::ObjectsFinish, Call::CampaignsUpdate] {
        let api = start().await;
        let id = api.campaign(State::Draft);
        api.parts.faults.fail_next(call, 1);
        assert_eq!(api.send(put(id).body("a\n")).await.problem(), (503, "unavailable".to_owned()));
        untouched(&api, id);
    }
    let api = start().await;
    let id = api.campaign(State::Draft);
    api.parts.faults.lose_answer(Call::CampaignsUpdate, 0);
    assert_eq!(api.send(put(id).body("a\n")).await.problem(), (503, "unavailable".to_owned()));
    assert_eq!(api.parts.objects.keys(), vec![api.peek(id).upload.unwrap().object]);
}
