//! The state machine over a plain socket, with prior knowledge (RFC 9113, 3.3).

use super::{BEGINS, ENDS, Foreign, body, config, exchange, template};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wire::{Completion, Connection, Group, Outcome, Request, State, Template};

pub(super) async fn without_tls(server: Foreign) {
    let (port, path) = (server.port, server.path);
    let run = exchange(server, async |numbers| send(port, path, &numbers).await);
    tokio::time::timeout(Duration::from_secs(600), run).await.unwrap();
}

/// What one connection after the other makes of these requests.
async fn send(port: u16, path: fn(usize) -> String, numbers: &[usize]) -> Vec<(usize, Outcome)> {
    let (mut left, mut done, template) = (numbers, Vec::new(), template());
    while !left.is_empty() {
        left = one_connection(port, path, left, &template, &mut done).await;
    }
    done.into_iter().map(|c| (c.tag as usize, c.outcome)).collect()
}

/// Answers what the connection did not take.
async fn one_connection<'a>(
    port: u16,
    path: fn(usize) -> String,
    mut left: &'a [usize],
    template: &Template,
    done: &mut Vec<Completion>,
) -> &'a [usize] {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut reader, mut writer) = tcp.split();
    let start = Instant::now();
    let mut conn = Connection::new(config(), Duration::ZERO);
    let mut buffer = vec![0; 16 * 1_024];
    loop {
        left = submit(&mut conn, path, left, template, start.elapsed());
        if left.is_empty() && conn.books().in_flight == 0 {
            conn.drain(Duration::ZERO);
        }
        if matches!(conn.state(), State::Ended(_)) {
            conn.completions(done);
            let _ = writer.write_all(conn.output()).await;
            return left;
        }
        let (read, wrote) = tokio::select! {
            read = reader.read(&mut buffer) => (Some(read.unwrap_or(0)), 0),
            wrote = writer.write(conn.output()), if !conn.output().is_empty() => (None, wrote.unwrap_or(0)),
        };
        conn.took(wrote);
        match read {
            Some(0) => conn.lost(),
            Some(bytes) => conn.receive(&buffer[..bytes], start.elapsed()),
            None => {}
        }
        conn.tick(start.elapsed());
        assert!(conn.books().balance());
        conn.completions(done);
    }
}

fn submit<'a>(
    conn: &mut Connection,
    path: fn(usize) -> String,
    left: &'a [usize],
    template: &Template,
    now: Duration,
) -> &'a [usize] {
    let some = left.get(..conn.room()).unwrap_or(left);
    let texts: Vec<(String, String)> = some.iter().map(|n| (path(*n), body(*n))).collect();
    let requests: Vec<Request<'_>> = some
        .iter()
        .zip(&texts)
        .map(|(n, (path, body))| Request {
            tag: *n as u64,
            path: path.as_bytes(),
            own: &[],
            body: body.as_bytes(),
        })
        .collect();
    let until = now + Duration::from_secs(60);
    let group = Group { template, body_begins: BEGINS.as_bytes(), body_ends: ENDS.as_bytes(), until };
    &left[conn.submit(&group, &requests)..]
}
