//! `owl rehearse --server` against the three services in processes of their own, on a stand-in AWS.

use super::http;
use super::process::{Service, command, wait_until};
use super::world::World;
use loadtest::gateways::Behaviour;
use serde_json::Value;

#[test]
fn rehearsed_over_the_api_the_services_pass_and_are_held_against_the_journal() {
    let world = World::new(Behaviour::default());
    let (api, interim) = (world.api(), world.interim());
    let pushes = [world.push(), world.push()];
    [&api, &interim, &pushes[0], &pushes[1]].into_iter().for_each(Service::ready);
    wait_until("two push workers that name their gateways", || {
        let fleet = http::get(&api.address, "/v1/fleet").ok();
        let good = |w: &&Value| w["role"] == "push" && w["rehearsal"] == true;
        fleet["workers"].as_array().is_some_and(|all| all.iter().filter(good).count() == 2)
    });
    let (scenario, out) = (world.file("scenario.toml"), world.file("pages"));
    let text = "about = 'processes of their own'
        audience.users = 3_000
        campaign = { shards = 10, batch_users = 20 }
        gateways = { round_trip_ms = 60, dead_share = 0.02 }";
    std::fs::write(&scenario, text).unwrap();
    let rehearsed = command("owl")
        .args(["rehearse", "--json", "--server", &format!("http://{}", api.address)])
        .args(["--gateways", &world.admin(), "--out"])
        .args([&out, &scenario])
        .env("OWL_TOKEN", http::ADMIN)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&rehearsed.stderr);
    assert_eq!(rehearsed.status.code(), Some(0), "{error}");
    let figures: Value = serde_json::from_slice(&rehearsed.stdout).unwrap();
    let (counted, server) = (&figures["presses"][0]["counted"], &figures["server"]);
    assert_eq!((&counted["lost"], &counted["doubled"]), (&0.into(), &0.into()), "{counted}");
    assert_eq!(counted["seen"], counted["accepted"], "{counted}");
    assert_eq!((&server["interim_workers"], &server["push_workers"]), (&1.into(), &2.into()), "{server}");
}
