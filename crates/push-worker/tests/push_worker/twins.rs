//! Twins of the gateways against the stand-ins: what they tell, and that a dry run reaches nobody.

use crate::stand::{BOTH, PATIENCE, local, prepare, pushes, send, stand_on, targets};
use common::content::Content;
use common::device::Platform;
use loadtest::gateways::{Behaviour, Fate, ServerKind};
use push_worker::gateway::{Answer, Gateway, Said, Trial};

async fn twin(gateway: &dyn Gateway, trial: Trial) -> Box<dyn Gateway> {
    let twin = gateway.twin(trial).expect("a twin");
    prepare(&*twin, &Content::english("Superb", "Owl")).await.expect("prepared");
    twin
}

fn said_at(said: &[Said], place: u16) -> &Said {
    said.iter().find(|s| s.place == place).expect("something was said")
}

#[tokio::test]
async fn a_twin_tells_ids_and_reasons_and_the_blasts_gateway_does_not() {
    for mode in BOTH {
        local(tells(mode)).await;
    }
}

async fn tells(mode: ServerKind) {
    let behaviour =
        Behaviour { dead_share: 0.2, bad_share: 0.2, mismatched_share: 0.2, ..Behaviour::default() };
    let stand = stand_on(mode, behaviour.clone()).await;
    for gateway in &stand.both().await {
        let targets = targets(gateway.platform(), 60);
        let twin = twin(&**gateway, Trial::Real).await;
        assert_eq!(twin.link().connections, 1);
        let answered = send(&*twin, &pushes(&targets), PATIENCE).await;
        let said = twin.said();
        assert_eq!((said.len(), twin.said().len()), (60, 0), "once");
        for a in &answered {
            let (fate, said) =
                (behaviour.fate(targets[usize::from(a.place)].hash()), said_at(&said, a.place));
            let (status, reason) = match (fate, gateway.platform()) {
                (Fate::Alive, _) => (200, None),
                (Fate::Dead, Platform::Apns) => (410, Some("Unregistered")),
                (Fate::Bad, Platform::Apns) => (400, Some("BadDeviceToken")),
                (Fate::Mismatched, Platform::Apns) => (400, Some("DeviceTokenNotForTopic")),
                (Fate::Dead, Platform::Fcm) => (404, Some("UNREGISTERED")),
                (Fate::Bad, Platform::Fcm) => (400, Some("INVALID_ARGUMENT")),
                (Fate::Mismatched, Platform::Fcm) => (403, Some("SENDER_ID_MISMATCH")),
            };
            assert_eq!((said.status, said.reason.as_deref()), (status, reason), "{fate:?}");
            if gateway.platform() == Platform::Apns || fate == Fate::Alive {
                assert!(said.id.as_ref().is_some_and(|id| id.len() > 20), "{said:?}");
            }
        }
        twin.close().await;
        send(&**gateway, &pushes(&targets), PATIENCE).await;
        assert!(gateway.said().is_empty());
    }
}

#[tokio::test]
async fn a_dry_run_reaches_nobody_and_google_still_looks() {
    for mode in BOTH {
        local(dry(mode)).await;
    }
}

async fn dry(mode: ServerKind) {
    let behaviour = Behaviour { dead_share: 0.3, ..Behaviour::default() };
    let stand = stand_on(mode, behaviour.clone()).await;
    for gateway in &stand.both().await {
        let targets = targets(gateway.platform(), 40);
        let twin = twin(&**gateway, Trial::Dry).await;
        let answered = send(&*twin, &pushes(&targets), PATIENCE).await;
        let said = twin.said();
        for a in answered {
            let dead = behaviour.fate(targets[usize::from(a.place)].hash()) == Fate::Dead;
            let wanted = match (gateway.platform(), dead) {
                (Platform::Apns, _) => Answer::NotSent,
                (Platform::Fcm, true) => Answer::TokenGone { since: None },
                (Platform::Fcm, false) => Answer::Accepted,
            };
            assert_eq!(a.answer, wanted);
        }
        let fcm = gateway.platform() == Platform::Fcm;
        assert_eq!(said.len(), if fcm { 40 } else { 0 });
    }
    let summary = stand.admin.summary().await.expect("a summary");
    assert_eq!(summary.accepted_devices, 0, "{:?}", summary.by_reason);
    let looked_at = summary.by_reason.get("fcm/200 validate_only").copied().unwrap_or(0);
    assert!((20..40).contains(&looked_at), "{:?}", summary.by_reason);
    assert!(summary.by_reason.keys().all(|reason| reason.starts_with("fcm/")), "{:?}", summary.by_reason);
}
