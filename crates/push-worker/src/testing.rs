//! Test sends: a few named devices, outside of every run. One at a time for each worker, with gateways of its own (twins of
//! the lane's: the same code, configuration and credentials), so that the blast does not notice.
//!
//! No claim, no ledger, no counters, no breaker: a test is sent at most once by whoever puts its `taken` record first, and
//! what came of it is one object.

mod verdict;

use crate::admit::give_back_pause;
use crate::fate::wants_second_try;
use crate::gateway::{Answered, Gateway, Prepare, Push, Said, Trial};
use crate::lane::Lane;
use common::campaign::RunKind;
use common::content::Content;
use common::device::Platform;
use common::limits::{LOOK_EVERY, TEST_DONE_WITHIN};
use common::ports::{PortError, Put, PutMode, Received};
use common::test_send::{Outcomes, Taken, TestEnvelope, TestId, Told, Verdict, keys};
use common::time::UnixMs;
use serde::Serialize;
use std::pin::pin;
use std::time::Duration;
use telemetry::metrics::Queue::Batches;
use telemetry::metrics::{ENVELOPES, Event};
use verdict::{tell, told};

/// A worker that is busy with a test gives another one back for this long.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// And for this long when its time is over by this worker's clock, so that its receives are not used up.
const LATE_PAUSE: Duration = Duration::from_secs(10);
/// A clock may be so wrong (ours): a test is over for everybody only this long after its time.
const CLOCKS_APART: Duration = Duration::from_secs(30);
/// Connection and credentials together (ours).
const READY_WITHIN: Duration = Duration::from_secs(12);
/// A gateway's answer to a test is waited for no longer than this, however patient the blast is.
const PATIENCE_MAX: Duration = Duration::from_secs(10);
/// The last part of [`TEST_DONE_WITHIN`] is for writing the outcomes down.
const WRITING: Duration = Duration::from_secs(10);
/// What is unanswered then is ended: closing takes a second or two, and then it is written down.
const SENDING_MAX: Duration = TEST_DONE_WITHIN.saturating_sub(WRITING).saturating_sub(Duration::from_secs(5));
/// What does not even end when its connections are closed is left alone.
const CLOSED_WITHIN: Duration = Duration::from_secs(3);
/// Pause between two tries of writing.
const PAUSE: Duration = Duration::from_millis(250);

/// One platform's part of a test.
struct Part {
    platform: Platform,
    told: Vec<Told>,
    trouble: Option<String>,
    rehearsal: bool,
}

/// What was received, without the tests, and the tests.
pub(crate) fn split(received: Vec<Received>) -> (Vec<Received>, Vec<Received>) {
    received.into_iter().partition(|r| !TestEnvelope::is_one(&r.body))
}

impl Lane {
    /// Takes and does a test; the others go back at once, so that another worker may take them.
    pub(crate) async fn test_all(&self, received: Vec<Received>) {
        let one = async |r: Received| match TestEnvelope::decode(&r.body) {
            Ok(test) => self.test(r, test).await,
            Err(error) => {
                ENVELOPES.one((Batches, Event::Unreadable));
                tracing::error!(%error, receives = r.receive_count, "unreadable test envelope, left for the dead-letter queue");
            }
        };
        futures::future::join_all(received.into_iter().map(one)).await;
    }

    async fn test(&self, r: Received, test: TestEnvelope) {
        let shared = &self.shared;
        if shared.draining.is_cancelled() {
            return self.hide(&[r.ack], Duration::ZERO).await;
        }
        // A clock that is ahead must not throw it away for everybody: whether its time is over, the API says, in `taken`.
        let now = shared.clock.now();
        if test.take_by.plus(CLOCKS_APART) <= now {
            return self.delete(&[r.ack]).await;
        }
        let Ok(mut unsure) = shared.testing.try_lock() else {
            let pause = if test.take_by <= now { LATE_PAUSE } else { BUSY_PAUSE };
            return self.hide(&[r.ack], pause).await;
        };
        match self.take_test(&test, &mut unsure).await {
            Ok(mine) => {
                self.delete(&[r.ack]).await;
                if mine {
                    self.do_test(&test).await;
                }
            }
            Err(error) => {
                tracing::warn!(test = %test.test, %error, "test not taken, given back");
                self.hide(&[r.ack], give_back_pause(r.receive_count)).await;
            }
        }
    }

    /// Whether it is this worker's: whoever puts the record has it. `unsure` is the test whose put did not end well: the
    /// record may have been stored all the same, and nothing of it was sent.
    async fn take_test(&self, test: &TestEnvelope, unsure: &mut Option<TestId>) -> Result<bool, PortError> {
        let taken = Taken { worker: Some(self.shared.id), at: self.shared.clock.now() };
        let (objects, key) = (&self.shared.backend.objects, keys::taken(test.campaign, test.test));
        let again = unsure.replace(test.test) == Some(test.test);
        let mine = match objects.put(&key, json(&taken), PutMode::IfAbsent).await? {
            Put::Stored => true,
            Put::Exists if again => {
                let stored = objects.get(&key, None).await?;
                let stored: Option<Taken> = stored.and_then(|bytes| serde_json::from_slice(&bytes).ok());
                stored.is_some_and(|taken| taken.worker == Some(self.shared.id))
            }
            Put::Exists => false,
        };
        *unsure = None;
        Ok(mine)
    }

    async fn do_test(&self, test: &TestEnvelope) {
        let (campaign, id, dry_run) = (test.campaign, test.test, test.dry_run);
        let began = self.shared.clock.mono();
        let end = began + SENDING_MAX;
        tracing::info!(%campaign, test = %id, dry_run, "test taken");
        let outcomes = match self.content_of_test(test).await {
            Ok(content) => {
                let parts = Platform::ALL.map(|p| self.test_part(test, &content, p, end));
                let [apns, fcm] = parts;
                let (apns, fcm) = futures::join!(apns, fcm);
                self.outcomes([apns, fcm].into_iter().flatten().collect(), None)
            }
            Err(why) => self.outcomes(Vec::new(), Some(why)),
        };
        let good = outcomes.devices.iter().filter(|d| d.verdict.is_good()).count();
        let (devices, took_ms) = (outcomes.devices.len(), (self.shared.clock.mono() - began).as_millis());
        tracing::info!(%campaign, test = %id, dry_run, devices, good, took_ms, "test done");
        self.write_outcomes(test, &outcomes).await;
    }

    fn outcomes(&self, parts: Vec<Part>, refused: Option<String>) -> Outcomes {
        let rehearsal = !parts.is_empty() && parts.iter().all(|p| p.rehearsal);
        let mut outcomes = Outcomes {
            worker: self.shared.id,
            at: self.shared.clock.now(),
            rehearsal,
            refused,
            trouble: Vec::new(),
            devices: Vec::new(),
        };
        for part in parts {
            outcomes.trouble.extend(part.trouble.map(|why| (part.platform, why)));
            outcomes.devices.extend(part.told);
        }
        outcomes.devices.sort_by_key(|d| d.place);
        outcomes
    }

    /// The content as the campaign's record has it, under a collapse id of the test's own.
    async fn content_of_test(&self, test: &TestEnvelope) -> Result<Content, String> {
        let found = self.shared.backend.campaigns.get(test.campaign).await.map_err(|e| e.to_string())?;
        let campaign = found.ok_or("the campaign is gone")?;
        if campaign.content_id != test.content {
            return Err(
                "the content was changed while the test was on its way: send the test again".to_owned()
            );
        }
        campaign.may_test().map_err(|no| no.detail)?;
        if self.is_blasting() {
            return Err("a campaign is being sent: send the test when it is done".to_owned());
        }
        let real = campaign.content.collapse_id.clone().unwrap_or_else(|| campaign.id.to_string());
        Ok(Content { collapse_id: Some(test.test.collapse_id(&real)), ..campaign.content })
    }

    /// Whether somebody has pressed, by the last look: then the worker is the blast's.
    fn is_blasting(&self) -> bool {
        let campaign = self.shared.watch.campaign();
        campaign.is_some_and(|c| c.live_run().is_some_and(|run| run.kind != RunKind::Canary))
    }

    /// One platform's devices; `None` when there are none.
    async fn test_part(
        &self,
        test: &TestEnvelope,
        content: &Content,
        platform: Platform,
        end: Duration,
    ) -> Option<Part> {
        let ours = test.views().filter(|(_, d)| d.target.platform() == platform);
        let pushes: Vec<_> =
            ours.map(|(place, d)| Push { place, target: d.target, locale: d.locale }).collect();
        if pushes.is_empty() {
            return None;
        }
        let all = |verdict| pushes.iter().map(|p| told(p.place, verdict)).collect();
        let trial = if test.dry_run { Trial::Dry } else { Trial::Real };
        let Some(twin) = self.link(platform).and_then(|link| link.gateway.twin(trial)) else {
            let trouble =
                Some("the push worker that took the test has no such gateway configured".to_owned());
            return Some(Part { platform, told: all(Verdict::NoGateway), trouble, rehearsal: true });
        };
        let what = Prepare { campaign: test.campaign, content, locales: &test.locales };
        let prepared = self.prepare_twin(&*twin, &what).await;
        let trouble = prepared.as_ref().err().cloned();
        let told: Vec<_> = match (&prepared, test.dry_run && platform == Platform::Apns) {
            (Ok(_), true) => all(Verdict::Checked),
            (Err(_), _) => all(Verdict::NotSent),
            (Ok(_), false) => self.send_test(&*twin, &pushes, test.dry_run, end).await,
        };
        let held = self.is_blasting() && told.iter().any(|t| t.verdict == Verdict::NotSent);
        let held = held.then(|| "a campaign is being sent by now: send the test when it is done".to_owned());
        let trouble = trouble.or(held).or_else(|| twin.link().trouble);
        let rehearsal = twin.is_rehearsal();
        twin.close().await;
        Some(Part { platform, told, trouble, rehearsal })
    }

    /// Its connection and credentials, in time, and not while the worker is to end.
    async fn prepare_twin(&self, twin: &dyn Gateway, what: &Prepare<'_>) -> Result<u32, String> {
        let ready = tokio::time::timeout(READY_WITHIN, twin.prepare(what));
        match self.shared.draining.run_until_cancelled(ready).await {
            Some(Ok(prepared)) => prepared,
            Some(Err(_)) => Err(format!("it was not ready within {} s", READY_WITHIN.as_secs())),
            None => Err("the push worker was stopped: send the test again".to_owned()),
        }
    }

    /// Sends, until `end` or the worker is to end: what is unanswered then counts as never answered.
    async fn send_test(
        &self,
        twin: &dyn Gateway,
        pushes: &[Push<'_>],
        dry_run: bool,
        end: Duration,
    ) -> Vec<Told> {
        let began = self.shared.clock.now();
        let mut sending = pin!(self.send_twice(twin, pushes, began));
        let ended = tokio::select! {
            biased;
            ended = &mut sending => Some(ended),
            () = self.is_time_to_close(end) => {
                let rest = tokio::time::timeout(CLOSED_WITHIN, &mut sending);
                futures::join!(rest, twin.close()).0.ok()
            }
        };
        let (answered, said) = ended.unwrap_or_default();
        let one = |push: &Push<'_>| {
            let answer = answered.iter().find(|a| a.place == push.place);
            let words = said.iter().find(|s| s.place == push.place);
            tell(push.place, answer, words, began, dry_run)
        };
        pushes.iter().map(one).collect()
    }

    async fn is_time_to_close(&self, end: Duration) {
        let left = end.saturating_sub(self.shared.clock.mono());
        // Either way it is time.
        let _ = tokio::time::timeout(left, self.shared.draining.cancelled()).await;
    }

    /// Sends, and once more what may be sent again freely, as a batch does.
    async fn send_twice(
        &self,
        twin: &dyn Gateway,
        pushes: &[Push<'_>],
        began: UnixMs,
    ) -> (Vec<Answered>, Vec<Said>) {
        let shared = &self.shared;
        let patience = shared.config.patience.min(PATIENCE_MAX);
        let end = shared.clock.mono() + patience;
        // Nobody looks at a phone for a test an hour later.
        let expires_at = began.plus(TEST_DONE_WITHIN * 4);
        // Somebody may press at any time.
        let open = || !shared.draining.is_cancelled() && !self.is_blasting() && shared.clock.mono() < end;
        let mut answered = twin.send(pushes, expires_at, &open, patience).await;
        let mut said = twin.said();
        let again: Vec<_> = answered.iter().filter(|a| wants_second_try(a.answer)).map(|a| a.place).collect();
        let again: Vec<_> = pushes.iter().filter(|p| again.contains(&p.place)).copied().collect();
        if !again.is_empty() && open() {
            let second = twin.send(&again, expires_at, &open, patience).await;
            answered.retain(|a| !second.iter().any(|s| s.place == a.place));
            answered.extend(second);
            let newer = twin.said();
            said.retain(|old| !again.iter().any(|p| p.place == old.place));
            said.extend(newer);
        }
        (answered, said)
    }

    /// Writes what came of it, again until it worked or its time is over: then the test counts as lost.
    async fn write_outcomes(&self, test: &TestEnvelope, outcomes: &Outcomes) {
        let (key, bytes) = (keys::outcomes(test.campaign, test.test), json(outcomes));
        let end = self.shared.clock.mono() + WRITING;
        while let Err(error) = self.shared.backend.objects.put(&key, bytes.clone(), PutMode::Replace).await {
            tracing::warn!(test = %test.test, %error, "outcomes of a test not written yet");
            if self.shared.clock.mono() + LOOK_EVERY >= end {
                tracing::error!(test = %test.test, "outcomes of a test given up: nobody will know them");
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn json(value: &impl Serialize) -> bytes::Bytes {
    // Plain structs of text and numbers: there is nothing in them that can't be written.
    serde_json::to_vec(value).unwrap_or_default().into()
}
