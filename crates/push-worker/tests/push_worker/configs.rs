//! Configurations of both gateways: what is refused, what is found in them, and what is never shown.

use crate::stand::stand;
use loadtest::gateways::Behaviour;
use push_worker::Secret;
use push_worker::apns::{ApnsConfig, ApnsKind};
use push_worker::fcm::{FcmConfig, FcmKind};

#[tokio::test]
async fn all_faults_of_a_configuration_come_together_and_quote_no_key() {
    let stand = stand(Behaviour::default()).await;
    let fields = |faults: push_worker::transport::Faults| -> Vec<String> {
        faults.0.into_iter().map(|fault| fault.field).collect()
    };
    let wrong = ApnsConfig {
        endpoint: Some("api.push.apple.com:443".to_owned()),
        key_id: "short".to_owned(),
        key_file: Some(stand.running.info.ca_file.clone()),
        connections: 0,
        ..stand.apns_config()
    };
    let found = fields(wrong.check().unwrap_err());
    assert_eq!(found, ["apns.key_id", "apns.connections", "apns.endpoint", "apns.key_file"]);
    let pointed = ApnsConfig { kind: ApnsKind::Production, ..stand.apns_config() };
    assert_eq!(fields(pointed.check().unwrap_err()), ["apns.endpoint", "apns.ca_file"]);
    let real = ApnsConfig { endpoint: None, ca_file: None, ..pointed };
    assert!(real.check().is_ok());
    // A rehearsal's account is no good for the real gateway, nor the other way round.
    let real = FcmConfig { kind: FcmKind::Production, endpoint: None, ca_file: None, ..stand.fcm_config() };
    assert_eq!(fields(real.check().unwrap_err()), ["fcm.service_account_file"]);
    let account = std::fs::read_to_string(&stand.running.info.fcm_service_account_file).unwrap();
    let uri = &stand.running.info.token_uri;
    let dir = tempfile::tempdir().unwrap();
    for wrong in
        ["https://oauth2.googleapis.com/token", "http://169.254.169.254/token", "http://a@google.com/"]
    {
        let file = dir.path().join("account.json");
        std::fs::write(&file, account.replace(uri, wrong)).unwrap();
        let config = FcmConfig { service_account_file: Some(file), ..stand.fcm_config() };
        let faults = config.check().unwrap_err();
        assert!(!faults.to_string().contains("BEGIN"));
        assert_eq!(fields(faults), ["fcm.service_account_file"], "{wrong}");
    }
}

/// As ECS hands them over: the text itself, in exactly one way, and shown nowhere.
#[tokio::test]
async fn secrets_may_be_given_as_text() {
    let stand = stand(Behaviour::default()).await;
    let secret = |path: &std::path::Path| Some(Secret::new(std::fs::read_to_string(path).unwrap()));
    let info = &stand.running.info;
    let apns = ApnsConfig { key_file: None, key: secret(&info.apns_key_file), ..stand.apns_config() };
    let account = secret(&info.fcm_service_account_file);
    let fcm = FcmConfig { service_account_file: None, service_account: account, ..stand.fcm_config() };
    assert!(apns.check().is_ok() && fcm.check().is_ok());
    let shown = format!("{apns:?} {fcm:?} {}", serde_json::json!([apns, fcm]));
    assert!(!shown.contains("PRIVATE") && shown.contains("(hidden)"), "{shown}");
    for twice in
        [ApnsConfig { key: None, ..apns.clone() }, ApnsConfig { key: apns.key, ..stand.apns_config() }]
    {
        let faults = twice.check().unwrap_err().to_string();
        assert!(faults.contains("apns.key_file") && !faults.contains("PRIVATE"), "{faults}");
    }
}

#[tokio::test]
async fn a_public_ca_is_no_rehearsals() {
    let stand = stand(Behaviour::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let two = dir.path().join("two.pem");
    let one = std::fs::read_to_string(&stand.running.info.ca_file).unwrap();
    std::fs::write(&two, format!("{one}{one}")).unwrap();
    let config = ApnsConfig { ca_file: Some(two), ..stand.apns_config() };
    assert!(config.check().unwrap_err().to_string().contains("exactly one"));
}
