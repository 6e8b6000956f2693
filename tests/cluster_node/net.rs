//! A few nodes, and between them a network of byte vectors: what is sent arrives a millisecond later, or never where a test has cut it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealpass::clock::Timestamp;
use sealpass::cluster::member::{Core, Name, ReplicaId, Role};
use sealpass::cluster::message::{Body, Head, NEWEST, decode, encode};
use sealpass::cluster::node::{Action, AskId, Node, NodeSettings, PushId, Ticket, To, View};
use sealpass::cluster::ports::{Buckets, Facts, Now, RingDigest, RingRefused, Rings};
use sealpass::cluster::table::FactTable;
use sealpass::revocation::{Fact, Kept, Question, Spread, TagKey, Uninformed};

/// What a replica is started with.
#[derive(Clone, Debug)]
pub struct Start {
    pub name: String,
    pub role: Role,
    pub complete: bool,
    pub journal: bool,
    pub ring: Option<Vec<u8>>,
    pub realms: u8,
    /// Its clock is ahead by so many milliseconds.
    pub ahead: i64,
}

pub struct Replica {
    pub node: Node,
    pub facts: Arc<FactTable>,
    pub ring: Arc<Ring>,
    pub id: ReplicaId,
    pub start: Start,
    pub up: bool,
    /// What is durable at once; else it is what the test says, by [`Net::keep`].
    pub keeps: bool,
    pub unkept: VecDeque<Ticket>,
    pub pushed: BTreeMap<PushId, Spread>,
    pub asked: BTreeMap<AskId, Result<(), Uninformed>>,
    pub released: Vec<Fact>,
}

pub struct Net {
    pub replicas: Vec<Replica>,
    core: Core,
    pub time: Duration,
    on_the_way: VecDeque<(Duration, usize, usize, Vec<u8>)>,
    cut: BTreeSet<(usize, usize)>,
    /// How long a message takes.
    pub delay: Duration,
    /// All that was sent: from whom, to whom, what.
    pub log: Vec<(usize, To, Body)>,
    /// Messages that a test does not let through.
    pub drops: Drops,
    /// Facts that no store takes in that starts from here on: it has done away with them.
    pub refused: Vec<Fact>,
    lives: u8,
}

/// Whether a message from one to another is lost.
type Drops = Box<dyn Fn(usize, usize, &Body) -> bool>;

impl Start {
    pub fn of(name: &str) -> Self {
        let (role, ring) = (Role::Core, Some(vec![RING, 1]));
        Self { name: name.to_owned(), role, complete: true, journal: true, ring, realms: 1, ahead: 0 }
    }
}

/// A table that does not take in what it did away with.
struct Swept {
    facts: Arc<FactTable>,
    refused: Vec<Fact>,
}

impl Facts for Swept {
    fn merge(&self, facts: &[Fact], now: Timestamp) -> Kept {
        let taken: Vec<_> = facts.iter().filter(|fact| !self.refused.contains(fact)).copied().collect();
        self.facts.merge(&taken, now)
    }

    fn about(&self, question: &Question) -> Vec<Fact> {
        self.facts.about(question)
    }

    fn same(&self, facts: &[Fact]) -> Vec<Fact> {
        self.facts.same(facts)
    }

    fn pass(&self, tags: &[TagKey], at: Timestamp) {
        self.facts.pass(tags, at);
    }

    fn passed(&self, tags: &[TagKey]) -> Option<Timestamp> {
        self.facts.passed(tags)
    }

    fn digest(&self, beyond: Timestamp) -> Buckets {
        self.facts.digest(beyond)
    }

    fn leaves(&self, bucket: u8, beyond: Timestamp) -> Buckets {
        self.facts.leaves(bucket, beyond)
    }

    fn leaf(&self, bucket: u8, leaf: u8, beyond: Timestamp) -> Vec<Fact> {
        self.facts.leaf(bucket, leaf, beyond)
    }
}

impl Net {
    /// A core of `size`, of which all have started.
    pub fn of(size: usize) -> Self {
        let mut net = Self::empty(size);
        for slot in 0..size {
            net.start(Start::of(&format!("s-{slot}")));
        }
        net
    }

    pub fn empty(size: usize) -> Self {
        Self {
            replicas: Vec::new(),
            core: Core::of_ordinals(size).expect("in range"),
            time: Duration::from_secs(1_000),
            on_the_way: VecDeque::new(),
            cut: BTreeSet::new(),
            delay: Duration::from_millis(1),
            log: Vec::new(),
            drops: Box::new(|_, _, _| false),
            refused: Vec::new(),
            lives: 0,
        }
    }

    pub fn start(&mut self, start: Start) -> usize {
        let facts = Arc::new(FactTable::default());
        self.start_with(start, facts)
    }

    /// Starts a replica that knows these facts already.
    pub fn start_with(&mut self, start: Start, facts: Arc<FactTable>) -> usize {
        self.lives += 1;
        let id = ReplicaId([self.lives; 16]);
        let ring = Arc::new(Ring(Mutex::new((start.ring.clone(), None))));
        let settings = NodeSettings {
            name: Name::new(&start.name).expect("a name"),
            role: start.role,
            core: self.core.clone(),
            id,
            realms: [start.realms; 32],
            release: "1.0".to_owned(),
            complete: start.complete,
            journal: start.journal,
            confirm: Duration::from_secs(120),
        };
        let now = self.now_of(start.ahead);
        let store = Arc::new(Swept { facts: facts.clone(), refused: self.refused.clone() });
        let node = Node::new(settings, store, ring.clone(), [self.lives; 32], now).expect("a place");
        self.replicas.push(Replica {
            node,
            facts,
            ring,
            id,
            start,
            up: true,
            keeps: true,
            unkept: VecDeque::new(),
            pushed: BTreeMap::new(),
            asked: BTreeMap::new(),
            released: Vec::new(),
        });
        self.replicas.len() - 1
    }

    /// Starts a replica whose own settings give it a place that those of the others don't.
    pub fn start_unlisted(&mut self, start: Start) -> usize {
        let core = std::mem::replace(&mut self.core, Core::of_ordinals(15).expect("in range"));
        let at = self.start(start);
        self.core = core;
        at
    }

    pub fn now(&self, at: usize) -> Now {
        self.now_of(self.replicas[at].start.ahead)
    }

    fn now_of(&self, ahead: i64) -> Now {
        let wall = BEGUN + i64::try_from(self.time.as_millis()).expect("small") + ahead;
        let wall = Timestamp::from_millis(u64::try_from(wall).expect("positive")).expect("in range");
        Now { wall, uptime: self.time }
    }

    pub fn view(&self, at: usize) -> View {
        self.replicas[at].node.view(self.now(at))
    }

    /// Lets so much time go by, 5 ms at a time.
    pub fn run(&mut self, millis: u64) {
        let end = self.time + Duration::from_millis(millis);
        while self.time < end {
            self.time += Duration::from_millis(5);
            self.deliver();
            if self.time.as_millis().is_multiple_of(50) {
                for at in 0..self.replicas.len() {
                    if self.replicas[at].up {
                        let now = self.now(at);
                        let actions = self.replicas[at].node.tick(now);
                        self.act(at, actions);
                    }
                }
            }
        }
    }

    fn deliver(&mut self) {
        while let Some(next) = self.on_the_way.iter().position(|(due, ..)| *due <= self.time) {
            let (_, from, to, bytes) = self.on_the_way.remove(next).expect("it is there");
            if self.replicas[to].up && !self.cut.contains(&(from, to)) {
                self.hand_over(to, &bytes);
            }
        }
    }

    /// Hands a message to a replica, whoever it is from.
    pub fn hand_over(&mut self, to: usize, bytes: &[u8]) {
        let now = self.now(to);
        let actions = self.replicas[to].node.on_message(now, bytes);
        self.act(to, actions);
    }

    pub fn act(&mut self, at: usize, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send { to, bytes } => self.send(at, to, &bytes),
                Action::Await { ticket, .. } if self.replicas[at].keeps => self.keep(at, ticket, true),
                Action::Await { ticket, .. } => self.replicas[at].unkept.push_back(ticket),
                Action::Pushed { id, spread } => {
                    let before = self.replicas[at].pushed.insert(id, spread);
                    assert!(before.is_none_or(|before| before.applied < spread.applied), "it only grows");
                }
                Action::Asked { id, outcome } => {
                    assert_eq!(self.replicas[at].asked.insert(id, outcome), None, "once");
                }
                Action::Released { facts } => self.replicas[at].released.extend(facts),
                Action::Changed => {}
            }
        }
    }

    /// What was awaited is durable, or can't be kept.
    pub fn keep(&mut self, at: usize, ticket: Ticket, durable: bool) {
        let now = self.now(at);
        let actions = self.replicas[at].node.kept(now, ticket, durable);
        self.act(at, actions);
    }

    fn send(&mut self, from: usize, to: To, bytes: &[u8]) {
        let (_, body) = decode(bytes, NEWEST).expect("what is sent can be read");
        self.log.push((from, to, body.clone()));
        for other in 0..self.replicas.len() {
            let of_core = self.replicas[other].start.role == Role::Core;
            let meant = match to {
                To::All => true,
                To::Core => of_core,
                To::One(id) => id == self.replicas[other].id,
            };
            if other != from && meant && !(self.drops)(from, other, &body) {
                self.on_the_way.push_back((self.time + self.delay, from, other, bytes.to_vec()));
            }
        }
    }

    /// Merges facts here and pushes them, as a replica does.
    pub fn push(&mut self, at: usize, facts: &[Fact]) -> PushId {
        use sealpass::cluster::ports::Facts as _;
        let now = self.now(at);
        drop(self.replicas[at].facts.merge(facts, now.wall));
        let (id, actions) = self.replicas[at].node.push(now, now.wall, facts.to_vec());
        self.act(at, actions);
        self.keep(at, id.ticket(), true);
        id
    }

    pub fn cut(&mut self, one: usize, other: usize) {
        self.cut.extend([(one, other), (other, one)]);
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }

    pub fn crash(&mut self, at: usize) {
        self.replicas[at].up = false;
    }

    pub fn applied(&self, at: usize, push: PushId) -> u16 {
        self.replicas[at].pushed.get(&push).map_or(0, |spread| spread.applied)
    }

    /// How many messages of a kind `from` has sent.
    pub fn sent(&self, from: usize, kind: impl Fn(&Body) -> bool) -> usize {
        self.log.iter().filter(|(at, _, body)| *at == from && kind(body)).count()
    }

    /// A message that a replica could have sent.
    pub fn forge(&self, from: usize, edit: impl Fn(&mut Head), body: &Body) -> Vec<u8> {
        let replica = &self.replicas[from];
        let mut head = Head {
            version: 1,
            reads: 1,
            id: replica.id,
            name: Name::new(&replica.start.name).expect("a name"),
            role: replica.start.role,
            realms: [replica.start.realms; 32],
            ring: Some([RING; 16]),
        };
        edit(&mut head);
        encode(&head, body)
    }
}

/// A ring whose first byte says which it is, and whose others are its keys.
pub struct Ring(pub Mutex<(Option<Vec<u8>>, Option<Duration>)>);

impl Ring {
    pub fn set(&self, bytes: &[u8]) {
        self.0.lock().expect("no panic").0 = Some(bytes.to_vec());
    }

    pub fn confirmed_ago(&self) -> Option<Duration> {
        self.0.lock().expect("no panic").1
    }
}

impl Rings for Ring {
    fn digest(&self) -> Option<RingDigest> {
        let bytes = self.bytes()?;
        Some(RingDigest { ring: [bytes[0]; 16], digest: sealpass::secret::sha256(&bytes) })
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        self.0.lock().expect("no panic").0.clone()
    }

    fn merge(&self, bytes: &[u8]) -> Result<(), RingRefused> {
        let own = self.bytes().unwrap_or_else(|| vec![bytes.first().copied().unwrap_or_default()]);
        if bytes.first() != own.first() {
            return Err(RingRefused::Other);
        }
        let keys: BTreeSet<u8> = own[1..].iter().chain(&bytes[1..]).copied().collect();
        self.set(&[&own[..1], &keys.into_iter().collect::<Vec<_>>()].concat());
        Ok(())
    }

    fn confirmed(&self, ago: Duration) {
        self.0.lock().expect("no panic").1 = Some(ago);
    }
}

pub const RING: u8 = 7;
const BEGUN: i64 = 1_790_000_000_000;
