//! Registration and refresh, as they go when nobody interferes.

use std::time::Duration;

use pollster::block_on;
use sealpass::clock::Clock as _;
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::{Keys, Order, Timing};
use sealpass::revocation::Ending;
use sealpass::seal::Purpose;
use sealpass::sessions::{
    BindError, CHALLENGE_LIFE, ChallengeError, ChangeError, Import, IssueError, MAX_COOKIE, NewSession, Realm, Refusal,
    Terms,
};
use sealpass::token::{Scratch, SealError, Unopenable};

use super::rig::{IDLE, MINUTE, Replica, SECOND, TERMS, device, jar_of, now, realm, ring, settled};

#[test]
fn a_registered_session_has_a_short_token_and_an_anchor_that_gives_the_next() {
    let one = Replica::alone();
    let (login, bound) = one.bound();
    one.with_session(&bound, |session| {
        assert!(session.claims.is_bound() && !session.renewal_due && !session.ending);
        assert_eq!(session.claims.idle, TERMS.life);
        assert_eq!(one.sessions.renew(&one.realm, &session).err(), Some(ChangeError::Bound));
    })
    .expect("it is good");
    one.anchored(&bound, |anchor| {
        assert_eq!((anchor.key(), anchor.claims().idle), (Some(device(1)), IDLE));
        assert_eq!(anchor.claims().subject, Some("alice"));
    })
    .expect("it is good");
    let started = one.with_session(&login, |session| session.claims.started).expect("within the tolerance");
    // A renewal of any other session would be due.
    one.clock.advance(TERMS.life.mul_f64(0.9));
    assert_eq!(one.with_session(&bound, |session| session.renewal_due), Ok(false));
    one.clock.advance(TERMS.life.mul_f64(0.1));
    assert_eq!(one.verdict(&bound), Err(Refusal::ExpiredIdle));
    let next = one.refresh(&bound).expect("its device asks");
    one.with_session(&next, |session| {
        assert_eq!((session.claims.sealed, session.claims.started), (one.clock.now(), started));
        assert!(session.claims.is_bound());
    })
    .expect("it is good");
    // The anchor lives as long as an idle session does, from refresh to refresh.
    one.clock.advance(29 * MINUTE);
    let next = one.refresh(&next).expect("its device asks");
    one.clock.advance(IDLE);
    assert_eq!(one.verdict_on_anchor(&next), Err(Refusal::ExpiredIdle));
}

#[test]
fn refreshing_never_moves_the_absolute_expiry() {
    let one = Replica::alone();
    let (_, mut jar) = one.bound();
    let expires = one.with_session(&jar, |session| session.claims.expires).expect("it is good");
    while one.clock.now().plus(10 * MINUTE) < expires {
        one.clock.advance(10 * MINUTE);
        jar = one.refresh(&jar).expect("its device asks");
    }
    assert_eq!(one.with_session(&jar, |session| session.claims.expires), Ok(expires));
    one.clock.advance(10 * MINUTE);
    assert_eq!(one.verdict_on_anchor(&jar), Err(Refusal::ExpiredAbsolute));
}

#[test]
fn what_the_browser_had_before_is_good_until_the_tolerance_is_over_and_is_not_renewed() {
    let one = Replica::alone();
    let login = one.login();
    one.clock.advance(10 * SECOND);
    drop(settled(one.register(&login, device(1)).expect("it is new")));
    let at = one.known(&login).bound.expect("it is written down").by.at;
    assert_eq!(at.since(one.clock.now()), TERMS.tolerance);
    one.clock.set(at.minus(Duration::from_millis(1)));
    one.with_session(&login, |session| {
        // A slot is five minutes: a renewal would be due.
        assert!(session.ending && !session.renewal_due && !session.claims.is_bound());
        assert_eq!(one.sessions.renew(&one.realm, &session).err(), Some(ChangeError::Conflict));
    })
    .expect("within the tolerance");
    one.clock.set(at);
    assert_eq!(one.verdict(&login), Err(Refusal::Ended(Ending::Unbound)));
    assert_eq!(Refusal::Ended(Ending::Unbound).code(), "unbound");
    assert!(!Refusal::Ended(Ending::Unbound).is_over(), "the session lives");
    let mut scratch = Scratch::default();
    let (_, bound) = one.bound();
    let jars = [login.session.as_bytes(), bound.session.as_bytes()];
    assert!(one.sessions.verify(&one.realm, &jars, &mut scratch).is_ok(), "and never in the way of one that counts");
}

#[test]
fn the_next_tokens_are_sealed_under_the_newest_key() {
    let (mut keys, entropy) = (ring(), SystemEntropy::new());
    let one = Replica::with(&keys);
    let (_, bound) = one.bound();
    let old = keys.records()[0].kid();
    let ordered = keys.carry_out(Order::Rotate { after: None }, now(), Timing::DEFAULT, &entropy);
    assert!(ordered.is_ok());
    one.sessions.replace_keys(Keys::new(&keys, &entropy).expect("random bytes"));
    let next = now().plus(Timing::DEFAULT.activation());
    one.clock.set(next);
    let renewed = one.refresh(&bound).expect("the old key still opens");
    assert_ne!(renewed.anchor[..6], bound.anchor[..6], "its key");
    assert_eq!(renewed.anchor[..6], renewed.session[..6], "one key seals both");
    // Nothing that the old key sealed is left: once it is retired, its anchors are dead by themselves.
    one.clock.set(now().plus(IDLE));
    assert_eq!(one.verdict_on_anchor(&bound), Err(Refusal::ExpiredIdle));
    assert_eq!(one.verdict_on_anchor(&renewed), Ok(()));
    // A key that leaked is revoked, and what it sealed is over at once.
    let revoked = keys.carry_out(Order::Revoke { kid: old }, now(), Timing::DEFAULT, &entropy);
    assert!(revoked.is_ok());
    one.sessions.replace_keys(Keys::new(&keys, &entropy).expect("random bytes"));
    one.clock.set(next);
    assert_eq!(one.verdict_on_anchor(&bound), Err(Refusal::Unopenable(Unopenable::UnknownKey)));
}

#[test]
fn a_challenge_is_good_for_its_session_and_for_two_minutes() {
    let ring = ring();
    let (one, other) = (Replica::with(&ring), Replica::with(&ring));
    let sid = one.key(&one.login()).sid;
    let text = one.sessions.challenge(&one.realm, sid).expect("a key is active");
    let opened = other.sessions.open_challenge(&other.realm, text.expose().as_bytes()).expect("any replica opens it");
    assert_eq!((opened.sid, opened.expires), (sid, now().plus(CHALLENGE_LIFE)));
    other.clock.set(opened.expires.minus(Duration::from_millis(1)));
    assert!(other.sessions.open_challenge(&other.realm, text.expose().as_bytes()).is_ok());
    other.clock.advance(Duration::from_millis(1));
    let late = other.sessions.open_challenge(&other.realm, text.expose().as_bytes());
    assert_eq!(late, Err(ChallengeError::Expired));
    let again = one.sessions.challenge(&one.realm, sid).expect("a key is active");
    assert_ne!(again, text);
}

#[test]
fn no_token_does_for_another_kind() {
    let one = Replica::alone();
    let (login, bound) = one.bound();
    let sid = one.key(&login).sid;
    let csrf = one.sessions.csrf_token(&one.realm, sid).expect("a key is active");
    let challenge = one.sessions.challenge(&one.realm, sid).expect("a key is active");
    let bad = Refusal::Unopenable(Unopenable::BadTag);
    for jar in [&login, &bound] {
        let mut scratch = Scratch::default();
        for other in [jar.anchor.as_str(), csrf.expose(), challenge.expose()] {
            assert_eq!(one.sessions.verify(&one.realm, &[other.as_bytes()], &mut scratch).err(), Some(bad));
        }
        for other in [jar.session.as_str(), csrf.expose(), challenge.expose()] {
            assert_eq!(one.sessions.judge_anchor(&one.realm, &[other.as_bytes()], &mut scratch).err(), Some(bad));
        }
        for other in [jar.session.as_str(), jar.anchor.as_str(), csrf.expose()] {
            let opened = one.sessions.open_challenge(&one.realm, other.as_bytes());
            assert_eq!(opened, Err(ChallengeError::Unopenable(Unopenable::BadTag)));
        }
    }
    assert_eq!(Purpose::ALL.map(Purpose::name), ["session", "csrf", "anchor", "challenge"]);
}

#[test]
fn a_token_never_lives_longer_than_the_session_and_never_for_no_time() {
    for (life, idle) in [(IDLE * 2, IDLE), (Duration::ZERO, SECOND), (Duration::from_millis(10), SECOND)] {
        let one = Replica::alone();
        let jar = one.login();
        let terms = Terms { life, ..TERMS };
        let bound = one.anchored(&jar, |anchor| one.sessions.register(&one.realm, anchor, device(1), terms));
        let bound = settled(bound.expect("a good anchor").expect("it is new"));
        assert_eq!(one.with_session(&bound, |session| session.claims.idle), Ok(idle));
        let next = one.anchored(&bound, |anchor| one.sessions.refresh(&one.realm, anchor, life));
        let next = jar_of(&next.expect("a good anchor").expect("its device asks"));
        assert_eq!(one.with_session(&next, |session| session.claims.idle), Ok(idle));
    }
}

#[test]
fn who_has_no_room_for_a_key_is_told_at_the_login() {
    // By the room in a token, and by that in a cookie.
    who_has_no_room(60);
    who_has_no_room(330);
}

fn who_has_no_room(attributes: usize) {
    let one = Replica::of(&ring(), realm().with_attributes(attributes));
    let (mut refused, mut bound) = (0, 0);
    for length in (1_300..2_048).step_by(8) {
        let data = [("a".to_owned(), "x".repeat(length)), ("b".to_owned(), "y".repeat(600))].into();
        let new = NewSession { subject: Some("alice"), data: Some(&data), ..NewSession::default() };
        let Ok(issued) = one.sessions.issue(&one.realm, &new) else { break };
        match one.sessions.anchor_for(&one.realm, &issued) {
            Err(SealError::TooLarge { .. } | SealError::CookieTooLarge { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
            Ok(anchor) => {
                assert_eq!(refused, 0, "a longer one fits");
                let mut scratch = Scratch::default();
                let anchor = one.sessions.judge_anchor(&one.realm, &[anchor.token.expose().as_bytes()], &mut scratch);
                let registered = one.sessions.register(&one.realm, &anchor.expect("it is good"), device(1), TERMS);
                let issued = block_on(registered.expect("there is room").settled()).expect("nothing came between");
                let anchor = issued.anchor.expect("it is bound").token.expose().len();
                assert!(one.realm.anchor_cookie().as_str().len() + 1 + anchor + attributes <= MAX_COOKIE);
                bound += 1;
            }
        }
    }
    assert!(refused > 0 && bound > 0, "{refused} refused, {bound} bound");
}

#[test]
fn nobody_is_bound_who_has_not_logged_in() {
    let one = Replica::alone();
    let issued = one.sessions.issue(&one.realm, &NewSession::default()).expect("it fits");
    let anchor = one.sessions.anchor_for(&one.realm, &issued).expect("it fits");
    let mut scratch = Scratch::default();
    let anchor = one.sessions.judge_anchor(&one.realm, &[anchor.token.expose().as_bytes()], &mut scratch);
    let registered = one.sessions.register(&one.realm, &anchor.expect("it is good"), device(1), TERMS);
    assert_eq!(registered.err(), Some(BindError::Anonymous));
}

#[test]
fn an_import_does_not_bring_back_a_session_that_is_bound() {
    let one = Replica::of(&ring(), realm().with_imports(true));
    let import = || Some(Import { key: "old", started: now() });
    let new = || NewSession { subject: Some("alice"), import: import(), ..NewSession::default() };
    let issued = one.sessions.issue(&one.realm, &new()).expect("it fits");
    let again = one.sessions.issue(&one.realm, &new()).expect("as often as anybody asks");
    assert_eq!(again.sid, issued.sid);
    let anchor = one.sessions.anchor_for(&one.realm, &issued).expect("it fits");
    let mut scratch = Scratch::default();
    let anchor = one.sessions.judge_anchor(&one.realm, &[anchor.token.expose().as_bytes()], &mut scratch);
    let registered = one.sessions.register(&one.realm, &anchor.expect("it is good"), device(1), TERMS);
    let bound = settled(registered.expect("it is new"));
    assert_eq!(one.sessions.issue(&one.realm, &new()).err(), Some(IssueError::ImportOver));
    // And for as long as it may be asked for.
    let expires = one.with_session(&bound, |session| session.claims.expires).expect("it is good");
    assert!(one.known(&bound).until > expires);
}

#[test]
fn the_cookie_of_anchors_is_named_after_that_of_sessions() {
    let long = "n".repeat(96);
    let name = sealpass::claims::RealmName::new(&"r".repeat(64)).expect("a name");
    let cookie = sealpass::claims::CookieName::new(&long).expect("a name");
    let realm = Realm::new(name, cookie, sealpass::sessions::Lifetimes::DEFAULT);
    assert_eq!(realm.anchor_cookie().as_str(), format!("{long}-anchor"));
    // The longest names there can be.
    let one = Replica::of(&ring(), realm);
    let (_, bound) = one.bound();
    assert!(one.refresh(&bound).is_ok());
}
