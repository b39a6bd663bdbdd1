//! A lane with scripted gateways in a world, and ways to let it work.
#![allow(unreachable_pub, reason = "modules of one test binary")]

use crate::fake::{Fake, Script};
use crate::world::{Spec, World};
use common::device::Platform;
use common::outcome::{Class, Outcome};
use contract::memory::Call;
use push_worker::gateway::Gateway;
use push_worker::{Lane, PushConfig, Shared};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What a worker calls in the course of its work; its heartbeat calls the fleet besides.
pub const CALLS: [Call; 9] = [
    Call::BatchesReceive,
    Call::BatchesSend,
    Call::BatchesDelete,
    Call::BatchesHide,
    Call::LedgerClaim,
    Call::LedgerComplete,
    Call::LedgerRenew,
    Call::CampaignsSlot,
    Call::CampaignsGet,
];

pub struct Bench {
    pub world: World,
    pub shared: Arc<Shared>,
    pub lane: Rc<Lane>,
    pub apns: Rc<Script>,
    pub fcm: Rc<Script>,
}

pub fn config() -> PushConfig {
    PushConfig { lanes: 1, receive_wait: Duration::ZERO, ..PushConfig::default() }
}

pub fn gateways(world: &World, apns: &Rc<Script>, fcm: &Rc<Script>) -> Vec<Box<dyn Gateway>> {
    let fake = |platform, script: &Rc<Script>| -> Box<dyn Gateway> {
        Box::new(Fake { platform, script: Rc::clone(script), clock: Arc::clone(&world.clock) })
    };
    vec![fake(Platform::Apns, apns), fake(Platform::Fcm, fcm)]
}

impl Bench {
    /// Pressed, every batch on the queue, the lane prepared.
    pub async fn new(spec: Spec) -> Self {
        Self::with(spec, config()).await
    }

    pub async fn with(spec: Spec, config: PushConfig) -> Self {
        let world = World::pressed(spec).await;
        world.send_batches().await;
        Self::with_world(world, config).await
    }

    /// In this world as it is, the lane prepared.
    pub async fn over(world: World) -> Self {
        Self::with_world(world, config()).await
    }

    async fn with_world(world: World, config: PushConfig) -> Self {
        let (apns, fcm) = (Script::accepting(), Script::accepting());
        let shared = Shared::new(world.parts.backend(), Arc::clone(&world.clock), config);
        let lane = Lane::new(Arc::clone(&shared), 0, gateways(&world, &apns, &fcm));
        let bench = Self { world, shared, lane, apns, fcm };
        bench.prepare().await;
        bench
    }

    /// What the worker's loops do: look, assign, prepare.
    pub async fn prepare(&self) {
        self.shared.look().await;
        self.shared.assign().await;
        self.lane.tend().await;
    }

    /// Looks as often as a worker does, until `work` ends.
    pub async fn looking<T>(&self, work: impl Future<Output = T>) -> T {
        let look = async {
            loop {
                self.shared.look().await;
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        };
        tokio::select! {
            done = work => done,
            () = look => unreachable!("looks for ever"),
        }
    }

    /// Steps until nothing is on the queue, not even hidden or delayed; gives up after `most` of simulated time.
    pub async fn drain(&self, most: Duration) {
        let end = self.world.clock.mono() + most;
        let work = async {
            while !self.world.parts.batches.bodies().is_empty() && self.world.clock.mono() < end {
                if self.lane.step().await == 0 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        self.looking(work).await;
    }

    /// Devices with this outcome in the ledger.
    pub async fn count(&self, outcome: Outcome) -> usize {
        let records = self.world.records().await;
        records.iter().flat_map(|r| r.outcomes()).filter(|(o, _)| *o == outcome).count()
    }

    pub async fn pending(&self) -> usize {
        let records = self.world.records().await;
        records.iter().flat_map(|r| r.outcomes()).filter(|(o, _)| o.class() == Class::Pending).count()
    }

    pub fn writes(&self) -> u32 {
        self.apns.writes() + self.fcm.writes()
    }

    /// The largest number of times that one device was written to.
    pub fn most_writes(&self) -> u32 {
        self.apns.most().max(self.fcm.most())
    }

    pub async fn doubled_at_most(&self) -> u32 {
        self.world.records().await.iter().map(|r| r.doubled_at_most).sum()
    }
}
