//! Who holds another secret, or only a part of what comes from ours.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealpass::cluster::link::certificate::Certificates;
use sealpass::cluster::link::seal::PeerKeys;
use zenoh::{Config, Session, Wait as _};

/// Long enough for a link that could be made: they take some 5 ms here.
const LONG_ENOUGH: Duration = Duration::from_millis(1_500);

#[test]
fn another_secret_gets_no_link() {
    let (a, inbox) = open(A, &[1], &[]);
    let (stranger, strangers_inbox) = open(B, &[2], &[a.local_address()]);
    let (friend, friends_inbox) = open(C, &[1], &[a.local_address()]);
    linked(&a, &friends_inbox, b"mark");
    linked(&friend, &inbox, b"mark");
    for _ in 0..20 {
        stranger.send(To::All, b"let me in".to_vec());
        stranger.send(To::One(A), b"let me in".to_vec());
        a.send(To::One(B), b"for nobody".to_vec());
        std::thread::sleep(LONG_ENOUGH / 20);
    }
    assert!(!inbox.has(b"let me in") && !friends_inbox.has(b"let me in"));
    assert_eq!(strangers_inbox.all(), [[0; 0]; 0]);
    assert_eq!((a.counts().strangers, stranger.counts().received), (0, 0), "not even a link");
}

#[test]
fn while_the_secret_is_changed_all_hear_each_other() {
    for (first, second) in [([1].as_slice(), [1, 2].as_slice()), (&[1, 2], &[2, 1]), (&[2, 1], &[2])] {
        for (of_a, of_b) in [(first, second), (second, first)] {
            let (a, a_inbox) = open(A, of_a, &[]);
            let (b, b_inbox) = open(B, of_b, &[a.local_address()]);
            linked(&a, &b_inbox, b"from a");
            linked(&b, &a_inbox, b"from b");
        }
    }
}

#[test]
fn without_a_certificate_there_is_no_link() {
    let (a, inbox) = open(A, &[1], &[]);
    let raw = raw_session(a.local_address(), None);
    put_for(&raw, &topic(1), b"junk");
    assert_eq!(raw.info().peers_zid().wait().count(), 0);
    assert_eq!((inbox.all().len(), a.counts().strangers), (0, 0));
}

/// It has our certificates and no sealing key: it hears and says, and nothing that it makes up is delivered.
#[test]
fn without_the_sealing_key_nothing_but_replays_is_delivered() {
    let (a, inbox) = open(A, &[1], &[]);
    let (b, b_inbox) = open(B, &[1], &[a.local_address()]);
    let raw = raw_session(a.local_address(), Some(&certificates_of(1)));
    let heard = raw.declare_subscriber("sealpass/**").wait().expect("a subscription");
    linked(&b, &inbox, b"mark");
    let sealed = loop {
        b.send(To::All, b"overheard".to_vec());
        if let Ok(Some(sample)) = heard.recv_timeout(Duration::from_millis(100)) {
            break sample.payload().to_bytes().into_owned();
        }
    };
    assert!(!sealed.windows(9).any(|part| part == b"overheard") && !sealed.windows(4).any(|part| part == b"mark"));
    wait_until("what was sent to arrive", || inbox.has(b"overheard") || inbox.has(b"mark"));
    std::thread::sleep(Duration::from_millis(200)); // what is still under way
    let before = (inbox.all().len(), a.counts());
    let mut flipped = sealed.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    let one = topic(1).replace("/all", &format!("/to/{}", "0a".repeat(16)));
    let refused = [b"junk".to_vec(), Vec::new(), sealed[..sealed.len() - 1].to_vec(), flipped, vec![1; 3 << 20]];
    for payload in &refused {
        raw.put(topic(1), payload.clone()).wait().expect("it has a link");
    }
    raw.put(one, sealed.clone()).wait().expect("it has a link");
    raw.put(topic(1), sealed).wait().expect("it has a link");
    wait_until("the replay", || inbox.all().len() > before.0);
    println!("before {:?}, after {:?}", before.1, a.counts());
    assert_eq!(inbox.all().len(), before.0 + 1, "the replay, which the protocol ignores");
    // What is longer than any message the engine itself throws away; what was for all and is sent to one does not open.
    let strangers = a.counts().strangers - before.1.strangers;
    assert_eq!(strangers, 5, "four that are damaged, one that is astray: {:?}", a.counts());
    drop((b, b_inbox));
}

fn certificates_of(byte: u8) -> Certificates {
    Certificates::new(&keys(byte), now()).expect("certificates")
}

fn keys(byte: u8) -> PeerKeys {
    PeerKeys::new(&[&secret(byte)]).expect("a secret")
}

fn topic(byte: u8) -> String {
    let tag = keys(byte).tags().next().expect("one secret");
    format!("sealpass/v1/{}/all", tag.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn put_for(session: &Session, topic: &str, payload: &[u8]) {
    for _ in 0..20 {
        session.put(topic, payload).wait().expect("a session");
        std::thread::sleep(LONG_ENOUGH / 20);
    }
}

/// A session as anybody can open one, with what certificates it has.
fn raw_session(peer: SocketAddr, certificates: Option<&Certificates>) -> Session {
    let mut config = Config::default();
    let mut set = |key: &str, value: serde_json::Value| {
        config.insert_json5(key, &value.to_string()).expect("a key of zenoh's");
    };
    set("mode", "peer".into());
    set("connect/endpoints", vec![format!("quic/{peer}")].into());
    set("scouting/multicast/enabled", false.into());
    if let Some(of) = certificates {
        set("transport/link/tls/root_ca_certificate_base64", STANDARD.encode(&of.authorities).into());
        set("transport/link/tls/connect_certificate_base64", STANDARD.encode(&of.certificate).into());
        set("transport/link/tls/connect_private_key_base64", STANDARD.encode(of.key.as_bytes()).into());
        set("transport/link/tls/enable_mtls", true.into());
    } else {
        // It believes any server that it is shown the authority of, as one would who has seen a handshake.
        set("transport/link/tls/root_ca_certificate_base64", STANDARD.encode(certificates_of(1).authorities).into());
    }
    set("transport/link/tls/verify_name_on_connect", false.into());
    zenoh::open(config).wait().expect("a session")
}
