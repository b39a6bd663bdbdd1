//! TLS to a stand-in, for the senders that leave it to their caller: the product's own settings.

use anyhow::{Context, Result};
use loadtest::gateways::GatewayInfo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Trusts the one CA in this file.
pub fn config(ca_file: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file).context("cannot read the stand-ins' CA")?)?;
    Ok(::wire::driver::client_tls(roots)?)
}

/// Opens a connection, without Nagle's delay.
pub async fn connect(
    address: &str,
    info: &GatewayInfo,
    config: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from(info.server_name.clone())?;
    Ok(TlsConnector::from(Arc::clone(config)).connect(name, tcp).await?)
}
