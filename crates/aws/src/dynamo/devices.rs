//! The device table: one item per user, under the user's id, with all of the user's devices in one binary attribute.
//!
//! 4M users are 40,000 calls of 100 keys; a few under way at a time keep within what a table takes, and throttling does
//! the rest.

use super::Tables;
use super::change::{Known, Row, Stored, change, stored};
use super::item::{BYTES, Item, PK, binary, bytes, string};
use super::table::Table;
use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use common::device::{DeviceRow, Merged, Target, UserDevices};
use common::ports::{Devices, PortError, Upserted};
use common::time::UnixMs;
use futures::future::join_all;
use std::collections::HashMap;

/// Permits of one call for 100 users, out of 64: eight such calls at a time, 32,000 users a second at 25 ms a call. A
/// new account's table takes 40,000 reads a second (AWS, on-demand).
const READ_WEIGHT: u32 = 8;
/// Users whose items are in memory at a time.
const PORTION: usize = 2_000;

impl Row for UserDevices {
    fn attributes(&self) -> Vec<(&'static str, AttributeValue)> {
        vec![(BYTES, binary(self.encode()))]
    }

    fn read(item: &Item) -> Result<Self, String> {
        Self::decode(bytes(item, BYTES)?).map_err(|e| e.to_string())
    }
}

type User = Stored<UserDevices>;

fn key_of(user: &str) -> Item {
    Table::key(user, None)
}

/// What one call brings for each user, with places in the call: users in order of their first appearance, and the
/// places of a user in order.
fn by_user<'a>(users: impl Iterator<Item = &'a str>) -> Vec<(&'a str, Vec<usize>)> {
    let mut grouped: Vec<(&str, Vec<usize>)> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    for (place, user) in users.enumerate() {
        let at = *index.entry(user).or_insert(grouped.len());
        match grouped.get_mut(at) {
            Some((_, places)) => places.push(place),
            None => grouped.push((user, vec![place])),
        }
    }
    grouped
}

impl Tables {
    /// The items of these users that exist. Nobody has an empty id, and DynamoDB refuses an empty key.
    async fn users_of(&self, users: impl Iterator<Item = &str>) -> Result<HashMap<String, User>, PortError> {
        let keys = users.filter(|user| !user.is_empty()).map(key_of).collect();
        let items = self.devices.get_many(keys, READ_WEIGHT).await?;
        let read = |item: &Item| {
            let user = string(item, PK).unwrap_or_default().to_owned();
            let found = stored(&self.devices, &key_of(&user), Some(item))?;
            Ok(found.map(|found| (user, found)))
        };
        items.iter().filter_map(|item| read(item).transpose()).collect()
    }

    /// Merges one user's rows. What became of each.
    async fn merge(
        &self,
        user: &str,
        found: Option<User>,
        rows: Vec<&DeviceRow>,
    ) -> Result<Vec<Merged>, PortError> {
        let decide = |old: Option<&UserDevices>| {
            let mut next = old.cloned().unwrap_or_default();
            let merged = rows.iter().map(|row| next.merge((*row).clone())).collect();
            (merged, Some(next).filter(|next| old != Some(next)))
        };
        change(&self.devices, &key_of(user), Known::Read(found), decide).await.map(|(merged, _)| merged)
    }

    /// Removes some of a user's devices. How many went. A user without a device stays, with the wish not to be notified.
    async fn bury(
        &self,
        user: &str,
        found: User,
        dead: Vec<&(String, Target, UnixMs)>,
    ) -> Result<u64, PortError> {
        let decide = |old: Option<&UserDevices>| {
            let Some(mut next) = old.cloned() else { return (0, None) };
            let gone =
                dead.iter().filter(|(_, target, since)| next.remove_dead(target, *since)).count() as u64;
            (gone, Some(next).filter(|_| gone > 0))
        };
        change(&self.devices, &key_of(user), Known::Read(Some(found)), decide).await.map(|(gone, _)| gone)
    }
}

#[async_trait]
impl Devices for Tables {
    async fn upsert(
        &self,
        rows: Vec<DeviceRow>,
        refused_rows: &mut Vec<usize>,
    ) -> Result<Upserted, PortError> {
        let mut counted = Upserted::default();
        for portion in by_user(rows.iter().map(|row| &*row.user_id)).chunks(PORTION) {
            let mut found = self.users_of(portion.iter().map(|(user, _)| *user)).await?;
            let calls = portion.iter().map(|(user, places)| {
                self.merge(user, found.remove(*user), places.iter().map(|place| &rows[*place]).collect())
            });
            let merged = join_all(calls.collect::<Vec<_>>()).await;
            for ((_, places), merged) in portion.iter().zip(merged) {
                for (place, merged) in places.iter().zip(merged?) {
                    match merged {
                        Merged::Taken => counted.taken += 1,
                        Merged::Older => counted.older += 1,
                        Merged::Full => {
                            counted.refused += 1;
                            refused_rows.push(*place);
                        }
                    }
                }
            }
        }
        Ok(counted)
    }

    async fn get_many(&self, users: &[&str]) -> Result<Vec<Option<UserDevices>>, PortError> {
        let mut answers = vec![None; users.len()];
        for portion in by_user(users.iter().copied()).chunks(PORTION) {
            let mut found = self.users_of(portion.iter().map(|(user, _)| *user)).await?;
            for (user, places) in portion {
                let Some(found) = found.remove(*user) else { continue };
                places.iter().for_each(|place| answers[*place] = Some(found.row.clone()));
            }
        }
        Ok(answers)
    }

    async fn remove_dead(&self, dead: &[(String, Target, UnixMs)]) -> Result<u64, PortError> {
        let mut gone = 0;
        for portion in by_user(dead.iter().map(|(user, ..)| &**user)).chunks(PORTION) {
            let mut found = self.users_of(portion.iter().map(|(user, _)| *user)).await?;
            let known =
                portion.iter().filter_map(|(user, places)| Some((user, places, found.remove(*user)?)));
            let calls = known.map(|(user, places, found)| {
                self.bury(user, found, places.iter().map(|place| &dead[*place]).collect())
            });
            for buried in join_all(calls.collect::<Vec<_>>()).await {
                gone += buried?;
            }
        }
        Ok(gone)
    }

    /// DynamoDB counts a table's items about every six hours.
    async fn users(&self) -> Result<u64, PortError> {
        let table = &self.devices;
        let ask = || table.client.describe_table().table_name(&table.name).send();
        let answer = table.patience.call(ask).await.map_err(|e| e.into_port(table.what()))?;
        let count = answer.table().and_then(|t| t.item_count()).unwrap_or(0);
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::by_user;

    #[test]
    fn rows_are_grouped_by_user_and_keep_their_places() {
        let grouped = by_user(["b", "a", "b", "c", "a"].into_iter());
        assert_eq!(grouped, [("b", vec![0, 2]), ("a", vec![1, 4]), ("c", vec![3])]);
    }
}
