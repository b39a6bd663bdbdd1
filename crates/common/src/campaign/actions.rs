//! The state table: what each action does in each state. Pure; the caller writes the result conditionally.

use super::{
    Armed, Build, Campaign, Frozen, Options, Refusal, RefusalCode, Run, RunKind, SnapshotRef, Stamp, State,
    Stop, Upload,
};
use crate::content::Content;
use crate::fleet::Expect;
use crate::ids::Epoch;
use crate::limits::REMOVING_MAX;
use crate::report::Books;
use crate::time::UnixMs;
use std::collections::BTreeMap;
use std::time::Duration;

/// What an action comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Write this record, on the condition that the stored one has the version before it.
    Change(Box<Campaign>),
    /// Nothing to write: it is so already, and the same answer is given again.
    Same,
    /// Not in this state.
    Refuse(Refusal),
}

fn refuse(code: RefusalCode, detail: impl Into<String>) -> Decision {
    Decision::Refuse(Refusal { code, detail: detail.into() })
}

const CLONE: &str = "is finished or has been sent: clone it (`owl campaign clone`) and use the copy";

impl Campaign {
    fn change(&self, with: impl FnOnce(&mut Self)) -> Decision {
        let mut next = self.clone();
        next.version += 1;
        with(&mut next);
        Decision::Change(Box::new(next))
    }

    /// The refusals that editing and uploading share.
    fn not_editable(&self, verb: &str) -> Option<Decision> {
        let name = &self.name;
        match self.state {
            State::Draft | State::Failed | State::Ready => None,
            State::Building => Some(refuse(
                RefusalCode::Building,
                format!("`{name}` is being built; abort the build or wait"),
            )),
            State::Armed => {
                Some(refuse(RefusalCode::Armed, format!("`{name}` is armed: disarm it first, then {verb}")))
            }
            State::Sending | State::Stopping => Some(refuse(
                RefusalCode::Sending,
                format!("`{name}` is being sent; it can no longer be changed"),
            )),
            State::Stopped | State::Done => Some(refuse(RefusalCode::Finished, format!("`{name}` {CLONE}"))),
        }
    }

    /// Changes what it says or how. Shards and batch size are part of a built snapshot and want a new upload.
    #[must_use]
    pub fn edit(&self, name: Option<String>, content: Option<Content>, options: Option<Options>) -> Decision {
        if let Some(no) = self.not_editable("edit") {
            // While building, the content may change: the build reads the options only.
            if self.state != State::Building || options.is_some() {
                return no;
            }
        }
        if let (Some(new), Some(_)) = (&options, &self.snapshot) {
            let mut same = new.clone();
            same.deadline_ms = self.options.deadline_ms;
            same.resend_ambiguous = self.options.resend_ambiguous;
            if same != self.options {
                let why = "shards, batch_users, app and environment are built into the snapshot: clone the campaign";
                return refuse(RefusalCode::Built, why);
            }
        }
        self.change(|c| {
            c.arming = None;
            if let Some(name) = name {
                c.name = name;
            }
            if let Some(content) = content {
                c.content_id = content.id();
                c.content = content;
            }
            if let Some(options) = options {
                c.options = options;
            }
        })
    }

    /// Takes an uploaded audience: the build begins.
    #[must_use]
    pub fn upload(&self, upload: Upload) -> Decision {
        if let Some(no) = self.not_editable("upload") {
            return no;
        }
        if self.was_sent() {
            return refuse(
                RefusalCode::Sent,
                format!("a canary of `{}` reached part of its audience, so it {CLONE}", self.name),
            );
        }
        let started_at = upload.stamp.at;
        self.change(|c| {
            c.state = State::Building;
            c.arming = None;
            c.upload = Some(upload);
            c.snapshot = None;
            c.failure = None;
            let (stage, lease_until) = ("waiting for a builder".to_owned(), UnixMs(0));
            c.build = Some(Build { holder: None, lease_until, stage, done: 0, total: 0, started_at });
        })
    }

    /// Writes down how far the build is, or who has it. Refused when the build was cancelled meanwhile.
    #[must_use]
    pub fn build_progress(&self, build: Build) -> Decision {
        if self.state != State::Building {
            return refuse(RefusalCode::NotBuilding, "the build was cancelled");
        }
        self.change(|c| c.build = Some(build))
    }

    /// The build is finished.
    #[must_use]
    pub fn build_done(&self, snapshot: SnapshotRef) -> Decision {
        if self.state != State::Building {
            return refuse(RefusalCode::NotBuilding, "the build was cancelled");
        }
        self.change(|c| {
            c.state = State::Ready;
            c.build = None;
            c.snapshot = Some(snapshot);
        })
    }

    /// The build can't be finished.
    #[must_use]
    pub fn build_failed(&self, why: &str) -> Decision {
        if self.state != State::Building {
            return refuse(RefusalCode::NotBuilding, "the build was cancelled");
        }
        self.change(|c| {
            c.state = State::Failed;
            c.build = None;
            c.failure = Some(why.to_owned());
        })
    }

    /// Freezes it. Preflight has been asked before.
    #[must_use]
    pub fn arm(&self, stamp: Stamp, expect: Expect, overrides: BTreeMap<String, String>) -> Decision {
        let (State::Ready, Some(snapshot)) = (self.state, &self.snapshot) else {
            return match self.state {
                State::Armed => Decision::Same,
                State::Draft => refuse(RefusalCode::Draft, "it has no audience yet: upload one first"),
                State::Failed => refuse(RefusalCode::Failed, "its build failed: upload an audience again"),
                State::Building | State::Ready => {
                    refuse(RefusalCode::Building, "its snapshot is still being built")
                }
                State::Sending | State::Stopping => {
                    refuse(RefusalCode::Sending, "it has been pressed already")
                }
                State::Stopped => refuse(RefusalCode::Stopped, "it is stopped: resume it, or clone it"),
                State::Done => refuse(RefusalCode::Finished, format!("`{}` {CLONE}", self.name)),
            };
        };
        let frozen = Frozen {
            snapshot: snapshot.id,
            content: self.content_id,
            shards: self.options.shards,
            batch_users: self.options.batch_users,
            deadline_ms: self.options.deadline_ms,
        };
        self.change(|c| {
            c.state = State::Armed;
            c.arming = None;
            c.armed = Some(Armed { stamp, frozen, expect, overrides });
        })
    }

    /// Takes it back to ready. A canary that is under way is fenced off.
    #[must_use]
    pub fn disarm(&self) -> Decision {
        match self.state {
            State::Armed => self.change(|c| {
                c.state = State::Ready;
                c.armed = None;
                c.epoch = Epoch(c.epoch.0 + 1);
            }),
            // Whoever wanted it armed, or somebody for them, wants it no more.
            State::Ready if self.arming.is_some() => self.change(|c| c.arming = None),
            State::Ready => Decision::Same,
            State::Sending | State::Stopping => {
                refuse(RefusalCode::Sending, "it has been pressed: abort it instead")
            }
            _ => refuse(RefusalCode::NotArmed, format!("it is {}, not armed", self.state.label())),
        }
    }

    fn run(&self, kind: RunKind, stamp: Stamp, deadline_ms: u64) -> Decision {
        self.change(|c| {
            c.epoch = Epoch(c.epoch.0 + 1);
            let deadline_at = stamp.at.plus(Duration::from_millis(deadline_ms));
            c.runs.push(Run { kind, epoch: c.epoch, stamp, deadline_at });
        })
    }

    /// Sends a small share of the batches while armed. A second canary while one runs is the same one.
    #[must_use]
    pub fn canary(&self, stamp: Stamp) -> Decision {
        match (self.state, self.frozen()) {
            (State::Armed, Some(_)) if self.live_run().is_some() => Decision::Same,
            (State::Armed, Some(frozen)) => self.run(RunKind::Canary, stamp, frozen.deadline_ms),
            _ => refuse(
                RefusalCode::NotArmed,
                format!("a canary wants an armed campaign; it is {}", self.state.label()),
            ),
        }
    }

    /// The press. `Same` means: somebody pressed already ([`Campaign::pressed`] says who and when), and what that
    /// press left undone is to be completed now.
    #[must_use]
    pub fn press(&self, stamp: Stamp) -> Decision {
        match (self.state, self.frozen()) {
            (State::Armed, Some(frozen)) => {
                let Decision::Change(mut next) = self.run(RunKind::Press, stamp.clone(), frozen.deadline_ms)
                else {
                    return Decision::Same;
                };
                next.state = State::Sending;
                next.pressed = Some(stamp);
                Decision::Change(next)
            }
            (State::Sending | State::Stopping | State::Done, _) => Decision::Same,
            (State::Stopped, _) => {
                refuse(RefusalCode::Stopped, "it was stopped: use resume to send the rest")
            }
            (State::Building, _) => {
                refuse(RefusalCode::Building, "its snapshot is still being built; arm it afterwards")
            }
            _ => refuse(RefusalCode::NotArmed, format!("it is {}: arm it first", self.state.label())),
        }
    }

    /// Stops what is under way: a build, an armed state, or the sending.
    #[must_use]
    pub fn abort(&self, stamp: Stamp) -> Decision {
        match self.state {
            State::Building => self.change(|c| {
                c.state = State::Failed;
                c.build = None;
                c.failure = Some(format!("the build was cancelled by {}", stamp.by));
            }),
            State::Armed => self.disarm(),
            State::Sending => self.change(|c| {
                c.state = State::Stopping;
                c.epoch = Epoch(c.epoch.0 + 1);
                c.stops.push(Stop { stamp, stopped_at: None });
            }),
            State::Stopping | State::Stopped => Decision::Same,
            State::Done => refuse(RefusalCode::Finished, "it is finished: there is nothing left to stop"),
            State::Draft | State::Failed | State::Ready => {
                refuse(RefusalCode::Idle, format!("it is {}: there is nothing to stop", self.state.label()))
            }
        }
    }

    /// Every claim is settled: nothing more leaves, and the books of the stop are exact.
    #[must_use]
    pub fn stopped(&self, at: UnixMs, books: Books) -> Decision {
        if self.state != State::Stopping {
            return Decision::Same;
        }
        self.change(|c| {
            c.state = State::Stopped;
            c.books = Some(books);
            if let Some(stop) = c.stops.last_mut() {
                stop.stopped_at = Some(at);
            }
        })
    }

    /// Sends what the ledger says is unsent, with a deadline of its own.
    #[must_use]
    pub fn resume(&self, stamp: Stamp) -> Decision {
        match (self.state, self.frozen()) {
            (State::Stopped, Some(frozen)) => {
                let Decision::Change(mut next) = self.run(RunKind::Resume, stamp, frozen.deadline_ms) else {
                    return Decision::Same;
                };
                next.state = State::Sending;
                next.books = None;
                Decision::Change(next)
            }
            (State::Sending, _) if self.runs.last().is_some_and(|r| r.kind == RunKind::Resume) => {
                Decision::Same
            }
            (State::Stopping, _) => {
                refuse(RefusalCode::Stopping, "it is still being stopped: wait until it says stopped")
            }
            (State::Done, _) => {
                refuse(RefusalCode::Finished, "it is finished: there is nothing left to send")
            }
            _ => refuse(RefusalCode::NotStopped, format!("it is {}, not stopped", self.state.label())),
        }
    }

    /// Nothing is pending any more.
    #[must_use]
    pub fn done(&self, at: UnixMs, books: Books) -> Decision {
        if self.state != State::Sending {
            return Decision::Same;
        }
        self.change(|c| {
            c.state = State::Done;
            c.books = Some(books);
            c.done_at = Some(at);
        })
    }

    /// One process takes the dead tokens out, so that they are counted whole; another one after [`REMOVING_MAX`], when
    /// the first has probably died.
    #[must_use]
    pub fn write_back_begins(&self, now: UnixMs) -> Decision {
        let begun = self.removing_since.is_some_and(|at| now.since(at) < REMOVING_MAX);
        if begun || self.state != State::Done || self.tokens_removed.is_some() {
            return Decision::Same;
        }
        self.change(|c| c.removing_since = Some(now))
    }

    /// Taking them out failed: anybody may try again now.
    #[must_use]
    pub fn write_back_failed(&self) -> Decision {
        if self.removing_since.is_none() {
            return Decision::Same;
        }
        self.change(|c| c.removing_since = None)
    }

    /// The dead tokens have been taken out of the device table.
    #[must_use]
    pub fn written_back(&self, removed: u64) -> Decision {
        if self.state != State::Done || self.tokens_removed.is_some() {
            return Decision::Same;
        }
        self.change(|c| c.tokens_removed = Some(removed))
    }

    /// A draft with the same content and options. The audience is uploaded anew, because devices change.
    #[must_use]
    pub fn cloned(&self, name: &str, created: Stamp) -> Self {
        Self::new(name, self.content.clone(), self.options.clone(), created)
    }
}
