//! Replicas that compare themselves do away with the same facts: what a floor, or the ending of all sessions of a
//! subject with very many, says as well. Else one that folded would be handed back again and again what it had folded.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::ops::compute::{CompResult, Op};

use super::CachedFacts;
use crate::claims::{RealmId, Registration, Tag};
use crate::clock::Timestamp;
use crate::revocation::{Fact, FactStore as _, SessionFacts, SessionKey, TagFacts, TagKey};

/// What was done away with, and what is to be.
#[derive(Debug, Default)]
pub(super) struct Swept(Mutex<State>);

/// What covers many facts: a realm's floor or that of all, or the cut-off of one tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Cover {
    Floor(Option<RealmId>),
    Tag(TagKey),
}

#[derive(Debug, Default)]
struct State {
    /// Realms to look through; all if `None`.
    due: HashSet<Option<RealmId>>,
    /// Up to which start sessions are over, and for how long that is known: facts that say no more than this come in no
    /// more.
    covers: HashMap<Cover, (Timestamp, Timestamp)>,
}

impl Swept {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CachedFacts {
    /// A floor or a cut-off came: whether very much is covered by it is looked at in the next round of maintenance.
    pub(super) fn note_cover(&self, fact: &Fact) {
        if !self.compared {
            return;
        }
        match *fact {
            Fact::Cutoff { tag, .. } if self.index.is_many(tag) => {
                let known = self.tag(tag).unwrap_or_default();
                self.cover(Cover::Tag(tag), known.cutoff.unwrap_or_default(), known.until);
            }
            Fact::Floor { realm, .. } => {
                // For how long it has to be known, replicas need not agree on; no session that it ends outlives that
                // anyway.
                let known = self.floors.load().iter().find(|(of, ..)| *of == realm).map(|(_, at, _)| *at);
                self.cover(Cover::Floor(realm), known.unwrap_or_default(), Timestamp::MAX);
            }
            _ => {}
        }
        // What others would not take in goes here as well.
        if self.is_swept(fact) {
            self.swept.state().due.insert(realm_of(fact));
        }
    }

    /// Whether all that would be known with this fact is no more than what facts were done away with for.
    pub(super) fn is_swept(&self, fact: &Fact) -> bool {
        // Nearly always nothing was, and whoever joins asks this of every fact there is.
        if self.swept.state().covers.is_empty() {
            return false;
        }
        match *fact {
            Fact::Deny { session, .. } | Fact::Superseded { session, .. } | Fact::Bound { session, .. } => {
                self.is_covered(session, &self.session(session).unwrap_or_default().with(fact))
            }
            Fact::Cutoff { tag, .. } | Fact::Stale { tag, .. } => {
                self.is_floored(tag, &self.tag(tag).unwrap_or_default().with(fact))
            }
            Fact::Floor { .. } => false,
        }
    }

    /// Does away with what is covered.
    pub(super) fn sweep(&self, now: Option<Timestamp>) {
        let due = {
            let mut state = self.swept.state();
            if let Some(now) = now {
                state.covers.retain(|_, (_, until)| *until > now.plus(WORTH));
            }
            std::mem::take(&mut state.due)
        };
        if due.is_empty() {
            return;
        }
        let is_due = |realm: RealmId| due.contains(&Some(realm)) || due.contains(&None);
        let sessions = self.sessions.iter().filter(|(key, facts)| is_due(key.realm) && self.is_covered(**key, facts));
        let gone: Vec<_> = sessions.map(|(key, _)| *key).filter(|key| self.drop_session(*key)).collect();
        let tags = self.tags.iter().filter(|(key, facts)| is_due(key.realm) && self.is_floored(**key, facts));
        let gone_tags: Vec<_> = tags.map(|(key, _)| *key).filter(|key| self.drop_tag(*key)).collect();
        if let Some(journal) = &self.journal {
            let (at, until) = (Timestamp::EPOCH, Timestamp::EPOCH);
            let deny = |session, rotated| Fact::Deny { session, from: at, rotated, of: None, until };
            let sessions = gone.into_iter().flat_map(|session| {
                let bound = Fact::Bound { session, by: Registration::default(), of: Default::default(), until };
                [deny(session, false), deny(session, true), Fact::Superseded { session, at, until }, bound]
            });
            let tags =
                gone_tags.into_iter().flat_map(|tag| [Fact::Cutoff { tag, at, until }, Fact::Stale { tag, at, until }]);
            journal.forget(sessions.chain(tags));
        }
    }

    fn cover(&self, cover: Cover, at: Timestamp, until: Timestamp) {
        if self.time.now().is_some_and(|now| until <= now.plus(WORTH)) {
            return;
        }
        let mut state = self.swept.state();
        let (known, kept) = state.covers.entry(cover).or_default();
        (*known, *kept) = (at.max(*known), until.max(*kept));
        state.due.insert(match cover {
            Cover::Floor(realm) => realm,
            Cover::Tag(tag) => Some(tag.realm),
        });
    }

    fn is_covered(&self, key: SessionKey, facts: &SessionFacts) -> bool {
        facts.of().is_some_and(|of| self.swept.state().covers_session(key.realm, of, facts.until))
    }

    fn is_floored(&self, key: TagKey, facts: &TagFacts) -> bool {
        let at = facts.cutoff.max(facts.stale).unwrap_or_default();
        self.swept.state().covers_realm(key.realm, at, facts.until)
    }

    fn drop_session(&self, key: SessionKey) -> bool {
        let dropped = self.sessions.entry(key).and_compute_with(|known| match known {
            Some(known) if self.is_covered(key, known.value()) => Op::Remove,
            _ => Op::Nop,
        });
        matches!(dropped, CompResult::Removed(_))
    }

    fn drop_tag(&self, key: TagKey) -> bool {
        let dropped = self.tags.entry(key).and_compute_with(|known| match known {
            Some(known) if self.is_floored(key, known.value()) => Op::Remove,
            _ => Op::Nop,
        });
        matches!(dropped, CompResult::Removed(_))
    }
}

impl State {
    fn covers_session(&self, realm: RealmId, (tag, started): (Tag, Timestamp), until: Timestamp) -> bool {
        self.covers(Cover::Tag(TagKey { realm, tag }), started, until) || self.covers_realm(realm, started, until)
    }

    fn covers_realm(&self, realm: RealmId, at: Timestamp, until: Timestamp) -> bool {
        [Some(realm), None].into_iter().any(|realm| self.covers(Cover::Floor(realm), at, until))
    }

    fn covers(&self, cover: Cover, at: Timestamp, until: Timestamp) -> bool {
        self.covers.get(&cover).is_some_and(|(upto, kept)| at <= *upto && until <= *kept)
    }
}

fn realm_of(fact: &Fact) -> Option<RealmId> {
    match *fact {
        Fact::Deny { session, .. } | Fact::Superseded { session, .. } | Fact::Bound { session, .. } => {
            Some(session.realm)
        }
        Fact::Cutoff { tag, .. } | Fact::Stale { tag, .. } => Some(tag.realm),
        Fact::Floor { realm, .. } => realm,
    }
}

/// What is over sooner does away with nothing: that would go by itself, and not on all replicas at one moment.
const WORTH: Duration = Duration::from_secs(120);
