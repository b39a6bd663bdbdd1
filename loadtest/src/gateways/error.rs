//! What can keep the gateways from starting or from serving.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the stand-in gateways could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A listener's address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The directory for keys and certificates cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A certificate or an elliptic-curve key could not be made.
    #[error("cannot make certificates: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The RSA key of the service account could not be made.
    #[error("cannot make the service account's RSA key: {0}")]
    RsaKey(#[from] openssl::error::ErrorStack),
    /// The TLS configuration was refused.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A setting is out of range.
    #[error("{0}")]
    Setting(String),
    /// The profile cannot be used.
    #[error("{0}")]
    Profile(#[from] super::profile::ProfileError),
    /// A thread or a runtime could not be started, or ended early.
    #[error("cannot run the gateways' threads: {0}")]
    Thread(#[source] std::io::Error),
    /// The answer for standard output could not be written as JSON.
    #[error("cannot write the gateways' description: {0}")]
    Describe(#[from] serde_json::Error),
}
