//! Random requests through this crate arrive at `h2`'s server as they were meant, and its answers arrive here.

use bytes::Bytes;
use std::collections::HashMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use wire::{Completion, Config, Connection, Group, Outcome, Policy, Request, Template};

/// A small generator, so that a failure can be seen again (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    fn text(&mut self, most: usize) -> String {
        let len = self.below(most) + 1;
        (0..len).map(|_| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789-_.~"[self.below(40)])).collect()
    }
}

/// What is the same for a group, and again in words to compare with.
struct Kind {
    template: Template,
    path: String,
    /// Requests add nothing to the path.
    whole: bool,
    fields: Vec<(String, String)>,
    own: usize,
}

fn kind(dice: &mut Dice) -> Kind {
    let path = format!("/{}/", dice.text(30));
    let whole = dice.below(3) == 0;
    let mut template = match whole {
        false => Template::to_paths_below("push.example:443", &path),
        true => Template::to_path("push.example:443", &path),
    };
    let mut fields = Vec::new();
    for n in 0..dice.below(8) {
        let most = if dice.below(9) == 0 { 3_000 } else { 60 };
        let (name, value) = (format!("x-{n}"), dice.text(most));
        let policy = [Policy::Indexed, Policy::Literal, Policy::NeverIndexed][dice.below(3)];
        template = template.with(&name, value.clone(), policy);
        fields.push((name, value));
    }
    let own = dice.below(4);
    for n in 0..own {
        template = template.with_own(&format!("own-{n}"));
    }
    Kind { template, path, whole, fields, own }
}

/// What arrived under a tag (the body begins with it), in a form to compare.
type Arrived = HashMap<u64, Seen>;
/// Path, fields, body.
type Seen = (String, Vec<(String, String)>, Bytes);

const STATUS: [u16; 6] = [200, 200, 400, 410, 429, 503];

async fn serve(io: DuplexStream, seed: u64) -> Arrived {
    let mut dice = Dice(seed);
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(50 + dice.below(100) as u32);
    builder.initial_window_size([10, 1_000, 65_535, 1 << 20][dice.below(4)]);
    builder.header_table_size([0, 100, 4_096, 65_536][dice.below(4)]);
    builder.max_frame_size([16_384, 50_000][dice.below(2)]);
    let mut connection = builder.handshake::<_, Bytes>(io).await.unwrap();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    while let Some(next) = connection.accept().await {
        let Ok((request, respond)) = next else { break };
        tokio::spawn(answer(request, respond, tell.clone()));
    }
    drop(tell);
    let mut arrived = Arrived::new();
    while let Some((tag, what)) = told.recv().await {
        assert!(arrived.insert(tag, what).is_none(), "{tag} arrived twice");
    }
    arrived
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    tell: tokio::sync::mpsc::UnboundedSender<(u64, Seen)>,
) {
    let (parts, mut body) = request.into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    let tag = u64::from_be_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(
        (parts.method.as_str(), parts.uri.authority().unwrap().as_str()),
        ("POST", "push.example:443")
    );
    let fields = parts.headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
    tell.send((tag, (parts.uri.path().to_owned(), fields, bytes.into()))).unwrap();
    let response = http::Response::builder()
        .status(STATUS[tag as usize % 6])
        .header("apns-id", format!("id-{tag}"))
        .header("retry-after", tag)
        .body(())
        .unwrap();
    let mut stream = respond.send_response(response, false).unwrap();
    stream.send_data(Bytes::from(format!("body of {tag}")), true).unwrap();
}

type Io = (ReadHalf<DuplexStream>, WriteHalf<DuplexStream>);

/// Writes and reads pieces of random size until nothing is in flight.
async fn turn(conn: &mut Connection, (reader, writer): &mut Io, dice: &mut Dice) {
    let most = dice.below(3_000) + 1;
    let out = conn.output();
    let piece = &out[..out.len().min(most)];
    let mut buffer = vec![0; dice.below(2_000) + 1];
    let (read, wrote) = tokio::select! {
        biased;
        read = reader.read(&mut buffer) => (read.unwrap(), 0),
        wrote = writer.write(piece), if !piece.is_empty() => (0, wrote.unwrap()),
    };
    conn.took(wrote);
    conn.receive(&buffer[..read], Duration::ZERO);
    assert!(conn.books().balance());
}

async fn exchange(seed: u64, count: u64) {
    let (ours, theirs) = tokio::io::duplex(16_384);
    let mut io = tokio::io::split(ours);
    let server = tokio::spawn(serve(theirs, seed));
    let mut dice = Dice(seed);
    let mut conn = Connection::new(Config { keep_successes: true, ..Config::default() }, Duration::ZERO);
    let kinds: Vec<Kind> = (0..12).map(|_| kind(&mut dice)).collect();
    let (mut meant, mut done, mut tag) = (Meant::new(), Vec::new(), 0);
    while tag < count || conn.books().in_flight > 0 {
        if tag < count && conn.room() > 0 {
            tag += submit(&mut conn, &kinds[dice.below(12)], &mut dice, tag, count - tag, &mut meant) as u64;
        }
        turn(&mut conn, &mut io, &mut dice).await;
        conn.completions(&mut done);
    }
    conn.drain(Duration::ZERO);
    io.1.write_all(conn.output()).await.unwrap();
    drop(io);
    let mut arrived = server.await.unwrap();
    for (tag, path, fields, body) in meant {
        let (seen_path, seen_fields, seen_body) = arrived.remove(&tag).unwrap();
        assert!(seen_path == path && seen_fields == fields && seen_body == body, "{tag}: {seen_path} {path}");
    }
    assert!(arrived.is_empty());
    check_answers(&done, count);
}

type Meant = Vec<(u64, String, Vec<(String, String)>, Vec<u8>)>;

fn submit(
    conn: &mut Connection,
    kind: &Kind,
    dice: &mut Dice,
    tag: u64,
    left: u64,
    meant: &mut Meant,
) -> usize {
    let count = (dice.below(40) as u64 + 1).min(left);
    let ends = dice.text(50);
    let texts: Vec<(String, Vec<String>, Vec<u8>)> = (tag..tag + count)
        .map(|tag| {
            let size = if dice.below(50) == 0 { 40_000 } else { 500 };
            let body = [&tag.to_be_bytes()[..], dice.text(size).as_bytes()].concat();
            (dice.text(100), (0..kind.own).map(|_| dice.text(150)).collect(), body)
        })
        .collect();
    let own: Vec<Vec<&[u8]>> =
        texts.iter().map(|(_, own, _)| own.iter().map(|v| v.as_bytes()).collect()).collect();
    let requests: Vec<Request<'_>> = texts
        .iter()
        .zip(&own)
        .zip(tag..)
        .map(|(((path, _, body), own), tag)| Request { tag, path: path.as_bytes(), own, body })
        .collect();
    let until = Duration::from_secs(60);
    let group = Group { template: &kind.template, body_begins: b"", body_ends: ends.as_bytes(), until };
    let taken = conn.submit(&group, &requests);
    for ((path, own, body), tag) in texts.iter().take(taken).zip(tag..) {
        let mut fields = kind.fields.clone();
        fields.extend(own.iter().enumerate().map(|(n, value)| (format!("own-{n}"), value.clone())));
        let path = if kind.whole { kind.path.clone() } else { format!("{}{path}", kind.path) };
        meant.push((tag, path, fields, [body, ends.as_bytes()].concat()));
    }
    taken
}

fn check_answers(done: &[Completion], count: u64) {
    assert_eq!(done.len() as u64, count);
    for completion in done {
        let tag = completion.tag;
        let Outcome::Answered(answer) = &completion.outcome else { panic!("{completion:?}") };
        assert_eq!((answer.status, answer.whole), (STATUS[tag as usize % 6], true));
        assert_eq!(answer.header(0), Some(tag.to_string().as_bytes()));
        assert_eq!(answer.body(), format!("body of {tag}").as_bytes());
    }
}

#[tokio::test]
async fn random_requests_arrive_as_they_were_meant() {
    for seed in 1..=16 {
        let exchange = exchange(seed * 0x9e37_79b9, 500);
        tokio::time::timeout(Duration::from_secs(60), exchange).await.expect("it ends");
    }
}
