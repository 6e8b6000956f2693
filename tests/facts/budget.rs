//! More facts than a realm may have.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealpass::clock::ManualClock;
use sealpass::revocation::{Fact, FactStore, TagKey};
use sealpass::store::{Begin, CachedFacts, Fold, Folded};

use super::rig::{
    Place, REALM, Session, all_over, budget, in_memory, maintain_until, now, realm, record, session, settle, subject,
};

const LATER: Duration = Duration::from_secs(3_600);

#[test]
fn s01_a_warm_store_at_its_budget_loses_no_new_ending() {
    for (denies_each, ends_in) in [(1, "floor"), (5, "cut-offs")] {
        let clock = Arc::new(ManualClock::at(now()));
        let facts = in_memory(&clock, [budget(REALM, 5_000, 1_000)]);
        let fill = |range: std::ops::Range<u64>| -> Vec<Session> {
            range.map(|n| session(realm(REALM), subject(n / denies_each), now())).collect()
        };
        let old = fill(0..5_000);
        for session in &old {
            record(&facts, session.deny(now().plus(LATER)));
        }
        facts.maintain();
        for _ in 0..5 {
            assert!(old.iter().all(|session| session.is_over(&facts)), "each was looked up");
        }
        let new = fill(10_000..10_200);
        for session in &new {
            record(&facts, session.deny(now().plus(LATER)));
        }
        settle(&facts);
        all_over(&facts, &new);
        all_over(&facts, &old);
        assert!(facts.len() <= 5_000, "{} facts are held", facts.len());
        assert_eq!(facts.floor(realm(REALM)).is_some(), ends_in == "floor");
        let fresh = session(realm(REALM), subject(1), now().plus(Duration::from_secs(10)));
        assert!(!fresh.is_over(&facts), "whoever logs in again is in");
    }
}

#[test]
fn s02_one_user_who_loops_takes_nobody_elses_ending() {
    let clock = Arc::new(ManualClock::at(now()));
    let folds = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&folds);
    let facts = in_memory(&clock, [budget(REALM, 5_000, 1_000)]);
    let facts = facts.on_fold(move |fold: &Fold| seen.lock().expect("alone").push(*fold));
    let others: Vec<_> = (1..=200).map(|n| session(realm(REALM), subject(n), now())).collect();
    for session in &others {
        record(&facts, session.deny(now().plus(LATER)));
    }
    let looper = subject(0);
    let mut his = Vec::new();
    for n in 0..30_000 {
        let session = session(realm(REALM), looper, now().plus(Duration::from_millis(n)));
        record(&facts, session.deny(now().plus(LATER)));
        his.push(session);
        if n % 2_000 == 0 {
            facts.maintain();
        }
    }
    settle(&facts);
    all_over(&facts, &others);
    all_over(&facts, &his);
    assert_eq!(facts.floor(realm(REALM)), None);
    assert!(others.iter().all(|session| facts.session(session.key).is_some()), "one by one");
    assert!(facts.len() < 2_000, "{} facts are held", facts.len());
    let fresh = session(realm(REALM), looper, now().plus(Duration::from_secs(31)));
    assert!(!fresh.is_over(&facts), "his next login is good");
    let folds = folds.lock().expect("alone");
    assert!(!folds.is_empty() && folds.iter().all(|fold| fold.into == Folded::Cutoff(looper)), "{folds:?}");
}

#[test]
fn s51_a_realm_over_its_budget_ends_nothing_in_another() {
    let clock = Arc::new(ManualClock::at(now()));
    let facts = in_memory(&clock, [budget("small", 1_000, 100), budget("other", 1_000, 100)]);
    let live = session(realm("other"), subject(7), now());
    let theirs = session(realm("other"), subject(8), now());
    record(&facts, theirs.deny(now().plus(LATER)));
    for n in 0..3_000 {
        record(&facts, session(realm("small"), subject(n), now()).deny(now().plus(LATER)));
    }
    settle(&facts);
    assert!(facts.floor(realm("small")).is_some(), "it had to be folded");
    assert_eq!(facts.floor(realm("other")), None);
    assert!(!live.is_over(&facts));
    assert!(facts.session(theirs.key).is_some());
}

#[test]
fn a_flood_of_anonymous_logouts_becomes_one_cut_off_and_never_a_floor() {
    let place = Place::new();
    let facts = place.open_with([budget(REALM, 3_000, 100)], Begin::First).expect("a journal");
    let anonymous = place.keys().anonymous_tag(&budget(REALM, 1, 1).realm);
    let before = facts.floor(realm(REALM));
    let flood = |facts: &CachedFacts, count: u64| {
        for _ in 0..count {
            drop(facts.record(session(realm(REALM), anonymous, now()).deny(now().plus(LATER)), now()));
        }
        record(facts, session(realm(REALM), subject(1), now()).deny(now().plus(LATER)));
        settle(facts);
    };
    flood(&facts, 2_000);
    let key = TagKey { realm: realm(REALM), tag: anonymous };
    assert_eq!(facts.tag(key), None, "each login ends one: that is no reason to end all visitors' sessions");
    flood(&facts, 2_000);
    assert_eq!(facts.tag(key).and_then(|known| known.cutoff), Some(now()));
    assert_eq!(facts.floor(realm(REALM)), before);
    assert!(facts.len() < 100, "{} facts are held", facts.len());
}

#[test]
fn what_was_folded_is_over_after_a_restart_and_gone_from_the_file() {
    let place = Place::new();
    let folded: Vec<_> = (0..5_000).map(|_| session(realm(REALM), subject(1), now())).collect();
    let others: Vec<_> = (10..20).map(|n| session(realm(REALM), subject(n), now())).collect();
    let facts = place.open().expect("a journal");
    for session in folded.iter().chain(&others) {
        drop(facts.record(session.deny(now().plus(LATER)), now()));
    }
    record(&facts, session(realm(REALM), subject(2), now()).deny(now().plus(LATER)));
    settle(&facts);
    drop(facts);
    let facts = place.open().expect("the same journal");
    assert!(facts.tag(TagKey { realm: realm(REALM), tag: subject(1) }).is_some());
    assert!(folded.iter().all(|session| facts.session(session.key).is_none()), "they are gone one by one");
    assert!(others.iter().all(|session| facts.session(session.key).is_some()));
    assert_eq!(place.metric("sealpass_facts_folded_total{realm=\"default\",into=\"cutoff\"}"), 5_000);
    assert_eq!(place.metric("sealpass_fact_folds_total{realm=\"default\",into=\"cutoff\"}"), 1);
}

#[test]
fn a_fold_lasts_as_long_as_the_longest_of_what_it_replaces() {
    let clock = Arc::new(ManualClock::at(now()));
    let facts = in_memory(&clock, [budget(REALM, 1_000, 10)]);
    let until = now().plus(Duration::from_secs(399 * 86_400));
    for n in 0..20 {
        record(&facts, session(realm(REALM), subject(1), now()).deny(now().plus(LATER)));
        record(&facts, session(realm(REALM), subject(n + 10), now()).deny(until));
    }
    record(&facts, session(realm(REALM), subject(1), now()).deny(until));
    settle(&facts);
    let known = facts.tag(TagKey { realm: realm(REALM), tag: subject(1) }).expect("folded");
    assert!(known.until >= until);
    // And the floor that is the last resort, over endings by id alone.
    for n in 0..2_000 {
        let Fact::Deny { session, from, rotated, .. } = session(realm(REALM), subject(n), now()).deny(until) else {
            unreachable!("it is one")
        };
        record(&facts, Fact::Deny { session, from, rotated, of: None, until });
    }
    settle(&facts);
    let floor = facts.floor(realm(REALM)).expect("the last resort");
    settle(&facts);
    assert_eq!(facts.floor(realm(REALM)), Some(floor), "one is enough");
    assert_eq!(facts.len(), 0);
}

#[test]
fn counts_are_right_whatever_came_and_went() {
    let place = Place::new();
    let facts = place.open().expect("a journal");
    let sessions: Vec<_> = (0..500).map(|n| session(realm(REALM), subject(n % 7), now())).collect();
    for round in 0_u64..4 {
        std::thread::scope(|scope| {
            for part in sessions.chunks(125) {
                let facts = &facts;
                scope.spawn(move || {
                    for session in part {
                        let until = now().plus(LATER).plus(Duration::from_secs(round));
                        drop(facts.record(session.deny(until), now()));
                        let at = now();
                        drop(facts.record(Fact::Superseded { session: session.key, at, until }, now()));
                    }
                });
            }
        });
    }
    // Ten of them run out at once.
    for _ in 0..10 {
        drop(facts.record(session(realm(REALM), subject(1), now()).deny(now()), now()));
    }
    maintain_until(&facts, "what ran out is gone", || facts.len() <= 500);
    for kind in ["deny", "superseded"] {
        assert_eq!(place.metric(&format!("sealpass_facts{{realm=\"default\",kind=\"{kind}\"}}")), 500, "{kind}");
    }
}
