//! The kinds of facts, how two of one kind merge, and how claims are judged by them.

use crate::claims::{RealmId, Registration, SessionId, Tag};
use crate::clock::Timestamp;

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
        /// The tag of its subject and its start, where a token of it was at hand: with many endings of one subject they
        /// fold into one cut-off.
        of: Option<(Tag, Timestamp)>,
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
    /// The session is bound to a device: from `at` on only tokens that say so count, and none that does not is renewed any more.
    /// Which device, its tokens say.
    Bound {
        /// Which session.
        session: SessionKey,
        /// By which registration, and from when on.
        by: Registration,
        /// As of a denial.
        of: (Tag, Timestamp),
        /// How long the fact has to be kept.
        until: Timestamp,
    },
    /// Sessions that bear the tag and started at or before `at` are over.
    Cutoff {
        /// Which sessions: a subject's, a handle's.
        tag: TagKey,
        /// Up to which start.
        at: Timestamp,
        /// How long the fact has to be kept.
        until: Timestamp,
    },
    /// Claims of before `at` of sessions that bear the tag are out of date; the sessions live.
    Stale {
        /// Which sessions: a subject's, a handle's.
        tag: TagKey,
        /// From when the claims that hold are.
        at: Timestamp,
        /// How long the fact has to be kept.
        until: Timestamp,
    },
    /// All sessions that started at or before `at` are over.
    Floor {
        /// Of which realm; of all if `None`.
        realm: Option<RealmId>,
        /// Up to which start.
        at: Timestamp,
        /// How long the fact has to be kept.
        until: Timestamp,
    },
}

impl Fact {
    /// How long it has to be kept.
    pub fn until(&self) -> Timestamp {
        match *self {
            Self::Deny { until, .. }
            | Self::Superseded { until, .. }
            | Self::Bound { until, .. }
            | Self::Cutoff { until, .. }
            | Self::Stale { until, .. }
            | Self::Floor { until, .. } => until,
        }
    }
}

/// A session of a realm. Facts are kept under both: whoever may end sessions of one realm and learns an id of another's
/// can do nothing with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    /// Which realm.
    pub realm: RealmId,
    /// Which of its sessions.
    pub sid: SessionId,
}

/// A tag of a realm: a subject, or a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagKey {
    /// Which realm.
    pub realm: RealmId,
    /// Which of its tags.
    pub tag: Tag,
}

impl TagKey {
    /// What every session of the realm bears beside its tags: a start ahead of the clock is remembered under it as
    /// well, for the endings of all of a realm. No subject and no handle has it: theirs are keyed hashes.
    pub const fn all_of(realm: RealmId) -> Self {
        Self { realm, tag: [0; 8] }
    }
}

/// The `from` of an ending without grace: before every `now`, so that no step of the clock brings the session back.
pub const AT_ONCE: Timestamp = Timestamp::EPOCH;
