//! A stop, the real gateways' clients, and stand-ins that do not read: what is never written does not leave later.

use crate::stand::{BOTH, local, pushes, send, stand_on, targets};
use common::time::{Clock as _, SystemClock};
use loadtest::gateways::Behaviour;
use push_worker::gateway::Answer;
use std::cell::Cell;
use std::time::Duration;
use tokio::sync::Notify;

/// Nobody waits so long: what ends, ends by the fence.
const PATIENCE: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn after_a_fence_a_gateway_that_reads_again_finds_nothing_that_was_called_not_sent() {
    for mode in BOTH {
        local(async {
            // More than the kernels hold may be under way: what they hold has left.
            let normal = Behaviour { fcm_streams: 1_000, ..Behaviour::default() };
            let stand = stand_on(mode, normal.clone()).await;
            for gateway in &stand.both().await {
                // All streams may be used after the first success.
                let (first, all) = (targets(gateway.platform(), 300), targets(gateway.platform(), 3_000));
                send(&**gateway, &pushes(&first), PATIENCE).await;
                let deaf = Behaviour { pause: true, ..stand.admin.behaviour().await.unwrap() };
                stand.admin.set_behaviour(&deaf).await.unwrap();
                let (asked, stop) = (Cell::new(0), Notify::new());
                let may_send = || {
                    asked.set(asked.get() + 1);
                    if asked.get() == 20 {
                        stop.notify_one();
                    }
                    asked.get() < 20
                };
                let rest = &pushes(&all)[300..];
                let deadline = SystemClock::default().now().plus(Duration::from_secs(600));
                let sends = gateway.send(rest, deadline, &may_send, PATIENCE);
                let stops = async {
                    stop.notified().await;
                    gateway.fence(Duration::from_millis(100));
                };
                let (answered, ()) = futures::join!(sends, stops);
                stand.admin.set_behaviour(&normal).await.unwrap();
                let not_sent: Vec<u16> =
                    answered.iter().filter(|a| a.answer == Answer::NotSent).map(|a| a.place).collect();
                let ambiguous = answered.iter().filter(|a| a.answer == Answer::Ambiguous).count();
                assert!(ambiguous > 0 && ambiguous + not_sent.len() == rest.len(), "{ambiguous}");
                // They are sent again, on new connections, and nobody has got one before.
                let again: Vec<_> =
                    rest.iter().filter(|push| not_sent.contains(&push.place)).copied().collect();
                let answered = send(&**gateway, &again, Duration::from_secs(20)).await;
                assert!(answered.iter().all(|a| a.answer == Answer::Accepted));
            }
            assert_eq!(stand.admin.summary().await.unwrap().duplicates, 0);
        })
        .await;
    }
}

/// One that reads stays as it is, also on a machine that stands still for a moment.
#[tokio::test]
async fn a_fence_costs_a_gateway_that_reads_nothing() {
    for mode in BOTH {
        local(async {
            let stand = stand_on(mode, Behaviour { round_trip_ms: 300, ..Behaviour::default() }).await;
            for gateway in &stand.both().await {
                let targets = targets(gateway.platform(), 500);
                let asked = Cell::new(0);
                let may_send = || {
                    asked.set(asked.get() + 1);
                    if asked.get() % 3 == 0 {
                        gateway.fence(Duration::from_secs(5));
                    }
                    true
                };
                let deadline = SystemClock::default().now().plus(Duration::from_secs(600));
                let answered = gateway.send(&pushes(&targets), deadline, &may_send, PATIENCE).await;
                assert!(answered.len() == 500 && answered.iter().all(|a| a.answer == Answer::Accepted));
            }
            assert_eq!(stand.admin.summary().await.unwrap().connections_opened, 4);
        })
        .await;
    }
}
