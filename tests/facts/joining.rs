//! A store among several replicas: what it lacks comes from the others, and its journal says only what it knows.

use std::fs;
use std::time::Duration;

use pollster::block_on;
use sealpass::revocation::FactStore as _;
use sealpass::store::{Begin, CachedFacts, Journal};

use super::rig::{Place, REALM, budget, now, realm, record, session, subject};

#[test]
fn a_replica_that_joins_ends_no_session_and_its_journal_is_whole_once_it_is_settled() {
    let place = Place::new();
    let open = || place.open_with([budget(REALM, 1_000, 100)], Begin::InFleet).expect("a journal");
    let ended = session(realm(REALM), subject(1), now());
    let facts = open();
    assert_eq!(facts.floor(realm(REALM)), None, "it would log everybody out everywhere");
    record(&facts, ended.deny(now().plus(HOUR)));
    drop(facts);
    assert!(!seen(&place), "it was ended before it knew all");
    let facts = open();
    assert!(ended.is_over(&facts), "what it does know is there");
    facts.use_ring(&place.ring, &place.keys()).expect("taken up");
    drop(facts);
    assert!(!seen(&place), "nor does a changed ring make it whole");
    let facts = open();
    block_on(facts.settled()).expect("kept");
    drop(facts);
    assert!(seen(&place));
    assert!(ended.is_over(&open()));
}

#[test]
fn a_fleet_that_starts_from_a_backup_ends_all_sessions() {
    let place = Place::new();
    let facts = place.open_with([budget(REALM, 1_000, 100)], Begin::Restored).expect("a journal");
    assert!(facts.floor(realm(REALM)).is_some());
    drop(facts);
    assert!(seen(&place));
}

#[test]
fn a_journal_is_not_whole_before_what_came_by_then_is_in_it() {
    let place = Place::new();
    let open = || place.open_with([budget(REALM, 1_000, 100)], Begin::InFleet).expect("a journal");
    let away = place.path().with_extension("away");
    let one = || session(realm(REALM), subject(1), now());
    let (ended, other) = (one(), one());
    for goes_on in [false, true] {
        let facts = open();
        fs::rename(place.path(), &away).expect("there");
        assert!(block_on(facts.record(ended.deny(now().plus(HOUR)), now()).kept).is_err(), "it can't be written");
        assert!(block_on(facts.settled()).is_err(), "nor can what says that it is whole");
        if goes_on {
            // Asked for behind that, so it has been tried to write it by then.
            assert!(block_on(facts.record(other.deny(now().plus(HOUR)), now()).kept).is_err());
            fs::rename(&away, place.path()).expect("there");
            block_on(facts.settled()).expect("now it can, with all that was owed");
            drop(facts);
        } else {
            drop(facts);
            fs::rename(&away, place.path()).expect("there");
        }
        assert_eq!(seen(&place), goes_on);
    }
    let facts = open();
    assert!(ended.is_over(&facts) && other.is_over(&facts), "it is whole");
}

/// Whether a start would take the journal for whole.
fn seen(place: &Place) -> bool {
    let journal = Journal::open(&place.path(), place.metrics.facts.journal.clone()).expect("a journal");
    let facts = CachedFacts::with(place.clock.clone(), Some(journal), [], place.metrics.facts.clone());
    let seen = facts.has_seen(place.ring.id()).expect("readable");
    drop(facts);
    seen
}

const HOUR: Duration = Duration::from_secs(3_600);
