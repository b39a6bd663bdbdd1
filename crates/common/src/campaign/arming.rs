//! An arming that takes two people: the first one's wish is noted, the second one's arms.

use super::{Campaign, Decision, Options, Refusal, RefusalCode, Stamp, State};
use crate::fleet::Expect;
use crate::ids::{ContentId, SnapshotId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a first person's wish waits for a second.
const WAITS: Duration = Duration::from_secs(3_600);

/// Somebody wants it armed as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Arming {
    /// Who, and when.
    pub stamp: Stamp,
    /// The content that was looked at.
    pub content: ContentId,
    /// The snapshot that was looked at.
    pub snapshot: Option<SnapshotId>,
    /// How it was to be sent.
    #[serde(default)]
    pub options: Options,
    /// The fleet that was asked for.
    #[serde(default)]
    pub expect: Expect,
    /// Checks that were to be overridden, with the reason given.
    #[serde(default)]
    pub overrides: BTreeMap<String, String>,
}

impl Campaign {
    fn wish(&self, stamp: Stamp, expect: &Expect, overrides: &BTreeMap<String, String>) -> Arming {
        Arming {
            stamp,
            content: self.content_id,
            snapshot: self.snapshot.as_ref().map(|s| s.id),
            options: self.options.clone(),
            expect: expect.clone(),
            overrides: overrides.clone(),
        }
    }

    /// Whether somebody else wanted it armed within the hour, as it is now, and in this very way.
    #[must_use]
    pub fn is_second(&self, second: &Stamp, expect: &Expect, overrides: &BTreeMap<String, String>) -> bool {
        self.arming.as_ref().is_some_and(|first| {
            let same = *first == self.wish(first.stamp.clone(), expect, overrides);
            same && first.stamp.by != second.by && second.at.since(first.stamp.at) <= WAITS
        })
    }

    /// Notes that this person wants it armed.
    #[must_use]
    pub fn first_of_two(
        &self,
        stamp: Stamp,
        expect: &Expect,
        overrides: &BTreeMap<String, String>,
    ) -> Decision {
        if self.state != State::Ready {
            return Decision::Refuse(second_person_needed(&self.name));
        }
        let arming = Some(self.wish(stamp, expect, overrides));
        Decision::Change(Box::new(Self { version: self.version + 1, arming, ..self.clone() }))
    }
}

/// The answer to the first of two.
#[must_use]
pub fn second_person_needed(name: &str) -> Refusal {
    let detail = format!("noted: `{name}` is armed when a second person arms it too, within an hour");
    Refusal { code: RefusalCode::SecondPersonNeeded, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::time::UnixMs;

    #[test]
    fn it_takes_somebody_else_within_the_hour_and_the_same_campaign() {
        let at = |by, ms| Stamp::new(by, UnixMs(ms));
        let (usual, none) = (Expect::default(), BTreeMap::new());
        let draft = Campaign::new("n", Content::english("a", "b"), Options::default(), at("ada", 0));
        assert!(matches!(draft.first_of_two(at("ada", 0), &usual, &none), Decision::Refuse(_)));
        let ready = Campaign { state: State::Ready, ..draft };
        assert!(!ready.is_second(&at("bea", 0), &usual, &none));
        let noted = changed(ready.first_of_two(at("ada", 1_000), &usual, &none));
        assert_eq!(noted.version, ready.version + 1);
        let second = |c: &Campaign, by, ms| c.is_second(&at(by, ms), &usual, &none);
        assert!(second(&noted, "bea", 3_601_000) && !second(&noted, "ada", 2_000));
        assert!(!second(&noted, "bea", 3_601_001), "an hour and a millisecond later");
        // What the first one saw is no more, or it was to be armed in another way.
        let content = Content::english("a", "c");
        assert!(!second(&Campaign { content_id: content.id(), content, ..noted.clone() }, "bea", 2_000));
        let options = Options { deadline_ms: 1_000, ..Options::default() };
        assert!(!second(&Campaign { options, ..noted.clone() }, "bea", 2_000));
        let fewer = Expect { percent: 10, ..Expect::default() };
        assert!(!noted.is_second(&at("bea", 2_000), &fewer, &none));
        let over = BTreeMap::from([("queues_empty".to_owned(), "they are".to_owned())]);
        assert!(!noted.is_second(&at("bea", 2_000), &usual, &over));
    }

    #[test]
    fn a_wish_is_taken_back_by_disarming_and_by_any_edit() {
        let at = Stamp::new("ada", UnixMs(0));
        let draft = Campaign::new("n", Content::english("a", "b"), Options::default(), at.clone());
        let ready = Campaign { state: State::Ready, ..draft };
        let noted = changed(ready.first_of_two(at, &Expect::default(), &BTreeMap::new()));
        assert_eq!(ready.disarm(), Decision::Same);
        let disarmed = changed(noted.disarm());
        assert_eq!((disarmed.state, disarmed.arming, disarmed.epoch), (State::Ready, None, noted.epoch));
        assert_eq!(changed(noted.edit(Some("m".to_owned()), None, None)).arming, None);
    }

    fn changed(decision: Decision) -> Campaign {
        match decision {
            Decision::Change(next) => *next,
            other => panic!("{other:?}"),
        }
    }
}
