//! The façade that adapters call: issue, import, verify, renew, reseal, rotate, check; end one session or many.
//!
//! [`Sessions`] holds the keys, the facts, a clock and a source of random bytes, and decides with them. It knows no HTTP,
//! no file and no configuration format. Cookies come in as raw values, tokens go out as text.

mod change;
mod check;
mod csrf;
mod end;
mod group;
mod issue;
mod pseudonym;
mod realm;
mod verify;

pub use change::{Change, ChangeError, MAX_GRACE};
pub use check::{Checked, Standing};
pub use csrf::CsrfError;
pub use group::{Group, GroupError};
pub use issue::{Import, IssueError, Issued, NewSession, check_data};
pub use pseudonym::Pseudonym;
pub use realm::{Lifetimes, LifetimesError, MAX_COOKIE, Realm};
pub use verify::{MAX_CANDIDATES, Refusal, Session};

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::clock::{Clock, Timestamp};
use crate::entropy::Entropy;
use crate::keyring::Keys;
use crate::revocation::{FactStore, Kept, Longest, Retention, StoreError};

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
}

/// How long facts of the realm are kept. Limits that nobody noted in the ring may have been the longest there are.
fn retention(keys: &Keys, realm: &Realm) -> Retention {
    let noted = keys.longest().unwrap_or(Longest { lifetime: Lifetimes::MAX, idle: Lifetimes::MAX });
    Retention { longest: noted.or(realm.lifetimes().longest()), imports: realm.imports() }
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
