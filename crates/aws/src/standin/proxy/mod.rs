//! A proxy between the SDK and a stand-in that makes things go wrong, as a seed says: no answers, errors, throttling, cut
//! connections, batches of which only a part was done. What it forwards it forwards unchanged.
//!
//! It listens on loopback only and forgets everything when it is dropped.

mod answer;
mod partial;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use answer::Answer;

/// What may go wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing is done, and nobody answers.
    Hang,
    /// Nothing is done, and the answer is a 500.
    ServerError,
    /// Nothing is done: too many requests.
    Throttle,
    /// Nothing is done, and the connection is closed.
    Cut,
    /// It is done, and the connection is closed without an answer.
    LoseAnswer,
    /// It is done, and the connection is closed in the middle of the answer.
    CutAnswer,
    /// A part of a batch is done. A request that is no batch is throttled.
    Partial,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Hang,
        Self::ServerError,
        Self::Throttle,
        Self::Cut,
        Self::LoseAnswer,
        Self::CutAnswer,
        Self::Partial,
    ];
}

/// What goes wrong, and how often.
#[derive(Debug, Clone)]
pub struct Faults {
    /// The same seed and the same requests in the same order have the same faults.
    pub seed: u64,
    /// So many of a hundred requests.
    pub percent: u32,
    /// One of these each time.
    pub of: Vec<Fault>,
}

/// Entries of the next matching batch that are to fail.
#[derive(Debug)]
struct Order {
    /// Part of the request's body, such as a queue's name.
    names: String,
    places: Vec<usize>,
}

#[derive(Debug, Default)]
struct Plan {
    faults: Option<(Faults, StdRng)>,
    orders: Vec<Order>,
    seen: u64,
    done: BTreeMap<Fault, u64>,
}

type Upstream = Client<HttpConnector, Full<Bytes>>;

/// A running proxy.
#[derive(Debug)]
pub struct FaultProxy {
    endpoint: String,
    plan: Arc<Mutex<Plan>>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts one before this endpoint (`http://127.0.0.1:4566`); nothing goes wrong yet.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(endpoint: &str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let own = format!("http://{}", listener.local_addr()?);
        let plan = Arc::new(Mutex::new(Plan::default()));
        let upstream = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let authority = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let hop = Hop { plan: plan.clone(), upstream, authority };
        Ok(Self { endpoint: own, plan, task: tokio::spawn(accept(listener, hop)) })
    }

    /// What goes into `endpoint` of the configuration.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// From now on these things go wrong; `None`: nothing any more.
    pub fn set(&self, faults: Option<Faults>) {
        lock(&self.plan).faults = faults.map(|f| {
            let rng = StdRng::seed_from_u64(f.seed);
            (f, rng)
        });
    }

    /// Fails these entries of the next batch whose body has `names` in it, such as a queue's name.
    pub fn fail_entries(&self, names: &str, places: &[usize]) {
        lock(&self.plan).orders.push(Order { names: names.to_owned(), places: places.to_vec() });
    }

    /// Requests so far, and how many of them went wrong in which way.
    #[must_use]
    pub fn counts(&self) -> (u64, BTreeMap<Fault, u64>) {
        let plan = lock(&self.plan);
        (plan.seen, plan.done.clone())
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a connection is closed.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("the test ordered it")]
    Ordered,
    #[error("the stand-in did not answer: {0}")]
    Upstream(#[from] hyper_util::client::legacy::Error),
    #[error("the request broke off: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request has an address that can't be forwarded: {0}")]
    Address(#[from] hyper::http::uri::InvalidUri),
}

#[derive(Debug, Clone)]
struct Hop {
    plan: Arc<Mutex<Plan>>,
    upstream: Upstream,
    authority: String,
}

/// Serves until it is dropped, and its connections with it.
async fn accept(listener: TcpListener, hop: Hop) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, hop.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, hop: Hop) {
    // Without it each answer waits for the acknowledgement of its head: 40 ms.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| hop.handle(request));
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::trace!(%error, "connection ended");
    }
}

impl Hop {
    async fn handle(&self, request: Request<Incoming>) -> Result<Response<Answer>, Closed> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let request = Request::from_parts(head, body);
        match self.decide(&request) {
            Decision::Forward => Ok(self.forward(request).await?.map(Answer::whole)),
            Decision::Places(places) => self.partly(request, &places).await,
            Decision::Fault(fault) => self.fail(fault, request).await,
        }
    }

    fn decide(&self, request: &Request<Bytes>) -> Decision {
        let mut plan = lock(&self.plan);
        plan.seen += 1;
        let body = String::from_utf8_lossy(request.body());
        let meant = |o: &Order| partial::is_batch(request) && body.contains(&o.names);
        if let Some(at) = plan.orders.iter().position(meant) {
            return Decision::Places(plan.orders.remove(at).places);
        }
        let Some((faults, rng)) = &mut plan.faults else { return Decision::Forward };
        if faults.of.is_empty() || rng.random_range(0..100) >= faults.percent {
            return Decision::Forward;
        }
        let fault = faults.of[rng.random_range(0..faults.of.len())];
        *plan.done.entry(fault).or_default() += 1;
        Decision::Fault(fault)
    }

    async fn forward(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Closed> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
        head.uri = format!("http://{}{path}", self.authority).parse::<Uri>()?;
        let answer = self.upstream.request(Request::from_parts(head, Full::new(body))).await?;
        let (head, body) = answer.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    }

    async fn fail(&self, fault: Fault, request: Request<Bytes>) -> Result<Response<Answer>, Closed> {
        match fault {
            Fault::Hang => std::future::pending().await,
            Fault::ServerError => Ok(answer::server_error(&request)),
            Fault::Throttle => Ok(answer::throttled(&request)),
            Fault::Cut => Err(Closed::Ordered),
            Fault::LoseAnswer => {
                self.forward(request).await?;
                Err(Closed::Ordered)
            }
            Fault::CutAnswer => Ok(self.forward(request).await?.map(|bytes| Answer::cut(&bytes))),
            Fault::Partial => match partial::entries(&request) {
                entries @ 2.. => self.partly(request, &(0..entries).step_by(3).collect::<Vec<_>>()).await,
                _ => Ok(answer::throttled(&request)),
            },
        }
    }

    /// Forwards the batch without the entries at these places, and reports them as failed.
    async fn partly(&self, request: Request<Bytes>, places: &[usize]) -> Result<Response<Answer>, Closed> {
        let Some((shorter, kept_out)) = partial::split(request, places) else { return Err(Closed::Ordered) };
        let answer = self.forward(shorter).await?;
        Ok(partial::report(answer, &kept_out).map(Answer::whole))
    }
}

enum Decision {
    Forward,
    Places(Vec<usize>),
    Fault(Fault),
}
