//! Replicas that come late: without any facts, or back after a while.

use sealpass::cluster::ports::Facts as _;

use super::steady::{SECOND, Steady, ending};
use super::traffic::Sum;
use super::world::{Links, Moment, World};

/// What it took until a replica might answer.
#[derive(Clone, Copy, Debug)]
pub struct Late {
    /// Facts that it lacked.
    pub lacked: u64,
    /// In microseconds; what computing takes is no part of it.
    pub took: Moment,
    pub sent: Sum,
    pub came: Sum,
}

/// An edge without facts joins a core of three that has so many.
pub fn join(facts: u64, links: Links) -> Late {
    let fleet = Steady { replicas: 3, core: 3, logouts: 0, links };
    let mut world = fleet.ready();
    for _ in 0..facts {
        let fact = ending(&mut world);
        let wall = world.wall();
        world.replicas.iter().for_each(|one| drop(one.facts.merge(&[fact], wall)));
    }
    world.run(world.now + 3 * SECOND);
    let joiner = world.start();
    let took = until_ready(&mut world, joiner);
    late(&world, joiner, facts, took)
}

/// An edge of ten comes back that was cut off for so many seconds, while sessions are ended.
pub fn come_back(seconds: u64, logouts: u64, links: Links) -> Late {
    let fleet = Steady { replicas: 10, core: 3, logouts, links };
    let mut world = fleet.ready();
    let away = fleet.replicas - 1;
    world.replicas[away].linked = false;
    let before = known(&world, 0);
    // It has nobody to tell.
    Steady { replicas: away, ..fleet }.load(&mut world, seconds * SECOND);
    let lacked = known(&world, 0) - before;
    world.forget_traffic();
    world.replicas[away].linked = true;
    let took = until_ready(&mut world, away);
    late(&world, away, lacked, took)
}

fn until_ready(world: &mut World, at: usize) -> Moment {
    let begun = world.now;
    while !world.replicas[at].node.view(world.time(at)).ready {
        assert!(world.now < begun + PATIENCE, "it never is ready");
        world.run(world.now + LOOK);
    }
    world.now - begun
}

fn late(world: &World, at: usize, lacked: u64, took: Moment) -> Late {
    let replica = &world.replicas[at];
    assert_eq!(known(world, at), known(world, 0), "it knows all");
    Late { lacked, took, sent: replica.sent.all(), came: replica.came.all() }
}

fn known(world: &World, at: usize) -> u64 {
    world.replicas[at].facts.count()
}

const PATIENCE: Moment = 300 * SECOND;
const LOOK: Moment = 1_000;
