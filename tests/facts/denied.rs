//! What stands in front of the facts, and says of most keys that they have none, never says so of one that has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pollster::block_on;
use sealpass::clock::{Clock, SystemClock};
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::{KeyRing, Keys};
use sealpass::revocation::FactStore;
use sealpass::store::{Begin, CachedFacts, Journal};
use sealpass::telemetry::{FactMetrics, JournalMetrics};

use super::rig::{REALM, Session, budget, realm, session, subject};

const EACH: u64 = 3_000;
const HOUR: Duration = Duration::from_secs(3_600);

/// Three threads end sessions: of some the ending is over in a moment, and comes again; of others so many are of one subject
/// that they are folded. Meanwhile the store is maintained without a pause. Then all comes back from the journal.
#[test]
fn an_ending_is_seen_from_the_moment_it_is_recorded_until_its_time_whatever_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let ring = KeyRing::init(&SystemEntropy::new(), SystemClock.now()).expect("random bytes");
    let open = || {
        let journal = Journal::open(&dir.path().join("facts.redb"), JournalMetrics::default()).expect("a journal");
        let budgets = [budget(REALM, 100_000, 200)];
        let facts = CachedFacts::with(Arc::new(SystemClock), Some(journal), budgets, FactMetrics::default());
        let keys = Keys::new(&ring, &SystemEntropy::new()).expect("random bytes");
        block_on(facts.start(&ring, &keys, Begin::First).expect("it opens")).expect("durable");
        facts
    };
    let (facts, done) = (open(), AtomicBool::new(false));
    let ended: Vec<Session> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                facts.maintain();
            }
        });
        let threads: Vec<_> = (0..3)
            .map(|thread| {
                let facts = &facts;
                scope.spawn(move || end_many(facts, thread))
            })
            .collect();
        let ended: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Release);
        ended.into_iter().flat_map(|ended| ended.expect("a thread missed an ending")).collect()
    });
    let all_over = |facts: &CachedFacts| ended.iter().all(|session| session.is_over(facts));
    assert!(all_over(&facts));
    block_on(
        facts
            .record(
                session(realm(REALM), subject(0), SystemClock.now()).deny(SystemClock.now().plus(HOUR)),
                SystemClock.now(),
            )
            .kept,
    )
    .expect("durable");
    drop(facts);
    let facts = open();
    assert!(all_over(&facts), "before it is maintained");
    facts.maintain();
    assert!(all_over(&facts), "and after");
}

/// Those whose endings are in force for long.
fn end_many(facts: &CachedFacts, thread: u64) -> Vec<Session> {
    let mut ended: Vec<Session> = Vec::new();
    for number in 0..EACH {
        let now = SystemClock.now();
        // A third is of one subject.
        let of = if number % 3 == 0 { subject(1_000 + thread) } else { subject(10_000 * (thread + 1) + number) };
        let session = session(realm(REALM), of, now);
        if number % 2 == 0 {
            drop(facts.record(session.deny(now.plus(Duration::from_millis(5))), now));
        }
        if number % 4 != 2 {
            drop(facts.record(session.deny(now.plus(HOUR)), now));
            assert!(session.is_over(facts), "it was ended a moment ago");
            ended.push(session);
        }
        let early = &ended[ended.len() / 2];
        assert!(early.is_over(facts), "it was ended before");
        if number % 5 == 0 {
            drop(facts.record(early.deny(now.plus(HOUR)), now));
            assert!(early.is_over(facts), "it was ended twice");
        }
    }
    ended
}
