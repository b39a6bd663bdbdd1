//! TLS settings: Mozilla's roots as compiled in for the vendors, or one CA of our own for a rehearsal; ALPN `h2` only.
//!
//! The roots are compiled in (`webpki-roots`), not the system's: a container without certificates would fail on the
//! evening itself, and a CA that somebody added to a host (a proxy that opens TLS) would see every device token.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use wire::driver::client_tls;

/// For Apple and Google.
pub(super) fn public_roots() -> Result<Arc<ClientConfig>, String> {
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
    config(roots)
}

/// Whether it holds the key of a CA that everybody trusts.
fn is_public(certificate: &CertificateDer<'_>) -> bool {
    webpki_roots::TLS_SERVER_ROOTS.iter().any(|root| {
        let key: &[u8] = &root.subject_public_key_info;
        certificate.windows(key.len()).any(|window| window == key)
    })
}

fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
    client_tls(roots).map_err(|e| format!("TLS can't be set up: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_ca_is_known_by_its_key() {
        let root = &webpki_roots::TLS_SERVER_ROOTS[3];
        let certificate = [b"before", &*root.subject_public_key_info, b"after"].concat();
        assert!(is_public(&certificate.into()));
        assert!(!is_public(&vec![0; 2_000].into()));
    }
}
