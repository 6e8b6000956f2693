//! A real partition: endings on both sides, and what comes of them when it heals.

use std::time::{Duration, Instant};

use crate::common::wait_for;
use crate::net::Net;
use crate::setup::Setup;
use crate::times;

#[test]
fn s06_both_sides_of_a_partition_take_endings_and_agree_when_it_heals() {
    let Some(net) = Net::new(3) else { return };
    let fleet = Setup::core(3).on(net.spots()).started();
    let login = |subject: &str| fleet.0[0].login(subject);
    let (at_majority, at_minority, live) = (login("alice"), login("bob"), login("carol"));
    net.cut(2);
    let begun = Instant::now();
    let cut_off = &fleet.0[2];
    assert_eq!(fleet.0[0].end(&at_majority, "majority").status, 200);
    assert_eq!(cut_off.end(&at_minority, "majority").status, 202);
    wait_for("the minority is stale", || cut_off.is_not_ready_for("stale"));
    let lasts = Duration::from_secs(times("SEALPASS_FLEET_CUT", 6).try_into().expect("a number of seconds"));
    while begun.elapsed() < lasts {
        let statuses = [&at_majority, &at_minority, &live].map(|session| cut_off.verify(&session.token));
        assert_eq!(statuses, [503; 3], "it can't know");
        assert_eq!([0, 1].map(|at: usize| fleet.0[at].verify(&live.token)), [200; 2], "the majority goes on");
        std::thread::sleep(Duration::from_millis(200));
    }
    net.heal(2);
    let healed = Instant::now();
    fleet.wait_ready();
    for session in [&at_majority, &at_minority] {
        fleet.wait_refused(&session.token);
    }
    eprintln!("a partition of {lasts:?} had healed after {:?}", healed.elapsed());
    fleet.assert_accepted(&live.token);
}
