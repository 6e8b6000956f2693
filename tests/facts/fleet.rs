//! Replicas that compare what they hold: equal states have equal digests, whatever came first and whatever their clocks say, and
//! what differs is found and mended bucket by bucket, leaf by leaf.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pollster::block_on;
use proptest::prelude::*;
use sealpass::claims::{RealmId, Registration, SessionId};
use sealpass::clock::{Clock, ManualClock, Timestamp};
use sealpass::cluster::ports::Facts;
use sealpass::revocation::digest::{self, About};
use sealpass::revocation::{
    AT_ONCE, CLOCK_ERROR, Fact, FactStore, Question, SessionFacts, SessionKey, TagFacts, TagKey,
};
use sealpass::store::{Budget, CachedFacts};
use sealpass::telemetry::FactMetrics;

use super::rig::{Place, REALM, budget, maintain_until, now, realm, record, session, settle, subject};

const MINUTE: Duration = Duration::from_secs(60);

/// One whose clock agrees with the others'.
fn compared(clock: &Arc<ManualClock>, budgets: impl IntoIterator<Item = Budget>) -> CachedFacts {
    let facts = CachedFacts::in_fleet(Arc::clone(clock) as Arc<dyn Clock>, None, budgets, FactMetrics::default());
    facts.agreed(Some(clock.now()));
    facts
}

/// What is known, in plain maps.
#[derive(Default)]
struct Model {
    sessions: BTreeMap<SessionKey, SessionFacts>,
    tags: BTreeMap<TagKey, TagFacts>,
    floors: BTreeMap<Option<RealmId>, Timestamp>,
}

impl Model {
    fn of(facts: &[Fact]) -> Self {
        let mut model = Self::default();
        for fact in facts {
            match (About::of(fact), fact) {
                (About::Session(key), _) => {
                    let known = model.sessions.entry(key).or_default();
                    *known = known.with(fact);
                }
                (About::Tag(key), _) => {
                    let known = model.tags.entry(key).or_default();
                    *known = known.with(fact);
                }
                (About::Floor(realm), Fact::Floor { at, .. }) => {
                    let known = model.floors.entry(realm).or_default();
                    *known = at.max(known).to_owned();
                }
                _ => unreachable!("no floor"),
            }
        }
        model
    }

    fn digest(&self, beyond: Timestamp) -> Box<[u64; 256]> {
        let mut digest = Box::new([0_u64; 256]);
        let mut count = |about: About, facts: Vec<Fact>, until: Timestamp| {
            if digest::minute(until) > beyond {
                let sum = &mut digest[usize::from(about.place().0)];
                *sum = sum.wrapping_add(digest::value(&about, facts));
            }
        };
        for (key, known) in &self.sessions {
            count(About::Session(*key), known.facts(*key).collect(), known.until);
        }
        for (key, known) in &self.tags {
            count(About::Tag(*key), known.facts(*key).collect(), known.until);
        }
        for (realm, at) in &self.floors {
            let floor = Fact::Floor { realm: *realm, at: *at, until: Timestamp::MAX };
            count(About::Floor(*realm), vec![floor], Timestamp::MAX);
        }
        digest
    }
}

/// Every digest is the sum of its leaves, and each leaf's that of its facts.
fn is_consistent(facts: &CachedFacts, beyond: Timestamp) {
    let digest = Facts::digest(facts, beyond);
    let all: Vec<_> = (0..=u8::MAX)
        .filter(|bucket| digest[usize::from(*bucket)] != 0)
        .flat_map(|bucket| {
            let leaves = facts.leaves(bucket, beyond);
            assert_eq!(leaves.iter().copied().fold(0, u64::wrapping_add), digest[usize::from(bucket)], "{bucket}");
            (0..=u8::MAX).filter(move |leaf| leaves[usize::from(*leaf)] != 0).map(move |leaf| (bucket, leaf))
        })
        .flat_map(|(bucket, leaf)| facts.leaf(bucket, leaf, beyond))
        .collect();
    assert_eq!(Model::of(&all).digest(beyond), digest);
}

/// As a replica does that finds out that another one holds something else.
fn mend(to: &CachedFacts, from: &CachedFacts, beyond: Timestamp) {
    let differ = |a: &[u64; 256], b: &[u64; 256]| {
        (0..=u8::MAX).filter(|at| a[usize::from(*at)] != b[usize::from(*at)]).collect::<Vec<_>>()
    };
    for bucket in differ(&Facts::digest(to, beyond), &Facts::digest(from, beyond)) {
        let leaves = differ(&to.leaves(bucket, beyond), &from.leaves(bucket, beyond));
        assert!(!leaves.is_empty(), "bucket {bucket} differs, and none of its leaves");
        for leaf in leaves {
            block_on(Facts::merge(to, &from.leaf(bucket, leaf, beyond), now())).expect("kept");
        }
    }
}

fn time(from: i64, to: i64) -> impl Strategy<Value = Timestamp> {
    (from..to).prop_map(|seconds| {
        let by = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { now().minus(by) } else { now().plus(by) }
    })
}

/// Facts of which none covers another one.
fn fact() -> impl Strategy<Value = Fact> {
    any_fact().prop_map(|fact| match fact {
        Fact::Floor { realm, at, until } => Fact::Floor { realm, at: at.minus(MINUTE * 10), until },
        other => other,
    })
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let of = RealmId([3; 8]);
    // Some of long ago, which are handed over still.
    (0..6_u8, 0..12_u8, any::<bool>(), time(-100, 100), time(-50, 600)).prop_map(
        move |(kind, name, flag, at, until)| {
            let session = SessionKey { realm: of, sid: SessionId([name; 16]) };
            let tag = TagKey { realm: of, tag: [name; 8] };
            match kind {
                0 => Fact::Deny { session, from: at, rotated: flag, of: flag.then_some((tag.tag, at)), until },
                1 => Fact::Superseded { session, at, until },
                2 => Fact::Cutoff { tag, at, until },
                3 => Fact::Stale { tag, at, until },
                4 => {
                    let by = Registration { at, key: [u8::from(flag); 8] };
                    Fact::Bound { session, by, of: (tag.tag, at), until }
                }
                _ => Fact::Floor { realm: flag.then_some(if name > 6 { of } else { RealmId([name; 8]) }), at, until },
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_same_facts_in_any_order_and_by_any_clock_have_the_same_digest(
        facts in prop::collection::vec(fact(), 0..60),
        turn in 0..60_usize,
    ) {
        let clocks = [now().minus(CLOCK_ERROR), now().plus(CLOCK_ERROR)].map(|at| Arc::new(ManualClock::at(at)));
        let [a, b] = clocks.each_ref().map(|clock| compared(clock, []));
        let mut other = facts.clone();
        other.rotate_left(turn.min(facts.len()));
        other.reverse();
        other.extend_from_slice(&facts[..turn.min(facts.len())]);
        block_on(Facts::merge(&a, &facts, clocks[0].now())).expect("kept");
        block_on(Facts::merge(&b, &other, clocks[1].now())).expect("kept");
        let model = Model::of(&facts);
        for minutes in 0..12 {
            let beyond = digest::beyond(now().plus(MINUTE * minutes));
            prop_assert_eq!(&Facts::digest(&a, beyond), &model.digest(beyond), "{} minutes", minutes);
            prop_assert_eq!(&Facts::digest(&b, beyond), &model.digest(beyond), "{} minutes", minutes);
        }
        is_consistent(&a, digest::beyond(now()));
    }

    #[test]
    fn whatever_differs_is_found_and_mended(
        shared in prop::collection::vec(fact(), 0..30),
        first in prop::collection::vec(fact(), 0..30),
        second in prop::collection::vec(fact(), 0..30),
    ) {
        let clocks = [now().minus(CLOCK_ERROR), now().plus(CLOCK_ERROR)].map(|at| Arc::new(ManualClock::at(at)));
        let [a, b] = clocks.each_ref().map(|clock| compared(clock, []));
        for (store, own) in [(&a, &first), (&b, &second)] {
            block_on(Facts::merge(store, &[shared.clone(), own.clone()].concat(), now())).expect("kept");
        }
        let beyond = digest::beyond(now());
        // What is past by itself may be known for longer together with what the other one holds: that takes a second round.
        for _ in 0..2 {
            mend(&a, &b, beyond);
            mend(&b, &a, beyond);
        }
        prop_assert_eq!(Facts::digest(&a, beyond), Facts::digest(&b, beyond));
        let all = Model::of(&[shared, first, second].concat());
        prop_assert_eq!(Facts::digest(&a, beyond), all.digest(beyond));
    }

    #[test]
    fn replicas_that_do_away_with_what_is_covered_agree(
        first in prop::collection::vec(any_fact(), 0..40),
        second in prop::collection::vec(any_fact(), 0..40),
    ) {
        let clock = Arc::new(ManualClock::at(now()));
        let [a, b] = [(); 2].map(|()| compared(&clock, []));
        block_on(Facts::merge(&a, &first, now())).expect("kept");
        for fact in &second {
            record(&b, *fact);
        }
        agree(&a, &b);
    }
}

#[test]
fn what_expired_leaves_the_digest_by_its_minute_and_the_store_only_later() {
    // The last moment in which it is handed over, by this clock.
    let until = now();
    let last = digest::handed_over_until(until).minus(Duration::from_millis(100));
    let clock = Arc::new(ManualClock::at(last));
    let facts = compared(&clock, []);
    let one = session(realm(REALM), subject(1), now());
    record(&facts, one.deny(until));
    let place = About::Session(one.key).place();
    let before = digest::minute(until).minus(MINUTE);
    assert_eq!(facts.leaf(place.0, place.1, before), [one.deny(until)]);
    assert_ne!(Facts::digest(&facts, before)[usize::from(place.0)], 0);
    assert_eq!(facts.leaf(place.0, place.1, digest::beyond(last)), []);
    assert_eq!(Facts::digest(&facts, digest::beyond(last)), Box::new([0; 256]));
    maintain_until(&facts, "it is gone", || facts.is_empty());
    assert_eq!(Facts::digest(&facts, Timestamp::EPOCH), Box::new([0; 256]), "and nothing of it is left");
    assert_eq!(facts.leaf(place.0, place.1, Timestamp::EPOCH), []);
}

#[test]
fn digests_follow_folds_and_steps_of_the_clock() {
    let clock = Arc::new(ManualClock::at(now()));
    let facts = compared(&clock, [budget(REALM, 10_000, 10)]);
    let until = now().plus(MINUTE * 30);
    let of_one: Vec<_> = (0..30).map(|_| session(realm(REALM), subject(1), now())).collect();
    let of_others: Vec<_> = (2..40).map(|n| session(realm(REALM), subject(n), now())).collect();
    for session in of_one.iter().chain(&of_others) {
        record(&facts, session.deny(until));
        record(&facts, Fact::Superseded { session: session.key, at: now(), until: until.plus(MINUTE) });
    }
    let beyond = digest::beyond(now());
    is_consistent(&facts, beyond);
    let before = Facts::digest(&facts, beyond);
    settle(&facts);
    assert_eq!(facts.len(), 38 + 1, "thirty became one");
    is_consistent(&facts, beyond);
    assert_ne!(Facts::digest(&facts, beyond), before);
    // What the fold did away with does not come back from a replica that did not fold.
    block_on(Facts::merge(&facts, &of_one.iter().map(|one| one.deny(until)).collect::<Vec<_>>(), now())).expect("kept");
    assert_eq!(facts.len(), 38 + 1);
    clock.set(now().minus(MINUTE * 5));
    facts.agreed(Some(clock.now()));
    facts.maintain();
    is_consistent(&facts, beyond);
    assert_eq!(facts.len(), 38 + 1);
}

#[test]
fn replicas_of_which_one_folded_agree_and_nothing_goes_to_and_fro() {
    let clock = Arc::new(ManualClock::at(now()));
    let [a, b] = [(); 2].map(|()| compared(&clock, [budget(REALM, 10_000, 10)]));
    let until = now().plus(MINUTE * 30);
    let denies: Vec<_> = (0..11).map(|_| session(realm(REALM), subject(1), now()).deny(until)).collect();
    let others: Vec<_> = (2..9).map(|n| session(realm(REALM), subject(n), now()).deny(until)).collect();
    block_on(Facts::merge(&a, &[denies.clone(), others.clone()].concat(), now())).expect("kept");
    // It has not heard of the last one yet, and so does not fold.
    block_on(Facts::merge(&b, &[&denies[1..], &others].concat(), now())).expect("kept");
    settle(&a);
    settle(&b);
    assert_eq!((a.len(), b.len()), (7 + 1, 7 + 10));
    agree(&a, &b);
    assert_eq!((a.len(), b.len()), (7 + 1, 7 + 1));
}

#[test]
fn replicas_agree_on_what_a_floor_does_away_with() {
    let clock = Arc::new(ManualClock::at(now()));
    for of in [Some(realm(REALM)), None] {
        let [a, b] = [(); 2].map(|()| compared(&clock, []));
        let until = now().plus(MINUTE * 30);
        let denies: Vec<_> = (0..9).map(|n| session(realm(REALM), subject(n), now()).deny(until)).collect();
        let tag = |n| TagKey { realm: realm(REALM), tag: subject(n) };
        let later = now().plus(MINUTE);
        let all = [
            &denies[..],
            &[Fact::Cutoff { tag: tag(1), at: now(), until }, Fact::Stale { tag: tag(2), at: later, until }],
            &[
                session(realm(REALM), subject(3), later).deny(until),
                session(realm("other"), subject(4), now()).deny(until),
            ],
        ]
        .concat();
        block_on(Facts::merge(&a, &all, now())).expect("kept");
        block_on(Facts::merge(&b, &all[3..], now())).expect("kept");
        record(&a, Fact::Floor { realm: of, at: now(), until: until.plus(MINUTE) });
        agree(&a, &b);
        let left = if of.is_some() { 3 } else { 2 };
        assert_eq!((a.len(), b.len()), (left, left), "what began later, and what is of another realm");
        // One that is said again by whoever did not hear of the floor comes in nowhere.
        record(&b, all[0]);
        agree(&a, &b);
        assert_eq!((a.len(), b.len()), (left, left));
    }
}

/// Both mend what differs and maintain, some few times, and then hold the same.
fn agree(a: &CachedFacts, b: &CachedFacts) {
    let beyond = digest::beyond(now());
    for _ in 0..6 {
        mend(a, b, beyond);
        mend(b, a, beyond);
        settle(a);
        settle(b);
    }
    assert_eq!(Facts::digest(a, beyond), Facts::digest(b, beyond));
    is_consistent(a, beyond);
}

#[test]
fn it_is_told_what_is_known_of_a_question_and_under_the_keys_of_facts() {
    let facts = compared(&Arc::new(ManualClock::at(now())), []);
    let until = now().plus(MINUTE);
    let (one, other) = (session(realm(REALM), subject(1), now()), session(realm(REALM), subject(2), now()));
    let tag = TagKey { realm: realm(REALM), tag: subject(1) };
    let floor = |realm, at| Fact::Floor { realm, at, until };
    let rotated = Fact::Deny { session: one.key, from: AT_ONCE, rotated: true, of: None, until };
    let known = [
        Fact::Deny { session: one.key, from: AT_ONCE, rotated: false, of: None, until },
        rotated,
        Fact::Cutoff { tag, at: now(), until },
        Fact::Stale { tag, at: now(), until },
        floor(Some(realm(REALM)), now()),
        floor(None, now().minus(MINUTE)),
    ];
    block_on(Facts::merge(&facts, &known, now())).expect("kept");
    block_on(Facts::merge(&facts, &[other.deny(until), floor(Some(realm("other")), now())], now())).expect("kept");
    let question = Question { realm: realm(REALM), tags: vec![tag], session: Some(one.key) };
    assert_eq!(facts.about(&question), known);
    let question = Question { realm: realm("third"), tags: Vec::new(), session: None };
    assert_eq!(facts.about(&question), known[5..]);
    assert_eq!(facts.same(&[rotated, rotated]), known[..2], "all of it, once");
    assert_eq!(facts.same(&[Fact::Stale { tag, at: now(), until }]), known[2..4]);
    assert_eq!(facts.same(&[floor(Some(realm(REALM)), AT_ONCE)]), known[4..5]);
    assert_eq!(facts.same(&[]), []);
    Facts::pass(&facts, &[tag], now());
    assert_eq!((Facts::passed(&facts, &[tag]), FactStore::passed(&facts, &[tag])), (Some(now()), Some(now())));
}

#[test]
fn a_replica_that_restarts_has_the_digest_that_it_had() {
    let place = Place::new();
    let open = || {
        let facts = place.open_among_others();
        (Facts::digest(&facts, digest::beyond(now())), facts)
    };
    let (_, facts) = open();
    let floor = Fact::Floor { realm: Some(realm("other")), at: now(), until: now().plus(MINUTE) };
    block_on(Facts::merge(&facts, &[floor], now())).expect("kept");
    for (n, until) in [now().plus(MINUTE), now().minus(MINUTE / 2), now().plus(MINUTE * 9)].into_iter().enumerate() {
        let one = session(realm(REALM), subject(n as u64), now());
        record(&facts, one.deny(until));
        record(
            &facts,
            Fact::Deny { session: one.key, from: AT_ONCE, rotated: true, of: None, until: until.plus(MINUTE) },
        );
    }
    let before = Facts::digest(&facts, digest::beyond(now()));
    drop(facts);
    let (after, facts) = open();
    assert_eq!(after, before);
    is_consistent(&facts, digest::beyond(now()));
}
