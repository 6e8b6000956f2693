//! Endings that other facts, a fold or a clock could take back: none does.

use std::sync::Arc;
use std::time::Duration;

use pollster::block_on;
use sealpass::claims::{CookieName, RealmName, SessionId};
use sealpass::clock::{Clock, ManualClock, SteadyClock, Timestamp};
use sealpass::entropy::SystemEntropy;
use sealpass::revocation::{AT_ONCE, Fact, FactStore, SessionKey};
use sealpass::sessions::{Change, Group, Import, Issued, Lifetimes, NewSession, Realm, Sessions};
use sealpass::store::{Begin, CachedFacts};
use sealpass::token::Scratch;

use super::rig::{Place, REALM, budget, now, settle};

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_fold_ends_a_session_that_was_kept_and_then_ended_by_an_earlier_cookie() {
    let one = Instance::new(1_000, 10, true);
    let earlier = one.login("alice").token.expose().to_owned();
    let kept = one.keep("alice", &earlier);
    assert!(one.accepts(&kept) && !one.accepts(&earlier));
    one.end(&earlier);
    assert!(!one.accepts(&kept), "it is one session");
    one.flood("alice", &earlier);
    settle(&one.facts);
    assert!(!one.accepts(&kept), "a fold let it live again");
}

#[test]
fn a_fold_into_the_floor_takes_back_nothing_when_the_clock_was_set_back() {
    let one = Instance::new(20, 100, true);
    one.clock.advance(HOUR);
    one.facts.maintain();
    let session = one.login("alice");
    one.clock.set(now());
    one.facts.maintain();
    assert!(one.accepts(session.token.expose()));
    block_on(one.sessions.end_id(&one.realm, session.sid).settled()).expect("kept");
    assert!(!one.accepts(session.token.expose()));
    for n in 0..30 {
        let other = one.login(&format!("user{n}"));
        block_on(one.sessions.end_id(&one.realm, other.sid).settled()).expect("kept");
    }
    settle(&one.facts);
    assert!(one.facts.floor(one.realm.id()).is_some(), "folded");
    assert!(!one.accepts(session.token.expose()), "a fold let it live again");
}

#[test]
fn an_import_that_was_ended_stays_so_for_as_long_as_any_import_of_it_may_live() {
    let one = Instance::new(1_000, 100, true);
    let started = one.clock.now();
    let short = one.import("PHPSESSID-1", started, false);
    one.end(short.token.expose());
    let known = one.facts.session(SessionKey { realm: one.realm.id(), sid: short.sid }).expect("just ended");
    // A persistent one of the same session could come for so long.
    assert!(known.until >= started.plus(Lifetimes::DEFAULT.of(true).1), "{:?}", known.until.since(started));
    let second = one.import("PHPSESSID-2", started, false);
    drop(one.rotate(second.token.expose()));
    let known = one.facts.session(SessionKey { realm: one.realm.id(), sid: second.sid }).expect("just rotated");
    assert!(known.until >= started.plus(Lifetimes::DEFAULT.of(true).1), "{:?}", known.until.since(started));
}

struct Instance {
    clock: Arc<ManualClock>,
    facts: Arc<CachedFacts>,
    sessions: Sessions,
    realm: Realm,
    _place: Place,
}

impl Instance {
    /// With a journal and a clock that is steady for sessions alone, as in the service.
    fn new(facts: usize, per_subject: usize, imports: bool) -> Self {
        let place = Place::new();
        let facts = Arc::new(place.open_with([budget(REALM, facts, per_subject)], Begin::Again).expect("a journal"));
        let clock = Arc::clone(&place.clock);
        clock.advance(Duration::from_secs(1));
        let steady = Arc::new(SteadyClock::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let store = Arc::clone(&facts) as Arc<dyn FactStore>;
        let sessions = Sessions::new(place.keys(), store, steady, Arc::new(SystemEntropy::new()));
        let cookie = CookieName::new("__Host-s").expect("a name");
        let realm = Realm::new(RealmName::new(REALM).expect("a name"), cookie, Lifetimes::DEFAULT);
        Self { clock, facts, sessions, realm: realm.with_imports(imports), _place: place }
    }

    fn login(&self, subject: &str) -> Issued {
        let new = NewSession { subject: Some(subject), ..NewSession::default() };
        self.sessions.issue(&self.realm, &new).expect("fits")
    }

    fn import(&self, key: &str, started: Timestamp, persistent: bool) -> Issued {
        let import = Some(Import { key, started });
        let new = NewSession { subject: Some("alice"), import, persistent, ..NewSession::default() };
        self.sessions.issue(&self.realm, &new).expect("good")
    }

    fn accepts(&self, token: &str) -> bool {
        self.sessions.verify(&self.realm, &[token.as_bytes()], &mut Scratch::default()).is_ok()
    }

    fn end(&self, token: &str) {
        let mut scratch = Scratch::default();
        let claims = self.sessions.recognise(&self.realm, token.as_bytes(), &mut scratch).expect("ours");
        block_on(self.sessions.end(&self.realm, &claims).settled()).expect("kept");
    }

    fn keep(&self, subject: &str, token: &str) -> String {
        let mut scratch = Scratch::default();
        let session = self.sessions.verify(&self.realm, &[token.as_bytes()], &mut scratch).expect("good");
        let kept = self.sessions.end_group(&self.realm, Group::Subject(subject), Some(&session)).expect("hers");
        block_on(kept.settled()).expect("kept").expect("lives").token.expose().to_owned()
    }

    fn rotate(&self, token: &str) -> String {
        let mut scratch = Scratch::default();
        let session = self.sessions.verify(&self.realm, &[token.as_bytes()], &mut scratch).expect("good");
        let rotated = self.sessions.rotate(&self.realm, &session, &Change::default(), Duration::ZERO).expect("good");
        block_on(rotated.settled()).expect("kept").token.expose().to_owned()
    }

    /// More endings of the subject than its quota, none of which started later than `token`.
    fn flood(&self, subject: &str, token: &str) {
        let mut scratch = Scratch::default();
        let claims = self.sessions.recognise(&self.realm, token.as_bytes(), &mut scratch).expect("ours").clone();
        let tag = self.sessions.tag_of(&self.realm, Group::Subject(subject)).expect("a name");
        for n in 0..20_u128 {
            let session = SessionKey { realm: self.realm.id(), sid: SessionId((n << 64 | 0xabc).to_be_bytes()) };
            let until = claims.expires;
            let of = Some((tag, claims.started));
            let fact = Fact::Deny { session, from: AT_ONCE, rotated: false, of, until };
            block_on(self.facts.record(fact, self.clock.now()).kept).expect("kept");
        }
    }
}
