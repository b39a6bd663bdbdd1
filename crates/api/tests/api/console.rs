//! The console's files and headers, live figures as events, the report as CSV.

use super::client::{ADMIN_NAME, Ask, Reply};
use super::fixture::{Api, NOW, config, start, start_with, with_snapshot};
use api::ApiLimits;
use common::access::Role;
use common::audit::AuditEntry;
use common::campaign::State;
use common::ids::{BatchKey, BatchNo, CampaignId, ShardNo};
use common::ports::Audit;
use common::report::{Books, Late, LateDevice};
use contract::memory::Call;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn every_page_is_the_page_and_lets_nothing_else_in() {
    let api = start().await;
    let id = CampaignId::random();
    let pages = ["/", "/sign-in", "/audit", "/fleet", "/tokens"].map(str::to_owned);
    for path in pages.into_iter().chain([format!("/campaigns/{id}"), format!("/campaigns/{id}/report")]) {
        let page = api.get(&path).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=utf-8")),
            "{path}"
        );
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    }
}

#[tokio::test]
async fn files_are_asked_for_again_and_sent_once() {
    let api = start().await;
    let script = api.get("/assets/main.js").await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(script.header("cache-control"), Some("no-cache"));
    let tag = script.header("etag").unwrap().to_owned();
    for known in [tag.clone(), format!("\"other\", W/{tag}")] {
        let again = api.send(Ask::get("/assets/main.js").header("if-none-match", &known)).await;
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag.as_str())));
    }
    assert_eq!(api.send(Ask::get("/assets/main.js").header("if-none-match", "\"other\"")).await.status, 200);
    for missing in ["/assets/none.js", "/assets/index.html", "/assets/..%2fCargo.toml"] {
        assert_eq!(api.get(missing).await.problem(), (404, "not_found".to_owned()), "{missing}");
    }
    let settings = api.get("/v1/console").await.ok();
    assert_eq!((&settings["hold_ms"], &settings["late_ms"]), (&json!(400), &json!(5000)));
}

/// A watcher, and what came so far.
struct Watcher {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Watcher {
    async fn of(api: &Api, id: CampaignId) -> Self {
        let mut stream = TcpStream::connect(api.served.addr).await.unwrap();
        let ask = Ask::get(format!("/v1/campaigns/{id}/live"));
        stream.write_all(ask.head().as_bytes()).await.unwrap();
        Self { stream, seen: Vec::new() }
    }

    /// The next event whose figures are as wanted.
    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let text = String::from_utf8_lossy(&self.seen).into_owned();
            let events = text.split("event: live\ndata: ").skip(1).filter_map(|e| e.split_once("\n\n"));
            if let Some(found) = events.map(|(e, _)| serde_json::from_str(e).unwrap()).find(&wanted) {
                return found;
            }
            assert!(self.stream.read_buf(&mut self.seen).await.unwrap() > 0, "it ended: {text}");
        }
    }

    async fn ends(mut self) {
        while self.stream.read_buf(&mut self.seen).await.unwrap() > 0 {}
    }
}

#[tokio::test]
async fn watchers_see_a_change_and_all_see_the_same() {
    let api = start().await;
    let id = api.campaign(State::Armed);
    let (mut first, mut second) = (Watcher::of(&api, id).await, Watcher::of(&api, id).await);
    for watcher in [&mut first, &mut second] {
        let live = watcher.until(|_| true).await;
        assert_eq!(
            (&live["state"], &live["devices"], &live["settled"]),
            (&json!("armed"), &json!(3), &json!(0))
        );
        assert_eq!(live["campaign"], json!(id));
    }
    assert_eq!(api.act(id, "press").await.status, 200);
    let sending = first.until(|live| live["state"] == "sending").await;
    assert_eq!(second.until(|live| live["state"] == "sending").await, sending);
    assert_eq!((&sending["pressed"]["by"], &sending["shards"]), (&json!(ADMIN_NAME), &json!(50)));
    api.shutdown.cancel();
    first.ends().await;
    second.ends().await;
}

#[tokio::test]
async fn a_campaign_must_be_there_and_watchers_are_counted() {
    let limits = ApiLimits { live_watchers_max: 1, ..ApiLimits::default() };
    let api = start_with(config(limits)).await;
    let nobody = CampaignId::random();
    assert_eq!(
        api.get(format!("/v1/campaigns/{nobody}/live")).await.problem(),
        (404, "not_found".to_owned())
    );
    let id = api.campaign(State::Ready);
    let mut watcher = Watcher::of(&api, id).await;
    watcher.until(|_| true).await;
    let path = format!("/v1/campaigns/{id}/live");
    assert_eq!(api.get(&path).await.problem(), (503, "overloaded".to_owned()));
    drop(watcher);
    // There is room for another one once the server has noticed that the first is gone.
    let mut next = Watcher::of(&api, id).await;
    while next.is_refused().await {
        next = Watcher::of(&api, id).await;
    }
    next.until(|_| true).await;
}

impl Watcher {
    async fn is_refused(&mut self) -> bool {
        while !self.seen.windows(4).any(|w| w == b"\r\n\r\n") {
            assert!(self.stream.read_buf(&mut self.seen).await.unwrap() > 0);
        }
        !self.seen.starts_with(b"HTTP/1.1 200")
    }
}

#[tokio::test]
async fn the_report_is_there_as_csv() {
    let api = start().await;
    let id = with_snapshot(&api).await.id;
    let reply: Reply = api.get(format!("/v1/campaigns/{id}/report?format=csv")).await;
    assert_eq!(
        (reply.status, reply.header("content-type"), reply.header("content-disposition")),
        (
            200,
            Some("text/csv; charset=utf-8"),
            Some(format!("attachment; filename=\"report-{id}.csv\"").as_str())
        )
    );
    let text = reply.text();
    assert!(text.starts_with("\u{feff}section,gateway,name,value\r\n") && text.ends_with("\r\n"), "{text}");
    let json = api.get(format!("/v1/campaigns/{id}/report?format=json")).await.ok();
    for row in [
        format!("campaign,,id,{id}\r\n"),
        format!("devices,,pending,{}\r\n", json["books"]["pending"]),
        "outcome,apns,pending,3\r\n".to_owned(),
    ] {
        assert!(text.contains(&row), "{row} in {text}");
    }
    let bad = api.get(format!("/v1/campaigns/{id}/report?format=xml")).await;
    assert_eq!(bad.problem(), (400, "bad_query".to_owned()));
}

#[tokio::test]
async fn late_devices_are_in_the_csv_with_users_for_those_who_may_see_them() {
    let api = start().await;
    let mut campaign = with_snapshot(&api).await;
    let batch = BatchKey { shard: ShardNo(0), number: BatchNo(1) };
    let one = LateDevice { batch, place: 0, ms: 7_312, why: "it was tried again".to_owned() };
    let late = Late { devices: 1, tried_again: 1, examples: vec![one], ..Late::default() };
    campaign.books = Some(Books { late, ..Books::default() });
    campaign.state = State::Done;
    let id = campaign.id;
    api.parts.campaigns.poke(campaign);
    let base = format!("/v1/campaigns/{id}");
    let by = async |role: Role, path: &str| {
        api.send(Ask::get(format!("{base}/{path}")).token(&api.token("x", role))).await
    };
    let user = api.get(format!("{base}/snapshot/shards/0/batches/1")).await.ok()["users"][0]["user"].clone();
    let named = by(Role::Marketer, "late").await.ok();
    let wanted = json!({"devices": 1, "latest": [{"user": user, "gateway": "apns", "batch": {"shard": 0, "number": 1},
        "place": 0, "ms": 7_312, "why": "it was tried again"}]});
    assert_eq!(named, wanted);
    assert_eq!(by(Role::Viewer, "late").await.status, 403);
    let at = "shard 0 batch 1 place 0";
    let csv = by(Role::Marketer, "report?format=csv").await.text();
    let row = format!("late_device_user,apns,{at},{}\r\n", user.as_str().unwrap());
    assert!(csv.contains(&row) && csv.contains("7312 ms after the press, 2312 ms late"), "{row} in {csv}");
    let csv = by(Role::Viewer, "report?format=csv").await.text();
    assert!(csv.contains(&format!("late_device_why,,{at},it was tried again\r\n")), "{csv}");
    assert!(!csv.contains("late_device_user") && !csv.contains(user.as_str().unwrap()), "{csv}");
}

#[tokio::test]
async fn the_report_says_who_did_what_or_that_nobody_can_read_it() {
    let api = start().await;
    let id = with_snapshot(&api).await.id;
    let entry = AuditEntry {
        at: NOW,
        by: "sre".to_owned(),
        from: "10.0.0.7".to_owned(),
        action: "campaign.override".to_owned(),
        campaign: Some(id),
        result: "gateway_quota: raised, this morning".to_owned(),
    };
    api.parts.audit.append(&entry).await.unwrap();
    let path = format!("/v1/campaigns/{id}/report");
    let json = api.get(&path).await.ok();
    assert_eq!(json["trail"]["entries"][0], serde_json::to_value(&entry).unwrap());
    let csv = api.get(format!("{path}?format=csv")).await.text();
    let at = NOW.rfc3339();
    let row = format!(
        "who_did_what,,campaign.override,\"{at} sre from 10.0.0.7: gateway_quota: raised, this morning\"\r\n"
    );
    assert!(csv.contains(&row), "{row} in {csv}");
    api.parts.faults.down(Call::AuditList, true);
    let json = api.get(&path).await.ok();
    let why = json["trail"]["unreadable"].as_str().unwrap().to_owned();
    assert!(json["books"]["devices"].is_u64() && why.contains("ask for the report again"), "{why}");
    let csv = api.get(format!("{path}?format=csv")).await.text();
    assert!(csv.contains("who_did_what,,unreadable,") && csv.contains("devices,,pending,"), "{csv}");
}
