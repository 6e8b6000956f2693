//! A watched ring on a clock that is moved by hand.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::entropy::SystemEntropy;
use crate::keyring::{Kid, Order, Timing};
use crate::revocation::Longest;
use crate::store::RingDir;

/// A directory with a ring, watched by a service.
struct Watched {
    place: tempfile::TempDir,
    clock: Arc<ManualClock>,
    watch: RingWatch,
    /// Whether the first key opens.
    opens: Arc<AtomicBool>,
}

impl Watched {
    fn new() -> Self {
        let place = tempfile::tempdir().expect("a directory for the test");
        let clock = Arc::new(ManualClock::at(Timestamp::EPOCH.plus(1_000_000 * HOUR)));
        let ring = KeyRing::init(&SystemEntropy::new(), clock.now()).expect("random bytes");
        let (first, opens) = (ring.records()[0].kid(), Arc::new(AtomicBool::new(false)));
        dir(&place).init(&ring, &SystemEntropy::new()).expect("an empty directory");
        let watch = watch(&place, &clock, first, &opens);
        watch.look().expect("a ring");
        Self { place, clock, watch, opens }
    }

    /// Orders a rotation, and lets the new key seal.
    fn rotate(&self) {
        self.watch.carry_out(Task::Order(Order::Rotate { after: None }), false).expect("carried out");
        self.clock.advance(Timing::DEFAULT.activation());
        self.watch.look().expect("readable");
    }

    fn opens(&self) -> bool {
        self.opens.load(Ordering::Relaxed)
    }

    fn replace(&self) {
        office(&self.place, &self.clock, LONG).carry_out(Task::ReplaceRing, false).expect("carried out");
    }
}

fn watch(place: &tempfile::TempDir, clock: &Arc<ManualClock>, first: Kid, opens: &Arc<AtomicBool>) -> RingWatch {
    let (office, opens) = (office(place, clock, LONG), Arc::clone(opens));
    office.note_limits().expect("writable");
    RingWatch::new(office, move |_, keys| opens.store(keys.opening(first).0, Ordering::Relaxed), |_| ())
}

fn office(place: &tempfile::TempDir, clock: &Arc<ManualClock>, longest: Longest) -> RingOffice {
    let clock = Arc::clone(clock);
    RingOffice::new(dir(place), Timing::DEFAULT, longest, clock, Arc::new(SystemEntropy::new()))
}

fn dir(place: &tempfile::TempDir) -> RingDir {
    RingDir::new(&place.path().join("keys"), None)
}

#[test]
fn a_secret_that_was_handed_over_does_not_stop_the_clock_of_keys() {
    let watched = Watched::new();
    watched.rotate();
    let (dir, new) = (dir(&watched.place), watched.place.path().join("new.secret"));
    dir.accept(&new, &SystemEntropy::new()).expect("accepted");
    watched.watch.look().expect("readable with the old one");
    std::fs::rename(&new, dir.secret_path()).expect("handed over");
    watched.clock.advance(LONG.idle + HOUR);
    watched.watch.look().expect("readable with the new one");
    assert!(!watched.opens(), "the first key is retired");
}

#[test]
fn s46_a_clock_that_jumps_ahead_and_back_loses_no_key() {
    let watched = Watched::new();
    watched.rotate();
    let now = watched.clock.now();
    watched.clock.advance(LONG.idle + HOUR);
    watched.watch.look().expect("readable");
    assert!(!watched.opens());
    watched.clock.set(now);
    watched.watch.look().expect("readable");
    assert!(watched.opens(), "its sessions are as alive as before");
}

#[test]
fn a_service_that_missed_a_replaced_ring_takes_the_one_after_it() {
    let watched = Watched::new();
    watched.replace();
    watched.replace();
    watched.watch.look().expect("of the same deployment");
    assert!(!watched.opens());
}

#[test]
fn rings_that_are_replaced_at_one_moment_follow_one_another() {
    let watched = Watched::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| watched.watch.carry_out(Task::ReplaceRing, false).expect("carried out"));
        }
    });
    watched.watch.look().expect("of the same deployment");
}

#[test]
fn a_command_with_another_configuration_does_not_end_the_limits_of_a_running_service() {
    let watched = Watched::new();
    office(&watched.place, &watched.clock, Longest { lifetime: 2 * HOUR, idle: HOUR })
        .carry_out(Task::Order(Order::Rotate { after: None }), false)
        .expect("carried out");
    for _ in 0..4 {
        watched.clock.advance(13 * HOUR);
        watched.watch.look().expect("readable");
    }
    let ring = dir(&watched.place).load().expect("readable");
    let service = ring.limits().iter().find(|limit| limit.idle == LONG.idle).expect("noted");
    let known = service.ended.is_none_or(|ended| watched.clock.now().since(ended) < 24 * HOUR);
    assert!(known, "{:?}", ring.limits());
}

const HOUR: Duration = Duration::from_secs(3_600);
const LONG: Longest = Longest { lifetime: Duration::from_secs(60 * 86_400), idle: Duration::from_secs(30 * 86_400) };
