//! Making, removing and trying webhooks: written to the table, and noted in the audit trail without what may be secret.

use crate::App;
use crate::problem::{Code, Problem};
use ::webhooks::{Target, Tried};
use common::campaign::Stamp;
use common::ports::Written;
use common::webhook::{Came, Event, HookId, HookSecret, Webhook};
use control::Who;
use rand::TryRng;
use rand::rngs::SysRng;
use std::collections::BTreeSet;
use std::time::Duration;

/// Webhooks at most (ours): each has a message for each event, and a log.
const WEBHOOKS_MAX: usize = 20;
/// How often a new id is tried.
const TRIES: usize = 5;

/// Tests of one webhook in an hour (ours). They stand in its log, of which the newest 2,000 lines are looked at for what
/// waits: in the 70 hours that something may wait, tests are 1,400.
const TESTS_AN_HOUR: usize = 20;
const HOUR: Duration = Duration::from_secs(3_600);
/// Lines of the log that are read to count them.
const LOG_READ_MAX: usize = 1_000;

/// What somebody wants to be told, and where; checked.
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) events: BTreeSet<Event>,
}

/// Makes a webhook.
pub(crate) async fn make(app: &App, who: &Who, wanted: Wanted) -> Result<Webhook, Problem> {
    let target = Target::parse(&wanted.url, &app.config.webhooks);
    let target = target.map_err(|why| Problem::bad_field("url", why))?;
    let webhooks = &app.control.backend().webhooks;
    if webhooks.list().await?.len() >= WEBHOOKS_MAX {
        let why = format!("there are {WEBHOOKS_MAX} webhooks already: remove one (`owl webhook remove`)");
        return Err(Problem::new(Code::TooManyWebhooks, why));
    }
    for _ in 0..TRIES {
        let hook = Webhook {
            id: HookId::random(),
            version: 1,
            name: wanted.name.clone(),
            url: wanted.url.clone(),
            events: wanted.events.clone(),
            secret: secret()?,
            created: Stamp::new(&who.name, app.control.clock().now()),
            disabled: None,
        };
        if webhooks.put_new(&hook).await? == Written::Yes {
            let events: Vec<_> = hook.events.iter().map(|event| event.label()).collect();
            let (id, name, origin) = (hook.id, &hook.name, target.origin());
            let result = format!("none -> `{name}` ({id}) at {origin}: {}", events.join(", "));
            app.control.audit(who, "webhook.create", None, result);
            return Ok(hook);
        }
    }
    Err(Problem::new(Code::Busy, "no new id was free; try again"))
}

fn secret() -> Result<HookSecret, Problem> {
    let mut bits = [0; 32];
    let made = SysRng.try_fill_bytes(&mut bits);
    made.map_err(|e| Problem::internal(format!("the system gives no random bits: {e}")))?;
    Ok(HookSecret::new(bits))
}

/// The webhook with this id.
pub(crate) async fn one(app: &App, id: HookId) -> Result<Webhook, Problem> {
    let found = app.control.backend().webhooks.get(id).await?;
    found.ok_or_else(|| Problem::not_found("there is no webhook with this id; `owl webhook list` shows them"))
}

/// Removes a webhook. What was waiting for it is not sent.
pub(crate) async fn remove(app: &App, who: &Who, id: HookId) -> Result<Webhook, Problem> {
    let hook = one(app, id).await?;
    app.control.backend().webhooks.remove(id).await?;
    app.control.audit(who, "webhook.remove", None, format!("`{}` ({id}) -> removed", hook.name));
    Ok(hook)
}

async fn check_tests(app: &App, id: HookId) -> Result<(), Problem> {
    let now = app.control.clock().now();
    let log = app.control.backend().webhooks.deliveries(id, now.minus(HOUR), LOG_READ_MAX).await?;
    // Newest first.
    let mut tests = log.iter().filter(|row| row.event == Event::Test);
    let Some(oldest) = tests.nth(TESTS_AN_HOUR - 1) else { return Ok(()) };
    let wait_s = oldest.at.plus(HOUR).since(now).as_secs() + 1;
    let why = format!("it was tried {TESTS_AN_HOUR} times in the last hour: wait, or look at its log");
    let problem = Problem::new(Code::TooManyTests, why);
    Err(Problem { retry_after_s: u16::try_from(wait_s).ok(), ..problem })
}

/// Sends a test message now.
pub(crate) async fn test(app: &App, who: &Who, id: HookId) -> Result<Tried, Problem> {
    let hook = one(app, id).await?;
    check_tests(app, id).await?;
    let tried = app.notifier.test(&hook, &who.name).await?;
    let came = match &tried.came {
        Came::Answer { status, .. } => status.to_string(),
        Came::Nothing(_) => "no answer".to_owned(),
    };
    app.control.audit(who, "webhook.test", None, format!("`{}` ({id}): {came}", hook.name));
    Ok(tried)
}
