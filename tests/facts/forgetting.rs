//! One of several replicas forgets nothing while its clock is off, or not compared yet, and then by its own clock.

use std::sync::Arc;
use std::time::Duration;

use pollster::block_on;
use sealpass::clock::{Clock, ManualClock, Timestamp};
use sealpass::cluster::ports::Facts;
use sealpass::revocation::FactStore;
use sealpass::store::{Budget, CachedFacts};
use sealpass::telemetry::FactMetrics;

use super::rig::{Place, REALM, Session, budget, maintain_until, now, realm, record, session, settle, subject};

const HOUR: Duration = Duration::from_secs(3_600);

fn one() -> Session {
    session(realm(REALM), subject(1), now())
}

fn in_memory(clock: &Arc<ManualClock>, budgets: impl IntoIterator<Item = Budget>) -> CachedFacts {
    CachedFacts::in_fleet(Arc::clone(clock) as Arc<dyn Clock>, None, budgets, FactMetrics::default())
}

fn later(by: Duration) -> Timestamp {
    now().plus(by)
}

#[test]
fn a_clock_that_is_ahead_forgets_nothing_until_it_agrees() {
    let clock = Arc::new(ManualClock::at(now()));
    let facts = in_memory(&clock, []);
    facts.agreed(Some(now()));
    let (one, two) = (one(), one());
    record(&facts, one.deny(later(HOUR)));
    // It steps, and nobody has looked yet.
    clock.advance(HOUR * 24);
    record(&facts, two.deny(later(HOUR)));
    facts.maintain();
    assert!(one.is_over(&facts) && two.is_over(&facts), "before anybody looked");
    facts.agreed(None);
    record(&facts, two.deny(later(HOUR)));
    facts.maintain();
    assert!(one.is_over(&facts) && two.is_over(&facts), "while it is off");
    // Set back, it agrees: by what it shows now nothing is due.
    clock.set(now());
    facts.agreed(Some(now()));
    facts.maintain();
    assert!(one.is_over(&facts) && two.is_over(&facts), "set right");
    // A day later both are.
    clock.advance(HOUR * 24);
    facts.agreed(Some(clock.now()));
    record(&facts, two.deny(later(HOUR)));
    maintain_until(&facts, "what is past is gone", || facts.session(two.key).is_none());
}

#[test]
fn what_came_while_there_was_no_time_goes_once_there_is() {
    let clock = Arc::new(ManualClock::at(now()));
    let facts = in_memory(&clock, []);
    let (past, lasts) = (one(), one());
    record(&facts, past.deny(now().minus(HOUR)));
    record(&facts, lasts.deny(later(HOUR)));
    facts.maintain();
    assert!(past.is_over(&facts) && lasts.is_over(&facts), "no clock was compared yet");
    facts.agreed(Some(now()));
    maintain_until(&facts, "what is past is gone", || facts.session(past.key).is_none());
    assert!(lasts.is_over(&facts));
}

#[test]
fn a_start_with_a_clock_that_is_ahead_loses_nothing() {
    let place = Place::new();
    let facts = place.open_among_others();
    // Not by the floor of a first start.
    let one = session(realm(REALM), subject(1), later(Duration::from_secs(2)));
    record(&facts, one.deny(later(HOUR)));
    drop(facts);
    for _ in 0..2 {
        place.clock.set(later(HOUR * 24 * 300));
        let facts = place.open_among_others();
        facts.maintain();
        facts.maintain();
        assert!(one.is_over(&facts), "the journal was read by a wrong clock");
    }
    // Nor did cleaning take it out of the file.
    place.clock.set(now());
    let facts = place.open_among_others();
    facts.agreed(Some(now()));
    settle(&facts);
    assert!(one.is_over(&facts));
}

#[test]
fn nothing_is_folded_while_there_is_no_time() {
    let clock = Arc::new(ManualClock::at(now()));
    let facts = in_memory(&clock, [budget(REALM, 10, 5)]);
    for number in 0..100 {
        record(&facts, session(realm(REALM), subject(number % 3), now()).deny(later(HOUR)));
    }
    settle(&facts);
    assert_eq!(facts.len(), 100, "its clock may be a day behind the sessions that these end");
    facts.agreed(Some(now()));
    settle(&facts);
    assert!(facts.len() < 100);
}

#[test]
fn a_fold_is_dated_by_the_own_clock_whatever_date_came_with_facts() {
    let clock = Arc::new(ManualClock::at(now()));
    let facts = in_memory(&clock, [budget(REALM, 10, 5)]);
    facts.agreed(Some(now()));
    let many: Vec<_> = (0..50).map(|n| session(realm(REALM), subject(n), now()).deny(later(HOUR))).collect();
    // The median of two clocks of which one is wrong.
    block_on(Facts::merge(&facts, &many, later(HOUR * 48))).expect("kept");
    settle(&facts);
    let floor = facts.floor(realm(REALM)).expect("the realm was folded");
    assert!(floor < later(Duration::from_secs(60)), "{floor:?}");
}
