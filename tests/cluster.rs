//! The protocol between replicas, in a simulated world: links that lose, delay, double and reorder messages, or break one way;
//! disks whose writes a crash may lose; clocks that differ; processes that die, sleep, and come back with or without
//! what they knew. Whatever happens, the promises of `src/manual/replication.md` hold after each step.
//!
//! A seed is a schedule. `SEALPASS_SEEDS=n` runs n of them, `SEALPASS_SEED=n` only that one; one that fails is shown as
//! the shortest schedule that still does.

#[path = "cluster/chapters.rs"]
mod chapters;
#[path = "cluster/events.rs"]
mod events;
#[path = "cluster/few.rs"]
mod few;
#[path = "cluster/network.rs"]
mod network;
#[path = "cluster/operation.rs"]
mod operation;
#[path = "cluster/promises.rs"]
mod promises;
#[path = "cluster/replica.rs"]
mod replica;
#[path = "cluster/rings.rs"]
mod rings;
#[path = "cluster/rules.rs"]
mod rules;
#[path = "cluster/run.rs"]
mod run;
#[path = "cluster/sessions.rs"]
mod sessions;
#[path = "cluster/shrink.rs"]
mod shrink;
#[path = "cluster/table.rs"]
mod table;
#[path = "cluster/world.rs"]
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use operation::Schedule;
use run::run;
use shrink::shrink;

#[test]
fn whatever_happens_the_promises_hold() {
    if let Some(seed) = from_environment("SEALPASS_SEED") {
        return one(seed);
    }
    let seeds = from_environment("SEALPASS_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let (accepted, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    let failed = std::sync::Mutex::new(None);
    let work = || {
        while failed.lock().expect("nobody panics with it").is_none() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            match run(&Schedule::of(seed), None) {
                Ok(world) => {
                    accepted.fetch_add(world.promises.accepted, Ordering::Relaxed);
                    refused.fetch_add(world.promises.refused, Ordering::Relaxed);
                }
                Err(_) => *failed.lock().expect("nobody panics with it") = Some(seed),
            }
        }
    };
    std::thread::scope(|scope| (0..threads()).for_each(|_| drop(scope.spawn(work))));
    if let Some(seed) = failed.into_inner().expect("nobody panicked with it") {
        one(seed);
    }
    // A world in which nobody answers keeps every promise.
    let (accepted, refused) = (accepted.into_inner(), refused.into_inner());
    println!("{seeds} seeds: {accepted} tokens accepted, {refused} refused");
    assert!(accepted > 100 * seeds && refused > 100 * seeds, "{accepted} accepted, {refused} refused");
}

/// Runs one seed, and shows the shortest schedule that breaks a promise.
fn one(seed: u64) {
    let schedule = Schedule::of(seed);
    let Err(broken) = run(&schedule, None) else { return };
    let shortest = shrink(&schedule, |tried| run(tried, None).is_err_and(|found| found.promise == broken.promise));
    let found = run(&shortest, None).err().unwrap_or(broken);
    panic!("SEALPASS_SEED={seed} breaks {:?}\n{}\n{shortest}", found.promise, found.how);
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

/// In a plain `cargo test`.
const SEEDS: u64 = 160;
