//! Stands in for the crate of this name: instead of Mozilla's roots, the CAs in the PEM file that `SENDER_BENCH_CA` names;
//! none if it is not set. So a sender whose roots are compiled in can be measured against a stand-in, unchanged.

use std::sync::LazyLock;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor};

/// Names the file.
pub const VARIABLE: &str = "SENDER_BENCH_CA";

/// The roots.
pub static TLS_SERVER_ROOTS: LazyLock<Vec<TrustAnchor<'static>>> = LazyLock::new(|| {
    let Some(file) = std::env::var_os(VARIABLE) else { return Vec::new() };
    let certificates = CertificateDer::pem_file_iter(file).into_iter().flatten().flatten();
    certificates
        .filter_map(|der| Some(webpki::anchor_from_trusted_cert(&der).ok()?.to_owned()))
        .collect()
});
