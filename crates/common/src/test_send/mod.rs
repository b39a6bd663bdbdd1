//! A test send: what a campaign says, to a short list of named devices, before anybody presses. The words that the API
//! and the push workers share, and where its records lie. It has no part in the ledger, the counters or the campaign's
//! record (docs/adr/0008-test-send.md).

mod envelope;
mod lists;

pub use envelope::TestEnvelope;
pub use lists::{ListName, Tester, TesterList};

use crate::campaign::{Campaign, Refusal, RefusalCode, Stamp, State};
use crate::device::{Environment, Platform};
use crate::ids::{CampaignId, WorkerId, clip};
use crate::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One test send. Written as a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TestId(pub uuid::Uuid);

impl TestId {
    /// A new id, different from all others.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4())
    }

    /// The collapse id of its notifications: another than the real ones', so that a phone never takes one for the other;
    /// and never longer, so that what fits in a test fits on the evening and the other way round.
    #[must_use]
    pub fn collapse_id(self, real: &str) -> String {
        let own = self.0.simple().to_string();
        let cut = &own[..own.len().min(real.len()).max(1)];
        // A short one may meet the real one by chance.
        if cut == real {
            cut.chars().map(|c| if c == 't' { 's' } else { 't' }).collect()
        } else {
            cut.to_owned()
        }
    }
}

impl fmt::Display for TestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Text that is no test's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a test send")]
pub struct BadTestId(String);

impl FromStr for TestId {
    type Err = BadTestId;
    fn from_str(s: &str) -> Result<Self, BadTestId> {
        uuid::Uuid::try_parse(s).map(Self).map_err(|_| BadTestId(clip(s)))
    }
}

/// What became of one device in a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The gateway took it.
    Accepted,
    /// Dry run: the gateway found it good, and sent nothing.
    Valid,
    /// Dry run: rendered and checked here; no gateway was asked.
    Checked,
    /// The real campaign would leave it out, so the test did.
    LeftOut,
    /// The token is dead.
    Unregistered,
    /// The gateway does not know such a token.
    BadDeviceToken,
    /// The token belongs to another app.
    TokenNotForTopic,
    /// The token belongs to another Firebase project.
    SenderIdMismatch,
    /// Too large for the gateway.
    PayloadTooLarge,
    /// Refused for another fault of the request.
    BadRequest,
    /// Too many of late.
    Throttled,
    /// The gateway could not do it just now.
    GatewayUnavailable,
    /// Our credentials or configuration are refused.
    Misconfigured,
    /// Written, and never answered: it may arrive.
    NoAnswer,
    /// Nothing was written to the gateway.
    NotSent,
    /// The push worker has no such gateway.
    NoGateway,
    /// An answer that neither vendor documents.
    Unknown,
}

impl Verdict {
    /// Whether all is as it should be.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Accepted | Self::Valid | Self::Checked)
    }
}

/// A device of a test, as it was asked for. No token: a hash of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedDevice {
    /// Whose it is, in words.
    pub person: String,
    /// Its gateway.
    pub platform: Platform,
    /// Hash of its token, as everywhere.
    pub token_hash: String,
    /// Its language tag; empty when unknown.
    pub locale: String,
    /// Language tag of the text that it gets; empty for a silent campaign.
    pub text: String,
    /// Why the real campaign would leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// A test as it was asked for: the first of its three records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The list.
    pub list: ListName,
    /// Nothing is to reach a phone.
    pub dry_run: bool,
    /// Who asked, and when.
    pub asked: Stamp,
    /// No worker takes it after this, give or take its clock.
    pub take_by: UnixMs,
    /// The devices, in the list's order. The envelope has those that are not left out, in the same order.
    pub devices: Vec<AskedDevice>,
}

/// Who took a test: the second record, put only where none is. Whoever puts it has the test; nobody else sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The push worker; `None`: its time was over, and nobody may take it any more.
    pub worker: Option<WorkerId>,
    /// When.
    pub at: UnixMs,
}

/// What was said about one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its place in the envelope.
    pub place: u16,
    /// What it comes to.
    pub verdict: Verdict,
    /// HTTP status of the gateway's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The gateway's own word for the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The gateway's id of the notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_id: Option<String>,
    /// Milliseconds from the beginning of the sending to the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
}

/// What a test came to: the third record, by the worker that took it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// The push worker.
    pub worker: WorkerId,
    /// When it was over.
    pub at: UnixMs,
    /// Everything that it could reach is a stand-in.
    pub rehearsal: bool,
    /// Why nothing was done at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What is wrong with a gateway as a whole, in words for people.
    pub trouble: Vec<(Platform, String)>,
    /// Every device of the envelope.
    pub devices: Vec<Told>,
}

/// Where the records and lists lie in the object store.
pub mod keys {
    use super::{CampaignId, ListName, TestId};

    /// All lists.
    pub const LISTS: &str = "testers/";

    /// One list.
    #[must_use]
    pub fn list(name: &ListName) -> String {
        format!("{LISTS}{name}.json")
    }

    /// What was asked for.
    #[must_use]
    pub fn asked(campaign: CampaignId, test: TestId) -> String {
        format!("campaigns/{campaign}/tests/{test}/asked.json")
    }

    /// Who took it.
    #[must_use]
    pub fn taken(campaign: CampaignId, test: TestId) -> String {
        format!("campaigns/{campaign}/tests/{test}/taken.json")
    }

    /// What it came to.
    #[must_use]
    pub fn outcomes(campaign: CampaignId, test: TestId) -> String {
        format!("campaigns/{campaign}/tests/{test}/outcomes.json")
    }
}

impl Campaign {
    /// Whether its content may go to testers now: before the press.
    ///
    /// # Errors
    /// Says why not, and what to do instead.
    pub fn may_test(&self) -> Result<(), Refusal> {
        let why = match self.state {
            State::Draft | State::Building | State::Failed | State::Ready | State::Armed => return Ok(()),
            State::Sending | State::Stopping | State::Stopped => "has been pressed: it goes out as it is",
            State::Done => "is finished",
        };
        let detail = format!(
            "`{}` {why}; a test is for before the press (`owl campaign clone` makes a copy)",
            self.name
        );
        Err(Refusal { code: RefusalCode::TooLateToTest, detail })
    }

    /// Why its snapshot would leave this device out; `None` when it would not.
    #[must_use]
    pub fn leaves_out(&self, device: &Tester) -> Option<String> {
        let options = &self.options;
        let environment = |e| match e {
            Environment::Production => "production",
            Environment::Sandbox => "sandbox",
        };
        if let Some(app) = options.app.as_deref().filter(|app| *app != device.app) {
            return Some(format!(
                "the campaign is for the app `{app}`, this device is registered for `{}`",
                device.app
            ));
        }
        (options.environment != device.environment).then(|| {
            let (wanted, has) = (environment(options.environment), environment(device.environment));
            format!("the campaign is for {wanted} devices, this one is {has}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::tests::in_state;

    #[test]
    fn a_collapse_id_differs_from_the_real_one_and_is_no_longer() {
        let test = TestId::random();
        let campaign = CampaignId::random().to_string();
        for real in ["a", "t", "tt", "evening", campaign.as_str(), &"x".repeat(64)] {
            let own = test.collapse_id(real);
            assert!(own != real && !own.is_empty() && own.len() <= real.len(), "{real}: {own}");
        }
        let own = test.0.simple().to_string();
        assert_ne!(test.collapse_id(&own), own);
        assert_ne!(test.collapse_id(&own[..4]), own[..4]);
    }

    #[test]
    fn it_is_for_before_the_press() {
        let may: Vec<_> = State::ALL.into_iter().filter(|s| in_state(*s).may_test().is_ok()).collect();
        assert_eq!(may, [State::Draft, State::Building, State::Failed, State::Ready, State::Armed]);
    }
}
