//! That a session is bound to a device: it reaches every replica, and of two registrations at one moment all know the
//! same one, whoever was told of it first.

use std::time::Duration;

use sealpass::claims::Registration;
use sealpass::clock::Timestamp;
use sealpass::cluster::message::Body;
use sealpass::revocation::{Fact, Question};

use super::net::{Net, Start};
use super::{REALM, hour, session, settled};

fn bound(net: &Net, number: u32, at: Timestamp, key: u8) -> Fact {
    let by = Registration { at, key: [key; 8] };
    Fact::Bound { session: session(number), by, of: ([7; 8], net.now(0).wall), until: hour(net) }
}

/// By which device every replica that runs takes the session for bound.
fn devices(net: &Net, number: u32) -> Vec<Option<u8>> {
    let up = net.replicas.iter().filter(|replica| replica.up);
    let known = up.map(|replica| replica.facts.session(session(number)));
    known.map(|known| known.and_then(|known| known.bound).map(|bound| bound.by.key[0])).collect()
}

#[test]
fn a_registration_reaches_all_and_is_held_by_a_majority() {
    let mut net = settled(3);
    let fact = bound(&net, 1, hour(&net), 1);
    let push = net.push(0, &[fact]);
    net.run(10);
    assert_eq!((net.applied(0, push), devices(&net, 1)), (3, vec![Some(1); 3]));
    assert_eq!(net.replicas[0].released, [fact]);
}

#[test]
fn of_two_registrations_at_one_moment_all_know_the_earlier_and_so_does_whoever_made_the_other() {
    for (first, second) in [(0, 1), (1, 0)] {
        let mut net = settled(3);
        let facts = [1, 2].map(|key: u8| bound(&net, 1, hour(&net).plus(Duration::from_millis(key.into())), key));
        let pushes = [net.push(0, &[facts[first]]), net.push(1, &[facts[second]])];
        net.run(20);
        assert_eq!(devices(&net, 1), [Some(1); 3]);
        for (at, push) in pushes.into_iter().enumerate() {
            assert_eq!(net.applied(at, push), 3, "told of before it is acknowledged");
        }
    }
}

#[test]
fn whoever_registers_behind_another_one_of_whom_it_has_not_heard_is_told_by_those_who_have() {
    let mut net = settled(3);
    let later = hour(&net).plus(Duration::from_millis(1));
    net.drops = Box::new(|from, to, body| (from, to) == (0, 1) && matches!(body, Body::Push { .. }));
    let (first, second) = (bound(&net, 1, hour(&net), 1), bound(&net, 1, later, 2));
    net.push(0, &[first]);
    net.run(20);
    assert_eq!(devices(&net, 1), [Some(1), None, Some(1)]);
    let push = net.push(1, &[second]);
    net.run(10);
    assert_eq!((net.applied(1, push), devices(&net, 1)), (3, vec![Some(1); 3]));
}

#[test]
fn whoever_asks_before_it_registers_hears_of_it_though_it_was_cut_off_meanwhile() {
    let mut net = settled(3);
    net.drops = Box::new(|from, to, _| from == 2 || to == 2);
    let fact = bound(&net, 1, hour(&net), 1);
    let push = net.push(0, &[fact]);
    net.run(20);
    assert_eq!((net.applied(0, push), devices(&net, 1)), (2, vec![Some(1), Some(1), None]));
    net.drops = Box::new(|_, _, _| false);
    let question = Question { realm: REALM, tags: Vec::new(), session: Some(session(1)) };
    let now = net.now(2);
    let (ask, actions) = net.replicas[2].node.ask(now, question);
    net.act(2, actions);
    net.run(20);
    assert_eq!(net.replicas[2].asked.get(&ask), Some(&Ok(())));
    assert_eq!(devices(&net, 1), [Some(1); 3]);
}

#[test]
fn a_replica_that_comes_without_a_journal_knows_it_before_it_answers() {
    let mut net = settled(3);
    let fact = bound(&net, 1, hour(&net), 1);
    net.push(0, &[fact]);
    net.run(20);
    net.crash(2);
    let again = net.start(Start { complete: false, journal: false, ..Start::of("s-2") });
    net.run(5_000);
    assert_eq!(net.view(again).why, []);
    assert_eq!(devices(&net, 1), [Some(1); 3]);
}
