//! Where a pool connects to, as types: the vendors' own hosts, fixed; or a stand-in, which can never be the vendors'.
//!
//! Nobody can build an [`Origin`] that is both: a rehearsal's constructor refuses Apple's and Google's names and
//! addresses and trusts one CA file only, the others take no arguments.

use super::tls;
use rustls::ClientConfig;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use wire::driver::Target;

const HTTPS_PORT: u16 = 443;

/// A host that a pool connects to.
#[derive(Clone)]
pub struct Origin {
    host: String,
    port: u16,
    rehearsal: bool,
    tls: Arc<ClientConfig>,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.authority(), if self.rehearsal { " (rehearsal)" } else { "" })
    }
}

impl Origin {
    /// Apple's production gateway.
    ///
    /// # Errors
    /// In words: TLS can't be set up.
    pub fn apns_production() -> Result<Self, String> {
        Self::vendor("api.push.apple.com")
    }

    /// Apple's gateway for development builds.
    ///
    /// # Errors
    /// In words: TLS can't be set up.
    pub fn apns_sandbox() -> Result<Self, String> {
        Self::vendor("api.sandbox.push.apple.com")
    }

    /// Google's gateway.
    ///
    /// # Errors
    /// In words: TLS can't be set up.
    pub fn fcm_production() -> Result<Self, String> {
        Self::vendor("fcm.googleapis.com")
    }

    fn vendor(host: &str) -> Result<Self, String> {
        Ok(Self { host: host.to_owned(), port: HTTPS_PORT, rehearsal: false, tls: tls::public_roots()? })
    }

    /// A stand-in at `host:port`, which must show a certificate of the one CA in `ca_file`.
    ///
    /// # Errors
    /// In words: the endpoint is Apple's or Google's or no endpoint, or the file is not one CA of our own.
    pub fn rehearsal(endpoint: &str, ca_file: &Path) -> Result<Self, String> {
        let (host, port) = split(endpoint)?;
        if is_vendor_host(&host) {
            return Err(format!("`{host}` belongs to Apple or Google: a rehearsal can't go there"));
        }
        Ok(Self { host, port, rehearsal: true, tls: tls::one_ca(ca_file)? })
    }

    /// The host's name or address, as the certificate must name it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port, as `:authority` says them.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == HTTPS_PORT { host } else { format!("{host}:{}", self.port) }
    }

    /// Whether it is a stand-in.
    #[must_use]
    pub fn is_rehearsal(&self) -> bool {
        self.rehearsal
    }

    /// What a pool has to know.
    pub(super) fn target(&self) -> Target {
        let permits = if self.rehearsal { not_apple } else { any };
        Target { host: self.host.clone(), port: self.port, tls: Arc::clone(&self.tls), permits }
    }
}

/// A rehearsal's name must not lead to Apple either.
fn not_apple(address: SocketAddr) -> Result<(), &'static str> {
    if is_apples(address.ip()) { Err("a rehearsal must not go to Apple") } else { Ok(()) }
}

fn any(_: SocketAddr) -> Result<(), &'static str> {
    Ok(())
}

/// `host:port`, `[v6]:port`, either with `https://` before it.
fn split(endpoint: &str) -> Result<(String, u16), String> {
    let wrong = || format!("`{}` is not host:port", common::ids::clip(endpoint));
    let plain = endpoint.strip_prefix("https://").unwrap_or(endpoint);
    let authority: http::uri::Authority = plain.trim_end_matches('/').parse().map_err(|_| wrong())?;
    let port = authority.port_u16().ok_or_else(wrong)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    if host.is_empty() || authority.as_str().contains('@') { Err(wrong()) } else { Ok((host, port)) }
}

const VENDOR_DOMAINS: [&str; 10] = [
    "apple.com",
    "apple",
    "icloud.com",
    "aaplimg.com",
    "apple-dns.net",
    "googleapis.com",
    "google.com",
    "google",
    "1e100.net",
    "firebaseio.com",
];

/// Whether a name or address is Apple's or Google's.
#[must_use]
pub fn is_vendor_host(host: &str) -> bool {
    let host = host.trim_end_matches('.').trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let inside =
        |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    VENDOR_DOMAINS.iter().any(|d| inside(d)) || host.parse::<IpAddr>().is_ok_and(is_apples)
}

/// Apple's address blocks, 17.0.0.0/8 and 2620:149::/32. Google's are too many to list: there the CA decides.
fn is_apples(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets()[0] == 17,
        IpAddr::V6(v6) => v6.segments()[..2] == [0x2620, 0x0149],
    }
}

/// Whether a URL's host is this machine, by address or as `localhost`.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apples_and_googles_hosts_are_known_in_every_spelling() {
        for host in [
            "api.push.apple.com",
            "API.Push.Apple.COM.",
            "apple.com",
            "fcm.googleapis.com",
            "oauth2.googleapis.com",
            "accounts.google.com",
            "17.188.143.1",
            "::ffff:17.1.2.3",
            "[2620:149:a44::1]",
        ] {
            assert!(is_vendor_host(host), "{host}");
        }
        for host in ["localhost", "127.0.0.1", "pineapple.com", "notgoogle.com.example", "gateway.internal"] {
            assert!(!is_vendor_host(host), "{host}");
        }
    }

    #[test]
    fn endpoints_are_host_and_port() {
        assert_eq!(split("127.0.0.1:2197"), Ok(("127.0.0.1".to_owned(), 2197)));
        assert_eq!(split("https://Gateway.Internal:443/"), Ok(("gateway.internal".to_owned(), 443)));
        assert_eq!(split("[::1]:99"), Ok(("::1".to_owned(), 99)));
        for wrong in ["", "host", "host:port", "http://host:1/x", "a@host:1", ":1"] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn loopback_is_literal() {
        assert!(["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "::1"].iter().all(|h| is_loopback(h)));
        assert!(!["127.0.0.1.example.com", "10.0.0.1", "localhost.example"].iter().any(|h| is_loopback(h)));
    }
}
