//! How many facts each realm has, and each subject of it: what a budget is held against.
//!
//! Facts are counted when they enter the cache and when they leave it, whatever the reason. A subject costs some dozens
//! of bytes, a fact none.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::CachedFacts;
use super::sums::Sums;
use crate::claims::{RealmId, Tag};
use crate::revocation::digest::About;
use crate::revocation::{SessionFacts, SessionKey, TagFacts, TagKey};

/// Counts by realm and subject.
#[derive(Debug)]
pub(super) struct Index {
    realms: Mutex<HashMap<RealmId, Counts>>,
    /// Of how many sessions of a subject there may be facts, by realm; the last is any other's.
    quotas: (HashMap<RealmId, i32>, i32),
    /// Where replicas compare themselves.
    sums: Option<Sums>,
}

/// Those of a realm. A count can be below zero for a moment when two threads are at one fact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// What the budget is about.
    pub entries: i64,
    pub denies: i64,
    pub superseded: i64,
    pub bound: i64,
    pub cutoffs: i64,
    pub stale: i64,
    /// Facts about sessions by subject, where it is known.
    pub subjects: HashMap<Tag, i32>,
    /// Those of them that are over the quota.
    pub over: HashSet<Tag>,
}

impl Index {
    pub fn new(quotas: HashMap<RealmId, i32>, any_other: i32, sums: Option<Sums>) -> Self {
        Self { realms: Mutex::default(), quotas: (quotas, any_other), sums }
    }

    /// Digests of what is counted, where they are kept up.
    ///
    /// # Panics
    /// Where they are not: a store that is alone is compared with none.
    pub fn sums(&self) -> &Sums {
        self.sums.as_ref().expect("made by `CachedFacts::in_fleet`")
    }

    /// Counts what is known of a session: `by` 1 when it comes, -1 when it goes.
    pub fn session(&self, key: &SessionKey, facts: &SessionFacts, by: i32) {
        if let Some(sums) = &self.sums {
            sums.count(About::Session(*key), facts.facts(*key), facts.until, by);
        }
        let quota = self.quotas.0.get(&key.realm).copied().unwrap_or(self.quotas.1);
        let mut realms = self.realms();
        let counts = realms.entry(key.realm).or_default();
        let n = i64::from(by);
        counts.entries += n;
        counts.superseded += if facts.superseded.is_some() { n } else { 0 };
        counts.bound += if facts.bound.is_some() { n } else { 0 };
        counts.denies += if facts.deny.is_some() { n } else { 0 };
        if let Some((subject, _)) = facts.of() {
            let count = counts.subjects.entry(subject).or_default();
            *count += by;
            match *count {
                0 => drop((counts.subjects.remove(&subject), counts.over.remove(&subject))),
                count if count > quota => drop(counts.over.insert(subject)),
                _ => drop(counts.over.remove(&subject)),
            }
        }
    }

    /// The same for what is known of a tag.
    pub fn tag(&self, key: &TagKey, facts: &TagFacts, by: i32) {
        if let Some(sums) = &self.sums {
            sums.count(About::Tag(*key), facts.facts(*key), facts.until, by);
        }
        let mut realms = self.realms();
        let counts = realms.entry(key.realm).or_default();
        let n = i64::from(by);
        counts.entries += n;
        counts.cutoffs += if facts.cutoff.is_some() { n } else { 0 };
        counts.stale += if facts.stale.is_some() { n } else { 0 };
    }

    /// Whether so many sessions of the subject were ended one by one that it is about to be folded.
    pub fn is_many(&self, subject: TagKey) -> bool {
        let quota = self.quotas.0.get(&subject.realm).copied().unwrap_or(self.quotas.1);
        self.of(subject.realm, |counts| counts.subjects.get(&subject.tag).is_some_and(|count| *count > quota / 2))
    }

    /// The realms of which there are facts.
    pub fn all(&self) -> Vec<RealmId> {
        self.realms().keys().copied().collect()
    }

    /// Looks at the counts of a realm.
    pub fn of<T>(&self, realm: RealmId, look: impl FnOnce(&Counts) -> T) -> T {
        look(self.realms().entry(realm).or_default())
    }

    /// Gives back memory that a flood took.
    pub fn shrink(&self) {
        for counts in self.realms().values_mut() {
            if counts.subjects.capacity() > 4 * counts.subjects.len() + 1_024 {
                counts.subjects.shrink_to_fit();
            }
        }
    }

    fn realms(&self) -> MutexGuard<'_, HashMap<RealmId, Counts>> {
        self.realms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CachedFacts {
    /// Tells the metrics what is held.
    pub(super) fn measure(&self) {
        for realm in self.index.all() {
            let (name, counts) = (self.name(realm), self.index.of(realm, Counts::by_kind));
            for (kind, count) in counts {
                self.metrics.held(name, kind, count);
            }
        }
        for (realm, ..) in self.floors.load().iter() {
            self.metrics.held(realm.map_or("(all)", |realm| self.name(realm)), "floor", 1);
        }
    }
}

impl Counts {
    /// For the metrics.
    pub fn by_kind(&self) -> [(&'static str, usize); 5] {
        let kinds = [
            ("deny", self.denies),
            ("superseded", self.superseded),
            ("bound", self.bound),
            ("cutoff", self.cutoffs),
            ("stale", self.stale),
        ];
        kinds.map(|(kind, count)| (kind, usize::try_from(count).unwrap_or_default()))
    }
}
