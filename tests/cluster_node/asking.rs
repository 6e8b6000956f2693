//! Asks and passes.

use std::time::Duration;

use sealpass::cluster::message::Body;
use sealpass::cluster::node::AskId;
use sealpass::cluster::ports::Facts as _;
use sealpass::revocation::{Fact, Uninformed};

use super::net::{Net, Start};
use super::{about, cutoff, settled, tag};

fn ask(net: &mut Net, at: usize) -> AskId {
    let now = net.now(at);
    let (id, actions) = net.replicas[at].node.ask(now, about(1));
    net.act(at, actions);
    id
}

/// How many replicas know of a cut-off of the tag.
fn cut(net: &Net) -> usize {
    net.replicas.iter().filter(|replica| replica.facts.tag(tag(1)).is_some()).count()
}

fn told_one(net: &Net, at: usize) -> Fact {
    let (fact, wall) = (cutoff(net, 1, net.now(0).wall), net.now(0).wall);
    drop(net.replicas[at].facts.merge(&[fact], wall));
    fact
}

#[test]
fn what_one_of_the_majority_knows_is_here_and_held_when_the_answer_is() {
    let mut net = settled(5);
    net.crash(3);
    net.crash(4);
    told_one(&net, 1);
    let id = ask(&mut net, 0);
    net.run(10);
    assert!(!net.replicas[0].asked.contains_key(&id), "not held by a majority yet");
    net.run(10);
    assert_eq!(net.replicas[0].asked[&id], Ok(()));
    assert_eq!(cut(&net), 3);
}

#[test]
fn an_ask_does_not_resolve_while_no_majority_holds_what_it_found() {
    let mut net = settled(5);
    net.crash(3);
    net.crash(4);
    told_one(&net, 1);
    net.drops = Box::new(|_, _, body| matches!(body, Body::Push { .. } | Body::State(_)));
    let id = ask(&mut net, 0);
    net.run(1_900);
    assert!(!net.replicas[0].asked.contains_key(&id));
    net.run(200);
    assert_eq!(net.replicas[0].asked[&id], Err(Uninformed));
    assert_eq!(net.replicas[0].node.counters().uninformed, 1);
}

#[test]
fn what_is_written_back_counts_when_it_is_durable() {
    let mut net = settled(3);
    net.crash(2);
    told_one(&net, 1);
    net.replicas[0].keeps = false;
    let id = ask(&mut net, 0);
    net.run(100);
    assert!(!net.replicas[0].asked.contains_key(&id), "we are one of the two, and it is not durable here");
    while let Some(ticket) = net.replicas[0].unkept.pop_front() {
        net.keep(0, ticket, true);
    }
    assert_eq!(net.replicas[0].asked[&id], Ok(()));
}

#[test]
fn equal_answers_need_one_step_and_no_edge() {
    let mut net = settled(3);
    let edge = net.start(Start { role: sealpass::cluster::member::Role::Edge, ..Start::of("e") });
    net.run(1_000);
    net.log.clear();
    let id = ask(&mut net, 0);
    net.run(10);
    assert_eq!(net.replicas[0].asked[&id], Ok(()));
    assert_eq!(net.sent(0, |body| matches!(body, Body::Ask { .. })), 2);
    let id = ask(&mut net, edge);
    net.run(10);
    assert_eq!(net.replicas[edge].asked[&id], Ok(()));
}

#[test]
fn a_lost_question_is_put_again() {
    let mut net = settled(3);
    net.drops = Box::new(|_, _, body| matches!(body, Body::Ask { .. }));
    let id = ask(&mut net, 0);
    net.run(150);
    net.drops = Box::new(|_, _, _| false);
    net.run(100);
    assert_eq!(net.replicas[0].asked[&id], Ok(()));
}

#[test]
fn starts_ahead_of_the_clocks_are_told_to_a_majority_and_found_by_an_ask() {
    let mut net = settled(3);
    let (now, at) = (net.now(0), net.now(0).wall.plus(Duration::from_secs(3)));
    net.crash(2);
    let (id, actions) = net.replicas[0].node.pass(now, vec![tag(1)], at);
    assert_eq!(net.replicas[0].facts.passed(&[tag(1)]), Some(at));
    net.act(0, actions);
    assert!(!net.replicas[0].asked.contains_key(&id));
    net.run(10);
    assert_eq!(net.replicas[0].asked[&id], Ok(()));
    // Whoever asks a majority meets one that was told.
    net.crash(0);
    let third = net.start(Start::of("s-2"));
    net.run(5_000);
    let id = ask(&mut net, third);
    net.run(10);
    assert_eq!(net.replicas[third].asked[&id], Ok(()));
    assert_eq!(net.replicas[third].facts.passed(&[tag(1)]), Some(at));
}

#[test]
fn nobodys_word_counts_soon_after_its_start() {
    let mut net = Net::of(3);
    net.run(1_000);
    assert!((0..3).all(|at| net.view(at).ready && !net.view(at).counts));
    let id = ask(&mut net, 0);
    net.run(2_100);
    assert_eq!(net.replicas[0].asked[&id], Err(Uninformed));
    net.run(1_000);
    let id = ask(&mut net, 0);
    net.run(10);
    assert_eq!(net.replicas[0].asked[&id], Ok(()));
}

#[test]
fn one_alone_answers_itself() {
    let mut net = settled(1);
    let id = ask(&mut net, 0);
    assert_eq!(net.replicas[0].asked[&id], Ok(()));
    let fact = super::deny(&net, 1);
    let push = net.push(0, &[fact]);
    assert_eq!(net.applied(0, push), 1);
    assert_eq!(net.replicas[0].released, [fact]);
    net.time += Duration::from_secs(60);
    assert!(net.view(0).ready, "it is never stale");
}
