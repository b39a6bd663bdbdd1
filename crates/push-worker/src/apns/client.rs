//! [`Gateway`] for APNs: renders once, then turns groups of pushes into groups of requests.

use super::auth::{Credential, ProviderTokens};
use super::config::ApnsSetup;
use super::request::{Paths, campaign_headers, is_ours, template};
use super::response::{answer, said};
use crate::gateway::{Answer, Answered, Gateway, MaySend, Prepare, Push, Said, Trial};
use crate::transport::ear::Ear;
use crate::transport::group;
use async_trait::async_trait;
use common::device::Platform;
use common::fleet::LinkRow;
use common::time::{Clock, UnixMs};
use http::HeaderMap;
use payload::Rendered;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use wire::Template;
use wire::driver::{Pool, PoolState, Shape, Terms};

/// APNs, for one lane. Lives inside a `LocalSet`.
pub struct ApnsGateway {
    setup: Arc<ApnsSetup>,
    clock: Arc<dyn Clock>,
    pool: RefCell<Option<Rc<Pool>>>,
    prepared: RefCell<Option<Rc<Prepared>>>,
    trouble: RefCell<Option<String>>,
    /// It is a twin.
    ear: Option<Ear>,
}

struct Prepared {
    rendered: Rendered,
    headers: HeaderMap,
    pool: Rc<Pool>,
    /// The newest template, and of which token and deadline it is.
    template: RefCell<Option<(u64, UnixMs, Rc<Template>)>>,
}

const NO_TOKEN: &str = "no provider token can be signed with the key file";

impl ApnsGateway {
    /// A gateway that has no connections yet: [`Gateway::prepare`] opens them.
    #[must_use]
    pub fn new(setup: Arc<ApnsSetup>, clock: Arc<dyn Clock>) -> Self {
        let (pool, prepared, trouble) = Default::default();
        Self { setup, clock, pool, prepared, trouble, ear: None }
    }

    /// The pool, opened now if there was none.
    fn pool(&self) -> Rc<Pool> {
        let open = || match &self.ear {
            None => group::pool(&self.setup.origin, self.setup.connections),
            Some(_) => group::pool_of_twin(&self.setup.origin),
        };
        Rc::clone(self.pool.borrow_mut().get_or_insert_with(open))
    }

    /// The template for this token and deadline: made once, so that connections compress it once.
    fn template(&self, prepared: &Prepared, token: &Credential, deadline_at: UnixMs) -> Rc<Template> {
        let mut known = prepared.template.borrow_mut();
        if let Some((number, deadline, template)) = &*known
            && (*number, *deadline) == (token.number, deadline_at)
        {
            return Rc::clone(template);
        }
        let authority = self.setup.origin.authority();
        let made = Rc::new(template(&authority, &prepared.headers, &token.value, deadline_at));
        *known = Some((token.number, deadline_at, Rc::clone(&made)));
        made
    }

    /// Apple's answer, with what we know of our own token.
    fn judge(&self, said: Answer, token: u64) -> Answer {
        if said != Answer::CredentialsExpired || self.setup.tokens.refused(token) {
            return said;
        }
        let why = "Apple calls a token of the last half hour expired: this machine's clock is wrong";
        self.trouble.replace(Some(why.to_owned()));
        Answer::Misconfigured
    }
}

#[async_trait(?Send)]
impl Gateway for ApnsGateway {
    fn platform(&self) -> Platform {
        Platform::Apns
    }

    async fn prepare(&self, what: &Prepare<'_>) -> Result<u32, String> {
        self.trouble.take();
        let rendered =
            payload::render(what.content, what.campaign, what.locales).map_err(|e| e.to_string())?;
        let headers = campaign_headers(&rendered, &self.setup.topic).ok_or("a header can't be written")?;
        self.setup.tokens.bearer(self.clock.now()).ok_or(NO_TOKEN)?;
        let pool = self.pool();
        let largest = u32::try_from(rendered.bytes_max(Platform::Apns)).unwrap_or(u32::MAX);
        let (kept, template) = (Rc::clone(&pool), RefCell::default());
        self.prepared.replace(Some(Rc::new(Prepared { rendered, headers, pool: kept, template })));
        pool.ready(group::READY_WITHIN).await?;
        Ok(largest)
    }

    async fn send(
        &self,
        pushes: &[Push<'_>],
        deadline_at: UnixMs,
        may_send: MaySend<'_>,
        patience: Duration,
    ) -> Vec<Answered> {
        let now = self.clock.now();
        // Apple has no dry run: what is only to be looked at is not sent.
        let dry = self.ear.as_ref().is_some_and(Ear::is_dry);
        let Some(prepared) = self.prepared.borrow().clone().filter(|_| !dry) else {
            return group::all(pushes, Answer::NotSent, now);
        };
        let Some(token) = self.setup.tokens.bearer(now) else {
            self.trouble.replace(Some(NO_TOKEN.to_owned()));
            return group::all(pushes, Answer::Misconfigured, now);
        };
        let template = self.template(&prepared, &token, deadline_at);
        let paths = Paths::new(pushes);
        let requests = paths.requests(&prepared.rendered);
        let shape = Shape { template: &template, body_begins: b"", body_ends: b"" };
        let ended = prepared.pool.send(shape, requests, Terms { may_write: may_send, patience }).await;
        if let Some(ear) = &self.ear {
            ear.keep(&ended, said);
        }
        let judge = |response: &_| self.judge(answer(response), token.number);
        let foreign = pushes.iter().filter(|push| !is_ours(push)).map(|push| push.place);
        group::answers(ended, &*self.clock, judge, foreign)
    }

    fn fence(&self, within: Duration) {
        if let Some(pool) = &*self.pool.borrow() {
            pool.fence(within);
        }
    }

    fn twin(&self, trial: Trial) -> Option<Box<dyn Gateway>> {
        let twin = Self::new(Arc::clone(&self.setup), Arc::clone(&self.clock));
        Some(Box::new(Self { ear: Some(Ear::new(trial)), ..twin }))
    }

    fn said(&self) -> Vec<Said> {
        self.ear.as_ref().map(Ear::said).unwrap_or_default()
    }

    fn link(&self) -> LinkRow {
        let state = self.pool.borrow().as_ref().map_or_else(PoolState::default, |pool| pool.state());
        let row = group::link(Platform::Apns.label(), state, self.trouble.borrow().clone());
        LinkRow { credentials_until: Some(ProviderTokens::valid_until(self.clock.now())), ..row }
    }

    fn is_rehearsal(&self) -> bool {
        self.setup.origin.is_rehearsal()
    }

    async fn close(&self) {
        self.prepared.take();
        let pool = self.pool.take();
        if let Some(pool) = pool {
            pool.close().await;
        }
    }
}
