//! The push worker's gateway alone, one push at a time: what a request takes from rendering to classifying.

use super::one_by_one::{self, OneByOne};
use super::ours::{apns, fcm};
use crate::job::{Figures, Gateway as Which, Job};
use crate::message::{content, target};
use crate::meter::MemoryMeter;
use anyhow::{Result, anyhow};
use common::device::Target;
use common::ids::CampaignId;
use common::time::{Clock, SystemClock, UnixMs};
use loadtest::gateways::GatewayInfo;
use push_worker::apns::ApnsGateway;
use push_worker::fcm::FcmGateway;
use push_worker::gateway::{Answer, Gateway, Prepare, Push};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_secs(600);

#[derive(Clone)]
struct Client {
    gateway: Rc<dyn Gateway>,
    target: Rc<Target>,
    deadline_at: UnixMs,
}

/// Runs the job.
pub async fn run(job: &Job, info: &GatewayInfo) -> Result<Figures> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let deadline_at = clock.now().plus(DEADLINE);
    let memory = MemoryMeter::start()?;
    let gateway: Rc<dyn Gateway> = match job.gateway {
        Which::Apns => Rc::new(ApnsGateway::new(Arc::new(apns(info, job.connections).check()?), clock)),
        Which::Fcm => Rc::new(FcmGateway::new(Arc::new(fcm(info, job.connections).check()?), clock)),
    };
    let (content, locales) = (content(job.gateway), ["en".to_owned()]);
    let what = Prepare { campaign: CampaignId::random(), content: &content, locales: &locales };
    gateway.prepare(&what).await.map_err(|why| anyhow!(why))?;
    let client = Client { gateway, target: Rc::new(target(job.gateway, 0)), deadline_at };
    one_by_one::run(job, &[client], &memory).await
}

impl OneByOne for Client {
    async fn send(&mut self, _: u64) -> bool {
        let pushes = [Push { place: 0, target: self.target.as_ref().as_ref(), locale: 0 }];
        let answered = self.gateway.send(&pushes, self.deadline_at, &|| true, PATIENCE).await;
        matches!(answered.as_slice(), [only] if only.answer == Answer::Accepted)
    }
}
