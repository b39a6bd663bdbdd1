//! The `h2` crate's server, which hyper stands on.

use super::{Certificate, Foreign, Sightings, error_body, usual_answer, usual_path};
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

type Shared = Arc<Mutex<Sightings>>;

async fn start(certificate: Option<&Certificate>) -> Foreign {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Shared::default();
    let acceptor = certificate.map(acceptor);
    let shared = Arc::clone(&seen);
    let serving = tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let seen = Arc::clone(&shared);
            match &acceptor {
                None => drop(tokio::spawn(serve(tcp, seen))),
                Some(acceptor) => {
                    let tls = acceptor.accept(tcp).await.unwrap();
                    drop(tokio::spawn(serve(tls, seen)));
                }
            }
        }
    });
    let stop = Box::new(move || {
        serving.abort();
        seen.lock().unwrap().clone()
    });
    Foreign { port, path: usual_path, expected: Box::new(usual_answer), stop }
}

fn acceptor(certificate: &Certificate) -> TlsAcceptor {
    let made = &certificate.made;
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(tls))
}

/// Says goodbye after 700 requests: in the middle of what is under way.
async fn serve<T: AsyncRead + AsyncWrite + Unpin>(io: T, seen: Shared) {
    let mut connection = h2::server::Builder::new()
        .max_concurrent_streams(150)
        .initial_window_size(2_000)
        .handshake::<_, Bytes>(io)
        .await
        .unwrap();
    let mut count = 0;
    while let Some(Ok((request, respond))) = connection.accept().await {
        *seen.lock().unwrap().entry(request.uri().path().to_owned()).or_default() += 1;
        tokio::spawn(answer(request, respond));
        count += 1;
        if count == 700 {
            connection.graceful_shutdown();
        }
    }
}

async fn answer(request: http::Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    let (parts, mut body) = request.into_parts();
    let mut bytes = 0;
    while let Some(data) = body.data().await {
        let Ok(data) = data else { return };
        bytes += data.len();
        let _ = body.flow_control().release_capacity(data.len());
    }
    let path = parts.uri.path();
    let status: u16 = path.split('/').nth(1).unwrap().parse().unwrap();
    let head = http::Response::builder().status(status).header("x-token", path).header("x-bytes", bytes);
    let head = if status == 200 { head } else { head.header("retry-after", "7") };
    let Ok(mut stream) = respond.send_response(head.body(()).unwrap(), status == 200) else { return };
    if status != 200 {
        let _ = stream.send_data(error_body(path).into(), true);
    }
}

#[tokio::test]
async fn h2_with_tls() {
    let certificate = Certificate::new();
    let server = start(Some(&certificate)).await;
    let target = certificate.target(server.port);
    super::with_tls(server, target).await;
}

#[tokio::test]
async fn h2_without_tls() {
    super::plain::without_tls(start(None).await).await;
}
