//! Facts: statements that end or date a session. Facts only grow, so their order never matters.
//!
//! Here: the facts, how two of one kind merge, how claims are judged by them, how long they are kept, and the port
//! behind which they are stored.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::claims::{Claims, RealmId, SessionId, Tag};
use crate::clock::Timestamp;

/// Largest clock error of a replica (`e` in the design).
pub const CLOCK_ERROR: Duration = Duration::from_secs(1);
/// How far ahead of our clock a token may be sealed (`f`).
pub const SEALED_AHEAD: Duration = Duration::from_secs(5);
/// Longest time for which a replica may answer without hearing from a majority (`S`).
pub const STALENESS: Duration = Duration::from_secs(5);

/// A statement that ends or dates sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// The session is over from `from` on. `rotated`: it goes on under the id that rotation gave it.
    Deny {
        /// Which session.
        session: SessionKey,
        /// From when on; [`AT_ONCE`] unless some grace was granted.
        from: Timestamp,
        /// Whether it goes on under another id.
        rotated: bool,
        /// How long the fact has to be kept.
        until: Timestamp,
    },
    /// Tokens of the session whose claims are of before `at` are out of date.
    Superseded {
        /// Which session.
        session: SessionKey,
        /// From when the claims that hold are.
        at: Timestamp,
        /// How long the fact has to be kept.
        until: Timestamp,
    },
    /// Sessions that bear the tag and started at or before `at` are over.
    Cutoff {
        /// Which sessions: a subject's, a handle's. Tags are keyed by realm.
        tag: Tag,
        /// Up to which start.
        at: Timestamp,
        /// How long the fact has to be kept.
        until: Timestamp,
    },
}

/// A session of a realm. Facts are kept under both: whoever may end sessions of one realm and learns an id of another's
/// can do nothing with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// Which realm.
    pub realm: RealmId,
    /// Which of its sessions.
    pub sid: SessionId,
}

/// The `from` of an ending without grace: before every `now`, so that no step of the clock brings the session back.
pub const AT_ONCE: Timestamp = Timestamp::EPOCH;

/// All that is known about one session id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// From when on it is over, and whether it goes on under another id.
    pub deny: Option<(Timestamp, bool)>,
    /// Older claims than these are out of date.
    pub superseded: Option<Timestamp>,
    /// How long this has to be kept.
    pub until: Timestamp,
}

/// All that is known about one tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TagFacts {
    /// Sessions that started then or earlier are over.
    pub cutoff: Option<Timestamp>,
    /// How long this has to be kept.
    pub until: Timestamp,
}

/// What ends or outdates a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The session was ended, or rotated to another id.
    Denied,
    /// All sessions of the subject, or of a handle, were ended.
    CutOff,
    /// The session lives, under a token with newer claims.
    Superseded,
}

/// Where facts are kept.
///
/// A wrong answer costs: a fact forgotten before its `until` lets an ended session live again, for everybody who kept
/// the cookie. So an adapter never drops a fact to make room, and when it can't store one it says so: the caller then
/// does not acknowledge the ending. Reads come on every request, from many threads, and must neither block nor fail.
pub trait FactStore: Send + Sync {
    /// What is known about a session; `None` if nothing.
    fn session(&self, session: SessionKey) -> Option<SessionFacts>;

    /// What is known about a tag; `None` if nothing.
    fn tag(&self, tag: Tag) -> Option<TagFacts>;

    /// Merges `fact` into what is known, visible to every read that begins after this returns.
    ///
    /// # Errors
    /// [`StoreError`] if it can't be kept; it must not be acknowledged then.
    fn record(&self, fact: Fact, now: Timestamp) -> Result<Recorded, StoreError>;
}

/// What was known when a fact was merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Whether the fact added something that was not known before.
    pub raised: bool,
    /// Whether the session was known to go on under another id before this fact came.
    pub was_rotated: bool,
    /// Whether the session is over for good: denied, and not by a rotation alone.
    pub over: bool,
}

/// A fact could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the fact store could not keep the ending; it is not in force")]
pub struct StoreError;

impl SessionFacts {
    /// Merges `fact` if it is about a session. The earlier ending wins, rotation only if both say so, the newer claims,
    /// the longer time to keep.
    #[must_use]
    pub fn with(mut self, fact: &Fact) -> Self {
        match *fact {
            Fact::Deny { from, rotated, until, .. } => {
                let (known, also) = self.deny.unwrap_or((from, rotated));
                self.deny = Some((known.min(from), also && rotated));
                self.until = self.until.max(until);
            }
            Fact::Superseded { at, until, .. } => {
                self.superseded = self.superseded.max(Some(at));
                self.until = self.until.max(until);
            }
            Fact::Cutoff { .. } => {}
        }
        self
    }

    /// What recording did, given the state `before` it.
    pub fn recorded(&self, before: Option<Self>) -> Recorded {
        let before = before.unwrap_or_default();
        Recorded {
            raised: (self.deny, self.superseded) != (before.deny, before.superseded),
            was_rotated: before.deny.is_some_and(|(_, rotated)| rotated),
            over: self.deny.is_some_and(|(_, rotated)| !rotated),
        }
    }

    /// What these facts say of `claims` at `now`.
    pub fn judge(&self, claims: &Claims<'_>, now: Timestamp) -> Option<Ending> {
        if self.deny.is_some_and(|(from, _)| from <= now) {
            return Some(Ending::Denied);
        }
        self.superseded.is_some_and(|at| claims.claims_at < at).then_some(Ending::Superseded)
    }
}

impl TagFacts {
    /// Merges `fact` if it is about a tag: the later cut-off, the longer time to keep.
    #[must_use]
    pub fn with(mut self, fact: &Fact) -> Self {
        if let Fact::Cutoff { at, until, .. } = *fact {
            self.cutoff = self.cutoff.max(Some(at));
            self.until = self.until.max(until);
        }
        self
    }

    /// What recording did, given the state `before` it.
    pub fn recorded(&self, before: Option<Self>) -> Recorded {
        let raised = self.cutoff != before.unwrap_or_default().cutoff;
        Recorded { raised, was_rotated: false, over: true }
    }

    /// What these facts say of `claims`. A session that started at the very instant of the cut-off is over.
    pub fn judge(&self, claims: &Claims<'_>) -> Option<Ending> {
        self.cutoff.is_some_and(|at| claims.started <= at).then_some(Ending::CutOff)
    }
}

/// How long a deny or superseded fact has to be kept, known at `now`: nobody who knows it renews the session, so its
/// last token dies by its idle limit, and in any case at the absolute expiry.
pub fn keep_until(now: Timestamp, expires: Timestamp, idle: Duration) -> Timestamp {
    let last_token = now.plus(idle).plus(STALENESS).plus(SEALED_AHEAD).plus(2 * CLOCK_ERROR);
    last_token.min(expires.plus(2 * CLOCK_ERROR))
}

/// Facts in a plain map: for tests, and for programs that embed the core alone. It keeps each fact for as long as it
/// matters and drops the others when it grows.
#[derive(Debug, Default)]
pub struct MemoryFacts(Mutex<Maps>);

#[derive(Debug, Default)]
struct Maps {
    sessions: HashMap<SessionKey, SessionFacts>,
    tags: HashMap<Tag, TagFacts>,
    /// How many facts the next clean-up waits for, so that its cost is spread over as many inserts.
    clean_at: usize,
}

impl FactStore for MemoryFacts {
    fn session(&self, session: SessionKey) -> Option<SessionFacts> {
        self.maps().sessions.get(&session).copied()
    }

    fn tag(&self, tag: Tag) -> Option<TagFacts> {
        self.maps().tags.get(&tag).copied()
    }

    fn record(&self, fact: Fact, now: Timestamp) -> Result<Recorded, StoreError> {
        let mut maps = self.maps();
        maps.clean(now);
        Ok(match fact {
            Fact::Deny { session, .. } | Fact::Superseded { session, .. } => {
                let before = maps.sessions.get(&session).copied();
                let after = before.unwrap_or_default().with(&fact);
                maps.sessions.insert(session, after);
                after.recorded(before)
            }
            Fact::Cutoff { tag, .. } => {
                let before = maps.tags.get(&tag).copied();
                let after = before.unwrap_or_default().with(&fact);
                maps.tags.insert(tag, after);
                after.recorded(before)
            }
        })
    }
}

impl MemoryFacts {
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
