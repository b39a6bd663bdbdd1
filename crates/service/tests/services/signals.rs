//! The end of each real binary.

use super::http::ADMIN;
use super::process::Service;
use super::world::World;
use loadtest::gateways::Behaviour;
use std::io::Write;
use std::net::TcpStream;

#[test]
fn sigterm_and_sigint_end_each_service_with_status_0() {
    let world = World::new(Behaviour::default());
    let start: [fn(&World) -> Service; 3] = [World::api, World::interim, World::push];
    for (start, signal) in start.iter().flat_map(|s| [(s, "-TERM"), (s, "-INT")]) {
        let service = start(&world);
        service.ready();
        let name = service.name;
        service.signal(signal);
        let (status, lines) = service.wait();
        assert_eq!(status, Some(0), "{name} {signal}: {lines:#?}");
        let said = |message: &str| {
            lines.iter().any(|l| l["message"].as_str().is_some_and(|m| m.starts_with(message)))
        };
        assert!(said("draining") && said("ended"), "{name}: {lines:#?}");
    }
}

/// An upload that never goes on keeps the first signal's drain busy; the second signal does not wait for it.
#[test]
fn a_second_signal_ends_at_once() {
    let world = World::new(Behaviour::default());
    for (second, expected) in [("-TERM", 143), ("-INT", 130)] {
        let api = world.api();
        let mut upload = TcpStream::connect(&api.address).unwrap();
        let head = format!(
            "POST /v1/devices HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {ADMIN}\r\ncontent-type: text/csv\r\n\
             content-length: 1000000\r\n\r\nuser_id,",
            api.address
        );
        upload.write_all(head.as_bytes()).unwrap();
        super::process::wait_until("the upload", || {
            let text = api.get("/metrics").body;
            text.as_str().is_some_and(|t| t.lines().any(|l| l.contains("in_flight") && l.ends_with(" 2")))
        });
        api.signal("-TERM");
        super::process::wait_until("the drain", || {
            api.lines().iter().any(|l| l["message"].as_str().is_some_and(|m| m.starts_with("draining")))
        });
        api.signal(second);
        assert_eq!(api.wait().0, Some(expected));
        drop(upload);
    }
}
