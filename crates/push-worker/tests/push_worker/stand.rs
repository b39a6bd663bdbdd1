//! Stand-ins, both gateways' clients before them, and what to send.

#![allow(clippy::unwrap_used, reason = "helpers of tests may stop where something is not as they expect")]

use common::content::Content;
use common::device::{Platform, Target, TargetKind};
use common::ids::CampaignId;
use common::time::{Clock as _, SystemClock, UnixMs};
use loadtest::gateways::{AdminClient, Behaviour, GatewayArgs, Running, ServerKind, start};
use push_worker::apns::{ApnsConfig, ApnsGateway, ApnsKind};
use push_worker::fcm::{FcmConfig, FcmGateway, FcmKind};
use push_worker::gateway::{Answered, Gateway, Prepare, Push};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::LocalSet;

/// Our own server, and the `h2` crate's.
pub(super) const BOTH: [ServerKind; 2] = [ServerKind::Validating, ServerKind::Witness];
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Stand {
    pub(super) running: Running,
    pub(super) admin: AdminClient,
}

pub(super) async fn stand(behaviour: Behaviour) -> Stand {
    stand_on(ServerKind::Validating, behaviour).await
}

/// On our own server, or on one that is not ours.
pub(super) async fn stand_on(mode: ServerKind, behaviour: Behaviour) -> Stand {
    let running = start(GatewayArgs { mode, behaviour, ..GatewayArgs::default() }).await.unwrap();
    let admin = AdminClient::new(&running.info.admin);
    Stand { running, admin }
}

impl Stand {
    pub(super) fn apns_config(&self) -> ApnsConfig {
        let info = &self.running.info;
        ApnsConfig {
            kind: ApnsKind::Rehearsal,
            endpoint: Some(info.apns.clone()),
            ca_file: Some(info.ca_file.clone()),
            key_file: Some(info.apns_key_file.clone()),
            key: None,
            key_id: info.apns_key_id.clone(),
            team_id: info.apns_team_id.clone(),
            topic: info.apns_topic.clone(),
            connections: 2,
        }
    }

    pub(super) fn fcm_config(&self) -> FcmConfig {
        let info = &self.running.info;
        FcmConfig {
            kind: FcmKind::Rehearsal,
            endpoint: Some(info.fcm.clone()),
            ca_file: Some(info.ca_file.clone()),
            service_account_file: Some(info.fcm_service_account_file.clone()),
            service_account: None,
            project: None,
            connections: 2,
            quota_per_minute: None,
        }
    }

    pub(super) fn apns(&self) -> ApnsGateway {
        ApnsGateway::new(Arc::new(self.apns_config().check().unwrap()), Arc::new(SystemClock::default()))
    }

    pub(super) fn fcm(&self) -> FcmGateway {
        FcmGateway::new(Arc::new(self.fcm_config().check().unwrap()), Arc::new(SystemClock::default()))
    }

    /// Both, prepared for an alert.
    pub(super) async fn both(&self) -> [Box<dyn Gateway>; 2] {
        let both: [Box<dyn Gateway>; 2] = [Box::new(self.apns()), Box::new(self.fcm())];
        for gateway in &both {
            prepare(&**gateway, &Content::english("Superb", "Owl")).await.unwrap();
        }
        both
    }
}

pub(super) async fn prepare(gateway: &dyn Gateway, content: &Content) -> Result<u32, String> {
    let locales = ["en".to_owned(), "de".to_owned()];
    let campaign = CampaignId(uuid::Uuid::from_u128(7));
    gateway.prepare(&Prepare { campaign, content, locales: &locales }).await
}

/// Devices of one gateway.
pub(super) fn targets(platform: Platform, n: u16) -> Vec<Target> {
    let text = |i| match platform {
        Platform::Apns => format!("{i:064x}"),
        Platform::Fcm => format!("fcm-token:APA91b{i:032x}"),
    };
    (0..n).map(|i| Target::parse(platform, TargetKind::Token, &text(i)).unwrap()).collect()
}

pub(super) fn pushes(targets: &[Target]) -> Vec<Push<'_>> {
    let push =
        |(place, target): (u16, _)| Push { place, target: Target::as_ref(target), locale: (place % 3) as u8 };
    (0..).zip(targets).map(push).collect()
}

pub(super) fn deadline() -> UnixMs {
    SystemClock::default().now().plus(Duration::from_secs(600))
}

pub(super) async fn send(gateway: &dyn Gateway, pushes: &[Push<'_>], patience: Duration) -> Vec<Answered> {
    let answered = gateway.send(pushes, deadline(), &|| true, patience).await;
    let mut places: Vec<u16> = answered.iter().map(|a| a.place).collect();
    places.sort_unstable();
    let asked: Vec<u16> = pushes.iter().map(|p| p.place).collect();
    assert_eq!(places, asked, "exactly one answer for each push");
    answered
}

pub(super) async fn local<F: Future<Output = ()>>(test: F) {
    LocalSet::new().run_until(test).await;
}
