//! Facts in plain maps, with their digests kept up: for tests and the simulator, and as the pattern of every other
//! [`Facts`].

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ports::{Buckets, Facts};
use crate::claims::RealmId;
use crate::clock::Timestamp;
use crate::revocation::digest::{About, handed_over_until, minute, value};
use crate::revocation::{Fact, Kept, Question, SessionFacts, SessionKey, TagFacts, TagKey};

/// Facts in plain maps. Each is kept for as long as others may still count it.
#[derive(Debug, Default)]
pub struct FactTable(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// By bucket and leaf.
    leaves: BTreeMap<(u8, u8), HashMap<About, Entry>>,
    /// The digests of what is kept until some minute.
    minutes: BTreeMap<Timestamp, Buckets>,
    passed: HashMap<TagKey, Timestamp>,
    cleaned: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    known: Known,
    minute: Timestamp,
    value: u64,
}

#[derive(Clone, Copy, Debug)]
enum Known {
    Session(SessionKey, SessionFacts),
    Tag(TagKey, TagFacts),
    Floor(Option<RealmId>, Timestamp, Timestamp),
}

impl FactTable {
    /// What is known about a session.
    pub fn session(&self, session: SessionKey) -> Option<SessionFacts> {
        match self.table().known(About::Session(session)) {
            Some(Known::Session(_, facts)) => Some(facts),
            _ => None,
        }
    }

    /// What is known about a tag.
    pub fn tag(&self, tag: TagKey) -> Option<TagFacts> {
        match self.table().known(About::Tag(tag)) {
            Some(Known::Tag(_, facts)) => Some(facts),
            _ => None,
        }
    }

    /// Up to which start sessions of the realm are over: the later of its own floor and that of all realms.
    pub fn floor(&self, realm: RealmId) -> Option<Timestamp> {
        let table = self.table();
        let floor = |realm| match table.known(About::Floor(realm)) {
            Some(Known::Floor(_, at, _)) => Some(at),
            _ => None,
        };
        floor(Some(realm)).max(floor(None))
    }

    /// All that is known.
    pub fn all(&self) -> Vec<Fact> {
        let table = self.table();
        table.leaves.values().flat_map(HashMap::values).flat_map(|entry| entry.known.facts()).collect()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts for FactTable {
    fn agreed(&self, shown: Option<Timestamp>) {
        if let Some(now) = shown {
            self.table().clean(now);
        }
    }

    fn merge(&self, facts: &[Fact], _: Timestamp) -> Kept {
        let mut table = self.table();
        for fact in facts {
            table.add(fact);
        }
        Kept::now()
    }

    fn about(&self, question: &Question) -> Vec<Fact> {
        let floors = [About::Floor(None), About::Floor(Some(question.realm))];
        let tags = question.tags.iter().map(|tag| About::Tag(*tag));
        self.table().facts(floors.into_iter().chain(tags).chain(question.session.map(About::Session)))
    }

    fn same(&self, facts: &[Fact]) -> Vec<Fact> {
        let mut about: Vec<About> = facts.iter().map(About::of).collect();
        about.sort_unstable();
        about.dedup();
        self.table().facts(about.into_iter())
    }

    fn pass(&self, tags: &[TagKey], at: Timestamp) {
        let mut table = self.table();
        for tag in tags {
            let known = table.passed.entry(*tag).or_default();
            *known = at.max(*known);
        }
    }

    fn passed(&self, tags: &[TagKey]) -> Option<Timestamp> {
        let table = self.table();
        tags.iter().filter_map(|tag| table.passed.get(tag)).max().copied()
    }

    fn digest(&self, beyond: Timestamp) -> Buckets {
        let mut sum = Buckets::new([0; 256]);
        for digests in self.table().minutes.iter().filter(|(minute, _)| **minute > beyond).map(|(_, digests)| digests) {
            for (sum, digest) in sum.iter_mut().zip(digests.iter()) {
                *sum = sum.wrapping_add(*digest);
            }
        }
        sum
    }

    fn leaves(&self, bucket: u8, beyond: Timestamp) -> Buckets {
        let mut sum = Buckets::new([0; 256]);
        for ((_, leaf), entries) in self.table().leaves.range((bucket, 0)..=(bucket, 255)) {
            let sum = &mut sum[usize::from(*leaf)];
            for entry in entries.values().filter(|entry| entry.minute > beyond) {
                *sum = sum.wrapping_add(entry.value);
            }
        }
        sum
    }

    fn leaf(&self, bucket: u8, leaf: u8, beyond: Timestamp) -> Vec<Fact> {
        let table = self.table();
        let entries = table.leaves.get(&(bucket, leaf)).into_iter().flat_map(HashMap::values);
        entries.filter(|entry| entry.minute > beyond).flat_map(|entry| entry.known.facts()).collect()
    }
}

impl Table {
    fn add(&mut self, fact: &Fact) {
        let about = About::of(fact);
        let (bucket, leaf) = about.place();
        let entries = self.leaves.entry((bucket, leaf)).or_default();
        let before = entries.get(&about).copied();
        let known = before.map_or(Known::nothing(about), |entry| entry.known).with(fact);
        let entry = Entry { minute: known.minute(), value: value(&about, known.facts()), known };
        entries.insert(about, entry);
        if let Some(before) = before {
            self.count(bucket, before.minute, before.value.wrapping_neg());
        }
        self.count(bucket, entry.minute, entry.value);
    }

    fn count(&mut self, bucket: u8, minute: Timestamp, value: u64) {
        let digests = self.minutes.entry(minute).or_insert_with(|| Buckets::new([0; 256]));
        let digest = &mut digests[usize::from(bucket)];
        *digest = digest.wrapping_add(value);
    }

    fn known(&self, about: About) -> Option<Known> {
        Some(self.leaves.get(&about.place())?.get(&about)?.known)
    }

    fn facts(&self, about: impl Iterator<Item = About>) -> Vec<Fact> {
        about.filter_map(|about| self.known(about)).flat_map(|known| known.facts()).collect()
    }

    /// Once a minute: what nobody counts any more goes.
    fn clean(&mut self, now: Timestamp) {
        if minute(now) <= self.cleaned {
            return;
        }
        self.cleaned = minute(now);
        self.minutes.retain(|minute, _| handed_over_until(*minute) > now);
        for entries in self.leaves.values_mut() {
            entries.retain(|_, entry| handed_over_until(entry.minute) > now);
        }
        self.leaves.retain(|_, entries| !entries.is_empty());
    }
}

impl Known {
    fn nothing(about: About) -> Self {
        match about {
            About::Session(key) => Self::Session(key, SessionFacts::default()),
            About::Tag(key) => Self::Tag(key, TagFacts::default()),
            About::Floor(realm) => Self::Floor(realm, Timestamp::EPOCH, Timestamp::EPOCH),
        }
    }

    fn with(self, fact: &Fact) -> Self {
        match (self, *fact) {
            (Self::Session(key, known), _) => Self::Session(key, known.with(fact)),
            (Self::Tag(key, known), _) => Self::Tag(key, known.with(fact)),
            (Self::Floor(realm, known, kept), Fact::Floor { at, until, .. }) => {
                Self::Floor(realm, known.max(at), kept.max(until))
            }
            (floor @ Self::Floor(..), _) => floor,
        }
    }

    fn facts(&self) -> Vec<Fact> {
        match *self {
            Self::Session(key, known) => known.facts(key).collect(),
            Self::Tag(key, known) => known.facts(key).collect(),
            Self::Floor(realm, at, until) => vec![Fact::Floor { realm, at, until }],
        }
    }

    /// Floors are always in.
    fn minute(&self) -> Timestamp {
        match self {
            Self::Session(_, known) => minute(known.until),
            Self::Tag(_, known) => minute(known.until),
            Self::Floor(..) => Timestamp::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::claims::SessionId;
    use crate::revocation::AT_ONCE;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_secs(seconds))
    }

    fn deny(number: u8, rotated: bool, until: u64) -> Fact {
        let session = SessionKey { realm: RealmId([1; 8]), sid: SessionId([number; 16]) };
        Fact::Deny { session, from: AT_ONCE, rotated, of: None, until: at(until) }
    }

    fn merged(facts: &[Fact]) -> FactTable {
        let table = FactTable::default();
        drop(table.merge(facts, at(0)));
        table
    }

    fn floor(seconds: u64) -> Fact {
        Fact::Floor { realm: None, at: at(seconds), until: at(1) }
    }

    #[test]
    fn equal_states_have_equal_digests_whatever_the_order() {
        let facts = [deny(1, true, 600), deny(2, false, 700), deny(1, false, 900), floor(5), floor(4)];
        let one = merged(&facts);
        let other = merged(&facts.iter().rev().copied().collect::<Vec<_>>());
        let again = merged(&one.all());
        for beyond in [0, 600, 840, 900, 960] {
            assert_eq!(one.digest(at(beyond)), other.digest(at(beyond)));
            assert_eq!(one.digest(at(beyond)), again.digest(at(beyond)), "what is handed over makes the same");
        }
        assert_ne!(one.digest(at(0)), one.digest(at(720)), "one is over by then");
        assert_eq!(one.digest(at(900)), merged(&[floor(5)]).digest(at(0)), "floors are always in");
        assert_ne!(one.digest(at(0)), merged(&facts[1..]).digest(at(0)), "that it was rotated is known");
    }

    /// Kept up entry by entry, and summed up anew: of each bucket, its leaves; of each leaf, its facts.
    #[test]
    fn digests_are_the_sums_of_what_is_handed_over() {
        let facts: Vec<Fact> = (0..200).map(|number| deny(number, number % 3 == 0, 60 * u64::from(number))).collect();
        let table = merged(&facts);
        drop(table.merge(&facts.iter().rev().copied().collect::<Vec<_>>(), at(0)));
        for beyond in [0, 60, 6_000] {
            let digest = table.digest(at(beyond));
            for bucket in 0..=255 {
                let leaves = table.leaves(bucket, at(beyond));
                assert_eq!(leaves.iter().fold(0u64, |sum, leaf| sum.wrapping_add(*leaf)), digest[usize::from(bucket)]);
                for leaf in (0..=255).filter(|leaf| leaves[usize::from(*leaf)] != 0) {
                    let other = merged(&table.leaf(bucket, leaf, at(beyond)));
                    assert_eq!(other.leaves(bucket, at(beyond))[usize::from(leaf)], leaves[usize::from(leaf)]);
                }
            }
        }
    }

    #[test]
    fn what_somebody_may_still_count_is_there() {
        let table = merged(&[deny(1, false, 61)]);
        drop(table.merge(&[floor(1)], at(100_000)));
        table.agreed(None);
        table.agreed(Some(at(184)));
        assert_eq!(table.all().len(), 2, "what is merged may be dated by a wrong median");
        table.agreed(Some(at(241)));
        assert_eq!(table.all(), [floor(1)]);
        assert_eq!(table.digest(at(0)), merged(&[floor(1)]).digest(at(0)));
    }

    #[test]
    fn the_latest_start_that_was_passed_is_remembered() {
        let tag = |number| TagKey { realm: RealmId([1; 8]), tag: [number; 8] };
        let table = FactTable::default();
        table.pass(&[tag(1), tag(2)], at(5));
        table.pass(&[tag(1)], at(3));
        table.pass(&[tag(2)], at(7));
        assert_eq!((table.passed(&[tag(1)]), table.passed(&[tag(1), tag(2)])), (Some(at(5)), Some(at(7))));
        assert_eq!(table.passed(&[tag(3)]), None);
    }
}
