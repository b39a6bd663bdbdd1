//! Where a request came from, and by which scheme: as the connection says, or as a balancer says that is trusted.

use super::AccessConfig;
use crate::requests::Peer;
use axum::http::HeaderMap;
use std::net::{IpAddr, Ipv4Addr};

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The client's address.
    pub(crate) ip: IpAddr,
    /// The client speaks TLS, with us or with a trusted balancer.
    pub(crate) https: bool,
    /// The client is on this machine, and nobody stands in between.
    pub(crate) local: bool,
}

impl Source {
    /// Of a request on this connection (none in tests without a listener).
    pub(crate) fn of(config: &AccessConfig, peer: Option<&Peer>, headers: &HeaderMap) -> Self {
        let Some(peer) = peer else {
            return Self { ip: Ipv4Addr::UNSPECIFIED.into(), https: false, local: false };
        };
        let trusted = config.trusted_proxies.iter().any(|net| net.contains(&peer.remote));
        let forwarded = headers.contains_key(FORWARDED_FOR);
        if !trusted {
            let local = peer.remote.is_loopback() && !forwarded;
            return Self { ip: peer.remote, https: peer.tls, local };
        }
        let https =
            peer.tls || last(headers, FORWARDED_PROTO).is_some_and(|p| p.eq_ignore_ascii_case("https"));
        let ip = client(headers, config.proxies).unwrap_or(peer.remote);
        Self { ip, https, local: ip.is_loopback() && !forwarded }
    }
}

/// The address that the outermost of so many balancers was talked to from: each appends one, and what stands before is
/// anybody's word. Read as bytes: a client's line that is no text does not hide what a balancer appended.
fn client(headers: &HeaderMap, balancers: u8) -> Option<IpAddr> {
    let lines: Vec<&[u8]> = headers.get_all(FORWARDED_FOR).iter().map(|v| v.as_bytes()).collect();
    let mut entries = lines.iter().rev().flat_map(|line| line.rsplit(|b| *b == b','));
    let entry = entries.nth(usize::from(balancers).checked_sub(1)?)?;
    let ip: IpAddr = std::str::from_utf8(entry).ok()?.trim().parse().ok()?;
    Some(ip.to_canonical())
}

fn last<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get_all(name).iter().next_back()?.to_str().ok()?.rsplit(',').next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn seen(remote: &str, headers: &[(&'static str, &str)]) -> (String, bool, bool) {
        through(1, remote, headers)
    }

    fn through(proxies: u8, remote: &str, headers: &[(&'static str, &str)]) -> (String, bool, bool) {
        let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let config = AccessConfig { trusted_proxies, proxies, ..AccessConfig::default() };
        let local = Ipv4Addr::LOCALHOST.into();
        let peer = Peer { remote: remote.parse().unwrap(), local, tls: false };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let source = Source::of(&config, Some(&peer), &map);
        (source.ip.to_string(), source.https, source.local)
    }

    #[test]
    fn only_a_trusted_balancer_is_believed() {
        let claim = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "https")];
        assert_eq!(seen("192.0.2.7", &claim), ("192.0.2.7".to_owned(), false, false));
        assert_eq!(seen("10.1.2.3", &claim), ("127.0.0.1".to_owned(), true, false));
        assert_eq!(seen("10.1.2.3", &[]), ("10.1.2.3".to_owned(), false, false));
        assert_eq!(seen("127.0.0.1", &[]), ("127.0.0.1".to_owned(), false, true));
        // A proxy on this machine that nobody told us about.
        assert_eq!(seen("127.0.0.1", &claim[..1]), ("127.0.0.1".to_owned(), false, false));
    }

    #[test]
    fn what_a_client_claims_before_the_balancer_counts_for_nothing() {
        let of = |proxies, lines: &[&str]| {
            let headers: Vec<_> = lines.iter().map(|l| ("x-forwarded-for", *l)).collect();
            through(proxies, "10.1.2.3", &headers).0
        };
        assert_eq!(of(1, &["1.1.1.1, 198.51.100.4"]), "198.51.100.4");
        assert_eq!(of(1, &["1.1.1.1", "198.51.100.4"]), "198.51.100.4");
        assert_eq!(of(1, &["1.1.1.1, 10.9.9.9"]), "10.9.9.9", "a client in the balancer's network");
        assert_eq!(of(1, &["198.51.100.4, nonsense"]), "10.1.2.3");
        assert_eq!(of(1, &["::ffff:198.51.100.4"]), "198.51.100.4");
        assert_eq!(of(2, &["1.1.1.1, 198.51.100.4, 10.9.9.9"]), "198.51.100.4");
        assert_eq!(of(2, &["1.1.1.1, 198.51.100.4", "10.9.9.9"]), "198.51.100.4");
        assert_eq!(of(2, &["198.51.100.4"]), "10.1.2.3", "it did not come through both");
        assert_eq!(of(1, &["\u{fc}", "198.51.100.4"]), "198.51.100.4");
        assert_eq!(of(1, &["\u{fc}, 198.51.100.4"]), "198.51.100.4");
        assert_eq!(of(2, &["1.1.1.1", "\u{fc}, 198.51.100.4"]), "10.1.2.3", "it is an entry too");
    }

    #[test]
    fn the_balancers_own_word_about_the_scheme_is_the_last() {
        let proto = |text: &str| seen("10.1.2.3", &[("x-forwarded-proto", text)]).1;
        assert!(proto("https") && proto("http, HTTPS") && !proto("https, http") && !proto(""));
    }
}
