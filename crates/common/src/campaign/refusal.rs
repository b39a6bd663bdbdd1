//! Why an action is refused: a stable name for programs, words for people.

use std::fmt;

/// Why an action is refused, in words that say what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// Stable name, for programs.
    pub code: RefusalCode,
    /// For people.
    pub detail: String,
}

macro_rules! codes {
    ($($name:ident = $label:literal, $about:literal;)*) => {
        /// The stable names of refusals.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RefusalCode { $(#[doc = $about] $name,)* }

        impl RefusalCode {
            /// Every one there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name, as programs get it.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Self::$name => $about,)* }
            }
        }
    };
}

codes! {
    Armed = "armed", "It is armed: disarm it first.";
    ArmedAnew = "armed_anew", "It was armed anew since the one that this press was meant for.";
    Building = "building", "Its snapshot is being built: wait, or abort the build.";
    Built = "built", "What is to be changed is built into the snapshot: clone the campaign.";
    Changed = "changed", "It was changed while this waited: look at it, and try again.";
    Draft = "draft", "It has no audience yet: upload one.";
    Failed = "failed", "Its build failed: upload an audience again.";
    Finished = "finished", "It is finished: clone it.";
    FleetBusy = "fleet_busy", "A campaign is being sent: ask again when it is done.";
    FleetHeld = "fleet_held", "A campaign needs the fleet as large as it is.";
    FleetTaken = "fleet_taken", "Another campaign has the fleet.";
    Idle = "idle", "Nothing is under way that could be stopped.";
    IdempotencyKeyReused = "idempotency_key_reused", "The key was used for another body: take a new one.";
    NotArmed = "not_armed", "It is not armed.";
    NotBuilding = "not_building", "Its build was cancelled meanwhile.";
    NotPermitted = "not_permitted", "The token's role does not do this; the detail names the roles that do.";
    NotStopped = "not_stopped", "It is not stopped, so there is nothing to resume.";
    NoTesterLeft = "no_tester_left", "The campaign would reach none of these testers.";
    NothingToScale = "nothing_to_scale", "All roles run in one process: there is nothing to scale.";
    SecondPersonNeeded = "second_person_needed", "Noted; it is armed when a second person asks the same.";
    Sending = "sending", "It has been pressed.";
    Sent = "sent", "Part of its audience was reached by a canary: clone it.";
    Stopped = "stopped", "It was stopped: resume it, or clone it.";
    Stopping = "stopping", "It is still being stopped: wait.";
    TokenExpired = "token_expired", "The token has ended.";
    TokenRevoked = "token_revoked", "The token was revoked.";
    TooLate = "too_late", "It came later than the press was meant for.";
    TooLateToTest = "too_late_to_test", "It has been pressed: a test is for before the press.";
    TooManyLists = "too_many_lists", "There are as many lists of testers as allowed: remove one first.";
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
