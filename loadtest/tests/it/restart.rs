//! Gateways that are started again where others were before.

use std::path::Path;

use loadtest::gateways::{AdminClient, Behaviour, GatewayArgs, GatewayInfo, Running, start};

use crate::support::{Gateways, PAYLOAD, now_s, token};

async fn gateways(args: &GatewayArgs) -> Gateways {
    Gateways::over(start(args.clone()).await.unwrap())
}

fn args(dir: &Path) -> GatewayArgs {
    GatewayArgs { dir: Some(dir.to_owned()), ..GatewayArgs::default() }
}

async fn stopped(running: Running) -> GatewayInfo {
    let info = running.info.clone();
    running.stop().await.unwrap();
    info
}

#[tokio::test]
async fn credentials_and_ports_outlive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = gateways(&args(dir.path())).await;
    let (jwt, assertion) = (first.jwt(now_s()), first.assertion(&serde_json::json!({})));
    let ca = std::fs::read(&first.info().ca_file).unwrap();
    let info = stopped(first.running).await;

    let second = gateways(&args(dir.path())).await;
    assert_eq!((second.info(), std::fs::read(&info.ca_file).unwrap()), (&info, ca));
    // What was signed before is good, and who trusts the CA of before trusts this one.
    let mut client = second.apns().await;
    let mut request = second.apns_request(&token(1));
    request.headers_mut().unwrap().insert("authorization", format!("bearer {jwt}").parse().unwrap());
    assert_eq!(client.call(request, PAYLOAD).await.unwrap().status, 200);
    let form = crate::support::grant(&assertion);
    second.admin.post_form::<serde_json::Value>("/token", &form).await.unwrap();
    second.running.stop().await.unwrap();
}

#[tokio::test]
async fn ports_that_are_taken_are_replaced_and_the_service_account_follows() {
    let dir = tempfile::tempdir().unwrap();
    let first = gateways(&args(dir.path())).await;
    // It still serves.
    let second = gateways(&args(dir.path())).await;
    assert_ne!(first.info().apns, second.info().apns);
    assert_ne!(first.info().token_uri, second.info().token_uri);
    assert_eq!(first.info().apns_key_file, second.info().apns_key_file);
    assert_eq!(second.bearer().await.len(), 1024);
    // Who gives ports gets these.
    let third = GatewayArgs { apns_listen: second.info().apns.parse().ok(), ..args(dir.path()) };
    assert!(start(third).await.is_err());
}

#[tokio::test]
async fn with_a_host_others_are_led_there() {
    let dir = tempfile::tempdir().unwrap();
    // Any loopback address is an address of this machine, and this one is not what gateways have by themselves.
    let listen = "0.0.0.0:0".parse().ok();
    let named = GatewayArgs {
        host: Some("127.0.0.2".to_owned()),
        apns_listen: listen,
        fcm_listen: listen,
        admin_listen: listen,
        ..args(dir.path())
    };
    let gateways = gateways(&named).await;
    let info = gateways.info().clone();
    assert!(info.apns.starts_with("127.0.0.2:") && info.fcm.starts_with("127.0.0.2:"), "{info:?}");
    assert_eq!(info.token_uri, format!("{}/token", info.admin));
    assert!(info.admin.starts_with("http://127.0.0.2:"));
    let account = std::fs::read_to_string(&info.fcm_service_account_file).unwrap();
    assert!(account.contains(&format!("\"token_uri\": \"{}\"", info.token_uri)));
    // The certificate is for that host, and the token endpoint answers there.
    let mut client = gateways.apns().await;
    let answer = client.call(gateways.apns_request(&token(1)), PAYLOAD).await.unwrap();
    assert_eq!((answer.status, gateways.bearer().await.len()), (200, 1024));
    gateways.running.stop().await.unwrap();
}

#[tokio::test]
async fn whatever_is_missing_or_broken_is_made_again() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let ca = || std::fs::read(dir.path().join("ca.pem")).unwrap();
    stopped(gateways(&args(dir.path())).await.running).await;
    for file in
        ["apns-key.p8", "fcm-service-account.json", "gateways-key.pem", "gateways-certificate.pem", "ca.pem"]
    {
        let before = ca();
        std::fs::write(dir.path().join(file), "broken").unwrap();
        let gateways = gateways(&args(dir.path())).await;
        let mut client = gateways.apns().await;
        let answer = client.call(gateways.apns_request(&token(1)), PAYLOAD).await.unwrap();
        assert_eq!((answer.status, gateways.bearer().await.len()), (200, 1024));
        assert_ne!(ca(), before, "{file}");
        gateways.running.stop().await.unwrap();
    }
    // A name that the certificate lacks.
    let before = ca();
    let named = GatewayArgs { certificate_names: vec!["gateway.example".to_owned()], ..args(dir.path()) };
    stopped(start(named.clone()).await.unwrap()).await;
    let with_name = ca();
    assert_ne!(with_name, before);
    stopped(start(named).await.unwrap()).await;
    stopped(start(args(dir.path())).await.unwrap()).await;
    assert_eq!(ca(), with_name);
    for file in ["apns-key.p8", "fcm-service-account.json", "gateways-key.pem"] {
        let mode = dir.path().join(file).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_profile_is_served_and_its_faults_keep_the_gateways_from_starting() {
    use clap::{Args as _, FromArgMatches as _};
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("night.toml");
    let with_profile = || {
        let command = GatewayArgs::augment_args(clap::Command::new("gateways"));
        let matches = command.get_matches_from([
            "gateways",
            "--dead-share",
            "0.5",
            "--profile",
            file.to_str().unwrap(),
        ]);
        GatewayArgs::from_arg_matches(&matches).unwrap()
    };
    std::fs::write(&file, "seed = 7\ndead_share = 0.1\n").unwrap();
    let running = start(with_profile()).await.unwrap();
    let behaviour = AdminClient::new(&running.info.admin).behaviour().await.unwrap();
    assert_eq!(behaviour, Behaviour { seed: 7, dead_share: 0.5, ..Behaviour::default() });
    running.stop().await.unwrap();
    std::fs::write(&file, "\n\ndead_share = 1.1\n").unwrap();
    let error = start(with_profile()).await.unwrap_err().to_string();
    assert!(error.contains("night.toml:3: dead_share"), "{error}");
}
