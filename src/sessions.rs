//! The façade that adapters call: issue, verify, renew, reseal, rotate, end.
//!
//! [`Sessions`] holds the keys, the facts, a clock and a source of random bytes, and decides with them. It knows no HTTP,
//! no file and no configuration format. Cookies come in as raw values, tokens go out as text.

mod change;
mod csrf;
mod issue;
mod pseudonym;
mod realm;
mod verify;

pub use change::{Change, ChangeError};
pub use csrf::CsrfError;
pub use issue::{IssueError, Issued, NewSession, check_data};
pub use pseudonym::Pseudonym;
pub use realm::{Lifetimes, LifetimesError, MAX_COOKIE, Realm};
pub use verify::{MAX_CANDIDATES, Refusal, Session};

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::claims::{Claims, SessionId, Tag};
use crate::clock::{Clock, Timestamp};
use crate::entropy::Entropy;
use crate::keyring::Keys;
use crate::revocation::{AT_ONCE, Fact, FactStore, Kept, StoreError, keep_until};

/// Sessions of one deployment. Cheap to share between threads by [`Arc`].
pub struct Sessions {
    keys: ArcSwap<Keys>,
    facts: Arc<dyn FactStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Sessions {
    /// Puts the parts together.
    pub fn new(keys: Keys, facts: Arc<dyn FactStore>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { keys: ArcSwap::from_pointee(keys), facts, clock, entropy }
    }

    /// The present, by this service's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether a session could be sealed now. A replica without an active key is not ready.
    pub fn can_seal(&self) -> bool {
        self.keys.load().sealing(self.now()).is_some()
    }

    /// Uses `keys` from here on. Requests in flight finish with the snapshot that they began with.
    pub fn replace_keys(&self, keys: Keys) {
        self.keys.store(Arc::new(keys));
    }

    /// Ends a session at once, and whatever rotation made of it. The claims are those of any of its tokens, be it expired:
    /// see [`Sessions::recognise`].
    ///
    /// Ending what is over already is no error: nothing changes. The outcome says whether anything did.
    pub fn end(&self, realm: &Realm, claims: &Claims<'_>) -> Pending<bool> {
        let now = self.now();
        let of = claims.tags.iter().next().map(|subject| (subject, claims.started));
        self.end_until(realm, claims.sid, of, now, keep_until(now, claims.expires, claims.idle))
    }

    /// As [`Sessions::end`], by the id alone. The token's own limits are not known, and it may have been sealed when longer
    /// ones than today's were configured: so the ending is kept for as long as any session may live, 400 days.
    pub fn end_id(&self, realm: &Realm, sid: SessionId) -> Pending<bool> {
        let now = self.now();
        self.end_until(realm, sid, None, now, keep_until(now, now.plus(Lifetimes::MAX), Lifetimes::MAX))
    }

    fn end_until(
        &self,
        realm: &Realm,
        sid: SessionId,
        of: Option<(Tag, Timestamp)>,
        now: Timestamp,
        until: Timestamp,
    ) -> Pending<bool> {
        let keys = self.keys.load();
        let (mut sid, mut ended) = (sid, Pending::now(false));
        // A session can be rotated often; each step is an id of its own, and the facts know how far the chain goes.
        loop {
            let session = realm.key(sid);
            let recorded = self.facts.record(Fact::Deny { session, from: AT_ONCE, rotated: false, of, until }, now);
            ended.outcome |= recorded.raised;
            ended.kept = ended.kept.and(recorded.kept);
            if !recorded.was_rotated {
                return ended;
            }
            sid = keys.rotated(sid);
        }
    }
}

/// An outcome that rests on facts. It holds on this replica already, and must not be told to anybody before the facts
/// are kept: await [`Pending::settled`].
#[derive(Debug)]
#[must_use = "an outcome whose facts are not known to be kept must not be acknowledged"]
pub struct Pending<T> {
    outcome: T,
    kept: Kept,
}

impl<T> Pending<T> {
    /// An outcome that rests on nothing.
    pub fn now(outcome: T) -> Self {
        Self { outcome, kept: Kept::now() }
    }

    /// What follows from the outcome, no sooner than it.
    pub fn map<U>(self, then: impl FnOnce(T) -> U) -> Pending<U> {
        Pending { outcome: then(self.outcome), kept: self.kept }
    }

    /// The outcome, which rests on `other` as well.
    pub fn and<U>(self, other: Pending<U>) -> Self {
        Self { outcome: self.outcome, kept: self.kept.and(other.kept) }
    }

    /// The outcome, once the facts are kept.
    ///
    /// # Errors
    /// [`StoreError`] if they can't be.
    pub async fn settled(self) -> Result<T, StoreError> {
        self.kept.await?;
        Ok(self.outcome)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("keys", &self.keys).finish_non_exhaustive()
    }
}
