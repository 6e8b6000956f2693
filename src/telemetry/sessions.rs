//! What is counted about sessions: how they begin, change and end.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counters of sessions.
#[derive(Debug)]
pub struct SessionMetrics {
    issued: Counter,
    renewed: Counter,
    resealed: Counter,
    rotated: Counter,
    ended: Counter,
    together: Family<Of, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Of {
    kind: &'static str,
}

impl SessionMetrics {
    /// Counts a new session.
    pub fn issued(&self) {
        self.issued.inc();
    }

    /// Counts a renewed token.
    pub fn renewed(&self) {
        self.renewed.inc();
    }

    /// Counts a session that got other claims; `rotated`: and another id.
    pub fn changed(&self, rotated: bool) {
        if rotated { &self.rotated } else { &self.resealed }.inc();
    }

    /// Counts an ending, if it was one.
    pub fn ended(&self, raised: bool) {
        self.ended.inc_by(raised.into());
    }

    /// Counts an ending of all sessions of a `subject`, a `handle` or a `realm`.
    pub fn ended_together(&self, kind: &'static str) {
        self.together.get_or_create(&Of { kind }).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("sessions_issued", "Sessions issued", self.issued.clone());
        let help = "Tokens sealed for a session of which nothing else changed";
        registry.register("sessions_renewed", help, self.renewed.clone());
        registry.register("sessions_resealed", "Sessions that were given other claims", self.resealed.clone());
        registry.register("sessions_rotated", "Sessions that were given another id", self.rotated.clone());
        registry.register("sessions_ended", "Sessions ended one by one", self.ended.clone());
        let help = "Endings of all sessions of a subject, a handle or a realm, by which of them";
        registry.register("sessions_ended_together", help, self.together.clone());
    }
}

impl Default for SessionMetrics {
    fn default() -> Self {
        let together = Family::<Of, Counter>::default();
        for kind in ["subject", "handle", "realm"] {
            drop(together.get_or_create(&Of { kind }));
        }
        let zero = Counter::default;
        Self { issued: zero(), renewed: zero(), resealed: zero(), rotated: zero(), ended: zero(), together }
    }
}
