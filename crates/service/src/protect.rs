//! ECS task protection: while the fleet's campaign is armed, sending or stopping, this task asks ECS not to choose it
//! when it scales in or deploys. It is a wish beside the refusal of `owl fleet scale`: when it fails, that is only said.

use common::campaign::{Campaign, State};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Set by ECS in each of its tasks.
const AGENT: &str = "ECS_AGENT_URI";
/// How often the campaign is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Protection ends by itself after this, should this process hang.
const EXPIRES_MINUTES: u32 = 15;
/// A live protection is asked for again after this.
const RENEW_EVERY: Duration = Duration::from_secs(5 * 60);
/// A request that failed is made again after this.
const RETRY_EVERY: Duration = Duration::from_secs(20);
/// Longest wait for the agent, which is on the same host.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Keeps the protection as the campaign wants it, until `shutdown`; then releases it. Does nothing outside ECS.
pub async fn keep(shutdown: CancellationToken, campaign: impl Fn() -> Option<State>) {
    match std::env::var(AGENT) {
        Ok(agent) if !agent.is_empty() => keep_at(&agent, shutdown, campaign).await,
        _ => {
            tracing::debug!("no ECS agent, no task protection");
            shutdown.cancelled().await;
        }
    }
}

/// Whether a task must not be taken away while its fleet's campaign is in this state.
#[must_use]
pub fn is_wanted(state: Option<State>) -> bool {
    matches!(state, Some(State::Armed | State::Sending | State::Stopping))
}

/// The state of a campaign that may not be there.
#[must_use]
pub fn state(campaign: Option<&Campaign>) -> Option<State> {
    campaign.map(|c| c.state)
}

async fn keep_at(agent: &str, shutdown: CancellationToken, campaign: impl Fn() -> Option<State>) {
    let (mut keeper, began) = (Keeper::default(), Instant::now());
    while !shutdown.is_cancelled() {
        let wanted = is_wanted(campaign());
        if keeper.is_due(wanted, began.elapsed()) {
            let told = tell(agent.to_owned(), wanted).await;
            keeper.told(wanted, &told, began.elapsed());
            match told {
                Ok(()) => tracing::info!(protected = wanted, "task protection set"),
                Err(error) => tracing::warn!(protected = wanted, error, "task protection not set"),
            }
        }
        let _ = tokio::time::timeout(LOOK_EVERY, shutdown.cancelled()).await;
    }
    if keeper.set == Some(true)
        && let Err(error) = tell(agent.to_owned(), false).await
    {
        tracing::warn!(error, "task protection not released; it ends by itself");
    }
}

/// When to ask. Pure.
#[derive(Debug, Default)]
struct Keeper {
    /// What the agent was last told, with success.
    set: Option<bool>,
    next_at: Duration,
    wanted: bool,
}

impl Keeper {
    fn is_due(&mut self, wanted: bool, now: Duration) -> bool {
        let changed = std::mem::replace(&mut self.wanted, wanted) != wanted;
        let idle = !wanted && self.set != Some(true);
        !idle && (changed || now >= self.next_at)
    }

    fn told(&mut self, wanted: bool, told: &Result<(), String>, now: Duration) {
        if told.is_ok() {
            self.set = Some(wanted);
        }
        self.next_at = now + if told.is_ok() { RENEW_EVERY } else { RETRY_EVERY };
    }
}

async fn tell(agent: String, protected: bool) -> Result<(), String> {
    let call = move || {
        let (status, body) = put(&agent, protected).map_err(|e| e.to_string())?;
        judge(status, &body)
    };
    tokio::task::spawn_blocking(call).await.unwrap_or_else(|e| Err(e.to_string()))
}

fn put(agent: &str, protected: bool) -> Result<(u16, Value), ureq::Error> {
    let url = format!("{}/task-protection/v1/state", agent.trim_end_matches('/'));
    let body = if protected {
        json!({ "ProtectionEnabled": true, "ExpiresInMinutes": EXPIRES_MINUTES })
    } else {
        json!({ "ProtectionEnabled": false })
    };
    let config =
        ureq::Agent::config_builder().timeout_global(Some(ANSWER_WITHIN)).http_status_as_error(false);
    let mut answer = ureq::Agent::new_with_config(config.build()).put(url).send_json(body)?;
    Ok((answer.status().as_u16(), answer.body_mut().read_json().unwrap_or(Value::Null)))
}

/// The agent may answer 200 and still not have done it: then there is a `failure` in place of the `protection` (AWS:
/// "Amazon ECS task scale-in protection endpoint").
fn judge(status: u16, body: &Value) -> Result<(), String> {
    let word = |of: &str, key: &str| body[of][key].as_str().map(str::to_owned);
    let failure = word("failure", "Reason").or_else(|| word("error", "Code"));
    match failure {
        Some(reason) => {
            let detail = word("failure", "Detail").or_else(|| word("error", "Message")).unwrap_or_default();
            Err(format!("{status} {reason}: {detail}"))
        }
        None if (200..300).contains(&status) => Ok(()),
        None => Err(format!("the agent answered {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn it_is_asked_for_renewed_and_released() {
        let mut keeper = Keeper::default();
        assert!(!keeper.is_due(false, S), "at rest nobody is asked");
        assert!(keeper.is_due(true, 2 * S));
        keeper.told(true, &Ok(()), 2 * S);
        assert!(!keeper.is_due(true, 100 * S));
        assert!(keeper.is_due(true, 302 * S), "renewed before it expires");
        keeper.told(true, &Ok(()), 302 * S);
        assert!(keeper.is_due(false, 303 * S));
        keeper.told(false, &Ok(()), 303 * S);
        assert!(!keeper.is_due(false, 10_000 * S));
        assert!(RENEW_EVERY * 2 < S * 60 * EXPIRES_MINUTES);
    }

    #[test]
    fn an_answer_of_200_may_be_a_failure() {
        assert_eq!(judge(200, &json!({ "protection": { "ProtectionEnabled": true } })), Ok(()));
        let failure = json!({ "failure": { "Reason": "DEPLOYMENT_BLOCKED", "Detail": "why" } });
        assert_eq!(judge(200, &failure), Err("200 DEPLOYMENT_BLOCKED: why".to_owned()));
        let error = json!({ "error": { "Code": "AccessDeniedException", "Message": "no" } });
        assert_eq!(judge(400, &error), Err("400 AccessDeniedException: no".to_owned()));
        assert!(judge(500, &Value::Null).is_err());
    }

    #[test]
    fn what_failed_is_tried_again_and_not_without_pause() {
        let mut keeper = Keeper::default();
        assert!(keeper.is_due(true, S));
        keeper.told(true, &Err("no".into()), S);
        assert!(!keeper.is_due(true, 20 * S));
        assert!(keeper.is_due(true, 21 * S));
        keeper.told(true, &Err("no".into()), 21 * S);
        assert!(!keeper.is_due(false, 22 * S), "what was never set needs no release");
    }
}
