//! What is counted about calls of the control API, and how long they wait for others.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::latency::Latency;

/// Counters and histograms of the control listener.
#[derive(Debug)]
pub struct CallMetrics {
    answers: Family<Answer, Counter>,
    seconds: Family<Path, Latency, fn() -> Latency>,
    majority: Latency,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    path: String,
    code: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Path {
    path: String,
}

impl CallMetrics {
    /// Counts an answer. `path` is one of those that there are, whatever was asked for.
    pub fn answered(&self, path: &str, code: u16, took: Duration) {
        self.answers.get_or_create(&Answer { path: path.to_owned(), code }).inc();
        self.seconds.get_or_create(&Path { path: path.to_owned() }).observe(took);
    }

    /// Notes how long a call waited until a majority held what it did, or gave up.
    pub fn waited(&self, took: Duration) {
        self.majority.observe(took);
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("control_requests", "Answers of the control API by path and code", self.answers.clone());
        let help = "How long calls of the control API took, by path";
        registry.register("control_request_duration_seconds", help, self.seconds.clone());
        let help = "How long endings and changes waited until a majority held them, or nobody waited any more";
        registry.register("cluster_majority_wait_seconds", help, self.majority.clone());
    }
}

impl Default for CallMetrics {
    fn default() -> Self {
        Self {
            answers: Family::default(),
            seconds: Family::new_with_constructor(Latency::of_calls),
            majority: Latency::of_calls(),
        }
    }
}
