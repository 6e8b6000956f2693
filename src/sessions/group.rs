//! Endings of many sessions at once: of a subject, of a handle, of a realm. And claims that went out of date.
//!
//! Nothing is looked up and no session is listed: one fact says which sessions it is about, by a tag that they bear and
//! by their start.

use std::sync::Arc;

use super::{Issued, Pending, Realm, Session, Sessions, Unsettled, retention};
use crate::claims::{InvalidText, Tag, check_name};
use crate::clock::Timestamp;
use crate::keyring::Keys;
use crate::revocation::{Fact, Learned, Recorded, TagKey, cutoff_at, next, stale_at};
use crate::token::SealError;

/// Sessions that bear the same tag.
#[derive(Clone, Copy)]
pub enum Group<'a> {
    /// All of a user.
    Subject(&'a str),
    /// All that were issued with this handle.
    Handle(&'a str),
}

/// Sessions can't be ended together as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// Its name can't be that of any session.
    #[error(transparent)]
    Name(#[from] InvalidText),
    /// The session to keep is none of them.
    #[error("the session to keep is none of those that would end")]
    NotOfGroup,
    /// The session to keep can't be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The session to keep is bound to a device, and its anchor is not at hand; or it was bound meanwhile.
    #[error("the session to keep is bound to a device: hand over the Cookie header, with its anchor beside its token")]
    NoAnchor,
}

impl Sessions {
    /// Ends all sessions of the group that exist now, known here or not. A login from here on is not hit. Await
    /// [`Sessions::ask_before_ending`] first.
    ///
    /// `keep` goes on, as the session that it is, under a token that starts behind the ending and is given back, unless
    /// it expires within these two seconds anyway. Its earlier tokens end with the others.
    ///
    /// # Errors
    /// [`GroupError`], and then nothing has ended. That the session to keep was bound to a device meanwhile is found out before it is
    /// settled, and then it ended with the others: [`Unsettled::Conflict`].
    pub fn end_group(
        &self,
        realm: &Realm,
        group: Group<'_>,
        keep: Option<&Session<'_>>,
    ) -> Result<Pending<Option<Issued>>, GroupError> {
        let (keys, now) = (self.keys.load(), self.now());
        let tag = group.tag(&keys, realm)?;
        if keep.is_some_and(|session| !session.claims.tags.iter().any(|own| own == tag)) {
            return Err(GroupError::NotOfGroup);
        }
        if keep.is_some_and(|session| !self.keeps_device(realm, session)) {
            return Err(GroupError::NoAnchor);
        }
        let rule = retention(&keys, realm);
        let key = realm.tag_key(tag);
        let known = || self.facts.tag(key).and_then(|facts| facts.cutoff).max(self.facts.passed(&[key]));
        let mut told = Learned::now();
        let ended = self.raise(cutoff_at, known, |at| {
            // Sealed before the fact is written: what can't be sealed must not end with the others.
            let lives = keep.filter(|session| next(at) < session.claims.expires);
            let kept = lives.map(|session| self.moved_behind(&keys, realm, session, at)).transpose()?;
            let recorded = self.facts.record(Fact::Cutoff { tag: key, at, until: rule.cutoff(at) }, now);
            if let Some(session) = lives {
                told = self.pass(realm, session.claims.tags.iter(), next(at));
            }
            Ok((kept, recorded))
        });
        // A session that was bound meanwhile is over with the others: its unbound token must not start behind that.
        let unbound = keep.filter(|session| !session.claims.is_bound()).map(|session| realm.key(session.claims.sid));
        let facts = Arc::clone(&self.facts);
        let is_bound = move |key| facts.session(key).is_some_and(|known| known.bound.is_some());
        let look = move || if unbound.is_some_and(&is_bound) { Err(Unsettled::Conflict) } else { Ok(None) };
        ended.map(|ended| ended.told(told).again(look))
    }

    /// Whether a session that is kept stays with its device: both of its tokens are sealed anew, and one that does not say
    /// that it is bound, though it is, does not go on.
    fn keeps_device(&self, realm: &Realm, session: &Session<'_>) -> bool {
        let known = self.facts.session(realm.key(session.claims.sid)).is_some_and(|known| known.bound.is_some());
        if session.claims.is_bound() { session.key.is_some() } else { !known }
    }

    /// Says that what sessions of the group say was given before now and is out of date. They live, without roles,
    /// until the application gives new claims. Await [`Sessions::ask_before_ending`] first.
    ///
    /// # Errors
    /// [`GroupError`] if the name can't be that of any session.
    pub fn outdate_group(&self, realm: &Realm, group: Group<'_>) -> Result<Pending<()>, GroupError> {
        let (keys, now) = (self.keys.load(), self.now());
        let rule = retention(&keys, realm);
        let key = realm.tag_key(group.tag(&keys, realm)?);
        let known = || self.facts.tag(key).and_then(|facts| facts.stale).max(self.facts.passed(&[key]));
        self.raise(stale_at, known, |at| {
            Ok(((), self.facts.record(Fact::Stale { tag: key, at, until: rule.stale(at) }, now)))
        })
    }

    /// The tag that sessions of the group bear, by which logs can name it without saying who it is.
    ///
    /// # Errors
    /// [`InvalidText`] if the name can't be that of any session.
    pub fn tag_of(&self, realm: &Realm, group: Group<'_>) -> Result<Tag, InvalidText> {
        group.tag(&self.keys.load(), realm)
    }

    /// Ends all sessions of the realm that exist now. Await [`Sessions::ask_before_floor`] first.
    pub fn end_realm(&self, realm: &Realm) -> Pending<()> {
        let rule = retention(&self.keys.load(), realm);
        self.raise_floor(&[realm], |at| Fact::Floor { realm: Some(realm.id()), at, until: rule.cutoff(at) })
    }

    /// Ends all sessions that exist now, of the realms given and of any other. For how long that is remembered follows
    /// from those given. Await [`Sessions::ask_before_floor`] first.
    pub fn end_all(&self, realms: &[&Realm]) -> Pending<()> {
        let keys = self.keys.load();
        let rules: Vec<_> = realms.iter().map(|realm| retention(&keys, realm)).collect();
        let until = move |at: Timestamp| rules.iter().map(|rule| rule.cutoff(at)).max().unwrap_or(Timestamp::MAX);
        self.raise_floor(realms, |at| Fact::Floor { realm: None, at, until: until(at) })
    }

    fn raise_floor(&self, realms: &[&Realm], fact: impl Fn(Timestamp) -> Fact) -> Pending<()> {
        let now = self.now();
        let all: Vec<_> = realms.iter().map(|realm| TagKey::all_of(realm.id())).collect();
        let floors = || realms.iter().filter_map(|realm| self.facts.floor(realm.id())).max();
        let known = || floors().max(self.facts.passed(&all));
        let raised = self
            .raise::<_, std::convert::Infallible>(cutoff_at, known, |at| Ok(((), self.facts.record(fact(at), now))));
        match raised {
            Ok(raised) => raised,
            Err(never) => match never {},
        }
    }

    /// Writes a time past all that is known. If one as late was known already, here by now or where the fact was sent
    /// to, a session may have begun just behind it: then once more, past that one. What is later still came after we
    /// were asked, and so did whatever began behind it.
    fn raise<T, E>(
        &self,
        rule: fn(Timestamp, Option<Timestamp>) -> Timestamp,
        known: impl Fn() -> Option<Timestamp>,
        mut write: impl FnMut(Timestamp) -> Result<(T, Recorded), E>,
    ) -> Result<Pending<T>, E> {
        let (mut outcome, mut recorded) = write(rule(self.now(), known()))?;
        if !recorded.raised {
            (outcome, recorded) = write(rule(self.now(), known()))?;
        }
        Ok(Pending::when(outcome, recorded.kept))
    }

    /// The session, as if it had started just behind an ending at `at`. Nothing else changes.
    fn moved_behind(
        &self,
        keys: &Keys,
        realm: &Realm,
        session: &Session<'_>,
        at: Timestamp,
    ) -> Result<Issued, GroupError> {
        let mut claims = session.claims.clone();
        claims.started = next(at);
        let now = self.now();
        claims.sealed = now.max(claims.sealed);
        Ok(match (claims.mark(), session.key) {
            (Some(mark), Some(key)) => self.seal_bound(keys, realm, &claims, (mark, key, claims.idle), now)?,
            _ => self.seal(keys, realm, &claims, now)?,
        })
    }
}

impl Group<'_> {
    fn tag(self, keys: &Keys, realm: &Realm) -> Result<Tag, InvalidText> {
        Ok(match self {
            Self::Subject(subject) => keys.subject_tag(realm.name(), check_name(subject)?),
            Self::Handle(handle) => keys.handle_tag(realm.name(), check_name(handle)?),
        })
    }
}

impl std::fmt::Debug for Group<'_> {
    /// Which kind only: whose it is stays out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Subject(_) => "Subject(redacted)",
            Self::Handle(_) => "Handle(redacted)",
        })
    }
}
