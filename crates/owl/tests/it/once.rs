//! A creation whose answer is lost is asked for again under the same key.

use super::support::owl;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Reads a request; answers its idempotency key.
fn key_of(stream: &TcpStream) -> String {
    let (mut reader, mut key, mut length) = (BufReader::new(stream), String::new(), 0);
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "it ended within the head");
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line == "\r\n" { break } else { continue }
        };
        match name.to_ascii_lowercase().as_str() {
            "idempotency-key" => key = value.to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    key
}

fn answer(mut stream: &TcpStream, status: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes()).unwrap();
}

#[test]
fn create_asks_again_under_the_same_key() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let next = || listener.accept().unwrap().0;
        // The first answer is lost with its connection; the second one says: later.
        let lost = next();
        let first = key_of(&lost);
        drop(lost);
        let busy = next();
        let second = key_of(&busy);
        answer(&busy, "503 Service Unavailable", "{}");
        drop(busy);
        let heard = next();
        let last = key_of(&heard);
        answer(&heard, "422 Unprocessable Content", r#"{"detail": "the third one was heard"}"#);
        ([first, second], last)
    });
    let out =
        owl().args(["--server", &server, "campaign", "create", "--name", "n", "--silent"]).output().unwrap();
    let (keys, last) = serving.join().unwrap();
    assert!(last.len() == 36 && keys == [last.clone(), last], "one key, three times");
    assert!(String::from_utf8_lossy(&out.stderr).contains("the third one was heard"), "{out:?}");
}
