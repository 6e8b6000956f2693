//! Replicas and what is between them: the real protocol over the real merging of facts, links that take time and lose
//! messages, and a clock that jumps from each event to the next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use sealpass::clock::Timestamp;
use sealpass::cluster::member::{Core, Name, ReplicaId, Role};
use sealpass::cluster::node::{Action, AskId, Node, NodeSettings, PushId, Ticket, To};
use sealpass::cluster::ports::{Facts as _, Now};

use super::store::{SameRing, Store};
use super::traffic::{Traffic, kind_of, sealing};

/// Microseconds since the world began.
pub type Moment = u64;

/// What messages meet on their way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Links {
    /// How long a message is on its way, at least and at most.
    pub takes: (Moment, Moment),
    /// Of a thousand copies, how many are lost.
    pub lost: u32,
}

pub struct World {
    pub now: Moment,
    pub replicas: Vec<Replica>,
    pub random: Rng,
    links: Links,
    core: Core,
    clock: Arc<AtomicU64>,
    queue: BinaryHeap<Reverse<Due>>,
    queued: u64,
    sealing: usize,
}

pub struct Replica {
    pub node: Node,
    pub facts: Arc<Store>,
    pub role: Role,
    pub sent: Traffic,
    pub came: Traffic,
    /// Whether messages reach it.
    pub linked: bool,
    /// When each push was made here, and when a majority held it.
    pub pushes: BTreeMap<PushId, (Moment, Option<Moment>)>,
    pub asks: BTreeMap<AskId, (Moment, Option<Moment>)>,
    /// When all is sent that it has sent.
    free: Moment,
}

/// An event, by when it is due; of two at one moment the one that was queued first.
struct Due(Moment, u64, Event);

enum Event {
    Arrives { at: usize, bytes: Rc<[u8]> },
    Kept { at: usize, ticket: Ticket },
    Ticks { at: usize },
}

impl World {
    pub fn new(seed: u64, core: usize, links: Links) -> Self {
        Self {
            now: 0,
            replicas: Vec::new(),
            random: Rng::with_seed(seed),
            links,
            core: Core::of_ordinals(core).expect("in range"),
            clock: Arc::default(),
            queue: BinaryHeap::new(),
            queued: 0,
            sealing: sealing(),
        }
    }

    /// One more replica, of the core while there is place.
    pub fn start(&mut self) -> usize {
        let at = self.replicas.len();
        let role = if at < self.core.size() { Role::Core } else { Role::Edge };
        let facts = Arc::new(Store::new(Arc::clone(&self.clock)));
        let settings = NodeSettings {
            name: Name::new(&format!("sealpass-{at}")).expect("a name"),
            role,
            core: self.core.clone(),
            id: id_of(at),
            realms: [3; 32],
            release: env!("CARGO_PKG_VERSION").to_owned(),
            complete: role == Role::Core,
            journal: true,
            confirm: Duration::from_secs(120),
        };
        let mut seed = [0; 32];
        self.random.fill(&mut seed);
        let node = Node::new(settings, Arc::clone(&facts) as _, Arc::new(SameRing), seed, self.time(at));
        self.replicas.push(Replica {
            node: node.expect("a place"),
            facts,
            role,
            sent: Traffic::default(),
            came: Traffic::default(),
            linked: true,
            pushes: BTreeMap::new(),
            asks: BTreeMap::new(),
            free: self.now * NANOS,
        });
        let first = self.random.u64(..TICK);
        self.later(first, Event::Ticks { at });
        at
    }

    /// Lets everything happen that is due until then.
    pub fn run(&mut self, until: Moment) {
        while self.queue.peek().is_some_and(|Reverse(due)| due.0 <= until) {
            let Some(Reverse(Due(moment, _, event))) = self.queue.pop() else { return };
            self.pass_to(moment);
            self.happen(event);
        }
        self.pass_to(until);
    }

    /// Tells a node something, and does what it says.
    pub fn with<T>(&mut self, at: usize, tell: impl FnOnce(&mut Node, Now) -> (T, Vec<Action>)) -> T {
        let now = self.time(at);
        let (told, actions) = tell(&mut self.replicas[at].node, now);
        self.act(at, actions);
        told
    }

    /// What time it is there. Each machine was started at another time.
    pub fn time(&self, at: usize) -> Now {
        Now { wall: self.wall(), uptime: Duration::from_micros(self.now) + Duration::from_secs(1_000 + at as u64) }
    }

    pub fn wall(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN + self.now / 1_000).expect("in range")
    }

    /// Whether all that are linked know the same.
    pub fn is_equal(&self) -> bool {
        let mut digests = self.replicas.iter().filter(|one| one.linked).map(|one| one.facts.digest(Timestamp::EPOCH));
        let first = digests.next();
        digests.all(|digest| Some(digest) == first)
    }

    /// Begins to count anew.
    pub fn forget_traffic(&mut self) {
        for replica in &mut self.replicas {
            (replica.sent, replica.came) = (Traffic::default(), Traffic::default());
        }
    }

    /// Says when its own copy of something is durable.
    pub fn keep(&mut self, at: usize, ticket: Ticket) {
        self.later(DISK, Event::Kept { at, ticket });
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrives { at, bytes } if self.replicas[at].linked => {
                self.with(at, |node, now| ((), node.on_message(now, &bytes)));
            }
            Event::Arrives { .. } => {}
            Event::Kept { at, ticket } => self.with(at, |node, now| ((), node.kept(now, ticket, true))),
            Event::Ticks { at } => {
                self.with(at, |node, now| ((), node.tick(now)));
                let replica = &self.replicas[at];
                let now = self.time(at);
                replica.facts.agreed(replica.node.view(now).agrees().then_some(now.wall));
                self.later(TICK, Event::Ticks { at });
            }
        }
    }

    fn act(&mut self, at: usize, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send { to, bytes } => self.send(at, to, bytes),
                Action::Await { ticket, .. } => self.keep(at, ticket),
                Action::Pushed { id, spread } if spread.held() => {
                    let now = self.now;
                    if let Some((_, held)) = self.replicas[at].pushes.get_mut(&id) {
                        held.get_or_insert(now);
                    }
                }
                Action::Asked { id, outcome } => {
                    outcome.expect("a majority answers");
                    let now = self.now;
                    // One that is over at once is over before it has a place here.
                    self.replicas[at].asks.entry(id).or_insert((now, None)).1 = Some(now);
                }
                Action::Pushed { .. } | Action::Released { .. } | Action::Changed => {}
            }
        }
    }

    /// Each copy leaves after the one before, as fast as the sender's line is.
    fn send(&mut self, from: usize, to: To, bytes: Vec<u8>) {
        let (kind, size) = (kind_of(&bytes), bytes.len() + self.sealing);
        let bytes: Rc<[u8]> = bytes.into();
        let receivers = match to {
            To::All => 0..self.replicas.len(),
            To::Core => 0..self.core.size(),
            To::One(id) => index_of(id)..index_of(id) + 1,
        };
        for at in receivers.filter(|at| *at != from) {
            let sender = &mut self.replicas[from];
            sender.free = sender.free.max(self.now * NANOS) + (size * NANOS_A_BYTE) as u64;
            sender.sent.count(kind, size, 1);
            let (sent, linked) = (sender.free / NANOS, sender.linked);
            if !linked || self.random.u32(..1_000) < self.links.lost {
                continue;
            }
            self.replicas[at].came.count(kind, size, 1);
            let arrives = sent - self.now + self.random.u64(self.links.takes.0..=self.links.takes.1);
            self.later(arrives, Event::Arrives { at, bytes: Rc::clone(&bytes) });
        }
    }

    fn later(&mut self, micros: Moment, event: Event) {
        self.queued += 1;
        self.queue.push(Reverse(Due(self.now + micros, self.queued, event)));
    }

    fn pass_to(&mut self, moment: Moment) {
        self.now = moment;
        self.clock.store(moment, Ordering::Relaxed);
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

fn id_of(at: usize) -> ReplicaId {
    let mut id = [7; 16];
    id[..4].copy_from_slice(&u32::try_from(at).expect("few").to_be_bytes());
    ReplicaId(id)
}

fn index_of(id: ReplicaId) -> usize {
    let (index, _) = id.0.split_first_chunk().expect("16 bytes");
    u32::from_be_bytes(*index) as usize
}

/// As the fleet's own thread.
const TICK: Moment = 50_000;
/// How long a write takes to be durable.
const DISK: Moment = 1_000;
/// A line of 1 Gbit/s.
const NANOS_A_BYTE: usize = 8;
const NANOS: u64 = 1_000;
/// When the world begins, in milliseconds.
const BEGIN: u64 = 1_790_000_000_000;
