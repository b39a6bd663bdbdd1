//! One press, followed from the API through both queues into the gateways, and out over OTLP to a real socket. One test
//! in a process of its own: telemetry begins once per process.

#[path = "one_press/carry.rs"]
mod carry;
#[path = "one_press/collector.rs"]
mod collector;
#[allow(dead_code, reason = "the push worker's tests use the rest")]
#[path = "../../push-worker/tests/push_worker/fake.rs"]
mod fake;
#[path = "../../interim-worker/tests/world/mod.rs"]
mod world;

use carry::Carry;
use collector::{Collector, attribute, spans};
use common::device::Platform;
use common::ids::{BatchKey, BatchNo};
use common::ports::Backend;
use common::snapshot::Shard;
use control::{Control, Who};
use fake::{Fake, Script};
use interim_worker::{Handled, InterimConfig, InterimWorker};
use opentelemetry_proto::tonic::trace::v1::Span;
use push_worker::gateway::{Answer, Gateway};
use push_worker::{Lane, PushConfig, Shared};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use telemetry::metrics::{ENVELOPES, Event, PRESSES, Pressed, QUEUE_DEPTH};
use telemetry::{Telemetry, TelemetryConfig, TelemetryError};
use world::{Spec, World};

fn spec() -> Spec {
    Spec { users: 80, shards: 2, batch_users: 10, ..Spec::default() }
}

fn begin(collector: &Collector) -> Telemetry {
    let config = TelemetryConfig {
        log: "off".to_owned(),
        metrics_emf_every_s: 0,
        otlp_endpoint: collector.endpoint(),
        trace_batches_one_in: 2,
    };
    let begun = telemetry::init(&config, "test").expect("telemetry");
    assert!(matches!(telemetry::init(&config, "test"), Err(TelemetryError::Twice)));
    begun
}

/// Presses, expands, drains. The first request to each FCM device is throttled, so that there is a later try.
async fn press(world: &World) {
    let parts = &world.parts;
    let (shards, batches) = (Carry::on(&parts.shards), Carry::on(&parts.batches));
    let backend = Backend { shards, batches, ..parts.backend() };
    let control = Control::new(backend.clone(), Arc::clone(&world.clock));
    control.press(&Who::named("tester"), world.campaign.id).await.expect("pressed");
    control.measure_queues().await;
    let config = InterimConfig { receive_wait: Duration::ZERO, ..InterimConfig::default() };
    let interim = InterimWorker::new(backend.clone(), Arc::clone(&world.clock), config);
    interim.look().await.expect("looked");
    interim.load().await;
    assert_eq!(interim.step().await, [Handled::Expanded, Handled::Expanded]);
    drain(world, backend).await;
}

async fn drain(world: &World, backend: Backend) {
    let (apns, fcm) = (Script::accepting(), Script::accepting());
    fcm.answers(|_, before| match before {
        0 => Answer::Throttled { retry_after: None, device: true },
        _ => Answer::Accepted,
    });
    let config = PushConfig { lanes: 1, receive_wait: Duration::ZERO, ..PushConfig::default() };
    let batches = Arc::clone(&backend.batches);
    let shared = Shared::new(backend, Arc::clone(&world.clock), config);
    let gateway = |platform, script: &Rc<Script>| -> Box<dyn Gateway> {
        Box::new(Fake { platform, script: Rc::clone(script), clock: Arc::clone(&world.clock) })
    };
    let gateways = vec![gateway(Platform::Apns, &apns), gateway(Platform::Fcm, &fcm)];
    let lane = Lane::new(Arc::clone(&shared), 0, gateways);
    shared.look().await;
    shared.assign().await;
    lane.tend().await;
    while !batches.depth().await.expect("depth").is_empty() {
        shared.look().await;
        lane.step().await;
        tokio::time::advance(Duration::from_millis(50)).await;
    }
    assert_eq!(apns.devices() + fcm.devices(), 80);
}

fn named<'a>(all: &'a [(String, Span)], name: &str) -> Vec<&'a Span> {
    all.iter().map(|(_, s)| s).filter(|s| s.name == name).collect()
}

#[tokio::test(start_paused = true)]
async fn a_press_is_followed_into_the_gateways() {
    let collector = Collector::start();
    let telemetry = begin(&collector);
    let mut world = World::ready(spec()).await;
    world.arm().await;
    press(&world).await;
    let text = telemetry.prometheus();
    telemetry.shutdown();
    let bodies = collector.finish();
    let all = spans(&bodies);
    assert!(all.iter().all(|(service, _)| service == "test"));

    let presses = named(&all, "press");
    assert_eq!(presses.len(), 1);
    let press = presses[0];
    assert!(press.parent_span_id.is_empty(), "a trace begins here");
    assert!(all.iter().all(|(_, s)| s.trace_id == press.trace_id), "one trace");

    let shards = named(&all, "shard");
    assert_eq!(shards.len(), 2);
    assert!(shards.iter().all(|s| s.parent_span_id == press.span_id));
    let campaign = world.campaign.id.to_string();
    assert!(
        all.iter()
            .filter(|(_, s)| s.name != "gateway group")
            .all(|(_, s)| attribute(s, "campaign") == campaign)
    );

    check_batches(&world, &all, &shards);
    check_numbers(&text);
    check_secrets(&bodies, &text);
}

/// Of each shard every second batch, and its later try, under the shard's span; the gateways under theirs.
fn check_batches(world: &World, all: &[(String, Span)], shards: &[&Span]) {
    let (batches, groups) = (named(all, "batch"), named(all, "gateway group"));
    let mut tries: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for batch in &batches {
        let shard = attribute(batch, "shard");
        let parent = shards.iter().find(|s| attribute(s, "shard") == shard).expect("its shard");
        assert_eq!(batch.parent_span_id, parent.span_id);
        tries.entry(attribute(batch, "batch")).or_default().push(attribute(batch, "attempt"));
        let own: Vec<_> = groups.iter().filter(|g| g.parent_span_id == batch.span_id).collect();
        assert!(!own.is_empty(), "its gateways are under it");
    }
    let followed = |shard: &Shard| {
        let shard_no = shard.shard;
        (0..shard.batches())
            .step_by(2)
            .map(move |n| BatchKey { shard: shard_no, number: BatchNo(n) }.to_string())
    };
    let wanted: Vec<_> = world.shards.iter().flat_map(followed).collect();
    assert_eq!(tries.keys().collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>());
    assert!(tries.values().any(|t| t.contains(&"0".to_owned()) && t.contains(&"1".to_owned())), "{tries:?}");
    let gateways: Vec<_> = groups.iter().map(|g| attribute(g, "gateway")).collect();
    assert!(gateways.contains(&"apns".to_owned()) && gateways.contains(&"fcm".to_owned()));
}

fn check_numbers(text: &str) {
    use telemetry::metrics::{Place, Queue};
    assert_eq!(PRESSES.total(Pressed::First), 1);
    assert_eq!(ENVELOPES.total((Queue::Shards, Event::Sent)), 2);
    assert_eq!(QUEUE_DEPTH.value((Queue::Shards, Place::Visible)), Some(2));
    let line = |line: &str| assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    line(r#"owl_envelopes_total{queue="shards",event="deleted"} 2"#);
    line(r#"owl_gateway_answers_total{gateway="apns",outcome="accepted"} 40"#);
    line(r#"owl_gateway_answers_total{gateway="fcm",outcome="accepted"} 40"#);
    line(r#"owl_gateway_answers_total{gateway="fcm",outcome="too_many_requests"} 40"#);
    line(r#"owl_devices_settled_total{gateway="fcm",class="accepted"} 40"#);
    line(r#"owl_accepted_seconds_count{gateway="apns"} 40"#);
    line("owl_press_receipt_seconds_count 1");
}

/// No user and no token is in anything that leaves.
fn check_secrets(bodies: &[Vec<u8>], text: &str) {
    let spans: Vec<u8> = bodies.concat();
    let holds = |needle: &[u8]| {
        spans.windows(needle.len()).any(|w| w == needle)
            || text.as_bytes().windows(needle.len()).any(|w| w == needle)
    };
    assert!(holds(b"press"), "the search works");
    for i in 0_u32..80 {
        let token = blake3::hash(&i.to_le_bytes());
        assert!(!holds(token.as_bytes()) && !holds(&token.to_hex().as_bytes()[..16]));
    }
    assert!(!holds(b"user1"));
}
