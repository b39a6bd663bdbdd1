//! The other side, by hand: frames as they come, answers as the test says.

use crate::frame;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(super) struct Peer<T> {
    pub(super) io: T,
}

/// A frame: kind, flags, stream, payload.
type Frame = (u8, u8, u32, Vec<u8>);

impl<T: AsyncRead + AsyncWrite + Unpin> Peer<T> {
    /// Takes the preface and allows so many streams, and bodies without end.
    pub(super) async fn begin(mut io: T, streams: u32) -> Self {
        let mut preface = [0; 24];
        io.read_exact(&mut preface).await.unwrap();
        assert_eq!(preface, *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut peer = Self { io };
        peer.allow(streams).await;
        peer.put(frame::WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()).await;
        peer
    }

    pub(super) async fn allow(&mut self, streams: u32) {
        let setting = [&[0, 3][..], &streams.to_be_bytes()].concat();
        self.put(frame::SETTINGS, 0, 0, &setting).await;
    }

    pub(super) async fn put(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut bytes = Vec::new();
        frame::put(&mut bytes, kind, flags, stream, payload);
        self.io.write_all(&bytes).await.unwrap();
        self.io.flush().await.unwrap();
    }

    pub(super) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.io.read_exact(&mut head).await.ok()?;
        let head = frame::Head::read(&head)?;
        let mut payload = vec![0; head.len];
        self.io.read_exact(&mut payload).await.ok()?;
        Some((head.kind, head.flags, head.stream, payload))
    }

    /// The next request that is complete; `None` when the client is gone.
    pub(super) async fn request(&mut self) -> Option<u32> {
        loop {
            match self.next().await? {
                (frame::DATA | frame::HEADERS, flags, stream, _) if flags & frame::END_STREAM != 0 => {
                    return Some(stream);
                }
                (frame::PING, 0, 0, payload) => self.put(frame::PING, frame::ACK, 0, &payload).await,
                (frame::GOAWAY, ..) => return None,
                _ => {}
            }
        }
    }

    /// 200 to this stream.
    pub(super) async fn answer(&mut self, stream: u32) {
        self.put(frame::HEADERS, frame::END_STREAM | frame::END_HEADERS, stream, &[0x88]).await;
    }

    /// Answers everything until the client is gone; how many.
    pub(super) async fn serve(&mut self) -> u32 {
        let mut count = 0;
        while let Some(stream) = self.request().await {
            self.answer(stream).await;
            count += 1;
        }
        count
    }
}

/// A listener with a certificate that only [`Server::target`] trusts.
pub(super) struct Server {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    pub(super) target: crate::driver::Target,
}

impl Server {
    pub(super) async fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = crate::driver::Target {
            host: "localhost".to_owned(),
            port: listener.local_addr().unwrap().port(),
            tls: crate::driver::client_tls(roots).unwrap(),
            permits: |address| if address.is_ipv4() { Ok(()) } else { Err("not here") },
        };
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(tls)), target }
    }

    /// The next connection, with so many streams.
    pub(super) async fn accept(&self, streams: u32) -> Peer<TlsStream<TcpStream>> {
        let (tcp, _) = self.listener.accept().await.unwrap();
        tcp.set_nodelay(true).unwrap();
        Peer::begin(self.acceptor.accept(tcp).await.unwrap(), streams).await
    }
}
