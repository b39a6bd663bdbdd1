//! Readiness of the real binaries: the backend goes and comes back, a snapshot is too large, a gateway is not there.

use super::process::Service;
use super::world::{Campaign, World};
use aws::standin::{Fault, Faults};
use loadtest::gateways::Behaviour;
use serde_json::json;

#[test]
fn a_backend_that_does_not_answer_makes_each_service_unready_and_not_dead() {
    let world = World::new(Behaviour::default());
    let services = [world.api(), world.interim(), world.push()];
    services.iter().for_each(Service::ready);
    for (fault, words) in [(Fault::Hang, ""), (Fault::ServerError, "")] {
        world.proxy.set(Some(Faults { seed: 1, percent: 100, of: vec![fault] }));
        for service in &services {
            service.unready(words);
            assert_eq!(service.get("/healthz").status, 200, "{}", service.name);
            let metrics = service.get("/metrics");
            assert!(metrics.status == 200 && metrics.body.as_str().is_some_and(|t| t.contains("# TYPE")));
        }
        world.proxy.set(None);
        services.iter().for_each(Service::ready);
    }
    assert_eq!(services[1].get("/nothing").status, 404);
}

#[test]
fn a_staged_campaign_asks_for_its_snapshot_and_its_gateways() {
    let world = World::new(Behaviour::default());
    let (api, interim, push) = (world.api(), world.interim(), world.push());
    let small = world.config("small", "[interim]\npart_bytes = 65536\nsnapshot_bytes_max = 65536\n");
    let small = Service::start("interim-worker", &small, &[]);
    // Nobody listens on this port of loopback.
    let cut = world.gateways_config();
    let cut = cut.lines().map(|l| if l.starts_with("endpoint") { "endpoint = \"localhost:1\"" } else { l });
    let cut = world.push_with(&cut.collect::<Vec<_>>().join("\n"));
    [&api, &interim, &push, &small, &cut].into_iter().for_each(Service::ready);
    let campaign = Campaign::ready(&api.address, 2_000, &json!({ "shards": 4 }));
    small.unready("larger than the 65536 bytes");
    cut.unready("takes connections");
    interim.ready();
    push.ready();
    let ready = |s: &Service| s.get("/readyz").body["ready"].as_bool();
    assert_eq!((ready(&interim), ready(&small)), (Some(true), Some(false)));
    let record = campaign.record(&api.address);
    assert_eq!(record["state"], "ready", "{record}");
}
