//! Lanes: a crowd is shed, and the press goes through.

use super::client::{Ask, Reply};
use super::fixture::{Api, config, start_on, start_with};
use api::ApiLimits;
use async_trait::async_trait;
use common::campaign::{Campaign, State};
use common::fleet::Slot;
use common::ids::CampaignId;
use common::ports::{Backend, Campaigns, PortError, Written};
use serde_json::json;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Sends a head that announces two bytes, and nothing more.
async fn hold(api: &Api, ask: Ask) -> TcpStream {
    let mut stream = TcpStream::connect(api.served.addr).await.unwrap();
    stream.write_all(ask.header("content-length", "2").head().as_bytes()).await.unwrap();
    stream
}

async fn until_in_flight(api: &Api, n: u32) {
    api.until("/metrics", |r| r.text().contains(&format!("owl_api_requests_in_flight {n}\n"))).await;
}

fn json_to(path: String) -> Ask {
    Ask::new("POST", path).header("content-type", "application/json")
}

#[tokio::test]
async fn shedding_leaves_the_press_working() {
    let limits = ApiLimits { requests_max: 1, uploads_max: 1, presses_max: 1, ..ApiLimits::default() };
    let api = start_with(config(limits)).await;
    let (id, other) = (api.campaign(State::Armed), api.campaign(State::Draft));
    let mut create = hold(&api, json_to("/v1/campaigns".to_owned())).await;
    let upload = hold(&api, Ask::new("PUT", format!("/v1/campaigns/{other}/audience"))).await;
    let mut slow_press = hold(&api, json_to(format!("/v1/campaigns/{id}/press"))).await;
    until_in_flight(&api, 4).await;

    let shed = api.get("/v1/campaigns").await;
    assert_eq!(shed.problem(), (503, "overloaded".to_owned()));
    assert_eq!(shed.header("retry-after"), Some("1"));
    let second = Ask::new("PUT", format!("/v1/campaigns/{other}/audience")).body("a\n");
    assert_eq!(api.send(second.clone()).await.problem(), (503, "overloaded".to_owned()));
    assert!(api.get("/metrics").await.text().contains("owl_api_shed_total 2\n"));
    assert_eq!(api.get("/healthz").await.status, 200);
    assert_eq!(api.get("/readyz").await.status, 200);

    // A press whose body does not come holds up no other.
    assert_eq!(api.act(id, "press").await.ok()["result"], "pressed");
    assert_eq!(api.act(id, "abort").await.ok()["state"], "stopping");
    slow_press.write_all(b"{}").await.unwrap();
    assert_eq!(Reply::read(&mut slow_press).await.ok()["result"], "already_pressed");

    // Afterwards there is room again.
    create.write_all(b"{}").await.unwrap();
    assert_eq!(Reply::read(&mut create).await.status, 422);
    drop(upload);
    api.until_quiet().await;
    api.get("/v1/campaigns").await.ok();
    assert_eq!(api.send(second).await.status, 202);
}

#[tokio::test]
async fn strangers_who_half_sign_in_shut_nobody_out() {
    let api = start_with(config(ApiLimits::default())).await;
    let id = api.campaign(State::Armed);
    let mut held = Vec::new();
    for path in ["/v1/session", "/v1/session/first"].repeat(100) {
        held.push(hold(&api, json_to(path.to_owned()).nobody()).await);
    }
    api.until("/metrics", |r| r.text().contains("owl_api_shed_total 184\n")).await;
    for path in ["/v1/session", "/v1/console", "/v1/campaigns", &format!("/v1/campaigns/{id}/status")] {
        assert_eq!(api.get(path).await.status, 200, "{path}");
    }
    assert_eq!(api.act(id, "press").await.ok()["result"], "pressed");
    // Their time is short.
    for mut stream in held {
        assert!(matches!(Reply::read(&mut stream).await.status, 408 | 503));
    }
}

#[tokio::test]
async fn a_sign_in_is_short() {
    let api = start_with(config(ApiLimits::default())).await;
    let long = json!({ "token": "x".repeat(1_024) });
    assert_eq!(api.send(Ask::post("/v1/session", &long).nobody()).await.status, 413);
}

/// Lets updates through one by one.
struct Gated(Arc<dyn Campaigns>, Arc<Semaphore>);

#[async_trait]
impl Campaigns for Gated {
    async fn create(&self, campaign: &Campaign) -> Result<Written, PortError> {
        self.0.create(campaign).await
    }
    async fn update(&self, next: &Campaign) -> Result<Written, PortError> {
        self.1.acquire().await.unwrap().forget();
        self.0.update(next).await
    }
    async fn get(&self, id: CampaignId) -> Result<Option<Campaign>, PortError> {
        self.0.get(id).await
    }
    async fn list(&self, limit: usize) -> Result<Vec<Campaign>, PortError> {
        self.0.list(limit).await
    }
    async fn slot(&self) -> Result<Slot, PortError> {
        self.0.slot().await
    }
    async fn set_slot(&self, next: &Slot) -> Result<Written, PortError> {
        self.0.set_slot(next).await
    }
}

fn gated(gate: &Arc<Semaphore>) -> impl FnOnce(Backend) -> Backend {
    let gate = Arc::clone(gate);
    move |backend| Backend { campaigns: Arc::new(Gated(backend.campaigns.clone(), gate)), ..backend }
}

#[tokio::test]
async fn more_presses_than_allowed_wait_for_their_turn() {
    let gate = Arc::new(Semaphore::new(0));
    let limits = ApiLimits { presses_max: 1, ..ApiLimits::default() };
    let api = start_on(config(limits), gated(&gate)).await;
    let id = api.campaign(State::Armed);
    let press = || {
        let (addr, ask) = (api.served.addr, Ask::post(format!("/v1/campaigns/{id}/press"), &json!({})));
        tokio::spawn(async move { ask.send(addr).await.ok()["result"].clone() })
    };
    let presses: Vec<_> = (0..5).map(|_| press()).collect();
    until_in_flight(&api, 6).await;
    assert!(presses.iter().all(|p| !p.is_finished()));
    gate.add_permits(1);
    let results: Vec<_> = futures::future::join_all(presses).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().filter(|r| **r == "pressed").count(), 1);
    assert_eq!(results.iter().filter(|r| **r == "already_pressed").count(), 4);
}

#[tokio::test]
async fn a_press_goes_on_when_the_client_hangs_up_or_the_time_is_over() {
    let gate = Arc::new(Semaphore::new(0));
    let limits = ApiLimits { request_timeout_ms: 50, ..ApiLimits::default() };
    let api = start_on(config(limits), gated(&gate)).await;
    let id = api.campaign(State::Armed);
    assert_eq!(api.act(id, "press").await.problem(), (503, "timed_out".to_owned()));
    assert_eq!(api.peek(id).state, State::Armed);
    gate.add_permits(1);
    while api.parts.shards.sent() < 50 {
        tokio::task::yield_now().await;
    }
    // Whoever is told that the time was over asks again.
    let again = loop {
        let reply = api.act(id, "press").await;
        if reply.status != 503 {
            break reply;
        }
    };
    assert_eq!(again.ok()["result"], "already_pressed");
}
