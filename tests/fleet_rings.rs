//! The key ring among replicas that share no storage: each has files of its own, and all seal and open with the same keys.

#[path = "fleet_rings/driven.rs"]
mod driven;
#[path = "fleet_rings/rig.rs"]
mod rig;

use std::time::Duration;

use rig::{Fleet, Last, dir};
use sealpass::clock::{Clock as _, Timestamp};
use sealpass::cluster::node::NotReady;
use sealpass::cluster::ports::{RingRefused, Rings as _};
use sealpass::custody::{Custodian as _, Patience, Receipt, Task};
use sealpass::keyring::{Kid, Order, Timing};
use sealpass::revocation::Wait;

const ROTATE: Order = Order::Rotate { after: None };

#[test]
fn s14_a_rotation_on_one_reaches_all_before_any_seals_with_it() {
    let fleet = Fleet::new();
    let old = fleet.active();
    let receipt = fleet.replicas[0].order(ROTATE);
    let (kid, from) = rotating(&receipt);
    assert_eq!(from, fleet.net.clock.now().plus(Timing::DEFAULT.activation()));
    let among = receipt.among.expect("several");
    assert!(among.applied >= 2 && among.core == 3 && among.reached, "{among:?}");
    assert_eq!(fleet.opens(kid), [true; 3], "all have it before it is dated");
    fleet.advance(from.minus(MILLISECOND).since(fleet.net.clock.now()));
    assert_eq!(fleet.active(), old, "not a millisecond sooner");
    fleet.step(MILLISECOND);
    assert_eq!(fleet.active(), kid);
    assert_eq!((fleet.opens(old), fleet.ready()), (vec![true; 3], vec![true; 3]));
    fleet.check_files();
}

/// Between the change of the ring on one and the round after it, no two replicas have been heard to have the same one.
#[test]
fn no_replica_answers_503_because_the_ring_has_changed() {
    let fleet = Fleet::new();
    for order in [ROTATE, Order::Revoke { kid: fleet.active() }] {
        fleet.replicas[0].order(order);
        for replica in 0..3 {
            let view = fleet.net.node(replica).lock().expect("no panic").view(fleet.net.now());
            assert!(!view.why.contains(&NotReady::RingUnconfirmed), "{replica}: {view:?}");
        }
        fleet.advance(Duration::from_secs(5));
    }
}

#[test]
fn s15_rotations_on_two_at_one_moment_end_in_one_active_key_everywhere() {
    let fleet = Fleet::new();
    // Both make a key before either hears of the other's.
    fleet.replicas.iter().take(2).for_each(|replica| {
        replica.office().carry_out(Task::Order(ROTATE), false).expect("carried out");
    });
    let begun = fleet.net.clock.now();
    fleet.advance(Duration::from_secs(30));
    assert!(fleet.in_step());
    let report = fleet.replicas[2].custodian.report().expect("a ring");
    let pending: Vec<_> = report.keys.iter().filter(|key| key.state == "pending").collect();
    assert_eq!(pending.len(), 2, "{report:?}");
    let last = pending.iter().filter_map(|key| key.seals_from).max().expect("dated");
    assert!(last >= begun.plus(Timing::DEFAULT.activation()), "dated when a majority had it");
    while fleet.net.clock.now() < last {
        fleet.active();
        fleet.advance(Duration::from_secs(1));
    }
    assert!(pending.iter().any(|key| Kid::parse(&key.key) == Some(fleet.active())));
    fleet.check_files();
}

#[test]
fn a_rotation_without_a_majority_is_proposed_and_goes_on_by_itself_when_there_is_one() {
    let fleet = Fleet::new();
    let old = fleet.active();
    fleet.set_down(1, true);
    fleet.set_down(2, true);
    let patience = Patience { wait: Wait::Majority, at_most: Duration::from_millis(20) };
    let receipt = fleet.replicas[0].custodian.carry_out_among(Task::Order(ROTATE), false, patience).expect("made");
    assert_eq!((receipt.outcome.as_str(), receipt.seals_from), ("proposed", None));
    assert!(receipt.among.is_some_and(|among| among.applied == 1 && !among.reached), "{receipt:?}");
    let kid = Kid::parse(&receipt.key).expect("a key");
    fleet.advance(Timing::DEFAULT.activation() * 2);
    assert_eq!(fleet.active(), old, "nobody knows it");
    assert!(!fleet.ready()[0], "and alone it can't know what a majority has");
    fleet.set_down(1, false);
    fleet.advance(Duration::from_secs(20));
    let report = fleet.replicas[1].custodian.report().expect("a ring");
    assert_eq!(report.key(&receipt.key).map(|key| key.state.as_str()), Some("pending"), "two of three have it");
    fleet.set_down(2, false);
    fleet.advance(Timing::DEFAULT.activation());
    assert_eq!(fleet.active(), kid);
}

#[test]
fn a_rotation_on_files_is_dated_by_those_that_run() {
    let fleet = Fleet::new();
    let receipt = fleet.replicas[1].office().carry_out(Task::Order(ROTATE), false).expect("carried out");
    assert_eq!(receipt.outcome, "proposed");
    fleet.advance(Duration::from_secs(20));
    let report = fleet.replicas[2].custodian.report().expect("a ring");
    assert_eq!(report.key(&receipt.key).map(|key| key.state.as_str()), Some("pending"));
    fleet.advance(Timing::DEFAULT.activation());
    assert_eq!(fleet.active(), Kid::parse(&receipt.key).expect("a key"));
}

#[test]
fn of_several_that_could_date_a_key_one_does_and_another_if_that_one_is_down() {
    let fleet = Fleet::new();
    for down in [None, Some(0)] {
        if let Some(down) = down {
            fleet.set_down(down, true);
        }
        let before = fleet.orders();
        let receipt = fleet.replicas[1].office().carry_out(Task::Order(ROTATE), false).expect("carried out");
        fleet.advance(Duration::from_secs(20));
        assert_eq!(fleet.orders() - before, 1, "{down:?}");
        let report = fleet.replicas[2].custodian.report().expect("a ring");
        assert_eq!(report.key(&receipt.key).map(|key| key.state.as_str()), Some("pending"), "{down:?}");
        fleet.advance(Timing::DEFAULT.activation());
    }
}

#[test]
fn an_old_file_brings_nothing_back() {
    let fleet = Fleet::new();
    let (old, backup) = (fleet.active(), std::fs::read(fleet.replicas[1].file()).expect("there"));
    fleet.replicas[0].order(Order::Revoke { kid: old });
    fleet.advance(Duration::from_secs(5));
    std::fs::write(fleet.replicas[1].file(), &backup).expect("writable");
    fleet.replicas[1].watch.look().expect("ours");
    assert_eq!(fleet.opens(old), [false; 3], "not for a moment");
    fleet.advance(Duration::from_secs(5));
    assert_eq!(fleet.opens(old), [false; 3]);
    assert_ne!(std::fs::read(fleet.replicas[1].file()).expect("there"), backup, "it is written anew");
    assert!(fleet.in_step());
    assert_ne!(fleet.active(), old);
}

#[test]
fn an_emergency_reaches_all_in_one_share() {
    let fleet = Fleet::new();
    let old = fleet.active();
    let receipt = fleet.replicas[2].order(Order::Revoke { kid: old });
    assert!(receipt.among.is_some_and(|among| among.reached), "{receipt:?}");
    // Nothing but the one message and its answers has travelled.
    assert_eq!(fleet.opens(old), [false; 3]);
    fleet.check_files();
    assert_eq!(Some(fleet.active()), receipt.fresh_key.as_deref().and_then(Kid::parse));
}

#[test]
fn a_replaced_ring_travels_and_the_old_one_is_not_mistaken_for_another_deployments() {
    let fleet = Fleet::new();
    let old = fleet.active();
    fleet.set_down(2, true);
    let receipt = fleet.replicas[0].custodian.carry_out(Task::ReplaceRing, false).expect("carried out");
    assert!(receipt.among.is_some_and(|among| among.reached && among.applied == 2), "{receipt:?}");
    fleet.set_down(2, false);
    fleet.advance(Duration::from_secs(5));
    assert_eq!(fleet.opens(old), [false; 3], "the one that was away as well");
    assert_eq!(Some(fleet.active()), Kid::parse(&receipt.key));
    assert_eq!(fleet.ready(), [true; 3]);
    fleet.check_files();
}

#[test]
fn a_replica_with_an_empty_directory_joins_and_makes_no_key() {
    let fleet = Fleet::with(Last::Empty);
    assert!(fleet.in_step());
    assert_eq!(fleet.ready(), [true; 3]);
    let joined = dir(&fleet.replicas[2].place).load().expect("written");
    assert_eq!(joined.digest(), dir(&fleet.replicas[0].place).load().expect("there").digest());
    assert_eq!(joined.records().len(), 1);
}

#[test]
fn a_replica_that_can_write_nothing_follows_from_memory() {
    let fleet = Fleet::new();
    let old = fleet.active();
    // A directory in the place where the new file would be made: a write fails, whoever runs this.
    let file = fleet.replicas[1].file();
    let bytes = std::fs::read(&file).expect("there");
    let keys = fleet.replicas[1].place.path().join("keys");
    let name = format!(".ring.sealed.{}.new", std::process::id());
    std::fs::create_dir(keys.join(name)).expect("a new directory");
    fleet.replicas[0].order(Order::Revoke { kid: old });
    fleet.advance(Duration::from_secs(5));
    assert_eq!((fleet.opens(old), fleet.ready()), (vec![false; 3], vec![true; 3]));
    assert!(fleet.in_step());
    assert_eq!(std::fs::read(&file).expect("there"), bytes, "its file is as it was");
}

#[test]
fn a_ring_of_another_deployment_is_refused_and_counted() {
    let fleet = Fleet::with(Last::Foreign);
    let digest = |n: usize| fleet.replicas[n].watch.digest().expect("a ring");
    assert_eq!(digest(0), digest(1));
    assert_ne!(digest(0).ring, digest(2).ring, "nobody took the other's");
    assert_eq!(fleet.ready(), [true, true, false]);
    for n in 0..3 {
        let counters = fleet.net.node(n).lock().expect("no panic").counters();
        assert!(counters.rings_refused > 0, "{n}: {counters:?}");
    }
    assert_eq!(fleet.replicas[0].watch.merge(b"junk"), Err(RingRefused::Unreadable));
    let foreign = fleet.replicas[2].watch.bytes().expect("a ring");
    assert_eq!(fleet.replicas[0].watch.merge(&foreign), Err(RingRefused::Other));
    assert_eq!(digest(0), digest(1));
}

#[test]
fn only_a_majority_confirms_the_ring_and_a_replica_without_it_is_not_ready_in_time() {
    let fleet = Fleet::new();
    fleet.set_down(2, true);
    fleet.advance(Timing::DEFAULT.confirm() + Duration::from_secs(1));
    assert_eq!(fleet.ready(), [true, true, false]);
    // What it missed it has before it is ready again.
    let receipt = fleet.replicas[0].order(ROTATE);
    fleet.advance(Timing::DEFAULT.activation());
    let (kid, _) = rotating(&receipt);
    assert_eq!(fleet.replicas[0].sealing(), Some(kid), "one that is down postpones nothing");
    fleet.set_down(2, false);
    let mut steps = 0;
    while !fleet.ready()[2] {
        assert!(steps < 100, "it never is");
        steps += 1;
        fleet.step(Duration::from_millis(50));
    }
    assert!(fleet.replicas[2].opens(kid));
    assert_eq!(fleet.replicas[2].sealing(), Some(kid));
}

#[test]
fn a_replica_that_is_up_and_lacks_the_key_postpones_its_activation() {
    let fleet = Fleet::new();
    // It takes nothing: its secret is another one.
    let secret = fleet.replicas[2].place.path().join("keys/cluster.secret");
    let good = std::fs::read(&secret).expect("there");
    std::fs::write(&secret, [9; 32]).expect("writable");
    let (_, from) = rotating(&fleet.replicas[0].order(ROTATE));
    fleet.advance(Timing::DEFAULT.activation());
    let next = pending(&fleet, 0);
    assert!(next > from, "{next:?} {from:?}");
    std::fs::write(&secret, good).expect("writable");
    fleet.advance(Timing::DEFAULT.activation() * 2);
    assert!(fleet.in_step());
    assert_eq!(fleet.opens(fleet.active()), [true; 3]);
}

fn rotating(receipt: &Receipt) -> (Kid, Timestamp) {
    assert_eq!(receipt.outcome, "rotating", "{receipt:?}");
    (Kid::parse(&receipt.key).expect("a key"), receipt.seals_from.expect("dated"))
}

fn pending(fleet: &Fleet, replica: usize) -> Timestamp {
    let report = fleet.replicas[replica].custodian.report().expect("a ring");
    report.keys.iter().find(|key| key.state == "pending").and_then(|key| key.seals_from).expect("one is pending")
}

const MILLISECOND: Duration = Duration::from_millis(1);
