//! What is counted about the key ring. All of it is read when somebody asks for metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::custody::Report;

/// Gauges and counters of the ring that a replica uses.
#[derive(Debug, Default)]
pub struct RingMetrics {
    keys: Family<State, Gauge>,
    next: Gauge<f64, AtomicU64>,
    age: Gauge<f64, AtomicU64>,
    active_for: Gauge<f64, AtomicU64>,
    opened: Family<OfKey, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct State {
    state: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfKey {
    kid: String,
}

impl RingMetrics {
    /// Takes over what the ring is; `None` if it can't be read, and then nothing is said of its keys.
    pub fn set(&self, report: Option<&Report>) {
        self.keys.clear();
        let Some(report) = report else {
            self.next.set(f64::NAN);
            self.active_for.set(f64::NAN);
            return;
        };
        for state in STATES {
            self.keys.get_or_create(&State { state: state.to_owned() }).set(0);
        }
        for key in &report.keys {
            self.keys.get_or_create(&State { state: key.state.clone() }).inc();
        }
        let of = |state: &'static str| report.keys.iter().filter(move |key| key.state == state);
        let next = of("pending").filter_map(|key| key.seals_from).min();
        self.next.set(next.map_or(f64::INFINITY, |at| at.since(report.now).as_secs_f64()));
        let since = of("active").filter_map(|key| key.seals_from).max();
        self.active_for.set(since.map_or(f64::NAN, |at| report.now.since(at).as_secs_f64()));
    }

    /// How long ago the ring was confirmed; `None` if it never was.
    pub fn confirmed(&self, ago: Option<Duration>) {
        self.age.set(ago.map_or(f64::INFINITY, |ago| ago.as_secs_f64()));
    }

    /// How many tokens each key has opened. What is no key of the ring any more is left out, so there are never many.
    pub fn opened(&self, by_key: impl IntoIterator<Item = (String, u64)>) {
        self.opened.clear();
        for (kid, count) in by_key {
            self.opened.get_or_create(&OfKey { kid }).inner().store(count, Ordering::Relaxed);
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("ring_keys", "Keys of the ring by state", self.keys.clone());
        let help = "In how many seconds the next key seals; +Inf while none is pending";
        registry.register("ring_next_activation_seconds", help, self.next.clone());
        let help = "For how many seconds the active key has been sealing";
        registry.register("ring_active_key_age_seconds", help, self.active_for.clone());
        let help = "How many seconds ago the ring in use was confirmed: by its file, or by a majority";
        registry.register("ring_confirmation_age_seconds", help, self.age.clone());
        registry.register("tokens_opened", "Tokens opened by the key that had sealed them", self.opened.clone());
    }
}

/// Every state there is, so that each begins at zero.
const STATES: [&str; 7] = ["proposed", "pending", "active", "verify-only", "retired", "revoked", "destroyed"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::KeyState;

    #[test]
    fn every_state_has_its_name() {
        use KeyState::{Active, Destroyed, Pending, Proposed, Retired, Revoked, VerifyOnly};
        let states = [Proposed, Pending, Active, VerifyOnly, Retired, Revoked, Destroyed];
        assert_eq!(states.map(|state| state.to_string()), STATES);
    }
}
