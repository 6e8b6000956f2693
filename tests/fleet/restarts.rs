//! What a fleet still knows after some or all of its replicas were gone.

use std::fs;

use crate::common::{Session, wait_for};
use crate::rig::Fleet;
use crate::setup::Setup;

#[test]
fn s07_a_fleet_that_was_killed_as_a_whole_knows_from_its_journals_who_logged_out() {
    let mut fleet = Setup::core(3).on_loopback().started();
    let (ended, live) = half_ended(&fleet);
    fleet.kill();
    fleet.start();
    for session in &ended {
        fleet.assert_refused(&session.token);
    }
    for session in &live {
        fleet.assert_accepted(&session.token);
    }
}

#[test]
fn s07_without_journals_it_ends_every_session_rather_than_let_one_in_that_was_over() {
    let mut fleet = Setup::core(3).without_journals().on_loopback().started();
    let (ended, live) = half_ended(&fleet);
    fleet.kill();
    fleet.start();
    for session in ended.iter().chain(&live) {
        fleet.assert_refused(&session.token);
    }
    let again = fleet.0[0].login("alice");
    fleet.assert_accepted(&again.token);
}

#[test]
fn s48_a_rolling_restart_without_journals_logs_nobody_out_and_nobody_in() {
    let mut fleet = Setup::core(3).without_journals().on_loopback().started();
    let (ended, live) = half_ended(&fleet);
    for at in 0..3 {
        fleet.0[at].stop();
        fleet.0[at].start();
        fleet.wait_ready();
        for session in &ended {
            fleet.assert_refused(&session.token);
        }
        for session in &live {
            fleet.assert_accepted(&session.token);
        }
    }
}

#[test]
fn the_last_one_says_that_it_can_not_know_and_takes_endings_all_the_same() {
    let mut fleet = Setup::core(3).on_loopback().started();
    let [by_app, by_browser, live] = ["alice", "bob", "carol"].map(|subject| fleet.0[0].login(subject));
    fleet.0[1].kill();
    fleet.0[2].kill();
    let alone = &fleet.0[0];
    wait_for("alone it is stale", || alone.is_not_ready_for("stale"));
    assert_eq!((alone.verify(&live.token), alone.get("/readyz").status), (503, 503));
    assert_eq!(alone.call("/v1/sessions", &serde_json::json!({"subject": "dave"})).status, 503);
    assert_eq!(alone.end(&by_app, "majority").status, 202);
    let answer = alone.logout(&by_browser.token);
    let cleared = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie is cleared: {answer:?}"));
    assert!(cleared.contains("Max-Age=0"), "{cleared}");
    fleet.0[1].start();
    fleet.0[2].start();
    fleet.wait_ready();
    for session in [by_app, by_browser] {
        fleet.wait_refused(&session.token);
    }
    fleet.assert_accepted(&live.token);
}

#[test]
fn who_joins_is_not_ready_before_its_journal_knows_what_the_others_know() {
    let mut fleet = Setup::core(3).on_loopback().started();
    let live = fleet.0[0].login("alice");
    fleet.kill();
    let journal = fleet.0[2].place().path("keys/facts.redb");
    let away = journal.with_extension("away");
    fs::remove_file(&journal).expect("it was whole");
    fleet.0[2].start();
    fs::rename(&journal, &away).expect("it was made anew");
    fleet.0[0].start();
    fleet.0[1].start();
    let joins = &fleet.0[2];
    wait_for("it knows all and its journal does not", || joins.is_not_ready_for("unsettled"));
    assert_eq!((joins.verify(&live.token), joins.get("/readyz").status), (503, 503));
    fs::rename(&away, &journal).expect("still there");
    fleet.wait_ready();
    // As soon as it is ready the next one may go, and then it has to count from its journal alone.
    fleet.kill();
    fs::remove_file(fleet.0[0].place().path("keys/facts.redb")).expect("there");
    fleet.start();
    fleet.assert_accepted(&live.token);
}

/// Sessions that every replica knows to be over, and sessions that are not.
fn half_ended(fleet: &Fleet) -> (Vec<Session>, Vec<Session>) {
    let login = |at: usize| fleet.0[at % 3].login(&format!("user {at}"));
    let (ended, live): (Vec<_>, Vec<_>) = ((0..10).map(login).collect(), (10..20).map(login).collect());
    for (at, session) in ended.iter().enumerate() {
        assert_eq!(fleet.0[(at + 1) % 3].end(session, "majority").status, 200);
    }
    for session in &ended {
        fleet.wait_refused(&session.token);
    }
    (ended, live)
}
