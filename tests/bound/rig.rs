//! Replicas with one ring, each with a clock and facts of its own, and what a browser has of a session.

use std::sync::Arc;
use std::time::Duration;

use pollster::block_on;
use sealpass::claims::{CookieName, PublicKey, RealmName};
use sealpass::clock::{Clock as _, ManualClock, Timestamp};
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::{KeyRing, Keys};
use sealpass::revocation::{Fact, FactStore, MemoryFacts, SessionFacts, SessionKey};
use sealpass::sessions::{
    Anchor, BindError, Issued, Lifetimes, NewSession, Pending, Realm, Refusal, Session, Sessions, Terms,
};
use sealpass::token::Scratch;

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);
pub const IDLE: Duration = Duration::from_secs(30 * 60);
pub const TERMS: Terms = Terms { tolerance: Duration::from_secs(300), life: Duration::from_secs(600) };

pub struct Replica {
    pub sessions: Sessions,
    pub facts: Arc<MemoryFacts>,
    pub clock: Arc<ManualClock>,
    pub realm: Realm,
}

/// The two cookies of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jar {
    pub session: String,
    pub anchor: String,
}

impl Replica {
    /// One of several that have the same ring.
    pub fn with(ring: &KeyRing) -> Self {
        Self::of(ring, realm())
    }

    pub fn alone() -> Self {
        Self::with(&ring())
    }

    pub fn of(ring: &KeyRing, realm: Realm) -> Self {
        let (facts, clock) = (Arc::new(MemoryFacts::default()), Arc::new(ManualClock::at(now())));
        let entropy = Arc::new(SystemEntropy::new());
        let keys = Keys::new(ring, &*entropy).expect("random bytes");
        let sessions = Sessions::new(keys, Arc::clone(&facts) as _, Arc::clone(&clock) as _, entropy);
        Self { sessions, facts, clock, realm }
    }

    /// A login of Alice, as a realm with device-bound sessions answers it.
    pub fn login(&self) -> Jar {
        let new = NewSession { subject: Some("alice"), ..NewSession::default() };
        let issued = self.sessions.issue(&self.realm, &new).expect("it fits");
        let anchor = self.sessions.anchor_for(&self.realm, &issued).expect("it fits");
        Jar { session: issued.token.expose().to_owned(), anchor: anchor.token.expose().to_owned() }
    }

    /// A login whose device has registered.
    pub fn bound(&self) -> (Jar, Jar) {
        let login = self.login();
        let bound = settled(self.register(&login, device(1)).expect("it is new"));
        (login, bound)
    }

    /// The same after an hour, in which nothing is left of when it was bound.
    pub fn bound_for_long(&self) -> Jar {
        let (_, mut jar) = self.bound();
        for _ in 0..7 {
            self.clock.advance(TERMS.life);
            jar = self.refresh(&jar).expect("its device asks");
        }
        assert!(self.known(&jar).until < self.clock.now());
        jar
    }

    pub fn register(&self, jar: &Jar, key: PublicKey) -> Result<Pending<Issued>, BindError> {
        self.anchored(jar, |anchor| self.sessions.register(&self.realm, anchor, key, TERMS)).expect("a good anchor")
    }

    pub fn refresh(&self, jar: &Jar) -> Result<Jar, BindError> {
        let refresh = |anchor: &Anchor<'_>| self.sessions.refresh(&self.realm, anchor, TERMS.life);
        self.anchored(jar, refresh).expect("a good anchor").map(|issued| jar_of(&issued))
    }

    /// Looks at the anchor.
    pub fn anchored<T>(&self, jar: &Jar, look: impl FnOnce(&Anchor<'_>) -> T) -> Result<T, Refusal> {
        let mut scratch = Scratch::default();
        self.sessions.judge_anchor(&self.realm, &[jar.anchor.as_bytes()], &mut scratch).map(|anchor| look(&anchor))
    }

    /// The device's key in the anchor, and whether that gives nothing new any more.
    pub fn device_of(&self, jar: &Jar) -> Result<(Option<PublicKey>, bool), Refusal> {
        self.anchored(jar, |anchor| (anchor.key(), anchor.is_ending()))
    }

    /// Looks at the session.
    pub fn with_session<T>(&self, jar: &Jar, look: impl FnOnce(Session<'_>) -> T) -> Result<T, Refusal> {
        let mut scratch = Scratch::default();
        self.sessions.verify(&self.realm, &[jar.session.as_bytes()], &mut scratch).map(look)
    }

    /// The same with its anchor beside it, as whoever changes a session hands it over.
    pub fn with_both<T>(&self, jar: &Jar, look: impl FnOnce(&Session<'_>) -> T) -> T {
        let both = |session: Session<'_>| self.anchored(jar, |anchor| look(&session.with_anchor(anchor)));
        self.with_session(jar, both).expect("a good session").expect("a good anchor")
    }

    pub fn verdict(&self, jar: &Jar) -> Result<(), Refusal> {
        self.with_session(jar, |_| ())
    }

    pub fn verdict_on_anchor(&self, jar: &Jar) -> Result<(), Refusal> {
        self.anchored(jar, |_| ())
    }

    /// What is known of the session.
    pub fn known(&self, jar: &Jar) -> SessionFacts {
        self.facts.session(self.key(jar)).unwrap_or_default()
    }

    pub fn key(&self, jar: &Jar) -> SessionKey {
        let mut scratch = Scratch::default();
        let claims = self.sessions.recognise(&self.realm, jar.session.as_bytes(), &mut scratch);
        SessionKey { realm: self.realm.id(), sid: claims.expect("authentic").sid }
    }

    /// Logout, by the session's own token.
    pub fn end(&self, jar: &Jar) {
        let mut scratch = Scratch::default();
        let claims = self.sessions.recognise(&self.realm, jar.session.as_bytes(), &mut scratch);
        assert_eq!(block_on(self.sessions.end(&self.realm, &claims.expect("authentic")).settled()), Ok(true));
    }

    /// Takes in what another replica knows of the session.
    pub fn hears_of(&self, jar: &Jar, other: &Self) {
        let key = self.key(jar);
        for fact in other.known(jar).facts(key) {
            self.hears(fact);
        }
    }

    pub fn hears(&self, fact: Fact) {
        drop(self.facts.record(fact, now()));
    }
}

pub fn settled(pending: Pending<Issued>) -> Jar {
    jar_of(&block_on(pending.settled()).expect("nothing came between"))
}

pub fn jar_of(issued: &Issued) -> Jar {
    let anchor = issued.anchor.as_ref().expect("it is bound");
    Jar { session: issued.token.expose().to_owned(), anchor: anchor.token.expose().to_owned() }
}

/// The key of a device. Nobody has to sign: whoever calls has checked that.
pub fn device(number: u8) -> PublicKey {
    PublicKey::from_coordinates(&[number; 32], &[number; 32])
}

pub fn ring() -> KeyRing {
    KeyRing::init(&SystemEntropy::new(), now().minus(Duration::from_secs(86_400))).expect("random bytes")
}

pub fn realm() -> Realm {
    let name = RealmName::new("default").expect("a name");
    Realm::new(name, CookieName::new("__Host-sealpass").expect("a name"), Lifetimes::DEFAULT)
}

pub fn now() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).expect("in range")
}
