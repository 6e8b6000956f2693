//! The protocol of the replicas, rule by rule: one to five nodes and a network of byte vectors.
#![cfg(feature = "server")]

#[path = "cluster_node/net.rs"]
mod net;

#[path = "cluster_node/asking.rs"]
mod asking;
#[path = "cluster_node/bound.rs"]
mod bound;
#[path = "cluster_node/joining.rs"]
mod joining;
#[path = "cluster_node/pushing.rs"]
mod pushing;
#[path = "cluster_node/rounds.rs"]
mod rounds;
#[path = "cluster_node/strangers.rs"]
mod strangers;

use std::time::Duration;

use net::Net;
use sealpass::claims::{RealmId, SessionId};
use sealpass::clock::Timestamp;
use sealpass::revocation::{AT_ONCE, Fact, Question, SessionKey, TagKey};

const REALM: RealmId = RealmId([1; 8]);

fn session(number: u32) -> SessionKey {
    let mut sid = [0; 16];
    sid[..4].copy_from_slice(&number.to_le_bytes());
    SessionKey { realm: REALM, sid: SessionId(sid) }
}

fn tag(number: u8) -> TagKey {
    TagKey { realm: REALM, tag: [number; 8] }
}

fn hour(net: &Net) -> Timestamp {
    net.now(0).wall.plus(Duration::from_secs(3_600))
}

fn deny(net: &Net, number: u32) -> Fact {
    Fact::Deny { session: session(number), from: AT_ONCE, rotated: false, of: None, until: hour(net) }
}

fn cutoff(net: &Net, number: u8, at: Timestamp) -> Fact {
    Fact::Cutoff { tag: tag(number), at, until: hour(net) }
}

fn about(number: u8) -> Question {
    Question { realm: REALM, tags: vec![tag(number)], session: None }
}

/// So many replicas that have started, heard of one another and count.
fn settled(size: usize) -> Net {
    let mut net = Net::of(size);
    net.run(5_000);
    for at in 0..size {
        assert_eq!(net.view(at).why, [], "{at}");
        assert!(net.view(at).counts, "{at}");
    }
    net
}

/// How many replicas know that the session is over.
fn knowing(net: &Net, number: u32) -> usize {
    net.replicas.iter().filter(|replica| replica.facts.session(session(number)).is_some()).count()
}
