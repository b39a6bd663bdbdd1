//! Claims: asking for them, holding them by the monotonic clock, renewing them while gateways are slow.

use crate::admit::{Admitted, Part, give_back_pause};
use crate::lane::Lane;
use crate::measure;
use common::device::Platform;
use common::envelope::{BatchEnvelope, Devices};
use common::ids::Fence;
use common::ledger::{ClaimAnswer, ClaimRequest, RenewRequest};
use common::limits::{BATCH_VISIBILITY, CLAIM_LEASE, CLAIM_MARGIN, LOOK_EVERY};
use common::outcome::Outcome;
use common::ports::AckId;
use common::trace::TraceParent;
use std::cell::Cell;
use std::time::Duration;
use telemetry::metrics::{CLAIMS, Claim};
use tracing::Span;

/// A claim is renewed this often while its answers are waited for: three times in a lease less its margin.
const RENEW_EVERY: Duration = Duration::from_secs(2);

/// A batch that this lane holds.
#[derive(Debug)]
pub(crate) struct InHand {
    pub(crate) batch: BatchEnvelope,
    pub(crate) devices: Devices,
    pub(crate) ack: AckId,
    pub(crate) fence: Fence,
    /// By place in the whole batch: whether the ledger grants it.
    pub(crate) unsent: Vec<bool>,
    pub(crate) parts: [Part; 2],
    /// When the lease ends, on the monotonic clock.
    pub(crate) lease_end: Cell<Duration>,
    /// Nothing is left to do for it.
    pub(crate) finished: Cell<bool>,
    /// What is done for it happens in here.
    pub(crate) span: Span,
    /// Goes on with every envelope that is made of this one.
    pub(crate) trace: Option<TraceParent>,
}

impl InHand {
    /// Whether its lease allows writing at this instant of the monotonic clock.
    pub(crate) fn allows(&self, now: Duration) -> bool {
        now < self.lease_end.get().saturating_sub(CLAIM_MARGIN)
    }
}

/// One unsent byte per device of the whole batch. A retry knows the gateways of its own devices only; by then the record
/// exists, and this is not written.
pub(crate) fn blank(batch: &BatchEnvelope, devices: &Devices) -> Vec<u8> {
    let unsent = Platform::ALL.map(|p| Outcome::Unsent.to_byte(p));
    if batch.only.is_empty() {
        return devices.platforms().map(|p| unsent[p as usize]).collect();
    }
    let mut bytes = vec![unsent[Platform::Apns as usize]; usize::from(batch.devices)];
    for (i, platform) in devices.platforms().enumerate() {
        if let Some(byte) = bytes.get_mut(usize::from(batch.place(i))) {
            *byte = unsent[platform as usize];
        }
    }
    bytes
}

impl Lane {
    /// Claims all of them in one call. What is done or stale is deleted, what another holds is hidden.
    pub(crate) async fn claim(&self, mut admitted: Vec<Admitted>) -> Vec<InHand> {
        let Some(campaign) = admitted.first().map(|a| a.batch.head.campaign) else { return Vec::new() };
        let resend_ambiguous = self.resends_ambiguous();
        let (began, now) = (self.shared.clock.mono(), self.shared.clock.now());
        let ask = |a: &Admitted| ClaimRequest {
            key: a.batch.key,
            epoch: a.batch.head.epoch,
            holder: self.shared.id,
            lease: CLAIM_LEASE,
            blank: blank(&a.batch, &a.devices),
            only: a.batch.only.clone(),
            resend_ambiguous,
            now,
        };
        // The same batch twice in one receive (a duplicate): the second one is asked for when it comes again.
        let mut seen = std::collections::HashSet::new();
        let (first, twice): (Vec<_>, Vec<_>) = admitted.drain(..).partition(|a| seen.insert(a.batch.key));
        self.put_back(&twice).await;
        let asks: Vec<_> = first.iter().map(ask).collect();
        match self.shared.backend.ledger.claim_many(campaign, &asks).await {
            Ok(answers) => {
                self.shared.ledger.over();
                self.sort_claims(first, answers, began).await
            }
            Err(error) => {
                self.shared.ledger.failed(self.shared.clock.mono(), &error);
                CLAIMS.add_len(Claim::Failed, asks.len());
                tracing::warn!(%campaign, %error, batches = asks.len(), "batches not claimed, given back");
                self.put_back(&first).await;
                Vec::new()
            }
        }
    }

    pub(crate) fn resends_ambiguous(&self) -> bool {
        self.shared.watch.campaign().is_some_and(|c| c.options.resend_ambiguous)
    }

    async fn sort_claims(
        &self,
        admitted: Vec<Admitted>,
        answers: Vec<ClaimAnswer>,
        began: Duration,
    ) -> Vec<InHand> {
        let (mut held, mut delete) = (Vec::new(), Vec::new());
        for (a, answer) in admitted.into_iter().zip(answers) {
            CLAIMS.one(measure::claim(&answer));
            match answer {
                ClaimAnswer::Granted { fence, unsent, .. } => {
                    let (lease_end, finished) = (Cell::new(began + CLAIM_LEASE), Cell::new(false));
                    let Admitted { batch, devices, ack, parts, span, trace, .. } = a;
                    held.push(InHand {
                        batch,
                        devices,
                        ack,
                        fence,
                        unsent,
                        parts,
                        lease_end,
                        finished,
                        span,
                        trace,
                    });
                }
                ClaimAnswer::Done | ClaimAnswer::Stale => {
                    self.refund(&a.parts);
                    delete.push(a.ack);
                }
                ClaimAnswer::HeldUntil(until) => {
                    self.refund(&a.parts);
                    let rest = until.since(self.shared.clock.now()).clamp(LOOK_EVERY, CLAIM_LEASE);
                    self.hide(&[a.ack], rest).await;
                }
            }
        }
        self.delete(&delete).await;
        held
    }

    async fn put_back(&self, admitted: &[Admitted]) {
        for a in admitted {
            self.refund(&a.parts);
            self.hide(std::slice::from_ref(&a.ack), give_back_pause(a.receive_count)).await;
        }
    }

    fn refund(&self, parts: &[Part; 2]) {
        for platform in Platform::ALL {
            if let Part::Send(n) = parts[platform as usize] {
                self.shared.control(platform).bucket.refund(n);
            }
        }
    }

    /// Renews the claims of a group, and keeps its envelopes hidden, until it is dropped.
    pub(crate) async fn keep(&self, hands: &[InHand]) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let open: Vec<_> = hands.iter().filter(|h| !h.finished.get()).collect();
            let Some(first) = open.first() else { continue };
            let (began, now) = (self.shared.clock.mono(), self.shared.clock.now());
            let ask =
                |h: &&InHand| RenewRequest { key: h.batch.key, fence: h.fence, lease: CLAIM_LEASE, now };
            let asks: Vec<_> = open.iter().map(ask).collect();
            match self.shared.backend.ledger.renew_many(first.batch.head.campaign, &asks).await {
                Ok(answers) => {
                    for (hand, kept) in open.iter().zip(answers) {
                        // What is lost may not be sent on; its answers are still reported, and merged.
                        hand.lease_end.set(if kept { began + CLAIM_LEASE } else { Duration::ZERO });
                    }
                }
                Err(error) => tracing::warn!(%error, batches = asks.len(), "claims not renewed"),
            }
            let acks: Vec<_> = open.iter().map(|h| h.ack.clone()).collect();
            self.hide(&acks, BATCH_VISIBILITY).await;
        }
    }
}
