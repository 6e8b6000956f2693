//! Sessions that are bound to a device: registered with its key, and refreshed by it alone. Device Bound Session
//! Credentials (W3C draft) are built on this; here is nothing of their HTTP.
//!
//! A login gives two tokens: the session's, and an **anchor** that lives as long as the session does. Registration writes
//! down that the session is bound, and seals both anew: the session's token with a mark and a short life, the anchor with
//! the device's key. From then on the anchor alone gives the next pair, to whoever shows a signature by that key. That is
//! checked by the caller, before [`Sessions::register`] and [`Sessions::refresh`], over a challenge of
//! [`Sessions::challenge`].
//!
//! What a thief can do, and why no more:
//!
//! - With an **unbound anchor**: register a key of his own, within [`REGISTERS_WITHIN`] of the login and before the device does;
//!   he had the session then anyway. Nothing lengthens that: neither renewal nor new claims seal an unbound anchor anew.
//! - With a **bound anchor**: nothing, without the key. It is no session's token, nor the other way round.
//! - **A registration once more**, by anybody: refused, be it by the same key. Whoever knows the fact refuses it, and a
//!   majority that knows is asked first. Of two at one moment the earlier time holds, and what was sealed for the other is
//!   refused by every replica that knows the fact: one session never has two keys.
//! - **An unbound token** that was stolen before: good until the tolerance is over, or its idle limit; nobody who knows the
//!   fact renews, changes or keeps it, and a change elsewhere at the same moment is a conflict.
//! - **A refresh that races an ending**: it may win by the staleness limit, as any renewal. The ending is kept by the
//!   session's own idle limit, which the mark has, and not by the short one of the token that was handed in: it outlives
//!   the anchor. New claims refuse the earlier anchor as they refuse the earlier token; a rotation ends it.

use std::time::Duration;

use super::change::{Step, Still};
use super::{Issued, IssuedAnchor, Pending, Realm, Refusal, Session, Sessions, retention};
use crate::claims::{Claims, Extension, MARK, MARK_LEN, Mark, PUBLIC_KEY, PublicKey, Registration, SessionId};
use crate::clock::Timestamp;
use crate::keyring::Keys;
use crate::revocation::Fact;
use crate::token::{Challenge, Scratch, SealError, Token, Unopenable, open, open_challenge, seal, seal_challenge};

/// How old an anchor may be when a device is registered with it.
pub const REGISTERS_WITHIN: Duration = Duration::from_secs(120);
/// How long a challenge is good.
pub const CHALLENGE_LIFE: Duration = Duration::from_secs(120);

/// How a session is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// For how long tokens that do not say so still count. Browsers hold no request back while they register.
    pub tolerance: Duration,
    /// How long a token of the session lives until the device has to refresh it. Never longer than the session's idle
    /// limit.
    pub life: Duration,
}

/// An anchor that is good at this moment. It is no session: nobody is recognised by it.
#[derive(Debug)]
pub struct Anchor<'s>(Session<'s>);

/// A session can't be bound or refreshed as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// It can't be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It is bound already.
    #[error("the session is bound to a device already")]
    Bound,
    /// It is not bound.
    #[error("the session is not bound to a device")]
    Unbound,
    /// The anchor is of too long ago to register with.
    #[error("the anchor is older than {} seconds, too old to register a device with", REGISTERS_WITHIN.as_secs())]
    TooOld,
    /// Nobody has logged in.
    #[error("an anonymous session is bound to no device")]
    Anonymous,
    /// The session ended meanwhile, or another change came first.
    #[error("the session was ended or changed by another request meanwhile")]
    Conflict,
}

/// Why a challenge does not do. For logs; a client learns none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ChallengeError {
    /// No challenge of ours for this realm.
    #[error(transparent)]
    Unopenable(#[from] Unopenable),
    /// Given too long ago.
    #[error("the challenge has expired")]
    Expired,
}

impl Anchor<'_> {
    /// What it says: all that the session's token would.
    pub fn claims(&self) -> &Claims<'_> {
        &self.0.claims
    }

    /// The key of the device that it is bound to; `None` before a registration.
    pub fn key(&self) -> Option<PublicKey> {
        self.0.claims.public_key()
    }

    /// Whether its end is set: the session goes on under another id, or is bound by now. It is neither registered nor refreshed.
    pub fn is_ending(&self) -> bool {
        self.0.ending
    }
}

impl Session<'_> {
    /// The session, for whoever shows its anchor as well. An anchor of another session, or of before the device was
    /// registered, changes nothing.
    #[must_use]
    pub fn with_anchor(mut self, anchor: &Anchor<'_>) -> Self {
        let same = |of: &Claims<'_>| (of.sid, of.mark().map(|mark| mark.by));
        if same(&self.claims) == same(anchor.claims()) {
            self.key = anchor.key();
        }
        self
    }
}

impl Sessions {
    /// The anchor of a session that was just issued, with which a device can be registered.
    ///
    /// # Errors
    /// [`SealError`]: no active key, no random bytes; or there is no room for a device's key in it: then the session
    /// can't be bound.
    pub fn anchor_for(&self, realm: &Realm, issued: &Issued) -> Result<IssuedAnchor, SealError> {
        let (keys, now) = (self.keys.load(), self.now());
        let mut scratch = Scratch::default();
        // Its key may have been revoked this very moment.
        let claims = open(&keys, realm.session(), issued.token.expose().as_bytes(), &mut scratch);
        let claims = claims.map_err(|_| SealError::NoActiveKey)?;
        // As it will be once a device is registered: that must not fail for want of room then.
        let key = PublicKey::from_coordinates(&[0; 32], &[0; 32]);
        let mark = Mark { by: Registration::default(), idle: claims.idle };
        self.seal_bound(&keys, realm, &claims, (mark, key, claims.idle), now)?;
        self.seal_anchor(&keys, realm, &claims)
    }

    /// Judges an anchor by all that a session's token is judged by. `candidates` are the values of all cookies with the name of
    /// the realm's anchors, as they came.
    ///
    /// # Errors
    /// [`Refusal`], and nothing a client should hear of it.
    pub fn judge_anchor<'s>(
        &self,
        realm: &Realm,
        candidates: &[&[u8]],
        scratch: &'s mut Scratch,
    ) -> Result<Anchor<'s>, Refusal> {
        self.verify_as((realm, realm.anchor()), candidates, scratch).map(Anchor)
    }

    /// What an authentic anchor says, whether or not it is still good: to end its session, or to say that it went on.
    pub fn recognise_anchor<'s>(&self, realm: &Realm, value: &[u8], scratch: &'s mut Scratch) -> Option<Claims<'s>> {
        open(&self.keys.load(), realm.anchor(), value, scratch).ok()
    }

    /// Whether the session goes on under another id: whoever still has its old tokens gets the new ones with an answer that is on
    /// its way, or lost.
    pub fn went_on(&self, realm: &Realm, sid: SessionId) -> bool {
        self.facts.session(realm.key(sid)).is_some_and(|facts| facts.rotated())
    }

    /// A challenge for the device of the session `sid`, good for [`CHALLENGE_LIFE`].
    ///
    /// # Errors
    /// [`SealError`] if no key is active or there are no random bytes.
    pub fn challenge(&self, realm: &Realm, sid: SessionId) -> Result<Token, SealError> {
        let now = self.now();
        let challenge = Challenge { sid, expires: now.plus(CHALLENGE_LIFE) };
        seal_challenge(&self.keys.load(), realm.challenge(), challenge, now, &self.nonces)
    }

    /// The challenge that `text` is. Whether it is one of this session is for whoever has both.
    ///
    /// # Errors
    /// [`ChallengeError`], and nothing a client should hear of it.
    pub fn open_challenge(&self, realm: &Realm, text: &[u8]) -> Result<Challenge, ChallengeError> {
        let challenge = open_challenge(&self.keys.load(), realm.challenge(), text, &mut Scratch::default())?;
        if self.now() < challenge.expires { Ok(challenge) } else { Err(ChallengeError::Expired) }
    }

    /// Binds the session to the device that has shown to have `key`. Await [`Sessions::ask_before_change`] first, then judge the
    /// anchor again; and hand nothing out before a majority holds what this rests on: see [`Pending::settled`].
    ///
    /// # Errors
    /// [`BindError`]. If it can't be settled the session is bound all the same wherever that is known: its unbound tokens end with
    /// the tolerance.
    pub fn register(
        &self,
        realm: &Realm,
        anchor: &Anchor<'_>,
        key: PublicKey,
        terms: Terms,
    ) -> Result<Pending<Issued>, BindError> {
        let (keys, now) = (self.keys.load(), self.now());
        self.may_register(realm, anchor, now)?;
        let mut claims = anchor.claims().clone();
        claims.sealed = now.max(claims.sealed);
        let by = Registration { at: now.plus(terms.tolerance), key: key.fingerprint() };
        let mark = Mark { by, idle: claims.idle };
        // Sealed before the fact is written, and handed out behind it.
        let issued = self.seal_bound(&keys, realm, &claims, (mark, key, terms.life), now)?;
        let Some((tag, _)) = claims.folds_by() else { return Err(BindError::Anonymous) };
        let rule = retention(&keys, realm);
        let until = rule.bound(claims.sealed, claims.started, claims.expires, claims.idle, terms.tolerance);
        let of = (tag, self.latest_start(realm, &claims, now));
        let recorded = self.facts.record(Fact::Bound { session: realm.key(claims.sid), by, of, until }, now);
        let bytes = mark.to_bytes();
        claims.ext = with_mark(&claims, &bytes);
        let still = Still::new(self, realm, &claims, vec![Step::of(realm, &claims, false)]);
        if !recorded.raised || !still.holds() {
            return Err(BindError::Conflict);
        }
        Ok(Pending::when(issued, recorded.kept).again(move || still.or_conflict()))
    }

    /// The next tokens of a session, for the device that has shown to have the key in its anchor.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn refresh(&self, realm: &Realm, anchor: &Anchor<'_>, life: Duration) -> Result<Issued, BindError> {
        let (keys, now) = (self.keys.load(), self.now());
        let (Some(key), Some(mark)) = (anchor.key(), anchor.claims().mark()) else { return Err(BindError::Unbound) };
        if anchor.is_ending() {
            return Err(BindError::Conflict);
        }
        let mut claims = anchor.claims().clone();
        claims.sealed = now.max(claims.sealed);
        Ok(self.seal_bound(&keys, realm, &claims, (mark, key, life), now)?)
    }

    /// Whether a device may be registered with this anchor, as far as is known here.
    fn may_register(&self, realm: &Realm, anchor: &Anchor<'_>, now: Timestamp) -> Result<(), BindError> {
        let claims = anchor.claims();
        let known = self.facts.session(realm.key(claims.sid)).unwrap_or_default();
        if claims.is_bound() || known.bound.is_some() {
            return Err(BindError::Bound);
        }
        if claims.subject.is_none() {
            return Err(BindError::Anonymous);
        }
        if now > claims.sealed.plus(REGISTERS_WITHIN) {
            return Err(BindError::TooOld);
        }
        if known.judge(claims, now).is_some() || known.ends(claims) { Err(BindError::Conflict) } else { Ok(()) }
    }

    /// Both tokens of a session that is bound to a device: its own, which lives for `life`, and the anchor.
    pub(super) fn seal_bound(
        &self,
        keys: &Keys,
        realm: &Realm,
        claims: &Claims<'_>,
        (mark, key, life): (Mark, PublicKey, Duration),
        now: Timestamp,
    ) -> Result<Issued, SealError> {
        let bytes = mark.to_bytes();
        let mut claims =
            Claims { ext: with_mark(claims, &bytes), idle: life.min(mark.idle).max(SECOND), ..claims.clone() };
        let mut issued = self.seal(keys, realm, &claims, now)?;
        // Its cookie always says how long it lives: by that the browser knows when to refresh.
        realm.check_cookie(issued.token.expose().len(), true)?;
        claims.idle = mark.idle;
        claims.ext.push(Extension { tag: PUBLIC_KEY, critical: true, data: key.as_bytes() });
        issued.anchor = Some(self.seal_anchor(keys, realm, &claims)?);
        Ok(issued)
    }

    fn seal_anchor(&self, keys: &Keys, realm: &Realm, claims: &Claims<'_>) -> Result<IssuedAnchor, SealError> {
        let token = seal(keys, realm.anchor(), claims, &self.nonces)?;
        realm.check_anchor(token.expose().len(), claims.persistent)?;
        Ok(IssuedAnchor { token, idle_expires: claims.dies(), persistent: claims.persistent })
    }
}

/// The extensions of `claims`, with this mark in place of all that is said of a device.
fn with_mark<'c>(claims: &Claims<'c>, mark: &'c [u8; MARK_LEN]) -> Vec<Extension<'c>> {
    let others = claims.ext.iter().copied().filter(|ext| ext.tag != MARK && ext.tag != PUBLIC_KEY);
    others.chain([Extension { tag: MARK, critical: true, data: mark }]).collect()
}

/// A token that lives for less is none.
const SECOND: Duration = Duration::from_secs(1);
