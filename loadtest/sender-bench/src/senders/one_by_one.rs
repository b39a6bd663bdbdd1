//! How those are driven that send one request a call: as many tasks as may be in flight, each sending one after the other.

use crate::job::{Figures, Job, Measure};
use crate::meter::{MemoryMeter, Meter, quantiles};
use anyhow::Result;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Between two requests of the second part of a latency run: longer than a round trip, shorter than any timer that must
/// not be waited for.
const REST: Duration = Duration::from_millis(5);
/// Every so many-th request of a latency run comes after a rest.
const REST_EVERY: u64 = 20;

/// Something that sends one request a call. A clone shares the connection.
pub trait OneByOne: Clone + 'static {
    /// Sends the request with this number; whether it was answered with 200.
    fn send(&mut self, number: u64) -> impl Future<Output = bool>;
}

/// Warms the clients up, then does what the job says. `memory` began before they were opened.
pub async fn run<S: OneByOne>(job: &Job, clients: &[S], memory: &MemoryMeter) -> Result<Figures> {
    match job.measure {
        Measure::Cpu => {
            all(job, clients, job.warm_up()).await;
            let meter = Meter::start()?;
            let accepted = all(job, clients, job.requests).await;
            meter.stop(job.requests, accepted)
        }
        Measure::Memory => {
            let meter = Meter::start()?;
            let accepted = all(job, clients, job.requests).await;
            let grown_bytes = Some(memory.grown()?);
            Ok(Figures { grown_bytes, ..meter.stop(job.requests, accepted)? })
        }
        Measure::Latency => one_in_flight(job, clients).await,
    }
}

/// Sends as many requests, with all that is allowed in flight. Answers how many were accepted.
async fn all<S: OneByOne>(job: &Job, clients: &[S], requests: u64) -> u64 {
    let (next, accepted) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let mut tasks = JoinSet::new();
    let tasks_each = job.streams;
    // Turn by turn over the clients, so that the first requests are spread too.
    for client in (0..tasks_each).flat_map(|_| clients) {
        let (mut client, next, accepted) = (client.clone(), Rc::clone(&next), Rc::clone(&accepted));
        tasks.spawn_local(async move {
            loop {
                let number = next.replace(next.get() + 1);
                if number >= requests {
                    return;
                }
                if client.send(number).await {
                    accepted.set(accepted.get() + 1);
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    accepted.get()
}

async fn one_in_flight<S: OneByOne>(job: &Job, clients: &[S]) -> Result<Figures> {
    let Some(mut client) = clients.first().cloned() else { anyhow::bail!("there is no client") };
    for number in 0..job.warm_up() {
        client.send(number).await;
    }
    let (mut accepted, mut times_us) = (0, Vec::new());
    let meter = Meter::start()?;
    for number in 0..job.requests {
        if number % REST_EVERY == 0 {
            tokio::time::sleep(REST).await;
        }
        let began = Instant::now();
        accepted += u64::from(client.send(number).await);
        times_us.push(began.elapsed().as_secs_f64() * 1e6);
    }
    let figures = meter.stop(job.requests, accepted)?;
    Ok(Figures { latency_us: Some(quantiles(times_us)), ..figures })
}
