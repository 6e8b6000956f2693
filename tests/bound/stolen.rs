//! What a thief has of cookies, and what they are good for without the device.

use std::time::Duration;

use pollster::block_on;
use sealpass::claims::Registration;
use sealpass::clock::Clock as _;
use sealpass::revocation::{CLOCK_ERROR, Ending, Fact};
use sealpass::sessions::{BindError, Change, ChangeError, Group, GroupError, REGISTERS_WITHIN, Refusal, Unsettled};

use super::rig::{IDLE, Jar, MINUTE, Replica, SECOND, TERMS, device, ring, settled};

#[test]
fn a_device_is_registered_within_two_minutes_of_the_login_or_never() {
    let one = Replica::alone();
    let (in_time, late) = (one.login(), one.login());
    one.clock.advance(REGISTERS_WITHIN);
    assert!(one.register(&in_time, device(1)).is_ok());
    one.clock.advance(Duration::from_millis(1));
    assert_eq!(one.register(&late, device(1)).err(), Some(BindError::TooOld));
    assert_eq!(one.known(&late).bound, None, "nothing was written down");
}

#[test]
fn a_second_registration_is_refused_whoever_asks_and_whatever_the_key() {
    let ring = ring();
    let (one, other) = (Replica::with(&ring), Replica::with(&ring));
    let (login, bound) = one.bound();
    other.hears_of(&login, &one);
    for replica in [&one, &other] {
        for jar in [&login, &bound] {
            for key in [device(1), device(2)] {
                assert_eq!(replica.register(jar, key).err(), Some(BindError::Bound));
            }
        }
    }
    let at = one.known(&login).bound.expect("it is written down").by.at;
    one.clock.set(at);
    assert_eq!(one.verdict_on_anchor(&login), Err(Refusal::Ended(Ending::Unbound)));
    assert!(one.refresh(&bound).is_ok());
    assert_eq!(one.refresh(&one.login()), Err(BindError::Unbound));
}

/// Neither replica has heard of the other's registration.
#[test]
fn of_two_devices_at_one_moment_one_is_registered() {
    for round in 0..40 {
        let ring = ring();
        let replicas = [Replica::with(&ring), Replica::with(&ring)];
        replicas[1].clock.advance(2 * CLOCK_ERROR / 40 * round);
        let login = replicas[0].login();
        let jars: [Jar; 2] = std::array::from_fn(|i| {
            let device = device(u8::try_from(i).expect("one of two") + 1);
            settled(replicas[i].register(&login, device).expect("new, as far as this one knows"))
        });
        replicas[1].hears_of(&login, &replicas[0]);
        replicas[0].hears_of(&login, &replicas[1]);
        let verdicts = |replica: &Replica| jars.each_ref().map(|jar| replica.verdict(jar));
        let holds = verdicts(&replicas[0]);
        assert_eq!(holds, verdicts(&replicas[1]), "{round}");
        let unbound = Err(Refusal::Ended(Ending::Unbound));
        // The earlier one; of the same time one of the two.
        assert!(holds == [Ok(()), unbound] || round == 0 && holds == [unbound, Ok(())], "{round}: {holds:?}");
        let anchors = jars.each_ref().map(|jar| replicas[0].verdict_on_anchor(jar));
        assert_eq!(anchors, holds, "{round}");
    }
}

#[test]
fn an_ending_outlasts_the_anchor_whichever_token_it_came_with() {
    for by_anchor in [false, true] {
        let one = Replica::alone();
        let bound = one.bound_for_long();
        let dies = one.clock.now().plus(IDLE);
        if by_anchor {
            let mut scratch = sealpass::token::Scratch::default();
            let claims = one.sessions.recognise_anchor(&one.realm, bound.anchor.as_bytes(), &mut scratch);
            let ended = one.sessions.end(&one.realm, &claims.expect("authentic"));
            assert_eq!(block_on(ended.settled()), Ok(true));
        } else {
            one.end(&bound);
        }
        for jar in [one.verdict(&bound), one.verdict_on_anchor(&bound)] {
            assert_eq!(jar, Err(Refusal::Ended(Ending::Denied)), "by the anchor: {by_anchor}");
        }
        let until = one.known(&bound).until;
        assert!(until >= dies.plus(2 * CLOCK_ERROR), "kept for {:?} of {IDLE:?}", until.since(one.clock.now()));
    }
}

#[test]
fn the_fact_outlasts_every_token_that_ignores_it() {
    let one = Replica::alone();
    let login = one.login();
    one.clock.advance(100 * SECOND);
    drop(settled(one.register(&login, device(1)).expect("it is new")));
    // Another replica, which had not heard of it, renewed the session.
    let renewed = one.clock.now().plus(sealpass::revocation::STALENESS).plus(2 * CLOCK_ERROR);
    assert!(one.known(&login).until >= renewed.plus(IDLE));
}

#[test]
fn an_unbound_token_is_neither_changed_nor_kept_once_the_session_is_bound() {
    let one = Replica::alone();
    let (login, _) = one.bound();
    let change = Change::default();
    one.with_session(&login, |session| {
        let resealed = one.sessions.reseal(&one.realm, &session, &change);
        assert_eq!(resealed.err(), Some(ChangeError::Conflict));
        for grace in [Duration::ZERO, SECOND] {
            let rotated = one.sessions.rotate(&one.realm, &session, &change, grace);
            assert_eq!(rotated.err(), Some(ChangeError::Conflict));
        }
        let kept = one.sessions.end_group(&one.realm, Group::Subject("alice"), Some(&session));
        assert_eq!(kept.err(), Some(GroupError::NoAnchor));
    })
    .expect("within the tolerance");
    assert_eq!(one.verdict(&login), Ok(()), "and nothing has ended");
}

#[test]
fn what_is_bound_while_it_is_kept_ends_with_the_others() {
    let one = Replica::alone();
    let login = one.login();
    let kept = one.with_session(&login, |session| {
        one.sessions.end_group(&one.realm, Group::Subject("alice"), Some(&session)).expect("one of them")
    });
    // A registration that another replica took before it heard of the ending.
    let (at, until) = (one.clock.now().plus(TERMS.tolerance), one.clock.now().plus(IDLE));
    let (by, of) = (Registration { at, key: device(1).fingerprint() }, ([0; 8], one.clock.now()));
    one.hears(Fact::Bound { session: one.key(&login), by, of, until });
    assert_eq!(block_on(kept.expect("it is good").settled()).err(), Some(Unsettled::Conflict));
}

#[test]
fn neither_renewal_nor_new_claims_lengthen_the_life_of_an_unbound_anchor() {
    let one = Replica::alone();
    let login = one.login();
    one.clock.advance(MINUTE);
    let change = Change { roles: Some(&[]), ..Change::default() };
    let resealed = one.with_session(&login, |session| one.sessions.reseal(&one.realm, &session, &change));
    let resealed = block_on(resealed.expect("it is good").expect("nobody else changed it").settled());
    assert!(resealed.expect("nothing came between").anchor.is_none());
    assert_eq!(one.verdict_on_anchor(&login), Err(Refusal::Ended(Ending::Superseded)));
}

#[test]
fn the_anchor_of_another_session_changes_nothing() {
    let one = Replica::alone();
    let ((login, bound), (_, other)) = (one.bound(), one.bound());
    for anchor in [&other, &login] {
        let mixed = Jar { session: bound.session.clone(), anchor: anchor.anchor.clone() };
        one.with_both(&mixed, |session| {
            assert_eq!(session.key, None);
            let resealed = one.sessions.reseal(&one.realm, session, &Change::default());
            assert_eq!(resealed.err(), Some(ChangeError::NoAnchor));
        });
    }
}
