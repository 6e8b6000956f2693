//! Facts that no majority is known to hold: they stay, whatever their time, until one does.

use std::sync::Arc;
use std::time::Duration;

use pollster::block_on;
use sealpass::clock::{Clock, Timestamp};
use sealpass::cluster::ports::Facts;
use sealpass::revocation::{AT_ONCE, Fact, FactStore, TagKey};
use sealpass::sessions::Lifetimes;
use sealpass::store::CachedFacts;
use sealpass::telemetry::FactMetrics;

use super::rig::{Place, REALM, Session, maintain_until, now, realm, record, session, subject};

const SECOND: Duration = Duration::from_secs(1);
/// Less than by how much a clock that stands still seems to be set back.
const SOON: Duration = Duration::from_millis(100);

fn pin(facts: &CachedFacts, fact: Fact) {
    block_on(facts.record_pinned(fact, now()).kept).expect("kept");
}

fn is_over(facts: &CachedFacts, one: &Session) -> bool {
    facts.session(one.key).is_some_and(|known| known.over())
}

fn sessions<const N: usize>() -> [Session; N] {
    std::array::from_fn(|n| session(realm(REALM), subject(n as u64), now()))
}

#[test]
fn a_pinned_fact_outlives_its_time_until_it_is_released() {
    let place = Place::new();
    let stores = [place.open().expect("a journal"), CachedFacts::new(Arc::clone(&place.clock) as Arc<dyn Clock>)];
    for facts in stores {
        let [pinned, other] = sessions();
        let (until, tag) = (now().plus(SOON), TagKey { realm: realm(REALM), tag: subject(9) });
        pin(&facts, pinned.deny(until));
        pin(&facts, Fact::Cutoff { tag, at: now(), until });
        record(&facts, other.deny(until));
        let bound = session(realm(REALM), subject(8), now());
        pin(&facts, bound.bound(now(), until));
        maintain_until(&facts, "what is not pinned is gone", || facts.session(other.key).is_none());
        assert!(facts.session(bound.key).is_some_and(|known| known.bound.is_some()));
        facts.release(&[bound.bound(now(), until)]);
        maintain_until(&facts, "its time was over", || facts.session(bound.key).is_none());
        assert!(is_over(&facts, &pinned) && facts.tag(tag).is_some());
        // Word of something else about it does not undo that.
        record(&facts, Fact::Superseded { session: pinned.key, at: now(), until });
        assert_eq!(facts.pins().len(), 2);
        facts.release(&[pinned.deny(until)]);
        assert_eq!(facts.pins(), [(Fact::Cutoff { tag, at: now(), until }, now())]);
        maintain_until(&facts, "its time was over", || facts.session(pinned.key).is_none());
        assert!(facts.tag(tag).is_some());
        facts.release(&[Fact::Cutoff { tag, at: now(), until }]);
        maintain_until(&facts, "so is its own", || facts.is_empty());
        assert_eq!(facts.pins(), []);
    }
}

#[test]
fn pins_are_there_after_a_restart_though_their_time_is_over_and_gone_when_released() {
    let place = Place::new();
    let facts = place.open().expect("a journal");
    let [pinned, rotated, other, released] = sessions();
    let until = now().plus(SECOND);
    let rotation = Fact::Deny { session: rotated.key, from: AT_ONCE, rotated: true, of: None, until };
    pin(&facts, pinned.deny(until));
    pin(&facts, rotation);
    let bound = session(realm(REALM), subject(8), now());
    pin(&facts, bound.bound(now(), until));
    pin(&facts, released.deny(until));
    record(&facts, other.deny(until));
    facts.release(&[released.deny(until)]);
    drop(facts);
    place.clock.advance(Duration::from_secs(10 * 3_600));
    let facts = place.open().expect("the same journal");
    assert!(is_over(&facts, &pinned));
    assert!(facts.session(rotated.key).is_some_and(|known| known.rotated()));
    assert_eq!((facts.session(other.key), facts.session(released.key)), (None, None));
    assert!(facts.session(bound.key).is_some_and(|known| known.bound.is_some()));
    facts.release(&[bound.bound(now(), until)]);
    let mut pins = facts.pins();
    pins.sort_by_key(|(fact, _)| *fact != rotation);
    assert_eq!(pins, [(rotation, now()), (pinned.deny(until), now())]);
    // Once more, with the entries of what is expired cleaned away.
    for _ in 0..3 {
        facts.maintain();
    }
    drop(facts);
    let facts = place.open().expect("the same journal");
    assert!(is_over(&facts, &pinned));
    facts.release(&[rotation, pinned.deny(until)]);
    maintain_until(&facts, "nothing is kept", || facts.is_empty());
    drop(facts);
    let facts = place.open().expect("the same journal");
    assert_eq!((facts.pins(), facts.len()), (Vec::new(), 0));
}

#[test]
fn what_is_known_already_is_durably_pinned_when_that_is_acknowledged() {
    let place = Place::new();
    let facts = place.open().expect("a journal");
    let [one] = sessions();
    record(&facts, one.deny(now().plus(SECOND)));
    let before = place.metric("sealpass_journal_commits_total");
    pin(&facts, one.deny(now().plus(SECOND)));
    assert!(place.metric("sealpass_journal_commits_total") > before, "on disk, and not on its way there");
    drop(facts);
    place.clock.advance(Duration::from_secs(3_600));
    assert!(is_over(&place.open().expect("the same journal"), &one));
}

#[test]
fn what_says_less_than_what_is_pinned_does_not_release_it() {
    let facts = CachedFacts::new(Place::new().clock as Arc<dyn Clock>);
    let tag = TagKey { realm: realm(REALM), tag: subject(1) };
    let until = now().plus(SECOND * 60);
    let cutoff = |millis, until: Timestamp| Fact::Cutoff { tag, at: now().plus(Duration::from_millis(millis)), until };
    pin(&facts, cutoff(5, until));
    block_on(facts.record_pinned(cutoff(9, until), now().plus(SECOND)).kept).expect("kept");
    assert_eq!(facts.pins(), [(cutoff(9, until), now())], "since the first");
    for less in [cutoff(5, until), cutoff(9, until.minus(SECOND)), Fact::Stale { tag, at: now().plus(SECOND), until }] {
        facts.release(&[less]);
        assert_eq!(facts.pins().len(), 1, "{less:?}");
    }
    facts.release(&[cutoff(10, until.plus(SECOND))]);
    assert_eq!(facts.pins(), []);
}

#[test]
fn a_pin_ends_when_no_session_can_live_any_more() {
    let place = Place::new();
    let facts = place.open().expect("a journal");
    let [one] = sessions();
    pin(&facts, one.deny(now().plus(SECOND)));
    drop(facts);
    place.clock.set(now().plus(Lifetimes::MAX).minus(SECOND));
    let facts = place.open().expect("the same journal");
    assert!(is_over(&facts, &one));
    drop(facts);
    place.clock.advance(SECOND * 2);
    let facts = place.open().expect("the same journal");
    assert_eq!((facts.pins(), facts.session(one.key)), (Vec::new(), None));
}

#[test]
fn a_store_that_is_compared_pins_as_well() {
    let place = Place::new();
    let clock = Arc::clone(&place.clock) as Arc<dyn Clock>;
    let facts = CachedFacts::in_fleet(clock, None, [], FactMetrics::default());
    facts.agreed(Some(now()));
    let [one] = sessions();
    let until = now().minus(SECOND * 180);
    pin(&facts, one.deny(until));
    for _ in 0..3 {
        facts.maintain();
    }
    assert!(is_over(&facts, &one));
    facts.release(&[one.deny(until)]);
    assert_eq!(facts.session(one.key), None, "at once, since its time is long over");
    maintain_until(&facts, "it is gone", || facts.is_empty());
}
