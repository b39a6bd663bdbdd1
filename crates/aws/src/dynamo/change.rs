//! Read, decide, write under a condition, and again when somebody else wrote meanwhile: how every record that several
//! processes change is changed.

use super::item::{Item, Mark, V};
use super::table::{PutIf, Table, with};
use aws_sdk_dynamodb::types::AttributeValue;
use common::ports::PortError;

/// Somebody else's write comes between at most this often. Each time it does, somebody got on.
const ROUNDS_MAX: u32 = 24;
/// The first rounds follow at once: most races have two in them.
const ROUNDS_AT_ONCE: u32 = 2;

/// What is kept in an item.
pub(crate) trait Row: Sized + Send + Sync {
    /// Its attributes, keys and mark aside.
    fn attributes(&self) -> Vec<(&'static str, AttributeValue)>;
    /// Reads them.
    fn read(item: &Item) -> Result<Self, String>;
}

/// A row, and the write that it is from.
#[derive(Clone, Debug)]
pub(crate) struct Stored<T> {
    pub(crate) row: T,
    pub(crate) mark: Mark,
}

/// What is known of an item before anything was asked.
pub(crate) enum Known<T> {
    /// Nothing: it has to be read.
    Nothing,
    /// Probably this is there. A write on that needs no read; a decision to leave it does.
    Guessed(Option<Stored<T>>),
    /// This was there a moment ago.
    Read(Option<Stored<T>>),
}

/// Reads what [`change`] wrote.
pub(crate) fn stored<T: Row>(
    table: &Table,
    key: &Item,
    item: Option<&Item>,
) -> Result<Option<Stored<T>>, PortError> {
    let read = |item| Ok(Stored { row: T::read(item)?, mark: Mark::of(item)? });
    item.map(|item| read(item).map_err(|why: String| table.corrupt(key, &why))).transpose()
}

/// Applies a decision to the item under this key, atomically. Answers what was decided, and what is there now.
///
/// # Errors
/// As the table says, and when others kept writing.
pub(crate) async fn change<T: Row, A>(
    table: &Table,
    key: &Item,
    mut known: Known<T>,
    decide: impl Fn(Option<&T>) -> (A, Option<T>) + Send,
) -> Result<(A, Option<Stored<T>>), PortError> {
    for round in 0..ROUNDS_MAX {
        if round >= ROUNDS_AT_ONCE {
            tokio::time::sleep(crate::fault::pause(round - ROUNDS_AT_ONCE)).await;
        }
        let (old, sure) = match known {
            Known::Nothing => (stored(table, key, table.get(key).await?.as_ref())?, true),
            Known::Guessed(old) => (old, false),
            Known::Read(old) => (old, true),
        };
        let (answer, next) = decide(old.as_ref().map(|s| &s.row));
        let Some(row) = next else {
            if sure {
                return Ok((answer, old));
            }
            known = Known::Nothing;
            continue;
        };
        let mark = Mark::new();
        let item = with(key, row.attributes().into_iter().chain([(V, mark.value())]));
        let old = old.map(|s| s.mark);
        known = match table.put_if(&item, old).await? {
            PutIf::Stored => return Ok((answer, Some(Stored { row, mark }))),
            PutIf::Meanwhile(now) => match stored::<T>(table, key, now.as_ref())? {
                // An earlier attempt of this very write went in, and its answer got lost.
                Some(now) if now.mark == mark => return Ok((answer, Some(now))),
                None if old.is_none() => Known::Nothing,
                now => Known::Read(now),
            },
        };
    }
    Err(table.patience.unavailable("too many others write the same item at once"))
}
