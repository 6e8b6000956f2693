//! The end of one session, and of whatever rotation made of it.

use super::{Pending, Realm, Sessions, retention};
use crate::claims::{Claims, SessionId, Tag};
use crate::clock::Timestamp;
use crate::keyring::Keys;
use crate::revocation::{AT_ONCE, Fact, cutoff_at, next, reaches};

impl Sessions {
    /// Ends a session at once, and whatever rotation made of it. The claims are those of any of its tokens, be it expired:
    /// see [`Sessions::recognise`].
    ///
    /// Ending what is over already is no error: nothing changes. The outcome says whether anything did.
    pub fn end(&self, realm: &Realm, claims: &Claims<'_>) -> Pending<bool> {
        let (keys, now) = (self.keys.load(), self.now());
        let of = claims.folds_by().map(|(subject, _)| (subject, self.latest_start(realm, claims, now)));
        // A token that is sealed ahead of our clock lives for longer by it.
        let rule = retention(&keys, realm);
        let until = rule.session(now.max(claims.sealed), claims.started, claims.expires, claims.idle);
        self.end_until(&keys, realm, claims.sid, of, now, until)
    }

    /// The latest start that any token of the session may have: if this one is over, another one may go on behind the ending
    /// of all others of its subject. What a fold makes of many endings must reach that one as well.
    fn latest_start(&self, realm: &Realm, claims: &Claims<'_>, now: Timestamp) -> Timestamp {
        let tags: Vec<_> = claims.tags.iter().collect();
        let known = self.known(realm, &tags).ending;
        let lives = now < claims.dies() && !known.is_some_and(|at| reaches(at, claims.started));
        if lives { claims.started } else { claims.started.max(next(cutoff_at(now, known))) }
    }

    /// As [`Sessions::end`], by the id alone. The token's own limits are not known, and it may have been sealed when longer
    /// ones than today's were configured: so the ending is kept by the longest limits that the ring has noted, and for
    /// 400 days if it has none.
    pub fn end_id(&self, realm: &Realm, sid: SessionId) -> Pending<bool> {
        let (keys, now) = (self.keys.load(), self.now());
        let until = retention(&keys, realm).unknown_session(now);
        self.end_until(&keys, realm, sid, None, now, until)
    }

    /// A session can be rotated often; each step is an id of its own, and the facts know how far the chain goes. The last id
    /// is ended first: until the first one is, the chain can be followed again, by whoever tries again because the store
    /// could not keep an ending.
    fn end_until(
        &self,
        keys: &Keys,
        realm: &Realm,
        sid: SessionId,
        of: Option<(Tag, Timestamp)>,
        now: Timestamp,
        until: Timestamp,
    ) -> Pending<bool> {
        let mut chain = vec![sid];
        let mut last = sid;
        while self.facts.session(realm.key(last)).is_some_and(|facts| facts.rotated()) {
            last = keys.rotated(last);
            chain.push(last);
        }
        let mut ended = Pending::now(false);
        while let Some(sid) = chain.pop() {
            let session = realm.key(sid);
            let recorded = self.facts.record(Fact::Deny { session, from: AT_ONCE, rotated: false, of, until }, now);
            ended.outcome |= recorded.raised;
            ended.kept = ended.kept.and(recorded.kept);
            if sid == last && recorded.was_rotated {
                // It was rotated since we looked.
                last = keys.rotated(sid);
                chain.push(last);
            }
        }
        ended
    }
}
