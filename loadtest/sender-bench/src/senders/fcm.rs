//! fcm_v1 as shipped: HTTP/1.1, a connection for each request in flight, so that as many are in flight as there are
//! connections. Its host is fixed, so it needs the private namespace, and a stand-in that speaks HTTP/1.1 (`plain.rs`).

use super::one_by_one::{self, OneByOne};
use crate::job::{Figures, Gateway, Job};
use crate::message::{TITLE, target, text};
use crate::meter::MemoryMeter;
use anyhow::{Result, anyhow};
use fcm_v1::android::{AndroidConfig, AndroidMessagePriority, AndroidNotification};
use fcm_v1::auth::Authenticator;
use fcm_v1::message::{Message, Notification};
use loadtest::gateways::GatewayInfo;
use std::rc::Rc;
use std::time::Duration;

/// Tokens that requests take turns with.
const TOKENS: u64 = 4096;
const COLLAPSE_ID: &str = "0197-superb-owl-campaign-0001";

#[derive(Clone)]
struct Client {
    client: fcm_v1::Client,
    tokens: Rc<Vec<String>>,
}

/// Runs the job.
pub async fn run(job: &Job, info: &GatewayInfo) -> Result<Figures> {
    let tokens = (0..TOKENS).map(|n| {
        let mut text = Vec::new();
        target(Gateway::Fcm, n).as_ref().write_text(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let memory = MemoryMeter::start()?;
    let authenticator = Authenticator::service_account_from_file(&info.fcm_service_account_file)
        .await
        .map_err(|error| anyhow!("{error:?}"))?;
    let client = fcm_v1::Client::new(authenticator, &info.fcm_project, false, Duration::from_secs(20));
    let mut client = Client { client, tokens: Rc::new(tokens.collect()) };
    client.try_send(0).await.map_err(|error| anyhow!("{error:?}"))?;
    // One client pools all its connections.
    let job = Job { streams: usize::from(job.connections), connections: 1, ..job.clone() };
    one_by_one::run(&job, &[client], &memory).await
}

impl Client {
    async fn try_send(&mut self, number: u64) -> fcm_v1::Result<()> {
        let message = Message {
            notification: Some(Notification {
                title: Some(TITLE.to_owned()),
                body: Some(text(Gateway::Fcm).to_owned()),
                image: None,
            }),
            android: Some(AndroidConfig {
                collapse_key: Some(COLLAPSE_ID.to_owned()),
                priority: Some(AndroidMessagePriority::High),
                ttl: Some("600s".to_owned()),
                notification: Some(AndroidNotification {
                    tag: Some(COLLAPSE_ID.to_owned()),
                    ..AndroidNotification::default()
                }),
                ..AndroidConfig::default()
            }),
            token: Some(self.tokens[(number % TOKENS) as usize].clone()),
            ..Message::default()
        };
        self.client.send(&message).await.map(|_| ())
    }
}

impl OneByOne for Client {
    async fn send(&mut self, number: u64) -> bool {
        self.try_send(number).await.is_ok()
    }
}
