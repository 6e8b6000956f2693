//! Pushes: who has them, what is sent again, what is dated anew, and what is raised.

use std::time::Duration;

use sealpass::cluster::member::Role;
use sealpass::cluster::message::Body;
use sealpass::cluster::node::{PushId, Standing};
use sealpass::cluster::ports::Facts as _;
use sealpass::revocation::{Fact, next};

use super::net::{Net, Start};
use super::{cutoff, deny, hour, knowing, settled, tag};

fn is_push(body: &Body) -> bool {
    matches!(body, Body::Push { .. })
}

#[test]
fn a_push_reaches_all_in_one_step() {
    let mut net = settled(3);
    let fact = deny(&net, 1);
    let push = net.push(0, &[fact]);
    assert_eq!(net.applied(0, push), 1);
    net.run(10);
    assert_eq!((net.applied(0, push), knowing(&net, 1)), (3, 3));
    assert_eq!(net.replicas[0].released, [fact]);
    assert_eq!(net.replicas[0].node.counters().pending, 0);
}

#[test]
fn acknowledged_is_what_is_durable_there() {
    let mut net = settled(3);
    net.replicas[1].keeps = false;
    net.replicas[2].keeps = false;
    let fact = deny(&net, 1);
    let push = net.push(0, &[fact]);
    net.run(100);
    assert_eq!((net.applied(0, push), knowing(&net, 1)), (1, 3), "known, and not durable");
    let ticket = net.replicas[1].unkept.pop_front().expect("waiting");
    net.keep(1, ticket, false);
    net.run(100);
    assert_eq!(net.applied(0, push), 1, "it could not be kept");
    let ticket = net.replicas[2].unkept.pop_front().expect("waiting");
    net.keep(2, ticket, true);
    net.run(100);
    assert_eq!(net.applied(0, push), 2);
}

#[test]
fn our_own_copy_counts_when_it_is_durable() {
    let mut net = settled(3);
    net.crash(2);
    let fact = deny(&net, 1);
    let now = net.now(0);
    drop(net.replicas[0].facts.merge(&[fact], now.wall));
    let (id, actions) = net.replicas[0].node.push(now, now.wall, vec![fact]);
    net.act(0, actions);
    net.run(100);
    assert_eq!(net.applied(0, id), 1);
    net.keep(0, id.ticket(), true);
    assert_eq!(net.applied(0, id), 2);
}

#[test]
fn what_a_majority_holds_is_not_sent_again_to_one_that_is_down() {
    let mut net = settled(3);
    net.crash(2);
    net.log.clear();
    let fact = deny(&net, 1);
    let push = net.push(0, &[fact]);
    net.run(30_000);
    assert_eq!(net.applied(0, push), 2);
    assert_eq!(net.sent(0, is_push), 1);
    let again = net.start(Start::of("s-2"));
    net.run(3_000);
    assert!(net.replicas[again].facts.session(super::session(1)).is_some(), "the rounds did it");
}

#[test]
fn what_no_majority_holds_is_sent_again_more_and_more_seldom_and_together() {
    let mut net = settled(3);
    net.drops = Box::new(|_, _, body| is_push(body));
    net.log.clear();
    let facts: Vec<Fact> = (0..20).map(|number| deny(&net, number)).collect();
    let pushes: Vec<PushId> = facts.iter().map(|fact| net.push(0, &[*fact])).collect();
    net.run(10_000);
    // Sixteen at once, and the other four together when those are not answered for a while.
    let again = net.sent(0, is_push) - 17;
    // After 0.25, 0.5, 1, 2 and 4 seconds, to each of the two.
    assert_eq!(again, 10);
    assert!(pushes.iter().all(|push| net.applied(0, *push) == 1));
    net.drops = Box::new(|_, _, _| false);
    net.run(5_500);
    assert!(pushes.iter().all(|push| net.applied(0, *push) == 3));
    assert_eq!(net.replicas[0].released.len(), 20);
}

#[test]
fn what_comes_faster_than_it_is_acknowledged_travels_together() {
    let mut net = settled(3);
    net.log.clear();
    let facts: Vec<Fact> = (0..200).map(|number| deny(&net, number)).collect();
    let pushes: Vec<PushId> = facts.iter().map(|fact| net.push(0, &[*fact])).collect();
    net.run(200);
    assert!(pushes.iter().all(|push| net.applied(0, *push) == 3));
    assert_eq!(net.sent(0, is_push), 17, "sixteen at once, and all others in one");
    assert_eq!(net.replicas[0].released.len(), 200);
}

#[test]
fn a_lost_push_is_made_good_in_time_for_whoever_waits_for_all() {
    let mut net = settled(3);
    net.drops = Box::new(|_, to, body| to == 2 && is_push(body));
    let fact = deny(&net, 1);
    let push = net.push(0, &[fact]);
    net.run(20);
    assert_eq!(net.applied(0, push), 2);
    net.drops = Box::new(|_, _, _| false);
    net.run(3_000);
    assert_eq!(net.applied(0, push), 3);
}

#[test]
fn what_came_late_is_kept_longer_by_as_much() {
    let mut net = settled(3);
    net.cut(0, 1);
    net.cut(0, 2);
    let fact = deny(&net, 1);
    let push = net.push(0, &[fact]);
    net.replicas[0].node.forget(push);
    net.run(20_000);
    assert_eq!((net.applied(0, push), net.replicas[0].released.len()), (1, 0));
    net.heal();
    net.run(2_000);
    let until = |at: usize| net.replicas[at].facts.session(super::session(1)).expect("known").until;
    let (before, after) = (fact.until(), until(1));
    assert!((20..23).contains(&after.since(before).as_secs()), "{:?}", after.since(before));
    assert_eq!((until(0), until(2)), (after, after));
    assert_eq!(net.replicas[0].released, [fact], "as it was pushed");
    assert_eq!(net.replicas[0].node.counters().pending, 0);
}

#[test]
fn a_cut_off_that_others_reach_is_raised_past_theirs_before_it_is_acknowledged() {
    let mut net = settled(3);
    for later in [0, 1_500] {
        let at = net.now(0).wall.plus(Duration::from_secs(2));
        let theirs = at.plus(Duration::from_millis(later));
        let wall = net.now(0).wall;
        let known = cutoff(&net, 1, theirs);
        drop(net.replicas[1].facts.merge(&[known], wall));
        net.drops = Box::new(|_, to, _| to == 2);
        let fact = cutoff(&net, 1, at);
        let push = net.push(0, &[fact]);
        net.run(20);
        assert_eq!(net.applied(0, push), 2);
        let cut = |at: usize| net.replicas[at].facts.tag(tag(1)).expect("known").cutoff;
        assert_eq!((cut(0), cut(1)), (Some(next(theirs)), Some(next(theirs))));
        net.drops = Box::new(|_, _, _| false);
        net.run(3_000);
    }
}

#[test]
fn a_cut_off_is_not_raised_past_one_of_much_later() {
    let mut net = settled(3);
    net.cut(0, 1);
    net.cut(0, 2);
    let early = net.now(0).wall.plus(Duration::from_secs(2));
    let fact = cutoff(&net, 1, early);
    let push = net.push(0, &[fact]);
    net.replicas[0].node.forget(push);
    net.run(60_000);
    let late = net.now(0).wall.plus(Duration::from_secs(2));
    let other = cutoff(&net, 1, late);
    net.push(1, &[other]);
    net.run(1_000);
    net.heal();
    net.run(3_000);
    assert_eq!(net.replicas[0].node.counters().pending, 0);
    for at in 0..3 {
        let cut = net.replicas[at].facts.tag(tag(1)).expect("known").cutoff;
        assert_eq!(cut, Some(late), "whoever logged in behind it began after both");
    }
}

#[test]
fn an_acknowledged_cut_off_that_is_sent_again_after_a_restart_is_not_raised() {
    let mut net = settled(3);
    let at = net.now(0).wall.plus(Duration::from_secs(2));
    let fact = cutoff(&net, 1, at);
    net.push(0, &[fact]);
    net.run(100);
    let facts = net.replicas[0].facts.clone();
    net.crash(0);
    let again = net.start_with(Start::of("s-0"), facts);
    let now = net.now(again);
    let (id, actions) = net.replicas[again].node.resume(now, now.wall, vec![fact]);
    net.act(again, actions);
    net.keep(again, id.ticket(), true);
    net.run(6_000);
    assert_eq!(net.replicas[again].released, [fact]);
    for at_replica in 0..4 {
        assert_eq!(net.replicas[at_replica].facts.tag(tag(1)).expect("known").cutoff, Some(at));
    }
}

#[test]
fn what_others_knew_of_a_session_is_here_when_a_push_is_acknowledged() {
    let mut net = settled(3);
    let (over, wall) = (deny(&net, 1), net.now(0).wall);
    for at in [1, 2] {
        drop(net.replicas[at].facts.merge(&[over], wall));
    }
    let Fact::Deny { session, from, of, until, .. } = over else { unreachable!("it is one") };
    let push = net.push(0, &[Fact::Deny { session, from, rotated: true, of, until }]);
    net.run(10);
    assert_eq!(net.applied(0, push), 3);
    let known = net.replicas[0].facts.session(session).expect("known");
    assert!(known.over() && known.succeeded());
}

#[test]
fn an_edge_and_an_unlisted_one_and_an_incomplete_one_count_for_nothing() {
    for start in [Start { role: Role::Edge, ..Start::of("s-2") }, Start { complete: false, ..Start::of("s-2") }] {
        let mut net = Net::empty(3);
        net.start(Start::of("s-0"));
        net.start(start.clone());
        net.run(9_000);
        assert!(!net.view(0).ready, "{start:?}");
        let fact = deny(&net, 1);
        let push = net.push(0, &[fact]);
        let now = net.now(0);
        let (ask, actions) = net.replicas[0].node.ask(now, super::about(1));
        net.act(0, actions);
        net.run(3_000);
        assert_eq!(net.applied(0, push), 1);
        assert!(net.replicas[0].asked[&ask].is_err());
        assert_eq!(knowing(&net, 1), 2, "it knows it all the same");
    }
}

#[test]
fn two_under_one_name_count_for_nothing_and_are_reported() {
    let mut net = settled(3);
    let twin = net.start(Start::of("s-2"));
    net.crash(1);
    net.run(4_000);
    for at in [2, twin] {
        assert!(net.view(at).why.contains(&sealpass::cluster::node::NotReady::NameTaken), "{:?}", net.view(at));
    }
    let reports = net.replicas[0].node.members(net.now(0));
    assert!(reports.iter().any(|report| report.standing == Standing::Duplicate), "{reports:?}");
    net.run(3_000);
    assert!(!net.view(0).ready, "{:?}", net.view(0));
    let fact = deny(&net, 1);
    let push = net.push(0, &[fact]);
    net.run(1_000);
    assert_eq!(net.applied(0, push), 1);
    net.crash(twin);
    net.run(8_000);
    assert!(net.view(0).ready && net.view(2).ready, "{:?} {:?}", net.view(0), net.view(2));
    assert_eq!(net.applied(0, push), 2);
}

#[test]
fn a_restarted_replica_is_no_duplicate() {
    let mut net = settled(3);
    for _ in 0..5 {
        let last = net.replicas.len() - 1;
        net.crash(last);
        let again = net.start(Start::of("s-2"));
        for _ in 0..60 {
            net.run(50);
            for at in [0, 1, again] {
                let reports = net.replicas[at].node.members(net.now(at));
                assert!(reports.iter().all(|report| report.standing != Standing::Duplicate), "{reports:?}");
                assert!(!net.view(at).why.contains(&sealpass::cluster::node::NotReady::NameTaken));
            }
        }
    }
}

/// Without a journal it has forgotten what it acknowledged.
#[test]
fn what_an_earlier_life_acknowledged_does_not_count_for_long() {
    let mut net = settled(5);
    net.drops = Box::new(|from, to, body| from == 0 && to != 1 && is_push(body));
    let fact = deny(&net, 1);
    let push = net.push(0, &[fact]);
    net.run(20);
    assert_eq!(net.applied(0, push), 2);
    net.crash(1);
    let again = net.start(Start { complete: false, journal: false, ..Start::of("s-1") });
    net.cut(0, again);
    net.run(3_000);
    net.drops = Box::new(|from, to, body| from == 0 && to != 2 && is_push(body));
    net.run(3_000);
    assert_eq!(net.replicas[0].released, [], "held by two of five: {}", net.applied(0, push));
    net.heal();
    net.drops = Box::new(|_, _, _| false);
    net.run(6_000);
    assert_eq!(net.replicas[0].released, [fact]);
    assert!(hour(&net) > fact.until());
}

/// It says that somebody was alive when it was asked, and not when the answer came.
#[test]
fn an_acknowledgement_that_was_long_on_the_way_proves_no_more_than_its_question() {
    let mut net = settled(3);
    net.crash(2);
    net.delay = Duration::from_secs(1);
    net.drops = Box::new(|_, _, body| matches!(body, Body::State(_)));
    let fact = deny(&net, 1);
    let push = net.push(0, &[fact]);
    net.run(4_000);
    assert!(net.sent(1, |body| matches!(body, Body::Ack { .. })) > 2);
    assert_eq!(net.applied(0, push), 1);
    net.delay = Duration::from_millis(1);
    net.drops = Box::new(|_, _, _| false);
    net.run(2_000);
    assert_eq!(net.applied(0, push), 2);
}
