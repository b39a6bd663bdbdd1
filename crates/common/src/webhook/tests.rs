use super::delivery::{LEASE, OPEN_FOR, PAUSE_ASKED_MAX, PAUSES, TOLD_WITHIN};
use super::*;
use std::time::Duration;

const NOW: UnixMs = UnixMs(1_770_000_000_000);

fn delivery() -> Delivery {
    let (hook, campaign) = (HookId(7), CampaignId::random());
    let message = MessageId::of(hook, campaign, Event::Pressed, 3);
    Delivery::new(hook, NOW, message, Event::Pressed, Some(campaign), "{}".to_owned())
}

fn answer(status: u16, retry_after: Option<u64>) -> Came {
    let retry_after = retry_after.map(Duration::from_secs);
    Came::Answer { status, retry_after, text: String::new() }
}

fn next_at(delivery: &Delivery) -> Option<UnixMs> {
    match delivery.progress {
        Progress::Waiting { next_at } => Some(next_at),
        _ => None,
    }
}

#[test]
fn a_message_has_one_id_wherever_it_is_made() {
    let (hook, campaign) = (HookId(7), CampaignId::random());
    let of = |event, number| MessageId::of(hook, campaign, event, number);
    assert_eq!(of(Event::Armed, 1), of(Event::Armed, 1));
    let other = MessageId::of(HookId(8), campaign, Event::Armed, 1);
    let all = [of(Event::Armed, 1), of(Event::Armed, 2), of(Event::Done, 1), other];
    assert_eq!(BTreeSet::from(all).len(), all.len());
    let text = all[0].to_string();
    assert!(text.starts_with("msg_") && text.parse() == Ok(all[0]), "{text}");
    assert!("msg_1".parse::<MessageId>().is_err());
}

#[test]
fn one_claims_and_the_other_waits_for_the_lease() {
    let new = delivery();
    let claimed = new.claim(NOW).unwrap();
    assert_eq!((claimed.version, claimed.attempts), (2, 1));
    assert_eq!(claimed.claim(NOW.plus(LEASE - Duration::from_millis(1))), None);
    let again = claimed.claim(NOW.plus(LEASE)).unwrap();
    assert_eq!((again.version, again.attempts), (3, 2), "whoever had it is dead");
}

#[test]
fn what_is_given_back_has_used_up_no_attempt() {
    let new = delivery();
    let back = new.claim(NOW).unwrap().give_back();
    assert_eq!(back, Delivery { version: 3, ..new });
    assert!(back.claim(NOW).is_some());
}

#[test]
fn a_new_one_is_due_whatever_the_clock_says() {
    assert!(delivery().claim(NOW.minus(Duration::from_secs(3_600))).is_some());
}

#[test]
fn what_fails_is_tried_for_a_day_and_then_given_up() {
    let (mut at, mut delivery, mut pauses) = (NOW, delivery(), Vec::new());
    while let Some(claimed) = delivery.claim(at) {
        delivery = claimed.settle(&answer(500, None), at);
        if let Some(next) = next_at(&delivery) {
            pauses.push(next.since(at));
            assert_eq!(delivery.claim(UnixMs(next.0 - 1)), None);
            at = next;
        }
    }
    assert_eq!(pauses, PAUSES);
    assert_eq!((delivery.attempts, delivery.progress), (11, Progress::GivenUp { at }));
    let day = Duration::from_secs(24 * 3_600);
    assert!(at.since(NOW) < day && at.since(NOW) > day - Duration::from_secs(1_800));
    let longest: Duration = PAUSES.iter().map(|p| *p.max(&PAUSE_ASKED_MAX)).sum();
    assert!(TOLD_WITHIN + longest < OPEN_FOR, "{longest:?}");
    assert!(delivery.last.unwrap().error.unwrap().contains("500"));
}

#[test]
fn a_receiver_may_ask_for_a_longer_pause_within_bounds() {
    let claimed = delivery().claim(NOW).unwrap();
    let after = |asked| next_at(&claimed.settle(&answer(429, Some(asked)), NOW)).unwrap().since(NOW);
    assert_eq!(after(60), Duration::from_secs(60));
    assert_eq!(after(1), PAUSES[0]);
    assert_eq!(after(u64::MAX), PAUSE_ASKED_MAX);
}

#[test]
fn success_gone_and_a_single_attempt_end_it() {
    let claimed = delivery().claim(NOW).unwrap();
    let done = claimed.settle(&answer(204, None), NOW);
    assert_eq!((done.progress, done.held_until), (Progress::Delivered { at: NOW }, None));
    assert_eq!(done.claim(NOW.plus(OPEN_FOR)), None);
    let gone = claimed.settle(&answer(410, None), NOW);
    assert_eq!(gone.progress, Progress::GivenUp { at: NOW });
    let moved = claimed.settle(&answer(301, None), NOW);
    assert!(next_at(&moved).is_some() && moved.last.clone().unwrap().error.unwrap().contains("redirect"));
    let once = claimed.settle_for_good(&Came::Nothing("no route".to_owned()), NOW);
    assert_eq!(once.progress, Progress::GivenUp { at: NOW });
    for row in [delivery(), claimed, done, gone, moved, once] {
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<Delivery>(&text).unwrap(), row);
    }
}

#[test]
fn a_secret_is_kept_and_never_shown() {
    let secret = HookSecret::new([0xab; 32]);
    let text = serde_json::to_string(&secret).unwrap();
    assert!(text.starts_with("\"whsec_") && serde_json::from_str::<HookSecret>(&text).unwrap() == secret);
    let hook = Webhook {
        id: HookId(1),
        version: 1,
        name: "chat".to_owned(),
        url: "https://example.com/hook".to_owned(),
        events: BTreeSet::from(Event::CAMPAIGN),
        secret: secret.clone(),
        created: Stamp::new("ada", NOW),
        disabled: None,
    };
    assert!(!format!("{hook:?}").contains(&secret.expose()[6..]));
    assert!(serde_json::from_str::<HookSecret>("\"whsec_q6ur\"").unwrap_err().to_string().contains("32"));
    assert!(hook.wants(Event::Done, NOW) && !hook.wants(Event::Done, UnixMs(NOW.0 - 1)));
    assert!(!hook.wants(Event::Test, NOW));
    let gone = hook.disable(NOW, "410").unwrap();
    assert!(!gone.wants(Event::Done, NOW) && gone.disable(NOW, "410").is_none());
}

#[test]
fn events_have_short_names_too() {
    assert_eq!("done".parse(), Ok(Event::Done));
    assert_eq!("campaign.half".parse(), Ok(Event::Half));
    assert!("webhook.test".parse::<Event>().unwrap_err().contains("campaign.armed"));
    for event in Event::CAMPAIGN {
        assert_eq!(serde_json::to_value(event).unwrap(), event.label());
    }
}
