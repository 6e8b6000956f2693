//! What operators see: counters for Prometheus, the log and the audit trail. None ever holds a token, an id, a subject
//! or a key.

mod audit;
mod audit_file;
mod calls;
mod cluster;
mod credentials;
#[cfg(feature = "dbsc")]
mod dbsc;
mod facts;
mod keys;
mod latency;
mod log;
mod recent;
mod request;
mod sessions;
mod traces;

pub use audit::{Audit, By, Event, Kind};
pub use calls::CallMetrics;
pub use credentials::CredentialMetrics;
#[cfg(feature = "dbsc")]
pub use dbsc::DbscMetrics;
pub use facts::{FactMetrics, JournalMetrics};
pub use keys::RingMetrics;
pub use latency::Latency;
pub use log::log;
pub use recent::{Decided, Kept, Recent};
pub use request::RequestId;
pub use sessions::SessionMetrics;
pub use traces::{Noted, Step, Told, Trace, TraceMetrics, Traces, note, step};

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::clock::Timestamp;
use crate::replica::ClusterReport;
use crate::sessions::Refusal;

/// How verify decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// 200, with a session.
    Allowed,
    /// A valid session that lacks a role, or a route that can't be understood: 403.
    Forbidden,
    /// A valid session that has to authenticate anew: 401 with a challenge.
    StepUp,
    /// A valid session with claims that are out of date: 401 with the reason `reseal`.
    Stale,
    /// A valid session that is bound to no device: 401 with the reason `bound`.
    Unbound,
    /// A valid session, and no CSRF token of it: 403.
    Csrf,
    /// An anonymous session where a subject is demanded: as if there were no session.
    Anonymous,
    /// 503: this replica can't tell.
    NotReady,
    /// No valid session: 401; 200 where it is optional, and for a preflight; 302 or 303 to a login page.
    Refused(Refusal),
}

/// All counters.
pub struct Metrics {
    registry: Registry,
    decisions: Decisions,
    ring_read: Gauge,
    clock_held: Gauge,
    ring_changes: Counter,
    audit_lost: Counter,
    /// Those of the credentials.
    pub credentials: CredentialMetrics,
    /// Those of sessions.
    pub sessions: SessionMetrics,
    /// Those of sessions that are bound to a device.
    #[cfg(feature = "dbsc")]
    pub dbsc: DbscMetrics,
    /// How long verify took, from the request's head to the answer's.
    pub verify: Latency,
    /// Those of the fact store.
    pub facts: FactMetrics,
    /// Those of the control API.
    pub calls: CallMetrics,
    /// Those of the key ring.
    pub ring: RingMetrics,
    /// Those of spans.
    pub traces: TraceMetrics,
    cluster: cluster::ClusterMetrics,
}

/// One counter for each reason, looked up beforehand: a request only adds one.
struct Decisions {
    others: [Counter; Decision::OTHERS.len()],
    refused: [Counter; Refusal::CODES.len()],
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

impl Metrics {
    /// All counters at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("sealpass");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Which release this is", build);
        let metrics = Self {
            decisions: Decisions::new(&mut registry),
            credentials: CredentialMetrics::registered(&mut registry),
            ring_read: Gauge::default(),
            clock_held: Gauge::default(),
            ring_changes: Counter::default(),
            audit_lost: Counter::default(),
            verify: Latency::of_verify(),
            sessions: SessionMetrics::default(),
            #[cfg(feature = "dbsc")]
            dbsc: DbscMetrics::default(),
            facts: FactMetrics::default(),
            calls: CallMetrics::default(),
            ring: RingMetrics::default(),
            traces: TraceMetrics::registered(&mut registry),
            cluster: cluster::ClusterMetrics::default(),
            registry: Registry::default(),
        };
        let help = "How long verify took inside of the service";
        registry.register("verify_duration_seconds", help, metrics.verify.clone());
        metrics.sessions.register(&mut registry);
        #[cfg(feature = "dbsc")]
        metrics.dbsc.register(&mut registry);
        let help = "How far the wall clock was set back, and not yet made up";
        registry.register("clock_held_seconds", help, metrics.clock_held.clone());
        registry.register("ring_read_timestamp_seconds", "When the key ring was last read", metrics.ring_read.clone());
        registry.register("ring_changes", "How often other keys were taken into use", metrics.ring_changes.clone());
        metrics.ring.register(&mut registry);
        registry.register("audit_lost", "Audit events that could not be written", metrics.audit_lost.clone());
        metrics.calls.register(&mut registry);
        metrics.facts.register(&mut registry);
        metrics.cluster.register(&mut registry);
        Self { registry, ..metrics }
    }

    /// Counts a decision of verify.
    pub fn decided(&self, decision: Decision) {
        note(&[Noted::Decision(decision.code())]);
        let counter = match decision {
            Decision::Allowed => &self.decisions.others[0],
            Decision::Forbidden => &self.decisions.others[1],
            Decision::StepUp => &self.decisions.others[2],
            Decision::Anonymous => &self.decisions.others[3],
            Decision::NotReady => &self.decisions.others[4],
            Decision::Csrf => &self.decisions.others[5],
            Decision::Stale => &self.decisions.others[6],
            Decision::Unbound => &self.decisions.others[7],
            Decision::Refused(refusal) => {
                let at = Refusal::CODES.iter().position(|code| *code == refusal.code());
                &self.decisions.refused[at.unwrap_or_default()]
            }
        };
        counter.inc();
    }

    /// Notes that the ring was read.
    pub fn ring_read(&self, at: Timestamp) {
        self.ring_read.set(at.as_secs().cast_signed());
    }

    /// Notes how far this service's time is ahead of the wall clock, since that was set back.
    pub fn clock_held(&self, by: Duration) {
        let seconds = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        if self.clock_held.set(seconds) == 0 && seconds > 0 {
            tracing::warn!(
                "the wall clock was set back by {seconds} s; time stands still here until it has caught up, so that nothing that is over \
                 lives again. If it was wrong for long, restart the service"
            );
        }
    }

    /// Counts keys that were taken into use.
    pub fn ring_changed(&self) {
        self.ring_changes.inc();
    }

    /// Counts audit events that could not be written.
    pub(super) fn audit_lost(&self) -> Counter {
        self.audit_lost.clone()
    }

    /// Notes what this replica knows of itself and of the others.
    pub fn note(&self, report: &ClusterReport) {
        self.cluster.set(report);
    }

    /// In OpenMetrics' text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(), // a string takes all that is written to it
        }
    }
}

impl Decision {
    /// All but refusals, in the order in which they are counted.
    pub const OTHERS: [Self; 8] = [
        Self::Allowed,
        Self::Forbidden,
        Self::StepUp,
        Self::Anonymous,
        Self::NotReady,
        Self::Csrf,
        Self::Stale,
        Self::Unbound,
    ];

    /// A short, stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::Allowed => "ok",
            Self::Forbidden => "forbidden",
            Self::StepUp => "step_up",
            Self::Anonymous => "anonymous",
            Self::NotReady => "not_ready",
            Self::Csrf => "csrf",
            Self::Stale => "stale",
            Self::Unbound => "not_bound",
            Self::Refused(refusal) => refusal.code(),
        }
    }
}

impl Decisions {
    fn new(registry: &mut Registry) -> Self {
        let decisions = Family::<Reason, Counter>::default();
        registry.register("verify_decisions", "Decisions of the verify endpoint by reason", decisions.clone());
        let counter = |reason| decisions.get_or_create(&Reason { reason }).clone();
        Self { others: Decision::OTHERS.map(|decision| counter(decision.code())), refused: Refusal::CODES.map(counter) }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
