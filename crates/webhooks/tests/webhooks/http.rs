//! The sender against real listeners: what it sends, what it reads, where it does not go.

use common::time::{Clock, ManualClock, UnixMs};
use common::webhook::{Came, MessageId};
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use webhooks::{HttpSender, Post, Sender, WebhookConfig};

/// 1994-11-06T08:49:00Z: 37 s before the date of RFC 9110's examples.
const NOW: UnixMs = UnixMs(784_111_740_000);
const TRYING: WebhookConfig = WebhookConfig { allow_http: false, allow_private: false, allow_loopback: true };

fn sender(config: WebhookConfig, roots: RootCertStore) -> HttpSender {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    HttpSender::trusting(roots, config, clock)
}

async fn send(url: &str, config: WebhookConfig) -> Came {
    sender(config, RootCertStore::empty()).send(&post(url)).await
}

fn post(url: &str) -> Post {
    Post {
        url: url.to_owned(),
        id: MessageId(7),
        timestamp_s: 784_111_740,
        signature: "v1,c2ln".to_owned(),
        body: "{\"type\":\"webhook.test\"}".to_owned(),
    }
}

/// Takes one request, and answers with these bytes. Answers what it read.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answer: Vec<u8>) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"}") {
        let mut bytes = [0; 1024];
        let n = stream.read(&mut bytes).await.unwrap();
        assert!(n > 0, "cut off: {}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&bytes[..n]);
    }
    // Whoever sends may have read enough before the end.
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
    String::from_utf8(read).unwrap()
}

async fn listen(answer: impl Into<Vec<u8>>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, answer) = (format!("http://{}/hook?a=b", listener.local_addr().unwrap()), answer.into());
    let heard = tokio::spawn(async move { talk(listener.accept().await.unwrap().0, answer).await });
    (url, heard)
}

fn answered(came: &Came) -> (u16, Option<Duration>, &str) {
    match came {
        Came::Answer { status, retry_after, text } => (*status, *retry_after, text),
        Came::Nothing(why) => panic!("{why}"),
    }
}

fn nothing(came: Came) -> String {
    match came {
        Came::Nothing(why) => why,
        Came::Answer { .. } => panic!("{came:?}"),
    }
}

#[tokio::test]
async fn a_message_arrives_as_the_specification_has_it() {
    let (url, heard) = listen("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nth\x07ank").await;
    let came = send(&url, TRYING).await;
    assert_eq!(answered(&came), (200, None, "th ank"));
    let heard = heard.await.unwrap();
    assert!(heard.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{heard}");
    let host = url.trim_start_matches("http://").trim_end_matches("/hook?a=b");
    for line in [
        format!("host: {host}"),
        "content-type: application/json".to_owned(),
        "webhook-id: msg_00000000000000000000000000000007".to_owned(),
        "webhook-timestamp: 784111740".to_owned(),
        "webhook-signature: v1,c2ln".to_owned(),
    ] {
        assert!(heard.contains(&format!("\r\n{line}\r\n")), "{line}: {heard}");
    }
    assert!(heard.ends_with("\r\n\r\n{\"type\":\"webhook.test\"}"), "{heard}");
}

#[tokio::test]
async fn redirects_are_not_followed_and_pauses_are_read() {
    let (url, heard) = listen("HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(answered(&send(&url, TRYING).await).0, 302);
    heard.await.unwrap();
    for (text, seconds) in [
        ("120", Some(120)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
        ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
        ("soon", None),
        ("-1", None),
    ] {
        let head = format!("HTTP/1.1 503 Busy\r\nretry-after: {text}\r\ncontent-length: 0\r\n\r\n");
        let (url, _heard) = listen(head).await;
        let came = send(&url, TRYING).await;
        assert_eq!(answered(&came).1, seconds.map(Duration::from_secs), "{text}");
    }
}

#[tokio::test]
async fn of_a_long_answer_the_beginning_is_read() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n";
    let (url, _heard) = listen([head.as_bytes(), &vec![b'a'; 1 << 20]].concat()).await;
    let came = send(&url, TRYING).await;
    assert_eq!(answered(&came), (200, None, "a".repeat(1024).as_str()));
    // A body that breaks off changes nothing: the status has come.
    let (url, _heard) = listen(format!("{head}short")).await;
    assert_eq!(answered(&send(&url, TRYING).await), (200, None, "short"));
}

#[tokio::test]
async fn what_is_no_answer_is_said_in_a_sentence() {
    let (url, _heard) = listen("").await;
    assert!(nothing(send(&url, TRYING).await).contains("broke before an answer"));
    let (url, _heard) = listen("220 mail.example.com ESMTP\r\n").await;
    assert!(nothing(send(&url, TRYING).await).contains("broke before an answer"));
    let (url, _heard) = listen([&b"HTTP/1.1 200 OK\r\nx: "[..], &vec![b'x'; 1 << 17]].concat()).await;
    assert!(nothing(send(&url, TRYING).await).contains("broke before an answer"), "a head without an end");
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(nothing(send(&format!("http://{free}/"), TRYING).await).contains("takes no connection"));
    let nowhere = send("https://does-not-exist.invalid/", TRYING).await;
    assert!(nothing(nowhere).contains("no address"));
}

/// On paused time: while nothing else is to be done, the clock goes on.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    assert!(nothing(send(&url, TRYING).await).contains("no answer within 15 s"));
}

#[tokio::test]
async fn no_name_leads_inside() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let usual = WebhookConfig::default();
    // The name says nothing, and so says a number that only the resolver understands: it is looked at what it resolved to.
    for host in ["localhost", "127.1", "0x7f000001", "2130706433"] {
        let why = nothing(send(&format!("https://{host}:{port}/"), usual).await);
        assert!(why.contains("no message goes there") || why.contains("has no address"), "{host}: {why}");
    }
    assert!(nothing(send(&format!("https://localhost:{port}/"), usual).await).contains("this machine's own"));
    let none = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(none.is_err(), "something connected");
}

#[tokio::test]
async fn tls_is_checked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let task = tokio::spawn(async move {
        let refused = acceptor.accept(listener.accept().await.unwrap().0).await;
        assert!(refused.is_err(), "it trusts nobody");
        let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        talk(stream, b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await
    });
    assert!(nothing(send(&url, TRYING).await).contains("no TLS"));
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let came = sender(TRYING, roots).send(&post(&url)).await;
    assert_eq!(answered(&came), (204, None, ""));
    assert!(task.await.unwrap().contains("webhook-signature"));
}
