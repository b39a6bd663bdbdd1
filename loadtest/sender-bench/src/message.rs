//! What is sent: the product's own content, rendered by the product, so that every sender sends the same bytes.

use crate::job::Gateway;
use anyhow::{Context, Result};
use bytes::Bytes;
use common::content::Content;
use common::device::Target;
use common::ids::CampaignId;
use http::{HeaderMap, HeaderName, HeaderValue};
use loadtest::gateways::GatewayInfo;
use payload::{FcmAt, Rendered};
use wire::{Policy, Template};

/// Tokens that requests outside the worker take turns with.
const TOKENS: u64 = 4096;
/// Bytes of a provider token (ES256) with `bearer ` before it.
const APNS_BEARER_BYTES: usize = 210;
/// Bytes of Google's access token with `Bearer ` before it.
const FCM_BEARER_BYTES: usize = 1_031;
/// Seconds until nothing is sent any more.
const TTL_S: u64 = 600;

/// The title of what is sent.
pub const TITLE: &str = "Superb Owl";

/// The body's text: about 180 bytes of payload for APNs, 450 bytes of message for FCM.
pub fn text(gateway: Gateway) -> &'static str {
    match gateway {
        Gateway::Apns => "The second half begins in five minutes. Come back, and see who wins.",
        Gateway::Fcm => "The second half begins in five minutes. Come back now.",
    }
}

/// What is sent.
pub fn content(gateway: Gateway) -> Content {
    Content::english(TITLE, text(gateway))
}

/// The target of a device, by its number.
pub fn target(gateway: Gateway, number: u64) -> Target {
    let hash = blake3::hash(&number.to_le_bytes());
    match gateway {
        Gateway::Apns => Target::Apns(hash.as_bytes()[..].into()),
        // As long as Google's: 11 letters, a colon, 130.
        Gateway::Fcm => {
            let hex = hash.to_hex();
            Target::FcmToken(format!("{}:APA91b{hex}{}", &hex[..11], &hex[..60]).as_str().into())
        }
    }
}

/// Everything that a sender needs to write requests.
pub struct Message {
    gateway: Gateway,
    rendered: Rendered,
    fcm: FcmAt,
    /// `host:port` as `:authority` says it.
    pub authority: String,
    /// Header fields that all requests share.
    pub headers: HeaderMap,
    /// How all paths begin; FCM's whole path.
    pub path: String,
    targets: Vec<Target>,
    /// The targets as they stand in a path or message.
    pub tokens: Vec<Bytes>,
}

impl Message {
    /// For a stand-in.
    pub fn new(gateway: Gateway, info: &GatewayInfo) -> Result<Self> {
        let id = CampaignId::random();
        let rendered = payload::render(&content(gateway), id, &["en".to_owned()])?;
        let fcm = rendered.fcm().next().context("no message was rendered")?.at(TTL_S);
        let (address, path) = match gateway {
            Gateway::Apns => (&info.apns, "/3/device/".to_owned()),
            Gateway::Fcm => (&info.fcm, format!("/v1/projects/{}/messages:send", info.fcm_project)),
        };
        let port = address.rsplit(':').next().unwrap_or("443");
        let authority = match port {
            "443" => info.server_name.clone(),
            port => format!("{}:{port}", info.server_name),
        };
        let headers = headers(gateway, &rendered, &info.apns_topic)?;
        let targets: Vec<Target> = (0..TOKENS).map(|n| target(gateway, n)).collect();
        let tokens = targets.iter().map(|target| {
            let mut text = Vec::new();
            target.as_ref().write_text(&mut text);
            text.into()
        });
        Ok(Self { tokens: tokens.collect(), gateway, rendered, fcm, authority, headers, path, targets })
    }

    /// Whose.
    pub fn gateway(&self) -> Gateway {
        self.gateway
    }

    /// The body of a request, appended.
    pub fn write_body(&self, number: u64, out: &mut Vec<u8>) {
        match self.gateway {
            Gateway::Apns => out.extend_from_slice(self.rendered.apns(0)),
            Gateway::Fcm => self.fcm.write(self.target(number).as_ref(), out),
        }
    }

    /// The body of a request. APNs' is shared by all.
    pub fn body(&self, number: u64) -> Bytes {
        match self.gateway {
            Gateway::Apns => self.rendered.apns(0).clone(),
            Gateway::Fcm => {
                let mut out = Vec::with_capacity(512);
                self.write_body(number, &mut out);
                out.into()
            }
        }
    }

    /// The token of a request.
    pub fn token(&self, number: u64) -> &Bytes {
        &self.tokens[(number % TOKENS) as usize]
    }

    fn target(&self, number: u64) -> &Target {
        &self.targets[(number % TOKENS) as usize]
    }

    /// The path of a request.
    pub fn path(&self, number: u64) -> String {
        match self.gateway {
            Gateway::Apns => {
                format!("{}{}", self.path, std::str::from_utf8(self.token(number)).unwrap_or_default())
            }
            Gateway::Fcm => self.path.clone(),
        }
    }

    /// A request as the `http` crate has it, for h2 and hyper.
    pub fn request<B>(&self, number: u64, body: B) -> Result<http::Request<B>, http::Error> {
        let uri = http::Uri::builder()
            .scheme("https")
            .authority(self.authority.as_str())
            .path_and_query(self.path(number))
            .build()?;
        let mut request = http::Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }

    /// What `wire` needs, compressed as the worker asks it to.
    pub fn template(&self) -> Template {
        let begin = match self.gateway {
            Gateway::Apns => Template::to_paths_below(&self.authority, &self.path),
            Gateway::Fcm => Template::to_path(&self.authority, &self.path),
        };
        let secret = match self.gateway {
            Gateway::Apns => Policy::NeverIndexed,
            Gateway::Fcm => Policy::Indexed,
        };
        self.headers.iter().fold(begin, |template, (name, value)| {
            let policy = if name == http::header::AUTHORIZATION { secret } else { Policy::Indexed };
            template.with(name.as_str(), value.as_bytes(), policy)
        })
    }
}

fn headers(gateway: Gateway, rendered: &Rendered, topic: &str) -> Result<HeaderMap> {
    let shared = rendered.apns_headers();
    let apns = [
        ("apns-topic", topic),
        ("apns-push-type", &*shared.push_type),
        ("apns-priority", &*shared.priority),
        ("apns-collapse-id", &*shared.collapse_id),
        ("apns-expiration", "1900000000"),
    ];
    let (fields, bytes): (&[(&'static str, &str)], _) = match gateway {
        Gateway::Apns => (&apns, APNS_BEARER_BYTES),
        Gateway::Fcm => (&[("content-type", "application/json")], FCM_BEARER_BYTES),
    };
    let mut headers = HeaderMap::with_capacity(8);
    for &(name, value) in fields {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value)?);
    }
    headers.insert(http::header::AUTHORIZATION, HeaderValue::from_str(&bearer(bytes))?);
    Ok(headers)
}

/// Letters and digits as in base64, which the sink does not look at.
fn bearer(bytes: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut noise = vec![0; bytes - 7];
    blake3::Hasher::new().update(b"bearer").finalize_xof().fill(&mut noise);
    let letters = noise.iter().map(|n| char::from(LETTERS[usize::from(n % 64)]));
    "bearer ".chars().chain(letters).collect()
}
