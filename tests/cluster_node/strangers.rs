//! What is none of ours, and what is no message at all.

use sealpass::cluster::message::{Body, NEWEST, encode};
use sealpass::cluster::node::Standing;

use super::net::{Net, RING, Start};
use super::{deny, knowing, settled};

#[test]
fn one_of_another_ring_or_with_other_realms_is_seen_and_never_merged() {
    for (start, standing) in [
        (Start { ring: Some(vec![9, 1]), ..Start::of("s-2") }, Standing::OtherRing),
        (Start { realms: 2, ..Start::of("s-2") }, Standing::OtherRealms),
        (Start { ..Start::of("s-7") }, Standing::NotListed),
    ] {
        let mut net = Net::empty(3);
        net.start(Start::of("s-0"));
        net.start(Start::of("s-1"));
        net.run(5_000);
        let other = if start.name == "s-7" { net.start_unlisted(start) } else { net.start(start) };
        let (ours, theirs) = (deny(&net, 1), deny(&net, 2));
        net.push(other, &[theirs]);
        net.crash(1);
        let push = net.push(0, &[ours]);
        net.run(7_000);
        let reports = net.replicas[0].node.members(net.now(0));
        let found = reports.iter().find(|report| report.id == Some(net.replicas[other].id)).expect("seen");
        assert_eq!(found.standing, standing);
        assert!(!net.view(0).ready, "it does not count");
        assert_eq!(net.applied(0, push), 1);
        if standing != Standing::NotListed {
            assert_eq!((knowing(&net, 1), knowing(&net, 2)), (1, 1), "{standing:?}");
            assert!(net.replicas[0].node.counters().foreign > 0);
            assert_eq!(net.replicas[0].ring.0.lock().expect("no panic").0, Some(vec![RING, 1]));
        }
    }
}

#[test]
fn a_version_that_cant_be_read_is_seen_and_counted() {
    let mut net = settled(3);
    let id = sealpass::cluster::member::ReplicaId([99; 16]);
    let bytes =
        net.forge(1, |head| (head.id, head.version, head.reads) = (id, 2, 2), &Body::RingPull { nonce: [0; 16] });
    net.hand_over(0, &bytes);
    let reports = net.replicas[0].node.members(net.now(0));
    assert!(reports.iter().any(|report| report.id == Some(id) && report.standing == Standing::OtherProtocol));
    assert_eq!(net.replicas[0].node.counters().newer, 1);
    assert_eq!(net.replicas[0].node.counters().undecodable, 0);
    net.run(1_000);
    assert!(net.view(0).ready);
}

#[test]
fn answers_that_nobody_asked_for_change_nothing() {
    let mut net = settled(3);
    net.crash(1);
    net.crash(2);
    net.run(3_000);
    let old: Vec<_> =
        net.log.iter().filter(|(from, ..)| *from != 0).map(|(from, _, body)| (*from, body.clone())).collect();
    let fact = deny(&net, 1);
    let push = net.push(0, &[fact]);
    for (from, body) in old {
        let bytes = net.forge(from, |_| {}, &body);
        net.hand_over(0, &bytes);
    }
    net.run(3_000);
    assert_eq!(net.applied(0, push), 1);
    assert!(!net.view(0).ready);
    assert!(net.replicas[0].node.counters().unasked > 0);
}

/// Each message that was ever sent, with every bit flipped in turn and cut short everywhere, from somebody who holds the secret.
#[test]
fn nothing_that_is_sent_makes_a_node_panic() {
    let mut net = busy();
    let mut kinds = std::collections::BTreeMap::new();
    for (from, _, body) in &net.log {
        let kind = format!("{body:?}").split([' ', '(']).next().unwrap_or_default().to_owned();
        kinds.entry(kind).or_insert_with(Vec::new).push((*from, body.clone()));
    }
    assert_eq!(kinds.len(), 15, "{:?}", kinds.keys());
    let samples: Vec<_> = kinds.into_values().flat_map(|all| all.into_iter().take(2)).collect();
    let mut handed = 0u64;
    for (from, body) in samples {
        let bytes = net.forge(from, |_| {}, &body);
        for bit in 0..(bytes.len() * 8).min(4_000) {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            net.hand_over(0, &changed);
            handed += 1;
        }
        for len in 0..bytes.len().min(400) {
            net.hand_over(0, &bytes[..len]);
        }
        net.hand_over(0, &[&bytes[..], &[0]].concat());
    }
    net.run(3_000);
    let counters = net.replicas[0].node.counters();
    assert!(counters.undecodable > 1_000 && counters.undecodable < handed, "{counters:?}");
}

/// A fleet in which every kind of message was sent.
fn busy() -> Net {
    let mut net = settled(3);
    net.cut(0, 2);
    net.cut(1, 2);
    let fact = deny(&net, 1);
    net.push(0, &[fact]);
    net.run(1_000);
    net.heal();
    net.replicas[1].ring.set(&[RING, 1, 2]);
    let now = net.now(0);
    let (_, actions) = net.replicas[0].node.ask(now, super::about(1));
    net.act(0, actions);
    let (_, actions) = net.replicas[0].node.pass(now, vec![super::tag(1)], now.wall);
    net.act(0, actions);
    let (_, actions) = net.replicas[0].node.share_ring(now);
    net.act(0, actions);
    net.run(3_000);
    net
}

#[test]
fn a_message_of_any_size_is_refused_or_read() {
    let mut net = settled(1);
    for len in [0, 1, 100, 1 << 20, (1 << 20) + 1] {
        net.hand_over(0, &vec![0; len]);
        net.hand_over(0, &vec![0xff; len]);
    }
    let (head, _) =
        sealpass::cluster::message::decode(&net.forge(0, |_| {}, &Body::RingPull { nonce: [0; 16] }), NEWEST)
            .expect("reads");
    let huge = encode(&head, &Body::RingIs { nonce: [0; 16], bytes: vec![0; 1 << 20] });
    net.hand_over(0, &huge);
    assert_eq!(net.replicas[0].node.counters().undecodable, 11);
}
