//! Keys and certificates: those that an earlier run left in the directory, or new ones. Private keys go only into files of
//! mode 0600.

mod kept;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
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

/// What the gateways verify with, and what TLS needs.
pub(super) struct Keys {
    pub(super) tls: Arc<ServerConfig>,
    pub(super) public: PublicKeys,
}

/// The halves that the gateways verify with.
#[derive(Default)]
pub(super) struct PublicKeys {
    /// Uncompressed P-256 point.
    pub(super) apns: Vec<u8>,
    /// PKCS #1 `RSAPublicKey`.
    pub(super) fcm: Vec<u8>,
    /// `client_email` of the service account.
    pub(super) client_email: String,
}

/// The gateways' own certificate and its key, beside the CA's. Nobody else reads them.
const CERTIFICATE_FILE: &str = "gateways-certificate.pem";
const CERTIFICATE_KEY_FILE: &str = "gateways-key.pem";

/// The keys that an earlier run left where `info` says, or new ones; writes the files that `info` names.
pub(super) fn keep_or_make(
    info: &GatewayInfo,
    further_names: &[String],
    was_here: bool,
) -> Result<Keys, GatewayError> {
    if was_here && let Some(kept) = kept::read(info, further_names) {
        let public = write_account(info, &kept.apns, kept.rsa)?;
        return Ok(Keys { tls: kept.tls, public });
    }
    make(info, further_names)
}

/// Makes all keys, and writes the files that `info` names.
fn make(info: &GatewayInfo, further_names: &[String]) -> Result<Keys, GatewayError> {
    let tls = certificates(info, further_names)?;
    let apns = KeyPair::generate()?;
    write(&info.apns_key_file, apns.serialize_pem().as_bytes(), 0o600)?;
    let public = write_account(info, &apns, Rsa::generate(2048)?)?;
    Ok(Keys { tls, public })
}

/// Writes the service account, unless it stands there already.
fn write_account(info: &GatewayInfo, apns: &KeyPair, rsa: Rsa<Private>) -> Result<PublicKeys, GatewayError> {
    let fcm = rsa.public_key_to_der_pkcs1()?;
    let pem = PKey::from_rsa(rsa)?.private_key_to_pem_pkcs8()?;
    let client_email = format!("stand-in@{}.iam.gserviceaccount.com", info.fcm_project);
    let account = service_account(info, &client_email, &String::from_utf8_lossy(&pem));
    let file = &info.fcm_service_account_file;
    let account = serde_json::to_vec_pretty(&account)?;
    if std::fs::read(file).ok().as_ref() != Some(&account) {
        write(file, &account, 0o600)?;
    }
    Ok(PublicKeys { apns: apns.public_key_raw().to_vec(), fcm, client_email })
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
fn certificates(info: &GatewayInfo, further_names: &[String]) -> Result<Arc<ServerConfig>, GatewayError> {
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "Superb Owl stand-in gateways");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(names(further_names))?.signed_by(&key, &ca)?;
    write(&info.ca_file, ca.pem().as_bytes(), 0o644)?;
    write(&info.ca_file.with_file_name(CERTIFICATE_FILE), certificate.pem().as_bytes(), 0o644)?;
    write(&info.ca_file.with_file_name(CERTIFICATE_KEY_FILE), key.serialize_pem().as_bytes(), 0o600)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    server_config(certificate.der().clone(), key)
}

/// All names in the certificate.
fn names(further_names: &[String]) -> Vec<String> {
    [&[SERVER_NAME, "127.0.0.1", "::1"].map(str::to_owned), further_names].concat()
}

fn server_config(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, GatewayError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    tls.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(tls))
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
