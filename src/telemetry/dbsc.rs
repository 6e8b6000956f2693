//! What is counted about sessions that are bound to a device.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counters of the two endpoints.
#[derive(Debug)]
pub struct DbscMetrics {
    answers: Family<Answer, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    step: &'static str,
    result: &'static str,
}

impl DbscMetrics {
    /// Counts what a `step` was answered: `registration` or `refresh`; and one of [`Self::RESULTS`].
    pub fn answered(&self, step: &'static str, result: &'static str) {
        self.answers.get_or_create(&Answer { step, result }).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Registrations and refreshes of sessions that are bound to a device, by what they were answered";
        registry.register("dbsc_answers", help, self.answers.clone());
    }

    /// Cookies; a challenge; a proof that does not hold, or no request of a browser; a session that is over; not now.
    pub const RESULTS: [&'static str; 5] = ["ok", "challenged", "refused", "over", "not_ready"];
}

impl Default for DbscMetrics {
    fn default() -> Self {
        let answers = Family::<Answer, Counter>::default();
        for step in ["registration", "refresh"] {
            for result in Self::RESULTS {
                drop(answers.get_or_create(&Answer { step, result }));
            }
        }
        Self { answers }
    }
}
