//! The address space of a side: the static table and a dynamic one behind it (RFC 7541, 2.3).

use super::names::STATIC;
use crate::limits::ENTRY_BYTES;
use std::collections::VecDeque;

/// Name and value.
type Entry = (Box<[u8]>, Box<[u8]>);

/// A dynamic table with the static one before it. Newest entry first; oldest leaves first (RFC 7541, 4.4).
#[derive(Debug)]
pub(crate) struct Table {
    entries: VecDeque<Entry>,
    bytes: usize,
    bytes_max: usize,
}

/// Where a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Name and value.
    Whole(usize),
    /// The name only.
    Name(usize),
    /// Nothing of it.
    Nothing,
}

impl Table {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { entries: VecDeque::new(), bytes: 0, bytes_max }
    }

    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// What an entry counts (RFC 7541, 4.1).
    pub(crate) fn cost(name: &[u8], value: &[u8]) -> usize {
        name.len() + value.len() + ENTRY_BYTES
    }

    /// The field at an index (RFC 7541, 2.3.3).
    pub(crate) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let place = index.checked_sub(1)?;
        if let Some((name, value)) = STATIC.get(place) {
            return Some((name.as_bytes(), value.as_bytes()));
        }
        self.entries.get(place - STATIC.len()).map(|(name, value)| (&**name, &**value))
    }

    /// Whether an index is behind the static table.
    pub(crate) fn is_dynamic(&self, index: usize) -> bool {
        index > STATIC.len()
    }

    /// The lowest index of a field, or else of its name.
    pub(crate) fn find(&self, name: &[u8], value: &[u8]) -> Found {
        let known = STATIC.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
        let all = known.chain(self.entries.iter().map(|(n, v)| (&**n, &**v)));
        let mut found = Found::Nothing;
        for (place, (_, v)) in all.enumerate().filter(|(_, (n, _))| *n == name) {
            if v == value {
                return Found::Whole(place + 1);
            }
            if found == Found::Nothing {
                found = Found::Name(place + 1);
            }
        }
        found
    }

    /// Adds an entry; one that is too large empties the table, which is no fault (RFC 7541, 4.4).
    pub(crate) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let cost = Self::cost(name, value);
        self.evict_to(self.bytes_max.saturating_sub(cost));
        if cost <= self.bytes_max {
            self.entries.push_front((name.into(), value.into()));
            self.bytes += cost;
        }
    }

    /// Changes the size (RFC 7541, 4.3).
    pub(crate) fn resize(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.evict_to(bytes_max);
    }

    fn evict_to(&mut self, bytes: usize) {
        while self.bytes > bytes {
            let Some((name, value)) = self.entries.pop_back() else { return };
            self.bytes -= Self::cost(&name, &value);
        }
    }
}
