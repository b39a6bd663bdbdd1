//! The listener: slow heads, shutdown.

use super::client::{Ask, Reply};
use super::fixture::{config, start, start_with};
use api::ApiLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let api = start_with(config(ApiLimits { head_timeout_ms: 50, ..ApiLimits::default() })).await;
    let mut silent = TcpStream::connect(api.served.addr).await.unwrap();
    let mut slow = TcpStream::connect(api.served.addr).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: local").await.unwrap();
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).await.unwrap();
    slow.read_to_end(&mut rest).await.unwrap();
    assert!(!rest.starts_with(b"HTTP/1.1 2"));
}

#[tokio::test]
async fn shutdown_lets_requests_end_and_takes_no_more() {
    let mut api = start().await;
    let ask = Ask::new("POST", "/v1/campaigns").header("content-type", "application/json");
    let body = r#"{"name": "n", "content": {"silent": true}}"#;
    let mut stream = TcpStream::connect(api.served.addr).await.unwrap();
    stream.write_all(ask.header("content-length", &body.len().to_string()).head().as_bytes()).await.unwrap();
    api.until("/metrics", |r| r.text().contains("owl_api_requests_in_flight 2\n")).await;
    let mut idle = TcpStream::connect(api.served.addr).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 4096]).await.unwrap() > 0);
    api.shutdown.cancel();
    while idle.read(&mut [0; 4096]).await.unwrap_or(0) > 0 {}
    stream.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(Reply::read(&mut stream).await.status, 201);
    (&mut api.served.handle).await.unwrap();
    assert!(TcpStream::connect(api.served.addr).await.is_err());
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off() {
    let mut api = start_with(config(ApiLimits { drain_ms: 50, ..ApiLimits::default() })).await;
    let ask = Ask::new("POST", "/v1/campaigns").header("content-type", "application/json");
    let mut stream = TcpStream::connect(api.served.addr).await.unwrap();
    stream.write_all(ask.header("content-length", "9").head().as_bytes()).await.unwrap();
    api.until("/metrics", |r| r.text().contains("owl_api_requests_in_flight 2\n")).await;
    api.shutdown.cancel();
    (&mut api.served.handle).await.unwrap();
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn several_requests_share_a_connection() {
    let api = start().await;
    let mut stream = TcpStream::connect(api.served.addr).await.unwrap();
    let one = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n";
    stream.write_all(format!("{one}\r\n{one}connection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    assert_eq!(all.matches("HTTP/1.1 200 OK").count(), 2);
}
