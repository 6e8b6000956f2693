//! What is counted about credentials: whether their file can be used, when each one ends, who was over a limit.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::clock::Timestamp;

/// Gauges and counters of the credentials. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct CredentialMetrics {
    failing: Gauge,
    expires: Family<Whose, Gauge<u64, AtomicU64>>,
    limited: Family<Limited, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Whose {
    credential: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Limited {
    credential: String,
    limit: &'static str,
}

impl CredentialMetrics {
    /// Notes whether the file can be used.
    pub fn failing(&self, failing: bool) {
        self.failing.set(failing.into());
    }

    /// Notes which credentials end by themselves, and when.
    pub fn expire<'c>(&self, ends: impl IntoIterator<Item = (&'c str, Timestamp)>) {
        self.expires.clear();
        for (name, at) in ends {
            self.expires.get_or_create(&Whose { credential: name.to_owned() }).set(at.as_secs());
        }
    }

    /// Counts a call that was over a limit.
    pub fn limited(&self, name: &str, limit: &'static str) {
        self.limited.get_or_create(&Limited { credential: name.to_owned(), limit }).inc();
    }

    pub(super) fn registered(registry: &mut Registry) -> Self {
        let new = Self::default();
        let help = "1 while the credentials file can't be used, and earlier credentials are in force";
        registry.register("credentials_failing", help, new.failing.clone());
        let help = "When a credential ends by itself";
        registry.register("credential_expires_timestamp_seconds", help, new.expires.clone());
        registry.register("calls_limited", "Calls that were over a limit of their credential", new.limited.clone());
        new
    }
}
