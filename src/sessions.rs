//! The façade that adapters call: issue, verify, renew, reseal, rotate, end.
//!
//! [`Sessions`] holds the keys, the facts, a clock and a source of random bytes, and decides with them. It knows no HTTP,
//! no file and no configuration format. Cookies come in as raw values, tokens go out as text.

mod change;
mod issue;
mod realm;
mod verify;

pub use change::{Change, ChangeError};
pub use issue::{IssueError, Issued, NewSession, check_data};
pub use realm::{Lifetimes, LifetimesError, MAX_COOKIE, Realm};
pub use verify::{MAX_CANDIDATES, Refusal, Session};

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::claims::{Claims, SessionId};
use crate::clock::{Clock, Timestamp};
use crate::entropy::Entropy;
use crate::keyring::Keys;
use crate::revocation::{AT_ONCE, Fact, FactStore, Recorded, SessionKey, StoreError, keep_until};

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
    /// Ending what is over already is no error: nothing changes. Returns whether anything did.
    ///
    /// # Errors
    /// [`StoreError`] if the ending could not be kept; it must not be acknowledged then.
    pub fn end(&self, realm: &Realm, claims: &Claims<'_>) -> Result<bool, StoreError> {
        let now = self.now();
        self.end_until(realm, claims.sid, now, keep_until(now, claims.expires, claims.idle))
    }

    /// As [`Sessions::end`], by the id alone. The token's own limits are not known, and it may have been sealed when longer
    /// ones than today's were configured: so the ending is kept for as long as any session may live, 400 days.
    ///
    /// # Errors
    /// As [`Sessions::end`].
    pub fn end_id(&self, realm: &Realm, sid: SessionId) -> Result<bool, StoreError> {
        let now = self.now();
        self.end_until(realm, sid, now, keep_until(now, now.plus(Lifetimes::MAX), Lifetimes::MAX))
    }

    fn end_until(&self, realm: &Realm, sid: SessionId, now: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
        let keys = self.keys.load();
        let (mut sid, mut raised) = (sid, false);
        // A session can be rotated often; each step is an id of its own, and the facts know how far the chain goes.
        loop {
            let recorded = self.deny(realm.key(sid), now, false, until)?;
            raised |= recorded.raised;
            if !recorded.was_rotated {
                return Ok(raised);
            }
            sid = keys.rotated(sid);
        }
    }

    fn deny(
        &self,
        session: SessionKey,
        now: Timestamp,
        rotated: bool,
        until: Timestamp,
    ) -> Result<Recorded, StoreError> {
        self.facts.record(Fact::Deny { session, from: AT_ONCE, rotated, until }, now)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("keys", &self.keys).finish_non_exhaustive()
    }
}
