//! What an earlier run left behind. Whatever is missing, unreadable or at odds with the rest means: nothing.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use openssl::pkey::Private;
use openssl::rsa::Rsa;
use openssl::x509::X509;
use rcgen::KeyPair;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{CERTIFICATE_FILE, CERTIFICATE_KEY_FILE, GatewayInfo, names, server_config};

/// The keys of an earlier run.
pub(super) struct Kept {
    pub(super) tls: Arc<ServerConfig>,
    pub(super) apns: KeyPair,
    pub(super) rsa: Rsa<Private>,
}

/// Reads all of them, or nothing.
pub(super) fn read(info: &GatewayInfo, further_names: &[String]) -> Option<Kept> {
    let apns = KeyPair::from_pem(&std::fs::read_to_string(&info.apns_key_file).ok()?).ok()?;
    // Any other kind verifies nothing.
    if !apns.is_compatible(&rcgen::PKCS_ECDSA_P256_SHA256) {
        return None;
    }
    Some(Kept { tls: tls(&info.ca_file, further_names)?, apns, rsa: rsa(&info.fcm_service_account_file)? })
}

fn rsa(account: &Path) -> Option<Rsa<Private>> {
    let account: serde_json::Value = serde_json::from_slice(&std::fs::read(account).ok()?).ok()?;
    let key = account.get("private_key")?.as_str()?;
    Rsa::private_key_from_pem(key.as_bytes()).ok().filter(|rsa| rsa.check_key().unwrap_or(false))
}

/// The certificate if this CA signed it for all these names; rustls sees to it that the key is its own.
fn tls(ca_file: &Path, further_names: &[String]) -> Option<Arc<ServerConfig>> {
    let ca = X509::from_pem(&std::fs::read(ca_file).ok()?).ok()?;
    let pem = std::fs::read(ca_file.with_file_name(CERTIFICATE_FILE)).ok()?;
    let certificate = X509::from_pem(&pem).ok()?;
    let signed = certificate.verify(ca.public_key().ok()?.as_ref()).unwrap_or(false);
    if !signed || !names(further_names).iter().all(|name| is_for(&certificate, name)) {
        return None;
    }
    let certificate = CertificateDer::from_pem_slice(&pem).ok()?;
    let key = PrivateKeyDer::from_pem_file(ca_file.with_file_name(CERTIFICATE_KEY_FILE)).ok()?;
    server_config(certificate, key).ok()
}

fn is_for(certificate: &X509, name: &str) -> bool {
    let address = name.parse::<IpAddr>().ok().map(|address| match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    });
    certificate.subject_alt_names().is_some_and(|names| {
        names.iter().any(|known| match &address {
            Some(address) => known.ipaddress() == Some(address.as_slice()),
            None => known.dnsname() == Some(name),
        })
    })
}
