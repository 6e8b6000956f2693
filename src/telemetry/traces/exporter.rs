//! The exporter with an eye on it: what is sent and what is lost is counted, and a time of losses is logged once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as Exports};

use super::client::{Client, Why, WrongCertificate};
use super::{TraceMetrics, variable};

/// The library's exporter, watched.
#[derive(Debug)]
pub struct Watched {
    exporter: SpanExporter,
    metrics: TraceMetrics,
    losing: AtomicBool,
    why: Why,
}

/// What the environment says can't be done.
#[derive(Debug, thiserror::Error)]
pub enum WrongExporter {
    /// Another exporter than this one.
    #[error("OTEL_TRACES_EXPORTER is {0:?}; otlp and none are known")]
    Name(String),
    /// Another protocol than this one.
    #[error("{0} is {1:?}; this program speaks http/protobuf alone, which collectors take on port 4318")]
    Protocol(&'static str, String),
    #[error(transparent)]
    Certificate(#[from] WrongCertificate),
    /// The library refuses it.
    #[error("{0}")]
    Refused(#[from] ExporterBuildError),
}

impl Watched {
    /// To where the environment says.
    pub fn new(metrics: TraceMetrics) -> Result<Self, WrongExporter> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if let Some(other) = set("OTEL_TRACES_EXPORTER").filter(|name| name != "otlp") {
            return Err(WrongExporter::Name(other));
        }
        // Those of traces alone beat those of all signals.
        let of = |[own, all]: [&'static str; 2]| set(own).map(|value| (own, value)).or_else(|| Some((all, set(all)?)));
        if let Some((name, other)) = of(PROTOCOL).filter(|(_, value)| value != "http/protobuf") {
            return Err(WrongExporter::Protocol(name, other));
        }
        let timeout = of(TIMEOUT).and_then(|(_, millis)| millis.parse().ok());
        let timeout = timeout.map_or(USUAL_TIMEOUT, Duration::from_millis);
        let authorities = of(CERTIFICATE).map(|(_, path)| path);
        let why = Why::default();
        let client = Client::new(timeout, authorities.as_deref(), why.clone())?;
        let exporter = SpanExporter::builder().with_http().with_http_client(client).build()?;
        Ok(Self { exporter, metrics, losing: AtomicBool::new(false), why })
    }

    fn note(&self, count: usize, done: &OTelSdkResult) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        match done {
            Ok(()) => {
                self.metrics.sent.inc_by(count);
                if self.losing.swap(false, Ordering::Relaxed) {
                    tracing::warn!("spans are taken again; {} were lost since the start", self.metrics.lost.get());
                }
            }
            Err(error) => {
                self.metrics.lost.inc_by(count);
                if !self.losing.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        "spans are lost, and nothing else: {error} ({}); look at OTEL_EXPORTER_OTLP_ENDPOINT, at the collector, and at \
                         sealpass_trace_spans_total",
                        self.why.text()
                    );
                }
            }
        }
    }
}

impl Exports for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let done = self.exporter.export(batch).await;
        self.note(count, &done);
        done
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

const PROTOCOL: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const TIMEOUT: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
const CERTIFICATE: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
/// As the specification of the protocol has it.
const USUAL_TIMEOUT: Duration = Duration::from_secs(10);
