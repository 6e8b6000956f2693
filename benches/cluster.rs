//! What replicas cost each other: endings that all acknowledged, asks, joining, load in both directions, and idling.
//!
//! `cargo bench --bench cluster`. All replicas are in one process, over real links on loopback, so that one core does the
//! work of several: figures are of three replicas on this machine, not of one. `SEALPASS_JOIN=1000000`,
//! `SEALPASS_LOAD=120` and `SEALPASS_EDGES=27` ask for a larger joiner, for seconds of load, and for more edges that
//! idle. What is on the loopback is all there is in this network namespace: `unshare -rn sh -c 'ip link set lo up; …'`
//! has nothing else in it. Linux only (it reads /proc).

#![expect(clippy::cast_precision_loss, reason = "figures for people")]

#[path = "support/stats.rs"]
#[expect(dead_code, reason = "other benchmarks print ratios")]
mod stats;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pollster::block_on;
use sealpass::claims::{RealmId, SessionId};
use sealpass::clock::{Clock, SystemClock};
use sealpass::cluster::facts::FleetFacts;
use sealpass::cluster::fleet::Fleet;
use sealpass::cluster::link::zenoh::{LinkSettings, ZenohLink};
use sealpass::cluster::member::{Core, Name, ReplicaId, Role};
use sealpass::cluster::node::NodeSettings;
use sealpass::cluster::ports::{Facts, RingDigest, RingRefused, Rings};
use sealpass::entropy::{SystemEntropy, random};
use sealpass::keyring::{KeyRing, Keys};
use sealpass::revocation::{AT_ONCE, Fact, FactStore, Question, SessionKey, TagKey, Wait};
use sealpass::secret::Secret;
use sealpass::store::{Begin, CachedFacts, Journal};
use sealpass::telemetry::{FactMetrics, JournalMetrics};
use stats::median;

const SECRET: [u8; 32] = *b"a cluster secret for benchmarks!";
const HOUR: Duration = Duration::from_secs(3_600);
const REALM: RealmId = RealmId([7; 8]);
const LIMIT: Duration = Duration::from_secs(60);

fn main() {
    let three = replicas(3, 0, None);
    endings("three, no journals", &three, 1_000);
    asks(&three);
    idle("three", &three);
    joins(&three);
    load(&three);
    drop(three);
    let dir = tempfile::tempdir().expect("a directory");
    let three = replicas(3, 0, Some(dir.path()));
    let with = endings("three, with journals", &three, 300);
    let alone = |replica: &Replica| median(&(0..100).map(|_| timed(|| replica.end(Wait::Local))).collect::<Vec<_>>());
    let slowest = three.iter().map(alone).fold(0.0, f64::max);
    println!("  durable on the slowest alone: p50 {slowest:.2} ms; ratio {:.2}  goal ≤ 1.5", with / slowest);
    drop(three);
    let many = replicas(5, 10, None);
    endings("five of the core and ten edges, no journals", &many, 300);
    drop(many);
    let edges = number("SEALPASS_EDGES", 7);
    let many = replicas(3, edges as usize, None);
    idle(&format!("three of the core and {edges} edges"), &many);
}

struct Replica {
    facts: Arc<CachedFacts>,
    spread: FleetFacts,
    fleet: Arc<Fleet>,
    link: Arc<ZenohLink>,
}

/// The same ring on all: it is not what is measured.
struct SameRing;

impl Rings for SameRing {
    fn digest(&self) -> Option<RingDigest> {
        Some(RingDigest { ring: [1; 16], digest: [2; 32] })
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        None
    }

    fn merge(&self, _: &[u8]) -> Result<(), RingRefused> {
        Err(RingRefused::Unreadable)
    }

    fn confirmed(&self, _: Duration) {}
}

/// So many of the core and so many edges, all ready, each with a journal in `dir` if there is one.
fn replicas(core: usize, edges: usize, dir: Option<&Path>) -> Vec<Replica> {
    let mut all: Vec<Replica> = Vec::new();
    for at in 0..core + edges {
        let peers: Vec<_> = all.first().map(|first| first.link.local_address().to_string()).into_iter().collect();
        let role = if at < core { Role::Core } else { Role::Edge };
        all.push(Replica::start(at, core, role, peers, dir));
    }
    for replica in &all {
        wait_for("every replica is ready and counts", || {
            let view = replica.fleet.view();
            view.ready && (view.counts || replica.fleet.members()[0].role == Role::Edge)
        });
    }
    wait_for("all are heard", || {
        all.iter().all(|one| one.fleet.members().iter().filter(|member| member.heard.is_some()).count() >= core - 1)
    });
    all
}

impl Replica {
    fn start(at: usize, core: usize, role: Role, peers: Vec<String>, dir: Option<&Path>) -> Self {
        let entropy = Arc::new(SystemEntropy::new());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let journal = dir
            .map(|dir| Journal::open(&dir.join(format!("{at}.redb")), JournalMetrics::default()).expect("a journal"));
        let facts = Arc::new(CachedFacts::in_fleet(Arc::clone(&clock), journal, [], FactMetrics::default()));
        let ring = KeyRing::init(&*entropy, SystemClock.now()).expect("random bytes");
        let keys = Keys::new(&ring, &*entropy).expect("random bytes");
        block_on(facts.start(&ring, &keys, Begin::InFleet).expect("it starts")).expect("kept");
        let id = ReplicaId(random(&*entropy).expect("random bytes"));
        let settings = NodeSettings {
            name: Name::new(&format!("bench-{at}")).expect("a name"),
            role,
            core: Core::of_ordinals(core).expect("a size"),
            id,
            realms: [3; 32],
            release: "bench".to_owned(),
            complete: at < core,
            journal: true,
            confirm: Duration::from_secs(120),
        };
        let seed = random(&*entropy).expect("random bytes");
        let own = Arc::clone(&facts) as Arc<dyn Facts>;
        let fleet = Arc::new(Fleet::start(settings, own, Arc::new(SameRing), seed, clock).expect("it starts"));
        let held = Arc::clone(&facts);
        fleet.on_released(move |facts| held.release(facts));
        let link = LinkSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            peers,
            secrets: vec![Secret::from_slice(&SECRET).expect("32 bytes")],
            id,
            role,
            now: SystemClock.now(),
            entropy,
        };
        let link = Arc::new(ZenohLink::open(link, fleet.deliver()).expect("it opens"));
        fleet.connect(Arc::clone(&link) as Arc<_>);
        Self { spread: FleetFacts::new(Arc::clone(&facts), Arc::clone(&fleet)), facts, fleet, link }
    }

    fn end(&self, wait: Wait) {
        let mut kept = self.spread.record(deny(), SystemClock.now()).kept;
        block_on(kept.until(wait)).expect("kept");
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.link.close();
    }
}

/// Endings one after the other, each by another replica, until all of the core hold them. The median in milliseconds.
fn endings(what: &str, replicas: &[Replica], count: usize) -> f64 {
    let core = usize::from(replicas[0].fleet.core());
    let millis: Vec<_> = (0..count).map(|at| timed(|| replicas[at % core].end(Wait::All))).collect();
    let (p50, p99) = percentiles(millis);
    println!(
        "\nan ending acknowledged by all; {what}: p50 {p50:.2} ms, p99 {p99:.2} ms of {count}  goal p99 ≤ 2 ms idle"
    );
    p50
}

/// What issuing a session costs more than alone.
fn asks(replicas: &[Replica]) {
    let question = || Question {
        realm: REALM,
        tags: vec![TagKey { realm: REALM, tag: random(&SystemEntropy::new()).expect("random bytes") }],
        session: None,
    };
    let millis = (0..1_000).map(|at| timed(|| block_on(replicas[at % 3].spread.learn(question())).expect("answered")));
    let (p50, p99) = percentiles(millis.collect());
    println!("an ask before a session is issued: p50 {p50:.2} ms, p99 {p99:.2} ms");
}

/// Messages and processor time of replicas that have nothing to do.
fn idle(what: &str, replicas: &[Replica]) {
    const SECONDS: u32 = 5;
    thread::sleep(Duration::from_secs(1));
    let sent = || replicas.iter().map(|replica| replica.link.counts().sent).sum::<u64>();
    let (before, used, carried) = (sent(), processor(), loopback());
    thread::sleep(Duration::from_secs(SECONDS.into()));
    let each = 1.0 / (f64::from(SECONDS) * replicas.len() as f64);
    println!(
        "idle, {what}, a replica: {:.1} messages a second, {:.2} % of a core; {:.0} bytes a second on the loopback",
        (sent() - before) as f64 * each,
        processor().saturating_sub(used).as_secs_f64() * 100.0 * each,
        (loopback() - carried) * each
    );
}

/// Facts from two sides at once.
fn load(replicas: &[Replica]) {
    let seconds = number("SEALPASS_LOAD", 10);
    let (rate, before) = (1_000, memory());
    let begun = Instant::now();
    thread::scope(|scope| {
        for replica in &replicas[..2] {
            scope.spawn(move || {
                for step in 0..seconds * 20 {
                    for _ in 0..rate / 20 {
                        drop(replica.spread.record(deny(), SystemClock.now()));
                    }
                    let due = Duration::from_millis(50) * (step + 1);
                    thread::sleep(due.saturating_sub(begun.elapsed()));
                }
            });
        }
    });
    let facts = 2 * rate * seconds;
    let equal = || {
        let beyond = sealpass::revocation::digest::beyond(SystemClock.now());
        replicas.iter().all(|replica| {
            Facts::digest(&*replica.facts, beyond) == Facts::digest(&*replicas[0].facts, beyond)
                && replica.fleet.view().ready
                && replica.fleet.counters().pending == 0
        })
    };
    let took = begun.elapsed();
    wait_for("all hold the same, and nothing is pending", equal);
    let dropped: u64 = replicas.iter().map(|replica| replica.link.counts().dropped).sum();
    println!(
        "load of 2 × {rate} facts a second: {facts} facts in {took:.1?}, equal {:.2?} later; {dropped} messages dropped, {:.0} bytes of memory a fact and replica",
        begun.elapsed().checked_sub(took).unwrap_or_default(),
        (memory() - before) * 1_024.0 / (f64::from(facts) * replicas.len() as f64)
    );
}

/// A replica without facts, from its start until it may answer.
fn joins(replicas: &[Replica]) {
    for count in [10_000, 100_000, number("SEALPASS_JOIN", 0)] {
        let held = replicas[0].facts.len();
        if u64::from(count) <= held {
            continue;
        }
        // The same on all, as if they had long had them.
        for _ in held..count.into() {
            let fact = deny();
            for replica in replicas {
                drop(replica.facts.merge(&[fact], SystemClock.now()));
            }
        }
        for replica in replicas {
            replica.facts.maintain();
        }
        wait_for("all have looked", || replicas.iter().all(|replica| replica.fleet.view().ready));
        let (peers, before) = (vec![replicas[0].link.local_address().to_string()], memory());
        let begun = Instant::now();
        let joiner = Replica::start(9, 3, Role::Edge, peers, None);
        wait_for("the joiner is ready", || joiner.fleet.view().ready);
        let took = begun.elapsed();
        joiner.facts.maintain();
        println!(
            "a joiner with {count} facts: ready after {took:.2?}, holds {}, {:.0} MiB  goal ≤ 0.3 s, 0.5 s, 3 s for 10 k, 100 k, 1 M",
            joiner.facts.len(),
            (memory() - before) / 1_024.0
        );
        drop(joiner);
        idle(&format!("three with {count} facts"), replicas);
    }
}

fn deny() -> Fact {
    let sid = SessionId(random(&SystemEntropy::new()).expect("random bytes"));
    let session = SessionKey { realm: REALM, sid };
    Fact::Deny { session, from: AT_ONCE, rotated: false, of: None, until: SystemClock.now().plus(HOUR) }
}

fn timed(run: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    run();
    begun.elapsed().as_secs_f64() * 1_000.0
}

fn percentiles(mut figures: Vec<f64>) -> (f64, f64) {
    figures.sort_by(f64::total_cmp);
    (median(&figures), figures[figures.len() * 99 / 100])
}

fn wait_for(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < LIMIT, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// Resident, in KiB.
fn memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("in every status");
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number")
}

/// Bytes that went over the loopback of our network namespace.
fn loopback() -> f64 {
    let devices = fs::read_to_string("/proc/net/dev").expect("Linux");
    let line = devices.lines().find_map(|line| line.trim().strip_prefix("lo:")).expect("there is one");
    line.split_whitespace().next().and_then(|text| text.parse().ok()).expect("a number")
}

/// Processor time of this process, in user space and in the kernel.
fn processor() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<_> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().map(|at| fields[*at].parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}
