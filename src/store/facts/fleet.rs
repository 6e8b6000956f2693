//! What other replicas are told of the facts that are held, and how theirs are taken in.

use std::collections::BTreeSet;

use super::CachedFacts;
use crate::clock::Timestamp;
use crate::cluster::ports::{Buckets, Facts};
use crate::revocation::digest::{About, minute, value};
use crate::revocation::{Fact, FactStore, Kept, Question, TagKey};

impl Facts for CachedFacts {
    fn agreed(&self, shown: Option<Timestamp>) {
        self.time.agree(shown);
    }

    fn merge(&self, facts: &[Fact], now: Timestamp) -> Kept {
        // What was done away with here, another replica may still have.
        let new = facts.iter().filter(|fact| !self.is_swept(fact));
        new.fold(Kept::now(), |kept, fact| kept.and(self.record(*fact, now).kept))
    }

    fn about(&self, question: &Question) -> Vec<Fact> {
        let session = question.session.map(About::Session);
        let tags = question.tags.iter().map(|tag| About::Tag(*tag));
        let floors = [About::Floor(Some(question.realm)), About::Floor(None)];
        session.into_iter().chain(tags).chain(floors).flat_map(|about| self.of(&about)).collect()
    }

    fn same(&self, facts: &[Fact]) -> Vec<Fact> {
        let abouts: BTreeSet<_> = facts.iter().map(About::of).collect();
        abouts.iter().flat_map(|about| self.of(about)).collect()
    }

    fn pass(&self, tags: &[TagKey], at: Timestamp) {
        drop(FactStore::pass(self, tags, at));
    }

    fn passed(&self, tags: &[TagKey]) -> Option<Timestamp> {
        FactStore::passed(self, tags)
    }

    fn digest(&self, beyond: Timestamp) -> Buckets {
        let mut digests = self.index.sums().beyond(beyond);
        for (about, facts) in self.floors() {
            let (bucket, _) = about.place();
            let digest = &mut digests[usize::from(bucket)];
            *digest = digest.wrapping_add(value(&about, facts));
        }
        digests
    }

    fn leaves(&self, bucket: u8, beyond: Timestamp) -> Buckets {
        let mut digests = self.index.sums().leaves_beyond(bucket, beyond);
        for (about, facts) in self.floors() {
            let (of, leaf) = about.place();
            if of == bucket {
                let digest = &mut digests[usize::from(leaf)];
                *digest = digest.wrapping_add(value(&about, facts));
            }
        }
        digests
    }

    fn leaf(&self, bucket: u8, leaf: u8, beyond: Timestamp) -> Vec<Fact> {
        let floors = self.floors().filter(|(about, _)| about.place() == (bucket, leaf));
        self.in_leaf(bucket, leaf, beyond).chain(floors).flat_map(|(_, facts)| facts).collect()
    }
}

impl CachedFacts {
    /// All that is known of one thing.
    fn of(&self, about: &About) -> Vec<Fact> {
        match *about {
            // It is nearly always there, unlike what `session` and `tag` are asked for.
            About::Session(key) => self.sessions.get(&key).into_iter().flat_map(|known| known.facts(key)).collect(),
            About::Tag(key) => self.tags.get(&key).into_iter().flat_map(|known| known.facts(key)).collect(),
            About::Floor(_) => self.floors().filter(|(of, _)| of == about).flat_map(|(_, facts)| facts).collect(),
        }
    }

    fn floors(&self) -> impl Iterator<Item = (About, Vec<Fact>)> {
        let floors = Vec::clone(&self.floors.load());
        floors.into_iter().map(|(realm, at, until)| (About::Floor(realm), vec![Fact::Floor { realm, at, until }]))
    }

    /// The entries of a leaf that count beyond a minute, but for floors.
    fn in_leaf(&self, bucket: u8, leaf: u8, beyond: Timestamp) -> impl Iterator<Item = (About, Vec<Fact>)> {
        let held = self.index.sums().leaf(bucket, leaf).into_iter().map(|about| (about, self.of(&about)));
        held.filter(move |(_, facts)| facts.first().is_some_and(|fact| minute(fact.until()) > beyond))
    }
}
