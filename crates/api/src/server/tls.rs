//! TLS by certificate files: read at the start, and again when they change. Files that can't be used then are a warning,
//! and the old certificate stays.

use super::ApiError;
use crate::access::TlsFiles;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// What a file is told from another by, without reading it.
type Mark = Option<(SystemTime, u64)>;

/// The certificate in use.
pub(super) struct Tls {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    pub(super) fn open(files: &TlsFiles) -> Result<Self, ApiError> {
        let config = RwLock::new(read(files).map_err(ApiError::Tls)?);
        Ok(Self { files: files.clone(), config })
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)).into()
    }

    /// Reads the files again whenever they change, until shutdown.
    pub(super) async fn keep_fresh(self: Arc<Self>, shutdown: CancellationToken) {
        let mut seen = marks(&self.files);
        let again = async {
            loop {
                tokio::time::sleep(EVERY).await;
                let now = marks(&self.files);
                if now != seen {
                    seen = now;
                    self.reload();
                }
            }
        };
        shutdown.run_until_cancelled(again).await;
    }

    fn reload(&self) {
        match read(&self.files) {
            Ok(config) => {
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
                tracing::info!("a new certificate is in use");
            }
            // Certificate and key are two files: between the two writes they don't belong together.
            Err(why) => tracing::warn!(why, "the new certificate can't be used; the old one stays"),
        }
    }
}

fn marks(files: &TlsFiles) -> [Mark; 2] {
    let mark = |path: &Path| {
        let facts = std::fs::metadata(path).ok()?;
        Some((facts.modified().ok()?, facts.len()))
    };
    [mark(&files.cert), mark(&files.key)]
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, String> {
    let named = |path: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let chain = CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|e| named(&files.cert, &e))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| named(&files.key, &e))?;
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| e.to_string())?.with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).map_err(|e| named(&files.cert, &e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
