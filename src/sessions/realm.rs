//! A realm: one family of sessions, with a cookie, and limits that can't contradict one another.

use std::time::Duration;

use crate::claims::{CookieName, RealmId, RealmName, SessionId, Tag};
use crate::revocation::{Longest, SessionKey, TagKey};
use crate::seal::Purpose;
use crate::token::{Binding, SealError};

/// Longest Set-Cookie value that every browser keeps, in octets (RFC 6265, section 6.1).
pub const MAX_COOKIE: usize = 4_096;
/// The longest of its kind: 400 days.
const MAX_AGE: &str = "; Max-Age=34560000";

/// One family of sessions: its tokens open in no other.
#[derive(Clone, Debug)]
pub struct Realm {
    name: RealmName,
    id: RealmId,
    cookie: CookieName,
    lifetimes: Lifetimes,
    session: Binding,
    csrf: Binding,
    anchor_cookie: CookieName,
    anchor: Binding,
    challenge: Binding,
    /// Octets of its cookie that are not the token.
    overhead: usize,
    imports: bool,
}

impl Realm {
    /// A realm whose sessions travel in `cookie`.
    pub fn new(name: RealmName, cookie: CookieName, lifetimes: Lifetimes) -> Self {
        let session = Binding::new(Purpose::Session, &cookie, &name);
        let csrf = Binding::new(Purpose::Csrf, &cookie, &name);
        let anchor_cookie = cookie.of_anchor();
        let anchor = Binding::new(Purpose::Anchor, &anchor_cookie, &name);
        let challenge = Binding::new(Purpose::Challenge, &cookie, &name);
        let (id, overhead) = (RealmId::of(&name), cookie.as_str().len() + 1);
        Self { name, id, cookie, lifetimes, session, csrf, anchor_cookie, anchor, challenge, overhead, imports: false }
    }

    /// The same realm, whose cookie is written with attributes of so many octets (`Max-Age` apart).
    #[must_use]
    pub fn with_attributes(mut self, octets: usize) -> Self {
        self.overhead = self.cookie.as_str().len() + 1 + octets;
        self
    }

    /// The same realm, which takes in sessions that began elsewhere if `imports`. Its endings are kept for longer.
    #[must_use]
    pub fn with_imports(mut self, imports: bool) -> Self {
        self.imports = imports;
        self
    }

    /// Whether sessions that began elsewhere may be imported.
    pub fn imports(&self) -> bool {
        self.imports
    }

    /// Whether browsers keep a cookie with a token of so many characters.
    ///
    /// # Errors
    /// [`SealError::CookieTooLarge`] says by how much it is too large.
    pub(super) fn check_cookie(&self, token: usize, persistent: bool) -> Result<(), SealError> {
        let max_age = if persistent { MAX_AGE.len() } else { 0 };
        let found = self.overhead + token + max_age;
        if found > MAX_COOKIE { Err(SealError::CookieTooLarge { limit: MAX_COOKIE, found }) } else { Ok(()) }
    }

    /// The same of an anchor, whose cookie has a longer name.
    ///
    /// # Errors
    /// As [`Realm::check_cookie`].
    pub(super) fn check_anchor(&self, token: usize, persistent: bool) -> Result<(), SealError> {
        self.check_cookie(token + self.anchor_cookie.as_str().len() - self.cookie.as_str().len(), persistent)
    }

    /// Its name.
    pub fn name(&self) -> &RealmName {
        &self.name
    }

    /// Under which facts about one of its sessions are kept.
    pub(super) fn key(&self, sid: SessionId) -> SessionKey {
        SessionKey { realm: self.id, sid }
    }

    /// What facts about one of its tags are kept under.
    pub(super) fn tag_key(&self, tag: Tag) -> TagKey {
        TagKey { realm: self.id, tag }
    }

    /// What its facts are kept under.
    pub fn id(&self) -> RealmId {
        self.id
    }

    /// The name of its cookie.
    pub fn cookie(&self) -> &CookieName {
        &self.cookie
    }

    /// The name of the cookie from which a device refreshes a session that is bound to it.
    pub fn anchor_cookie(&self) -> &CookieName {
        &self.anchor_cookie
    }

    /// How long its sessions live.
    pub fn lifetimes(&self) -> &Lifetimes {
        &self.lifetimes
    }

    /// What its session tokens are bound to.
    pub(super) fn session(&self) -> &Binding {
        &self.session
    }

    /// What its CSRF tokens are bound to.
    pub(super) fn csrf(&self) -> &Binding {
        &self.csrf
    }

    /// What its anchors are bound to.
    pub(super) fn anchor(&self) -> &Binding {
        &self.anchor
    }

    /// What its challenges are bound to.
    pub(super) fn challenge(&self) -> &Binding {
        &self.challenge
    }
}

/// How long sessions live: unless renewed (idle), and at most (absolute); both again for those that outlive the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    idle: Duration,
    absolute: Duration,
    persistent_idle: Duration,
    persistent_absolute: Duration,
}

/// Lifetimes contradict one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LifetimesError {
    /// Below one second, or not in whole seconds.
    #[error("{0} must be a whole number of seconds, at least 1")]
    NotSeconds(&'static str),
    /// Idle limit above the absolute one.
    #[error("{0} is longer than {1}: a session can't be idle for longer than it lives")]
    IdleOverAbsolute(&'static str, &'static str),
    /// More than 400 days, beyond which browsers cut a cookie's life (RFC 6265bis, section 5.5).
    #[error("{0} is longer than 400 days, the longest that browsers keep a cookie")]
    TooLong(&'static str),
}

impl Lifetimes {
    /// The longest lifetime: 400 days.
    pub const MAX: Duration = Duration::from_secs(400 * 24 * 60 * 60);

    /// Idle 30 minutes, absolute 12 hours; persistent: idle 14 days, absolute 30 days.
    pub const DEFAULT: Self = Self {
        idle: Duration::from_secs(30 * 60),
        absolute: Duration::from_secs(12 * 60 * 60),
        persistent_idle: Duration::from_secs(14 * 24 * 60 * 60),
        persistent_absolute: Duration::from_secs(30 * 24 * 60 * 60),
    };

    /// Checks that the limits fit together.
    ///
    /// # Errors
    /// [`LifetimesError`] names the one that does not.
    pub fn new(
        idle: Duration,
        absolute: Duration,
        persistent_idle: Duration,
        persistent_absolute: Duration,
    ) -> Result<Self, LifetimesError> {
        for (name, value) in [
            ("idle", idle),
            ("absolute", absolute),
            ("persistent_idle", persistent_idle),
            ("persistent_absolute", persistent_absolute),
        ] {
            if value.as_secs() == 0 || value.subsec_nanos() != 0 {
                return Err(LifetimesError::NotSeconds(name));
            }
            if value > Self::MAX {
                return Err(LifetimesError::TooLong(name));
            }
        }
        if idle > absolute {
            return Err(LifetimesError::IdleOverAbsolute("idle", "absolute"));
        }
        if persistent_idle > persistent_absolute {
            return Err(LifetimesError::IdleOverAbsolute("persistent_idle", "persistent_absolute"));
        }
        Ok(Self { idle, absolute, persistent_idle, persistent_absolute })
    }

    /// The longest absolute lifetime and the longest idle limit.
    pub fn longest(&self) -> Longest {
        Longest { lifetime: self.absolute.max(self.persistent_absolute), idle: self.idle.max(self.persistent_idle) }
    }

    /// Idle and absolute limit of a session.
    pub fn of(&self, persistent: bool) -> (Duration, Duration) {
        if persistent { (self.persistent_idle, self.persistent_absolute) } else { (self.idle, self.absolute) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seconds: [u64; 4]) -> Result<Lifetimes, LifetimesError> {
        let [a, b, c, d] = seconds.map(Duration::from_secs);
        Lifetimes::new(a, b, c, d)
    }

    #[test]
    fn the_defaults_pass_their_own_check() {
        let Lifetimes { idle, absolute, persistent_idle, persistent_absolute } = Lifetimes::DEFAULT;
        assert_eq!(Lifetimes::new(idle, absolute, persistent_idle, persistent_absolute), Ok(Lifetimes::DEFAULT));
    }

    #[test]
    fn contradictions_are_refused_by_name() {
        assert_eq!(of([2, 1, 1, 1]), Err(LifetimesError::IdleOverAbsolute("idle", "absolute")));
        assert_eq!(of([1, 1, 2, 1]), Err(LifetimesError::IdleOverAbsolute("persistent_idle", "persistent_absolute")));
        assert_eq!(of([0, 1, 1, 1]), Err(LifetimesError::NotSeconds("idle")));
        assert_eq!(of([1, 1, 1, 400 * 86_400 + 1]), Err(LifetimesError::TooLong("persistent_absolute")));
        assert!(of([1, 1, 1, 400 * 86_400]).is_ok());
        let half = Lifetimes::new(Duration::from_millis(1_500), Duration::MAX, Duration::MAX, Duration::MAX);
        assert_eq!(half, Err(LifetimesError::NotSeconds("idle")));
    }
}
