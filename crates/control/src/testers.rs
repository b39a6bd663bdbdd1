//! Named lists of testers: an object each. Whoever writes last wins; a list is small and written by hand.

use crate::{Control, ControlError, Who};
use bytes::Bytes;
use common::campaign::{Refusal, RefusalCode, Stamp};
use common::device::{Environment, Platform};
use common::limits::TESTER_LISTS_MAX;
use common::ports::{PortError, PutMode};
use common::test_send::{ListName, Tester, TesterList, keys};
use futures::{StreamExt, TryStreamExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Lists that are read at once (ours): each may have a quarter of a megabyte.
const READ_AT_ONCE: usize = 8;

/// A list as people see it: with hashes instead of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestersView {
    /// Its name.
    pub name: ListName,
    /// Who wrote it last, and when.
    pub changed: Stamp,
    /// Its devices, in the order of the file.
    pub devices: Vec<TesterView>,
}

/// A device of a list as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TesterView {
    /// Whose it is, in words.
    pub person: String,
    /// Its gateway.
    pub platform: Platform,
    /// Hash of its token; the token itself is shown nowhere.
    pub token_hash: String,
    /// Language tag; empty when unknown.
    pub locale: String,
    /// Bundle id or package name; empty when there is one app only.
    pub app: String,
    /// Environment of the token.
    pub environment: Environment,
}

/// A list in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestersBrief {
    /// Its name.
    pub name: ListName,
    /// How many devices it has.
    pub devices: usize,
    /// Who wrote it last, and when.
    pub changed: Stamp,
}

impl From<&TesterList> for TestersView {
    fn from(list: &TesterList) -> Self {
        let device = |t: &Tester| TesterView {
            person: t.person.clone(),
            platform: t.platform,
            token_hash: token_hash(t),
            locale: t.locale.clone(),
            app: t.app.clone(),
            environment: t.environment,
        };
        let devices = list.devices.iter().map(device).collect();
        Self { name: list.name.clone(), changed: list.changed.clone(), devices }
    }
}

/// As it is shown everywhere.
pub(crate) fn token_hash(tester: &Tester) -> String {
    tester.target().map_or_else(|_| "?".to_owned(), |target| format!("{:016x}", target.hash()))
}

impl Control {
    /// Every list, by name. One that can't be read is left out: asked for by itself, it says why.
    ///
    /// # Errors
    /// As the backend says.
    pub async fn tester_lists(&self) -> Result<Vec<TestersBrief>, ControlError> {
        let names = self.list_names().await?;
        let briefs: Vec<_> = names.iter().map(|name| self.brief(name)).collect();
        let briefs = futures::stream::iter(briefs).buffered(READ_AT_ONCE).try_collect::<Vec<_>>().await?;
        Ok(briefs.into_iter().flatten().collect())
    }

    /// `None` where there is nothing to show; one that was removed since is no fault.
    async fn brief(&self, name: &ListName) -> Result<Option<TestersBrief>, ControlError> {
        match self.find_testers(name).await {
            Ok(list) => Ok(list.map(|list| TestersBrief {
                name: list.name,
                devices: list.devices.len(),
                changed: list.changed,
            })),
            Err(ControlError::Port(error @ PortError::Corrupt { .. })) => {
                tracing::warn!(list = %name, %error, "a list of testers can't be read, and is left out");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn list_names(&self) -> Result<Vec<ListName>, ControlError> {
        let objects = self.backend.objects.list(keys::LISTS).await?;
        let name = |key: &str| key.strip_prefix(keys::LISTS)?.strip_suffix(".json")?.parse().ok();
        Ok(objects.iter().filter_map(|o| name(&o.key)).collect())
    }

    /// One list, with its tokens: not for showing.
    ///
    /// # Errors
    /// When there is none of this name.
    pub async fn testers(&self, name: &ListName) -> Result<TesterList, ControlError> {
        self.find_testers(name).await?.ok_or_else(|| {
            ControlError::NotFound(format!(
                "there is no list of testers `{name}`; `owl testers list` shows them"
            ))
        })
    }

    async fn find_testers(&self, name: &ListName) -> Result<Option<TesterList>, ControlError> {
        let Some(bytes) = self.backend.objects.get(&keys::list(name), None).await? else { return Ok(None) };
        // What is wrong is not quoted: there are tokens in it.
        let corrupt = |e: serde_json::Error| {
            let why = format!(
                "the list of testers `{name}` at line {} column {}: put it again",
                e.line(),
                e.column()
            );
            PortError::Corrupt { what: "the object store", why }
        };
        Ok(Some(serde_json::from_slice(&bytes).map_err(corrupt)?))
    }

    /// Makes a list, or replaces the whole of one.
    ///
    /// # Errors
    /// When there are too many lists, or as the backend says.
    pub async fn put_testers(
        self: &Arc<Self>,
        who: &Who,
        name: ListName,
        devices: Vec<Tester>,
    ) -> Result<TesterList, ControlError> {
        let names = self.list_names().await?;
        if names.len() >= TESTER_LISTS_MAX && !names.contains(&name) {
            let detail =
                format!("there are {TESTER_LISTS_MAX} lists of testers, the most allowed: remove one first");
            return Err(Refusal { code: RefusalCode::TooManyLists, detail }.into());
        }
        let changed = Stamp::new(&who.name, self.clock.now());
        let list = TesterList { name, changed, devices };
        self.backend.objects.put(&keys::list(&list.name), json(&list)?, PutMode::Replace).await?;
        let verb = if names.contains(&list.name) { "replaced" } else { "made" };
        let result = format!("`{}` {verb}: {} devices", list.name, list.devices.len());
        self.audit(who, "testers.put", None, result);
        Ok(list)
    }

    /// Removes a list.
    ///
    /// # Errors
    /// When there is none of this name.
    pub async fn remove_testers(self: &Arc<Self>, who: &Who, name: &ListName) -> Result<(), ControlError> {
        let key = keys::list(name);
        if self.backend.objects.head(&key).await?.is_none() {
            return Err(ControlError::NotFound(format!("there is no list of testers `{name}`")));
        }
        self.backend.objects.delete(&key).await?;
        self.audit(who, "testers.remove", None, format!("`{name}` removed"));
        Ok(())
    }
}

/// A record's bytes.
pub(crate) fn json(value: &impl Serialize) -> Result<Bytes, PortError> {
    let unwritable = |e: serde_json::Error| PortError::Invalid { what: "a record", why: e.to_string() };
    serde_json::to_vec(value).map(Bytes::from).map_err(unwritable)
}
