//! Test sends: asking for one, and what came of it. A push worker does it (docs/adr/0008-test-send.md); what the two say to
//! each other are three objects, each written once.

mod rendered;
mod report;
mod words;

pub use rendered::RenderedText;
pub use report::{DeviceReport, TestReport, TestState};

use crate::testers::{json, token_hash};
use crate::{Control, ControlError, Who};
use common::campaign::{Campaign, Refusal, RefusalCode, RunKind, Stamp};
use common::device::BadField;
use common::envelope::NewEnvelope;
use common::ids::CampaignId;
use common::limits::TEST_TAKEN_WITHIN;
use common::ports::{EntryResult, PortError, PutMode};
use common::test_send::{Asked, AskedDevice, ListName, TestEnvelope, TestId, Tester, keys};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Asking ends before the request does (ours; a request has 10 s): what is answered late is called failed, and must not be
/// sent behind the back of whoever then asks again.
const ASKED_WITHIN: Duration = Duration::from_secs(6);

/// What a test is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TestRequest {
    /// To whom. Without a list, a dry run renders the content and asks nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<ListName>,
    /// Nothing is to reach a phone.
    pub dry_run: bool,
}

impl Control {
    /// Sends a campaign's content to a list of testers, or sees whether it could be sent. Answers at once: what comes of it
    /// is [`Control::test_report`]'s to say. The campaign's record is not touched.
    ///
    /// # Errors
    /// Why the state does not allow it; a list that is not there; a content that can't be rendered.
    pub async fn test(
        self: &Arc<Self>,
        who: &Who,
        id: CampaignId,
        request: &TestRequest,
    ) -> Result<TestReport, ControlError> {
        let done = self.ask_test(who, id, request).await;
        let kind = if request.dry_run { "dry run" } else { "test" };
        let to = request.list.as_ref().map_or_else(|| "nobody".to_owned(), |list| format!("list `{list}`"));
        let result = match &done {
            Ok(TestReport { test: Some(test), devices, .. }) => {
                format!("{kind} {test} to {to}: {} devices", devices.len())
            }
            Ok(_) => format!("{kind} to {to}: rendered only"),
            Err(ControlError::Refused(no)) => format!("{kind} to {to} refused: {}", no.code),
            Err(ControlError::BadField(bad)) => format!("{kind} to {to} refused: {}", bad.field),
            Err(ControlError::NotFound(_)) => format!("{kind} to {to} refused: not_found"),
            Err(_) => format!("{kind} to {to} failed"),
        };
        self.audit(who, "campaign.test", Some(id), result);
        done
    }

    async fn ask_test(
        &self,
        who: &Who,
        id: CampaignId,
        request: &TestRequest,
    ) -> Result<TestReport, ControlError> {
        let end = Instant::now() + ASKED_WITHIN;
        let campaign = self.get(id).await?;
        who.leave.check(&campaign)?;
        campaign.may_test()?;
        let rendered = rendered::render(&campaign)?;
        let Some(name) = &request.list else {
            if request.dry_run {
                return Ok(TestReport::rendered(
                    &campaign,
                    Stamp::new(&who.name, self.clock.now()),
                    rendered,
                ));
            }
            let why =
                "name a list of testers (`owl testers list` shows them), or ask for a dry run".to_owned();
            return Err(BadField { field: "list", why }.into());
        };
        let list = self.testers(name).await?;
        self.fleet_may_test(&campaign).await?;
        let now = self.clock.now();
        let devices: Vec<_> = list.devices.iter().map(|t| asked_device(&campaign, t)).collect();
        let asked = Asked {
            list: name.clone(),
            dry_run: request.dry_run,
            asked: Stamp::new(&who.name, now),
            take_by: now.plus(TEST_TAKEN_WITHIN),
            devices,
        };
        let test = TestId::random();
        self.put_test(&campaign, test, &asked, &list.devices, end).await?;
        Ok(TestReport::new(id, test, asked, None, None, now))
    }

    /// A blast has the push workers for itself.
    async fn fleet_may_test(&self, campaign: &Campaign) -> Result<(), ControlError> {
        let slot = self.backend.campaigns.slot().await?;
        let busy = |c: &Campaign| c.live_run().is_some_and(|run| run.kind != RunKind::Canary);
        match self.slot_holder(&slot).await?.filter(busy) {
            Some(other) if other.id != campaign.id => {
                let detail = format!("`{}` is being sent: send the test when it is done", other.name);
                Err(Refusal { code: RefusalCode::FleetBusy, detail }.into())
            }
            _ => Ok(()),
        }
    }

    /// Writes down what is asked for, then puts it on the batch queue. What is written and not queued is never taken.
    async fn put_test(
        &self,
        campaign: &Campaign,
        test: TestId,
        asked: &Asked,
        testers: &[Tester],
        end: Instant,
    ) -> Result<(), ControlError> {
        let wanted = testers.iter().zip(&asked.devices).filter(|(_, d)| d.left_out.is_none());
        let targets: Vec<_> =
            wanted.map(|(t, _)| Ok((t.target()?, t.locale.as_str()))).collect::<Result<_, BadField>>()?;
        if targets.is_empty() {
            let why = asked.devices.iter().find_map(|d| d.left_out.clone()).unwrap_or_default();
            let detail = format!("no device of `{}` would get this campaign: {why}", asked.list);
            return Err(Refusal { code: RefusalCode::NoTesterLeft, detail }.into());
        }
        let (body, locales) =
            TestEnvelope::devices_of(targets.iter().map(|(t, locale)| (t.as_ref(), *locale)));
        let Asked { dry_run, take_by, .. } = *asked;
        let (id, content) = (campaign.id, campaign.content_id);
        let envelope = TestEnvelope { campaign: id, test, content, dry_run, take_by, locales, body };
        self.backend.objects.put(&keys::asked(id, test), json(asked)?, PutMode::IfAbsent).await?;
        let queued = tokio::time::timeout_at(end, self.queue_test(&envelope)).await;
        let Err(error) = queued.unwrap_or_else(|_| Err(too_slow())) else { return Ok(()) };
        // It may be on the queue all the same: what is called failed is taken by nobody, and what was taken goes on.
        match self.nobody_took(id, test, self.clock.now()).await?.worker {
            Some(_) => Ok(()),
            None => Err(error),
        }
    }

    async fn queue_test(&self, envelope: &TestEnvelope) -> Result<(), ControlError> {
        let sent = self.backend.batches.send(&[NewEnvelope::plain(envelope.encode())]).await?;
        match sent.into_iter().next() {
            Some(EntryResult::Ok) => Ok(()),
            Some(EntryResult::Failed(why)) => {
                Err(PortError::Unavailable { what: "the batch queue", why }.into())
            }
            Some(EntryResult::StaleAck) | None => {
                let why = "it answered something else than was asked".to_owned();
                Err(PortError::Unavailable { what: "the batch queue", why }.into())
            }
        }
    }
}

fn too_slow() -> ControlError {
    let why = format!("it took no test within {} s", ASKED_WITHIN.as_secs());
    PortError::Unavailable { what: "the batch queue", why }.into()
}

fn asked_device(campaign: &Campaign, tester: &Tester) -> AskedDevice {
    let content = &campaign.content;
    let text = if content.silent { "" } else { content.resolve(&tester.locale) };
    AskedDevice {
        person: tester.person.clone(),
        platform: tester.platform,
        token_hash: token_hash(tester),
        locale: tester.locale.clone(),
        text: text.to_owned(),
        left_out: campaign.leaves_out(tester),
    }
}
