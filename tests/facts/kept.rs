//! What is durable, and when it may be said to be.

use std::time::Duration;

use pollster::block_on;
use sealpass::clock::Clock;
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::KeyRing;
use sealpass::keyring::file::{open, seal};
use sealpass::revocation::{AT_ONCE, Fact, FactStore, Kept, TagKey};
use sealpass::secret::Secret;
use sealpass::store::{Begin, JournalError};

use super::rig::{Place, REALM, budget, now, realm, record, session, subject};

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn every_kind_of_fact_is_there_after_a_restart_as_it_was() {
    let place = Place::new();
    let facts = place.open().expect("a journal");
    let (first, second) = (session(realm(REALM), subject(1), now()), session(realm(REALM), subject(2), now()));
    let tag = TagKey { realm: realm(REALM), tag: subject(3) };
    let (at, until) = (now().plus(HOUR / 60), now().plus(HOUR));
    record(&facts, first.deny(until));
    record(&facts, Fact::Superseded { session: first.key, at, until: until.plus(HOUR) });
    record(&facts, first.bound(at, until));
    let third = session(realm(REALM), subject(4), now());
    record(&facts, third.bound(at, until));
    let of = Some((second.subject, second.started));
    record(&facts, Fact::Deny { session: second.key, from: at, rotated: true, of, until });
    record(&facts, Fact::Cutoff { tag, at, until });
    record(&facts, Fact::Stale { tag, at: at.plus(HOUR), until });
    record(&facts, Fact::Floor { realm: Some(realm("other")), at, until });
    record(&facts, Fact::Floor { realm: None, at: now().plus(HOUR / 3_600), until });
    let said = |facts: &sealpass::store::CachedFacts| {
        let floors = (facts.floor(realm("other")), facts.floor(realm(REALM)));
        (facts.session(first.key), facts.session(second.key), facts.session(third.key), facts.tag(tag), floors)
    };
    let before = said(&facts);
    assert!(before.0.is_some_and(|known| known.superseded == Some(at) && known.until == until.plus(HOUR)));
    assert!(before.2.is_some_and(|known| known.bound.is_some_and(|bound| bound.by.at == at) && known.deny.is_none()));
    drop(facts);
    assert_eq!(said(&place.open().expect("the same journal")), before);
}

#[test]
fn entries_merge_in_the_file_as_they_do_in_memory() {
    let place = Place::new();
    let facts = place.open().expect("a journal");
    let session = session(realm(REALM), subject(1), now());
    let tag = TagKey { realm: realm(REALM), tag: subject(3) };
    let deny = |from, rotated, until| Fact::Deny { session: session.key, from, rotated, of: None, until };
    for fact in [
        deny(now(), true, now().plus(HOUR)),
        deny(AT_ONCE, false, now().plus(HOUR / 2)),
        deny(now().plus(HOUR), true, now().plus(HOUR / 3)),
        session.bound(now().plus(HOUR), now().plus(HOUR / 4)),
        session.bound(now().plus(HOUR / 2), now()),
        session.bound(now().plus(HOUR), now().plus(HOUR / 4)),
        Fact::Cutoff { tag, at: now().plus(HOUR), until: now().plus(HOUR / 2) },
        Fact::Cutoff { tag, at: now(), until: now().plus(HOUR) },
        Fact::Floor { realm: Some(realm("other")), at: now().plus(HOUR), until: now().plus(HOUR) },
        Fact::Floor { realm: Some(realm("other")), at: now(), until: now().plus(HOUR) },
    ] {
        record(&facts, fact);
    }
    drop(facts);
    let facts = place.open().expect("the same journal");
    let known = facts.session(session.key).expect("there");
    assert_eq!(known.until, now().plus(HOUR));
    assert_eq!(known.bound.map(|bound| bound.by.at), Some(now().plus(HOUR / 2)));
    assert_eq!(known.deny.map(|deny| (deny.from, deny.rotated, deny.succeeded)), Some((AT_ONCE, false, true)));
    let known = facts.tag(tag).expect("there");
    assert_eq!((known.cutoff, known.until), (Some(now().plus(HOUR)), now().plus(HOUR)));
    assert_eq!(facts.floor(realm("other")), Some(now().plus(HOUR)));
}

#[test]
fn a_thousand_endings_at_one_moment_cost_few_commits() {
    let place = Place::new();
    let facts = place.open().expect("a journal");
    let before = place.metric("sealpass_journal_commits_total");
    std::thread::scope(|scope| {
        for thread in 0_u64..4 {
            let facts = &facts;
            scope.spawn(move || {
                let record = |n| {
                    let session = session(realm(REALM), subject(thread * 1_000 + n), now());
                    facts.record(session.deny(now().plus(HOUR)), now()).kept
                };
                let all: Vec<Kept> = (0..250).map(record).collect();
                for kept in all {
                    block_on(kept).expect("durable");
                }
            });
        }
    });
    let commits = place.metric("sealpass_journal_commits_total") - before;
    assert!((1..=100).contains(&commits), "{commits} commits for 1,000 endings");
    drop(facts);
    let facts = place.open().expect("the same journal");
    facts.maintain();
    assert_eq!(facts.len(), 1_000);
}

#[test]
fn what_is_known_to_be_durable_costs_no_commit_and_what_is_owed_is_waited_for() {
    let place = Place::new();
    let facts = place.open().expect("a journal");
    let session = session(realm(REALM), subject(1), now());
    let fact = session.deny(now().plus(HOUR));
    record(&facts, fact);
    let commits = place.metric("sealpass_journal_commits_total");
    for _ in 0..100 {
        let again = facts.record(fact, now());
        assert_eq!((again.raised, format!("{:?}", again.kept)), (false, "Kept(now)".to_owned()));
    }
    assert_eq!(place.metric("sealpass_journal_commits_total"), commits);
    // A longer time alone changes nothing that anybody sees, and has to be durable all the same.
    let longer = facts.record(session.deny(now().plus(2 * HOUR)), now());
    assert_eq!((longer.raised, format!("{:?}", longer.kept)), (false, "Kept(later)".to_owned()));
    // The same again while the first is still owed: not durable yet, whoever asks.
    let owed = facts.record(session.deny(now().plus(2 * HOUR)), now());
    block_on(owed.kept).expect("durable");
    block_on(longer.kept).expect("durable");
    drop(facts);
    let known = place.open().expect("the same journal").session(session.key).expect("there");
    assert_eq!(known.until, now().plus(2 * HOUR));
}

#[test]
fn without_what_was_known_before_every_earlier_session_is_over() {
    let place = Place::new();
    let before = session(realm(REALM), subject(1), now());
    let after = session(realm(REALM), subject(1), now().plus(Duration::from_secs(30)));
    // A first journal, and one that another deployment used.
    let facts = place.open().expect("a journal");
    assert!(before.is_over(&facts) && !after.is_over(&facts));
    drop(facts);
    place.clock.advance(Duration::from_secs(60));
    let facts = place.open().expect("the same journal");
    assert!(!after.is_over(&facts), "a restart with its journal ends nothing");
    drop(facts);
    // Lost.
    std::fs::remove_file(place.path()).expect("there");
    let facts = place.open().expect("a new one");
    assert!(after.is_over(&facts));
}

#[test]
fn a_first_start_with_a_new_ring_ends_nothing() {
    let mut place = Place::new();
    place.ring = KeyRing::init(&SystemEntropy::new(), now()).expect("random bytes");
    assert_eq!(place.ring.epoch(), 1);
    let facts = place.open().expect("a journal");
    let imported = session(realm(REALM), subject(1), now().minus(HOUR));
    assert!(!imported.is_over(&facts));
}

#[test]
fn after_a_restore_every_session_so_far_is_over() {
    let place = Place::new();
    let first = place.open().expect("a journal").floor(realm(REALM)).expect("a cold start");
    place.clock.set(first);
    let facts = place.open_with([budget(REALM, 1_000, 100)], Begin::Restored).expect("the same journal");
    let floor = facts.floor(realm(REALM)).expect("a restore");
    assert_eq!(floor, place.clock.now().plus(Duration::from_secs(2)));
    drop(facts);
    // Again at once: no earlier than the one that is known, and one more.
    let facts = place.open_with([budget(REALM, 1_000, 100)], Begin::Restored).expect("the same journal");
    assert_eq!(facts.floor(realm(REALM)), Some(floor.plus(Duration::from_millis(1))));
    drop(facts);
    let facts = place.open().expect("the same journal");
    assert_eq!(facts.floor(realm(REALM)), Some(floor.plus(Duration::from_millis(1))), "it is durable");
}

/// The same ring, written more often.
fn at_epoch(ring: &KeyRing, epoch: u64) -> KeyRing {
    let secret = Secret::from_slice(&[7; 32]).expect("32 bytes");
    let mut again = open(&seal(ring, &[&secret], &SystemEntropy::new()).expect("random bytes"), &secret).expect("ours");
    while again.epoch() < epoch {
        again.written();
    }
    again
}

#[test]
fn a_ring_older_than_the_journal_knows_is_refused_until_it_is_said_to_be_restored() {
    let mut place = Place::new();
    let newer = at_epoch(&place.ring, 5);
    let older = std::mem::replace(&mut place.ring, newer);
    drop(place.open().expect("a journal"));
    place.ring = older;
    let error = place.open().expect_err("an older ring");
    assert!(matches!(error, JournalError::OlderRing { newest: 5, found: 2, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("facts.redb") && text.contains("--restored") && !text.contains('\n'), "{text}");
    drop(place.open_with([budget(REALM, 1_000, 100)], Begin::Restored).expect("restored"));
    drop(place.open().expect("and from then on as ever"));
}

#[test]
fn a_ring_that_is_read_anew_goes_on_with_its_facts_and_another_one_with_its_own() {
    let mut place = Place::new();
    let facts = place.open().expect("a journal");
    let session = session(realm(REALM), subject(1), now().plus(HOUR));
    record(&facts, session.deny(now().plus(HOUR)));
    let (newer, older) = (at_epoch(&place.ring, 3), at_epoch(&place.ring, 2));
    facts.use_ring(&newer, &place.keys()).expect("newer");
    record(&facts, Fact::Floor { realm: Some(realm("other")), at: now(), until: now().plus(HOUR) });
    assert!(matches!(facts.use_ring(&older, &place.keys()), Err(JournalError::OlderRing { newest: 3, found: 2, .. })));
    // Another ring altogether: what was known stays, and what comes is the new one's.
    let other = KeyRing::init(&SystemEntropy::new(), now()).expect("random bytes");
    facts.use_ring(&other, &place.keys()).expect("another");
    let under_other = self::session(realm(REALM), subject(2), now().plus(HOUR));
    record(&facts, under_other.deny(now().plus(HOUR)));
    assert!(session.is_over(&facts) && under_other.is_over(&facts));
    drop(facts);
    let first = std::mem::replace(&mut place.ring, other);
    let facts = place.open().expect("the same journal");
    assert!(!session.is_over(&facts) && under_other.is_over(&facts));
    drop(facts);
    place.ring = at_epoch(&first, 3);
    let facts = place.open().expect("the same journal");
    assert!(session.is_over(&facts) && !under_other.is_over(&facts));
}
