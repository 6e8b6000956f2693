//! Facts in a plain map: for tests, and for programs that embed the core alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::{Fact, FactStore, Kept, Learned, Passed, Recorded, SessionFacts, SessionKey, TagFacts, TagKey};
use crate::claims::RealmId;
use crate::clock::Timestamp;

/// Facts in a plain map. It keeps each fact for as long as it matters and drops the others when it grows; it promises
/// no more than its memory.
#[derive(Debug, Default)]
pub struct MemoryFacts(Mutex<Maps>);

#[derive(Debug, Default)]
struct Maps {
    sessions: HashMap<SessionKey, SessionFacts>,
    tags: HashMap<TagKey, TagFacts>,
    floors: HashMap<Option<RealmId>, Timestamp>,
    passed: Passed,
    /// How many facts the next clean-up waits for, so that its cost is spread over as many inserts.
    clean_at: usize,
}

impl FactStore for MemoryFacts {
    fn session(&self, session: SessionKey) -> Option<SessionFacts> {
        self.maps().sessions.get(&session).copied()
    }

    fn tag(&self, tag: TagKey) -> Option<TagFacts> {
        self.maps().tags.get(&tag).copied()
    }

    fn floor(&self, realm: RealmId) -> Option<Timestamp> {
        let maps = self.maps();
        maps.floors.get(&Some(realm)).max(maps.floors.get(&None)).copied()
    }

    fn pass(&self, tags: &[TagKey], at: Timestamp) -> Learned {
        self.maps().passed.pass(tags, at);
        Learned::now()
    }

    fn passed(&self, tags: &[TagKey]) -> Option<Timestamp> {
        self.maps().passed.latest(tags)
    }

    fn record(&self, fact: Fact, now: Timestamp) -> Recorded {
        let mut maps = self.maps();
        maps.clean(now);
        match fact {
            Fact::Deny { session, .. } | Fact::Superseded { session, .. } | Fact::Bound { session, .. } => {
                let known = maps.sessions.entry(session).or_default();
                let before = std::mem::replace(known, known.with(&fact));
                Recorded::of_session(&before, known, Kept::now())
            }
            Fact::Cutoff { tag, .. } | Fact::Stale { tag, .. } => {
                let known = maps.tags.entry(tag).or_default();
                let before = std::mem::replace(known, known.with(&fact));
                Recorded::of_many(known.raised_over(&before), Kept::now())
            }
            // There are as many as there are realms, and a floor that is out of date ends nothing: they stay.
            Fact::Floor { realm, at, .. } => {
                let known = maps.floors.entry(realm).or_default();
                let raised = at > *known;
                *known = at.max(*known);
                Recorded::of_many(raised, Kept::now())
            }
        }
    }
}

impl MemoryFacts {
    /// How many sessions and tags there are facts about that matter at `now`.
    pub fn count(&self, now: Timestamp) -> usize {
        let maps = self.maps();
        let sessions = maps.sessions.values().filter(|facts| facts.until > now).count();
        sessions + maps.tags.values().filter(|facts| facts.until > now).count()
    }

    fn maps(&self) -> std::sync::MutexGuard<'_, Maps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Maps {
    fn clean(&mut self, now: Timestamp) {
        if self.sessions.len() + self.tags.len() >= self.clean_at {
            self.sessions.retain(|_, facts| facts.until > now);
            self.tags.retain(|_, facts| facts.until > now);
            self.clean_at = 2 * (self.sessions.len() + self.tags.len()) + 1_024;
        }
    }
}
