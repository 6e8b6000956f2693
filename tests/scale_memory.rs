//! What a fact costs in memory, counted as it is asked of the allocator: alone, and among other replicas.
//!
//! `SEALPASS_FACTS=1000000 cargo test --release --test scale_memory -- --nocapture` counts more of them than `cargo test`
//! does, and shows the figures. What the allocator adds, and a journal in a process of its own, is in
//! `benches/facts.rs` and `src/manual/scale.md`.

#![cfg(feature = "server")]

use std::sync::Arc;
use std::time::Duration;

use sealpass::claims::{RealmId, SessionId, Tag};
use sealpass::clock::{Clock, SystemClock};
use sealpass::cluster::ports::Facts;
use sealpass::entropy::{SystemEntropy, random};
use sealpass::revocation::{AT_ONCE, Fact, FactStore, SessionKey};
use sealpass::store::CachedFacts;
use sealpass::telemetry::FactMetrics;

#[test]
fn a_fact_costs_less_than_600_bytes() {
    let count = std::env::var("SEALPASS_FACTS").ok().map_or(COUNT, |text| text.parse().expect("a number"));
    let clock = || Arc::new(SystemClock) as Arc<dyn Clock>;
    let alone = bytes(&CachedFacts::new(clock()), count);
    let among = CachedFacts::in_fleet(clock(), None, [], FactMetrics::default());
    let now = SystemClock.now();
    among.agreed(Some(now));
    let among = bytes(&among, count);
    println!("{count} facts, each of a subject of its own: {alone} bytes a fact alone, {among} in a fleet");
    assert!((100..=MOST).contains(&alone), "{alone}");
    assert!((alone..=MOST).contains(&among), "{among}");
}

/// Bytes that `count` facts take, each.
fn bytes(facts: &CachedFacts, count: u64) -> u64 {
    let counted = allocation_counter::measure(|| {
        for _ in 0..count {
            drop(facts.record(deny(), SystemClock.now()));
        }
        facts.maintain();
    });
    assert_eq!(facts.len(), count);
    u64::try_from(counted.bytes_current).expect("some") / count
}

fn deny() -> Fact {
    let (sid, subject): ([u8; 16], Tag) = (some(), some());
    let session = SessionKey { realm: RealmId([7; 8]), sid: SessionId(sid) };
    let now = SystemClock.now();
    Fact::Deny { session, from: AT_ONCE, rotated: false, of: Some((subject, now)), until: now.plus(HOUR) }
}

fn some<const N: usize>() -> [u8; N] {
    random(&SystemEntropy::new()).expect("random bytes")
}

const HOUR: Duration = Duration::from_secs(3_600);
const COUNT: u64 = 100_000;
/// The goal.
const MOST: u64 = 600;
