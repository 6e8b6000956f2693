//! Which keys certainly have no fact: nearly all that verify asks for. It takes some nanoseconds where the map takes up to some
//! hundred.
//!
//! It never says so of a key that has one, or an ended session would live again. Why not:
//!
//! 1. Whoever puts a key into the map calls [`Filter::note`] behind it, before anybody is told that the fact is in force.
//! 2. [`Filter::note`] lists the key and marks it in the bits of the moment, under one lock.
//! 3. Bits are never taken back. [`Filter::renew`] puts others in their place, under that lock: those of all keys that are
//!    listed, but for keys that the map did not have after they were listed.
//! 4. Such a key is put into the map again only by somebody who notes it behind that, which is behind the look that missed it:
//!    it is listed anew, and marked in whatever bits are there by then.
//!
//! So between the note of a key and the moment at which the map lets go of it, all bits that anybody can read have its marks.
//! Nothing here depends on what the map tells of what it drops, nor on how it is walked through.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::revocation::{SessionKey, TagKey};

/// A filter in front of a map with keys of one kind.
#[derive(Debug)]
pub(super) struct Filter<K> {
    bits: ArcSwap<Bits>,
    /// Every key that was noted, some of them several times, and some that the map has no more.
    listed: Mutex<Vec<K>>,
    /// Held by whoever makes new bits.
    renewing: Mutex<()>,
}

/// Two marks a key, in a field whose size is a power of two.
#[derive(Debug)]
struct Bits(Box<[AtomicU64]>);

/// What is random enough to be marked by: nobody outside chooses a key.
pub(super) trait Random: Copy + Ord {
    /// Bits that differ from key to key.
    fn random(&self) -> u64;
}

impl<K: Random> Filter<K> {
    /// False only if the map has nothing under `key`, or whoever put it there did not note it yet.
    pub fn may_have(&self, key: &K) -> bool {
        self.bits.load().has(key.random())
    }

    /// To be called behind each call that puts `key` into the map, also where the map had it before: another thread may
    /// have put it there and not be here yet.
    pub fn note(&self, key: K) {
        let mut listed = self.listed();
        listed.push(key);
        self.bits.load().mark(key.random());
    }

    /// Makes new bits if there are too few for what is listed, or much of that is gone; the map has `held` keys, more or less,
    /// and `has` says whether it has this one.
    pub fn renew(&self, held: u64, has: impl Fn(&K) -> bool) {
        let listed = self.listed().len();
        let small = self.bits.load().0.len() < Bits::words(listed) / 2;
        let stale = listed as u64 > 2 * held + SPARE;
        if small || stale {
            self.renew_all(has);
        }
    }

    fn renew_all(&self, has: impl Fn(&K) -> bool) {
        // Where this ever panics half way, some keys are listed nowhere: then the bits stay as they are, for good.
        let Ok(_renewing) = self.renewing.try_lock() else { return };
        // What is listed from here on is marked below, whenever it comes.
        let mut kept = std::mem::take(&mut *self.listed());
        kept.sort_unstable();
        kept.dedup();
        kept.retain(has);
        let bits = Bits::for_keys(kept.len());
        for key in &kept {
            bits.mark(key.random());
        }
        let mut listed = self.listed();
        for key in listed.iter() {
            bits.mark(key.random());
        }
        kept.append(&mut listed);
        kept.shrink_to(2 * kept.len());
        *listed = kept;
        self.bits.store(bits.into());
    }

    fn listed(&self) -> MutexGuard<'_, Vec<K>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Random> Default for Filter<K> {
    fn default() -> Self {
        Self { bits: ArcSwap::from_pointee(Bits::for_keys(0)), listed: Mutex::default(), renewing: Mutex::default() }
    }
}

impl Bits {
    fn for_keys(count: usize) -> Self {
        Self((0..Self::words(count)).map(|_| AtomicU64::new(0)).collect())
    }

    /// Sixteen bits a key: of a hundred that are not there, one or two seem to be.
    fn words(count: usize) -> usize {
        (count / 4).next_power_of_two().clamp(LEAST_WORDS, MOST_WORDS)
    }

    fn has(&self, random: u64) -> bool {
        self.places(random).into_iter().all(|(word, bit)| self.0[word].load(Ordering::Relaxed) & bit != 0)
    }

    fn mark(&self, random: u64) {
        for (word, bit) in self.places(random) {
            self.0[word].fetch_or(bit, Ordering::Relaxed);
        }
    }

    fn places(&self, random: u64) -> [(usize, u64); 2] {
        #[expect(clippy::cast_possible_truncation, reason = "halves of it are what is wanted")]
        [random as u32, (random >> 32) as u32].map(|half| {
            let place = half as usize;
            ((place / 64) & (self.0.len() - 1), 1 << (place % 64))
        })
    }
}

impl Random for SessionKey {
    fn random(&self) -> u64 {
        u64::from_ne_bytes(std::array::from_fn(|i| self.sid.0[i]))
    }
}

impl Random for TagKey {
    fn random(&self) -> u64 {
        u64::from_ne_bytes(self.tag)
    }
}

/// Keys that may be listed in vain before new bits are made.
const SPARE: u64 = 1_024;
const LEAST_WORDS: usize = 1 << 10;
/// As many as half of a key tells apart.
const MOST_WORDS: usize = 1 << 26;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::RwLock;
    use std::sync::atomic::AtomicBool;

    use proptest::prelude::*;

    use super::*;

    /// A key, spread over all bits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    struct Key(u64);

    impl Random for Key {
        fn random(&self) -> u64 {
            (self.0 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u64),
        Drop(u64),
        Renew,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0..60_u64).prop_map(Step::Put),
            4 => (0..60_u64).prop_map(Step::Drop),
            1 => Just(Step::Renew),
        ];
        proptest::collection::vec(step, 0..400)
    }

    proptest! {
        #[test]
        fn what_the_map_has_is_never_denied(steps in steps()) {
            let (filter, mut map) = (Filter::default(), HashSet::new());
            for step in steps {
                match step {
                    Step::Put(key) => {
                        map.insert(Key(key));
                        filter.note(Key(key));
                    }
                    Step::Drop(key) => drop(map.remove(&Key(key))),
                    Step::Renew => filter.renew_all(|key| map.contains(key)),
                }
                prop_assert!(map.iter().all(|key| filter.may_have(key)));
            }
        }
    }

    #[test]
    fn what_is_gone_is_forgotten_and_few_others_seem_to_be_there() {
        let filter = Filter::default();
        (0..100_000).for_each(|key| filter.note(Key(key)));
        let seem = |keys: std::ops::Range<u64>| keys.filter(|key| filter.may_have(&Key(*key))).count();
        filter.renew(100_000, |_| true);
        assert_eq!(seem(0..100_000), 100_000);
        assert!(seem(1_000_000..1_100_000) < 3_000);
        filter.renew(10, |key| key.0 < 10);
        assert_eq!(seem(0..10), 10);
        assert!(seem(10..100_000) < 100);
        assert_eq!(filter.listed().len(), 10);
    }

    /// Four threads put keys of their own and of all, and drop their own ones, while bits are renewed without a pause.
    #[test]
    fn what_the_map_has_is_never_denied_while_bits_are_renewed() {
        let (filter, map, done) = (Filter::default(), RwLock::new(HashSet::new()), AtomicBool::new(false));
        let (filter, map, done) = (&filter, &map, &done);
        let has = |key: &Key| map.read().expect("no panic").contains(key);
        let put = |key| {
            map.write().expect("no panic").insert(key);
            filter.note(key);
            assert!(filter.may_have(&key), "{key:?} was noted a moment ago");
        };
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Acquire) {
                        filter.renew_all(has);
                    }
                });
            }
            let threads: Vec<_> = (1..=4_u64)
                .map(|thread| {
                    scope.spawn(move || {
                        let mut own = Vec::new();
                        for turn in 0..4_000 {
                            put(Key(turn / 4)); // others put it as well
                            let key = Key((thread << 32) | (turn % 97));
                            if turn % 3 == 0 {
                                map.write().expect("no panic").remove(&key);
                                own.retain(|own| *own != key);
                            } else {
                                put(key);
                                own.push(key);
                            }
                            assert!(own.iter().all(|key| filter.may_have(key)), "a key was denied");
                        }
                    })
                })
                .collect();
            let ended: Vec<_> = threads.into_iter().map(|thread| thread.join().is_ok()).collect();
            done.store(true, Ordering::Release);
            assert!(ended.into_iter().all(|ended| ended), "a thread saw a key denied");
        });
        filter.renew_all(has);
        assert!(map.read().expect("no panic").iter().all(|key| filter.may_have(key)));
    }
}
