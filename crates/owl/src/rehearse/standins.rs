//! The stand-in gateways of a rehearsal, one process or several: set together, and read as if they were one.

use anyhow::{Context, bail, ensure};
use loadtest::gateways::journal::{Journal, Summary};
use loadtest::gateways::{AdminClient, AdminError, Behaviour, GatewayInfo, ServerKind};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;

/// An admin listener answers within this; it may be at the other end of a tunnel.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// The same while somebody waits for the end.
const HURRIED_WITHIN: Duration = Duration::from_secs(3);
/// A whole journal, which has 24 bytes a device.
const JOURNAL_WITHIN: Duration = Duration::from_secs(600);

/// Held while they are set, so that an interruption has the last word.
static SETTING: Mutex<()> = Mutex::new(());

/// Running stand-ins, by their admin listeners.
pub(super) struct StandIns {
    runtime: Runtime,
    all: Vec<(String, AdminClient)>,
}

impl StandIns {
    /// Those at these addresses: `http://host:port`.
    pub(super) fn new(addresses: &[String]) -> anyhow::Result<Self> {
        for address in addresses {
            let authority = address.trim_end_matches('/');
            let authority = authority.strip_prefix("http://").unwrap_or(authority);
            ensure!(
                !authority.contains('/') && authority.contains(':'),
                "--gateways `{address}` is not the address of an admin listener such as http://127.0.0.1:9000: `admin` of what `owl gateways` prints"
            );
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let all = addresses.iter().map(|address| (address.clone(), AdminClient::new(address))).collect();
        Ok(Self { runtime, all })
    }

    /// Their addresses.
    pub(super) fn addresses(&self) -> Vec<String> {
        self.all.iter().map(|(address, _)| address.clone()).collect()
    }

    /// What answers there; refuses those that keep no journal.
    pub(super) fn mode(&self) -> anyhow::Result<String> {
        let infos: Vec<GatewayInfo> =
            self.each(ANSWERS_WITHIN, &async |admin| admin.get_json("/v1/info").await)?;
        if let Some(((address, _), _)) =
            self.all.iter().zip(&infos).find(|(_, info)| info.mode == ServerKind::Sink)
        {
            bail!(
                "the gateways at {address} are a sink, which keeps no journal: start them without --mode sink"
            );
        }
        let mut modes: Vec<_> = infos.iter().map(|info| format!("{:?}", info.mode).to_lowercase()).collect();
        modes.dedup();
        Ok(modes.join(", "))
    }

    /// How they behave.
    pub(super) fn behaviours(&self) -> anyhow::Result<Vec<Behaviour>> {
        self.each(ANSWERS_WITHIN, &async |admin| admin.behaviour().await)
    }

    /// Has each behave as it did.
    pub(super) fn set_back(&self, behaviours: &[Behaviour]) -> anyhow::Result<()> {
        self.set_back_within(behaviours, ANSWERS_WITHIN)
    }

    /// The same when interrupted: by new connections, quickly. Answers what to say of it.
    pub(super) fn set_back_now(addresses: &[String], behaviours: &[Behaviour]) -> String {
        // Never unlocked: from here on nobody sets them otherwise.
        std::mem::forget(SETTING.lock().unwrap_or_else(PoisonError::into_inner));
        let set = Self::new(addresses).and_then(|all| {
            let set = all.set_back_within(behaviours, HURRIED_WITHIN);
            // A name that is still looked up is not waited for.
            all.runtime.shutdown_background();
            set
        });
        match set {
            Ok(()) => "The stand-ins behave as before again.".to_owned(),
            Err(error) => {
                format!("Not all stand-ins behave as before again ({error:#}): start those anew.")
            }
        }
    }

    /// Each of them, also when one can't be reached; all that can't are named.
    fn set_back_within(&self, behaviours: &[Behaviour], within: Duration) -> anyhow::Result<()> {
        let mut wrong = Vec::new();
        for ((address, admin), behaviour) in self.all.iter().zip(behaviours) {
            if let Err(error) = self.ask(address, within, admin.set_behaviour(behaviour)) {
                wrong.push(format!("{error:#}"));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("; "));
        Ok(())
    }

    /// Has all behave in this way.
    pub(super) fn set(&self, behaviour: &Behaviour) -> anyhow::Result<()> {
        let _held = SETTING.lock().unwrap_or_else(PoisonError::into_inner);
        self.each(ANSWERS_WITHIN, &async |admin| admin.set_behaviour(behaviour).await).map(drop)
    }

    /// Forgets what was sent to them.
    pub(super) fn reset(&self) -> anyhow::Result<()> {
        self.each(ANSWERS_WITHIN, &async |admin| admin.reset().await).map(drop)
    }

    /// How many devices have an answer so far. Of several stand-ins: at least so many answers.
    pub(super) fn answered(&self) -> anyhow::Result<u64> {
        let said = self.each(ANSWERS_WITHIN, &async |admin| admin.summary().await)?;
        Ok(said.iter().map(|said| said.accepted_devices + said.rejected_devices).sum())
    }

    /// What they were sent, all in all. What two of them accepted was accepted twice, which only their journals show.
    pub(super) fn summary(&self) -> anyhow::Result<Summary> {
        let mut said = self.each(ANSWERS_WITHIN, &async |admin| admin.summary().await)?;
        let overflow = said.iter().map(|said| said.overflow).sum();
        match (said.pop(), said.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Ok(Summary { overflow, ..self.journal()?.summary() }),
        }
    }

    /// What they were sent, device by device.
    pub(super) fn journal(&self) -> anyhow::Result<Journal> {
        let all = self.each(JOURNAL_WITHIN, &async |admin| admin.journal().await)?;
        Ok(Journal::together(all))
    }

    /// Asks all of them, one after the other.
    fn each<T>(
        &self,
        within: Duration,
        ask: &impl AsyncFn(&AdminClient) -> Result<T, AdminError>,
    ) -> anyhow::Result<Vec<T>> {
        self.all.iter().map(|(address, admin)| self.ask(address, within, ask(admin))).collect()
    }

    fn ask<T>(
        &self,
        address: &str,
        within: Duration,
        asked: impl Future<Output = Result<T, AdminError>>,
    ) -> anyhow::Result<T> {
        let fail = || format!("cannot reach the gateways' process at {address}");
        let answer = self.runtime.block_on(async { tokio::time::timeout(within, asked).await });
        answer.with_context(fail)?.with_context(fail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_that_cannot_be_set_back_is_named() {
        // Nobody listens there.
        let addresses = ["http://127.0.0.1:1", "http://127.0.0.1:2"].map(str::to_owned);
        let standins = StandIns::new(&addresses).unwrap();
        let error = standins.set_back(&[Behaviour::default(), Behaviour::default()]).unwrap_err().to_string();
        assert!(addresses.iter().all(|address| error.contains(address.as_str())), "{error}");
    }
}
