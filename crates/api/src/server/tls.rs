//! TLS by certificate files: read at the start, and again when they change. Files that can't be used then are a warning,
//! and the old certificate stays.

use super::ApiError;
use crate::access::TlsFiles;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// What a file is told from another by, without reading it: when it was written and changed, its inode, its size. Also one
/// that was put in place with an old time, or written twice within the clock's step, is another.
type Mark = Option<[i64; 6]>;
/// Both files.
type Marks = [Mark; 2];

/// The certificate in use.
pub(super) struct Tls {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
    /// Of the files as they were before the configuration in use was read.
    opened: Marks,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    pub(super) fn open(files: &TlsFiles) -> Result<Self, ApiError> {
        let opened = marks(files);
        let config = RwLock::new(read(files).map_err(ApiError::Tls)?);
        Ok(Self { files: files.clone(), config, opened })
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)).into()
    }

    /// Reads the files again whenever they change, until shutdown; what can't be used is tried again each second.
    pub(super) async fn keep_fresh(self: Arc<Self>, shutdown: CancellationToken) {
        let (mut used, mut failed) = (self.opened, self.opened);
        let again = async {
            loop {
                tokio::time::sleep(EVERY).await;
                // Taken before the files are read: what changes meanwhile is seen the next time.
                let now = marks(&self.files);
                if now == used {
                    continue;
                }
                match self.reload() {
                    Ok(()) => used = now,
                    // Certificate and key are two files: between the two writes they don't belong together.
                    Err(why) if now != failed => {
                        tracing::warn!(why, "the new certificate can't be used; the old one stays");
                        failed = now;
                    }
                    Err(_) => {}
                }
            }
        };
        shutdown.run_until_cancelled(again).await;
    }

    fn reload(&self) -> Result<(), String> {
        let config = read(&self.files)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        tracing::info!("a new certificate is in use");
        Ok(())
    }
}

fn marks(files: &TlsFiles) -> Marks {
    let mark = |path: &Path| {
        let facts = std::fs::metadata(path).ok()?;
        let (ino, size) = (facts.ino().cast_signed(), facts.size().cast_signed());
        Some([facts.mtime(), facts.mtime_nsec(), facts.ctime(), facts.ctime_nsec(), ino, size])
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
