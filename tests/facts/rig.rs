//! What these tests share: facts, keys, and whether a session is refused.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pollster::block_on;
use sealpass::claims::{RealmId, RealmName, Registration, SessionId, Tag};
use sealpass::clock::{Clock, ManualClock, Timestamp};
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::{KeyRing, Keys};
use sealpass::revocation::{AT_ONCE, Fact, FactStore, SessionKey, TagKey};
use sealpass::store::{Begin, Budget, CachedFacts, Journal, JournalError};
use sealpass::telemetry::{FactMetrics, Metrics};

pub const REALM: &str = "default";

/// A session, as far as facts are about it.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    pub key: SessionKey,
    pub subject: Tag,
    pub started: Timestamp,
}

pub fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis).expect("in range")
}

/// When these tests take place.
pub fn now() -> Timestamp {
    at(1_790_000_000_000)
}

pub fn realm(name: &str) -> RealmId {
    RealmId::of(&RealmName::new(name).expect("a name"))
}

pub fn subject(number: u64) -> Tag {
    // As a keyed tag is: no two begin alike.
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

/// A session nobody has seen before.
pub fn session(realm: RealmId, subject: Tag, started: Timestamp) -> Session {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let half = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let sid = (u128::from(half) << 64 | u128::from(number)).to_be_bytes();
    Session { key: SessionKey { realm, sid: SessionId(sid) }, subject, started }
}

impl Session {
    pub fn deny(&self, until: Timestamp) -> Fact {
        let of = Some((self.subject, self.started));
        Fact::Deny { session: self.key, from: AT_ONCE, rotated: false, of, until }
    }

    /// That a device has registered for it.
    pub fn bound(&self, at: Timestamp, until: Timestamp) -> Fact {
        let by = Registration { at, key: *b"a device" };
        Fact::Bound { session: self.key, by, of: (self.subject, self.started), until }
    }

    /// Whether the store says that it is over.
    pub fn is_over(&self, facts: &CachedFacts) -> bool {
        let TagKey { realm, tag } = TagKey { realm: self.key.realm, tag: self.subject };
        facts.session(self.key).is_some_and(|known| known.deny.is_some())
            || facts.tag(TagKey { realm, tag }).is_some_and(|known| known.cutoff >= Some(self.started))
            || facts.floor(realm) >= Some(self.started)
    }
}

pub fn budget(name: &str, facts: usize, per_subject: usize) -> Budget {
    let realm = RealmName::new(name).expect("a name");
    Budget { realm, facts, per_subject, longest: Duration::from_secs(30 * 86_400) }
}

/// A place for a journal, with a ring.
pub struct Place {
    dir: tempfile::TempDir,
    pub ring: KeyRing,
    pub clock: Arc<ManualClock>,
    pub metrics: Metrics,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let mut ring = KeyRing::init(&SystemEntropy::new(), now()).expect("random bytes");
        ring.written(); // one that was in use before
        Self { dir, ring, clock: Arc::new(ManualClock::at(now())), metrics: Metrics::new() }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("facts.redb")
    }

    pub fn keys(&self) -> Keys {
        Keys::new(&self.ring, &SystemEntropy::new()).expect("random bytes")
    }

    /// The store, with what its journal holds.
    pub fn open(&self) -> Result<CachedFacts, JournalError> {
        self.open_with([budget(REALM, 10_000, 1_000)], self.begin())
    }

    /// As a service begins that could mark its ring.
    fn begin(&self) -> Begin {
        if self.ring.is_new() { Begin::First } else { Begin::Again }
    }

    pub fn open_with(
        &self,
        budgets: impl IntoIterator<Item = Budget>,
        begin: Begin,
    ) -> Result<CachedFacts, JournalError> {
        let journal = Journal::open(&self.path(), self.metrics.facts.journal.clone())?;
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let facts = CachedFacts::with(clock, Some(journal), budgets, self.metrics.facts.clone());
        let kept = facts.start(&self.ring, &self.keys(), begin)?;
        block_on(kept).expect("durable");
        Ok(facts)
    }

    /// The same as one of several replicas.
    pub fn open_among_others(&self) -> CachedFacts {
        let journal = Journal::open(&self.path(), self.metrics.facts.journal.clone()).expect("a journal");
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let facts = CachedFacts::in_fleet(clock, Some(journal), [], self.metrics.facts.clone());
        block_on(facts.start(&self.ring, &self.keys(), self.begin()).expect("readable")).expect("durable");
        facts
    }

    /// The value of a metric, by the beginning of its line.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().parse().ok()).unwrap_or_else(|| panic!("{name}: {text}"))
    }
}

/// A store without a journal.
pub fn in_memory(clock: &Arc<ManualClock>, budgets: impl IntoIterator<Item = Budget>) -> CachedFacts {
    CachedFacts::with(Arc::clone(clock) as Arc<dyn Clock>, None, budgets, FactMetrics::default())
}

pub fn record(facts: &CachedFacts, fact: Fact) {
    block_on(facts.record(fact, now()).kept).expect("kept");
}

/// Every session in turn is over, and the round of maintenance behind that changes nothing.
pub fn all_over(facts: &CachedFacts, sessions: &[Session]) {
    for _ in 0..3 {
        let lost = sessions.iter().filter(|session| !session.is_over(facts)).count();
        assert_eq!(lost, 0, "of {} endings", sessions.len());
        settle(facts);
    }
}

/// Maintains until no fold is under way, and once more.
pub fn settle(facts: &CachedFacts) {
    maintain_until(facts, "no fold is under way", || !facts.is_folding());
    facts.maintain();
}

/// Maintains until something holds, within reason.
pub fn maintain_until(facts: &CachedFacts, what: &str, holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    loop {
        facts.maintain();
        if holds() {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
