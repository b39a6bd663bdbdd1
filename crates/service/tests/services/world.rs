//! What the services need around them: a furnished stand-in AWS, a proxy that makes its calls go wrong, gateways that
//! reach no phone, and the steps of a campaign over HTTP.

use super::http::{self, Reply};
use super::process::{Service, wait_until};
use aws::AwsConfig;
use aws::standin::{FaultProxy, furnish, shared};
use loadtest::gateways::journal::{Journal, Platform};
use loadtest::gateways::{AdminClient, Behaviour, GatewayArgs, Running};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::runtime::Runtime;

/// Two of these tests at once would only wait for each other's processor.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(super) struct World {
    pub(super) runtime: Runtime,
    dir: tempfile::TempDir,
    aws: AwsConfig,
    pub(super) proxy: FaultProxy,
    gateways: Running,
    configs: AtomicUsize,
    _alone: MutexGuard<'static, ()>,
}

impl World {
    pub(super) fn new(behaviour: Behaviour) -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let standin = shared().unwrap_or_else(|e| panic!("{e}"));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let aws = runtime.block_on(furnished(standin.endpoint()));
        let proxy = runtime.block_on(FaultProxy::start(standin.endpoint())).unwrap();
        let args = GatewayArgs { behaviour, ..GatewayArgs::default() };
        let gateways = runtime.block_on(loadtest::gateways::start(args)).unwrap();
        Self {
            runtime,
            dir: tempfile::tempdir().unwrap(),
            aws,
            proxy,
            gateways,
            configs: AtomicUsize::new(0),
            _alone: alone,
        }
    }

    /// Writes a configuration for a service: what every service needs, and `more`.
    pub(super) fn config(&self, name: &str, more: &str) -> PathBuf {
        let (aws, proxy) = (&self.aws, self.proxy.endpoint());
        let text = format!(
            "listen = \"127.0.0.1:0\"\n[aws]\nendpoint = \"{proxy}\"\nprefix = \"{}\"\n\
             bucket = \"{}\"\nattempt_timeout_ms = 2000\n[telemetry]\nlog = \"info\"\nmetrics_emf_every_s = 0\n{more}\n",
            aws.prefix, aws.bucket
        );
        // Services are started side by side: none may read what another's start is just writing.
        let number = self.configs.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.path().join(format!("{name}-{number}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The sections of a push worker that sends to the stand-in gateways; secrets are given as variables.
    pub(super) fn gateways_config(&self) -> String {
        let info = &self.gateways.info;
        let endpoint = |address: &str| info.endpoint(address).unwrap();
        format!(
            "[push]\nlanes = 1\n[apns]\nkind = \"rehearsal\"\nendpoint = \"{}\"\nca_file = \"{ca}\"\nkey_id = \"{}\"\n\
             team_id = \"{}\"\ntopic = \"{}\"\n[fcm]\nkind = \"rehearsal\"\nendpoint = \"{}\"\nca_file = \"{ca}\"\n\
             project = \"{}\"\n",
            endpoint(&info.apns),
            info.apns_key_id,
            info.apns_team_id,
            info.apns_topic,
            endpoint(&info.fcm),
            info.fcm_project,
            ca = info.ca_file.display(),
        )
    }

    pub(super) fn api(&self) -> Service {
        Service::start("api", &self.config("api", ""), &[("OWL_ACCESS__ADMIN_TOKEN", http::ADMIN)])
    }

    pub(super) fn interim(&self) -> Service {
        Service::start("interim-worker", &self.config("interim-worker", "[interim]\npermits = 2\n"), &[])
    }

    pub(super) fn push(&self) -> Service {
        self.push_with(&self.gateways_config())
    }

    pub(super) fn push_with(&self, more: &str) -> Service {
        let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
        let info = &self.gateways.info;
        let (key, account) = (read(&info.apns_key_file), read(&info.fcm_service_account_file));
        let secrets = [("OWL_APNS__KEY", key.as_str()), ("OWL_FCM__SERVICE_ACCOUNT", account.as_str())];
        Service::start("push-worker", &self.config("push-worker", more), &secrets)
    }

    pub(super) fn journal(&self) -> Journal {
        self.runtime.block_on(AdminClient::new(&self.gateways.info.admin).journal()).unwrap()
    }

    /// The gateways' admin listener.
    pub(super) fn admin(&self) -> String {
        self.gateways.info.admin.clone()
    }

    /// A place for a file, that goes with this.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn accepted(&self) -> u64 {
        let summary = AdminClient::new(&self.gateways.info.admin);
        self.runtime.block_on(summary.summary()).unwrap().accepted_devices
    }
}

async fn furnished(endpoint: &str) -> AwsConfig {
    furnish(endpoint).await.unwrap()
}

/// The steps of a campaign, at one API. What may be asked again is asked again while the backend is in trouble.
pub(super) struct Campaign {
    pub(super) id: String,
}

fn again(mut ask: impl FnMut() -> Reply) -> Value {
    let mut reply = ask();
    wait_until("a good answer", || {
        if !matches!(reply.status, 0 | 408 | 500..=599) {
            return true;
        }
        reply = ask();
        false
    });
    reply.ok()
}

impl Campaign {
    /// Devices imported, a campaign created, its audience uploaded and its snapshot built.
    pub(super) fn ready(api: &str, users: usize, options: &Value) -> Self {
        let (devices, audience) = (devices(users), audience(users));
        let import = || http::request(api, "POST", "/v1/devices", "text/csv", devices.as_bytes());
        let imported = again(import);
        assert_eq!(imported["rows"], users, "{imported}");
        let content =
            json!({ "texts": { "en": { "title": "Superb", "body": "Owl" } }, "default_locale": "en" });
        let new = json!({ "name": "c", "content": content, "options": options });
        let created = again(|| http::post(api, "/v1/campaigns", &new));
        let campaign = Self { id: created["id"].as_str().unwrap().to_owned() };
        let path = format!("/v1/campaigns/{}/audience", campaign.id);
        again(|| http::request(api, "PUT", &path, "text/csv", audience.as_bytes()));
        campaign.wait_for(api, "ready");
        campaign
    }

    pub(super) fn record(&self, api: &str) -> Value {
        again(|| http::get(api, &format!("/v1/campaigns/{}", self.id)))
    }

    pub(super) fn wait_for(&self, api: &str, state: &str) {
        let mut record = Value::Null;
        wait_until(state, || {
            record = self.record(api);
            assert_ne!(record["state"], "failed", "{record}");
            record["state"] == state
        });
    }

    pub(super) fn post(&self, api: &str, action: &str, body: &Value) -> Value {
        again(|| http::post(api, &format!("/v1/campaigns/{}/{action}", self.id), body))
    }

    pub(super) fn arm(&self, api: &str, interim: u32, push: u32) {
        let expect = json!({ "interim": interim, "push": push, "percent": 100 });
        let armed = self.post(api, "arm", &json!({ "expect": expect, "wait_ms": 50_000 }));
        assert_eq!(armed["state"], "armed", "{armed}");
    }

    pub(super) fn report(&self, api: &str) -> Value {
        again(|| http::get(api, &format!("/v1/campaigns/{}/report", self.id)))
    }
}

/// The token of a made-up user: of ten, seven have an iPhone.
pub(super) fn token(user: usize) -> (Platform, String) {
    let hash = blake3::hash(&user.to_le_bytes()).to_hex().to_string();
    if user % 10 < 7 { (Platform::Apns, hash) } else { (Platform::Fcm, format!("{hash}:APA91b{hash}")) }
}

fn devices(users: usize) -> String {
    let line = |user| {
        let (platform, token) = token(user);
        let platform = if platform == Platform::Apns { "apns" } else { "fcm" };
        format!("u{user},{platform},{token},en,1700000000000\n")
    };
    "user_id,platform,token,locale,registered_at\n".to_owned() + &(0..users).map(line).collect::<String>()
}

fn audience(users: usize) -> String {
    "user_id\n".to_owned() + &(0..users).map(|i| format!("u{i}\n")).collect::<String>()
}
