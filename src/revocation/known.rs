//! What is known of a session or a tag: how facts of one kind merge, and how claims are judged by them.

use super::{Fact, SessionKey, TagKey, reaches};
use crate::claims::{Claims, Registration, Tag};
use crate::clock::Timestamp;

/// That a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    /// From when on.
    pub from: Timestamp,
    /// Whether it goes on under another id.
    pub rotated: bool,
    /// Whether it ever did: the session under that id is over if this one is. Once known, it stays.
    pub succeeded: bool,
    /// The tag of its subject and its start, where known.
    pub of: Option<(Tag, Timestamp)>,
}

/// That a session is bound to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// By which registration.
    pub by: Registration,
    /// The tag of the subject and the start of the session.
    pub of: (Tag, Timestamp),
}

/// All that is known about one session id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// That it is over.
    pub deny: Option<Denial>,
    /// Older claims than these are out of date.
    pub superseded: Option<Timestamp>,
    /// That it is bound to a device.
    pub bound: Option<Bound>,
    /// How long this has to be kept.
    pub until: Timestamp,
}

/// All that is known about one tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TagFacts {
    /// Sessions that started then or earlier are over.
    pub cutoff: Option<Timestamp>,
    /// Claims of before then are out of date.
    pub stale: Option<Timestamp>,
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
    /// All sessions of the realm, or of all realms, were ended.
    Floored,
    /// The session lives, bound to a device, and the token does not say so, or is another device's.
    Unbound,
}

impl SessionFacts {
    /// Merges `fact` if it is about a session. The earlier ending wins, rotation only if both say so, the newer claims,
    /// the earlier registration, the longer time to keep.
    #[must_use]
    pub fn with(mut self, fact: &Fact) -> Self {
        match *fact {
            Fact::Deny { from, rotated, of, until, .. } => {
                let new = Denial { from, rotated, succeeded: rotated, of };
                self.deny = Some(self.deny.map_or(new, |known| known.joined(new)));
                self.until = self.until.max(until);
            }
            Fact::Superseded { at, until, .. } => {
                self.superseded = self.superseded.max(Some(at));
                self.until = self.until.max(until);
            }
            Fact::Bound { by, of, until, .. } => {
                let new = Bound { by, of };
                self.bound = Some(self.bound.map_or(new, |known| known.joined(new)));
                self.until = self.until.max(until);
            }
            Fact::Cutoff { .. } | Fact::Stale { .. } | Fact::Floor { .. } => {}
        }
        self
    }

    /// The facts about the session of `key` that merge into these: always the same ones, in the same order. Of a
    /// session that went on under another id and is over, there are two endings.
    pub fn facts(&self, session: SessionKey) -> impl Iterator<Item = Fact> + use<> {
        let Self { deny, superseded, bound, until } = *self;
        let ending = move |rotated| {
            deny.map(|Denial { from, of, .. }| Fact::Deny { session, from, rotated, of, until }).into_iter()
        };
        let over = deny.is_some_and(|deny| !deny.rotated);
        let succeeded = deny.is_some_and(|deny| deny.succeeded);
        let superseded = superseded.map(|at| Fact::Superseded { session, at, until });
        let bound = bound.map(|Bound { by, of }| Fact::Bound { session, by, of, until });
        let endings = ending(false).filter(move |_| over).chain(ending(true).filter(move |_| succeeded));
        endings.chain(superseded).chain(bound)
    }

    /// What these facts say of `claims` at `now`.
    pub fn judge(&self, claims: &Claims<'_>, now: Timestamp) -> Option<Ending> {
        if self.ended(now) {
            return Some(Ending::Denied);
        }
        if self.superseded.is_some_and(|at| claims.claims_at < at) {
            return Some(Ending::Superseded);
        }
        self.unbinds(claims, now).then_some(Ending::Unbound)
    }

    /// Whether a token with these claims does not count any more since the session is bound to a device. While it is being bound,
    /// requests are on their way with what the browser had before. A token of another registration has no such time.
    fn unbinds(&self, claims: &Claims<'_>, now: Timestamp) -> bool {
        self.bound.is_some_and(|bound| claims.mark().map_or(bound.by.at <= now, |mark| mark.by != bound.by))
    }

    /// Whether a token with these claims is the last of its kind: it may count for a while yet, and is neither renewed
    /// nor changed. That is so of one that was rotated with some grace, and of one that says nothing of the device that the
    /// session is bound to.
    pub fn ends(&self, claims: &Claims<'_>) -> bool {
        self.deny.is_some() || self.bound.is_some_and(|bound| claims.mark().is_none_or(|mark| mark.by != bound.by))
    }

    /// The tag of its subject and its start, where known.
    pub fn of(&self) -> Option<(Tag, Timestamp)> {
        // Of one subject both are, and the later start is behind the ending of its other sessions.
        self.deny.and_then(|deny| deny.of).max(self.bound.map(|bound| bound.of))
    }

    /// Whether it is over at `now`: denied, and any grace is past.
    pub fn ended(&self, now: Timestamp) -> bool {
        self.deny.is_some_and(|deny| deny.from <= now)
    }

    /// Whether it goes on under another id.
    pub fn rotated(&self) -> bool {
        self.deny.is_some_and(|deny| deny.rotated)
    }

    /// Whether it goes on, or went on before it was over, under another id.
    pub fn succeeded(&self) -> bool {
        self.deny.is_some_and(|deny| deny.succeeded)
    }

    /// Whether it is over for good: denied, and not by a rotation alone.
    pub fn over(&self) -> bool {
        self.deny.is_some_and(|deny| !deny.rotated)
    }

    /// Whether these say more of sessions than `before`; a longer time to keep alone does not.
    pub fn raised_over(&self, before: &Self) -> bool {
        let said = |facts: &Self| {
            let deny = facts.deny.map(|deny| (deny.from, deny.rotated, deny.succeeded));
            (deny, facts.superseded, facts.bound.map(|bound| bound.by))
        };
        said(self) != said(before)
    }
}

impl Denial {
    fn joined(self, other: Self) -> Self {
        Self {
            from: self.from.min(other.from),
            rotated: self.rotated && other.rotated,
            succeeded: self.succeeded || other.succeeded,
            // One session has one subject and one start; the order only settles what could never differ.
            of: self.of.max(other.of),
        }
    }
}

impl Bound {
    /// The earlier one: what was acknowledged is never displaced by what comes behind it.
    fn joined(self, other: Self) -> Self {
        Self { by: self.by.min(other.by), of: self.of.max(other.of) }
    }
}

impl TagFacts {
    /// Merges `fact` if it is about a tag: the later times, the longer time to keep.
    #[must_use]
    pub fn with(mut self, fact: &Fact) -> Self {
        match *fact {
            Fact::Cutoff { at, until, .. } => {
                self.cutoff = self.cutoff.max(Some(at));
                self.until = self.until.max(until);
            }
            Fact::Stale { at, until, .. } => {
                self.stale = self.stale.max(Some(at));
                self.until = self.until.max(until);
            }
            Fact::Deny { .. } | Fact::Superseded { .. } | Fact::Bound { .. } | Fact::Floor { .. } => {}
        }
        self
    }

    /// The facts about `tag` that merge into these: always the same ones, in the same order.
    pub fn facts(&self, tag: TagKey) -> impl Iterator<Item = Fact> + use<> {
        let until = self.until;
        let cutoff = self.cutoff.map(|at| Fact::Cutoff { tag, at, until });
        cutoff.into_iter().chain(self.stale.map(|at| Fact::Stale { tag, at, until }))
    }

    /// Whether they end a session that started at `started`. One that started at the very instant of the cut-off is
    /// over.
    pub fn cuts_off(&self, started: Timestamp) -> bool {
        self.cutoff.is_some_and(|at| reaches(at, started))
    }

    /// Whether they say that claims of `claims_at`, good otherwise, are out of date.
    pub fn outdates(&self, claims_at: Timestamp) -> bool {
        self.stale.is_some_and(|at| claims_at < at)
    }

    /// Whether these say more of sessions than `before`; a longer time to keep alone does not.
    pub fn raised_over(&self, before: &Self) -> bool {
        (self.cutoff, self.stale) != (before.cutoff, before.stale)
    }
}
