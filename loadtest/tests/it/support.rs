//! Gateways for one test, and a client that speaks HTTP/2 to them as the push workers do.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request};
use loadtest::gateways::{AdminClient, Behaviour, GatewayArgs, GatewayInfo, Running, start};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;

pub(crate) const PAYLOAD: &str = r#"{"aps":{"alert":"Superb owl!"}}"#;

pub(crate) struct Gateways {
    pub(crate) running: Running,
    pub(crate) admin: AdminClient,
    /// The one provider token of a well-behaved fleet.
    jwt: String,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap().to_owned()
    }
}

pub(crate) async fn gateways(behaviour: Behaviour) -> Gateways {
    let running = start(GatewayArgs { behaviour, threads: 2, ..GatewayArgs::default() }).await.unwrap();
    Gateways::over(running)
}

impl Gateways {
    pub(crate) fn over(running: Running) -> Self {
        let admin = AdminClient::new(&running.info.admin);
        let mut gateways = Self { running, admin, jwt: String::new() };
        gateways.jwt = gateways.jwt(now_s());
        gateways
    }

    pub(crate) fn info(&self) -> &GatewayInfo {
        &self.running.info
    }

    pub(crate) async fn apns(&self) -> Client {
        Client::connect(self.info(), &self.info().apns).await
    }

    /// Nothing if there is no room for one more.
    pub(crate) async fn try_apns(&self) -> Option<Client> {
        Client::try_connect(self.info(), &self.info().apns, 1).await
    }

    pub(crate) async fn fcm(&self) -> Client {
        Client::connect(self.info(), &self.info().fcm).await
    }

    pub(crate) fn apns_request(&self, token: &str) -> http::request::Builder {
        Request::post(format!("https://localhost/3/device/{token}"))
            .header("authorization", format!("bearer {}", self.jwt))
            .header("apns-topic", &self.info().apns_topic)
            .header("apns-push-type", "alert")
            .header("apns-priority", "10")
            .header("apns-expiration", "0")
    }

    pub(crate) fn fcm_request(&self, bearer: &str) -> http::request::Builder {
        let project = &self.info().fcm_project;
        Request::post(format!("https://localhost/v1/projects/{project}/messages:send"))
            .header("authorization", format!("Bearer {bearer}"))
            .header("content-type", "application/json")
    }

    /// A good provider token.
    pub(crate) fn jwt(&self, iat: i64) -> String {
        let info = self.info();
        let header = json!({ "alg": "ES256", "kid": info.apns_key_id });
        self.signed_jwt(&header, &json!({ "iss": info.apns_team_id, "iat": iat }))
    }

    pub(crate) fn signed_jwt(&self, header: &Value, claims: &Value) -> String {
        let pem = std::fs::read_to_string(&self.info().apns_key_file).unwrap();
        let der = STANDARD.decode(pem.lines().filter(|l| !l.starts_with('-')).collect::<String>()).unwrap();
        let random = ring::rand::SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random).unwrap();
        let signed = unsigned(header, claims);
        let signature = key.sign(&random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// An access token from the token endpoint.
    pub(crate) async fn bearer(&self) -> String {
        let answer = self.admin.post_form::<Value>("/token", &grant(&self.assertion(&json!({})))).await;
        answer.unwrap()["access_token"].as_str().unwrap().to_owned()
    }

    /// A signed assertion of the service account, in which some claims are replaced.
    pub(crate) fn assertion(&self, replaced: &Value) -> String {
        let file = std::fs::read(&self.info().fcm_service_account_file).unwrap();
        let account: Value = serde_json::from_slice(&file).unwrap();
        let mut claims = json!({
            "iss": account["client_email"], "aud": account["token_uri"], "iat": now_s(), "exp": now_s() + 3600,
            "scope": "https://www.googleapis.com/auth/firebase.messaging",
        });
        for (name, value) in replaced.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let signed = unsigned(&json!({ "alg": "RS256", "kid": account["private_key_id"] }), &claims);
        let pem = account["private_key"].as_str().unwrap();
        let key = openssl::pkey::PKey::private_key_from_pem(pem.as_bytes()).unwrap();
        let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha256(), &key).unwrap();
        signer.update(signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signer.sign_to_vec().unwrap()))
    }
}

pub(crate) fn grant(assertion: &str) -> String {
    format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}")
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

#[expect(clippy::disallowed_methods, reason = "credentials are checked against the real time")]
pub(crate) fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// An APNs token.
pub(crate) fn token(number: u64) -> String {
    format!("{number:064x}")
}

/// An FCM token.
pub(crate) fn fcm_token(number: u64) -> String {
    format!("fcm-token:APA91b{number:032x}")
}

/// One HTTP/2 connection.
pub(crate) struct Client {
    send: SendRequest<Bytes>,
    /// Ends when the connection does.
    pub(crate) ended: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    pub(crate) async fn connect(info: &GatewayInfo, address: &str) -> Self {
        Self::connect_boldly(info, address, 1).await
    }

    /// Opens so many streams before it knows how many are allowed.
    pub(crate) async fn connect_boldly(info: &GatewayInfo, address: &str, streams: usize) -> Self {
        Self::try_connect(info, address, streams).await.unwrap()
    }

    /// Nothing if the gateway does not want to.
    pub(crate) async fn try_connect(info: &GatewayInfo, address: &str, streams: usize) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&info.ca_file).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let name = ServerName::try_from(info.server_name.clone()).unwrap();
        let tls = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.ok()?;
        let (send, connection) =
            h2::client::Builder::new().initial_max_send_streams(streams).handshake(tls).await.ok()?;
        Some(Self { send, ended: tokio::spawn(connection) })
    }

    /// The streams that the gateway allows at present, as far as we know.
    pub(crate) fn max_streams(&self) -> usize {
        self.send.current_max_send_streams()
    }

    /// Sends a request, and does not wait for the answer.
    pub(crate) async fn send(
        &mut self,
        request: http::request::Builder,
        body: impl Into<Bytes>,
    ) -> Result<ResponseFuture, h2::Error> {
        futures::future::poll_fn(|cx| self.send.poll_ready(cx)).await?;
        let body = body.into();
        let (response, mut stream) = self.send.send_request(request.body(()).unwrap(), body.is_empty())?;
        if !body.is_empty() {
            stream.send_data(body, true)?;
        }
        Ok(response)
    }

    pub(crate) async fn call(
        &mut self,
        request: http::request::Builder,
        body: impl Into<Bytes>,
    ) -> Result<Answer, h2::Error> {
        read(self.send(request, body).await?).await
    }
}

pub(crate) async fn read(response: ResponseFuture) -> Result<Answer, h2::Error> {
    let (parts, mut body) = response.await?.into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: bytes.into() })
}
