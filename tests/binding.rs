//! A token opens for what it was sealed for and for nothing else: every purpose, cookie name and realm against every
//! other.

use sealpass::claims::{Claims, CookieName, Names, RealmName, SessionId, Tags};
use sealpass::clock::Timestamp;
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::{KeyRing, Keys};
use sealpass::seal::Purpose;
use sealpass::token::{Binding, Scratch, Unopenable, open, open_csrf, seal, seal_csrf};
use std::time::Duration;

/// Names that run into one another when they are only put together, without their lengths.
const COOKIES: [&str; 5] = ["__Host-s", "__Host-se", "__Host-", "s", "__host-s"];
const REALMS: [&str; 5] = ["default", "efault", "edefault", "default-2", "staging"];

#[test]
fn s22_no_token_opens_as_another() {
    let entropy = SystemEntropy::new();
    let now = Timestamp::from_millis(1_790_000_000_000).expect("in range");
    let keys = Keys::new(&KeyRing::init(&entropy, now).expect("random bytes"), &entropy).expect("random bytes");
    let bindings = bindings();
    let mut scratch = Scratch::default();
    for (sealed_for, binding) in bindings.iter().enumerate() {
        let token = seal(&keys, binding, &claims(now), &entropy).expect("fits");
        for (opened_as, other) in bindings.iter().enumerate() {
            let opened = open(&keys, other, token.expose().as_bytes(), &mut scratch).map(|claims| claims.sid);
            let expected = if sealed_for == opened_as { Ok(SessionId([1; 16])) } else { Err(Unopenable::BadTag) };
            assert_eq!(opened, expected, "{binding:?} as {other:?}");
        }
    }
}

#[test]
fn s22_no_csrf_token_opens_as_another_or_as_a_session() {
    let entropy = SystemEntropy::new();
    let now = Timestamp::from_millis(1_790_000_000_000).expect("in range");
    let keys = Keys::new(&KeyRing::init(&entropy, now).expect("random bytes"), &entropy).expect("random bytes");
    let (mut scratch, sid) = (Scratch::default(), SessionId([1; 16]));
    let of_csrf: Vec<_> = bindings().split_off(COOKIES.len() * REALMS.len());
    for (sealed_for, binding) in of_csrf.iter().enumerate() {
        let token = seal_csrf(&keys, binding, sid, now, &entropy).expect("a key");
        let text = token.expose().as_bytes();
        for (opened_as, other) in of_csrf.iter().enumerate() {
            let expected = if sealed_for == opened_as { Ok(sid) } else { Err(Unopenable::BadTag) };
            assert_eq!(open_csrf(&keys, other, text, &mut scratch), expected, "{binding:?} as {other:?}");
        }
        for session in &bindings()[..COOKIES.len() * REALMS.len()] {
            let opened = open(&keys, session, text, &mut scratch).map(|claims| claims.sid);
            assert_eq!(opened, Err(Unopenable::BadTag), "{binding:?} as {session:?}");
            let of_session = seal(&keys, session, &claims(now), &entropy).expect("fits");
            let opened = open_csrf(&keys, binding, of_session.expose().as_bytes(), &mut scratch);
            assert_eq!(opened, Err(Unopenable::BadTag), "{session:?} as {binding:?}");
        }
        // Under the purpose of the other, each payload still is what it is.
        assert_eq!(open(&keys, binding, text, &mut scratch).map(|claims| claims.sid), Err(Unopenable::BadPayload));
        let again = seal_csrf(&keys, binding, sid, now, &entropy).expect("a key");
        assert!(text[7..] != again.expose().as_bytes()[7..], "two of one session are alike");
    }
}

#[test]
fn s22_no_token_opens_in_another_deployment() {
    let entropy = SystemEntropy::new();
    let now = Timestamp::from_millis(1_790_000_000_000).expect("in range");
    let keys = || Keys::new(&KeyRing::init(&entropy, now).expect("random bytes"), &entropy).expect("random bytes");
    let (ours, theirs) = (keys(), keys());
    let binding = &bindings()[0];
    let token = seal(&theirs, binding, &claims(now), &entropy).expect("fits");
    let mut scratch = Scratch::default();
    let opened = open(&ours, binding, token.expose().as_bytes(), &mut scratch).map(|claims| claims.sid);
    assert_eq!(opened, Err(Unopenable::UnknownKey));
}

fn bindings() -> Vec<Binding> {
    let mut bindings = Vec::new();
    for purpose in Purpose::ALL {
        for cookie in COOKIES {
            for realm in REALMS {
                let (cookie, realm) =
                    (CookieName::new(cookie).expect("a name"), RealmName::new(realm).expect("a name"));
                bindings.push(Binding::new(purpose, &cookie, &realm));
            }
        }
    }
    bindings
}

fn claims(now: Timestamp) -> Claims<'static> {
    Claims {
        sid: SessionId([1; 16]),
        subject: Some("alice"),
        started: now,
        authenticated: now,
        claims_at: now,
        sealed: now,
        expires: now.plus(Duration::from_secs(60)),
        idle: Duration::from_secs(60),
        amr: Names::default(),
        aal: 0,
        roles: Names::default(),
        data: Vec::new(),
        persistent: false,
        tags: Tags::from_bytes(b"12345678").expect("one tag"),
        ext: Vec::new(),
    }
}
