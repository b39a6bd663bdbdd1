//! TLS settings of a client. One provider, ring: as fast as aws-lc-rs here, and neither cmake nor minutes of building.

use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// TLS 1.2 and 1.3 with ALPN `h2` only, for servers with a certificate of one of these roots.
///
/// # Errors
/// The provider does not know the protocol versions.
pub fn client_tls(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}
