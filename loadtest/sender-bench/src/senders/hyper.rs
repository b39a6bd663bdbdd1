//! hyper 1: `client::conn::http2`, over the product's TLS settings and with TCP_NODELAY.

use super::one_by_one::{self, OneByOne};
use super::tls;
use crate::job::{Figures, Job};
use crate::message::Message;
use crate::meter::MemoryMeter;
use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use loadtest::gateways::GatewayInfo;
use std::rc::Rc;

#[derive(Clone)]
struct Client {
    requests: SendRequest<Full<Bytes>>,
    message: Rc<Message>,
}

/// Runs the job.
pub async fn run(job: &Job, info: &GatewayInfo) -> Result<Figures> {
    let message = Rc::new(Message::new(job.gateway, info)?);
    let config = tls::config(&info.ca_file)?;
    let memory = MemoryMeter::start()?;
    let mut clients = Vec::new();
    for _ in 0..job.connections {
        let address = job.gateway.address(info);
        let io = TokioIo::new(tls::connect(address, info, &config).await?);
        let (requests, connection) = handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(async move { drop(connection.await) });
        clients.push(Client { requests, message: Rc::clone(&message) });
    }
    one_by_one::run(job, &clients, &memory).await
}

impl Client {
    async fn try_send(&mut self, number: u64) -> Result<bool> {
        let request = self.message.request(number, Full::new(self.message.body(number)))?;
        self.requests.ready().await?;
        let answer = self.requests.send_request(request).await?;
        let status = answer.status();
        answer.into_body().collect().await?;
        Ok(status == http::StatusCode::OK)
    }
}

impl OneByOne for Client {
    async fn send(&mut self, number: u64) -> bool {
        self.try_send(number).await.unwrap_or(false)
    }
}
