//! TLS by certificate files, and new ones without a restart.

use super::client::{ADMIN, Ask};
use super::fixture::{config, start_with};
use api::access::{AccessConfig, TlsFiles};
use api::{ApiConfig, ApiError, ApiLimits};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Writes a new certificate for localhost, and answers it.
fn new_certificate(dir: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// A connection of somebody who trusts this certificate only.
async fn connect(
    addr: SocketAddr,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let stream = TcpStream::connect(addr).await?;
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// The answer to a request.
async fn ask(addr: SocketAddr, trusted: &CertificateDer<'static>, ask: &Ask) -> std::io::Result<String> {
    let mut stream = connect(addr, trusted).await?;
    stream.write_all(ask.head().as_bytes()).await?;
    stream.write_all(&ask.body).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn who_reads_nothing_keeps_no_connection() {
    let dir = tempfile::tempdir().unwrap();
    let trusted = new_certificate(dir.path());
    let tls = Some(TlsFiles { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem") });
    let limits =
        ApiLimits { connections_max: 2, live_watchers_max: 1, write_timeout_ms: 100, ..ApiLimits::default() };
    let usual = config(limits);
    let access = AccessConfig { tls, ..usual.access.clone() };
    let api = start_with(ApiConfig { access, ..usual }).await;
    let many = "GET /assets/campaign.css HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1_000);
    let mut idle = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(api.served.addr, &trusted).await.unwrap();
        // Until the server ends it, or takes no more of them.
        let write = async { while stream.write_all(many.as_bytes()).await.is_ok() {} };
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), write).await;
        idle.push(stream);
    }
    let healthz = Ask::get("/healthz");
    let answer = ask(api.served.addr, &trusted, &healthz);
    let answer = tokio::time::timeout(std::time::Duration::from_secs(30), answer).await;
    assert!(answer.expect("a connection is free again").unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_certificate_is_served_and_replaced_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let first = new_certificate(dir.path());
    let tls = Some(TlsFiles { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem") });
    let usual = config(ApiLimits::default());
    let access = AccessConfig { tls: tls.clone(), ..usual.access.clone() };
    let api = start_with(ApiConfig { access, ..usual.clone() }).await;
    let addr = api.served.addr;
    let sign_in = Ask::post("/v1/session", &json!({ "token": ADMIN })).nobody();
    let answer = ask(addr, &first, &sign_in).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("; Secure"), "{answer}");

    std::fs::write(dir.path().join("cert.pem"), "nonsense").unwrap();
    let second = new_certificate(dir.path());
    while ask(addr, &second, &Ask::get("/healthz")).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(ask(addr, &first, &Ask::get("/healthz")).await.is_err());

    // Who speaks in the clear gets no answer, and nothing breaks.
    let mut clear = TcpStream::connect(addr).await.unwrap();
    clear.write_all(Ask::get("/healthz").head().as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = clear.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
    assert!(ask(addr, &second, &Ask::get("/healthz")).await.is_ok());
}

#[tokio::test]
async fn files_that_are_no_certificate_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    new_certificate(dir.path());
    let usual = config(ApiLimits::default());
    let refused = async |tls: TlsFiles| {
        let access = AccessConfig { tls: Some(tls), ..usual.access.clone() };
        let clock: Arc<dyn common::time::Clock> = Arc::new(common::time::SystemClock::default());
        let control = control::Control::new(contract::memory::backend(clock.clone()), clock);
        let config = ApiConfig { access, ..usual.clone() };
        api::serve(control, config, tokio_util::sync::CancellationToken::new()).await.map(drop).unwrap_err()
    };
    let missing = refused(TlsFiles { cert: "/nonexistent".into(), key: key.clone() }).await;
    assert!(matches!(&missing, ApiError::Tls(why) if why.contains("/nonexistent")), "{missing}");
    std::fs::write(&key, "nonsense").unwrap();
    let bad = refused(TlsFiles { cert, key: key.clone() }).await;
    assert!(matches!(&bad, ApiError::Tls(why) if why.contains("key.pem")), "{bad}");
}
