//! [`Gateway`] for FCM: renders once, keeps the access token fresh, turns groups of pushes into groups of requests.

use super::auth::{AccessTokens, Credential};
use super::config::FcmSetup;
use super::request::{Bodies, VALIDATE_ONLY, template};
use super::response::{answer, said};
use crate::gateway::{Answer, Answered, Gateway, MaySend, Prepare, Push, Said, Trial};
use crate::transport::ear::Ear;
use crate::transport::group;
use async_trait::async_trait;
use common::device::Platform;
use common::fleet::LinkRow;
use common::time::{Clock, UnixMs};
use payload::Rendered;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use wire::Template;
use wire::driver::{Pool, PoolState, Shape, Terms};

/// Shortest time between two looks at the token's age (ours: an endpoint that gives short-lived tokens is not hurried).
const RENEW_REST: Duration = Duration::from_secs(15);

/// Buffers for bodies that are kept (ours; as many as a lane has batches on their way, as a rule).
const SPARE_MAX: usize = 64;

/// FCM, for one lane. Lives inside a `LocalSet`.
pub struct FcmGateway {
    setup: Arc<FcmSetup>,
    clock: Arc<dyn Clock>,
    open: RefCell<Option<Open>>,
    prepared: RefCell<Option<Rc<Prepared>>>,
    trouble: Rc<RefCell<Option<String>>>,
    /// Buffers for bodies: some 40 KB that would be taken from the system and given back for each batch.
    spare: RefCell<Vec<Vec<u8>>>,
    /// It is a twin.
    ear: Option<Ear>,
}

/// What is open between the first prepare and the close.
struct Open {
    pool: Rc<Pool>,
    /// Renews the token; ends when dropped.
    _keeper: JoinSet<()>,
}

struct Prepared {
    rendered: Rendered,
    pool: Rc<Pool>,
    /// The newest template, and of which token it is.
    template: RefCell<Option<(u64, Rc<Template>)>>,
}

impl FcmGateway {
    /// A gateway that has no connections yet: [`Gateway::prepare`] opens them.
    #[must_use]
    pub fn new(setup: Arc<FcmSetup>, clock: Arc<dyn Clock>) -> Self {
        let (open, prepared, trouble, spare) = Default::default();
        Self { setup, clock, open, prepared, trouble, spare, ear: None }
    }

    /// The pool, opened now if there was none.
    fn pool(&self) -> Rc<Pool> {
        let mut open = self.open.borrow_mut();
        let open = open.get_or_insert_with(|| {
            let pool = match &self.ear {
                None => group::pool(&self.setup.origin, self.setup.connections),
                Some(_) => group::pool_of_twin(&self.setup.origin),
            };
            let mut keeper = JoinSet::new();
            keeper.spawn_local(keep_fresh(
                Arc::clone(&self.setup),
                Arc::clone(&self.clock),
                Rc::clone(&self.trouble),
            ));
            Open { pool, _keeper: keeper }
        });
        Rc::clone(&open.pool)
    }

    /// The template for this token: made once, so that connections compress it once.
    fn template(&self, prepared: &Prepared, token: &Credential) -> Rc<Template> {
        let mut known = prepared.template.borrow_mut();
        if let Some((number, template)) = &*known
            && *number == token.number
        {
            return Rc::clone(template);
        }
        let authority = self.setup.origin.authority();
        let made = Rc::new(template(&authority, self.setup.path.as_str(), &token.value));
        *known = Some((token.number, Rc::clone(&made)));
        made
    }

    fn keep(&self, text: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_MAX {
            spare.push(text);
        }
    }

    async fn bearer(&self) -> Result<Credential, String> {
        let token = self.setup.tokens.bearer(self.clock.now()).await.map_err(|error| error.to_string());
        self.trouble.replace(token.as_ref().err().cloned());
        token
    }

    /// After a 401: a new token, so that a second try may succeed. If there is none, our account is wrong.
    async fn settle(&self, answered: &mut [Answered], token: u64) {
        let is_expired = |a: &Answered| a.answer == Answer::CredentialsExpired;
        if !answered.iter().any(is_expired) {
            return;
        }
        let again = self.setup.tokens.refused(token, self.clock.now());
        if again && self.bearer().await.is_ok() {
            return;
        }
        if !again {
            let why = "Google refuses a new access token: is it the service account of this project?";
            self.trouble.replace(Some(why.to_owned()));
        }
        let expired = answered.iter_mut().filter(|a| is_expired(a));
        expired.for_each(|a| a.answer = Answer::Misconfigured);
    }
}

/// Renews the token long before it expires, for as long as the gateway is open.
async fn keep_fresh(setup: Arc<FcmSetup>, clock: Arc<dyn Clock>, trouble: Rc<RefCell<Option<String>>>) {
    let tokens: &AccessTokens = &setup.tokens;
    loop {
        tokio::time::sleep(tokens.fresh_for(clock.now()).max(RENEW_REST)).await;
        // Another lane may have renewed it.
        if tokens.fresh_for(clock.now()).is_zero() {
            let renewed = tokens.renew(clock.now()).await;
            trouble.replace(renewed.err().map(|error| error.to_string()));
        }
    }
}

#[async_trait(?Send)]
impl Gateway for FcmGateway {
    fn platform(&self) -> Platform {
        Platform::Fcm
    }

    async fn prepare(&self, what: &Prepare<'_>) -> Result<u32, String> {
        self.trouble.take();
        let rendered =
            payload::render(what.content, what.campaign, what.locales).map_err(|e| e.to_string())?;
        let largest = u32::try_from(rendered.bytes_max(Platform::Fcm)).unwrap_or(u32::MAX);
        let pool = self.pool();
        let (kept, template) = (Rc::clone(&pool), RefCell::default());
        self.prepared.replace(Some(Rc::new(Prepared { rendered, pool: kept, template })));
        self.bearer().await?;
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
        let prepared = self.prepared.borrow().clone();
        let Some(prepared) = prepared else {
            return group::all(pushes, Answer::NotSent, self.clock.now());
        };
        let Ok(token) = self.bearer().await else {
            return group::all(pushes, Answer::NotSent, self.clock.now());
        };
        let now = self.clock.now();
        let text = self.spare.borrow_mut().pop().unwrap_or_default();
        let bodies = Bodies::new(text, pushes, &prepared.rendered, deadline_at, now);
        let template = self.template(&prepared, &token);
        // One answer for the whole group: is it sent, or only looked at?
        let dry = self.ear.as_ref().is_some_and(Ear::is_dry);
        let body_begins: &[u8] = if dry { VALIDATE_ONLY } else { b"" };
        let shape = Shape { template: &template, body_begins, body_ends: b"" };
        let terms = Terms { may_write: may_send, patience };
        let ended = prepared.pool.send(shape, bodies.requests(dry), terms).await;
        if let Some(ear) = &self.ear {
            ear.keep(&ended, said);
        }
        let foreign = bodies.unsendable.iter().copied();
        let mut answered = group::answers(ended, &*self.clock, answer, foreign);
        self.keep(bodies.into_text());
        self.settle(&mut answered, token.number).await;
        answered
    }

    fn fence(&self, within: Duration) {
        if let Some(open) = &*self.open.borrow() {
            open.pool.fence(within);
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
        let state = self.open.borrow().as_ref().map_or_else(PoolState::default, |open| open.pool.state());
        LinkRow {
            quota_per_s: self.setup.quota_per_s,
            credentials_until: self.setup.tokens.until(),
            ..group::link(Platform::Fcm.label(), state, self.trouble.borrow().clone())
        }
    }

    fn is_rehearsal(&self) -> bool {
        self.setup.origin.is_rehearsal()
    }

    async fn close(&self) {
        self.prepared.take();
        let open = self.open.take();
        if let Some(open) = open {
            open.pool.close().await;
        }
    }
}
