//! "Why did user X (not) get it?": answered from the snapshot (which batch, which place) and the ledger (what became of
//! it), or from the list of users that the build left out.

use crate::{Control, ControlError};
use common::campaign::{Campaign, State};
use common::envelope::BatchBody;
use common::ids::{BatchKey, CampaignId};
use common::ledger::BatchRecord;
use common::limits::LEDGER_BUCKET;
use common::outcome::Outcome;
use common::snapshot::{Manifest, Shard, UserPlace, shard_of};
use common::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of one user in one campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserReceipt {
    /// The user.
    pub user: String,
    /// One plain sentence.
    pub sentence: String,
    /// Where the user stands in the snapshot.
    pub batch: Option<BatchKey>,
    /// The line of the upload and the reason, when the user was left out.
    pub dropped: Option<Dropped>,
    /// The user's devices.
    pub devices: Vec<DeviceReceipt>,
}

/// One user that the build left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dropped {
    /// The line of the upload, counted from 1.
    pub line: u64,
    /// The reason's name.
    pub reason: String,
}

/// What is known of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceReceipt {
    /// Its gateway.
    pub gateway: String,
    /// Hash of its token; the token itself is shown nowhere.
    pub token_hash: String,
    /// Its place in the batch.
    pub place: u16,
    /// The outcome's name; `unsent` when there is none as yet.
    pub outcome: String,
    /// When the answer came.
    pub at: Option<UnixMs>,
    /// Milliseconds from the press to the answer.
    pub ms: Option<i64>,
}

impl Control {
    /// What is known of one user.
    ///
    /// # Errors
    /// When there is no such campaign, or it has no snapshot.
    pub async fn receipts(&self, id: CampaignId, user: &str) -> Result<UserReceipt, ControlError> {
        let campaign = self.get(id).await?;
        let manifest = self.manifest(&campaign).await?;
        let no = shard_of(user, u16::try_from(manifest.shards.len()).unwrap_or(u16::MAX));
        let shard = self.shard(&manifest, no).await?;
        match shard.find(user) {
            Some(place) => self.found(&campaign, &shard, user, &place).await,
            None => self.not_found(&manifest, user).await,
        }
    }

    async fn found(
        &self,
        c: &Campaign,
        shard: &Shard,
        user: &str,
        at: &UserPlace,
    ) -> Result<UserReceipt, ControlError> {
        let bucket = at.number.0 / LEDGER_BUCKET;
        let records = self.backend.ledger.bucket(c.id, shard.shard, bucket).await?;
        let record = records.into_iter().find(|(n, _)| *n == at.number).map(|(_, r)| r);
        let body = shard.batch(at.number).unwrap_or_default();
        let devices =
            (at.first..).zip(BatchBody::new(&body).devices().skip(at.first.into())).take(at.devices.into());
        let devices: Vec<_> = devices
            .map(|(place, d)| {
                let outcome =
                    record.as_ref().and_then(|r| r.outcome(place.into())).unwrap_or(Outcome::Unsent);
                let answered = record.as_ref().and_then(|r| r.answered_at(place.into()));
                DeviceReceipt {
                    gateway: d.target.platform().label().to_owned(),
                    token_hash: format!("{:016x}", d.target.hash()),
                    place,
                    outcome: outcome.label().to_owned(),
                    at: answered,
                    ms: answered.zip(c.pressed_at()).map(|(a, p)| a.0 - p.0),
                }
            })
            .collect();
        let sentence = sentence(c, record.as_ref(), &devices);
        let batch = Some(BatchKey { shard: shard.shard, number: at.number });
        Ok(UserReceipt { user: user.to_owned(), sentence, batch, dropped: None, devices })
    }

    async fn not_found(&self, manifest: &Manifest, user: &str) -> Result<UserReceipt, ControlError> {
        let lines = audience::listing::find_dropped(&*self.backend.objects, manifest, user).await?;
        let dropped = lines.first().map(|l| Dropped { line: l.line, reason: l.reason.label().to_owned() });
        let sentence = match &dropped {
            Some(d) => {
                format!("not in the snapshot: dropped as {} (line {} of the upload)", d.reason, d.line)
            }
            None => "not in the uploaded audience".to_owned(),
        };
        Ok(UserReceipt { user: user.to_owned(), sentence, batch: None, dropped, devices: Vec::new() })
    }
}

fn sentence(campaign: &Campaign, record: Option<&BatchRecord>, devices: &[DeviceReceipt]) -> String {
    let accepted = devices.iter().filter(|d| d.outcome == Outcome::Accepted.label()).count();
    let of = devices.len();
    match (record, campaign.state) {
        (_, State::Ready | State::Armed) if record.is_none() => "in the snapshot; not sent yet".to_owned(),
        (None, State::Stopped | State::Stopping) => "not sent: the campaign was stopped first".to_owned(),
        (None, _) => "its batch has not been claimed yet".to_owned(),
        (Some(_), _) if accepted == of && of == 1 => "accepted by the gateway".to_owned(),
        (Some(_), _) if accepted == of => format!("accepted by the gateway for all {of} devices"),
        (Some(_), _) => {
            let others: Vec<_> =
                devices.iter().filter(|d| d.outcome != "accepted").map(|d| d.outcome.as_str()).collect();
            format!("accepted for {accepted} of {of} devices; the others: {}", others.join(", "))
        }
    }
}
