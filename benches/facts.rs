//! What a fact costs: to look for, to record, to merge, among none and among a million. What a million of them cost: memory,
//! verify against an empty store, and verify while many expire; and what the journal costs: commits and latency of logouts at one moment, against the bare disk. Linux only (it reads /proc).
//!
//! `cargo bench --bench facts`. Everything is in one process and one run, so that ratios hold; the journal lies in the
//! directory for temporary files.

#![expect(clippy::cast_precision_loss, reason = "figures for people")]

#[path = "support/rig.rs"]
#[expect(dead_code, reason = "other benchmarks use the rest")]
mod rig;
#[path = "support/stats.rs"]
mod stats;
#[path = "support/turns.rs"]
mod turns;

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pollster::block_on;
use sealpass::claims::{CookieName, RealmName, SessionId, Tag};
use sealpass::clock::{Clock, SystemClock, Timestamp};
use sealpass::entropy::{SystemEntropy, random};
use sealpass::keyring::{KeyRing, Keys};
use sealpass::revocation::{AT_ONCE, Fact, FactStore, Kept, SessionKey};
use sealpass::sessions::{Lifetimes, NewSession, Realm, Sessions};
use sealpass::store::{Begin, Budget, CachedFacts, Journal};
use sealpass::telemetry::{FactMetrics, JournalMetrics};
use sealpass::token::Scratch;
use stats::{median, ratio};
use turns::{Subject, measure};

const FACTS: usize = 1_000_000;
const EXPIRING: usize = 50_000;
const HOUR: Duration = Duration::from_secs(3_600);

fn main() {
    for others in [0, 10_000, FACTS] {
        of_a_fact(others);
    }
    let dir = tempfile::tempdir().expect("a directory");
    let ring = KeyRing::init(&SystemEntropy::new(), SystemClock.now()).expect("random bytes");
    let full = a_million(&dir.path().join("million.redb"), &ring);
    verify_against_an_empty_store(&full, &ring);
    verify_while_many_expire(&full, &ring);
    drop(full);
    logouts(dir.path(), &ring);
}

/// Among so many others.
fn of_a_fact(others: usize) {
    let facts = rig::facts(others);
    let until = SystemClock.now().plus(HOUR);
    let keys = |facts: Vec<Fact>| facts.into_iter().map(about).collect::<Vec<_>>();
    let known: Vec<_> = (0..500).map(|_| deny(until)).collect();
    for fact in &known {
        drop(facts.record(*fact, SystemClock.now()));
    }
    facts.maintain();
    let (there, not_there) = (keys(known.clone()), keys((0..500).map(|_| deny(until)).collect()));
    let [one, two, three] = &mut [0; 3];
    let next = |turn: &mut usize| {
        *turn = (*turn + 1) % 500;
        *turn
    };
    let mut subjects = [
        Subject::new("look for what is not there", || facts.session(not_there[next(one)])),
        Subject::new("look for what is there", || facts.session(there[next(two)])),
        Subject::new("record what is known", || facts.record(known[next(three)], SystemClock.now()).raised),
    ];
    let mut figures = measure(&mut subjects);
    let mut inserted = [Subject::new("record what is new", || facts.record(deny(until), SystemClock.now()).raised)];
    figures.extend(measure(&mut inserted));
    for (subject, times) in subjects.iter().chain(&inserted).zip(&figures) {
        let (least, greatest) =
            (times.iter().copied().fold(f64::MAX, f64::min), times.iter().copied().fold(0.0, f64::max));
        println!("among {others:>9} facts: {:<28}{:>7.0} ns  ({least:.0}–{greatest:.0})", subject.name, median(times));
    }
}

fn about(fact: Fact) -> SessionKey {
    match fact {
        Fact::Deny { session, .. } => session,
        _ => unreachable!("only such are made here"),
    }
}

/// Memory, and how fast they come in and come back.
fn a_million(path: &Path, ring: &KeyRing) -> Arc<CachedFacts> {
    let before = memory();
    let facts = open(path, ring, JournalMetrics::default());
    let begin = Instant::now();
    for number in 1..=FACTS {
        let kept = facts.record(deny(SystemClock.now().plus(2 * HOUR)), SystemClock.now()).kept;
        // Only so many wait at one moment: the memory of those that wait is not what is asked for.
        if number % 5_000 == 0 {
            block_on(kept).expect("durable");
        }
    }
    let durable = begin.elapsed();
    facts.maintain();
    assert_eq!(facts.len(), FACTS as u64);
    let each = (memory() - before) * 1_024.0 / FACTS as f64;
    println!(
        "\nresident memory a fact, with index and journal (each of a subject of its own): {each:.0} bytes  goal ≤ 600"
    );
    println!("a million facts are durable after {durable:.1?}");
    let size = fs::metadata(path).expect("there").len();
    println!("the journal's file: {} bytes a fact", size / FACTS as u64);
    drop(facts);
    let begin = Instant::now();
    let facts = open(path, ring, JournalMetrics::default());
    println!("started with them in {:.1?}", begin.elapsed());
    facts
}

fn verify_against_an_empty_store(full: &Arc<CachedFacts>, ring: &KeyRing) {
    let realm = realm();
    let empty = Arc::new(CachedFacts::new(Arc::new(SystemClock)));
    let (empty, full) = (sessions(empty, ring), sessions(Arc::clone(full), ring));
    let tokens = tokens(&full, &realm);
    let verify = |sessions: &Sessions, scratch: &mut Scratch, at: &mut usize| {
        *at = (*at + 1) % tokens.len();
        sessions.verify(&realm, &[tokens[*at].as_bytes()], scratch).expect("good").renewal_due
    };
    let (mut one, mut two, mut at_one, mut at_two) = (Scratch::default(), Scratch::default(), 0, 0);
    let figures = measure(&mut [
        Subject::new("empty", || verify(&empty, &mut one, &mut at_one)),
        Subject::new("full", || verify(&full, &mut two, &mut at_two)),
    ]);
    let (middle, least, greatest) = ratio(&figures[1], &figures[0]);
    println!("\nverify: {:.0} ns with no fact, {:.0} ns with a million", median(&figures[0]), median(&figures[1]));
    println!("a million / none  {middle:.3}  ({least:.3}–{greatest:.3})  goal ≤ 1.3");
}

fn verify_while_many_expire(facts: &Arc<CachedFacts>, ring: &KeyRing) {
    let (realm, sessions) = (realm(), sessions(Arc::clone(facts), ring));
    let tokens = tokens(&sessions, &realm);
    let at = SystemClock.now().plus(Duration::from_secs(4));
    for _ in 0..EXPIRING {
        drop(facts.record(deny(at), SystemClock.now()));
    }
    facts.maintain();
    let (held, stop) = (facts.len(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                facts.maintain();
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        let mut scratch = Scratch::default();
        let mut sample = |until: Timestamp| {
            let mut latencies = Vec::new();
            while SystemClock.now() < until {
                for token in &tokens {
                    let begin = Instant::now();
                    sessions.verify(&realm, &[token.as_bytes()], &mut scratch).expect("good");
                    latencies.push(begin.elapsed());
                }
            }
            latencies.sort_unstable();
            latencies
        };
        let before = sample(at.minus(Duration::from_millis(500)));
        sample(at);
        let during = sample(at.plus(Duration::from_secs(3)));
        stop.store(true, Ordering::Relaxed);
        for (name, sorted) in [("before", &before), ("while 50,000 expire", &during)] {
            println!(
                "verify {name:<20} p50 {:>8.1?}  p99 {:>8.1?}  p99.9 {:>8.1?}  of {}",
                part(sorted, 0.5),
                part(sorted, 0.99),
                part(sorted, 0.999),
                sorted.len()
            );
        }
    });
    facts.maintain();
    println!("{} facts went meanwhile", held - facts.len());
}

fn logouts(dir: &Path, ring: &KeyRing) {
    let raw = raw_syncs(&dir.join("raw"));
    println!("\nbare disk: {raw:.0} writes of 4 KiB with fsync a second");
    let metrics = JournalMetrics::default();
    let facts = open(&dir.join("logouts.redb"), ring, metrics.clone());
    let log_out = || facts.record(deny(SystemClock.now().plus(HOUR)), SystemClock.now()).kept;
    let mut waves = Vec::new();
    for _ in 0..50 {
        let before = metrics.commits.get();
        let wave: Vec<Kept> = (0..100).map(|_| log_out()).collect();
        for kept in wave {
            block_on(kept).expect("durable");
        }
        waves.push(f64::from(u32::try_from(metrics.commits.get() - before).unwrap_or(u32::MAX)));
    }
    let most = waves.iter().copied().fold(0.0, f64::max);
    println!("100 logouts at one moment: {:.0} commits (at most {most:.0})  goal ≤ 3", median(&waves));
    let (before, begin, left) = (metrics.commits.get(), Instant::now(), AtomicUsize::new(20_000));
    let mut latencies: Vec<Duration> = std::thread::scope(|scope| {
        let one_after_the_other = || {
            let mut latencies = Vec::new();
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let begin = Instant::now();
                block_on(log_out()).expect("durable");
                latencies.push(begin.elapsed());
            }
            latencies
        };
        let threads: Vec<_> = (0..100).map(|_| scope.spawn(one_after_the_other)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let (took, commits) = (begin.elapsed().as_secs_f64(), metrics.commits.get() - before);
    latencies.sort_unstable();
    println!(
        "100 clients: {:.0} logouts a second, {:.1} a commit, {:.0} commits a second ({:.2} of the bare disk)",
        latencies.len() as f64 / took,
        latencies.len() as f64 / commits as f64,
        commits as f64 / took,
        commits as f64 / took / raw
    );
    println!("latency of a logout: p50 {:.1?}  p99 {:.1?}", part(&latencies, 0.5), part(&latencies, 0.99));
}

/// How often a second the bare disk takes a page.
fn raw_syncs(path: &Path) -> f64 {
    let mut file = File::create(path).expect("writable");
    file.write_all(&[0; 4_096]).and_then(|()| file.sync_all()).expect("a disk");
    let (begin, mut syncs) = (Instant::now(), 0);
    while begin.elapsed() < Duration::from_secs(2) {
        let written = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&[1; 4_096]));
        written.and_then(|()| file.sync_data()).expect("a disk");
        syncs += 1;
    }
    f64::from(syncs) / begin.elapsed().as_secs_f64()
}

fn open(path: &Path, ring: &KeyRing, journal: JournalMetrics) -> Arc<CachedFacts> {
    let journal = Journal::open(path, journal).expect("a journal");
    let budget = Budget { facts: 2 * FACTS, ..Budget::default() };
    let facts = CachedFacts::with(Arc::new(SystemClock), Some(journal), [budget], FactMetrics::default());
    let keys = Keys::new(ring, &SystemEntropy::new()).expect("random bytes");
    block_on(facts.start(ring, &keys, Begin::Again).expect("a journal")).expect("durable");
    Arc::new(facts)
}

fn sessions(facts: Arc<CachedFacts>, ring: &KeyRing) -> Sessions {
    let entropy = Arc::new(SystemEntropy::new());
    Sessions::new(Keys::new(ring, &*entropy).expect("random bytes"), facts, Arc::new(SystemClock), entropy)
}

fn realm() -> Realm {
    let name = RealmName::new("default").expect("a name");
    Realm::new(name, CookieName::new("__Host-sealpass").expect("a name"), Lifetimes::DEFAULT)
}

/// Some hundred sessions, so that no look-up is warm.
fn tokens(sessions: &Sessions, realm: &Realm) -> Vec<String> {
    let token = |n: usize| {
        let (subject, roles) = (format!("user {n}"), ["editor".to_owned()]);
        let new = NewSession { subject: Some(&subject), roles: &roles, ..NewSession::default() };
        sessions.issue(realm, &new).expect("fits").token.expose().to_owned()
    };
    (0..500).map(token).collect()
}

/// The ending of a session that nobody has seen, of a subject of its own.
fn deny(until: Timestamp) -> Fact {
    let bytes: [u8; 24] = random(&SystemEntropy::new()).expect("random bytes");
    let sid = SessionId(std::array::from_fn(|i| bytes[i]));
    let subject: Tag = std::array::from_fn(|i| bytes[16 + i]);
    let session = SessionKey { realm: realm().id(), sid };
    Fact::Deny { session, from: AT_ONCE, rotated: false, of: Some((subject, AT_ONCE)), until }
}

fn part(sorted: &[Duration], part: f64) -> Duration {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    let at = (sorted.len() as f64 * part) as usize;
    sorted[at.min(sorted.len() - 1)]
}

/// Resident, in kibibytes.
fn memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it is there");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}
