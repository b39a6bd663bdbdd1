//! The names of things: small types, so that a shard can't be taken for a batch or an epoch for a fence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A campaign: what is sent to whom. Written as a UUID (version 7, so that newer ones sort later).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CampaignId(pub uuid::Uuid);

impl CampaignId {
    /// A new id, different from all others.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::now_v7())
    }
}

impl fmt::Display for CampaignId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for CampaignId {
    type Err = BadId;
    fn from_str(s: &str) -> Result<Self, BadId> {
        uuid::Uuid::try_parse(s).map(Self).map_err(|_| BadId { what: "campaign id", found: clip(s) })
    }
}

/// Text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a {what}")]
pub struct BadId {
    what: &'static str,
    found: String,
}

/// At most the first 64 characters of `s`, for quoting what somebody typed.
#[must_use]
pub fn clip(s: &str) -> String {
    match s.char_indices().nth(64) {
        Some((at, _)) => format!("{}…", &s[..at]),
        None => s.to_owned(),
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// A slice of a snapshot, counted from 0: one envelope on the FIFO queue.
    ShardNo(u16)
);
number!(
    /// A batch within its shard, counted from 0.
    BatchNo(u32)
);
number!(
    /// Raised by canary, press, abort and resume. Envelopes of an older epoch are deleted unsent.
    Epoch(u32)
);
number!(
    /// Counts the claims of one batch. Only the newest claim may complete it; an older one is merged.
    Fence(u32)
);
/// One worker process (or lane) for as long as it lives. Random, so that a restarted one is another. Written as 16
/// hexadecimal digits everywhere, because JSON's numbers can't hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, JsonSchema)]
pub struct WorkerId(#[schemars(with = "String", regex(pattern = "^[0-9a-f]{16}$"))] pub u64);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for WorkerId {
    type Err = BadId;
    fn from_str(s: &str) -> Result<Self, BadId> {
        u64::from_str_radix(s, 16).map(Self).map_err(|_| BadId { what: "worker id", found: clip(s) })
    }
}

impl Serialize for WorkerId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WorkerId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl WorkerId {
    /// A new id, different from all others.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().as_u64_pair().0)
    }
}

macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
        pub struct $name(#[schemars(with = "String", regex(pattern = "^[0-9a-f]{64}$"))] pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                blake3::Hash::from_bytes(self.0).to_hex().fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
        impl FromStr for $name {
            type Err = BadId;
            fn from_str(s: &str) -> Result<Self, BadId> {
                blake3::Hash::from_hex(s).map(|h| Self(*h.as_bytes())).map_err(|_| BadId { what: $what, found: clip(s) })
            }
        }
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hash_id!(
    /// A snapshot, named by the BLAKE3 hash of its manifest's content, which covers every shard's checksum.
    SnapshotId,
    "snapshot id (64 hexadecimal digits)"
);
hash_id!(
    /// A campaign's content, named by its BLAKE3 hash.
    ContentId,
    "content id (64 hexadecimal digits)"
);

/// Where a batch stands: the ledger's key within a campaign. No epoch is in it, so that press, resume, retry and
/// redelivery all meet in the same record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct BatchKey {
    /// The shard.
    pub shard: ShardNo,
    /// The batch within it.
    pub number: BatchNo,
}

impl fmt::Display for BatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.shard, self.number)
    }
}
