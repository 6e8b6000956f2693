//! What operators see: counters for Prometheus, the log and the audit trail. None ever holds a token, an id, a subject
//! or a key.

mod audit;
mod audit_file;
mod cluster;
mod credentials;
mod facts;

pub use audit::{Audit, By, Event, Kind};
pub use credentials::CredentialMetrics;
pub use facts::{FactMetrics, JournalMetrics};

use std::io::IsTerminal as _;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::clock::Timestamp;
use crate::config::{LogFormat, LogLevel, LogSettings};
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
    issued: Counter,
    renewed: Counter,
    ended: Counter,
    ring_read: Gauge,
    clock_held: Gauge,
    ring_changes: Counter,
    ended_together: Counter,
    audit_lost: Counter,
    /// Those of the credentials.
    pub credentials: CredentialMetrics,
    /// Those of the fact store.
    pub facts: FactMetrics,
    cluster: cluster::ClusterMetrics,
}

/// One counter for each reason, looked up beforehand: a request only adds one.
struct Decisions {
    others: [Counter; 7],
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
        let decisions = Family::<Reason, Counter>::default();
        registry.register("verify_decisions", "Decisions of the verify endpoint by reason", decisions.clone());
        let counter = |reason| decisions.get_or_create(&Reason { reason }).clone();
        let decisions = Decisions {
            others: ["ok", "forbidden", "step_up", "anonymous", "not_ready", "csrf", "stale"].map(counter),
            refused: Refusal::CODES.map(counter),
        };
        let (issued, renewed, ended) = (Counter::default(), Counter::default(), Counter::default());
        let audit_lost = Counter::default();
        registry.register("sessions_issued", "Sessions issued", issued.clone());
        registry.register(
            "sessions_renewed",
            "Tokens sealed for a session of which nothing else changed",
            renewed.clone(),
        );
        registry.register("sessions_ended", "Sessions ended one by one", ended.clone());
        let (ring_read, ring_changes, clock_held) = (Gauge::default(), Counter::default(), Gauge::default());
        registry.register(
            "clock_held_seconds",
            "How far the wall clock was set back, and not yet made up",
            clock_held.clone(),
        );
        registry.register("ring_read_timestamp_seconds", "When the key ring was last read", ring_read.clone());
        registry.register("ring_changes", "How often other keys were taken into use", ring_changes.clone());
        let ended_together = Counter::default();
        let help = "Endings of all sessions of a subject, a handle or a realm";
        registry.register("sessions_ended_together", help, ended_together.clone());
        registry.register("audit_lost", "Audit events that could not be written", audit_lost.clone());
        let (facts, cluster) = (FactMetrics::default(), cluster::ClusterMetrics::default());
        let credentials = CredentialMetrics::registered(&mut registry);
        facts.register(&mut registry);
        cluster.register(&mut registry);
        Self {
            registry,
            decisions,
            issued,
            renewed,
            ended,
            ring_read,
            clock_held,
            ring_changes,
            ended_together,
            audit_lost,
            credentials,
            facts,
            cluster,
        }
    }

    /// Counts a decision of verify.
    pub fn decided(&self, decision: Decision) {
        let counter = match decision {
            Decision::Allowed => &self.decisions.others[0],
            Decision::Forbidden => &self.decisions.others[1],
            Decision::StepUp => &self.decisions.others[2],
            Decision::Anonymous => &self.decisions.others[3],
            Decision::NotReady => &self.decisions.others[4],
            Decision::Csrf => &self.decisions.others[5],
            Decision::Stale => &self.decisions.others[6],
            Decision::Refused(refusal) => {
                let at = Refusal::CODES.iter().position(|code| *code == refusal.code());
                &self.decisions.refused[at.unwrap_or_default()]
            }
        };
        counter.inc();
    }

    /// Counts a new session.
    pub fn issued(&self) {
        self.issued.inc();
    }

    /// Counts a renewed token.
    pub fn renewed(&self) {
        self.renewed.inc();
    }

    /// Counts an ending, if it was one.
    pub fn ended(&self, raised: bool) {
        self.ended.inc_by(raised.into());
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

    /// Counts an ending of many sessions.
    pub fn ended_together(&self) {
        self.ended_together.inc();
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

/// Starts logging to standard error. A later start, in a program that embeds us, changes nothing.
pub fn log(settings: &LogSettings) {
    let filter = filter(settings.level.into());
    let registry = tracing_subscriber::registry().with(filter);
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    drop(match settings.format {
        LogFormat::Human => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json()).try_init(),
    });
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

fn filter(level: LevelFilter) -> Targets {
    // What libraries trace can hold whole requests, cookies included: they may warn and no more.
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("sealpass", level);
    // zenoh writes addresses together with the keys that they are dialled with, and warns of each try that fails. Who
    // is missing is told by the replicas themselves.
    SILENT.iter().fold(filter, |filter, target| filter.with_target(*target, LevelFilter::OFF))
}

/// Beginnings of the names of libraries that log nothing.
const SILENT: [&str; 2] = ["zenoh", "quinn"];

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn libraries_may_warn_and_the_engine_of_the_links_says_nothing() {
        let filter = filter(LevelFilter::TRACE);
        assert!(filter.would_enable("sealpass::cluster", &Level::TRACE));
        assert!(filter.would_enable("redb", &Level::WARN) && !filter.would_enable("redb", &Level::INFO));
        for target in ["zenoh", "zenoh_transport::unicast", "zenoh_link_commons::quic", "quinn_proto::connection"] {
            assert!(!filter.would_enable(target, &Level::ERROR), "{target}");
        }
    }
}
