//! An interim worker, one effect a step.

use super::world::{Job, World};
use common::envelope::{Scope, ShardEnvelope};
use common::ids::Epoch;
use common::outcome::Class;
use common::plan::{Gate, gate, in_canary};
use common::queue::Ticket;
use std::time::Duration;

pub(super) struct Interim {
    id: u64,
    doing: Option<(Ticket, ShardEnvelope, u32)>,
}

impl Interim {
    pub(super) fn new(id: u64) -> Self {
        Self { id, doing: None }
    }

    pub(super) fn step(&mut self, world: &mut World) {
        let Some((ticket, envelope, next)) = self.doing.take() else {
            self.doing = world.receive_shard().map(|(ticket, envelope)| (ticket, envelope, 0));
            return;
        };
        let (head, shard) = (envelope.head.clone(), envelope.shard);
        let (known, live): (Epoch, _) = (world.campaign.epoch, world.campaign.live_run().is_some());
        if gate(&head, known, live, world.now()) != Gate::Go {
            world.delete_shard(ticket);
            return;
        }
        let expanded =
            world.shards.iter().any(|s| s.shard == shard && s.epoch == head.epoch && s.expanded_at.is_some());
        let batches = world.layout[usize::from(shard.0)].len() as u32;
        if expanded {
            world.delete_shard(ticket);
        } else if next < batches {
            let key = common::ids::BatchKey { shard, number: common::ids::BatchNo(next) };
            let wanted = match envelope.scope {
                Scope::All => true,
                Scope::EveryNth(n) => in_canary(key, n),
                Scope::Rest => {
                    world.ledger.get(&key).is_none_or(|r| r.has(Class::Pending) || r.holder.is_some())
                }
            };
            if wanted {
                world.note(|| format!("interim {} expands {key} epoch {}", self.id, head.epoch));
                world.send_batch(&Job { head, key, attempt: 0, only: None }, Duration::ZERO);
            }
            self.doing = Some((ticket, envelope, next + 1));
        } else {
            world.mark_expanded(head.epoch, shard);
            // The delete is an effect of its own: it finds the shard expanded.
            self.doing = Some((ticket, envelope, next));
        }
    }
}
