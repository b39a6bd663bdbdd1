//! The audit trail: one partition a day (UTC), sorted by time. A small partition lists the days, so that a fleet that was
//! asleep for a month is read as fast as one that was not.

use super::item::{BYTES, Item, Mark, SK, from_json, json, sortable, string};
use super::table::{Range, Table, with};
use super::{Tables, lock};
use async_trait::async_trait;
use common::audit::AuditEntry;
use common::ports::{Audit, PortError};
use common::time::UnixMs;

/// The partition that lists the days.
const DAYS: &str = "days";
/// Days looked through at most: more than two years.
const DAYS_MAX: usize = 800;

/// `2026-02-08`.
fn day(at: UnixMs) -> String {
    let mut text = at.rfc3339();
    text.truncate(text.find('T').unwrap_or(text.len()));
    text
}

impl Tables {
    /// Lists the day, once a day and process. Before the entry: a day without entries does no harm, and an entry that no
    /// day leads to would never be seen.
    async fn list_day(&self, day: &str) -> Result<(), PortError> {
        if *lock(&self.day) == day {
            return Ok(());
        }
        self.audit.put(Table::key(DAYS, Some(day.to_owned()))).await?;
        day.clone_into(&mut lock(&self.day));
        Ok(())
    }

    fn read_entry(&self, day: &str, item: &Item) -> Result<AuditEntry, PortError> {
        let key = || Table::key(day, string(item, SK).ok().map(str::to_owned));
        from_json(item).map_err(|why| self.audit.corrupt(&key(), &why))
    }
}

#[async_trait]
impl Audit for Tables {
    async fn append(&self, entry: &AuditEntry) -> Result<(), PortError> {
        let day = day(entry.at);
        self.list_day(&day).await?;
        // The mark makes the key unique, and a repeated write the same write.
        let key = Table::key(day, Some(format!("{}#{}", sortable(entry.at.0), Mark::new().text())));
        let bytes = json(entry).map_err(|why| self.audit.invalid(why))?;
        self.audit.put(with(&key, [(BYTES, bytes)])).await
    }

    async fn list(&self, limit: usize) -> Result<Vec<AuditEntry>, PortError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let newest = |limit| Range { backwards: true, limit: Some(limit), ..Range::default() };
        let mut entries: Vec<AuditEntry> = Vec::new();
        for item in self.audit.query(DAYS, newest(DAYS_MAX)).await? {
            let day = string(&item, SK).map_err(|why| self.audit.corrupt(&Table::key(DAYS, None), &why))?;
            let items = self.audit.query(day, newest(limit - entries.len())).await?;
            for item in &items {
                entries.push(self.read_entry(day, item)?);
            }
            if entries.len() >= limit {
                break;
            }
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::day;
    use common::time::UnixMs;

    #[test]
    fn a_day_ends_at_midnight_utc() {
        assert_eq!([day(UnixMs(-1)), day(UnixMs(0))], ["1969-12-31", "1970-01-01"]);
        assert_eq!(day(UnixMs(86_400_000)), "1970-01-02");
    }
}
