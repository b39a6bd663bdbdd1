//! Who was late, by name: the books say where the latest devices stand, the snapshot whose they are. Read when somebody asks
//! who may see users; each shard is opened once.

use crate::{Control, ControlError};
use common::campaign::Campaign;
use common::envelope::BatchBody;
use common::ids::{BatchKey, BatchNo, CampaignId, ShardNo};
use common::report::{Books, LateDevice};
use common::snapshot::Shard;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One late device, and whose it is. Its outcome is `accepted`: what was never accepted is not late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LateUser {
    /// The user; `null` when the snapshot can't be read any more.
    pub user: Option<String>,
    /// The device's gateway; likewise.
    pub gateway: Option<String>,
    /// Its batch.
    pub batch: BatchKey,
    /// Its place in it.
    pub place: u16,
    /// Milliseconds from the press to the gateway's answer.
    pub ms: i64,
    /// The reason, in words.
    pub why: String,
}

/// Who was late in one campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LateUsers {
    /// Devices that were late in all.
    pub devices: u64,
    /// The latest hundred of them, latest first.
    pub latest: Vec<LateUser>,
}

/// The user and the gateway at each place that was asked for.
type Names = BTreeMap<(BatchKey, u16), (String, &'static str)>;

impl Control {
    /// The latest devices of a campaign with their users, and how many were late in all.
    ///
    /// # Errors
    /// When there is no such campaign, or no books of it. A shard that can't be read leaves its users unnamed.
    pub async fn late(&self, id: CampaignId) -> Result<LateUsers, ControlError> {
        let campaign = self.get(id).await?;
        let books = self.books(&campaign).await?;
        let (devices, latest) = (books.late.devices, self.late_users(&campaign, &books).await?);
        Ok(LateUsers { devices, latest })
    }

    /// The late devices of these books, with their users.
    ///
    /// # Errors
    /// When the manifest of the snapshot can't be read.
    pub async fn late_users(
        &self,
        campaign: &Campaign,
        books: &Books,
    ) -> Result<Vec<LateUser>, ControlError> {
        let late = &books.late.examples;
        if late.is_empty() {
            return Ok(Vec::new());
        }
        let manifest = self.manifest(campaign).await?;
        let mut by_shard: BTreeMap<ShardNo, Vec<&LateDevice>> = BTreeMap::new();
        late.iter().for_each(|one| by_shard.entry(one.batch.shard).or_default().push(one));
        let mut names = Names::new();
        for (no, wanted) in by_shard {
            match self.shard(&manifest, no).await {
                Ok(shard) => look_up(&shard, &wanted, &mut names),
                Err(error) => {
                    tracing::warn!(campaign = %campaign.id, shard = %no, %error, "late users are not named");
                }
            }
        }
        let mut users = unnamed(books);
        for one in &mut users {
            let (user, gateway) = names.remove(&(one.batch, one.place)).unzip();
            (one.user, one.gateway) = (user, gateway.map(str::to_owned));
        }
        Ok(users)
    }
}

/// The late devices of these books, for those who may not see users.
#[must_use]
pub fn unnamed(books: &Books) -> Vec<LateUser> {
    let of = |one: &LateDevice| LateUser {
        user: None,
        gateway: None,
        batch: one.batch,
        place: one.place,
        ms: one.ms,
        why: one.why.clone(),
    };
    books.late.examples.iter().map(of).collect()
}

/// Finds the users of these devices, which are all of this shard.
fn look_up(shard: &Shard, wanted: &[&LateDevice], names: &mut Names) {
    let mut batches: BTreeMap<BatchNo, Vec<u16>> = BTreeMap::new();
    wanted.iter().for_each(|one| batches.entry(one.batch.number).or_default().push(one.place));
    for (number, places) in batches {
        let Some(body) = shard.batch(number) else { continue };
        let mut place = 0_u16;
        for user in BatchBody::new(&body).users() {
            for device in user.devices {
                if places.contains(&place) {
                    let key = BatchKey { shard: shard.shard, number };
                    names.insert((key, place), (user.id.to_owned(), device.target.platform().label()));
                }
                place = place.saturating_add(1);
            }
        }
    }
}
