//! Scaling the fleet: what is asked is noted, passed on, kept while a campaign needs it, and taken back in time.

use super::stage::{Stage, who};
use async_trait::async_trait;
use common::campaign::RefusalCode;
use common::fleet::{Expected, FleetSize, Role};
use common::ports::{PortError, Scaling};
use common::time::UnixMs;
use control::{ArmRequest, Control, ControlError, ScaleRequest};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Counts tasks, and is out of reach when told so.
#[derive(Default)]
struct Tasks {
    wanted: Mutex<[u32; 2]>,
    down: AtomicBool,
}

impl Tasks {
    fn wanted(&self) -> [u32; 2] {
        *self.wanted.lock().unwrap()
    }

    fn answer(&self) -> Result<(), PortError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(PortError::Unavailable { what: "ecs", why: "it is down".to_owned() });
        }
        Ok(())
    }
}

#[async_trait]
impl Scaling for Tasks {
    async fn sizes(&self) -> Result<Vec<FleetSize>, PortError> {
        let size = |(role, wanted)| FleetSize { role, wanted, running: wanted, pending: 0 };
        let wanted = self.wanted();
        Ok([(Role::Interim, wanted[0]), (Role::Push, wanted[1])].map(size).to_vec())
    }

    async fn scale(&self, role: Role, wanted: u32) -> Result<(), PortError> {
        self.answer()?;
        self.wanted.lock().unwrap()[usize::from(role == Role::Push)] = wanted;
        Ok(())
    }
}

/// A stage whose control can have workers started and stopped.
async fn scaled(stage: Stage) -> (Stage, Arc<Tasks>) {
    let tasks = Arc::new(Tasks::default());
    let scaling: Arc<dyn Scaling> = Arc::clone(&tasks) as _;
    let control = Control::with_scaling(stage.parts.backend(), Arc::clone(&stage.clock), Some(scaling));
    (Stage { control, ..stage }, tasks)
}

fn ask(interim: u32, push: u32, until: Option<UnixMs>) -> ScaleRequest {
    ScaleRequest { interim, push, until }
}

async fn steps(stage: &Stage, seconds: u64) {
    for _ in 0..seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.control.reconcile().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_is_what_an_arming_expects() {
    let (stage, tasks) = scaled(Stage::ready(10).await).await;
    let done = stage.control.scale(&who("sre"), &ask(1, 3, None)).await.unwrap();
    assert_eq!((done.wish.unwrap().push, tasks.wanted()), (3, [1, 3]));
    let request = ArmRequest { wait_ms: 0, ..ArmRequest::default() };
    let error = stage.control.arm(&who("sre"), stage.id, &request).await.unwrap_err();
    assert!(error.to_string().contains("1 of 3 push workers"), "{error}");
    let expect = Expected { push: Some(1), ..Expected::default() };
    let armed = stage.control.arm(&who("sre"), stage.id, &ArmRequest { expect, ..request }).await.unwrap();
    assert_eq!(armed.armed.unwrap().expect.push, 1);
}

#[tokio::test(start_paused = true)]
async fn an_armed_campaign_keeps_its_workers() {
    let (stage, tasks) = scaled(Stage::ready(10).await).await;
    stage.control.scale(&who("sre"), &ask(1, 1, None)).await.unwrap();
    stage.control.arm(&who("sre"), stage.id, &ArmRequest::default()).await.unwrap();
    for less in [ask(0, 1, None), ask(9, 0, None)] {
        let error = stage.control.scale(&who("sre"), &less).await.unwrap_err();
        assert!(matches!(&error, ControlError::Refused(no) if no.code == RefusalCode::FleetHeld), "{error}");
        assert_eq!(tasks.wanted(), [1, 1]);
    }
    stage.control.scale(&who("sre"), &ask(1, 5, None)).await.unwrap();
    assert_eq!(tasks.wanted(), [1, 5], "more is always fine");
    stage.control.disarm(&who("sre"), stage.id).await.unwrap();
    stage.control.scale(&who("sre"), &ask(0, 0, None)).await.unwrap();
    assert_eq!(tasks.wanted(), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn its_time_is_over_only_when_no_campaign_needs_it() {
    let (stage, tasks) = scaled(Stage::ready(10).await).await;
    let until = stage.clock.now().plus(Duration::from_secs(60));
    stage.control.scale(&who("sre"), &ask(1, 1, Some(until))).await.unwrap();
    stage.control.arm(&who("sre"), stage.id, &ArmRequest::default()).await.unwrap();
    steps(&stage, 90).await;
    assert_eq!(tasks.wanted(), [1, 1], "armed");
    stage.control.disarm(&who("sre"), stage.id).await.unwrap();
    steps(&stage, 10).await;
    assert_eq!(tasks.wanted(), [0, 0], "free");
    let slot = stage.control.backend().campaigns.slot().await.unwrap();
    assert!(slot.scale.unwrap().noted && slot.campaign == Some(stage.id));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_passed_on_is_passed_on_later() {
    let (stage, tasks) = scaled(Stage::ready(10).await).await;
    tasks.down.store(true, Ordering::SeqCst);
    let error = stage.control.scale(&who("sre"), &ask(2, 4, None)).await.unwrap_err();
    assert!(matches!(error, ControlError::Port(PortError::Unavailable { .. })), "{error}");
    steps(&stage, 10).await;
    assert_eq!(tasks.wanted(), [0, 0]);
    tasks.down.store(false, Ordering::SeqCst);
    steps(&stage, 10).await;
    assert_eq!(tasks.wanted(), [2, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_scaling_while_arming_waits_is_seen() {
    let (stage, _tasks) = scaled(Stage::ready(10).await).await;
    stage.control.scale(&who("sre"), &ask(1, 1, None)).await.unwrap();
    stage.beat(|w| w.ready = w.role == Role::Push).await;
    let arming = {
        let (control, id) = (Arc::clone(&stage.control), stage.id);
        tokio::spawn(async move { control.arm(&who("sre"), id, &ArmRequest::default()).await })
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.control.scale(&who("other"), &ask(0, 0, None)).await.unwrap();
    stage.beat(|_| {}).await;
    let error = arming.await.unwrap().unwrap_err();
    assert!(matches!(&error, ControlError::Refused(no) if no.code == RefusalCode::Changed), "{error}");
    assert_eq!(stage.campaign().await.state, common::campaign::State::Ready);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_asked() {
    let (stage, tasks) = scaled(Stage::ready(10).await).await;
    for (bad, field) in [
        (ask(1, 100_000, None), "push"),
        (ask(2_001, 1, None), "interim"),
        (ask(1, 1, Some(stage.clock.now())), "until"),
    ] {
        let error = stage.control.scale(&who("sre"), &bad).await.unwrap_err();
        assert!(matches!(&error, ControlError::BadField(b) if b.field == field), "{error}");
    }
    assert_eq!(tasks.wanted(), [0, 0]);
    let alone = Stage::ready(1).await;
    let error = alone.control.scale(&who("sre"), &ask(1, 1, None)).await.unwrap_err();
    assert!(matches!(&error, ControlError::Refused(no) if no.code == RefusalCode::NothingToScale), "{error}");
}
