//! What ends at one replica is over at all, whatever happens to the one that was told.

use serde_json::json;

use crate::common::wait_for;
use crate::rig::Fleet;
use crate::setup::Setup;
use crate::times;

#[test]
fn replicas_join_with_the_secret_alone_and_the_edge_does_as_the_core() {
    let fleet = Setup::core(3).with_edge().on_loopback().started();
    for replica in &fleet.0[..3] {
        assert!(replica.has_ring(), "{} keeps the ring that it was given", replica.name);
        let report = replica.report();
        assert_eq!((&report["ready"], &report["size"]), (&json!(true), &json!(3)), "{report}");
    }
    for replica in &fleet.0 {
        fleet.assert_accepted(&replica.login("alice").token);
    }
    for told in [&fleet.0[0], &fleet.0[3]] {
        let session = told.login("alice");
        let answer = told.end(&session, "majority");
        assert_eq!((answer.status, &answer.json()["core"]), (200, &json!(3)), "the edge counts for nothing");
        fleet.wait_refused(&session.token);
    }
}

#[test]
fn s06_what_all_acknowledged_is_refused_by_all_at_once() {
    let fleet = Setup::core(3).on_loopback().started();
    for told in &fleet.0 {
        let session = told.login("alice");
        fleet.assert_accepted(&session.token);
        let answer = told.end(&session, "all");
        assert_eq!((answer.status, &answer.json()["applied"]), (200, &json!(3)));
        fleet.assert_refused(&session.token);
    }
}

#[test]
fn s05_log_out_everywhere_ends_what_was_and_not_what_comes() {
    let fleet = Setup::core(3).on_loopback().started();
    let before: Vec<_> = fleet.0.iter().map(|replica| replica.login("alice")).collect();
    let other = fleet.0[1].login("bob");
    let answer = fleet.0[0].call("/v1/subjects/revoke", &json!({"subject": "alice", "wait": "all"}));
    assert_eq!(answer.status, 200);
    // Before anybody asks for what ended: a login would bring it along.
    for session in &before {
        fleet.assert_refused(&session.token);
    }
    let after = fleet.0[2].login("alice");
    fleet.assert_accepted(&after.token);
    fleet.assert_accepted(&other.token);
}

#[test]
fn what_a_majority_acknowledged_outlives_the_replica_that_was_told() {
    let mut fleet = Setup::core(3).on_loopback().started();
    for round in 0..times("SEALPASS_FLEET_KILLS", 3) {
        let told = round % 3;
        // A replica that was restarted is ready before its word counts: two in a row leave no majority for a while.
        let session = fleet.0[(round + 1) % 3].login_once_a_majority_counts("alice");
        let answer = fleet.0[told].end(&session, "majority");
        fleet.0[told].kill();
        assert_eq!(answer.status, 200, "round {round}");
        fleet.wait_refused(&session.token);
        restart(&mut fleet, told);
        fleet.wait_refused(&session.token);
    }
}

#[test]
fn s14_a_rotation_reaches_every_ring_and_refuses_nobody() {
    let fleet = Setup::core(3).on_loopback().started();
    let session = fleet.0[1].login("alice");
    let made = fleet.0[0].call("/v1/keys/rotate", &json!({}));
    // At once: nobody may be refused between the change on one and the next round.
    fleet.assert_accepted(&session.token);
    assert_eq!(made.status, 200, "{}", made.json());
    let key = made.json()["key"].clone();
    for replica in &fleet.0 {
        wait_for(&format!("{} has the key", replica.name), || {
            assert_eq!(replica.verify(&session.token), 200, "{}", replica.report());
            replica.keys().contains(&key)
        });
    }
}

fn restart(fleet: &mut Fleet, which: usize) {
    fleet.0[which].start();
    fleet.wait_ready();
}
