//! Changes of one session at the same moment: whoever lowers a role or ends the session is never undone by the other.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use pollster::block_on;
use sealpass::claims::{CookieName, RealmId, RealmName, SessionId};
use sealpass::clock::{Clock, ManualClock, SystemClock, Timestamp};
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::{KeyRing, Keys};
use sealpass::revocation::{FactStore, MemoryFacts, SessionKey};
use sealpass::sessions::{Change, Lifetimes, NewSession, Realm, Sessions, Unsettled};
use sealpass::store::CachedFacts;
use sealpass::token::Scratch;

const ROUNDS: usize = 300;

#[test]
fn s10_a_role_that_one_request_takes_is_not_kept_by_another() {
    for round in 0..ROUNDS {
        let (sessions, realm) = service(Arc::new(SystemClock));
        let token = login(&sessions, &realm, &["admin"]);
        let (keep, lower) = in_parallel(
            || change(&sessions, &realm, &token, None, true),
            || change(&sessions, &realm, &token, Some(&[]), round % 2 == 0),
        );
        let live: Vec<_> = [&keep, &lower].into_iter().flatten().filter_map(|t| roles(&sessions, &realm, t)).collect();
        assert!(live.len() <= 1, "two tokens with different roles are good: {live:?}");
        let undone = lower.is_some() && live == [vec!["admin".to_owned()]];
        assert!(!undone, "the lowered role came back");
        assert_eq!(roles(&sessions, &realm, &token), None, "the first token is refused");
    }
}

#[test]
fn of_rotations_at_one_moment_one_is_answered_and_its_token_is_good() {
    for _ in 0..ROUNDS {
        let (sessions, realm) = service(Arc::new(SystemClock));
        let token = login(&sessions, &realm, &["a"]);
        let b = ["b".to_owned()];
        let (one, two) = in_parallel(
            || change(&sessions, &realm, &token, None, true),
            || change(&sessions, &realm, &token, Some(&b), true),
        );
        let given: Vec<_> = [&one, &two].into_iter().flatten().collect();
        assert_eq!(given.len(), 1, "rotations that were answered");
        assert!(roles(&sessions, &realm, given[0]).is_some());
    }
}

#[test]
fn an_ending_beats_every_change_at_the_same_moment() {
    for round in 0..ROUNDS {
        let (sessions, realm) = service(Arc::new(SystemClock));
        let token = login(&sessions, &realm, &["a"]);
        let (changed, ()) = in_parallel(
            || change(&sessions, &realm, &token, None, round % 2 == 0),
            || {
                let mut scratch = Scratch::default();
                let claims = sessions.recognise(&realm, token.as_bytes(), &mut scratch).expect("ours");
                block_on(sessions.end(&realm, &claims).settled()).expect("kept");
            },
        );
        assert_eq!(roles(&sessions, &realm, &token), None);
        assert_eq!(changed.and_then(|token| roles(&sessions, &realm, &token)), None, "it outlived its ending");
    }
}

#[test]
fn s46_an_ended_session_stays_ended_when_the_clock_steps_back() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000).expect("in range")));
    let (sessions, realm) = service(Arc::clone(&clock) as Arc<dyn Clock>);
    let token = login(&sessions, &realm, &["a"]);
    clock.advance(Duration::from_secs(20 * 60));
    let mut scratch = Scratch::default();
    let claims = sessions.recognise(&realm, token.as_bytes(), &mut scratch).expect("ours");
    block_on(sessions.end(&realm, &claims).settled()).expect("kept");
    clock.set(clock.now().minus(Duration::from_secs(15 * 60)));
    assert_eq!(roles(&sessions, &realm, &token), None);
}

#[test]
fn s51_an_id_ends_nothing_in_another_realm() {
    let (sessions, realm) = service(Arc::new(SystemClock));
    let other = Realm::new(
        RealmName::new("other").expect("a name"),
        CookieName::new("__Host-other").expect("a name"),
        Lifetimes::DEFAULT,
    );
    let token = login(&sessions, &realm, &["a"]);
    let mut scratch = Scratch::default();
    let sid = sessions.recognise(&realm, token.as_bytes(), &mut scratch).expect("ours").sid;
    block_on(sessions.end_id(&other, sid).settled()).expect("kept");
    assert_eq!(roles(&sessions, &realm, &token), Some(vec!["a".to_owned()]));
    block_on(sessions.end_id(&realm, sid).settled()).expect("kept");
    assert_eq!(roles(&sessions, &realm, &token), None);
}

#[test]
fn s32_a_change_that_does_not_fit_its_cookie_leaves_the_session_as_it_was() {
    let (sessions, realm) = service(Arc::new(SystemClock));
    let realm = realm.with_attributes(3_800);
    let token = login(&sessions, &realm, &["a"]);
    let large = ["x".repeat(120), "y".repeat(120)];
    for new_id in [false, true] {
        assert_eq!(change(&sessions, &realm, &token, Some(&large), new_id), None);
        assert_eq!(roles(&sessions, &realm, &token), Some(vec!["a".to_owned()]));
    }
}

#[test]
fn an_ending_by_id_is_kept_for_as_long_as_any_session_may_live() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000).expect("in range")));
    let facts = Arc::new(MemoryFacts::default());
    let entropy = Arc::new(SystemEntropy::new());
    let ring = KeyRing::init(&*entropy, clock.now()).expect("random bytes");
    let keys = Keys::new(&ring, &*entropy).expect("random bytes");
    let sessions =
        Sessions::new(keys, Arc::clone(&facts) as Arc<dyn FactStore>, Arc::clone(&clock) as Arc<dyn Clock>, entropy);
    let (_, realm) = service(Arc::new(SystemClock));
    let sid = SessionId([5; 16]);
    block_on(sessions.end_id(&realm, sid).settled()).expect("kept");
    let known = facts.session(SessionKey { realm: RealmId::of(realm.name()), sid }).expect("known");
    assert!(known.until >= clock.now().plus(Lifetimes::MAX), "a session sealed under longer limits would live again");
}

fn service(clock: Arc<dyn Clock>) -> (Sessions, Realm) {
    let entropy = Arc::new(SystemEntropy::new());
    let ring = KeyRing::init(&*entropy, clock.now()).expect("random bytes");
    let keys = Keys::new(&ring, &*entropy).expect("random bytes");
    let facts = Arc::new(CachedFacts::new(Arc::clone(&clock)));
    let name = RealmName::new("default").expect("a name");
    let realm = Realm::new(name, CookieName::new("__Host-s").expect("a name"), Lifetimes::DEFAULT);
    (Sessions::new(keys, facts, clock, entropy), realm)
}

fn login(sessions: &Sessions, realm: &Realm, roles: &[&str]) -> String {
    let roles: Vec<_> = roles.iter().map(|&role| role.to_owned()).collect();
    let new = NewSession { subject: Some("alice"), roles: &roles, ..NewSession::default() };
    sessions.issue(realm, &new).expect("fits").token.expose().to_owned()
}

/// Rotates or reseals; `None` after a conflict, or if the token was refused already.
fn change(sessions: &Sessions, realm: &Realm, token: &str, roles: Option<&[String]>, new_id: bool) -> Option<String> {
    let mut scratch = Scratch::default();
    let session = sessions.verify(realm, &[token.as_bytes()], &mut scratch).ok()?;
    let change = Change { roles, ..Change::default() };
    let changed = match new_id {
        true => sessions.rotate(realm, &session, &change, Duration::ZERO),
        false => sessions.reseal(realm, &session, &change),
    };
    match block_on(changed.ok()?.settled()) {
        Ok(issued) => Some(issued.token.expose().to_owned()),
        // Overtaken between the change and its answer.
        Err(error) => (error != Unsettled::Conflict).then(|| panic!("{error}")),
    }
}

/// The roles that a token is good for; `None` if it is refused.
fn roles(sessions: &Sessions, realm: &Realm, token: &str) -> Option<Vec<String>> {
    let mut scratch = Scratch::default();
    let session = sessions.verify(realm, &[token.as_bytes()], &mut scratch).ok()?;
    Some(session.claims.roles.iter().map(|&role| role.to_owned()).collect())
}

fn in_parallel<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        let a = scope.spawn(|| {
            barrier.wait();
            a()
        });
        barrier.wait();
        let b = b();
        (a.join().expect("no panic"), b)
    })
}
