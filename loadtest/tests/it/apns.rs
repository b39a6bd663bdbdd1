//! Every way in which Apple refuses a request, and the one in which it does not.

use http::Request;
use loadtest::gateways::Behaviour;
use serde_json::json;

use crate::support::{PAYLOAD, gateways, now_s, read, token};

#[tokio::test]
async fn a_good_request_is_accepted_and_its_id_echoed() {
    let gateways = gateways(Behaviour::default()).await;
    let mut client = gateways.apns().await;
    let id = "123e4567-e89b-12d3-a456-4266554400a0";
    let answer = client.call(gateways.apns_request(&token(1)).header("apns-id", id), PAYLOAD).await.unwrap();
    assert_eq!((answer.status, answer.headers["apns-id"].to_str().unwrap(), answer.body.len()), (200, id, 0));
    let answer = client.call(gateways.apns_request(&token(2)), PAYLOAD).await.unwrap();
    let made_up = uuid::Uuid::parse_str(answer.headers["apns-id"].to_str().unwrap()).unwrap();
    assert_eq!((answer.status, made_up.get_version_num()), (200, 4));
}

#[tokio::test]
async fn each_fault_has_its_status_and_reason() {
    let gateways = gateways(Behaviour { apns_jwt_limit: 1000, ..Behaviour::default() }).await;
    let mut client = gateways.apns().await;
    let good = || gateways.apns_request(&token(1));
    let without = |name: &str| {
        let mut request = good();
        request.headers_mut().unwrap().remove(name);
        request
    };
    let with = |name: &'static str, value: &str| {
        let mut request = good();
        request.headers_mut().unwrap().insert(name, value.parse().unwrap());
        request
    };
    let info = gateways.info();
    let bearer = |jwt: String| with("authorization", &format!("bearer {jwt}"));
    let (header, claims) = (
        json!({ "alg": "ES256", "kid": info.apns_key_id }),
        json!({ "iss": info.apns_team_id, "iat": now_s() }),
    );
    let good_jwt = gateways.signed_jwt(&header, &claims);
    let (unsigned, _) = good_jwt.rsplit_once('.').unwrap();
    let other_signature = gateways.jwt(now_s() - 7);
    let (_, other_signature) = other_signature.rsplit_once('.').unwrap();
    let rows = [
        (404, "BadPath", Request::post("https://localhost/4/device/abc"), PAYLOAD.to_owned()),
        (405, "MethodNotAllowed", good().method("GET"), String::new()),
        (400, "MissingDeviceToken", good().uri("https://localhost/3/device/"), PAYLOAD.to_owned()),
        (400, "BadDeviceToken", gateways.apns_request("abc"), PAYLOAD.to_owned()),
        (400, "BadDeviceToken", gateways.apns_request(&"x".repeat(64)), PAYLOAD.to_owned()),
        (403, "MissingProviderToken", without("authorization"), PAYLOAD.to_owned()),
        (403, "MissingProviderToken", with("authorization", "basic abc"), PAYLOAD.to_owned()),
        (403, "InvalidProviderToken", bearer("abc".to_owned()), PAYLOAD.to_owned()),
        (403, "InvalidProviderToken", bearer(format!("{good_jwt}==")), PAYLOAD.to_owned()),
        (403, "InvalidProviderToken", bearer(format!("{unsigned}.{other_signature}")), PAYLOAD.to_owned()),
        (
            403,
            "InvalidProviderToken",
            bearer(gateways.signed_jwt(&json!({ "alg": "ES256", "kid": "OTHERKEY01" }), &claims)),
            PAYLOAD.to_owned(),
        ),
        (
            403,
            "InvalidProviderToken",
            bearer(gateways.signed_jwt(&header, &json!({ "iss": "OTHERTEAM1", "iat": now_s() }))),
            PAYLOAD.to_owned(),
        ),
        (403, "ExpiredProviderToken", bearer(gateways.jwt(now_s() - 3700)), PAYLOAD.to_owned()),
        (403, "ExpiredProviderToken", bearer(gateways.jwt(now_s() + 600)), PAYLOAD.to_owned()),
        (400, "MissingTopic", without("apns-topic"), PAYLOAD.to_owned()),
        (400, "BadTopic", with("apns-topic", "no topic"), PAYLOAD.to_owned()),
        (400, "DeviceTokenNotForTopic", with("apns-topic", "com.example.other"), PAYLOAD.to_owned()),
        (400, "InvalidPushType", with("apns-push-type", "loud"), PAYLOAD.to_owned()),
        (400, "BadPriority", with("apns-priority", "7"), PAYLOAD.to_owned()),
        (400, "BadPriority", with("apns-push-type", "background"), PAYLOAD.to_owned()),
        (400, "BadExpirationDate", with("apns-expiration", "soon"), PAYLOAD.to_owned()),
        (400, "BadCollapseId", with("apns-collapse-id", &"c".repeat(65)), PAYLOAD.to_owned()),
        (400, "BadMessageId", with("apns-id", "not-a-uuid"), PAYLOAD.to_owned()),
        (400, "PayloadEmpty", good(), String::new()),
        (400, "PayloadEmpty", good(), "{not json".to_owned()),
        (413, "PayloadTooLarge", good(), format!(r#"{{"a":"{}"}}"#, "x".repeat(4096))),
        (413, "PayloadTooLarge", good(), format!(r#"{{"a":"{}"}}"#, "x".repeat(100_000))),
    ];
    for (status, reason, request, body) in rows {
        let answer = client.call(request, body).await.unwrap();
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason));
        assert!(uuid::Uuid::parse_str(answer.headers["apns-id"].to_str().unwrap()).is_ok());
    }
    let largest = format!(r#"{{"a":"{}"}}"#, "x".repeat(4096 - 8));
    let answer = client.call(with("apns-collapse-id", &"c".repeat(64)), largest).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn too_many_different_jwts_are_refused_until_they_are_forgotten() {
    let gateways = gateways(Behaviour { apns_jwt_limit: 2, ..Behaviour::default() }).await;
    let mut client = gateways.apns().await;
    let jwts = [1, 2, 3].map(|age| format!("bearer {}", gateways.jwt(now_s() - age)));
    let mut statuses = Vec::new();
    for jwt in [&jwts[0], &jwts[1], &jwts[2], &jwts[0], &jwts[2]] {
        let mut request = gateways.apns_request(&token(1));
        request.headers_mut().unwrap().insert("authorization", jwt.parse().unwrap());
        let answer = client.call(request, PAYLOAD).await.unwrap();
        if answer.status == 429 {
            assert_eq!(answer.reason(), "TooManyProviderTokenUpdates");
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [200, 200, 429, 200, 429]);
    assert_eq!(gateways.admin.summary().await.unwrap().distinct_jwts, 3);
}

#[tokio::test]
async fn a_new_connection_has_one_stream_until_its_first_success() {
    let gateways = gateways(Behaviour::default()).await;
    let mut client = gateways.apns().await;
    let answer = client.call(gateways.apns_request("abc"), PAYLOAD).await.unwrap();
    assert_eq!((answer.status, client.max_streams()), (400, 1));
    let answer = client.call(gateways.apns_request(&token(1)), PAYLOAD).await.unwrap();
    assert_eq!(answer.status, 200);
    // The limit arrives in a frame of its own, before or after the answer; all streams can be used at once then.
    gateways.admin.set_behaviour(&Behaviour { round_trip_ms: 1, ..Behaviour::default() }).await.unwrap();
    let mut answers = Vec::new();
    for number in 0..1000 {
        answers.push(client.send(gateways.apns_request(&token(number)), PAYLOAD).await.unwrap());
    }
    assert_eq!(client.max_streams(), 1000);
    for answer in answers {
        assert_eq!(read(answer).await.unwrap().status, 200);
    }
}
