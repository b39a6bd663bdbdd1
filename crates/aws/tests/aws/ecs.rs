//! The scaling port against canned answers of ECS: what is asked, and what a person reads when it does not work.

use aws::ecs::EcsScaling;
use aws::{AwsConfig, Clients};
use common::fleet::{FleetSize, Role};
use common::ports::{PortError, Scaling};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Answers one request, and tells what it was: its operation and its body.
async fn answering(status: u16, answer: Value) -> (EcsScaling, JoinHandle<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        let (head, body) = loop {
            stream.read_buf(&mut request).await.unwrap();
            if let Some(whole) = whole(&request) {
                break whole;
            }
        };
        let answer = answer.to_string();
        let text = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
            answer.len()
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        (header(&head, "x-amz-target").rsplit('.').next().unwrap_or_default().to_owned(), body)
    });
    let config = AwsConfig { endpoint: Some(endpoint), attempts_max: 1, ..AwsConfig::default() };
    (EcsScaling::new(Clients::new(&config).await.ecs, "owl"), server)
}

fn header(head: &str, name: &str) -> String {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
}

fn whole(request: &[u8]) -> Option<(String, Value)> {
    let text = String::from_utf8_lossy(request);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length: usize = header(head, "content-length").parse().ok()?;
    (body.len() >= length).then(|| (head.to_owned(), serde_json::from_str(body).unwrap()))
}

fn service(name: &str, wanted: u32, running: u32) -> Value {
    json!({"serviceName": name, "status": "ACTIVE", "desiredCount": wanted, "runningCount": running,
        "pendingCount": wanted - running})
}

#[tokio::test]
async fn sizes_are_those_of_the_two_worker_services() {
    let services =
        json!({"services": [service("owl-push-worker", 40, 38), service("owl-interim-worker", 20, 20)]});
    let (scaling, server) = answering(200, services).await;
    let sizes = scaling.sizes().await.unwrap();
    let size = |role, wanted, running| FleetSize { role, wanted, running, pending: wanted - running };
    assert_eq!(sizes, [size(Role::Interim, 20, 20), size(Role::Push, 40, 38)]);
    let (operation, body) = server.await.unwrap();
    assert_eq!(operation, "DescribeServices");
    assert_eq!(body, json!({"cluster": "owl", "services": ["owl-interim-worker", "owl-push-worker"]}));
}

#[tokio::test]
async fn a_service_that_is_not_there_is_named() {
    let services =
        json!({"services": [service("owl-push-worker", 1, 1)], "failures": [{"reason": "MISSING"}]});
    let error = answering(200, services).await.0.sizes().await.unwrap_err().to_string();
    assert!(error.contains("owl-interim-worker") && error.contains("terraform apply"), "{error}");
}

#[tokio::test]
async fn scaling_sets_the_desired_count_and_nothing_else() {
    let (scaling, server) = answering(200, json!({"service": service("owl-push-worker", 40, 0)})).await;
    scaling.scale(Role::Push, 40).await.unwrap();
    let (operation, body) = server.await.unwrap();
    assert_eq!(operation, "UpdateService");
    assert_eq!(body, json!({"cluster": "owl", "service": "owl-push-worker", "desiredCount": 40}));
}

#[tokio::test]
async fn errors_say_what_to_do_and_whether_to_try_again() {
    for (status, code, says, again) in [
        (400, "ClusterNotFoundException", "aws.cluster", false),
        (400, "ServiceNotFoundException", "terraform apply", false),
        (400, "AccessDeniedException", "task role", false),
        (400, "ThrottlingException", "ThrottlingException", true),
        (500, "ServerException", "ServerException", true),
    ] {
        let (scaling, _server) = answering(status, json!({"__type": code, "message": "so it is"})).await;
        let error = scaling.scale(Role::Interim, 2).await.unwrap_err();
        assert_eq!(error.is_transient(), again, "{error}");
        assert!(error.to_string().contains(says), "{says} is not in: {error}");
    }
    let many = EcsScaling::new(Clients::new(&AwsConfig::default()).await.ecs, "owl")
        .scale(Role::Push, u32::MAX)
        .await;
    assert!(matches!(many, Err(PortError::Invalid { .. })));
}
