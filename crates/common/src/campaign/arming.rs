//! An arming that takes two people: the first one's wish is noted, the second one's arms.

use super::actions::{Decision, Refusal};
use super::{Campaign, Stamp, State};
use crate::ids::{ContentId, SnapshotId};
use crate::time::UnixMs;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a first person's wish waits for a second.
const WAITS: Duration = Duration::from_secs(3_600);

/// Somebody wants it armed as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arming {
    /// Who, and when.
    pub stamp: Stamp,
    /// The content that was looked at.
    pub content: ContentId,
    /// The snapshot that was looked at.
    pub snapshot: Option<SnapshotId>,
}

impl Campaign {
    fn snapshot_id(&self) -> Option<SnapshotId> {
        self.snapshot.as_ref().map(|s| s.id)
    }

    /// Whether somebody else wanted it armed within the hour, as it is now.
    #[must_use]
    pub fn is_second(&self, by: &str, now: UnixMs) -> bool {
        self.arming.as_ref().is_some_and(|first| {
            let same = (first.content, first.snapshot) == (self.content_id, self.snapshot_id());
            same && first.stamp.by != by && now.since(first.stamp.at) <= WAITS
        })
    }

    /// Notes that this person wants it armed.
    #[must_use]
    pub fn first_of_two(&self, stamp: Stamp) -> Decision {
        if self.state != State::Ready {
            return Decision::Refuse(second_person_needed(&self.name));
        }
        let arming = Arming { stamp, content: self.content_id, snapshot: self.snapshot_id() };
        Decision::Change(Box::new(Self { version: self.version + 1, arming: Some(arming), ..self.clone() }))
    }
}

/// The answer to the first of two.
#[must_use]
pub fn second_person_needed(name: &str) -> Refusal {
    let detail = format!("noted: `{name}` is armed when a second person arms it too, within an hour");
    Refusal { code: "second_person_needed", detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::Options;
    use crate::content::Content;

    #[test]
    fn it_takes_somebody_else_within_the_hour_and_the_same_campaign() {
        let created = Stamp::new("ada", UnixMs(0));
        let draft = Campaign::new("n", Content::english("a", "b"), Options::default(), created);
        assert!(matches!(draft.first_of_two(Stamp::new("ada", UnixMs(0))), Decision::Refuse(_)));
        let ready = Campaign { state: State::Ready, ..draft };
        assert!(!ready.is_second("bea", UnixMs(0)));
        let Decision::Change(noted) = ready.first_of_two(Stamp::new("ada", UnixMs(1_000))) else {
            panic!("it is ready");
        };
        assert_eq!(noted.version, ready.version + 1);
        assert!(noted.is_second("bea", UnixMs(3_601_000)) && !noted.is_second("ada", UnixMs(2_000)));
        assert!(!noted.is_second("bea", UnixMs(3_601_001)), "an hour and a millisecond later");
        let content = Content::english("a", "c");
        let edited = Campaign { content_id: content.id(), content, ..*noted };
        assert!(!edited.is_second("bea", UnixMs(2_000)), "what the first one saw is no more");
    }
}
