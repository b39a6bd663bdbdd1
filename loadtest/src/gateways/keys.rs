//! Keys and certificates, made afresh at each start. Private keys go only into files of mode 0600.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;

use super::{GatewayError, GatewayInfo};

/// Name in the gateways' certificate.
pub(super) const SERVER_NAME: &str = "localhost";
/// `kid` of provider tokens: ten characters, as Apple's have.
pub(super) const APNS_KEY_ID: &str = "OWLKEY0001";
/// `iss` of provider tokens: ten characters, as Apple's have.
pub(super) const APNS_TEAM_ID: &str = "OWLTEAM001";
/// `private_key_id` of the service account.
pub(super) const FCM_KEY_ID: &str = "5afe0001feedbeef5afe0001feedbeef5afe0001";

/// The public halves that the gateways verify with, and what TLS needs.
pub(super) struct Keys {
    pub(super) tls: Arc<ServerConfig>,
    /// Uncompressed P-256 point.
    pub(super) apns_public: Vec<u8>,
    /// PKCS #1 `RSAPublicKey`.
    pub(super) fcm_public: Vec<u8>,
    /// `client_email` of the service account.
    pub(super) client_email: String,
}

/// Makes all keys, and writes the files that `info` names.
pub(super) fn make(info: &GatewayInfo, further_names: &[String]) -> Result<Keys, GatewayError> {
    let (ca_pem, tls) = certificates(further_names)?;
    write(&info.ca_file, ca_pem.as_bytes(), 0o644)?;

    let apns = KeyPair::generate()?;
    write(&info.apns_key_file, apns.serialize_pem().as_bytes(), 0o600)?;

    let rsa = Rsa::generate(2048)?;
    let fcm_public = rsa.public_key_to_der_pkcs1()?;
    let pem = PKey::from_rsa(rsa)?.private_key_to_pem_pkcs8()?;
    let client_email = format!("stand-in@{}.iam.gserviceaccount.com", info.fcm_project);
    let account = service_account(info, &client_email, &String::from_utf8_lossy(&pem));
    write(&info.fcm_service_account_file, &serde_json::to_vec_pretty(&account)?, 0o600)?;

    Ok(Keys { tls, apns_public: apns.public_key_raw().to_vec(), fcm_public, client_email })
}

/// Writes a file that only its owner may change, with this mode from its first byte on.
pub(super) fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), GatewayError> {
    let fail = |source| GatewayError::Write { path: PathBuf::from(path), source };
    // An older file may be readable by others: its mode would stay.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path).and_then(|mut file| file.write_all(content)).map_err(fail)
}

/// A CA of our own, whose key is thrown away, and the server configuration that it signed.
fn certificates(further_names: &[String]) -> Result<(String, Arc<ServerConfig>), GatewayError> {
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "Superb Owl stand-in gateways");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

    let own = [SERVER_NAME, "127.0.0.1", "::1"].map(str::to_owned);
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new([&own, further_names].concat())?.signed_by(&key, &ca)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    tls.alpn_protocols = vec![b"h2".to_vec()];
    Ok((ca.pem(), Arc::new(tls)))
}

fn service_account(info: &GatewayInfo, client_email: &str, private_key: &str) -> serde_json::Value {
    json!({
        "type": "service_account",
        "project_id": info.fcm_project,
        "private_key_id": FCM_KEY_ID,
        "private_key": private_key,
        "client_email": client_email,
        "client_id": "100000000000000000001",
        "auth_uri": format!("{}/auth", info.admin),
        "token_uri": info.token_uri,
        "auth_provider_x509_cert_url": format!("{}/certs", info.admin),
        "client_x509_cert_url": format!("{}/x509", info.admin),
        "universe_domain": "googleapis.com",
    })
}
