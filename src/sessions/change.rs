//! A session that goes on: renewed, with new claims, or under a new id.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::issue::{check_level, check_list};
use super::{IssueError, Issued, Pending, Realm, Session, Sessions, Unsettled, check_data, retention};
use crate::claims::{Claims, MAX_ENTRIES, RealmId, Registration, SessionId};
use crate::clock::Timestamp;
use crate::entropy::random;
use crate::keyring::Keys;
use crate::revocation::{AT_ONCE, Fact, FactStore, Kept, SEALED_AHEAD, SessionKey, TagKey, next, reaches, start_after};
use crate::token::SealError;

/// Longest time for which the token before a rotation may still be good.
pub const MAX_GRACE: Duration = Duration::from_secs(10);

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
    /// It is bound to a device.
    #[error("the session is bound to a device, which alone renews it")]
    Bound,
    /// It is bound to a device, and its anchor is not at hand.
    #[error("the session is bound to a device: hand over the Cookie header, with its anchor beside its token")]
    NoAnchor,
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
    /// [`ChangeError`] if no key is active or there are no random bytes, if the session was rotated and lives in its grace,
    /// or if it is bound to a device: see [`Sessions::refresh`].
    pub fn renew(&self, realm: &Realm, session: &Session<'_>) -> Result<Issued, ChangeError> {
        if session.ending {
            return Err(ChangeError::Conflict);
        }
        if session.claims.is_bound() {
            return Err(ChangeError::Bound);
        }
        let mut claims = session.claims.clone();
        let now = self.now();
        claims.sealed = now.max(claims.sealed);
        Ok(self.seal(&self.keys.load(), realm, &claims, now)?)
    }

    /// New claims under the same id. Every earlier token of the session is refused from here on. Await
    /// [`Sessions::ask_before_change`] first, then judge the session again.
    ///
    /// # Errors
    /// [`ChangeError`]: a claim that can't be sealed; another change at the same moment; a session that is bound to a device, and
    /// was not given [`Session::with_anchor`]: both tokens are sealed anew, or the one left would be out of date. That it was not the only one
    /// may also be found out before it is settled: [`Unsettled::Conflict`].
    pub fn reseal<'a>(
        &self,
        realm: &Realm,
        session: &Session<'a>,
        change: &Change<'a>,
    ) -> Result<Pending<Issued>, ChangeError> {
        let (keys, now) = (self.keys.load(), self.now());
        let mut claims = session.claims.clone();
        change.apply(&mut claims, now)?;
        self.still_current(realm, session)?;
        let behind = start_after(next(claims.claims_at), self.outdated_from(realm, claims.sid));
        claims.claims_at = self.apart(self.newer_claims_at(realm, &claims, change, now).max(behind), &claims, realm)?;
        // Sealed before the fact is written: what can't be sealed must not outdate the token that works.
        let issued = self.seal_changed(&keys, realm, session, &claims, now)?;
        let until = retention(&keys, realm).session(now, claims.started, claims.expires, claims.idle_of_session());
        let fact = Fact::Superseded { session: realm.key(claims.sid), at: claims.claims_at, until };
        let recorded = self.facts.record(fact, now);
        let still = Still::new(self, realm, &claims, vec![Step::of(realm, &claims, false)]);
        // Of two at once, only the one that moved the fact holds the newer claims; or the session ended meanwhile, or
        // its end was set.
        if !recorded.raised || !still.holds() {
            return Err(ChangeError::Conflict);
        }
        let told = self.pass(realm, claims.tags.iter(), claims.claims_at);
        Ok(Pending::when(issued, recorded.kept).told(told).again(move || still.or_conflict()))
    }

    /// The session under a new id: at login, step-up, and whenever the old cookie must be worthless. That is at once,
    /// or after `grace`, so that requests which are on their way with the old cookie still pass. Await
    /// [`Sessions::ask_before_change`] first, then judge the session again.
    ///
    /// # Errors
    /// As [`Sessions::reseal`], and [`IssueError`] if there is more grace than [`MAX_GRACE`], or any where the old
    /// token could do more than the new one. Of two rotations at one moment the second is refused, and the first one's
    /// token lives. If a reseal came between, both tokens are refused: better a new login than a role that the other
    /// one took away.
    pub fn rotate<'a>(
        &self,
        realm: &Realm,
        session: &Session<'a>,
        change: &Change<'a>,
        grace: Duration,
    ) -> Result<Pending<Issued>, ChangeError> {
        let (keys, now) = (self.keys.load(), self.now());
        let old = session.claims.sid;
        let mut claims = session.claims.clone();
        change.apply(&mut claims, now)?;
        check_grace(grace, &session.claims, &claims)?;
        self.still_current(realm, session)?;
        claims.sid = keys.rotated(old);
        claims.claims_at = self.apart(self.newer_claims_at(realm, &claims, change, now), &claims, realm)?;
        let issued = self.seal_changed(&keys, realm, session, &claims, now)?;
        // Kept to the absolute expiry: whoever ends the session by its old id has to find the new one.
        let until = retention(&keys, realm).whole_life(claims.started, claims.expires);
        let of = claims.folds_by();
        let from = if grace.is_zero() { AT_ONCE } else { now.plus(grace) };
        let deny = Fact::Deny { session: realm.key(old), from, rotated: true, of, until };
        let mut recorded = self.facts.record(deny, now);
        if self.facts.fleet().is_some() {
            // Two replicas that rotate at one moment agree on the id, and the later claims hold.
            let fact = Fact::Superseded { session: realm.key(claims.sid), at: claims.claims_at, until };
            recorded.kept = recorded.kept.and(self.facts.record(fact, now).kept);
        }
        // Both changes write before they read: a reseal that came between is seen here, or it sees the denial. Then the
        // old token is out of date as well: neither is good any more.
        let steps = vec![Step::of(realm, &session.claims, true), Step::of(realm, &claims, false)];
        let still = Still::new(self, realm, &claims, steps);
        if recorded.was_rotated || !still.holds() {
            return Err(ChangeError::Conflict);
        }
        let told = self.pass(realm, claims.tags.iter(), claims.claims_at);
        Ok(Pending::when(issued, recorded.kept).told(told).again(move || still.or_conflict()))
    }

    /// Roles that the application gives are newer than all that is known to be out of date. Those that stand are as old
    /// as they were, whatever else changes: what made them out of date may be known already, or still be on its way.
    fn newer_claims_at(&self, realm: &Realm, claims: &Claims<'_>, change: &Change<'_>, now: Timestamp) -> Timestamp {
        if change.roles.is_none() {
            return claims.claims_at;
        }
        let tags: Vec<_> = claims.tags.iter().collect();
        let now = if self.facts.fleet().is_some() { now.minus(APART) } else { now };
        start_after(now.max(next(claims.claims_at)), self.known(realm, &tags).stale)
    }

    /// A time of claims that no other replica gives, which changes the same session at the same moment: of two that are
    /// equal neither would be the later one, and both would hold. Claims that are out of date stay so.
    fn apart(&self, least: Timestamp, claims: &Claims<'_>, realm: &Realm) -> Result<Timestamp, SealError> {
        if self.facts.fleet().is_none() {
            return Ok(least);
        }
        let tags: Vec<_> = claims.tags.iter().collect();
        let outdated = self.known(realm, &tags).stale.filter(|at| least < *at);
        let millis = u64::from(u16::from_be_bytes(random(&*self.entropy)?)) % APART_VALUES;
        let at = least.plus(Duration::from_millis(millis));
        Ok(outdated.map_or(at, |stale| at.min(stale.minus(Duration::from_millis(1)))))
    }

    /// As the session was sealed: alone, or as both tokens of one that is bound to a device.
    pub(super) fn seal_changed(
        &self,
        keys: &Keys,
        realm: &Realm,
        session: &Session<'_>,
        claims: &Claims<'_>,
        now: Timestamp,
    ) -> Result<Issued, ChangeError> {
        match (claims.mark(), session.key) {
            (None, _) => Ok(self.seal(keys, realm, claims, now)?),
            (Some(_), None) => Err(ChangeError::NoAnchor),
            (Some(mark), Some(key)) => Ok(self.seal_bound(keys, realm, claims, (mark, key, claims.idle), now)?),
        }
    }

    /// The source is judged again: what another request changed since it was verified must not be undone by the claims
    /// that stand in it.
    fn still_current(&self, realm: &Realm, session: &Session<'_>) -> Result<(), ChangeError> {
        let known = self.facts.session(realm.key(session.claims.sid));
        let gone = known.is_some_and(|facts| facts.ends(&session.claims));
        if gone || self.is_outdated(realm, session) { Err(ChangeError::Conflict) } else { Ok(()) }
    }

    fn is_outdated(&self, realm: &Realm, session: &Session<'_>) -> bool {
        self.outdated_from(realm, session.claims.sid).is_some_and(|at| session.claims.claims_at < at)
    }

    /// Before when claims of the session are out of date.
    pub(super) fn outdated_from(&self, realm: &Realm, sid: SessionId) -> Option<Timestamp> {
        self.facts.session(realm.key(sid))?.superseded
    }
}

/// What has to hold of a session that was changed, when the change was written and again when it is kept.
pub(super) struct Still {
    facts: Arc<dyn FactStore>,
    realm: RealmId,
    tags: Vec<TagKey>,
    started: Timestamp,
    steps: Vec<Step>,
}

/// One of its ids.
pub(super) struct Step {
    key: SessionKey,
    claims_at: Timestamp,
    /// By which registration it is bound to a device.
    registered: Option<Registration>,
    /// Whether it is the one that went on under another id.
    rotated: bool,
}

impl Step {
    pub(super) fn of(realm: &Realm, claims: &Claims<'_>, rotated: bool) -> Self {
        let registered = claims.mark().map(|mark| mark.by);
        Self { key: realm.key(claims.sid), claims_at: claims.claims_at, registered, rotated }
    }

    fn holds(&self, facts: &dyn FactStore) -> bool {
        let Some(known) = facts.session(self.key) else { return true };
        let ended = if self.rotated { known.over() } else { known.deny.is_some() };
        let registered = known.bound.is_none_or(|bound| self.registered == Some(bound.by));
        !ended && registered && known.superseded <= Some(self.claims_at)
    }
}

impl Still {
    pub(super) fn new(sessions: &Sessions, realm: &Realm, claims: &Claims<'_>, steps: Vec<Step>) -> Self {
        let tags = claims.tags.iter().map(|tag| realm.tag_key(tag)).collect();
        Self { facts: Arc::clone(&sessions.facts), realm: realm.id(), tags, started: claims.started, steps }
    }

    /// Nothing ended it, and no other change was the later one.
    pub(super) fn holds(&self) -> bool {
        let floored = self.facts.floor(self.realm).is_some_and(|at| reaches(at, self.started));
        let cut_off = |tag: &TagKey| self.facts.tag(*tag).is_some_and(|facts| facts.cuts_off(self.started));
        !floored && !self.tags.iter().any(cut_off) && self.steps.iter().all(|step| step.holds(&*self.facts))
    }

    pub(super) fn or_conflict(&self) -> Result<Option<Kept>, Unsettled> {
        if self.holds() { Ok(None) } else { Err(Unsettled::Conflict) }
    }
}

/// For as long as grace lasts, a thief of the old token has what it says. So there is none when the change takes
/// something away; and whatever a value of the application's data may allow, another one may not.
fn check_grace(grace: Duration, old: &Claims<'_>, new: &Claims<'_>) -> Result<(), IssueError> {
    if grace > MAX_GRACE {
        return Err(IssueError::Grace { limit: MAX_GRACE.as_secs(), found: grace.as_secs() });
    }
    let lowers = [
        ("roles", old.roles.iter().any(|role| !new.roles.contains(role))),
        ("data", old.data.iter().any(|entry| !new.data.contains(entry))),
        ("amr", old.amr.iter().any(|method| !new.amr.contains(method))),
        ("aal", new.aal < old.aal),
        ("authenticated_at", new.authenticated < old.authenticated),
    ];
    match lowers.iter().find(|(_, lowers)| *lowers && !grace.is_zero()) {
        Some((field, _)) => Err(IssueError::Lowering(field)),
        None => Ok(()),
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
        if future { Err(IssueError::Future("authenticated_at")) } else { Ok(()) }
    }
}

/// Within how long times of claims are chosen: less than an ending reaches ahead of the clock.
const APART: Duration = Duration::from_millis(APART_VALUES - 1);
const APART_VALUES: u64 = 1_024;
