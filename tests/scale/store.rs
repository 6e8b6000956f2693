//! What a simulated replica knows: the protocol's own table, and when some of the facts came into it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sealpass::claims::SessionId;
use sealpass::clock::Timestamp;
use sealpass::cluster::ports::{Buckets, Facts, RingDigest, RingRefused, Rings};
use sealpass::cluster::table::FactTable;
use sealpass::revocation::{Fact, Kept, Question, TagKey};

use super::world::Moment;

/// A table that notes when watched facts come.
pub struct Store {
    table: FactTable,
    clock: Arc<AtomicU64>,
    came: Mutex<BTreeMap<SessionId, Moment>>,
}

impl Store {
    pub fn new(clock: Arc<AtomicU64>) -> Self {
        Self { table: FactTable::default(), clock, came: Mutex::default() }
    }

    /// How many facts there are.
    pub fn count(&self) -> u64 {
        self.table.all().len() as u64
    }

    /// When watched facts came.
    pub fn came(&self) -> BTreeMap<SessionId, Moment> {
        self.came.lock().expect("one thread").clone()
    }
}

impl Facts for Store {
    fn agreed(&self, shown: Option<Timestamp>) {
        self.table.agreed(shown);
    }

    fn merge(&self, facts: &[Fact], now: Timestamp) -> Kept {
        for fact in facts {
            if let Fact::Deny { session, .. } = fact
                && is_watched(session.sid)
            {
                let now = self.clock.load(Ordering::Relaxed);
                self.came.lock().expect("one thread").entry(session.sid).or_insert(now);
            }
        }
        self.table.merge(facts, now)
    }

    fn about(&self, question: &Question) -> Vec<Fact> {
        self.table.about(question)
    }

    fn same(&self, facts: &[Fact]) -> Vec<Fact> {
        self.table.same(facts)
    }

    fn pass(&self, tags: &[TagKey], at: Timestamp) {
        self.table.pass(tags, at);
    }

    fn passed(&self, tags: &[TagKey]) -> Option<Timestamp> {
        self.table.passed(tags)
    }

    fn digest(&self, beyond: Timestamp) -> Buckets {
        self.table.digest(beyond)
    }

    fn leaves(&self, bucket: u8, beyond: Timestamp) -> Buckets {
        self.table.leaves(bucket, beyond)
    }

    fn leaf(&self, bucket: u8, leaf: u8, beyond: Timestamp) -> Vec<Fact> {
        self.table.leaf(bucket, leaf, beyond)
    }
}

/// One in sixteen.
fn is_watched(sid: SessionId) -> bool {
    sid.0[0].is_multiple_of(16)
}

/// The same ring on all: it is not what is measured.
pub struct SameRing;

impl Rings for SameRing {
    fn digest(&self) -> Option<RingDigest> {
        Some(RingDigest { ring: [1; 16], digest: [2; 32] })
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        None
    }

    fn merge(&self, _: &[u8]) -> Result<(), RingRefused> {
        Err(RingRefused::Unreadable)
    }

    fn confirmed(&self, _: std::time::Duration) {}
}
