//! Facts that no majority of the replicas is known to hold. They are kept until one does, however long that takes: else
//! the only copy could go while all others still renew what it ends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::CachedFacts;
use crate::claims::Registration;
use crate::clock::Timestamp;
use crate::revocation::digest::About;
use crate::revocation::{Fact, Recorded};
use crate::sessions::Lifetimes;
use crate::store::journal::entry::{joined, place};

/// The pinned facts, by what each stands under in the journal.
#[derive(Debug, Default)]
pub(super) struct Pins {
    pinned: Mutex<BTreeMap<Vec<u8>, (Fact, Timestamp)>>,
    /// How many there are: nearly always none, and every fact that comes asks.
    count: AtomicUsize,
}

impl Pins {
    /// Until when what is known about something is pinned.
    pub fn until(&self, about: impl FnOnce() -> About) -> Option<Timestamp> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let (places, pinned) = (places(&about()), self.pinned());
        let dated = places.iter().filter_map(|place| pinned.get(place)).map(|(_, dated)| *dated);
        dated.max().map(|dated| dated.plus(PINNED))
    }

    /// Pins a fact, with what was pinned of its kind and key before, and hands over what is pinned now.
    fn pin(&self, fact: &Fact, dated: Timestamp, then: impl FnOnce(&Fact, Timestamp)) {
        let mut pinned = self.pinned();
        let known = pinned.get(&place(fact)).copied();
        let fact = joined(known.map(|(known, _)| known), fact);
        let dated = known.map_or(dated, |(_, known)| known.min(dated));
        pinned.insert(place(&fact), (fact, dated));
        self.count.store(pinned.len(), Ordering::Release);
        then(&fact, dated);
    }

    /// Lets go of what `fact` says as much as, and says whether it did.
    fn release(&self, fact: &Fact, then: impl FnOnce(&Fact)) -> bool {
        let mut pinned = self.pinned();
        let covered = pinned.get(&place(fact)).is_some_and(|(known, _)| joined(Some(*known), fact) == *fact);
        if covered {
            pinned.remove(&place(fact));
            self.count.store(pinned.len(), Ordering::Release);
            then(fact);
        }
        covered
    }

    fn all(&self) -> Vec<(Fact, Timestamp)> {
        self.pinned().values().copied().collect()
    }

    fn pinned(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, (Fact, Timestamp)>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CachedFacts {
    /// As [`record`](crate::revocation::FactStore::record), and the fact is kept, across restarts too, until
    /// [`CachedFacts::release`] or for 400 days.
    pub fn record_pinned(&self, fact: Fact, now: Timestamp) -> Recorded {
        self.pins.pin(&fact, now, |fact, dated| {
            if let Some(journal) = &self.journal {
                journal.pin(fact, dated);
            }
        });
        self.record_if(fact, now, true)
    }

    /// A majority holds these facts: they are kept as long as any other from here on.
    pub fn release(&self, facts: &[Fact]) {
        for fact in facts {
            let released = self.pins.release(fact, |fact| {
                if let Some(journal) = &self.journal {
                    journal.unpin(fact);
                }
            });
            if released {
                self.date_again(&About::of(fact));
            }
        }
    }

    /// What is pinned, and since when.
    pub fn pins(&self) -> Vec<(Fact, Timestamp)> {
        self.pins.all()
    }

    /// Takes back what was pinned before a restart.
    pub(super) fn pin_again(&self, fact: &Fact, dated: Timestamp, now: Option<Timestamp>) {
        if now.is_none_or(|now| dated.plus(PINNED) > now) {
            self.pins.pin(fact, dated, |_, _| {});
        }
    }
}

/// Where facts of every kind stand that are about the same.
fn places(about: &About) -> Vec<Vec<u8>> {
    let (at, until) = (Timestamp::EPOCH, Timestamp::EPOCH);
    let deny = |session, rotated| Fact::Deny { session, from: at, rotated, of: None, until };
    let facts = match *about {
        About::Session(key) => {
            let bound = Fact::Bound { session: key, by: Registration::default(), of: Default::default(), until };
            vec![deny(key, false), deny(key, true), Fact::Superseded { session: key, at, until }, bound]
        }
        About::Tag(tag) => vec![Fact::Cutoff { tag, at, until }, Fact::Stale { tag, at, until }],
        About::Floor(realm) => vec![Fact::Floor { realm, at, until }],
    };
    facts.iter().map(place).collect()
}

/// As long as any session may live.
const PINNED: Duration = Lifetimes::MAX;
