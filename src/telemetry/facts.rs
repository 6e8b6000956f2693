//! What is counted about facts: how many are held, what was folded, and how the journal keeps up.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Gauges and counters of a fact store. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct FactMetrics {
    held: Family<Held, Gauge>,
    budget: Family<OfRealm, Gauge>,
    folds: Family<Folds, Counter>,
    folded: Family<Folds, Counter>,
    /// The journal's own.
    pub journal: JournalMetrics,
}

/// Gauges and counters of a journal. Clones count together.
#[derive(Clone, Debug)]
pub struct JournalMetrics {
    /// Durable commits.
    pub commits: Counter,
    /// Facts in a commit.
    pub batch: Histogram,
    /// How long a commit takes, in seconds.
    pub seconds: Histogram,
    /// Facts that are in force and not durable yet.
    pub owed: Gauge,
    /// 1 while the journal can't be written.
    pub failing: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Held {
    realm: String,
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfRealm {
    realm: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Folds {
    realm: String,
    into: &'static str,
}

impl FactMetrics {
    /// Says how many facts of a kind a realm has.
    pub fn held(&self, realm: &str, kind: &'static str, facts: usize) {
        let gauge = self.held.get_or_create(&Held { realm: realm.to_owned(), kind });
        gauge.set(facts.try_into().unwrap_or(i64::MAX));
    }

    /// Says how many facts a realm may have. Its folds are counted from zero on, so that the first one shows.
    pub fn budget(&self, realm: &str, facts: usize) {
        let of = OfRealm { realm: realm.to_owned() };
        self.budget.get_or_create(&of).set(facts.try_into().unwrap_or(i64::MAX));
        for into in ["cutoff", "floor"] {
            let of = Folds { realm: realm.to_owned(), into };
            drop((self.folds.get_or_create(&of), self.folded.get_or_create(&of)));
        }
    }

    /// Counts a fold of so many facts into a cut-off or a floor.
    pub fn folded(&self, realm: &str, into: &'static str, facts: usize) {
        let of = Folds { realm: realm.to_owned(), into };
        self.folds.get_or_create(&of).inc();
        self.folded.get_or_create(&of).inc_by(facts.try_into().unwrap_or(u64::MAX));
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("facts", "Facts held, by realm and kind", self.held.clone());
        registry.register("facts_budget", "Facts that a realm may have before many become one", self.budget.clone());
        registry.register(
            "fact_folds",
            "Folds of many facts into one, by realm and what they became",
            self.folds.clone(),
        );
        registry.register("facts_folded", "Facts that folds did away with", self.folded.clone());
        let JournalMetrics { commits, batch, seconds, owed, failing } = self.journal.clone();
        registry.register("journal_commits", "Durable commits of the journal", commits);
        registry.register("journal_batch_facts", "Facts in a commit", batch);
        registry.register("journal_commit_seconds", "How long a commit takes until it is durable", seconds);
        registry.register("journal_owed_facts", "Facts in force that are not durable yet", owed);
        registry.register("journal_failing", "1 while the journal can't be written", failing);
    }
}

impl Default for JournalMetrics {
    fn default() -> Self {
        Self {
            commits: Counter::default(),
            batch: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 14)),
            owed: Gauge::default(),
            failing: Gauge::default(),
        }
    }
}
