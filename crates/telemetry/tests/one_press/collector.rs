//! A collector of spans: takes OTLP over HTTP on a port of its own, until it is asked for what it got.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

/// Listens in a thread.
pub(crate) struct Collector {
    address: SocketAddr,
    thread: JoinHandle<Vec<Vec<u8>>>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        Self { address, thread: std::thread::spawn(move || collect(&listener)) }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it. Answers the bodies that it got.
    pub(crate) fn finish(self) -> Vec<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.write_all(b"END / HTTP/1.1\r\n\r\n").expect("written");
        self.thread.join().expect("it ended well")
    }
}

fn collect(listener: &TcpListener) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    loop {
        let (stream, _) = listener.accept().expect("accepted");
        let Some(body) = one(&stream) else { return bodies };
        bodies.push(body);
    }
}

/// One request of a connection; `None` when it asks for the end.
fn one(mut stream: &TcpStream) -> Option<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while reader.read_line(&mut head).expect("a line") > 2 {
        let last = head.lines().last().unwrap_or_default().to_ascii_lowercase();
        if let Some(value) = last.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    if head.starts_with("END") {
        return None;
    }
    assert!(head.starts_with("POST /v1/traces "), "{head}");
    assert!(head.to_ascii_lowercase().contains("content-type: application/x-protobuf"), "{head}");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the body");
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").expect("answered");
    Some(body)
}

/// The spans in these bodies, with the name of the service that sent them.
pub(crate) fn spans(bodies: &[Vec<u8>]) -> Vec<(String, Span)> {
    let requests = bodies.iter().map(|b| ExportTraceServiceRequest::decode(&b[..]).expect("OTLP"));
    let mut all = Vec::new();
    for resource in requests.flat_map(|r| r.resource_spans) {
        let attributes = resource.resource.map(|r| r.attributes).unwrap_or_default();
        let text = |a: &opentelemetry_proto::tonic::common::v1::KeyValue| match a.value.clone()?.value? {
            Value::StringValue(text) => Some(text),
            _ => None,
        };
        let service = attributes.iter().find(|a| a.key == "service.name").and_then(text).expect("a name");
        all.extend(resource.scope_spans.into_iter().flat_map(|s| s.spans).map(|s| (service.clone(), s)));
    }
    all
}

/// A span's attribute, as text.
pub(crate) fn attribute(span: &Span, name: &str) -> String {
    let value = span.attributes.iter().find(|a| a.key == name).and_then(|a| a.value.clone()?.value);
    match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(n)) => n.to_string(),
        other => format!("{other:?}"),
    }
}
