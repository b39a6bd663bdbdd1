//! The `h2` crate, as somebody would use it who knows it: TCP_NODELAY, one task a connection, one thread.

use super::one_by_one::{self, OneByOne};
use super::tls;
use crate::job::{Figures, Job};
use crate::message::Message;
use crate::meter::MemoryMeter;
use anyhow::Result;
use bytes::Bytes;
use h2::client::SendRequest;
use loadtest::gateways::GatewayInfo;
use std::rc::Rc;

#[derive(Clone)]
struct Client {
    requests: SendRequest<Bytes>,
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
        let io = tls::connect(address, info, &config).await?;
        let builder = h2::client::Builder::new().initial_connection_window_size(1 << 20).to_owned();
        let (requests, connection) = builder.handshake(io).await?;
        tokio::task::spawn_local(async move { drop(connection.await) });
        clients.push(Client { requests: requests.ready().await?, message: Rc::clone(&message) });
    }
    one_by_one::run(job, &clients, &memory).await
}

impl Client {
    async fn try_send(&mut self, number: u64) -> Result<bool> {
        let request = self.message.request(number, ())?;
        std::future::poll_fn(|cx| self.requests.poll_ready(cx)).await?;
        let (answer, mut body) = self.requests.send_request(request, false)?;
        body.send_data(self.message.body(number), true)?;
        let answer = answer.await?;
        let status = answer.status();
        let mut rest = answer.into_body();
        while let Some(data) = rest.data().await {
            rest.flow_control().release_capacity(data?.len())?;
        }
        Ok(status == http::StatusCode::OK)
    }
}

impl OneByOne for Client {
    async fn send(&mut self, number: u64) -> bool {
        self.try_send(number).await.unwrap_or(false)
    }
}
