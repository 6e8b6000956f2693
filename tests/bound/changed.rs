//! New claims, new ids and endings of bound sessions: both tokens change, or none.

use std::time::Duration;

use pollster::block_on;
use sealpass::clock::Clock as _;
use sealpass::revocation::Ending;
use sealpass::sessions::{BindError, Change, ChangeError, Group, GroupError, Refusal};

use super::rig::{IDLE, MINUTE, Replica, SECOND, TERMS, device, jar_of, settled};

const SUPERSEDED: Result<(), Refusal> = Err(Refusal::Ended(Ending::Superseded));
const DENIED: Result<(), Refusal> = Err(Refusal::Ended(Ending::Denied));

#[test]
fn new_claims_are_sealed_into_both_tokens_and_refuse_both_of_before() {
    let one = Replica::alone();
    let (login, bound) = one.bound();
    one.clock.advance(MINUTE);
    let (roles, change) = (["editor".to_owned()], Change::default());
    let change = Change { roles: Some(&roles), ..change };
    let alone = one.with_session(&bound, |session| one.sessions.reseal(&one.realm, &session, &change).err());
    assert_eq!(alone, Ok(Some(ChangeError::NoAnchor)));
    assert_eq!(one.verdict(&bound), Ok(()), "nothing has changed");
    let next = one.with_both(&bound, |session| one.sessions.reseal(&one.realm, session, &change));
    let next = settled(next.expect("both are at hand"));
    for jar in [&login, &bound] {
        assert_eq!((one.verdict(jar), one.verdict_on_anchor(jar)), (SUPERSEDED, SUPERSEDED));
    }
    one.with_session(&next, |session| {
        assert_eq!((&session.claims.roles[..], session.claims.idle), (&["editor"][..], TERMS.life));
    })
    .expect("it is good");
    one.clock.advance(TERMS.life);
    let next = one.refresh(&next).expect("its device asks");
    assert_eq!(one.device_of(&next), Ok((Some(device(1)), false)));
    one.with_session(&next, |session| assert_eq!(session.claims.roles[..], ["editor"])).expect("it is good");
}

#[test]
fn what_new_claims_outdated_is_remembered_for_as_long_as_its_anchor_lives() {
    let one = Replica::alone();
    let bound = one.bound_for_long();
    let next = one.with_both(&bound, |session| one.sessions.reseal(&one.realm, session, &Change::default()));
    drop(settled(next.expect("both are at hand")));
    assert!(one.known(&bound).until > one.clock.now().plus(IDLE));
}

#[test]
fn rotation_takes_the_device_along() {
    let one = Replica::alone();
    let (login, bound) = one.bound();
    let alone = one.with_session(&bound, |session| {
        one.sessions.rotate(&one.realm, &session, &Change::default(), Duration::ZERO).err()
    });
    assert_eq!(alone, Ok(Some(ChangeError::NoAnchor)));
    let rotated = |grace| {
        let change = Change::default();
        one.with_both(&bound, |session| one.sessions.rotate(&one.realm, session, &change, grace))
    };
    let next = settled(rotated(5 * SECOND).expect("both are at hand"));
    let old = one.key(&bound);
    assert!(one.sessions.went_on(&one.realm, old.sid) && one.key(&next) != old);
    // In its grace it is good, and gives nothing new.
    one.with_session(&bound, |session| assert!(session.ending)).expect("within its grace");
    assert_eq!(one.device_of(&bound), Ok((Some(device(1)), true)));
    assert_eq!(one.refresh(&bound), Err(BindError::Conflict));
    one.clock.advance(5 * SECOND);
    for jar in [&login, &bound] {
        assert_eq!((one.verdict(jar), one.verdict_on_anchor(jar)), (DENIED, DENIED));
    }
    one.clock.advance(TERMS.life);
    let next = one.refresh(&next).expect("its device asks");
    assert_eq!(one.device_of(&next), Ok((Some(device(1)), false)));
    // Whoever ends it by its old id finds the new one.
    one.end(&bound);
    assert_eq!((one.verdict(&next), one.verdict_on_anchor(&next)), (DENIED, DENIED));
    assert!(!one.sessions.went_on(&one.realm, old.sid), "it is over, and not only under that id");
}

#[test]
fn a_session_is_kept_with_its_device_when_all_others_end() {
    let one = Replica::alone();
    let (other, (_, bound)) = (one.login(), one.bound());
    let end = |keep: &sealpass::sessions::Session<'_>| {
        one.sessions.end_group(&one.realm, Group::Subject("alice"), Some(keep))
    };
    let alone = one.with_session(&bound, |session| end(&session).err());
    assert_eq!(alone, Ok(Some(GroupError::NoAnchor)));
    assert_eq!(one.verdict(&other), Ok(()), "nothing has ended");
    let kept = one.with_both(&bound, end).expect("both are at hand");
    let next = jar_of(&block_on(kept.settled()).expect("nothing came between").expect("it lives"));
    let cut_off = Err(Refusal::Ended(Ending::CutOff));
    assert_eq!(one.verdict(&other), cut_off);
    assert_eq!((one.verdict(&bound), one.verdict_on_anchor(&bound)), (cut_off, cut_off));
    one.clock.advance(TERMS.life);
    assert!(one.refresh(&next).is_ok());
}

#[test]
fn every_ending_reaches_the_anchor() {
    let subject: fn(&Replica) = |one| {
        drop(one.sessions.end_group(&one.realm, Group::Subject("alice"), None).expect("a name"));
    };
    let realm: fn(&Replica) = |one| drop(one.sessions.end_realm(&one.realm));
    let all: fn(&Replica) = |one| drop(one.sessions.end_all(&[&one.realm]));
    for (end, class) in [(subject, Ending::CutOff), (realm, Ending::Floored), (all, Ending::Floored)] {
        let one = Replica::alone();
        let (_, bound) = one.bound();
        let unbound = one.login();
        end(&one);
        for jar in [&bound, &unbound] {
            assert_eq!(one.verdict_on_anchor(jar), Err(Refusal::Ended(class)));
        }
    }
    let one = Replica::alone();
    let (_, bound) = one.bound();
    drop(one.sessions.end_id(&one.realm, one.key(&bound).sid));
    assert_eq!(one.verdict_on_anchor(&bound), DENIED);
}
