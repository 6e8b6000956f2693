//! The façade that adapters call: issue, import, verify, renew, reseal, rotate, check; bind a session to
//! a device; end one session or many.
//!
//! [`Sessions`] holds the keys, the facts, a clock and a source of random bytes, and decides with them. It knows no
//! HTTP, no file and no configuration format. Cookies come in as raw values, tokens go out as text.

mod ask;
mod bind;
mod change;
mod check;
mod csrf;
mod end;
mod explain;
mod group;
mod issue;
mod issued;
mod pending;
mod pseudonym;
mod realm;
mod verify;

pub use bind::{Anchor, BindError, CHALLENGE_LIFE, ChallengeError, REGISTERS_WITHIN, Terms};
pub use change::{Change, ChangeError, MAX_GRACE};
pub use check::{Checked, Standing};
pub use csrf::CsrfError;
pub use explain::{Explanation, InForce};
pub use group::{Group, GroupError};
pub use issue::{Import, IssueError, NewSession, check_data};
pub use issued::{Issued, IssuedAnchor};
pub use pending::{Pending, Unsettled};
pub use pseudonym::Pseudonym;
pub use realm::{Lifetimes, LifetimesError, MAX_COOKIE, Realm};
pub use verify::{MAX_CANDIDATES, Refusal, Session};

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::claims::Tag;
use crate::clock::{Clock, Timestamp};
use crate::entropy::{Entropy, Stock};
use crate::keyring::Keys;
use crate::revocation::{FactStore, Learned, Longest, Retention, TagKey};

/// Sessions of one deployment. Cheap to share between threads by [`Arc`].
pub struct Sessions {
    keys: ArcSwap<Keys>,
    facts: Arc<dyn FactStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// For nonces, and for nothing else: see [`Stock`].
    nonces: Stock,
}

impl Sessions {
    /// Puts the parts together.
    pub fn new(keys: Keys, facts: Arc<dyn FactStore>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let nonces = Stock::new(Arc::clone(&entropy));
        Self { keys: ArcSwap::from_pointee(keys), facts, clock, entropy, nonces }
    }

    /// The present, by this service's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether a session could be sealed now. A replica without an active key is not ready.
    pub fn can_seal(&self) -> bool {
        self.keys.load().seals(|| self.now())
    }

    /// Uses `keys` from here on. Requests in flight finish with the snapshot that they began with.
    pub fn replace_keys(&self, mut keys: Keys) {
        keys.count_on(&self.keys.load());
        self.keys.store(Arc::new(keys));
    }

    /// How many tokens each key of the ring has opened here, by the keys' ids: an old one that opens none is in use no more.
    pub fn opened_by_key(&self) -> Vec<(String, u64)> {
        self.keys.load().opened().map(|(kid, count)| (kid.to_string(), count)).collect()
    }

    /// Says that a session with these tags starts, or was given claims, at `at`. Endings are dated past it if it lies
    /// ahead of the clock; else they are anyway.
    fn pass(&self, realm: &Realm, tags: impl Iterator<Item = Tag>, at: Timestamp) -> Learned {
        if at <= self.now() {
            return Learned::now();
        }
        let tags: Vec<_> = tags.map(|tag| realm.tag_key(tag)).chain([TagKey::all_of(realm.id())]).collect();
        self.facts.pass(&tags, at)
    }
}

/// How long facts of the realm are kept. Limits that nobody noted in the ring may have been the longest there are.
fn retention(keys: &Keys, realm: &Realm) -> Retention {
    let noted = keys.longest().unwrap_or(Longest { lifetime: Lifetimes::MAX, idle: Lifetimes::MAX });
    Retention { longest: noted.or(realm.lifetimes().longest()), imports: realm.imports() }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("keys", &self.keys).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::claims::{CookieName, RealmName, SessionId};
    use crate::clock::SystemClock;
    use crate::entropy::{EntropyError, SystemEntropy};
    use crate::keyring::KeyRing;
    use crate::revocation::MemoryFacts;
    use crate::token::{Scratch, SealError};

    /// The system's generator, which notes how much it was asked for, and fails if told to.
    #[derive(Default)]
    struct Asked {
        lengths: Mutex<Vec<usize>>,
        fails: AtomicBool,
    }

    impl Entropy for Asked {
        fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
            if self.fails.load(Ordering::SeqCst) {
                return Err(EntropyError);
            }
            self.lengths.lock().expect("no panic").push(out.len());
            SystemEntropy::new().fill(out)
        }
    }

    fn sessions() -> (Arc<Asked>, Sessions, Realm) {
        let source = Arc::<Asked>::default();
        let ring = KeyRing::init(&*source, SystemClock.now()).expect("random bytes");
        let keys = Keys::new(&ring, &*source).expect("random bytes");
        source.lengths.lock().expect("no panic").clear();
        let entropy = Arc::clone(&source) as Arc<dyn Entropy>;
        let sessions = Sessions::new(keys, Arc::<MemoryFacts>::default(), Arc::new(SystemClock), entropy);
        let cookie = CookieName::new("__Host-sealpass").expect("a name");
        let name = RealmName::new(RealmName::DEFAULT).expect("a name");
        (source, sessions, Realm::new(name, cookie, Lifetimes::DEFAULT))
    }

    #[test]
    fn nonces_alone_come_from_the_stock() {
        let (source, sessions, realm) = sessions();
        for _ in 0..5 {
            sessions.issue(&realm, &NewSession::default()).expect("fits");
            sessions.csrf_token(&realm, SessionId([7; 16])).expect("a key");
            sessions.challenge(&realm, SessionId([7; 16])).expect("a key");
        }
        let lengths = source.lengths.lock().expect("no panic");
        assert_eq!(lengths.iter().filter(|&&length| length == 16).count(), 5, "each id is asked for: {lengths:?}");
        assert_eq!(lengths.len(), 6, "and the nonces of all fifteen tokens at once: {lengths:?}");
    }

    #[test]
    fn nothing_is_sealed_without_random_bytes() {
        let (source, sessions, realm) = sessions();
        let text = sessions.issue(&realm, &NewSession::default()).expect("fits").token;
        let mut scratch = Scratch::default();
        let session = sessions.verify(&realm, &[text.expose().as_bytes()], &mut scratch).expect("ours");
        source.fails.store(true, Ordering::SeqCst);
        let failed = |result: Result<Issued, ChangeError>| {
            matches!(result, Err(ChangeError::Issue(IssueError::Seal(SealError::Entropy(EntropyError)))))
        };
        let sealed = (0..1_000).take_while(|_| !failed(sessions.renew(&realm, &session))).count();
        assert!(sealed <= 40, "what is in stock ends: {sealed}");
        assert!(failed(sessions.renew(&realm, &session)), "and then nothing is sealed");
        assert!(sessions.issue(&realm, &NewSession::default()).is_err(), "nor is any id made");
        source.fails.store(false, Ordering::SeqCst);
        sessions.renew(&realm, &session).expect("it works again");
    }
}
