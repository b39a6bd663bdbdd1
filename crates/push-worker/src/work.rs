//! One group of received envelopes, to its end. Batches that finish together are completed together; a slow one holds up
//! nobody.

use crate::claim::InHand;
use crate::finish::Over;
use crate::lane::{Lane, Taken};
use crate::permits::Room;
use crate::testing;
use common::limits::QUEUE_CALL_ENTRIES_MAX;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use std::cell::{Cell, RefCell};
use tracing::Instrument;

/// Counts claims in the heartbeat for as long as it lives.
struct Counted<'a> {
    claims: &'a Cell<u32>,
    count: u32,
}

impl<'a> Counted<'a> {
    fn new(claims: &'a Cell<u32>, hands: usize) -> Self {
        let count = u32::try_from(hands).unwrap_or(u32::MAX);
        claims.set(claims.get().saturating_add(count));
        Self { claims, count }
    }

    fn give_up(&mut self, hands: usize) {
        let fewer = u32::try_from(hands).unwrap_or(u32::MAX).min(self.count);
        self.claims.set(self.claims.get().saturating_sub(fewer));
        self.count -= fewer;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.give_up(usize::MAX);
    }
}

impl Lane {
    /// Does what was received: batches, and beside them tests, which hold no room.
    pub(crate) async fn work(&self, taken: Taken) {
        let (received, tests) = testing::split(taken.received);
        let batches = self.work_batches(Taken { received, ..taken });
        if tests.is_empty() {
            return batches.await;
        }
        futures::join!(batches, self.test_all(tests));
    }

    /// Admits, claims, sends and finishes batches.
    async fn work_batches(&self, taken: Taken) {
        let Taken { received, mut room } = taken;
        let hands = {
            let admitted = self.admit(received).await;
            self.claim(admitted).await
        };
        room.resize(hands.iter().map(devices).sum());
        let mut kept = std::pin::pin!(self.keep(&hands).fuse());
        let mut all = std::pin::pin!(self.send_all(&hands, RefCell::new(room)).fuse());
        // In order, so that a simulated night can be repeated; the renewing has nothing to do once all is sent.
        futures::select_biased! {
            () = all => {}
            () = kept => {}
        }
    }

    /// Sends every batch at once, and finishes them in groups as they end.
    async fn send_all<'h>(&self, hands: &'h [InHand], room: RefCell<Room>) {
        let counted = RefCell::new(Counted::new(&self.claims, hands.len()));
        let send = |hand: &'h InHand| {
            async move { Over { hand, turn: self.send(hand).await } }.instrument(hand.span.clone())
        };
        let finish = |group: Vec<Over<'h>>| {
            let (room, counted) = (&room, &counted);
            let freed = group.iter().map(|o| devices(o.hand)).sum();
            let count = group.len();
            async move {
                self.finish(group).await;
                room.borrow_mut().shrink_by(freed);
                counted.borrow_mut().give_up(count);
            }
        };
        let mut sending: FuturesUnordered<_> = hands.iter().map(send).collect();
        let mut finishing = FuturesUnordered::new();
        let mut over = Vec::new();
        let mut gathered = std::pin::pin!(futures::future::Fuse::terminated());
        loop {
            // In order, for the same reason: of ten at most, none can hold up the others for ever.
            futures::select_biased! {
                ended = sending.select_next_some() => {
                    if over.is_empty() {
                        gathered.set(tokio::time::sleep(self.shared.config.gather).fuse());
                    }
                    over.push(ended);
                }
                () = gathered => finishing.push(finish(std::mem::take(&mut over))),
                () = finishing.select_next_some() => {}
                complete => break,
            }
            if !over.is_empty() && (sending.is_empty() || over.len() == QUEUE_CALL_ENTRIES_MAX) {
                gathered.set(futures::future::Fuse::terminated());
                finishing.push(finish(std::mem::take(&mut over)));
            }
        }
    }
}

fn devices(hand: &InHand) -> usize {
    // Those of the envelope, not of the whole batch: a retry holds a few.
    if hand.batch.only.is_empty() { usize::from(hand.batch.devices) } else { hand.batch.only.len() }
}
