//! What all benchmarks ask: sessions of one realm, logins of three sizes, rings of several keys, facts about others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sealpass::claims::{CookieName, RealmId, RealmName, SessionId};
use sealpass::clock::{Clock, SystemClock};
use sealpass::config::{Settings, Site};
use sealpass::custody::Elsewhere;
use sealpass::entropy::{SystemEntropy, random};
use sealpass::http::{Readiness, Service};
use sealpass::keyring::{KeyRing, Keys, Order, Timing};
use sealpass::revocation::{AT_ONCE, Fact, FactStore, SessionKey, TagKey};
use sealpass::sessions::{Lifetimes, NewSession, Realm, Sessions};
use sealpass::store::CachedFacts;
use sealpass::telemetry::{Audit, Metrics, Recent, Traces};

/// What an application says at a login.
pub struct Login {
    /// How large it is, in a word.
    pub name: &'static str,
    subject: String,
    roles: Vec<String>,
    amr: Vec<String>,
    data: BTreeMap<String, String>,
}

impl Login {
    /// A number for a name, and nothing else.
    pub fn small() -> Self {
        Self { name: "small", subject: "u1".to_owned(), roles: vec![], amr: vec![], data: BTreeMap::new() }
    }

    /// A name, two roles, a method.
    pub fn typical() -> Self {
        let roles = ["editor", "billing"].map(str::to_owned).to_vec();
        Self { name: "typical", subject: "alice.smith".to_owned(), roles, amr: vec!["pwd".to_owned()], ..Self::small() }
    }

    /// A long name, twenty roles, a kilobyte of data.
    pub fn large() -> Self {
        let roles = (0..20).map(|n| format!("department-{n}:editor")).collect();
        let data = (0..10).map(|n| (format!("entry-{n}"), "x".repeat(100))).collect();
        let amr = ["pwd", "otp"].map(str::to_owned).to_vec();
        Self { name: "large", subject: "alice.smith@department.example.com".to_owned(), roles, amr, data }
    }

    /// As the library takes it.
    pub fn new_session(&self) -> NewSession<'_> {
        NewSession {
            subject: Some(&self.subject),
            roles: &self.roles,
            amr: &self.amr,
            data: Some(&self.data),
            ..NewSession::default()
        }
    }
}

/// The realm of a plain configuration.
pub fn realm() -> Realm {
    let cookie = CookieName::new("__Host-sealpass").expect("a name");
    Realm::new(RealmName::new(RealmName::DEFAULT).expect("a name"), cookie, Lifetimes::DEFAULT)
}

/// A ring whose last key seals, with so many keys that open.
pub fn ring(keys: usize) -> KeyRing {
    let (entropy, hour) = (SystemEntropy::new(), Duration::from_secs(3_600));
    let made = |age: u32| SystemClock.now().minus(hour * age);
    let mut age = u32::try_from(keys).expect("a handful");
    let mut ring = KeyRing::init(&entropy, made(age)).expect("random bytes");
    while ring.records().len() < keys {
        age -= 1;
        ring.carry_out(Order::Rotate { after: None }, made(age), Timing::DEFAULT, &entropy).expect("random bytes");
    }
    ring
}

/// Sessions under the keys of `ring`.
pub fn sessions(ring: &KeyRing, facts: Arc<CachedFacts>) -> Sessions {
    let entropy = Arc::new(SystemEntropy::new());
    let keys = Keys::new(ring, &*entropy).expect("random bytes");
    Sessions::new(keys, facts, Arc::new(SystemClock), entropy)
}

/// A store with so many endings of other sessions and subjects.
pub fn facts(count: usize) -> Arc<CachedFacts> {
    let facts = CachedFacts::new(Arc::new(SystemClock));
    let (entropy, now) = (SystemEntropy::new(), SystemClock.now());
    let (realm, until) = (RealmId::of(realm().name()), now.plus(Duration::from_secs(3_600)));
    for _ in 0..count / 2 {
        let session = SessionKey { realm, sid: SessionId(random(&entropy).expect("random bytes")) };
        let tag = random(&entropy).expect("random bytes");
        drop(facts.record(Fact::Deny { session, from: AT_ONCE, rotated: false, of: Some((tag, now)), until }, now));
        drop(facts.record(Fact::Cutoff { tag: TagKey { realm, tag }, at: now, until }, now));
    }
    facts.maintain();
    Arc::new(facts)
}

/// A service over `sessions`, configured by `settings`, that is ready for good.
pub fn service(sessions: Sessions, settings: &Settings) -> Service {
    let readiness = Arc::new(Readiness::new());
    readiness.confirm_ring(Duration::MAX);
    Service {
        sessions: Arc::new(sessions),
        custodian: Arc::new(Elsewhere),
        readiness,
        site: Site::new(settings).expect("the defaults hold"),
        credentials: Arc::default(),
        metrics: Arc::new(Metrics::new()),
        audit: Audit::none(),
        console: false,
        recent: Recent::new(SystemClock.now()),
        traces: Traces::none(),
        dev: false,
    }
}

/// The same token with another character at `at`.
pub fn changed(token: &str, at: usize) -> String {
    let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}
