//! The end of one session, and of whatever rotation made of it.

use std::sync::Arc;

use super::{Pending, Realm, Sessions, retention};
use crate::claims::{Claims, RealmId, SessionId, Tag};
use crate::clock::{Clock, Timestamp};
use crate::keyring::Keys;
use crate::revocation::{AT_ONCE, Fact, FactStore, Kept, SessionKey, cutoff_at, next, reaches};

impl Sessions {
    /// Ends a session at once, and whatever rotation made of it. The claims are those of any of its tokens, be it
    /// expired: see [`Sessions::recognise`].
    ///
    /// Ending what is over already is no error: nothing changes. The outcome says whether anything did.
    pub fn end(&self, realm: &Realm, claims: &Claims<'_>) -> Pending<bool> {
        let (keys, now) = (self.keys.load_full(), self.now());
        let of = claims.folds_by().map(|(subject, _)| (subject, self.latest_start(realm, claims, now)));
        // A token that is sealed ahead of our clock lives for longer by it.
        let rule = retention(&keys, realm);
        // And the anchor of one that is bound to a device for longer than its token.
        let idle = claims.idle_of_session();
        let until = rule.session(now.max(claims.sealed), claims.started, claims.expires, idle);
        self.end_until(keys, realm, claims.sid, of, until)
    }

    /// The latest start that any token of the session may have: if this one is over, another one may go on behind the
    /// ending of all others of its subject. What a fold makes of many endings must reach that one as well.
    pub(super) fn latest_start(&self, realm: &Realm, claims: &Claims<'_>, now: Timestamp) -> Timestamp {
        let tags: Vec<_> = claims.tags.iter().collect();
        let (known, keys) = (self.known(realm, &tags).ending, tags.iter().map(|tag| realm.tag_key(*tag)));
        let passed = self.facts.passed(&keys.collect::<Vec<_>>());
        let lives = now < claims.dies() && !known.is_some_and(|at| reaches(at, claims.started));
        if lives { claims.started } else { claims.started.max(next(cutoff_at(now, known.max(passed)))) }
    }

    /// As [`Sessions::end`], by the id alone. The token's own limits are not known, and it may have been sealed when
    /// longer ones than today's were configured: so the ending is kept by the longest limits that the ring has noted,
    /// and for 400 days if it has none.
    pub fn end_id(&self, realm: &Realm, sid: SessionId) -> Pending<bool> {
        let (keys, now) = (self.keys.load_full(), self.now());
        let until = retention(&keys, realm).unknown_session(now);
        self.end_until(keys, realm, sid, None, until)
    }

    fn end_until(
        &self,
        keys: Arc<Keys>,
        realm: &Realm,
        sid: SessionId,
        of: Option<(Tag, Timestamp)>,
        until: Timestamp,
    ) -> Pending<bool> {
        let (facts, clock) = (Arc::clone(&self.facts), Arc::clone(&self.clock));
        let mut chain = Chain { facts, keys, clock, realm: realm.id(), of, until, last: sid };
        let (raised, kept) = chain.end_from(sid);
        Pending::when(raised, kept).again(move || Ok(chain.end_what_followed()))
    }
}

/// A session that is ended, and whatever rotation made of it.
struct Chain {
    facts: Arc<dyn FactStore>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    realm: RealmId,
    of: Option<(Tag, Timestamp)>,
    until: Timestamp,
    /// The last of its ids that is ended.
    last: SessionId,
}

impl Chain {
    /// A session can be rotated often; each step is an id of its own, and the facts know how far the chain goes. The
    /// last id is ended first. Says whether that changed anything.
    fn end_from(&mut self, first: SessionId) -> (bool, Kept) {
        let mut chain = vec![first];
        self.last = first;
        while self.facts.session(self.key(self.last)).is_some_and(|facts| facts.succeeded()) {
            self.last = self.keys.rotated(self.last);
            chain.push(self.last);
        }
        let (mut raised, mut kept) = (false, Kept::now());
        while let Some(sid) = chain.pop() {
            let (of, until) = (self.of, self.until);
            let deny = Fact::Deny { session: self.key(sid), from: AT_ONCE, rotated: false, of, until };
            let recorded = self.facts.record(deny, self.clock.now());
            raised |= recorded.raised;
            kept = kept.and(recorded.kept);
            if sid == self.last && recorded.succeeded {
                // It was rotated since we looked.
                self.last = self.keys.rotated(sid);
                chain.push(self.last);
            }
        }
        (raised, kept)
    }

    /// The same for what another replica made of the last one, of which word came since; `None` if there was none.
    fn end_what_followed(&mut self) -> Option<Kept> {
        let succeeded = self.facts.session(self.key(self.last)).is_some_and(|facts| facts.succeeded());
        succeeded.then(|| self.end_from(self.keys.rotated(self.last)).1)
    }

    fn key(&self, sid: SessionId) -> SessionKey {
        SessionKey { realm: self.realm, sid }
    }
}
