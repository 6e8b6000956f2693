//! A collector: a small HTTP server on loopback that keeps what it is sent, and the spans in it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::common::{LIMIT, wait_for};

/// It listens until the test's process ends.
pub struct Collector {
    pub at: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Collector {
    pub fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    pub fn on(listener: TcpListener) -> Self {
        Self::with(listener, Some)
    }

    fn with<S: Read + Write>(
        listener: TcpListener,
        under: impl Fn(TcpStream) -> Option<S> + Clone + Send + 'static,
    ) -> Self {
        let (at, received) = (listener.local_addr().expect("bound"), Arc::<Mutex<Vec<_>>>::default());
        let keep = Arc::clone(&received);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (keep, under) = (Arc::clone(&keep), under.clone());
                thread::spawn(move || {
                    let connection = connection.ok()?;
                    connection.set_read_timeout(Some(LIMIT)).ok()?;
                    serve(under(connection)?, &keep)
                });
            }
        });
        Self { at, received }
    }

    /// One that speaks TLS, under a certificate of its own; that, in PEM.
    pub fn over_tls() -> (Self, String) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .expect("a right certificate");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let under = move |stream| Some(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).ok()?, stream));
        (Self::with(listener, under), cert.pem())
    }

    /// What a service is told so that it sends here all that it is told to trace, and nothing else.
    pub fn env(&self) -> [(String, String); 2] {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        [
            pair("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", self.at)),
            pair("OTEL_TRACES_SAMPLER", "parentbased_always_off"),
        ]
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("nobody panicked").clone()
    }

    /// What it was sent so far, decoded.
    pub fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let decode = |received: Received| ExportTraceServiceRequest::decode(&*received.body).expect("protobuf");
        self.received().into_iter().map(decode).collect()
    }

    pub fn spans(&self) -> Vec<Span> {
        let resources = self.requests().into_iter().flat_map(|request| request.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// As soon as there are so many.
    pub fn until(&self, count: usize) -> Vec<Span> {
        wait_for("the spans", || self.spans().len() >= count);
        self.spans()
    }
}

/// The attributes by name, as text.
pub fn attributes(of: &[KeyValue]) -> BTreeMap<&str, String> {
    of.iter().map(|pair| (&*pair.key, text(pair.value.as_ref()))).collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => panic!("neither text nor a number: {other:?}"),
    }
}

fn serve(connection: impl Read + Write, keep: &Mutex<Vec<Received>>) -> Option<()> {
    let mut reader = BufReader::new(connection);
    loop {
        let (mut line, mut headers) = (String::new(), BTreeMap::new());
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let path = line.split(' ').nth(1)?.to_owned();
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        keep.lock().expect("nobody panicked").push(Received { path, headers, body });
        // An answer without a field that is set has no byte.
        let answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
        reader.get_mut().write_all(answer).ok()?;
    }
}
