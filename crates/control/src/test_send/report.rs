//! What came of a test: read from its records, and put into words.

use super::rendered::RenderedText;
use super::words;
use crate::testers::json;
use crate::{Control, ControlError};
use common::campaign::{Campaign, Stamp};
use common::device::Platform;
use common::ids::{CampaignId, WorkerId};
use common::limits::TEST_DONE_WITHIN;
use common::ports::{PortError, Put, PutMode};
use common::test_send::{Asked, AskedDevice, ListName, Outcomes, Taken, TestId, Told, Verdict, keys};
use common::time::UnixMs;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A worker whose clock is behind may take a test this long after its time by the API's.
const CLOCKS: Duration = Duration::from_millis(1_500);

/// Where a test stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestState {
    /// No push worker has taken it yet.
    Waiting,
    /// One is at it.
    Sending,
    /// Every device has its verdict.
    Done,
    /// No push worker took it in time: nothing was sent, and nothing will be.
    NotTaken,
    /// One took it and said nothing more: some devices may have got it.
    Lost,
}

/// One device of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceReport {
    /// The device, and which text it gets.
    #[serde(flatten)]
    pub device: AskedDevice,
    /// What became of it; none while that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// HTTP status of the gateway's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The gateway's own word for the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The gateway's id of the notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_id: Option<String>,
    /// Milliseconds from the beginning of the sending to the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// What it means, and what to do.
    pub sentence: String,
}

/// A test, and what came of it so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestReport {
    /// The campaign.
    pub campaign: CampaignId,
    /// Its id; none where nothing but rendering was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestId>,
    /// Where it stands.
    pub state: TestState,
    /// The list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<ListName>,
    /// Nothing was to reach a phone.
    pub dry_run: bool,
    /// Who asked, and when.
    pub asked: Stamp,
    /// The push worker that took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// Everything that worker reaches is a stand-in.
    pub rehearsal: bool,
    /// How it stands, in a sentence.
    pub sentence: String,
    /// How many devices are as they should be.
    pub good: usize,
    /// The devices, in the list's order.
    pub devices: Vec<DeviceReport>,
    /// Every text, where nothing but rendering was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rendered: Vec<RenderedText>,
}

impl TestReport {
    /// Of a dry run without a list.
    pub(super) fn rendered(campaign: &Campaign, asked: Stamp, rendered: Vec<RenderedText>) -> Self {
        Self {
            campaign: campaign.id,
            test: None,
            state: TestState::Done,
            list: None,
            dry_run: true,
            asked,
            worker: None,
            rehearsal: false,
            sentence: words::RENDERED_ONLY.to_owned(),
            good: 0,
            devices: Vec::new(),
            rendered,
        }
    }

    /// Of its records.
    pub(super) fn new(
        campaign: CampaignId,
        test: TestId,
        asked: Asked,
        taken: Option<Taken>,
        outcomes: Option<&Outcomes>,
        now: UnixMs,
    ) -> Self {
        let state = state(&asked, taken, outcomes.is_some(), now);
        let devices = devices(&asked, state, outcomes);
        let good = devices.iter().filter(|d| d.verdict.is_some_and(Verdict::is_good)).count();
        let refused = outcomes.and_then(|o| o.refused.as_deref());
        Self {
            campaign,
            test: Some(test),
            state,
            sentence: words::whole(state, &asked, good, refused),
            list: Some(asked.list),
            dry_run: asked.dry_run,
            asked: asked.asked,
            worker: taken.and_then(|t| t.worker),
            rehearsal: outcomes.is_some_and(|o| o.rehearsal),
            good,
            devices,
            rendered: Vec::new(),
        }
    }

    /// Whether nothing more will be known.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !matches!(self.state, TestState::Waiting | TestState::Sending)
    }
}

/// `taken` is by the worker's clock, which may be behind: nobody is told to send again what is being sent, so it counts from
/// the last moment at which it may have been taken.
fn state(asked: &Asked, taken: Option<Taken>, done: bool, now: UnixMs) -> TestState {
    let since = |at: UnixMs| now.since(at.max(asked.take_by.plus(CLOCKS)));
    match taken {
        _ if done => TestState::Done,
        None => TestState::Waiting,
        Some(Taken { worker: None, .. }) => TestState::NotTaken,
        Some(Taken { at, .. }) if since(at) < TEST_DONE_WITHIN => TestState::Sending,
        Some(_) => TestState::Lost,
    }
}

/// The envelope has those that are not left out, in order: so do the outcomes, by place.
fn devices(asked: &Asked, state: TestState, outcomes: Option<&Outcomes>) -> Vec<DeviceReport> {
    let mut place = 0_u16;
    let report = |device: &AskedDevice| {
        if let Some(why) = &device.left_out {
            let sentence = format!("left out, as on the evening: {why}");
            return plain(device, Some(Verdict::LeftOut), sentence);
        }
        let told = outcomes.and_then(|o| o.devices.iter().find(|d| d.place == place));
        place += 1;
        match told {
            Some(told) => {
                let trouble = outcomes.and_then(|o| trouble(o, device.platform));
                told_of(device, told, words::device(device.platform, told, trouble))
            }
            None if outcomes.is_some() => {
                plain(device, Some(Verdict::NotSent), "nothing was sent to it".to_owned())
            }
            None => plain(device, None, words::open(state).to_owned()),
        }
    };
    asked.devices.iter().map(report).collect()
}

fn trouble(outcomes: &Outcomes, platform: Platform) -> Option<&str> {
    outcomes.trouble.iter().find(|(p, _)| *p == platform).map(|(_, why)| why.as_str())
}

fn plain(device: &AskedDevice, verdict: Option<Verdict>, sentence: String) -> DeviceReport {
    let (status, reason, gateway_id, ms) = Default::default();
    DeviceReport { device: device.clone(), verdict, status, reason, gateway_id, ms, sentence }
}

fn told_of(device: &AskedDevice, told: &Told, sentence: String) -> DeviceReport {
    let Told { status, ms, .. } = *told;
    let (reason, gateway_id) = (told.reason.clone(), told.gateway_id.clone());
    DeviceReport {
        device: device.clone(),
        verdict: Some(told.verdict),
        status,
        reason,
        gateway_id,
        ms,
        sentence,
    }
}

impl Control {
    /// What came of a test so far. When its time to be taken is over, this says so for good: it puts the record that a
    /// worker would put, so that no worker takes it after somebody was told that none did.
    ///
    /// # Errors
    /// When there is no such test, or as the backend says.
    pub async fn test_report(&self, campaign: CampaignId, test: TestId) -> Result<TestReport, ControlError> {
        let none = || ControlError::NotFound(format!("there is no test {test} of this campaign"));
        let asked: Asked = self.test_record(&keys::asked(campaign, test)).await?.ok_or_else(none)?;
        let mut taken: Option<Taken> = self.test_record(&keys::taken(campaign, test)).await?;
        let now = self.clock.now();
        if taken.is_none() && now >= asked.take_by.plus(CLOCKS) {
            taken = Some(self.nobody_took(campaign, test, now).await?);
        }
        let outcomes: Option<Outcomes> = match taken {
            Some(Taken { worker: Some(_), .. }) => self.test_record(&keys::outcomes(campaign, test)).await?,
            _ => None,
        };
        Ok(TestReport::new(campaign, test, asked, taken, outcomes.as_ref(), now))
    }

    /// From now on nobody may take it, unless a worker has.
    pub(super) async fn nobody_took(
        &self,
        campaign: CampaignId,
        test: TestId,
        now: UnixMs,
    ) -> Result<Taken, ControlError> {
        let (key, nobody) = (keys::taken(campaign, test), Taken { worker: None, at: now });
        if self.backend.objects.put(&key, json(&nobody)?, PutMode::IfAbsent).await? == Put::Stored {
            return Ok(nobody);
        }
        Ok(self.test_record(&key).await?.unwrap_or(nobody))
    }

    async fn test_record<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ControlError> {
        let Some(bytes) = self.backend.objects.get(key, None).await? else { return Ok(None) };
        let corrupt = |e: serde_json::Error| PortError::Corrupt {
            what: "the object store",
            why: format!("{key}: {e}"),
        };
        Ok(Some(serde_json::from_slice(&bytes).map_err(corrupt)?))
    }
}
