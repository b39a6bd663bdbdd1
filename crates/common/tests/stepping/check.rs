//! What must hold at the end of every history, and what the histories must have seen.

use super::world::World;
use common::outcome::Outcome;

impl World {
    /// The invariants of DESIGN, once nothing is pending.
    pub(super) fn settled(&mut self) {
        let books = self.books(false);
        let devices: u64 = self.layout.iter().flatten().map(|n| u64::from(*n)).sum();
        if !books.balance() || books.devices != devices || books.pending != 0 {
            self.fail(&format!("the books do not balance: {books:?}"));
        }
        if self.campaign.books.as_ref().is_none_or(|b| b.devices != devices) {
            self.fail("the campaign is done without its books");
        }
        let mut doubled = 0;
        for key in self.keys() {
            let record = self.ledger[&key].clone();
            let mut in_batch = 0;
            for place in 0..self.devices(key) {
                let heard = self.heard.get(&(key, place)).copied().unwrap_or_default();
                in_batch += u64::from(heard.accepted.saturating_sub(1));
                let known = record.outcome(usize::from(place));
                let fits = match known {
                    Some(Outcome::Accepted) => heard.accepted > 0,
                    Some(Outcome::Unregistered) => heard.rejected,
                    // Expired means: as far as anybody can know, it never left.
                    Some(Outcome::Expired) => heard.accepted == 0 || record.doubled_at_most > 0,
                    Some(Outcome::Ambiguous) => true,
                    _ => false,
                };
                if !fits {
                    self.fail(&format!(
                        "device {key}:{place}: the ledger says {known:?}, the gateway {heard:?}"
                    ));
                }
            }
            if in_batch > u64::from(record.doubled_at_most) {
                self.fail(&format!("batch {key}: {in_batch} doubles, {} counted", record.doubled_at_most));
            }
            doubled += in_batch;
        }
        let harmless = self.crashes == 0 && self.lapsed == 0 && !self.campaign.options.resend_ambiguous;
        if harmless && doubled > 0 {
            self.fail("a device was accepted twice although nobody died and no lease lapsed");
        }
    }
}

/// What happened over all histories.
#[derive(Default, Debug)]
pub(super) struct Seen {
    histories: u32,
    crashes: u32,
    lapsed: u32,
    stops: u32,
    canaries: u32,
    expired: u64,
    ambiguous: u64,
    accepted: u64,
    doubled: u64,
    doubled_at_most: u64,
}

impl Seen {
    pub(super) fn add(&mut self, world: &World) {
        let books = world.books(false);
        self.histories += 1;
        self.crashes += world.crashes;
        self.lapsed += world.lapsed;
        self.stops += world.stops;
        self.canaries += u32::from(
            world.campaign.runs.first().is_some_and(|r| r.kind == common::campaign::RunKind::Canary),
        );
        self.expired += books.expired;
        self.ambiguous += books.ambiguous;
        self.accepted += books.accepted;
        self.doubled += world.heard.values().map(|h| u64::from(h.accepted.saturating_sub(1))).sum::<u64>();
        self.doubled_at_most += books.doubled_at_most;
    }

    /// A test that never meets what it is about proves nothing.
    pub(super) fn must_have_happened(&self) {
        println!("{self:?}");
        let often = self.histories / 10;
        for (what, n) in [
            ("crashes", self.crashes),
            ("lapsed leases", self.lapsed),
            ("stops", self.stops),
            ("canaries", self.canaries),
        ] {
            assert!(n > often, "too few {what}: {self:?}");
        }
        assert!(
            self.doubled > 0 && self.expired > 0 && self.ambiguous > 0 && self.accepted > self.expired,
            "{self:?}"
        );
    }
}
