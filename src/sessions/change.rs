//! A session that goes on: renewed, with new claims, or under a new id.

use std::collections::BTreeMap;
use std::time::Duration;

use super::issue::{check_level, check_list};
use super::{IssueError, Issued, Pending, Realm, Session, Sessions, check_data};
use crate::claims::{Claims, MAX_ENTRIES, SessionId};
use crate::clock::Timestamp;
use crate::revocation::{AT_ONCE, CLOCK_ERROR, Fact, SEALED_AHEAD, keep_until};
use crate::token::SealError;

/// What changes in a session. `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct Change<'a> {
    /// The roles from here on.
    pub roles: Option<&'a [String]>,
    /// The data from here on.
    pub data: Option<&'a BTreeMap<String, String>>,
    /// How the user authenticated.
    pub amr: Option<&'a [String]>,
    /// The assurance level.
    pub aal: Option<u8>,
    /// When the user authenticated anew.
    pub authenticated_at: Option<Timestamp>,
}

/// A session can't be changed as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// What is asked for can't be sealed.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The session ended meanwhile, or another change came first.
    #[error("the session was ended or changed by another request meanwhile")]
    Conflict,
}

impl From<SealError> for ChangeError {
    fn from(error: SealError) -> Self {
        Self::Issue(error.into())
    }
}

impl Sessions {
    /// The same session, sealed anew: idle time begins again, nothing else changes.
    ///
    /// # Errors
    /// [`SealError`] if no key is active or there are no random bytes.
    pub fn renew(&self, realm: &Realm, session: &Session<'_>) -> Result<Issued, SealError> {
        let mut claims = session.claims.clone();
        claims.sealed = self.now().max(claims.sealed);
        self.seal(&self.keys.load(), realm, &claims)
    }

    /// New claims under the same id. Every earlier token of the session is refused from here on.
    ///
    /// # Errors
    /// [`ChangeError`]: a claim that can't be sealed; another change at the same moment.
    pub fn reseal<'a>(
        &self,
        realm: &Realm,
        session: &Session<'a>,
        change: &Change<'a>,
    ) -> Result<Pending<Issued>, ChangeError> {
        let now = self.now();
        let mut claims = session.claims.clone();
        change.apply(&mut claims, now)?;
        self.still_current(realm, session)?;
        claims.claims_at = self.newer_claims_at(realm, &claims, now);
        // Sealed before the fact is written: what can't be sealed must not outdate the token that works.
        let issued = self.seal(&self.keys.load(), realm, &claims)?;
        let until = keep_until(now, claims.expires, claims.idle);
        let fact = Fact::Superseded { session: realm.key(claims.sid), at: claims.claims_at, until };
        let recorded = self.facts.record(fact, now);
        // Of two at once, only the one that moved the fact holds the newer claims; or the session ended meanwhile.
        let lives = recorded.raised && self.ending(realm, &claims, now).is_none();
        if lives { Ok(Pending { outcome: issued, kept: recorded.kept }) } else { Err(ChangeError::Conflict) }
    }

    /// The session under a new id: at login, step-up, and whenever the old cookie must be worthless at once.
    ///
    /// # Errors
    /// As [`Sessions::reseal`]. Of two rotations at one moment the second is refused, and the first one's token lives. If a
    /// reseal came between, both tokens are refused: better a new login than a role that the other one took away.
    pub fn rotate<'a>(
        &self,
        realm: &Realm,
        session: &Session<'a>,
        change: &Change<'a>,
    ) -> Result<Pending<Issued>, ChangeError> {
        let (keys, now) = (self.keys.load(), self.now());
        let old = session.claims.sid;
        let mut claims = session.claims.clone();
        change.apply(&mut claims, now)?;
        self.still_current(realm, session)?;
        claims.sid = keys.rotated(old);
        claims.claims_at = self.newer_claims_at(realm, &claims, now);
        let issued = self.seal(&keys, realm, &claims)?;
        // Kept to the absolute expiry: whoever ends the session by its old id has to find the new one.
        let until = claims.expires.plus(2 * CLOCK_ERROR);
        let of = claims.tags.iter().next().map(|subject| (subject, claims.started));
        let deny = Fact::Deny { session: realm.key(old), from: AT_ONCE, rotated: true, of, until };
        let recorded = self.facts.record(deny, now);
        // Both changes write before they read: a reseal that came between is seen here, or it sees the denial.
        if recorded.over || recorded.was_rotated || self.ending(realm, &claims, now).is_some() {
            return Err(ChangeError::Conflict);
        }
        self.still_current(realm, session)?;
        Ok(Pending { outcome: issued, kept: recorded.kept })
    }

    /// A time for new claims that is later than that of every claim known of the session.
    fn newer_claims_at(&self, realm: &Realm, claims: &Claims<'_>, now: Timestamp) -> Timestamp {
        let newer = |at: Timestamp| at.plus(Duration::from_millis(1));
        let known = self.outdated_from(realm, claims.sid).map_or(now, newer);
        now.max(newer(claims.claims_at)).max(known)
    }

    /// The source is judged again: what another request changed since it was verified must not be undone by the claims
    /// that stand in it.
    fn still_current(&self, realm: &Realm, session: &Session<'_>) -> Result<(), ChangeError> {
        let outdated = self.outdated_from(realm, session.claims.sid).is_some_and(|at| session.claims.claims_at < at);
        if outdated { Err(ChangeError::Conflict) } else { Ok(()) }
    }

    /// Before when claims of the session are out of date.
    fn outdated_from(&self, realm: &Realm, sid: SessionId) -> Option<Timestamp> {
        self.facts.session(realm.key(sid))?.superseded
    }
}

impl<'a> Change<'a> {
    fn apply(&self, claims: &mut Claims<'a>, now: Timestamp) -> Result<(), IssueError> {
        self.check(claims.subject.is_none(), now)?;
        let borrow = |list: &'a [String]| list.iter().map(String::as_str);
        if let Some(roles) = self.roles {
            claims.roles = borrow(roles).collect();
        }
        if let Some(amr) = self.amr {
            claims.amr = borrow(amr).collect();
        }
        if let Some(data) = self.data {
            claims.data = data.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        }
        claims.aal = self.aal.unwrap_or(claims.aal);
        claims.authenticated = self.authenticated_at.unwrap_or(claims.authenticated);
        claims.sealed = now.max(claims.sealed);
        Ok(())
    }

    fn check(&self, anonymous: bool, now: Timestamp) -> Result<(), IssueError> {
        if anonymous && self.roles.is_some_and(|roles| !roles.is_empty()) {
            return Err(IssueError::Anonymous("roles"));
        }
        check_list("roles", self.roles.unwrap_or_default(), MAX_ENTRIES)?;
        check_list("amr", self.amr.unwrap_or_default(), MAX_ENTRIES)?;
        self.data.map_or(Ok(()), check_data)?;
        check_level(self.aal.unwrap_or_default())?;
        let future = self.authenticated_at.is_some_and(|at| at > now.plus(SEALED_AHEAD));
        if future { Err(IssueError::Future) } else { Ok(()) }
    }
}
