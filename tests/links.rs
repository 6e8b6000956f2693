//! Links between replicas: one suite over the links of the network and those of the memory, then what only a network can do:
//! refuse strangers, find peers that come later, and find them again.

#![cfg(feature = "server")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sealpass::clock::Timestamp;
use sealpass::cluster::link::memory::{MemoryLink, MemoryNetwork};
use sealpass::cluster::link::zenoh::{LinkSettings, ZenohLink};
use sealpass::cluster::link::{Deliver, Link, LinkCounts, LinkError};
use sealpass::cluster::member::{ReplicaId, Role};
use sealpass::cluster::node::To;
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::file::ClusterSecret;
use sealpass::secret::Secret;

#[path = "links/strangers.rs"]
mod strangers;

const A: ReplicaId = ReplicaId([0xa; 16]);
const B: ReplicaId = ReplicaId([0xb; 16]);
const C: ReplicaId = ReplicaId([0xc; 16]);
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came in.
#[derive(Clone, Default)]
struct Inbox(Arc<Mutex<Vec<Vec<u8>>>>);

impl Inbox {
    fn deliver(&self) -> Deliver {
        let inbox = self.0.clone();
        Arc::new(move |payload| inbox.lock().expect("no test panics in it").push(payload.to_vec()))
    }

    fn all(&self) -> Vec<Vec<u8>> {
        self.0.lock().expect("no test panics in it").clone()
    }

    fn has(&self, payload: &[u8]) -> bool {
        self.all().iter().any(|had| had == payload)
    }

    fn count(&self, payload: &[u8]) -> usize {
        self.all().iter().filter(|had| *had == payload).count()
    }
}

fn secret(byte: u8) -> ClusterSecret {
    Secret::from_slice(&[byte; 32]).expect("32 bytes")
}

fn now() -> Timestamp {
    use sealpass::clock::Clock as _;
    sealpass::clock::SystemClock.now()
}

fn settings(id: ReplicaId, secrets: &[u8], peers: &[SocketAddr]) -> LinkSettings {
    LinkSettings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        peers: peers.iter().map(ToString::to_string).collect(),
        secrets: secrets.iter().copied().map(secret).collect(),
        id,
        role: role(id),
        now: now(),
        entropy: Arc::new(SystemEntropy::new()),
    }
}

/// The third of three is an edge.
fn role(id: ReplicaId) -> Role {
    if id == C { Role::Edge } else { Role::Core }
}

fn open(id: ReplicaId, secrets: &[u8], peers: &[SocketAddr]) -> (ZenohLink, Inbox) {
    let inbox = Inbox::default();
    let link = ZenohLink::open(settings(id, secrets, peers), inbox.deliver()).expect("it listens");
    (link, inbox)
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}: not after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
    start.elapsed()
}

/// Sends from `from` until `inbox` has one, so that they are linked; how long that took.
fn linked(from: &dyn Link, inbox: &Inbox, mark: &[u8]) -> Duration {
    let mut sent = Instant::now().checked_sub(Duration::from_secs(1));
    wait_until("a link", || {
        if sent.is_none_or(|at| at.elapsed() > Duration::from_millis(20)) {
            from.send(To::All, mark.to_vec());
            sent = Some(Instant::now());
        }
        inbox.has(mark)
    })
}

/// Three links, each with each.
trait Three {
    fn link(&self, at: usize) -> &dyn Link;
    fn inbox(&self, at: usize) -> &Inbox;
    fn counts(&self, at: usize) -> LinkCounts;
}

struct OverNetwork([(ZenohLink, Inbox); 3]);
struct InMemory([(MemoryLink, Inbox); 3]);

impl Three for OverNetwork {
    fn link(&self, at: usize) -> &dyn Link {
        &self.0[at].0
    }
    fn inbox(&self, at: usize) -> &Inbox {
        &self.0[at].1
    }
    fn counts(&self, at: usize) -> LinkCounts {
        self.0[at].0.counts()
    }
}

impl Three for InMemory {
    fn link(&self, at: usize) -> &dyn Link {
        &self.0[at].0
    }
    fn inbox(&self, at: usize) -> &Inbox {
        &self.0[at].1
    }
    fn counts(&self, at: usize) -> LinkCounts {
        self.0[at].0.counts()
    }
}

/// The third knows only the second, so that gossip has to tell it of the first.
fn over_network() -> OverNetwork {
    let a = open(A, &[1], &[]);
    let b = open(B, &[1], &[a.0.local_address()]);
    let c = open(C, &[1], &[b.0.local_address()]);
    let three = OverNetwork([a, b, c]);
    for from in 0..3 {
        for to in (0..3).filter(|to| *to != from) {
            linked(three.link(from), three.inbox(to), format!("{from} to {to}").as_bytes());
        }
    }
    three
}

fn in_memory() -> InMemory {
    let network = MemoryNetwork::new();
    InMemory([A, B, C].map(|id| {
        let inbox = Inbox::default();
        let link = network.open((id, role(id)), &[&secret(1)], Arc::new(SystemEntropy::new()), inbox.deliver());
        (link.expect("a secret"), inbox)
    }))
}

#[test]
fn the_network_delivers() {
    delivers(&over_network());
}

#[test]
fn the_memory_delivers() {
    delivers(&in_memory());
}

/// The suite of every link.
fn delivers(three: &dyn Three) {
    three.link(0).send(To::All, b"to all".to_vec());
    three.link(0).send(To::One(B), b"to one".to_vec());
    let large = vec![0x5a; sealpass::cluster::message::MAX_MESSAGE];
    three.link(0).send(To::One(C), large.clone());
    three.link(0).send(To::One(ReplicaId([9; 16])), b"to nobody".to_vec());
    three.link(0).send(To::Core, b"to the core".to_vec());
    three.link(2).send(To::Core, b"of an edge".to_vec());
    three.link(0).send(To::All, b"last".to_vec());
    wait_until("delivery", || {
        let all = [1, 2].iter().all(|at| three.inbox(*at).has(b"to all") && three.inbox(*at).has(b"last"));
        let core = [0, 1].iter().all(|at| three.inbox(*at).has(b"of an edge")) && three.inbox(1).has(b"to the core");
        all && core && three.inbox(1).has(b"to one") && three.inbox(2).has(&large)
    });
    assert!(!three.inbox(2).has(b"to one") && !three.inbox(1).has(&large), "others do not hear it");
    assert_eq!((three.inbox(1).count(b"to all"), three.inbox(1).count(b"to one")), (1, 1), "once");
    assert!(!three.inbox(0).has(b"to all"), "not to the sender");
    assert!(!three.inbox(2).has(b"to the core"), "an edge is none of the core");
    for at in 0..3 {
        assert!(!three.inbox(at).has(b"to nobody"));
        let counts = three.counts(at);
        assert_eq!((counts.strangers, counts.dropped), (0, 0), "{at}: {counts:?}");
        assert_eq!(counts.received, three.inbox(at).all().len() as u64);
    }
    assert!(three.counts(0).sent >= 6);
}

/// The times are printed, and not asserted: they are the machine's as much as ours.
#[test]
fn messages_go_there_and_back() {
    let (a, inbox) = open(A, &[1], &[]);
    let answer: Arc<std::sync::OnceLock<Arc<ZenohLink>>> = Arc::default();
    let answers = answer.clone();
    let echo: Deliver = Arc::new(move |payload| {
        if let Some(link) = answers.get() {
            link.send(To::One(A), payload.to_vec());
        }
    });
    let b = Arc::new(ZenohLink::open(settings(B, &[1], &[a.local_address()]), echo).expect("it listens"));
    drop(answer.set(b.clone()));
    linked(&a, &inbox, b"mark");
    let mut times: Vec<Duration> = (0_u32..1_000)
        .map(|number| {
            let (start, payload) = (Instant::now(), number.to_be_bytes());
            a.send(To::One(B), payload.to_vec());
            while inbox.all().last().is_none_or(|last| *last != payload) {
                assert!(start.elapsed() < PATIENCE, "{number} was lost");
                std::thread::yield_now();
            }
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("there and back: p50 {:?}, p99 {:?}, longest {:?}", times[500], times[990], times[999]);
    b.close();
}

#[test]
fn a_peer_that_comes_later_is_found() {
    let (b, b_inbox) = open(B, &[1], &[]);
    let address = b.local_address();
    b.close();
    drop(b);
    let (a, _a_inbox) = open(A, &[1], &[address]);
    a.send(To::All, b"nobody hears it".to_vec());
    let later = || LinkSettings { listen: address, ..settings(B, &[1], &[]) };
    // Another test may have the port for a moment.
    let open_later = |_| {
        let opened = ZenohLink::open(later(), b_inbox.deliver());
        opened.inspect_err(|_| std::thread::sleep(Duration::from_millis(100))).ok()
    };
    let b = (0..100).find_map(open_later).expect("the port is free again");
    let took = linked(&a, &b_inbox, b"mark");
    println!("found after {took:?}");
    assert!(!b_inbox.has(b"nobody hears it"));
    drop(b);
}

#[test]
fn a_peer_that_starts_again_is_found_again() {
    let (b, inbox) = open(B, &[1], &[]);
    let address = b.local_address();
    let (a, _a_inbox) = open(A, &[1], &[address]);
    linked(&a, &inbox, b"first");
    b.close();
    b.send(To::All, b"too late".to_vec());
    assert_eq!(b.counts().dropped, 1, "a closed link sends nothing");
    // Within one process the engine frees the port a little after the link is closed.
    let mut again = None;
    wait_until("the port", || {
        let settings = LinkSettings { listen: address, ..settings(C, &[1], &[]) };
        again = ZenohLink::open(settings, inbox.deliver()).ok();
        again.is_some()
    });
    println!("linked again after {:?}", linked(&a, &inbox, b"second"));
    drop(again);
}

/// A list of peers may be the same on all replicas.
#[test]
fn one_that_is_its_own_peer_hears_others_and_not_itself() {
    let inbox = Inbox::default();
    let begin = || {
        let (probe, _) = open(A, &[1], &[]);
        let address = probe.local_address();
        drop(probe);
        let own = LinkSettings { listen: address, ..settings(A, &[1], &[address]) };
        Some((ZenohLink::open(own, inbox.deliver()).ok()?, address))
    };
    // Somebody else may have taken the port meanwhile.
    let (a, address) = (0..20).find_map(|_| begin()).expect("a port that is free again");
    let (b, b_inbox) = open(B, &[1], &[address]);
    linked(&a, &b_inbox, b"from a");
    linked(&b, &inbox, b"from b");
    assert!(!inbox.has(b"from a"));
}

#[test]
fn a_link_works_from_within_a_runtime_of_one_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (a, inbox) = open(A, &[1], &[]);
        let (b, _) = open(B, &[1], &[a.local_address()]);
        linked(&b, &inbox, b"mark");
        b.close();
    });
}

#[test]
fn what_cannot_be_opened_says_why() {
    let (a, _inbox) = open(A, &[1], &[]);
    let fails = |change: &dyn Fn(&mut LinkSettings)| {
        let mut settings = settings(B, &[1], &[]);
        change(&mut settings);
        ZenohLink::open(settings, Inbox::default().deliver()).expect_err("it can't be opened")
    };
    assert!(matches!(fails(&|settings| settings.secrets.clear()), LinkError::NoSecret));
    assert!(matches!(fails(&|settings| settings.listen = a.local_address()), LinkError::Listen { .. }));
    assert!(matches!(fails(&|settings| settings.peers.push("host".to_owned())), LinkError::Peer(_)));
}
