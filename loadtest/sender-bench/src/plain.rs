//! A stand-in for FCM that speaks HTTP/1.1 over TLS, because fcm_v1 as shipped speaks nothing else: reads a request, waits,
//! answers 200 with a message's name. It looks at nothing.

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

/// The file, below the stand-ins' directory, with the CA of this one.
pub const CA_FILE: &str = "plain-ca.pem";
/// The one host that it is.
pub const HOST: &str = "fcm.googleapis.com";

const BODY: &str = "{\n  \"name\": \"projects/superb-owl-rehearsal/messages/0:1700000000000000\"\n}\n";

/// Listens, and serves on a thread of its own for as long as the process lives.
pub fn serve(address: SocketAddr, dir: &Path, round_trip: Duration) -> Result<()> {
    let tls = certificate(dir)?;
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || runtime.block_on(accept(listener, TlsAcceptor::from(tls), round_trip)));
    Ok(())
}

fn certificate(dir: &Path) -> Result<Arc<ServerConfig>> {
    let mut ca = CertificateParams::default();
    // The certificate's own subject must be another, or it counts as signed by itself.
    ca.distinguished_name.push(DnType::CommonName, "sender-bench stand-in");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new([HOST.to_owned()])?.signed_by(&key, &ca)?;
    std::fs::create_dir_all(dir)?;
    std::fs::write(dir.join(CA_FILE), ca.pem())?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok(Arc::new(tls))
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, round_trip: Duration) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let tls = tls.clone();
        tokio::spawn(async move { answer_all(stream, tls, round_trip).await });
    }
}

async fn answer_all(stream: tokio::net::TcpStream, tls: TlsAcceptor, round_trip: Duration) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = tls.accept(stream).await.ok()?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=UTF-8\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let (mut buffer, mut filled) = (vec![0; 16 * 1024], 0);
    loop {
        while request_bytes(&buffer[..filled]).is_none_or(|bytes| bytes > filled) {
            let read = stream.read(&mut buffer[filled..]).await.ok()?;
            if read == 0 {
                return None;
            }
            filled += read;
        }
        filled = 0;
        tokio::time::sleep(round_trip).await;
        stream.write_all(answer.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
    }
}

/// Bytes of the request that begins here, once its head is whole.
fn request_bytes(read: &[u8]) -> Option<usize> {
    let head = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&read[..head]).ok()?.to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    Some(head + length.trim().parse::<usize>().ok()?)
}
