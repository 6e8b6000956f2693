//! A watched ring on a clock that is moved by hand.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::cluster::ports::{RingRefused, Rings as _};
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

/// A replica of several: how long ago its ring was confirmed, by what it was told last, and which epochs were taken up.
struct OneOfMany {
    place: tempfile::TempDir,
    watch: RingWatch,
    confirmed: Arc<Mutex<Option<Duration>>>,
    epochs: Arc<Mutex<Vec<u64>>>,
}

impl OneOfMany {
    /// With the cluster secret of `other`, and nothing else.
    fn joining(other: &Watched) -> Self {
        let (confirmed, epochs) = (Arc::<Mutex<_>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let place = tempfile::tempdir().expect("a directory for the test");
        std::fs::create_dir(place.path().join("keys")).expect("a new directory");
        std::fs::copy(dir(&other.place).secret_path(), dir(&place).secret_path()).expect("writable");
        let (told, taken) = (Arc::clone(&confirmed), Arc::clone(&epochs));
        let take_up = move |ring: &KeyRing, _| taken.lock().expect("no panic").push(ring.epoch());
        let confirm = move |ago| *told.lock().expect("no panic") = Some(ago);
        let watch = RingWatch::new(office(&place, &other.clock, LONG), take_up, confirm).in_fleet();
        watch.look().expect("no file is no fault");
        Self { place, watch, confirmed, epochs }
    }

    /// How long ago the ring counts as confirmed if a majority says now that it is theirs.
    fn confirmed(&self) -> Option<Duration> {
        *self.confirmed.lock().expect("no panic") = None;
        self.watch.confirmed(Duration::ZERO);
        *self.confirmed.lock().expect("no panic")
    }

    /// From now on no ring file can be written, whoever runs this: the name that it is first written under is taken.
    fn block(&self) -> std::path::PathBuf {
        let path = self.place.path().join(format!("keys/.ring.sealed.{}.new", std::process::id()));
        std::fs::create_dir(&path).expect("a new directory");
        path
    }
}

#[test]
fn in_a_fleet_the_file_alone_confirms_nothing_and_one_that_cant_be_read_counts_against_the_majority() {
    let (first, second) = (Watched::new(), OneOfMany::joining(&Watched::new()));
    assert_eq!(second.watch.merge(&first.watch.bytes().expect("a ring")), Err(RingRefused::Unreadable));
    let second = OneOfMany::joining(&first);
    second.watch.merge(&first.watch.bytes().expect("a ring")).expect("ours");
    second.watch.look().expect("readable");
    assert_eq!(*second.confirmed.lock().expect("no panic"), None, "nobody said so");
    assert!(second.confirmed().is_some());
    let (file, begun) = (dir(&second.place).ring_path(), Instant::now());
    let good = std::fs::read(&file).expect("there");
    std::fs::write(&file, b"junk").expect("writable");
    let long = Duration::from_millis(300);
    while second.confirmed().is_some_and(|ago| ago < long) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never counts");
        drop(second.watch.look());
        thread::sleep(Duration::from_millis(10));
    }
    std::fs::write(&file, good).expect("writable");
    second.watch.look().expect("readable again");
    assert!(second.confirmed().is_some_and(|ago| ago < long));
}

#[test]
fn a_replica_without_a_ring_takes_the_first_and_writes_it_as_soon_as_it_can() {
    let first = Watched::new();
    let second = OneOfMany::joining(&first);
    assert_eq!((second.watch.digest(), second.watch.bytes()), (None, None));
    assert!(!second.watch.wait_for_ring(Duration::ZERO));
    assert!(matches!(second.watch.report(), Err(CustodyError::Unavailable(_))), "it makes no key");
    let (blocked, file) = (second.block(), dir(&second.place).ring_path());
    second.watch.merge(&first.watch.bytes().expect("a ring")).expect("ours");
    assert!(second.watch.wait_for_ring(Duration::ZERO));
    assert_eq!(second.watch.digest(), first.watch.digest());
    second.watch.look().expect("there never was a file");
    assert!(!file.exists());
    std::fs::remove_dir(blocked).expect("there");
    first.rotate();
    second.watch.merge(&first.watch.bytes().expect("a ring")).expect("ours");
    assert_eq!(dir(&second.place).load().expect("written").digest(), first.watch.digest().expect("a ring").digest);
    assert!(second.watch.look().is_ok() && second.watch.digest() == first.watch.digest());
}

#[test]
fn what_is_in_memory_alone_is_not_ahead_of_its_file_in_the_journal() {
    let first = Watched::new();
    let second = OneOfMany::joining(&first);
    second.watch.merge(&first.watch.bytes().expect("a ring")).expect("ours");
    let blocked = second.block();
    first.rotate();
    second.watch.merge(&first.watch.bytes().expect("a ring")).expect("ours");
    assert_eq!(second.watch.digest(), first.watch.digest());
    let stored = dir(&second.place).load().expect("there").epoch();
    assert!(second.epochs.lock().expect("no panic").iter().all(|epoch| *epoch <= stored), "the next start is refused");
    std::fs::remove_dir(blocked).expect("there");
    first.watch.carry_out(Task::Order(Order::Rotate { after: None }), false).expect("carried out");
    second.watch.merge(&first.watch.bytes().expect("a ring")).expect("ours");
    let stored = dir(&second.place).load().expect("there").epoch();
    assert_eq!(second.epochs.lock().expect("no panic").last(), Some(&stored));
    assert_eq!(stored, dir(&first.place).load().expect("there").epoch(), "a merge is no write of its own");
}

#[test]
fn every_secret_that_opens_the_file_opens_what_travels() {
    let first = Watched::new();
    let second = OneOfMany::joining(&first);
    let new = first.place.path().join("new.secret");
    dir(&first.place).accept(&new, &SystemEntropy::new()).expect("accepted");
    first.watch.look().expect("readable");
    std::fs::copy(&new, dir(&second.place).secret_path()).expect("handed over");
    second.watch.merge(&first.watch.bytes().expect("a ring")).expect("under the new one");
    let third = OneOfMany::joining(&first);
    third.watch.merge(&second.watch.bytes().expect("a ring")).expect("under the old one");
}

const HOUR: Duration = Duration::from_secs(3_600);
const LONG: Longest = Longest { lifetime: Duration::from_secs(60 * 86_400), idle: Duration::from_secs(30 * 86_400) };
