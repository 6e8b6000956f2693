//! Rounds: how old what is known is, by whose clock, and what one costs.

use std::time::Duration;

use sealpass::cluster::member::Role;
use sealpass::cluster::message::Body;
use sealpass::cluster::node::{NotReady, To};
use sealpass::cluster::ports::Facts as _;

use super::net::{Net, Start};
use super::{deny, knowing, settled};

#[test]
fn three_that_start_at_once_are_ready_and_stay_so() {
    let mut net = settled(3);
    for _ in 0..50 {
        net.run(100);
        for at in 0..3 {
            let view = net.view(at);
            assert!(view.ready && view.age.is_some_and(|age| age <= Duration::from_millis(1_100)), "{view:?}");
        }
    }
    assert!(net.replicas[0].ring.confirmed_ago().is_some_and(|ago| ago <= Duration::from_secs(1)));
}

#[test]
fn whoever_is_cut_off_is_stale_after_five_seconds_and_the_others_are_not() {
    let mut net = settled(3);
    net.cut(0, 2);
    net.cut(1, 2);
    net.run(4_000);
    assert!(net.view(2).ready, "{:?}", net.view(2));
    net.run(2_000);
    assert!(matches!(net.view(2).why[..], [NotReady::Stale(_)]), "{:?}", net.view(2));
    assert!(net.view(0).ready && net.view(1).ready);
    net.heal();
    net.run(500);
    assert!(net.view(2).ready, "{:?}", net.view(2));
}

#[test]
fn age_counts_from_the_sending_of_the_question() {
    let mut net = settled(3);
    net.delay = Duration::from_millis(800);
    net.run(6_000);
    for _ in 0..40 {
        net.run(50);
        assert!(net.view(0).age >= Some(Duration::from_millis(1_600)), "{:?}", net.view(0));
        assert!(net.view(0).age <= Some(Duration::from_millis(2_800)), "{:?}", net.view(0));
    }
    // So late that it makes nobody fresh.
    net.delay = Duration::from_millis(2_600);
    net.run(12_000);
    for _ in 0..40 {
        net.run(50);
        assert!(net.view(0).age >= Some(Duration::from_secs(5)), "{:?}", net.view(0));
        assert!(!net.view(0).ready);
    }
}

#[test]
fn a_suspended_process_is_stale_at_once_until_a_new_round() {
    let mut net = settled(3);
    net.time += Duration::from_secs(6);
    assert!(matches!(net.view(0).why[..], [NotReady::Stale(_)]), "{:?}", net.view(0));
    assert!(net.view(1).fresh_until.is_some_and(|until| until.uptime < net.time));
    net.run(300);
    assert!(net.view(0).ready, "{:?}", net.view(0));
    // The same by the wall clock alone.
    net.replicas[0].start.ahead += 6_000;
    assert!(net.view(0).why.iter().any(|why| matches!(why, NotReady::Stale(_))), "{:?}", net.view(0));
    // And a wall clock that goes back makes nothing younger.
    let mut net = settled(3);
    net.cut(0, 1);
    net.cut(0, 2);
    net.run(6_000);
    net.replicas[0].start.ahead -= 20_000;
    assert!(net.view(0).why.iter().any(|why| matches!(why, NotReady::Stale(_))), "{:?}", net.view(0));
}

#[test]
fn a_round_counts_when_the_differences_are_merged() {
    let mut net = settled(3);
    net.cut(0, 2);
    net.cut(1, 2);
    let fact = deny(&net, 1);
    net.push(0, &[fact]);
    net.run(500);
    net.heal();
    net.drops = Box::new(|_, to, body| to == 2 && matches!(body, Body::Pulled { .. } | Body::Push { .. }));
    net.run(6_000);
    assert_eq!(knowing(&net, 1), 2);
    assert!(
        matches!(net.view(2).why[..], [NotReady::Stale(_)]),
        "it was heard from, and not merged: {:?}",
        net.view(2)
    );
    net.drops = Box::new(|_, _, _| false);
    net.run(3_000);
    assert_eq!(knowing(&net, 1), 3);
    assert!(net.view(2).ready);
}

#[test]
fn what_was_merged_counts_in_the_view_before_it_is_durable() {
    let mut net = settled(3);
    net.cut(0, 2);
    net.cut(1, 2);
    let fact = deny(&net, 1);
    net.push(0, &[fact]);
    net.run(6_000);
    net.heal();
    net.replicas[2].keeps = false;
    net.run(2_000);
    assert_eq!(knowing(&net, 1), 3);
    assert!(net.view(2).ready && !net.view(2).settled, "{:?}", net.view(2));
    for ticket in std::mem::take(&mut net.replicas[2].unkept) {
        net.keep(2, ticket, true);
    }
    assert!(net.view(2).settled);
}

#[test]
fn a_clock_that_is_off_is_known_to_be_and_dates_nothing() {
    let mut net = settled(3);
    net.replicas[2].start.ahead = 3_600_000;
    net.run(2_000);
    let view = net.view(2);
    assert!(matches!(view.why[..], [NotReady::ClockOff(off)] if (3_599_900..=3_600_100).contains(&off)), "{view:?}");
    let dated = view.date(net.now(2).wall);
    let apart = dated.since(net.now(0).wall) + net.now(0).wall.since(dated);
    assert!(apart < Duration::from_millis(100), "{apart:?}");
    assert!(net.view(0).ready && net.view(1).ready);
    let clock = net.replicas[0].node.members(net.now(0))[2].offset;
    assert!(clock.is_some_and(|off| (3_599_900..=3_600_100).contains(&off)), "{clock:?}");
    // One that is off by less dates by itself.
    net.replicas[2].start.ahead = 900;
    net.run(2_000);
    assert!(net.view(2).ready);
    assert_eq!(net.view(2).date(net.now(2).wall), net.now(2).wall);
}

#[test]
fn of_two_both_are_off_past_twice_the_error() {
    let mut net = settled(2);
    net.replicas[1].start.ahead = 1_900;
    net.run(3_000);
    assert!(net.view(0).ready && net.view(1).ready);
    net.replicas[1].start.ahead = 2_200;
    net.run(3_000);
    assert!(!net.view(0).ready && !net.view(1).ready);
}

#[test]
fn slow_answers_are_no_clock_samples() {
    for (delay, why) in [(90, vec![]), (110, vec![NotReady::ClockUnknown])] {
        let mut net = Net::of(3);
        net.delay = Duration::from_millis(delay);
        net.run(8_000);
        assert_eq!(net.view(0).why, why, "{delay}");
    }
}

#[test]
fn equal_replicas_exchange_one_small_question_a_second() {
    let mut net = settled(3);
    let facts: Vec<_> = (0..200).map(|number| deny(&net, number)).collect();
    let wall = net.now(0).wall;
    net.replicas.iter().for_each(|replica| drop(replica.facts.merge(&facts, wall)));
    net.log.clear();
    net.run(10_000);
    for at in 0..3 {
        assert_eq!(net.sent(at, |body| matches!(body, Body::Round { .. })), 10);
        assert_eq!(net.sent(at, |body| matches!(body, Body::State(state) if state.buckets.is_none())), 20);
        assert_eq!(net.sent(at, |_| true), 30);
    }
}

#[test]
fn only_leaves_that_differ_are_pulled_under_constant_writes() {
    let mut net = settled(3);
    let facts: Vec<_> = (0..500).map(|number| deny(&net, number)).collect();
    let wall = net.now(0).wall;
    net.replicas.iter().for_each(|replica| drop(replica.facts.merge(&facts, wall)));
    net.drops = Box::new(|_, to, body| to == 2 && matches!(body, Body::Push { .. }));
    net.log.clear();
    for number in 0..50 {
        let fact = deny(&net, 1_000 + number);
        let push = net.push(0, &[fact]);
        net.replicas[0].node.forget(push);
        net.run(20);
    }
    net.run(2_000);
    let asked = |body: &Body| if let Body::Pull { leaves, .. } = body { leaves.len() } else { 0 };
    let leaves: usize = net.log.iter().map(|(_, _, body)| asked(body)).sum();
    let told: usize =
        net.log.iter().map(|(_, _, body)| if let Body::Pulled { facts, .. } = body { facts.len() } else { 0 }).sum();
    // Each of the two others has them, and neither knows that it lacks nothing until it has looked.
    assert!((50..=200).contains(&leaves) && (50..=100).contains(&told), "{leaves} {told}");
    assert_eq!(knowing(&net, 1_049), 3);
}

#[test]
fn what_a_replica_has_done_away_with_is_merged_for_the_view_and_not_pulled_for_ever() {
    let mut net = Net::empty(3);
    net.start(Start::of("s-0"));
    let (swept, other) = (deny(&net, 1), deny(&net, 2));
    net.refused = vec![swept];
    net.start(Start::of("s-1"));
    net.start(Start::of("s-2"));
    net.run(6_000);
    let wall = net.now(0).wall;
    drop(net.replicas[0].facts.merge(&[swept], wall));
    // By the other one of these two it would be fresh without it.
    net.crash(2);
    net.log.clear();
    net.run(30_000);
    assert_eq!(net.view(1).why, [], "all that is there is known, though it differs");
    assert!(!net.replicas[1].facts.same(&[swept]).contains(&swept));
    let pulls = |net: &Net| net.log.iter().filter(|(_, _, body)| matches!(body, Body::Pull { .. })).count();
    assert!((1..=4).contains(&pulls(&net)), "{} in thirty seconds", pulls(&net));
    // What comes into the same bucket or another one is pulled all the same.
    drop(net.replicas[0].facts.merge(&[other], wall));
    net.run(2_000);
    assert_eq!(net.replicas[1].facts.same(&[other]), [other]);
    assert_eq!(net.view(1).why, []);
}

#[test]
fn an_edge_is_fresh_by_the_same_majority_and_counts_for_nobody() {
    let mut net = settled(3);
    let edge = net.start(Start { role: Role::Edge, complete: false, ..Start::of("e") });
    net.run(600);
    assert_eq!(net.view(edge).why, [], "without waiting for its word to count");
    net.crash(1);
    net.crash(2);
    net.run(6_000);
    assert!(!net.view(edge).ready && !net.view(0).ready);
}

/// A fleet of many edges would have nothing else to do than to hear each other ask.
#[test]
fn edges_ask_the_core_alone_unless_they_lack_a_ring() {
    let edge = || Start { role: Role::Edge, complete: false, ..Start::of("e") };
    let mut net = settled(3);
    let (with, without) = (net.start(edge()), net.start(Start { ring: None, ..edge() }));
    net.drops = Box::new(move |from, to, _| from == without || to == without);
    net.run(3_000);
    let asked = |from| net.log.iter().filter(move |(at, _, body)| *at == from && matches!(body, Body::Round { .. }));
    assert!(asked(with).count() > 0 && asked(with).all(|(_, to, _)| *to == To::Core));
    assert!(asked(without).count() > 0 && asked(without).all(|(_, to, _)| *to == To::All));
    assert!(asked(0).all(|(_, to, _)| *to == To::All), "an ending may have come no further than an edge");
}
