//! What is counted about the fleet. All of it is read from a report when somebody asks for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::replica::{ClusterReport, Likeness};

/// Gauges and counters of a replica among others.
#[derive(Debug, Default)]
pub struct ClusterMetrics {
    ready: Gauge,
    not_ready: Family<Code, Gauge>,
    size: Gauge,
    age: Gauge<f64, AtomicU64>,
    offset: Gauge<f64, AtomicU64>,
    members: Family<Of, Gauge>,
    agreement: Family<Agreement, Gauge>,
    refused: Family<Code, Counter>,
    resent: Counter,
    repaired: Counter,
    unkept: Counter,
    uninformed: Counter,
    floors: Counter,
    rounds: Counter,
    pending: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Code {
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Of {
    role: String,
    standing: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Agreement {
    what: &'static str,
    likeness: &'static str,
}

impl ClusterMetrics {
    /// Takes over what a report says.
    pub fn set(&self, report: &ClusterReport) {
        let alone = report.size == 1 && report.role == "core";
        self.ready.set(report.ready.into());
        self.not_ready.clear();
        for why in &report.why {
            self.not_ready.get_or_create(&Code { reason: why.code.clone() }).set(1);
        }
        self.size.set(report.size.try_into().unwrap_or(i64::MAX));
        let never = if alone { 0.0 } else { f64::INFINITY };
        self.age.set(report.view_age_ms.map_or(never, seconds));
        let ahead = report.clock_offset_ms.unwrap_or_default();
        self.offset.set(seconds(ahead.unsigned_abs()).copysign(if ahead < 0 { -1.0 } else { 1.0 }));
        self.members.clear();
        for member in &report.members {
            let of = Of { role: member.role.clone(), standing: member.standing.clone() };
            self.members.get_or_create(&of).inc();
        }
        self.compare(report);
        self.count(report);
    }

    /// How many of the others have the same keys, facts and realms.
    fn compare(&self, report: &ClusterReport) {
        for what in ["keys", "facts", "realms"] {
            for likeness in ["same", "differs", "other", "unknown"] {
                self.agreement.get_or_create(&Agreement { what, likeness }).set(0);
            }
        }
        for member in report.members.iter().filter(|member| member.standing != "self") {
            for (what, likeness) in [("keys", member.ring), ("facts", member.facts), ("realms", member.realms)] {
                self.agreement.get_or_create(&Agreement { what, likeness: word(likeness) }).inc();
            }
        }
    }

    fn count(&self, report: &ClusterReport) {
        let told = &report.counters;
        let set = |counter: &Counter, to: u64| counter.inner().store(to, Ordering::Relaxed);
        for (reason, count) in [
            ("stranger", told.strangers),
            ("undecodable", told.undecodable),
            ("newer", told.newer),
            ("foreign", told.foreign),
            ("unasked", told.unasked),
            ("ring", told.rings_refused),
        ] {
            set(&self.refused.get_or_create(&Code { reason: reason.to_owned() }), count);
        }
        set(&self.resent, told.resent);
        set(&self.repaired, told.repaired);
        set(&self.unkept, told.unkept);
        set(&self.uninformed, told.uninformed);
        set(&self.floors, told.floors_raised);
        set(&self.rounds, told.rounds);
        self.pending.set(told.pending.try_into().unwrap_or(i64::MAX));
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("ready", "1 while this replica answers", self.ready.clone());
        registry.register("not_ready", "1 for each reason why it does not answer", self.not_ready.clone());
        let registry = registry.sub_registry_with_prefix("cluster");
        registry.register("size", "Of how many replicas the core is made up", self.size.clone());
        let help = "How old what it knows is: since a majority was asked whose answers are merged";
        registry.register("view_age_seconds", help, self.age.clone());
        let help = "How far its clock is ahead of the core's median";
        registry.register("clock_offset_seconds", help, self.offset.clone());
        registry.register("members", "Replicas by role and by how they stand to this one", self.members.clone());
        let help = "Other replicas by how what they have compares with what this one has";
        registry.register("agreement", help, self.agreement.clone());
        let help = "Messages and key rings of others that changed nothing, by reason";
        registry.register("refused", help, self.refused.clone());
        let help = "Facts sent again because no majority had acknowledged them in time";
        registry.register("facts_resent", help, self.resent.clone());
        registry.register("facts_repaired", "Facts that came by repair", self.repaired.clone());
        registry.register("facts_unkept", "Facts of others that could not be kept here", self.unkept.clone());
        registry.register("pushes_pending", "Pushes that wait for a majority", self.pending.clone());
        registry.register("uninformed", "Questions that no majority answered in time", self.uninformed.clone());
        let help = "Floors raised because a majority of the core had lost its facts";
        registry.register("floors_raised", help, self.floors.clone());
        registry.register("rounds", "Rounds sent", self.rounds.clone());
    }
}

fn word(likeness: Likeness) -> &'static str {
    match likeness {
        Likeness::Same => "same",
        Likeness::Differs => "differs",
        Likeness::Other => "other",
        Likeness::Unknown => "unknown",
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of less than a quarter of a million years are exact")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1_000.0
}
