//! Joining and starting again: from whom a replica learns what it lacks, and what a core does that has lost its facts.

use std::time::Duration;

use sealpass::cluster::member::Role;
use sealpass::cluster::message::Body;
use sealpass::cluster::node::NotReady;
use sealpass::cluster::ports::{Facts as _, Rings as _};

use super::net::{Net, RING, Start};
use super::{REALM, deny, settled};

fn joiner(name: &str) -> Start {
    Start { complete: false, ..Start::of(name) }
}

#[test]
fn a_joiner_pulls_everything_once_and_is_ready_soon() {
    let mut net = Net::empty(3);
    net.start(Start::of("s-0"));
    net.start(Start::of("s-1"));
    net.run(5_000);
    let facts: Vec<_> = (0..20_000).map(|number| deny(&net, number)).collect();
    let wall = net.now(0).wall;
    net.replicas.iter().for_each(|replica| drop(replica.facts.merge(&facts, wall)));
    let third = net.start(joiner("s-2"));
    net.log.clear();
    net.run(1_500);
    let view = net.view(third);
    assert!(view.ready && view.complete && !view.votes, "{view:?}");
    assert_eq!(net.replicas[third].facts.all().len(), 20_000);
    assert_eq!(net.replicas[third].node.counters().repaired, 20_000, "from one, not from both");
    net.run(3_000);
    assert!(net.view(third).counts && net.view(third).settled);
}

#[test]
fn complete_is_who_has_learned_from_enough_that_are() {
    let mut net = Net::empty(5);
    for name in ["s-0", "s-1", "s-2"] {
        net.start(Start::of(name));
    }
    let (third, fourth) = (net.start(joiner("s-3")), net.start(joiner("s-4")));
    // Two that are complete and one that is not: of five, three complete ones are enough.
    net.cut(fourth, 0);
    net.cut(third, 0);
    net.run(8_000);
    assert!(net.view(fourth).why.contains(&NotReady::Incomplete), "{:?}", net.view(fourth));
    net.heal();
    net.run(1_000);
    assert!(net.view(fourth).complete && net.view(fourth).ready, "{:?}", net.view(fourth));
    assert_eq!(net.replicas.iter().map(|replica| replica.node.counters().floors_raised).sum::<u64>(), 0);
}

#[test]
fn without_a_journal_a_replica_is_ready_when_it_counts_itself() {
    let mut net = settled(3);
    net.crash(2);
    let again = net.start(Start { journal: false, ..joiner("s-2") });
    net.run(1_000);
    assert!(net.view(again).complete && !net.view(again).ready, "{:?}", net.view(again));
    net.run(2_500);
    assert!(net.view(again).ready && net.view(again).votes, "{:?}", net.view(again));
}

#[test]
fn restarted_one_by_one_without_journals_nothing_is_lost_and_nobody_is_logged_out() {
    let mut net = Net::empty(3);
    let start = |name: &str| Start { journal: false, ..Start::of(name) };
    for name in ["s-0", "s-1", "s-2"] {
        net.start(start(name));
    }
    net.run(5_000);
    let fact = deny(&net, 1);
    net.push(0, &[fact]);
    net.run(100);
    for (old, name) in [(0, "s-0"), (1, "s-1"), (2, "s-2")] {
        net.crash(old);
        let again = net.start(Start { complete: false, ..start(name) });
        let mut waited = 0;
        while !net.view(again).ready {
            net.run(50);
            waited += 50;
            assert!(waited < 10_000, "{:?}", net.view(again));
        }
        assert!(net.replicas[again].facts.session(super::session(1)).is_some());
    }
    assert!(net.replicas.iter().all(|replica| replica.facts.floor(REALM).is_none()));
}

#[test]
fn a_core_that_has_lost_its_facts_raises_the_floor() {
    for complete in [0, 1] {
        let mut net = Net::empty(3);
        for slot in 0..3 {
            let start = Start { journal: false, complete: slot < complete, ..Start::of(&format!("s-{slot}")) };
            net.start(start);
        }
        net.run(3_900);
        assert!(net.replicas.iter().all(|replica| replica.facts.floor(REALM).is_none()));
        assert!((0..3).all(|at| !net.view(at).ready));
        let wall = net.now(0).wall;
        net.run(1_500);
        for at in 0..3 {
            assert!(net.view(at).ready && net.view(at).counts, "{:?}", net.view(at));
            let floor = net.replicas[at].facts.floor(REALM).expect("raised");
            assert!(floor >= wall.plus(Duration::from_secs(2)), "{floor:?}");
        }
    }
    // One that has lost its facts completes itself from the others.
    let mut net = Net::empty(3);
    net.start(Start::of("s-0"));
    net.start(Start::of("s-1"));
    net.start(joiner("s-2"));
    net.run(10_000);
    assert!(net.view(2).ready);
    assert!(net.replicas.iter().all(|replica| replica.facts.floor(REALM).is_none()));
    // And two that can't hear the majority don't.
    let mut net = Net::empty(5);
    for slot in 0..5 {
        net.start(Start { complete: slot < 2, ..Start::of(&format!("s-{slot}")) });
    }
    net.cut(3, 4);
    net.cut(2, 4);
    net.cut(2, 3);
    net.run(10_000);
    assert!(net.replicas.iter().all(|replica| replica.facts.floor(REALM).is_none()));
    net.heal();
    net.run(3_000);
    assert!((0..5).all(|at| net.view(at).ready));
}

#[test]
fn one_without_a_ring_takes_it_from_anybody_and_nothing_else_before() {
    let mut net = Net::empty(3);
    let edge = net.start(Start { role: Role::Edge, ..joiner("e") });
    let first = net.start(Start { ring: None, ..Start::of("s-0") });
    net.run(100);
    let fact = deny(&net, 1);
    net.replicas[first].ring.0.lock().expect("no panic").0 = None;
    net.drops = Box::new(|_, _, body| matches!(body, Body::RingIs { .. }));
    net.push(edge, &[fact]);
    net.run(1_000);
    assert!(net.view(first).why.contains(&NotReady::NoRing));
    assert!(net.replicas[first].facts.all().is_empty(), "facts are kept under a ring");
    net.drops = Box::new(|_, _, _| false);
    net.run(2_000);
    assert_eq!(net.replicas[first].ring.bytes(), Some(vec![RING, 1]));
}

#[test]
fn rings_become_one_and_a_share_says_who_has_it() {
    let mut net = settled(3);
    net.replicas[1].ring.set(&[RING, 1, 2]);
    net.run(3_000);
    assert!(net.replicas.iter().all(|replica| replica.ring.bytes() == Some(vec![RING, 1, 2])));
    net.crash(2);
    net.replicas[0].ring.set(&[RING, 1, 2, 3]);
    net.replicas[1].ring.set(&[RING, 1, 2, 4]);
    let now = net.now(0);
    let (id, actions) = net.replicas[0].node.share_ring(now);
    net.act(0, actions);
    assert_eq!(net.applied(0, id), 1);
    net.run(300);
    assert_eq!(net.applied(0, id), 2);
    assert!((0..2).all(|at| net.replicas[at].ring.bytes() == Some(vec![RING, 1, 2, 3, 4])));
    let mut last = Start::of("s-2");
    last.ring = Some(vec![RING, 1]);
    net.start(last);
    net.run(6_000);
    assert_eq!(net.applied(0, id), 3);
}

#[test]
fn a_ring_that_no_majority_confirms_ends_readiness_in_time() {
    let mut net = settled(3);
    net.drops = Box::new(|_, _, body| matches!(body, Body::RingIs { .. }));
    net.replicas[0].ring.set(&[RING, 1, 2]);
    net.run(1_000);
    assert_eq!(net.view(0).why, [NotReady::RingUnconfirmed], "nobody has said that this one is theirs");
    assert!(net.view(1).ready);
    net.drops = Box::new(|_, _, _| false);
    net.run(3_000);
    assert!(net.view(0).ready);
}

/// By its own clock all that it lacks has expired.
#[test]
fn a_joiner_whose_clock_is_ahead_is_not_complete_without_what_it_thinks_expired() {
    let mut net = settled(3);
    net.crash(2);
    let facts: Vec<_> = (0..50).map(|number| deny(&net, number)).collect();
    let wall = net.now(0).wall;
    for at in [0, 1] {
        drop(net.replicas[at].facts.merge(&facts, wall));
    }
    let late = net.start(Start { ahead: 2 * 3_600_000, ..joiner("s-2") });
    for _ in 0..60 {
        net.run(50);
        assert!(!net.view(late).complete || net.replicas[late].facts.all().len() == 50);
    }
    assert!(net.view(late).complete && !net.view(late).ready, "{:?}", net.view(late));
}
