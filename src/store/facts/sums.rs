//! Digests of what is held, kept up entry by entry: only where replicas compare themselves.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::revocation::Fact;
use crate::revocation::digest::{About, minute, value};

/// 256 buckets of 256 leaves each.
pub(super) struct Sums(Mutex<Vec<Bucket>>);

/// What an entry is about, and what it adds to digests: whoever joins asks for those of all leaves, and to hash every
/// entry again would take longer than to send it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    about: About,
    minute: Minute,
    value: u64,
}

/// The minute that an entry is known by, in few bytes: there is one for each fact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Minute(u32);

#[derive(Clone, Default)]
struct Bucket {
    sum: u64,
    /// The same by the minute that entries are known by, and how many they are.
    minutes: BTreeMap<Timestamp, (u64, i64)>,
    /// The entries of each leaf; no leaves before the first entry, since empty ones take memory too. For a moment an entry
    /// stands in its leaf twice, while it is replaced.
    leaves: Vec<Vec<Entry>>,
}

impl Sums {
    pub fn new() -> Self {
        Self(Mutex::new(vec![Bucket::default(); PARTS]))
    }

    /// Counts an entry: `by` 1 when it comes, -1 when it goes. What replaces another one comes before that goes.
    pub fn count(&self, about: About, facts: impl Iterator<Item = Fact>, until: Timestamp, by: i32) {
        let (bucket, leaf) = about.place();
        let (value, minute) = (value(&about, facts), minute(until));
        let change = if by > 0 { value } else { value.wrapping_neg() };
        let mut buckets = self.buckets();
        let of = &mut buckets[usize::from(bucket)];
        of.sum = of.sum.wrapping_add(change);
        let (sum, count) = of.minutes.entry(minute).or_default();
        (*sum, *count) = (sum.wrapping_add(change), *count + i64::from(by));
        if *count == 0 {
            of.minutes.remove(&minute);
        }
        let entry = Entry { about, minute: Minute::of(minute), value };
        of.leaves.resize_with(PARTS, Vec::new);
        let leaf = &mut of.leaves[usize::from(leaf)];
        if by > 0 {
            leaf.push(entry);
        } else if let Some(at) = leaf.iter().position(|other| *other == entry) {
            leaf.swap_remove(at);
        }
    }

    /// The digest of each bucket, of what is known by a later minute than `beyond`.
    pub fn beyond(&self, beyond: Timestamp) -> Box<[u64; PARTS]> {
        let buckets = self.buckets();
        let mut sums = Box::new([0; PARTS]);
        for (sum, bucket) in sums.iter_mut().zip(&*buckets) {
            // Those minutes are past: what is in them goes in about as many seconds as one has.
            let past = bucket.minutes.range(..=beyond).map(|(_, (sum, _))| *sum);
            *sum = past.fold(bucket.sum, u64::wrapping_sub);
        }
        sums
    }

    /// The same of each leaf of a bucket.
    pub fn leaves_beyond(&self, bucket: u8, beyond: Timestamp) -> Box<[u64; PARTS]> {
        let (buckets, beyond) = (self.buckets(), Minute::of(beyond));
        let mut sums = Box::new([0; PARTS]);
        for (sum, entries) in sums.iter_mut().zip(&buckets[usize::from(bucket)].leaves) {
            let counted = entries.iter().filter(|entry| entry.minute > beyond).map(|entry| entry.value);
            *sum = counted.fold(0, u64::wrapping_add);
        }
        sums
    }

    /// What the entries of a leaf are about.
    pub fn leaf(&self, bucket: u8, leaf: u8) -> Vec<About> {
        let about = |entries: &Vec<Entry>| entries.iter().map(|entry| entry.about).collect();
        let of = |bucket: &Bucket| bucket.leaves.get(usize::from(leaf)).map_or_else(Vec::new, about);
        let mut abouts = of(&self.buckets()[usize::from(bucket)]);
        abouts.sort_unstable();
        abouts.dedup();
        abouts
    }

    fn buckets(&self) -> MutexGuard<'_, Vec<Bucket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Sums {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sums")
    }
}

impl Minute {
    /// Of a time that is a whole minute, or the end of all time.
    fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.as_millis() / 60_000).unwrap_or(u32::MAX))
    }
}

const PARTS: usize = 256;
