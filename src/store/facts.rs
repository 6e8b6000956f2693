//! Facts in a moka cache: lock-free reads, and each fact kept for as long as it matters.
//!
//! There is no capacity bound on purpose. With one, moka's admission filter turns away the *newest* entries when the
//! cache is full, and a logout would be lost a moment after it was seen to work.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use moka::Expiry;
use moka::sync::Cache;

use crate::claims::RealmId;
use crate::clock::{Clock, Timestamp};
use crate::revocation::{Fact, FactStore, Kept, Recorded, SessionFacts, SessionKey, TagFacts, TagKey};

/// The fact store of a running service.
pub struct CachedFacts {
    sessions: Cache<SessionKey, SessionFacts, RandomKeys>,
    tags: Cache<TagKey, TagFacts, RandomKeys>,
    /// One for each realm at most, and one for all: read on every request.
    floors: ArcSwap<Vec<(Option<RealmId>, Timestamp)>>,
}

impl CachedFacts {
    /// An empty store that expires facts by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            sessions: Cache::builder().expire_after(UntilTheirTime(Arc::clone(&clock))).build_with_hasher(RandomKeys),
            tags: Cache::builder().expire_after(UntilTheirTime(clock)).build_with_hasher(RandomKeys),
            floors: ArcSwap::default(),
        }
    }

    /// Drops what has expired. A cache without traffic does not do so by itself: call this now and then.
    pub fn maintain(&self) {
        self.sessions.run_pending_tasks();
        self.tags.run_pending_tasks();
    }

    /// How many facts are held; exact after [`CachedFacts::maintain`].
    pub fn len(&self) -> u64 {
        self.sessions.entry_count() + self.tags.entry_count()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FactStore for CachedFacts {
    fn session(&self, session: SessionKey) -> Option<SessionFacts> {
        // Nearly every look-up finds nothing, and `contains_key` does so without book-keeping.
        if self.sessions.contains_key(&session) { self.sessions.get(&session) } else { None }
    }

    fn tag(&self, tag: TagKey) -> Option<TagFacts> {
        if self.tags.contains_key(&tag) { self.tags.get(&tag) } else { None }
    }

    fn floor(&self, realm: RealmId) -> Option<Timestamp> {
        let floors = self.floors.load();
        floors.iter().filter(|(of, _)| of.is_none_or(|of| of == realm)).map(|(_, at)| *at).max()
    }

    fn record(&self, fact: Fact, _now: Timestamp) -> Recorded {
        match fact {
            Fact::Deny { session, .. } | Fact::Superseded { session, .. } => {
                let mut before = SessionFacts::default();
                let entry = self.sessions.entry(session).and_upsert_with(|known| {
                    before = known.map(moka::Entry::into_value).unwrap_or_default();
                    before.with(&fact)
                });
                Recorded::of_session(&before, &entry.into_value(), Kept::now())
            }
            Fact::Cutoff { tag, .. } | Fact::Stale { tag, .. } => {
                let mut before = TagFacts::default();
                let entry = self.tags.entry(tag).and_upsert_with(|known| {
                    before = known.map(moka::Entry::into_value).unwrap_or_default();
                    before.with(&fact)
                });
                Recorded::of_many(entry.into_value().raised_over(&before), Kept::now())
            }
            Fact::Floor { realm, at, .. } => Recorded::of_many(self.raise_floor(realm, at), Kept::now()),
        }
    }
}

impl CachedFacts {
    fn raise_floor(&self, realm: Option<RealmId>, at: Timestamp) -> bool {
        let before = self.floors.rcu(|floors| {
            let mut floors = Vec::clone(floors);
            match floors.iter_mut().find(|(of, _)| *of == realm) {
                Some((_, known)) => *known = at.max(*known),
                None => floors.push((realm, at)),
            }
            floors
        });
        before.iter().find(|(of, _)| *of == realm).is_none_or(|(_, known)| at > *known)
    }
}

impl std::fmt::Debug for CachedFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CachedFacts").field("facts", &self.len()).finish_non_exhaustive()
    }
}

/// Session ids and tags are random or keyed already, and nobody outside chooses one: the first bytes of the
/// one that was written last are the hash.
#[derive(Clone, Copy, Debug, Default)]
struct RandomKeys;

impl BuildHasher for RandomKeys {
    type Hasher = FirstBytes;

    fn build_hasher(&self) -> FirstBytes {
        FirstBytes(0)
    }
}

struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    /// The length, which is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Facts expire at their own `until`, and an update that moves it later counts: moka's default for updates would keep
/// the first expiry.
struct UntilTheirTime(Arc<dyn Clock>);

impl UntilTheirTime {
    fn left(&self, until: Timestamp) -> Duration {
        until.since(self.0.now())
    }
}

impl Expiry<SessionKey, SessionFacts> for UntilTheirTime {
    fn expire_after_create(&self, _: &SessionKey, facts: &SessionFacts, _: Instant) -> Option<Duration> {
        Some(self.left(facts.until))
    }

    fn expire_after_update(
        &self,
        _: &SessionKey,
        facts: &SessionFacts,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(self.left(facts.until))
    }
}

impl Expiry<TagKey, TagFacts> for UntilTheirTime {
    fn expire_after_create(&self, _: &TagKey, facts: &TagFacts, _: Instant) -> Option<Duration> {
        Some(self.left(facts.until))
    }

    fn expire_after_update(&self, _: &TagKey, facts: &TagFacts, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(self.left(facts.until))
    }
}
