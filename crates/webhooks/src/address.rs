//! Which addresses a message may go to. Held against what a name resolved to, right before connecting: a name that was
//! harmless when the webhook was made may point inside by now.

use crate::config::WebhookConfig;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anybody's, on the internet.
    Public,
    /// Of a private network.
    Private,
    /// This machine.
    Loopback,
    /// Link-local and others where clouds hand out credentials, multicast, reserved: never a receiver.
    Never,
}

impl Kind {
    /// Of this address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => of_v4(v4),
            IpAddr::V6(v6) => of_v6(v6),
        }
    }

    /// Its name in a sentence.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Loopback => "this machine's own",
            Self::Never => "link-local or reserved",
        }
    }
}

impl WebhookConfig {
    /// Whether a message may go to this address, with TLS or without.
    #[must_use]
    pub fn permits(&self, address: IpAddr, tls: bool) -> bool {
        let plain = tls || self.allow_http;
        match Kind::of(address) {
            Kind::Public => plain,
            Kind::Private => plain && self.allow_private,
            Kind::Loopback => self.allow_loopback || (plain && self.allow_private),
            Kind::Never => false,
        }
    }
}

/// Where clouds hand out credentials at an address that is not link-local: Alibaba's, Azure's.
const CREDENTIALS: [[u8; 4]; 2] = [[100, 100, 100, 200], [168, 63, 129, 16]];

fn of_v4(v4: Ipv4Addr) -> Kind {
    let [a, b, c, d] = v4.octets();
    if CREDENTIALS.contains(&[a, b, c, d]) {
        return Kind::Never;
    }
    match (a, b, c) {
        (127, ..) => Kind::Loopback,
        // Private networks, and what carriers use behind their NAT.
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Kind::Private,
        // "This network", link-local, protocol assignments, documentation, benchmarks, 6to4 relays, multicast, reserved.
        (0, ..) | (169, 254, _) | (192, 0, 0 | 2) | (192, 88, 99) => Kind::Never,
        (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) | (224..=255, ..) => Kind::Never,
        _ => Kind::Public,
    }
}

fn of_v6(v6: Ipv6Addr) -> Kind {
    let s = v6.segments();
    let low = |hi: u16, lo: u16| {
        let ([a, b], [c, d]) = (hi.to_be_bytes(), lo.to_be_bytes());
        of_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Loopback,
        // An IPv4 address in other clothes is what it is underneath: mapped, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0xffff, hi, lo] | [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] => low(hi, lo),
        [0x2002, hi, lo, ..] => low(hi, lo),
        // Within it, AWS hands out metadata and credentials.
        [0xfd00, 0xec2, ..] => Kind::Never,
        [0xfc00..=0xfdff, ..] => Kind::Private,
        // Teredo and documentation are within 2000::/3, where everything public is.
        [0x2001, 0 | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Kind::Never,
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Kind::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Kind {
        Kind::of(text.parse().unwrap())
    }

    #[test]
    fn inside_addresses_are_known_in_every_spelling() {
        for public in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert_eq!(kind(public), Kind::Public, "{public}");
        }
        let private = ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd00::1"];
        for private in private.into_iter().chain(["::ffff:10.1.2.3", "64:ff9b::a01:203", "2002:a01:203::1"]) {
            assert_eq!(kind(private), Kind::Private, "{private}");
        }
        for own in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"] {
            assert_eq!(kind(own), Kind::Loopback, "{own}");
        }
        let never = ["169.254.169.254", "169.254.170.2", "0.0.0.0", "224.0.0.1", "255.255.255.255"];
        let never = never.into_iter().chain(["::", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "100::1"]);
        let clouds =
            ["fd00:ec2::254", "fd00:ec2::23", "100.100.100.200", "168.63.129.16", "::ffff:168.63.129.16"];
        let never = never.chain(clouds);
        for never in never.chain(["::ffff:169.254.169.254", "::7f00:1", "2001::1", "192.0.2.1"]) {
            assert_eq!(kind(never), Kind::Never, "{never}");
        }
    }

    #[test]
    fn what_is_permitted_is_said_by_the_operator() {
        let [public, private, own, link] =
            ["8.8.8.8", "10.0.0.1", "127.0.0.1", "169.254.169.254"].map(|ip| ip.parse().unwrap());
        let usual = WebhookConfig::default();
        assert!(usual.permits(public, true) && !usual.permits(public, false));
        assert!(!usual.permits(private, true) && !usual.permits(own, true) && !usual.permits(link, true));
        let trying = WebhookConfig { allow_loopback: true, ..usual };
        assert!(
            trying.permits(own, false) && !trying.permits(private, true) && !trying.permits(public, false)
        );
        let inside = WebhookConfig { allow_private: true, ..usual };
        assert!(inside.permits(private, true) && inside.permits(own, true) && !inside.permits(own, false));
        let all = WebhookConfig { allow_http: true, allow_private: true, allow_loopback: true };
        assert!(all.permits(private, false) && !all.permits(link, true), "credentials are handed out there");
    }
}
