//! a2 as shipped, used as its README does. Its host is fixed, so it needs the private namespace; its roots are compiled in,
//! so the workspace patches `webpki-roots`. One client is one connection.

use super::one_by_one::{self, OneByOne};
use crate::job::{Figures, Gateway, Job};
use crate::message::{TITLE, target, text};
use crate::meter::MemoryMeter;
use a2::request::notification::{CollapseId, Priority, PushType};
use a2::{ClientConfig, DefaultNotificationBuilder, Endpoint, NotificationBuilder as _, NotificationOptions};
use anyhow::Result;
use loadtest::gateways::GatewayInfo;
use std::fs::File;
use std::rc::Rc;

/// Tokens that requests take turns with.
const TOKENS: u64 = 4096;

struct Shared {
    tokens: Vec<String>,
    topic: String,
}

#[derive(Clone)]
struct Client {
    client: a2::Client,
    shared: Rc<Shared>,
}

/// Runs the job.
pub async fn run(job: &Job, info: &GatewayInfo) -> Result<Figures> {
    let tokens = (0..TOKENS).map(|n| {
        let mut text = Vec::new();
        target(Gateway::Apns, n).as_ref().write_text(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let shared = Rc::new(Shared { tokens: tokens.collect(), topic: info.apns_topic.clone() });
    let memory = MemoryMeter::start()?;
    let mut clients = Vec::new();
    for _ in 0..job.connections {
        let (key, id, team) = (File::open(&info.apns_key_file)?, &info.apns_key_id, &info.apns_team_id);
        let client = a2::Client::token(key, id, team, ClientConfig::new(Endpoint::Production))?;
        let mut client = Client { client, shared: Rc::clone(&shared) };
        // Opens its connection; several requests at once would open several.
        client.try_send(0).await?;
        clients.push(client);
    }
    one_by_one::run(job, &clients, &memory).await
}

impl Client {
    async fn try_send(&mut self, number: u64) -> Result<bool, a2::Error> {
        let options = NotificationOptions {
            apns_topic: Some(&self.shared.topic),
            apns_push_type: Some(PushType::Alert),
            apns_priority: Some(Priority::High),
            apns_expiration: Some(1_900_000_000),
            apns_collapse_id: Some(CollapseId::new("0197-superb-owl-campaign-0001")?),
            ..NotificationOptions::default()
        };
        let builder = DefaultNotificationBuilder::new().set_title(TITLE).set_body(text(Gateway::Apns));
        let token = &self.shared.tokens[(number % TOKENS) as usize];
        Ok(self.client.send(builder.build(token, options)).await?.code == 200)
    }
}

impl OneByOne for Client {
    async fn send(&mut self, number: u64) -> bool {
        self.try_send(number).await.unwrap_or(false)
    }
}
