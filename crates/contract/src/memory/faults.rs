//! Failures on order: the n-th call of a kind, every call, some entries of a call, or only the answer of one that was
//! carried out. It never loses what was acknowledged.

use super::lock;
use common::ports::PortError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

macro_rules! calls {
    ($($name:ident = $what:literal),* $(,)?) => {
        /// A call of a port.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each is a port and its method")]
        pub enum Call { $($name,)* }

        impl Call {
            /// Port and method, such as `batches.send`.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
        }
    };
}

calls! {
    ShardsSend = "shards.send", ShardsReceive = "shards.receive", ShardsDelete = "shards.delete",
    ShardsHide = "shards.hide", ShardsDepth = "shards.depth", ShardsReceiveDead = "shards.receive_dead",
    ShardsDeleteDead = "shards.delete_dead",
    BatchesSend = "batches.send", BatchesReceive = "batches.receive", BatchesDelete = "batches.delete",
    BatchesHide = "batches.hide", BatchesDepth = "batches.depth", BatchesReceiveDead = "batches.receive_dead",
    BatchesDeleteDead = "batches.delete_dead",
    ObjectsPut = "objects.put", ObjectsWrite = "objects.write", ObjectsFinish = "objects.finish",
    ObjectsGet = "objects.get", ObjectsHead = "objects.head", ObjectsList = "objects.list",
    ObjectsDelete = "objects.delete",
    CampaignsCreate = "campaigns.create", CampaignsUpdate = "campaigns.update", CampaignsGet = "campaigns.get",
    CampaignsList = "campaigns.list", CampaignsSlot = "campaigns.slot", CampaignsSetSlot = "campaigns.set_slot",
    LedgerClaim = "ledger.claim_many", LedgerComplete = "ledger.complete_many", LedgerRenew = "ledger.renew_many",
    LedgerClose = "ledger.close_many", LedgerBucket = "ledger.bucket", LedgerShards = "ledger.shards",
    LedgerMarkDispatched = "ledger.mark_dispatched", LedgerMarkExpanded = "ledger.mark_expanded",
    DevicesUpsert = "devices.upsert", DevicesGet = "devices.get_many", DevicesRemoveDead = "devices.remove_dead",
    DevicesUsers = "devices.users",
    FleetBeat = "fleet.beat", FleetLeave = "fleet.leave", FleetWorkers = "fleet.workers", FleetCount = "fleet.count",
    FleetCounters = "fleet.counters",
    AuditAppend = "audit.append", AuditList = "audit.list",
    TokensPutNew = "tokens.put_new", TokensUpdate = "tokens.update", TokensGet = "tokens.get", TokensList = "tokens.list",
    WebhooksPutNew = "webhooks.put_new", WebhooksUpdate = "webhooks.update", WebhooksRemove = "webhooks.remove",
    WebhooksGet = "webhooks.get", WebhooksList = "webhooks.list", WebhooksPutDelivery = "webhooks.put_delivery",
    WebhooksUpdateDelivery = "webhooks.update_delivery", WebhooksDeliveries = "webhooks.deliveries",
}

#[derive(Default)]
struct Orders {
    count: u64,
    fail: BTreeSet<u64>,
    lose_answer: BTreeSet<u64>,
    entries: BTreeMap<u64, BTreeSet<usize>>,
    down: bool,
}

/// Orders failures and counts calls; clones share. Calls are numbered from 0, per kind, since the parts were made.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<BTreeMap<Call, Orders>>>);

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faults")
    }
}

impl Faults {
    fn with<T>(&self, call: Call, f: impl FnOnce(&mut Orders) -> T) -> T {
        f(lock(&self.0).entry(call).or_default())
    }

    /// How many calls of this kind there were, failed ones included.
    #[must_use]
    pub fn count(&self, call: Call) -> u64 {
        self.with(call, |o| o.count)
    }

    /// The `nth` call from now on (0 is the next one) does nothing and answers [`PortError::Unavailable`].
    pub fn fail_call(&self, call: Call, nth: u64) {
        self.with(call, |o| o.fail.insert(o.count + nth));
    }

    /// The next `times` calls do nothing and answer [`PortError::Unavailable`].
    pub fn fail_next(&self, call: Call, times: u64) {
        self.with(call, |o| o.fail.extend(o.count..o.count + times));
    }

    /// The `nth` call from now on is carried out, but its answer is lost: it says [`PortError::Unavailable`].
    pub fn lose_answer(&self, call: Call, nth: u64) {
        self.with(call, |o| o.lose_answer.insert(o.count + nth));
    }

    /// In the `nth` call from now on, the entries at these places are not done and answered as failed
    /// (`send`, `delete` and `hide` of queues).
    pub fn fail_entries(&self, call: Call, nth: u64, places: &[usize]) {
        self.with(call, |o| o.entries.entry(o.count + nth).or_default().extend(places));
    }

    /// Every call of this kind fails from now on, or (with `false`) no longer does.
    pub fn down(&self, call: Call, down: bool) {
        self.with(call, |o| o.down = down);
    }

    /// Forgets all orders that were not carried out yet. Counts stay.
    pub fn clear(&self) {
        for orders in lock(&self.0).values_mut() {
            *orders = Orders { count: orders.count, ..Orders::default() };
        }
    }

    /// Begins a call.
    pub(super) fn enter(&self, call: Call) -> Result<Pass, PortError> {
        self.with(call, |o| {
            let nth = o.count;
            o.count += 1;
            if o.fail.remove(&nth) || o.down {
                return Err(ordered(call));
            }
            let lost = o.lose_answer.remove(&nth).then_some(call);
            Ok(Pass { lost, entries: o.entries.remove(&nth).unwrap_or_default() })
        })
    }
}

fn ordered(call: Call) -> PortError {
    PortError::Unavailable { what: call.label(), why: "the test ordered it".to_owned() }
}

/// A call that goes ahead.
pub(super) struct Pass {
    lost: Option<Call>,
    entries: BTreeSet<usize>,
}

impl Pass {
    /// Whether the entry at this place is to fail.
    pub(super) fn fails(&self, place: usize) -> bool {
        self.entries.contains(&place)
    }

    /// Ends the call: the answer, unless it is to be lost.
    pub(super) fn answer<T>(self, value: T) -> Result<T, PortError> {
        match self.lost {
            Some(call) => Err(ordered(call)),
            None => Ok(value),
        }
    }
}
