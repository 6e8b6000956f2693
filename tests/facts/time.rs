//! Expiry, and clocks that step.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use sealpass::clock::{Clock, ManualClock, SystemClock};
use sealpass::revocation::FactStore;
use sealpass::store::CachedFacts;

use super::rig::{Place, REALM, budget, in_memory, maintain_until, now, realm, record, session, subject};

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn s03_a_later_expiry_holds_and_what_expired_can_come_again() {
    let facts = CachedFacts::new(Arc::new(SystemClock));
    let soon = |millis| SystemClock.now().plus(Duration::from_millis(millis));
    let (extended, left) = (session(realm(REALM), subject(1), now()), session(realm(REALM), subject(2), now()));
    record(&facts, extended.deny(soon(400)));
    record(&facts, left.deny(soon(400)));
    record(&facts, extended.deny(SystemClock.now().plus(HOUR)));
    // An earlier one takes nothing back.
    record(&facts, extended.deny(soon(1)));
    maintain_until(&facts, "it expires", || facts.session(left.key).is_none());
    sleep(Duration::from_millis(100));
    facts.maintain();
    assert!(facts.session(extended.key).is_some(), "the later expiry was ignored");
    record(&facts, left.deny(SystemClock.now().plus(HOUR)));
    facts.maintain();
    assert!(facts.session(left.key).is_some(), "again");
}

#[test]
fn s11_many_that_expire_at_once_take_nothing_else_with_them() {
    let facts = CachedFacts::new(Arc::new(SystemClock));
    let soon = SystemClock.now().plus(Duration::from_secs(3));
    let stay: Vec<_> = (0..1_000).map(|n| session(realm(REALM), subject(n), now())).collect();
    for session in &stay {
        record(&facts, session.deny(soon.plus(HOUR)));
    }
    for n in 0..50_000 {
        record(&facts, session(realm(REALM), subject(n + 5_000), now()).deny(soon));
    }
    maintain_until(&facts, "they expire", || {
        assert!(stay.iter().all(|session| session.is_over(&facts)));
        facts.len() <= 1_000
    });
    assert_eq!(facts.len(), 1_000);
}

#[test]
fn s46_no_fact_ends_early_when_the_clock_is_set_back() {
    let clock = Arc::new(ManualClock::at(now().plus(HOUR)));
    let facts = in_memory(&clock, [budget(REALM, 1_000, 100)]);
    facts.maintain();
    // By a clock that is an hour ahead it has half a second left, by the right one an hour.
    let session = session(realm(REALM), subject(1), now());
    record(&facts, session.deny(clock.now().plus(Duration::from_millis(500))));
    facts.maintain();
    clock.set(now());
    facts.maintain();
    sleep(Duration::from_secs(1));
    facts.maintain();
    assert!(session.is_over(&facts));
}

#[test]
fn s46_what_went_while_the_clock_was_ahead_comes_back_from_the_journal() {
    let place = Place::new();
    let session = session(realm(REALM), subject(1), now().plus(Duration::from_secs(1)));
    record(&place.open().expect("a journal"), session.deny(now().plus(HOUR / 2)));
    place.clock.set(now().plus(HOUR));
    let facts = place.open().expect("the same journal");
    for _ in 0..10 {
        facts.maintain();
    }
    assert!(!session.is_over(&facts), "by this clock its time is over");
    place.clock.set(now());
    facts.maintain();
    assert!(session.is_over(&facts));
}

#[test]
fn what_is_past_its_time_and_the_margin_goes_from_the_file() {
    let place = Place::new();
    let facts = place.open().expect("a journal");
    let sessions: Vec<_> = (0..6_000).map(|n| session(realm(REALM), subject(n), now())).collect();
    for session in &sessions {
        drop(facts.record(session.deny(now().plus(HOUR)), now()));
    }
    record(&facts, sessions[0].deny(now().plus(HOUR)));
    let held = |facts: CachedFacts| {
        drop(facts);
        place.clock.set(now());
        let facts = place.open().expect("the same journal");
        let held = sessions.iter().filter(|session| facts.session(session.key).is_some()).count();
        (facts, held)
    };
    let clean = |facts: &CachedFacts, at: Duration| {
        place.clock.set(now().plus(at));
        for round in 0..5 {
            facts.maintain();
            // The thread that writes has done it when it has done what comes behind.
            record(facts, session(realm(REALM), subject(7_000 + round), now()).deny(now()));
        }
    };
    clean(&facts, 2 * HOUR);
    let (facts, kept) = held(facts);
    assert_eq!(kept, 6_000, "within the margin nothing goes");
    clean(&facts, 4 * HOUR);
    let (_, kept) = held(facts);
    assert_eq!(kept, 0);
}
