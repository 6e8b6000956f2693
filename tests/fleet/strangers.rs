//! Who does not belong is not let in, and who has a name twice is seen.

use crate::common::wait_for;
use crate::rig::Replica;
use crate::setup::Setup;

#[test]
fn another_cluster_secret_never_joins_and_changes_nothing() {
    let fleet = Setup::core(3).on_loopback().started();
    let session = fleet.0[0].login("alice");
    let mut stranger = fleet.0[1].stranger();
    stranger.start();
    // By then it has asked often enough to be answered, if anybody were to.
    wait_for("it looks for the others", || stranger.report()["counters"]["rounds"].as_u64() >= Some(5));
    assert!(!stranger.is_ready(), "{}", stranger.report());
    assert_eq!(standings(&stranger, "core").iter().filter(|standing| *standing == "ok").count(), 0);
    for replica in &fleet.0 {
        assert!(replica.is_ready(), "{}", replica.report());
        assert_eq!(standings(replica, "core").iter().filter(|standing| *standing == "ok").count(), 2);
    }
    fleet.assert_accepted(&session.token);
}

#[test]
fn two_with_one_name_are_seen_and_count_again_once_one_has_gone() {
    let fleet = Setup::core(3).on_loopback().started();
    let mut twin = fleet.0[1].twin();
    twin.start();
    wait_for("the name is seen twice", || standings(&fleet.0[0], "core").contains(&"duplicate".to_owned()));
    wait_for("the twin says so", || twin.is_not_ready_for("name-taken"));
    assert!(fleet.0[0].is_ready() && fleet.0[2].is_ready(), "two others are a majority");
    twin.kill();
    fleet.wait_ready();
}

fn standings(replica: &Replica, role: &str) -> Vec<String> {
    let report = replica.report();
    let members = report["members"].as_array().expect("a list").iter();
    let of_role = members.filter(|member| member["role"] == role);
    of_role.map(|member| member["standing"].as_str().expect("a word").to_owned()).collect()
}
