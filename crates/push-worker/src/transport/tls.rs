//! TLS settings: Mozilla's roots as compiled in for the vendors, or one CA of our own for a rehearsal; ALPN `h2` only.
//!
//! The roots are compiled in (`webpki-roots`), not the system's: a container without certificates would fail on the
//! evening itself, and a CA that somebody added to a host (a proxy that opens TLS) would see every device token.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// For Apple and Google.
pub(super) fn public_roots() -> Arc<ClientConfig> {
    config(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
}

/// For a stand-in: nothing but the one CA in this file, which must not be a public one.
pub(super) fn one_ca(file: &Path) -> Result<Arc<ClientConfig>, String> {
    let name = file.display();
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|e| format!("`{name}` can't be read as PEM: {e}"))?;
    let [ca] = certificates.as_slice() else {
        return Err(format!("`{name}` holds {} certificates, exactly one is wanted", certificates.len()));
    };
    if is_public(ca) {
        return Err(format!("`{name}` holds a public CA: a rehearsal trusts one of its own only"));
    }
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).map_err(|e| format!("`{name}` is no CA certificate: {e}"))?;
    Ok(config(roots))
}

/// Whether it holds the key of a CA that everybody trusts.
fn is_public(certificate: &CertificateDer<'_>) -> bool {
    webpki_roots::TLS_SERVER_ROOTS.iter().any(|root| {
        let key: &[u8] = &root.subject_public_key_info;
        certificate.windows(key.len()).any(|window| window == key)
    })
}

fn config(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    // TLS 1.2 and 1.3, which ring has; the builder can fail only for a provider without them.
    let builder =
        ClientConfig::builder_with_provider(provider).with_protocol_versions(rustls::DEFAULT_VERSIONS);
    #[expect(clippy::expect_used, reason = "the provider is fixed, so this holds or no test passes")]
    let builder = builder.expect("ring has the default versions");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}
