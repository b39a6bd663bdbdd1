//! What a test's verdicts mean, in sentences that say what to do.

use super::report::TestState;
use common::device::Platform;
use common::limits::TEST_TAKEN_WITHIN;
use common::test_send::{Asked, Told, Verdict};

/// A dry run without a list.
pub(super) const RENDERED_ONLY: &str = "rendered and measured only: no gateway was asked (Apple has no dry run, and Google's \
    needs a device: give a list)";

/// The test as a whole.
pub(super) fn whole(state: TestState, asked: &Asked, good: usize, refused: Option<&str>) -> String {
    let all = asked.devices.len();
    match (state, refused) {
        (TestState::Waiting, _) => "waiting for a push worker to take it".to_owned(),
        (TestState::Sending, _) => "a push worker is at it".to_owned(),
        (TestState::NotTaken, _) => format!(
            "no push worker took it within {} s: nothing was sent; `owl fleet status` shows the workers, `owl fleet scale` \
             starts some",
            TEST_TAKEN_WITHIN.as_secs()
        ),
        (TestState::Lost, _) => {
            "the push worker that took it said nothing more: some devices may have got it; look at \
            `owl fleet status`, then send the test again"
                .to_owned()
        }
        (TestState::Done, Some(why)) => format!("nothing was sent: {why}"),
        (TestState::Done, None) if asked.dry_run => {
            format!("dry run: {good} of {all} devices are good, and nothing was sent to a phone")
        }
        (TestState::Done, None) => format!("{good} of {all} devices accepted by Apple and Google"),
    }
}

/// A device that nothing is known of yet, or any more.
pub(super) fn open(state: TestState) -> &'static str {
    match state {
        TestState::Waiting | TestState::Sending => "not known yet",
        TestState::NotTaken => "nothing was sent to it",
        TestState::Lost | TestState::Done => "not known: it may have got it",
    }
}

/// One device.
pub(super) fn device(platform: Platform, told: &Told, trouble: Option<&str>) -> String {
    let gateway = match platform {
        Platform::Apns => "Apple",
        Platform::Fcm => "Google",
    };
    let because = trouble.map_or_else(String::new, |why| format!(" ({why})"));
    match told.verdict {
        Verdict::Accepted => format!("accepted by {gateway}: look at the phone"),
        Verdict::Valid => format!("{gateway} finds it good, and sent nothing"),
        Verdict::Checked => "not sent: Apple has no dry run; text, size, headers, token's form and key are good, and Apple is \
            within reach"
            .to_owned(),
        Verdict::LeftOut => "left out".to_owned(),
        Verdict::Unregistered => "the token is dead: the app was removed, or has another token by now; open the app there and \
            put its new token on the list"
            .to_owned(),
        Verdict::BadDeviceToken => format!(
            "{gateway} knows no such token: it is mistyped, or of the other environment (a development build's token is a \
             sandbox one)"
        ),
        Verdict::TokenNotForTopic => {
            "the token belongs to another app than the one that is sent to (the bundle id in the configuration's `topic`): \
             take the token from the right app"
                .to_owned()
        }
        Verdict::SenderIdMismatch => {
            "the token belongs to another Firebase project: take it from the app that is built for this one".to_owned()
        }
        Verdict::PayloadTooLarge => format!("too large for {gateway}: shorten the text or the data"),
        Verdict::BadRequest => {
            format!("{gateway} refuses the request as such: the same would happen to everybody; show the reason to an engineer")
        }
        Verdict::Throttled => format!("{gateway} wants a pause: wait a minute, then send the test again"),
        Verdict::GatewayUnavailable => format!("{gateway} could not do it just now: send the test again"),
        Verdict::Misconfigured => {
            format!("{gateway} refuses our credentials: the same would happen to everybody; an SRE must correct them{because}")
        }
        Verdict::NoAnswer => format!("written, and {gateway} did not answer in time: it may arrive; send the test again"),
        Verdict::NotSent => format!("not sent: {gateway} was not reached{because}"),
        Verdict::NoGateway => format!("not sent{because}: an SRE must configure {gateway}'s gateway"),
        Verdict::Unknown => format!("{gateway} answered something unknown: show status and reason to an engineer"),
    }
}
