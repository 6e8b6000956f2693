//! How the store begins, and what it does when the ring or the clock changes under it.

use std::sync::Arc;

use moka::ops::compute::Op;

use super::CachedFacts;
use crate::clock::Timestamp;
use crate::keyring::{KeyRing, Keys, RingId};
use crate::revocation::digest::{About, handed_over_until};
use crate::revocation::{Fact, FactStore as _, Kept, TagKey, cutoff_at};
use crate::sessions::Lifetimes;
use crate::store::journal::{Journal, JournalError};

/// How a service begins with its ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Nobody served it before, and whoever serves it from now on can see that: it is marked in its file.
    First,
    /// It may have been served before.
    Again,
    /// It, or the journal, was restored from a backup, which lacks the latest endings.
    Restored,
    /// Other replicas serve it too: what is missing here comes from them, and nobody is answered before.
    InFleet,
}

impl CachedFacts {
    /// Takes the facts of `ring` from the journal. Call it before anything is asked of the store, and answer nobody
    /// before what it returns is kept.
    ///
    /// Alone: where endings may be missing, all sessions end that started before now: without a journal, with one that
    /// has not seen this ring (unless nobody has served that before), and with one or a ring that was restored from a
    /// backup. Among several replicas only the last of these ends them, and a ring that the journal has not seen counts
    /// as seen from [`CachedFacts::settled`] on.
    ///
    /// # Errors
    /// [`JournalError`]: it can't be read, or has seen a newer version of the ring and nothing was restored.
    pub fn start(&self, ring: &KeyRing, keys: &Keys, begin: Begin) -> Result<Kept, JournalError> {
        let now = self.time.shown();
        self.note_anonymous(keys);
        let known = self.journal.as_ref().map(|journal| journal.epoch(ring.id())).transpose()?.flatten();
        if let (Some(journal), Some(newest)) = (&self.journal, known)
            && newest > ring.epoch()
            && begin != Begin::Restored
        {
            return Err(journal.older(newest, ring.epoch()));
        }
        self.load(ring)?;
        let at = match (begin, known) {
            (Begin::Restored, _) => Some(cutoff_at(now, self.floors.load().iter().map(|(_, at, _)| *at).max())),
            // A ring that was just made, and was not served by anybody: nothing was ended that could be missing, and
            // sessions that began elsewhere may have to be imported.
            (Begin::First, None) if self.journal.is_some() => None,
            (Begin::InFleet, _) | (_, Some(_)) => None,
            (_, None) => Some(now),
        };
        if at.is_some() {
            let why = match (begin, &self.journal) {
                (Begin::Restored, _) => "--restored was given",
                (_, None) => "there is no journal",
                (_, Some(_)) => "the journal knows nothing of this key ring",
            };
            tracing::warn!("every session that began before now is over, since endings may be missing: {why}");
        }
        let floor = |at: Timestamp| Fact::Floor { realm: None, at, until: at.plus(Lifetimes::MAX) };
        let journal = self.journal.as_ref();
        // The floor first: a crash between the two must not leave a ring that looks known.
        if let Some(journal) = journal {
            journal.set_ring(ring.id());
        }
        let kept = at.map_or(Kept::now(), |at| self.record(floor(at), now).kept);
        match journal {
            Some(journal) if begin == Begin::InFleet && known.is_none() => journal.defer_ring(ring.id(), ring.epoch()),
            Some(journal) => journal.note_ring(ring.id(), ring.epoch()),
            None => {}
        }
        Ok(kept)
    }

    /// Whether the journal knows all that this replica acknowledged under the ring: it has been through a start that
    /// knew all. To be asked before [`CachedFacts::start`].
    ///
    /// # Errors
    /// [`JournalError`] if it can't be read.
    pub fn has_seen(&self, ring: RingId) -> Result<bool, JournalError> {
        let epoch = self.journal.as_ref().map(|journal| journal.epoch(ring)).transpose()?;
        Ok(epoch.flatten().is_some())
    }

    /// What others knew is known here by now: the journal need not ask them at the next start. That is written behind
    /// all facts that came before, so it is never durable without them. What comes later and is lost was acknowledged
    /// by nobody here, and so makes the journal no less whole: whoever pulled it counts on those who did. Resolves when it
    /// is durable; if it could not be written, it is owed, and may be asked for again.
    pub fn settled(&self) -> Kept {
        self.journal.as_ref().map_or_else(Kept::now, Journal::settle)
    }

    /// Goes on with `ring`, which was read anew or has taken the place of another. What is known stays.
    ///
    /// # Errors
    /// [`JournalError`]: it can't be read, or has seen a newer version of the ring.
    pub fn use_ring(&self, ring: &KeyRing, keys: &Keys) -> Result<(), JournalError> {
        self.note_anonymous(keys);
        let Some(journal) = &self.journal else { return Ok(()) };
        // What is ended from here on is ended under its keys, whether or not the journal can be read at this moment.
        let other = journal.ring() != ring.id();
        journal.set_ring(ring.id());
        let newest = journal.epoch(ring.id());
        if let Ok(Some(newest)) = newest
            && newest > ring.epoch()
        {
            return Err(journal.older(newest, ring.epoch()));
        }
        journal.note_ring(ring.id(), ring.epoch());
        newest?;
        if other { self.load(ring) } else { Ok(()) }
    }

    fn load(&self, ring: &KeyRing) -> Result<(), JournalError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        self.replay(journal, ring.id(), self.time.now())
    }

    fn replay(&self, journal: &Journal, ring: RingId, now: Option<Timestamp>) -> Result<(), JournalError> {
        // What is pinned first: facts that are stay, whatever their time.
        journal.pins(ring, |fact, dated| self.pin_again(&fact, dated, now))?;
        for (fact, _) in self.pins() {
            self.merge(&fact);
        }
        journal.replay(ring, |fact| self.take_back(&fact, now))
    }

    /// A fact from the journal, unless its time is over, which nobody can tell where there is no time.
    fn take_back(&self, fact: &Fact, now: Option<Timestamp>) {
        let until = if self.compared { handed_over_until(fact.until()) } else { fact.until() };
        let counts = matches!(fact, Fact::Floor { .. }) || now.is_none_or(|now| until > now);
        if counts && !self.is_folded(fact) {
            self.merge(fact);
        }
    }

    /// Whether a cut-off says as much: a fold left the fact in the journal for the moment.
    fn is_folded(&self, fact: &Fact) -> bool {
        let &Fact::Deny { session, of: Some((tag, started)), until, .. } = fact else { return false };
        let known = self.tag(TagKey { realm: session.realm, tag });
        known.is_some_and(|known| known.cutoff >= Some(started) && known.until >= until)
    }

    /// Every fact gets its time anew from the clock as it is now, and what went too early comes back.
    pub(super) fn date_anew(&self, now: Timestamp) {
        tracing::warn!("the wall clock was set back; every fact gets its time anew");
        self.date_all_again();
        if let Some(journal) = &self.journal
            && let Err(error) = self.replay(journal, journal.ring(), Some(now))
        {
            tracing::error!("facts that went too early are not back: {error}");
        }
    }

    /// Every fact gets its time anew.
    pub(super) fn date_all_again(&self) {
        for (key, _) in &self.sessions {
            self.date_again(&About::Session(*key));
        }
        for (key, _) in &self.tags {
            self.date_again(&About::Tag(*key));
        }
    }

    /// What is known about one thing gets its time anew.
    pub(super) fn date_again(&self, about: &About) {
        match about {
            About::Session(key) => {
                drop(self.sessions.entry(*key).and_compute_with(|known| match known {
                    Some(known) => {
                        self.index.session(key, known.value(), 1);
                        Op::Put(known.into_value())
                    }
                    None => Op::Nop,
                }));
                self.filters.0.note(*key);
            }
            About::Tag(key) => {
                drop(self.tags.entry(*key).and_compute_with(|known| match known {
                    Some(known) => {
                        self.index.tag(key, known.value(), 1);
                        Op::Put(known.into_value())
                    }
                    None => Op::Nop,
                }));
                self.filters.1.note(*key);
            }
            About::Floor(_) => {}
        }
    }

    fn note_anonymous(&self, keys: &Keys) {
        let tags = self.budgets.iter().map(|(realm, budget)| (*realm, keys.anonymous_tag(&budget.realm)));
        self.anonymous.store(Arc::new(tags.collect()));
    }
}
