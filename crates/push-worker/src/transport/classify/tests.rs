//! Real errors of `h2`, made by a server at the other end of a pipe.

use super::*;
use bytes::Bytes;
use h2::Reason;
use h2::client::ResponseFuture;

type Server = h2::server::Connection<tokio::io::DuplexStream, Bytes>;

/// Two requests to a server that has seen both; the client's half of each.
async fn two() -> (Server, [ResponseFuture; 2], Vec<h2::server::SendResponse<Bytes>>) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (client, server) = tokio::join!(h2::client::handshake(near), h2::server::handshake(far));
    let ((mut send, connection), mut server) = (client.unwrap(), server.unwrap());
    tokio::spawn(connection);
    let mut ask = || {
        let request = http::Request::post("https://localhost/").body(()).unwrap();
        let (response, mut body) = send.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(b"{}"), true).unwrap();
        response
    };
    let asked = [ask(), ask()];
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.push(server.accept().await.unwrap().unwrap().1);
    }
    (server, asked, seen)
}

/// Runs the server until the client knows.
async fn ends(mut server: Server, asked: [ResponseFuture; 2]) -> Vec<Reply> {
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    let ends = futures::future::join_all(asked).await;
    ends.into_iter().map(|end| after_hand_over(&end.unwrap_err())).collect()
}

#[tokio::test]
async fn only_a_refused_stream_was_not_processed() {
    let (server, asked, mut seen) = two().await;
    seen[0].send_reset(Reason::REFUSED_STREAM);
    seen[1].send_reset(Reason::INTERNAL_ERROR);
    assert_eq!(ends(server, asked).await, [Reply::NotSent, Reply::Ambiguous]);
}

#[tokio::test]
async fn a_broken_connection_leaves_everything_open() {
    let (server, asked, seen) = two().await;
    drop((server, seen));
    let ends = futures::future::join_all(asked).await;
    assert!(ends.into_iter().all(|end| after_hand_over(&end.unwrap_err()) == Reply::Ambiguous));
}

/// Bytes of a GOAWAY frame.
fn go_away(last_stream: u32) -> Vec<u8> {
    [&[0, 0, 8, 7, 0, 0, 0, 0, 0][..], &last_stream.to_be_bytes(), &[0, 0, 0, 0]].concat()
}

#[tokio::test]
async fn a_go_away_frees_the_streams_above_the_one_it_names() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let (mut send, connection) = h2::client::handshake(near).await.unwrap();
    tokio::spawn(connection);
    let mut ask = || {
        let request = http::Request::post("https://localhost/").body(()).unwrap();
        let (response, mut body) = send.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(b"{}"), true).unwrap();
        response
    };
    // Streams 1 and 3. An empty SETTINGS first, then a GOAWAY that names 1, then the end.
    let asked = [ask(), ask()];
    far.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    let mut seen = [0; 24];
    far.read_exact(&mut seen).await.unwrap();
    far.write_all(&go_away(1)).await.unwrap();
    let [first, second] = asked;
    assert_eq!(after_hand_over(&second.await.unwrap_err()), Reply::NotSent);
    drop(far);
    assert_eq!(after_hand_over(&first.await.unwrap_err()), Reply::Ambiguous);
}
