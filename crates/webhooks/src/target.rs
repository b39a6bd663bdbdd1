//! Where a webhook's messages go: a URL, taken apart and checked as far as that goes without the network.

use crate::address::Kind;
use crate::config::WebhookConfig;
use http::Uri;
use std::net::IpAddr;

/// Longest URL, in bytes (ours).
const URL_BYTES_MAX: usize = 2_048;

/// A receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whether it speaks TLS.
    pub(crate) tls: bool,
    /// Its name or address, without brackets.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// As a `host` header has it.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
}

impl Target {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// Why no message may go there, and what would do.
    pub fn parse(url: &str, config: &WebhookConfig) -> Result<Self, String> {
        let target = Self::of(url)?;
        let own = target.host.eq_ignore_ascii_case("localhost") || target.kind() == Some(Kind::Loopback);
        if !(target.tls || config.allow_http || config.allow_loopback && own) {
            return Err("give an https:// URL (webhooks.allow_http would allow http)".to_owned());
        }
        if let Some(address) = target.address().filter(|address| !config.permits(*address, target.tls)) {
            return Err(target.refused(address));
        }
        Ok(target)
    }

    fn of(url: &str) -> Result<Self, String> {
        if url.len() > URL_BYTES_MAX {
            return Err(format!("has {} bytes, {URL_BYTES_MAX} are allowed", url.len()));
        }
        if url.contains('#') {
            return Err("a fragment (#...) is sent to nobody: leave it out".to_owned());
        }
        // What was given is not quoted: it may hold a secret.
        let uri: Uri = url.parse().map_err(|_| "is not a URL such as https://example.com/hook".to_owned())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("give a whole URL, such as https://example.com/hook".to_owned()),
        };
        let authority = uri.authority().map(|a| a.as_str().to_owned()).unwrap_or_default();
        if authority.contains('@') {
            return Err("a name or password before the host is not sent: leave it out".to_owned());
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let says_port = authority.rsplit_once(':').is_some_and(|(_, rest)| !rest.contains(']'));
        if host.is_empty() || port == 0 || (says_port && uri.port_u16().is_none()) {
            return Err("names no host, or a port that is none".to_owned());
        }
        let path = uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
        Ok(Self { tls, host, port, authority, path })
    }

    /// Its address, where that stands in the URL.
    fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    fn kind(&self) -> Option<Kind> {
        self.address().map(Kind::of)
    }

    /// Why no message goes to this address, which it has or resolves to. An address that only the resolver named is not told:
    /// whoever makes webhooks is not to look up inside names by them.
    pub(crate) fn refused(&self, address: IpAddr) -> String {
        let kind = Kind::of(address).label();
        let what = match self.address() {
            Some(own) => format!("{own} is {kind}"),
            None => format!("`{}` leads to an address that is {kind}", self.host),
        };
        format!("{what}: no message goes there (docs/webhooks.md, \"Where messages may go\")")
    }

    /// Scheme, host and port: what may stand in logs. Path and query may hold a secret.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: WebhookConfig =
        WebhookConfig { allow_http: false, allow_private: false, allow_loopback: false };

    #[test]
    fn a_port_that_is_none_is_refused() {
        for url in [
            "https://example.com:99999/",
            "https://example.com:/",
            "https://example.com:0/",
            "https://[::1]:70000/",
        ] {
            assert!(Target::parse(url, &USUAL).is_err(), "{url}");
        }
        assert_eq!(Target::parse("https://[2606:4700::1]/", &USUAL).map(|t| t.port), Ok(443));
    }

    #[test]
    fn an_inside_address_is_named_only_by_whoever_knew_it() {
        let inside = "10.1.2.3".parse().unwrap();
        let named = Target::parse("https://db.example.com/", &USUAL).unwrap().refused(inside);
        assert!(
            named.contains("`db.example.com`") && named.contains("private") && !named.contains("10.1"),
            "{named}"
        );
        let known = Target::parse("https://10.1.2.3/", &USUAL).unwrap_err();
        assert!(known.contains("10.1.2.3 is private"), "{known}");
    }

    #[test]
    fn a_url_is_taken_apart() {
        let target = Target::parse("https://hooks.example.com:8443/a/b?c=d", &USUAL).unwrap();
        assert_eq!((target.host.as_str(), target.port, target.tls), ("hooks.example.com", 8443, true));
        assert_eq!(target.path, "/a/b?c=d");
        assert_eq!(target.origin(), "https://hooks.example.com:8443");
        let six = Target::parse("https://[2606:4700::1111]", &USUAL).unwrap();
        assert_eq!((six.host.as_str(), six.port, six.path.as_str()), ("2606:4700::1111", 443, "/"));
    }

    #[test]
    fn what_cannot_be_a_receiver_is_refused_with_a_reason() {
        for (url, why) in [
            ("http://example.com/hook", "https://"),
            ("https://user:secret@example.com/", "password"),
            ("https://example.com/#here", "fragment"),
            ("ftp://example.com/", "whole URL"),
            ("example.com/hook", "URL"),
            ("https://", "URL"),
            ("https:///hook", "URL"),
            ("https://example.com:0/", "port"),
            ("https://127.0.0.1/", "this machine's own"),
            ("https://[::1]:9/", "this machine's own"),
            ("https://10.1.2.3/", "private"),
            ("https://169.254.169.254/latest/meta-data", "link-local"),
            ("https://exa mple.com/", "URL"),
        ] {
            let refused = Target::parse(url, &USUAL).unwrap_err();
            assert!(refused.contains(why) && !refused.contains("secret"), "{url}: {refused}");
        }
        let long = format!("https://example.com/{}", "a".repeat(2_048));
        assert!(Target::parse(&long, &USUAL).unwrap_err().contains("2068"));
    }

    #[test]
    fn this_machine_is_for_trying_things_out() {
        let trying = WebhookConfig { allow_loopback: true, ..USUAL };
        for good in ["http://127.0.0.1:9/", "http://localhost:9/", "https://[::1]/"] {
            Target::parse(good, &trying).unwrap_or_else(|why| panic!("{good}: {why}"));
        }
        assert!(Target::parse("http://example.com/", &trying).is_err());
        assert!(Target::parse("http://10.0.0.1/", &trying).is_err());
    }
}
