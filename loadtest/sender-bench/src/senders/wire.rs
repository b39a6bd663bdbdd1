//! `crates/wire` alone, with the pool's settings of the push worker, in groups as large as a batch's.

use super::one_by_one::{self, OneByOne};
use super::tls;
use crate::job::{Figures, Gateway, Job, Measure};
use crate::message::Message;
use crate::meter::{MemoryMeter, Meter};
use anyhow::{Context, Result, anyhow};
use loadtest::gateways::GatewayInfo;
use push_worker::transport::{connection, limits};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;
use wire::driver::{Ended, Pool, PoolSettings, Shape, Target, Terms};
use wire::{Outcome, Request, Template};

/// Requests of a group: a batch's devices.
const GROUP: u64 = 100;
/// Groups that are ready for each that is on its way, as a worker has.
const AHEAD: u64 = 2;
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Client {
    pool: Rc<Pool>,
    message: Rc<Message>,
    template: Rc<Template>,
}

/// Runs the job.
pub async fn run(job: &Job, info: &GatewayInfo) -> Result<Figures> {
    let message = Rc::new(Message::new(job.gateway, info)?);
    let template = Rc::new(message.template());
    let address = job.gateway.address(info);
    let port = address.rsplit(':').next().context("an address without a port")?.parse()?;
    let target = Target {
        host: info.server_name.clone(),
        port,
        tls: tls::config(&info.ca_file)?,
        permits: |_| Ok(()),
    };
    let memory = MemoryMeter::start()?;
    let settings = PoolSettings { target, connections: job.connections, connection: connection() };
    let pool = Rc::new(Pool::open(settings));
    pool.ready(limits::DIAL_WITHIN).await.map_err(|why| anyhow!(why))?;
    let client = Client { pool, message, template };
    if job.measure == Measure::Latency {
        return one_by_one::run(job, &[client], &memory).await;
    }
    client.all(job, job.warm_up()).await;
    let meter = Meter::start()?;
    let accepted = client.all(job, job.requests).await;
    let figures = meter.stop(job.requests, accepted)?;
    let grown_bytes = if job.measure == Measure::Memory { Some(memory.grown()?) } else { None };
    Ok(Figures { grown_bytes, ..figures })
}

impl Client {
    async fn all(&self, job: &Job, requests: u64) -> u64 {
        let (next, accepted) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let mut tasks = JoinSet::new();
        for _ in 0..(job.in_flight() * AHEAD).div_ceil(GROUP) {
            let (client, next, accepted) = (self.clone(), Rc::clone(&next), Rc::clone(&accepted));
            tasks.spawn_local(async move {
                loop {
                    let from = next.replace(next.get() + GROUP);
                    if from >= requests {
                        return;
                    }
                    let good = client.group(from, GROUP.min(requests - from)).await;
                    accepted.set(accepted.get() + good);
                }
            });
        }
        while tasks.join_next().await.is_some() {}
        accepted.get()
    }

    /// Sends one group. Answers how many were accepted.
    async fn group(&self, from: u64, count: u64) -> u64 {
        let message = &self.message;
        let mut text = Vec::with_capacity(512 * GROUP as usize);
        let mut ends = Vec::with_capacity(GROUP as usize);
        if message.gateway() == Gateway::Fcm {
            for number in from..from + count {
                message.write_body(number, &mut text);
                ends.push(text.len());
            }
        }
        let shared = message.body(from);
        let mut begins = 0;
        let one = |place: u64| match message.gateway() {
            Gateway::Apns => {
                let path = &**message.token(from + place);
                Request { tag: place, path, own: &[], body: &shared }
            }
            Gateway::Fcm => {
                let end = ends[place as usize];
                let body = &text[std::mem::replace(&mut begins, end)..end];
                Request { tag: place, path: b"", own: &[], body }
            }
        };
        let requests = (0..count).map(one).collect();
        let shape = Shape { template: &self.template, body_begins: b"", body_ends: b"" };
        let ended = self.pool.send(shape, requests, Terms { may_write: &|| true, patience: PATIENCE }).await;
        let good = |ended: &&Ended| matches!(&ended.outcome, Outcome::Answered(a) if a.status == 200);
        ended.iter().filter(good).count() as u64
    }
}

impl OneByOne for Client {
    async fn send(&mut self, number: u64) -> bool {
        self.group(number, 1).await == 1
    }
}
