//! Who may talk to this server at all: the `Host` header must name it (a foreign page that rebinds its name to this
//! address does not), and an `Origin`, if there is one, must be the same place.

use crate::App;
use crate::access::Source;
use crate::problem::{Code, Problem};
use crate::requests::Peer;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use common::ids::clip;
use std::net::IpAddr;
use std::sync::Arc;

/// Middleware: turns away requests that were meant for another place or come from another page.
pub(crate) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match allowed(&app, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn allowed(app: &App, request: &Request) -> Result<(), Problem> {
    let host = one(request.headers(), &header::HOST)?;
    let host = host.ok_or_else(|| bad_host("there is no Host header".to_owned()))?;
    let host: Authority = host.parse().map_err(|_| bad_host(format!("`{}` is not a host", clip(host))))?;
    let peer = request.extensions().get::<Peer>();
    for named in [Some(&host), request.uri().authority()].into_iter().flatten() {
        if !is_ours(app, peer, named) {
            let why = format!(
                "`{}` is not a name of this server: use localhost, or add the name to allowed_hosts",
                clip(named.as_str())
            );
            return Err(bad_host(why));
        }
    }
    let https = Source::of(&app.config.access, peer, request.headers()).https;
    match one(request.headers(), &header::ORIGIN)? {
        Some(origin) if !same_place(origin, &host, https) => {
            let why = format!("requests from pages of `{}` are not taken", clip(origin));
            Err(Problem::new(Code::OriginNotAllowed, why).at("origin"))
        }
        _ => Ok(()),
    }
}

fn bad_host(why: String) -> Problem {
    Problem::new(Code::HostNotAllowed, why).at("host")
}

/// A header that may stand there once, as text.
pub(crate) fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut all = headers.get_all(name).iter();
    let (first, second) = (all.next(), all.next());
    let bad = || Problem::new(Code::BadHeader, format!("the header `{name}` is malformed")).at(name.as_str());
    match (first, second) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| bad()),
        _ => Err(bad()),
    }
}

/// Loopback, the address that the connection came in on (an address can't be rebound), or a name that was allowed.
fn is_ours(app: &App, peer: Option<&Peer>, named: &Authority) -> bool {
    if named.as_str().contains('@') {
        return false;
    }
    let host = named.host();
    if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        let ours = ip == app.config.listen.ip() || peer.is_some_and(|p| p.local == ip);
        return ip.is_loopback() || (ours && !ip.is_unspecified()) || is_listed(app, named);
    }
    host.eq_ignore_ascii_case("localhost") || is_listed(app, named)
}

fn is_listed(app: &App, named: &Authority) -> bool {
    let fits = |entry: &String| {
        let Ok(entry) = entry.parse::<Authority>() else { return false };
        entry.host().eq_ignore_ascii_case(named.host())
            && entry.port_u16().is_none_or(|port| named.port_u16() == Some(port))
    };
    app.config.allowed_hosts.iter().any(fits)
}

/// Whether an origin is a page of this very host. `null` is nobody's; where the request came by TLS, a page in the clear is
/// whoever's stands between.
fn same_place(origin: &str, host: &Authority, https: bool) -> bool {
    let (rest, usual_port) = match origin.split_once("://") {
        Some(("http", rest)) if !https => (rest, 80),
        Some(("https", rest)) => (rest, 443),
        _ => return false,
    };
    let Ok(origin) = rest.parse::<Authority>() else { return false };
    let port = |a: &Authority| a.port_u16().unwrap_or(usual_port);
    origin.host().eq_ignore_ascii_case(host.host()) && port(&origin) == port(host)
}
