//! The protocol of the replicas, rule by rule: two to five nodes and a network of byte vectors.
#![cfg(feature = "server")]

#[path = "cluster_node/net.rs"]
mod net;

use std::time::Duration;

use net::{Net, RING, Start};
use sealpass::claims::{RealmId, SessionId};
use sealpass::clock::Timestamp;
use sealpass::cluster::member::Role;
use sealpass::cluster::message::Body;
use sealpass::cluster::node::{NotReady, Standing};
use sealpass::cluster::ports::Facts as _;
use sealpass::revocation::{AT_ONCE, Fact, Question, SessionKey, TagKey};

const REALM: RealmId = RealmId([1; 8]);

fn session(number: u8) -> SessionKey {
    SessionKey { realm: REALM, sid: SessionId([number; 16]) }
}

fn tag(number: u8) -> TagKey {
    TagKey { realm: REALM, tag: [number; 8] }
}

fn hour(net: &Net) -> Timestamp {
    net.now(0).wall.plus(Duration::from_secs(3_600))
}

fn deny(net: &Net, number: u8) -> Fact {
    Fact::Deny { session: session(number), from: AT_ONCE, rotated: false, of: None, until: hour(net) }
}

fn about(number: u8) -> Question {
    Question { realm: REALM, tags: vec![tag(number)], session: None }
}

fn settled(size: usize) -> Net {
    let mut net = Net::of(size);
    net.run(5_000);
    for at in 0..size {
        assert_eq!(net.view(at).why, [], "{at}");
    }
    net
}

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
}
