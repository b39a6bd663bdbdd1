//! Adapters that are wrong on purpose, each in one way that the SQS adapter could be wrong in: the suite has to see them
//! here too, over HTTP and with a clock that nobody moves.

use crate::queues::OnStandin;
use async_trait::async_trait;
use common::envelope::NewEnvelope;
use common::ports::{AckId, Depth, EntryResult, PortError, Queue, Received};
use contract::suite::{Verdict, rules};
use futures::future::join_all;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    /// The failed entries of an answer are not looked at.
    FailedIsOk,
    /// The place of an answer is not its entry's.
    AnswersTurned,
    /// The last of ten is forgotten.
    NineOfTen,
    /// A deduplication id of its own for each try.
    OwnDedupId,
    /// Seconds are given as milliseconds.
    NoVisibility,
    /// A delay is left out.
    NoDelay,
    /// Long polls are short ones.
    NoWait,
    /// Giving back is left to the visibility.
    NoGiveBack,
    /// Deletes are counted, not made.
    NoDelete,
    /// The receive count is not asked for.
    NoReceiveCount,
    /// A stale receipt handle is taken for done.
    StaleIsOk,
    /// The dead-letter queue is not asked.
    NoDead,
}

struct Broken<const W: usize>(Arc<dyn Queue>);

const ALL: [Wrong; 12] = [
    Wrong::FailedIsOk,
    Wrong::AnswersTurned,
    Wrong::NineOfTen,
    Wrong::OwnDedupId,
    Wrong::NoVisibility,
    Wrong::NoDelay,
    Wrong::NoWait,
    Wrong::NoGiveBack,
    Wrong::NoDelete,
    Wrong::NoReceiveCount,
    Wrong::StaleIsOk,
    Wrong::NoDead,
];

impl<const W: usize> Broken<W> {
    const WRONG: Wrong = ALL[W];

    fn answered(mut answers: Vec<EntryResult>) -> Vec<EntryResult> {
        match Self::WRONG {
            Wrong::AnswersTurned => answers.reverse(),
            Wrong::FailedIsOk => answers.iter_mut().filter(|a| **a != EntryResult::StaleAck).for_each(ok),
            Wrong::StaleIsOk => answers.iter_mut().for_each(ok),
            _ => {}
        }
        answers
    }
}

fn ok(answer: &mut EntryResult) {
    *answer = EntryResult::Ok;
}

#[async_trait]
impl<const W: usize> Queue for Broken<W> {
    async fn send(&self, envelopes: &[NewEnvelope]) -> Result<Vec<EntryResult>, PortError> {
        let mut bent = envelopes.to_vec();
        for e in &mut bent {
            if Self::WRONG == Wrong::NoDelay {
                e.delay = Duration::ZERO;
            }
            if let (Wrong::OwnDedupId, Some(key)) = (Self::WRONG, &mut e.fifo) {
                key.dedup = aws::standin::fresh_prefix();
            }
        }
        if Self::WRONG == Wrong::NineOfTen && bent.len() == 10 {
            bent.pop();
        }
        let mut answers = self.0.send(&bent).await?;
        answers.resize(envelopes.len(), EntryResult::Ok);
        Ok(Self::answered(answers))
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, PortError> {
        let visibility = if Self::WRONG == Wrong::NoVisibility { visibility / 1000 } else { visibility };
        let wait = if Self::WRONG == Wrong::NoWait { Duration::ZERO } else { wait };
        let mut got = self.0.receive(max, wait, visibility).await?;
        if Self::WRONG == Wrong::NoReceiveCount {
            got.iter_mut().for_each(|r| r.receive_count = 1);
        }
        Ok(got)
    }

    async fn delete(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        if Self::WRONG == Wrong::NoDelete {
            return Ok(vec![EntryResult::Ok; acks.len()]);
        }
        Ok(Self::answered(self.0.delete(acks).await?))
    }

    async fn hide(&self, acks: &[AckId], visibility: Duration) -> Result<Vec<EntryResult>, PortError> {
        if Self::WRONG == Wrong::NoGiveBack && visibility.is_zero() {
            return Ok(vec![EntryResult::Ok; acks.len()]);
        }
        Ok(Self::answered(self.0.hide(acks, visibility).await?))
    }

    async fn depth(&self) -> Result<Depth, PortError> {
        let depth = self.0.depth().await?;
        Ok(if Self::WRONG == Wrong::NoDead { Depth { dead: 0, ..depth } } else { depth })
    }

    async fn receive_dead(&self, max: usize, visibility: Duration) -> Result<Vec<Received>, PortError> {
        self.0.receive_dead(max, visibility).await
    }

    async fn delete_dead(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        self.0.delete_dead(acks).await
    }
}

fn wrapped<const W: usize>(queue: Arc<dyn Queue>) -> Arc<dyn Queue> {
    Arc::new(Broken::<W>(queue))
}

async fn must_find<const W: usize>(rule: &'static str) -> Option<String> {
    let factory = OnStandin { name: "broken", wrap: wrapped::<W> };
    let rule = rules().into_iter().find(|r| r.name == rule).expect("is a rule");
    match rule.run(&factory).await {
        Verdict::Broken(_) => None,
        other => Some(format!("{:?} was not seen by {}: {other:?}", ALL[W], rule.name)),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_adapters_are_found() {
    let runs: Vec<futures::future::BoxFuture<'_, _>> = vec![
        Box::pin(must_find::<0>("batches.partial_failure")),
        Box::pin(must_find::<1>("shards.partial_failure")),
        Box::pin(must_find::<2>("batches.handed_out")),
        Box::pin(must_find::<3>("shards.dedup")),
        Box::pin(must_find::<4>("batches.hidden")),
        Box::pin(must_find::<5>("batches.delay")),
        // Not wait_for_send: in real time a receiver that starts late finds what was sent, and rightly does not wait.
        Box::pin(must_find::<6>("batches.wait_for_return")),
        Box::pin(must_find::<7>("shards.give_back")),
        Box::pin(must_find::<8>("batches.delete")),
        Box::pin(must_find::<9>("shards.receive_count")),
        Box::pin(must_find::<10>("batches.gone_ack_answer")),
        Box::pin(must_find::<11>("shards.dead_letters")),
    ];
    let missed: Vec<_> = join_all(runs).await.into_iter().flatten().collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
