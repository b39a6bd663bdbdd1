//! What gateways say in their own words: kept by a twin, for test sends only. The blast keeps what it needs to decide.

use crate::gateway::{Said, Trial};
use std::cell::RefCell;
use wire::driver::Ended;
use wire::{Answer, Outcome};

/// Longest text kept of an answer's, in characters (ours; it is shown to people).
const TEXT_CHARS_MAX: usize = 200;

/// The part of a gateway that makes it a twin.
pub(crate) struct Ear {
    trial: Trial,
    said: RefCell<Vec<Said>>,
}

/// A gateway's id of the notification, and its reason for refusing it.
pub(crate) type IdAndReason = (Option<String>, Option<String>);

impl Ear {
    pub(crate) fn new(trial: Trial) -> Self {
        Self { trial, said: RefCell::default() }
    }

    pub(crate) fn is_dry(&self) -> bool {
        self.trial == Trial::Dry
    }

    /// Keeps what a group was answered, instead of what was kept before. `read` knows the gateway's answers.
    pub(crate) fn keep(&self, ended: &[Ended], read: impl Fn(&Answer) -> IdAndReason) {
        let said = ended.iter().filter_map(|e| match &e.outcome {
            Outcome::Answered(answer) => {
                let (id, reason) = read(answer);
                let short = |text: Option<String>| text.map(|t| t.chars().take(TEXT_CHARS_MAX).collect());
                Some(Said {
                    place: e.tag as u16,
                    status: answer.status,
                    id: short(id),
                    reason: short(reason),
                })
            }
            _ => None,
        });
        self.said.replace(said.collect());
    }

    pub(crate) fn said(&self) -> Vec<Said> {
        self.said.take()
    }
}
