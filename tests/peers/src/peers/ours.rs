//! Sealpass: from text to a judged session, with its endings looked up among 10,000, and back.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sealpass::claims::{CookieName, RealmId, RealmName, SessionId};
use sealpass::clock::{Clock, SystemClock, Timestamp};
use sealpass::entropy::{SystemEntropy, random};
use sealpass::keyring::{KeyRing, Keys};
use sealpass::revocation::{AT_ONCE, Fact, FactStore, SessionKey, TagKey};
use sealpass::sessions::{Issued, Lifetimes, NewSession, Realm, Session, Sessions};
use sealpass::token::{Scratch, Token};

use super::{Peer, Protects};
use crate::claims::Claims;
use crate::turns::here;

pub const NAME: &str = "sealpass";
pub const LOGIN: &str = "sealpass, a login";
#[cfg(feature = "service")]
pub const STORE: &str = "endings: 10,000, in the service's store";
#[cfg(not(feature = "service"))]
pub const STORE: &str = "endings: 10,000, in the core's plain map (with `--features service`: in the service's store)";

const FACTS: usize = 10_000;

/// Ours twice, since a session is sealed at login and when it is renewed; and the claims that it carries.
pub fn peers() -> ([Peer; 2], Claims) {
    let site = Rc::new(Site::new());
    let issued = site.issue();
    let text = issued.token.expose().to_owned();
    let sample = expected(&issued);
    let mut scratch = Scratch::default();
    assert_eq!(seen(&site.verify(&text, &mut scratch)), sample, "{NAME}");
    let renewed = site.renewing(&text);
    assert_eq!(seen(&site.verify(renewed().expose(), &mut scratch)), sample, "{NAME}, renewed");
    let opening = |site: Rc<Site>, text: String| {
        let mut scratch = Scratch::default();
        here(move || site.verify(&text, &mut scratch).renewal_due)
    };
    let characters = text.len();
    let protects = || Protects { secrecy: "yes", rotation: "one command", ending: "at once, everywhere" };
    let renew = Peer {
        name: NAME,
        characters,
        protects: protects(),
        open: opening(Rc::clone(&site), text.clone()),
        seal: here(renewed),
    };
    let login = Peer {
        name: LOGIN,
        characters,
        protects: protects(),
        open: opening(Rc::clone(&site), text),
        seal: here(move || site.issue().token),
    };
    ([renew, login], sample)
}

struct Site {
    sessions: Sessions,
    realm: Realm,
    roles: [String; 2],
    amr: [String; 1],
}

impl Site {
    fn new() -> Self {
        let entropy = Arc::new(SystemEntropy::new());
        let ring = KeyRing::init(&*entropy, SystemClock.now()).expect("random bytes");
        let keys = Keys::new(&ring, &*entropy).expect("random bytes");
        let realm = RealmName::new("default").expect("a name");
        let cookie = CookieName::new("__Host-sealpass").expect("a name");
        Self {
            sessions: Sessions::new(keys, facts(RealmId::of(&realm)), Arc::new(SystemClock), entropy),
            realm: Realm::new(realm, cookie, Lifetimes::DEFAULT),
            roles: ["editor".to_owned(), "billing".to_owned()],
            amr: ["pwd".to_owned()],
        }
    }

    fn issue(&self) -> Issued {
        let Self { roles, amr, .. } = self;
        let login = NewSession { subject: Some("alice.smith"), roles, amr, ..NewSession::default() };
        self.sessions.issue(&self.realm, &login).expect("fits")
    }

    fn verify<'s>(&self, text: &str, scratch: &'s mut Scratch) -> Session<'s> {
        self.sessions.verify(&self.realm, &[text.as_bytes()], scratch).expect("ours")
    }

    /// Seals the session of `text` anew, as often as it is called.
    fn renewing(self: &Rc<Self>, text: &str) -> impl Fn() -> Token + 'static {
        let site = Rc::clone(self);
        let scratch: &'static mut Scratch = Box::leak(Box::default()); // as long as what is measured, which is to the end
        let session = self.sessions.verify(&self.realm, &[text.as_bytes()], scratch).expect("ours");
        move || site.sessions.renew(&site.realm, &session).expect("fits").token
    }
}

fn expected(issued: &Issued) -> Claims {
    Claims {
        sub: "alice.smith".to_owned(),
        roles: vec!["editor".to_owned(), "billing".to_owned()],
        amr: vec!["pwd".to_owned()],
        jti: issued.sid.encode(),
        iat: seconds(issued.started),
        exp: seconds(issued.expires),
    }
}

fn seen(session: &Session<'_>) -> Claims {
    let claims = &session.claims;
    let owned = |texts: &mut dyn Iterator<Item = &str>| texts.map(str::to_owned).collect();
    Claims {
        sub: claims.subject.expect("not anonymous").to_owned(),
        roles: owned(&mut claims.roles.iter().copied()),
        amr: owned(&mut claims.amr.iter().copied()),
        jti: claims.sid.encode(),
        iat: seconds(claims.started),
        exp: seconds(claims.expires),
    }
}

fn seconds(at: Timestamp) -> i64 {
    at.as_secs().try_into().expect("of our time")
}

/// Endings of other sessions and subjects, as many as a busy service holds.
fn facts(realm: RealmId) -> Arc<dyn FactStore> {
    #[cfg(feature = "service")]
    let facts = sealpass::store::CachedFacts::new(Arc::new(SystemClock));
    #[cfg(not(feature = "service"))]
    let facts = sealpass::revocation::MemoryFacts::default();
    let now = SystemClock.now();
    let until = now.plus(Duration::from_hours(1));
    let entropy = SystemEntropy::new();
    for _ in 0..FACTS / 2 {
        let session = SessionKey { realm, sid: SessionId(random(&entropy).expect("random bytes")) };
        let tag = random(&entropy).expect("random bytes");
        drop(facts.record(Fact::Deny { session, from: AT_ONCE, rotated: false, of: Some((tag, now)), until }, now));
        drop(facts.record(Fact::Cutoff { tag: TagKey { realm, tag }, at: now, until }, now));
    }
    #[cfg(feature = "service")]
    facts.maintain();
    Arc::new(facts)
}
