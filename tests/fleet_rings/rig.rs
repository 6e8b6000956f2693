//! Replicas with a ring directory each, and the protocol between them over a network of byte strings in memory. Time goes on
//! only when it is told to.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use sealpass::clock::{Clock, ManualClock, Timestamp};
use sealpass::cluster::custodian::{FleetCustodian, RingSharing};
use sealpass::cluster::member::{Core, Name, ReplicaId, Role};
use sealpass::cluster::node::{Action, MemberReport, Node, NodeSettings, PushId, To};
use sealpass::cluster::ports::{Buckets, Facts, Now, Rings};
use sealpass::custody::{Custodian, CustodyError, Receipt, Report, Task};
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::{KeyRing, Keys, Kid, Order, RingId, Timing};
use sealpass::revocation::{Fact, Kept, Longest, Question, Spread, Spreading, TagKey, Wait};
use sealpass::store::{RingDir, RingOffice, RingWatch};

/// Three replicas, or as many as are asked for.
pub struct Fleet {
    pub replicas: Vec<Replica>,
    pub net: Arc<Net>,
}

/// How the last replica of a fleet begins.
#[derive(Clone, Copy)]
pub enum Last {
    InStep,
    /// With an empty directory and the cluster secret.
    Empty,
    /// With a ring of its own, under the same cluster secret.
    Foreign,
}

/// One replica.
pub struct Replica {
    pub place: tempfile::TempDir,
    pub watch: Arc<RingWatch>,
    pub custodian: FleetCustodian,
    orders: Arc<Counted>,
    keys: Arc<Mutex<Option<Keys>>>,
    /// The newest epoch of each ring that was taken up, which the journal would remember.
    newest: Arc<Mutex<HashMap<RingId, u64>>>,
    /// Up to which uptime the ring is confirmed, in milliseconds.
    ready_until: Arc<AtomicU64>,
    net: Arc<Net>,
}

/// What is between them.
pub struct Net {
    pub clock: Arc<ManualClock>,
    uptime: AtomicU64,
    nodes: Vec<OnceLock<Mutex<Node>>>,
    down: Mutex<Vec<usize>>,
    looked: Mutex<HashMap<usize, u64>>,
    queue: Mutex<VecDeque<(usize, Vec<u8>)>>,
    spreads: Mutex<HashMap<(usize, PushId), Spread>>,
}

impl Fleet {
    /// Three replicas in step.
    pub fn new() -> Self {
        let fleet = Self::with(Last::InStep);
        assert!(fleet.in_step() && fleet.ready() == [true; 3], "{:?}", fleet.ready());
        fleet
    }

    /// Three replicas, the last one of which is so.
    pub fn with(last: Last) -> Self {
        let size = 3;
        let net = Arc::new(Net::new(size));
        let places = places_with(size, &net.clock, last);
        let replicas = places.into_iter().enumerate().map(|(n, place)| Replica::new(place, n, size, &net)).collect();
        let fleet = Self { replicas, net };
        fleet.advance(Duration::from_secs(10));
        fleet
    }

    /// Lets time go on, in steps of a second.
    pub fn advance(&self, by: Duration) {
        let mut left = by;
        while !left.is_zero() {
            let step = left.min(STEP);
            left -= step;
            self.step(step);
        }
    }

    pub fn step(&self, by: Duration) {
        self.net.clock.advance(by);
        self.net.uptime.fetch_add(millis(by), Ordering::Relaxed);
        let up: Vec<_> = (0..self.replicas.len()).filter(|n| self.net.is_up(*n)).collect();
        let looking: Vec<_> = up.iter().copied().filter(|n| self.net.looks(*n)).collect();
        for n in &looking {
            drop(self.replicas[*n].watch.look());
        }
        for n in up {
            let actions = self.net.node(n).lock().expect("no panic").tick(self.net.now());
            self.net.act(n, actions);
            self.net.deliver();
        }
        // All at one moment: none knows what the others do.
        for n in looking {
            self.replicas[n].custodian.tick(self.net.now().uptime);
        }
        self.net.deliver();
    }

    /// Which key each seals with now.
    pub fn sealing(&self) -> Vec<Option<Kid>> {
        self.replicas.iter().map(Replica::sealing).collect()
    }

    /// The one key that all seal with.
    pub fn active(&self) -> Kid {
        let sealing = self.sealing();
        assert!(sealing.iter().all(|kid| *kid == sealing[0]), "{sealing:?}");
        sealing[0].expect("one seals")
    }

    /// Whether what is sealed with `kid` opens, on each.
    pub fn opens(&self, kid: Kid) -> Vec<bool> {
        self.replicas.iter().map(|replica| replica.opens(kid)).collect()
    }

    /// How many orders the rings have carried out, together.
    pub fn orders(&self) -> u64 {
        self.replicas.iter().map(Replica::orders).sum()
    }

    pub fn ready(&self) -> Vec<bool> {
        self.replicas.iter().map(Replica::ready).collect()
    }

    pub fn in_step(&self) -> bool {
        self.replicas.iter().all(|replica| replica.watch.digest() == self.replicas[0].watch.digest())
    }

    /// Each has the ring in use in its own file, and its journal would let it start from that.
    pub fn check_files(&self) {
        for replica in &self.replicas {
            let stored = dir(&replica.place).load().expect("readable");
            assert_eq!(stored.digest(), replica.watch.digest().expect("a ring").digest);
            let newest = replica.newest.lock().expect("no panic")[&stored.id()];
            assert!(stored.epoch() >= newest, "the next start is refused");
        }
    }

    pub fn set_down(&self, replica: usize, down: bool) {
        let mut list = self.net.down.lock().expect("no panic");
        list.retain(|n| *n != replica);
        list.extend(down.then_some(replica));
    }
}

impl Replica {
    fn new(place: tempfile::TempDir, n: usize, size: usize, net: &Arc<Net>) -> Self {
        let keys: Arc<Mutex<Option<Keys>>> = Arc::default();
        let ready_until: Arc<AtomicU64> = Arc::default();
        let (user, ready, uptime) = (Arc::clone(&keys), Arc::clone(&ready_until), Arc::downgrade(net));
        let confirm = move |ago: Duration| {
            let uptime = uptime.upgrade().map_or(0, |net| net.uptime.load(Ordering::Relaxed));
            ready.store(uptime + millis(Timing::DEFAULT.confirm().saturating_sub(ago)), Ordering::Relaxed);
        };
        let newest: Arc<Mutex<HashMap<RingId, u64>>> = Arc::default();
        let noted = Arc::clone(&newest);
        let take_up = move |ring: &KeyRing, keys| {
            let mut noted = noted.lock().expect("no panic");
            let newest = noted.entry(ring.id()).or_default();
            *newest = ring.epoch().max(*newest);
            drop(noted);
            *user.lock().expect("no panic") = Some(keys);
        };
        let watch = Arc::new(RingWatch::new(office(&place, &net.clock), take_up, confirm).in_fleet());
        watch.look().expect("readable, or none");
        let seed = [u8::try_from(n).expect("few"); 32];
        let rings = Arc::clone(&watch) as Arc<dyn Rings>;
        let node =
            Node::new(settings(n, size), Arc::new(NoFacts), rings, seed, net.now()).expect("a place in the core");
        assert!(net.nodes[n].set(Mutex::new(node)).is_ok());
        let sharing = Arc::new(Sharing { n, net: Arc::downgrade(net) });
        let orders = Arc::new(Counted { ring: Arc::clone(&watch), orders: AtomicU64::default() });
        let custodian = FleetCustodian::new(Arc::clone(&orders) as Arc<dyn Custodian>, sharing);
        Self { place, watch, custodian, orders, keys, newest, ready_until, net: Arc::clone(net) }
    }

    pub fn order(&self, order: Order) -> Receipt {
        self.custodian.carry_out(Task::Order(order), false).expect("carried out")
    }

    /// On its files, as a command does that runs beside it.
    pub fn office(&self) -> RingOffice {
        office(&self.place, &self.net.clock).of_many()
    }

    pub fn sealing(&self) -> Option<Kid> {
        let keys = self.keys.lock().expect("no panic");
        keys.as_ref()?.sealing(self.net.clock.now()).map(sealpass::keyring::Key::kid)
    }

    pub fn opens(&self, kid: Kid) -> bool {
        self.keys.lock().expect("no panic").as_ref().is_some_and(|keys| keys.opening(kid).0)
    }

    pub fn ready(&self) -> bool {
        self.net.uptime.load(Ordering::Relaxed) < self.ready_until.load(Ordering::Relaxed)
    }

    /// How many orders its ring has carried out.
    pub fn orders(&self) -> u64 {
        self.orders.orders.load(Ordering::Relaxed)
    }

    pub fn file(&self) -> PathBuf {
        self.place.path().join("keys/ring.sealed")
    }
}

impl Net {
    fn new(size: usize) -> Self {
        Self {
            clock: Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000).expect("in range"))),
            uptime: AtomicU64::new(1_000_000),
            nodes: (0..size).map(|_| OnceLock::new()).collect(),
            down: Mutex::default(),
            looked: Mutex::default(),
            queue: Mutex::default(),
            spreads: Mutex::default(),
        }
    }

    pub fn now(&self) -> Now {
        Now { wall: self.clock.now(), uptime: Duration::from_millis(self.uptime.load(Ordering::Relaxed)) }
    }

    pub fn node(&self, n: usize) -> &Mutex<Node> {
        self.nodes[n].get().expect("made at the start")
    }

    /// Whether a second has passed since this was asked last of a replica.
    fn looks(&self, n: usize) -> bool {
        let (now, mut looked) = (self.uptime.load(Ordering::Relaxed), self.looked.lock().expect("no panic"));
        let due = looked.get(&n).is_none_or(|at| now - at >= 1_000);
        if due {
            looked.insert(n, now);
        }
        due
    }

    fn is_up(&self, n: usize) -> bool {
        !self.down.lock().expect("no panic").contains(&n)
    }

    fn act(&self, n: usize, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send { to, bytes } => self.send(n, to, &bytes),
                Action::Await { ticket, .. } => {
                    let actions = self.node(n).lock().expect("no panic").kept(self.now(), ticket, true);
                    self.act(n, actions);
                }
                Action::Pushed { id, spread } => {
                    self.spreads.lock().expect("no panic").insert((n, id), spread);
                }
                _ => {}
            }
        }
    }

    fn send(&self, from: usize, to: To, bytes: &[u8]) {
        let all = (0..self.nodes.len()).filter(|n| *n != from && self.nodes[*n].get().is_some());
        let one = |n: &usize| to == To::One(ReplicaId([u8::try_from(*n).expect("few"); 16]));
        let meant = |n: &usize| matches!(to, To::All | To::Core) || one(n);
        let mut queue = self.queue.lock().expect("no panic");
        queue.extend(all.filter(meant).filter(|n| self.is_up(*n) && self.is_up(from)).map(|n| (n, bytes.to_vec())));
    }

    /// Everything that is on its way arrives, and what that brings about.
    fn deliver(&self) {
        loop {
            let Some((n, bytes)) = self.queue.lock().expect("no panic").pop_front() else { return };
            let actions = self.node(n).lock().expect("no panic").on_message(self.now(), &bytes);
            self.act(n, actions);
        }
    }
}

/// A ring that counts what is ordered of it.
struct Counted {
    ring: Arc<RingWatch>,
    orders: AtomicU64,
}

impl Custodian for Counted {
    fn report(&self) -> Result<Report, CustodyError> {
        self.ring.report()
    }

    fn carry_out(&self, task: Task, dry_run: bool) -> Result<Receipt, CustodyError> {
        self.orders.fetch_add(u64::from(!dry_run), Ordering::Relaxed);
        self.ring.carry_out(task, dry_run)
    }
}

/// The fleet as the custodian of one replica has it.
struct Sharing {
    n: usize,
    net: Weak<Net>,
}

impl RingSharing for Sharing {
    fn share_ring(&self) -> Arc<dyn Spreading> {
        let net = self.net.upgrade().expect("the test runs");
        let (id, actions) = net.node(self.n).lock().expect("no panic").share_ring(net.now());
        net.act(self.n, actions);
        Arc::new(Shared { n: self.n, id, net })
    }

    fn members(&self) -> Vec<MemberReport> {
        let net = self.net.upgrade().expect("the test runs");
        net.node(self.n).lock().expect("no panic").members(net.now())
    }
}

/// A ring on its way. Whoever waits for it lets the network run.
struct Shared {
    n: usize,
    id: PushId,
    net: Arc<Net>,
}

impl Spreading for Shared {
    fn poll_reached(&self, wait: Wait, _: &mut Context<'_>) -> Poll<()> {
        self.net.deliver();
        if self.spread().reaches(wait) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn spread(&self) -> Spread {
        let known = self.net.spreads.lock().expect("no panic").get(&(self.n, self.id)).copied();
        let core = u16::try_from(self.net.nodes.len()).expect("few");
        known.unwrap_or(Spread { applied: 1, core })
    }
}

/// Nothing has ended.
pub struct NoFacts;

impl Facts for NoFacts {
    fn merge(&self, _: &[Fact], _: Timestamp) -> Kept {
        Kept::now()
    }

    fn about(&self, _: &Question) -> Vec<Fact> {
        Vec::new()
    }

    fn same(&self, _: &[Fact]) -> Vec<Fact> {
        Vec::new()
    }

    fn pass(&self, _: &[TagKey], _: Timestamp) {}

    fn passed(&self, _: &[TagKey]) -> Option<Timestamp> {
        None
    }

    fn digest(&self, _: Timestamp) -> Buckets {
        Box::new([0; 256])
    }

    fn leaves(&self, _: u8, _: Timestamp) -> Buckets {
        Box::new([0; 256])
    }

    fn leaf(&self, _: u8, _: u8, _: Timestamp) -> Vec<Fact> {
        Vec::new()
    }
}

/// A replica that has been in a fleet of `size` before.
pub fn settings(n: usize, size: usize) -> NodeSettings {
    NodeSettings {
        name: Name::new(&format!("replica-{n}")).expect("a name"),
        role: Role::Core,
        core: Core::of_ordinals(size).expect("few"),
        id: ReplicaId([u8::try_from(n).expect("few"); 16]),
        realms: [0; 32],
        release: "test".to_owned(),
        complete: true,
        journal: true,
        confirm: Timing::DEFAULT.confirm(),
    }
}

/// A directory for each replica, all with one ring.
pub fn places(size: usize, clock: &Arc<ManualClock>) -> Vec<tempfile::TempDir> {
    places_with(size, clock, Last::InStep)
}

fn places_with(size: usize, clock: &Arc<ManualClock>, last: Last) -> Vec<tempfile::TempDir> {
    let first = tempfile::tempdir().expect("a directory for the test");
    let ring = KeyRing::init(&SystemEntropy::new(), clock.now()).expect("random bytes");
    dir(&first).init(&ring, &SystemEntropy::new()).expect("an empty directory");
    office(&first, clock).note_limits().expect("writable");
    let mut places = vec![first];
    for n in 1..size {
        let place = tempfile::tempdir().expect("a directory for the test");
        std::fs::create_dir(place.path().join("keys")).expect("a new directory");
        let copy = |file: &str| {
            let (from, to) = (places[0].path().join("keys").join(file), place.path().join("keys").join(file));
            std::fs::copy(from, to).expect("writable");
        };
        copy("cluster.secret");
        match last {
            Last::Empty if n + 1 == size => {}
            Last::Foreign if n + 1 == size => {
                let ring = KeyRing::init(&SystemEntropy::new(), clock.now()).expect("random bytes");
                dir(&place).init(&ring, &SystemEntropy::new()).expect("an empty directory");
            }
            _ => copy("ring.sealed"),
        }
        places.push(place);
    }
    places
}

pub fn dir(place: &tempfile::TempDir) -> RingDir {
    RingDir::new(&place.path().join("keys"), None)
}

pub fn office(place: &tempfile::TempDir, clock: &Arc<ManualClock>) -> RingOffice {
    let longest = Longest { lifetime: Duration::from_secs(43_200), idle: Duration::from_secs(1_800) };
    RingOffice::new(dir(place), Timing::DEFAULT, longest, clock.clone(), Arc::new(SystemEntropy::new()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("short")
}

const STEP: Duration = Duration::from_secs(1);
