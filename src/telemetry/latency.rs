//! A histogram that the path of verify can afford: atomics over fixed boundaries, no lock and no allocation.
//!
//! That of the library takes a lock for each observation. What is written of this one is written by the library.

use std::fmt::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// How long things took. Clones count together.
#[derive(Clone, Debug)]
pub struct Latency(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Ascending, in nanoseconds; what is above the last one has a bucket of its own.
    bounds: &'static [u64],
    /// One more than there are bounds.
    counts: Box<[AtomicU64]>,
    /// In nanoseconds: enough for 580 years.
    sum: AtomicU64,
}

impl Latency {
    /// Empty, for what takes some ten microseconds: from 5 µs to 100 ms.
    pub fn of_verify() -> Self {
        Self::new(&VERIFY)
    }

    /// Empty, for what waits for disks and other replicas: from 0.5 ms to 10 s.
    pub fn of_calls() -> Self {
        Self::new(&CALLS)
    }

    fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Inner { bounds, counts, sum: AtomicU64::new(0) }))
    }

    /// Counts one that took so long.
    pub fn observe(&self, took: Duration) {
        let Inner { bounds, counts, sum } = &*self.0;
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        // Most are in one of the first: a scan is faster than halving.
        let at = bounds.iter().position(|bound| nanos <= *bound).unwrap_or(bounds.len());
        counts[at].fetch_add(1, Ordering::Relaxed);
        sum.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl EncodeMetric for Latency {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), Error> {
        let Inner { bounds, counts, sum } = &*self.0;
        let bounds = bounds.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(counts.iter().map(|count| count.load(Ordering::Relaxed))).collect();
        // Added up from what is written, so that the two never disagree.
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(seconds(sum.load(Ordering::Relaxed)), count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Latency {
    const TYPE: MetricType = MetricType::Histogram;
}

#[expect(clippy::cast_precision_loss, reason = "a sum of hundred days is exact, and a longer one near enough")]
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000 * MICRO;

const VERIFY: [u64; 12] = [
    5 * MICRO,
    10 * MICRO,
    25 * MICRO,
    50 * MICRO,
    100 * MICRO,
    250 * MICRO,
    500 * MICRO,
    MILLI,
    5 * MILLI,
    10 * MILLI,
    50 * MILLI,
    100 * MILLI,
];
const CALLS: [u64; 11] = [
    MILLI / 2,
    MILLI,
    5 * MILLI / 2,
    5 * MILLI,
    10 * MILLI,
    25 * MILLI,
    100 * MILLI,
    500 * MILLI,
    1_000 * MILLI,
    2_500 * MILLI,
    10_000 * MILLI,
];

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    #[test]
    fn each_observation_is_in_its_bucket_and_in_every_later_one() {
        let (latency, mut registry, mut text) = (Latency::of_verify(), Registry::default(), String::new());
        registry.register("x_seconds", "X", latency.clone());
        for nanos in [0, 5_000, 5_001, 250_000, 100_000_001, 100_000_000] {
            latency.observe(Duration::from_nanos(nanos));
        }
        latency.observe(Duration::MAX.min(Duration::from_secs(2)));
        encode(&mut text, &registry).expect("a string");
        for line in [
            "# TYPE x_seconds histogram\n",
            "x_seconds_bucket{le=\"0.000005\"} 2\n",
            "x_seconds_bucket{le=\"0.00001\"} 3\n",
            "x_seconds_bucket{le=\"0.0001\"} 3\n",
            "x_seconds_bucket{le=\"0.00025\"} 4\n",
            "x_seconds_bucket{le=\"0.1\"} 5\n",
            "x_seconds_bucket{le=\"+Inf\"} 7\n",
            "x_seconds_count 7\n",
            "x_seconds_sum 2.200260002\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn boundaries_ascend() {
        assert!(VERIFY.is_sorted() && CALLS.is_sorted());
    }
}
