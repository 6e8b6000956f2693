//! A fleet with something to do all the time: what it sends, and how soon everybody knows.

use sealpass::claims::{RealmId, SessionId, Tag};
use sealpass::cluster::member::Role;
use sealpass::cluster::ports::Facts as _;
use sealpass::revocation::{AT_ONCE, Fact, Question, SessionKey, TagKey};

use super::traffic::{Kind, Sum, Traffic};
use super::world::{Links, Moment, World};

/// A fleet, and what happens in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steady {
    pub replicas: usize,
    pub core: usize,
    /// Sessions that are ended in an hour, and as many that begin.
    pub logouts: u64,
    pub links: Links,
}

/// What it came to. Traffic is that of a second.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Sent and received by a replica of the core, and sent by an edge.
    pub core: (Sum, Sum),
    pub edge: Sum,
    /// Sent by all, by kind, in bytes.
    pub fleet: [u64; 4],
    /// Sent by all for one logout: its push and its acknowledgements.
    pub logout: u64,
    /// From a logout until a majority holds it, and from a login until a majority has answered: half of them, and all
    /// but one in a hundred, in microseconds.
    pub held: [Moment; 2],
    pub asked: [Moment; 2],
    /// From a logout until the last replica knows it.
    pub known: [Moment; 2],
}

/// The time of a fact's life.
pub const IDLE_HOURS: u64 = 1;

impl Steady {
    pub fn run(&self) -> Figures {
        let mut world = self.ready();
        self.load(&mut world, SETTLES);
        let begun = world.now;
        world.forget_traffic();
        self.load(&mut world, MEASURED);
        let figures = Self::figures(&world, begun);
        world.run(world.now + PATIENCE);
        assert!(world.is_equal(), "all know the same soon after: {self:?}");
        Figures { known: known(&world, begun, begun + MEASURED), ..figures }
    }

    /// A fleet of which all may answer, and whose word counts.
    pub fn ready(&self) -> World {
        let mut world = World::new(SEED, self.core, self.links);
        for _ in 0..self.replicas {
            world.start();
        }
        world.run(STARTS);
        for at in 0..self.replicas {
            let view = world.replicas[at].node.view(world.time(at));
            assert!(view.ready && (view.counts || at >= self.core), "{at}: {view:?}");
        }
        world
    }

    /// Logouts and logins at replicas as they come, for so long.
    pub fn load(&self, world: &mut World, micros: Moment) {
        let end = world.now + micros;
        if let Some(every) = HOUR.checked_div(self.logouts) {
            loop {
                let next = world.now + world.random.u64(1..2 * every);
                if next >= end {
                    break;
                }
                world.run(next);
                let at = |world: &mut World| world.random.usize(..self.replicas);
                let (one, other) = (at(world), at(world));
                log_out(world, one);
                log_in(world, other);
            }
        }
        world.run(end);
    }

    fn figures(world: &World, begun: Moment) -> Figures {
        let of = |role, which: fn(&super::world::Replica) -> Traffic| {
            let replicas: Vec<_> = world.replicas.iter().filter(|one| one.role == role).collect();
            let mut all = Traffic::default();
            for one in &replicas {
                all += which(one);
            }
            each_second(all.all(), replicas.len() as u64)
        };
        let mut all = Traffic::default();
        for one in &world.replicas {
            all += one.sent;
        }
        let pushes = world.replicas.iter().flat_map(|one| one.pushes.values()).filter(|(at, _)| *at >= begun);
        let asks = world.replicas.iter().flat_map(|one| one.asks.values()).filter(|(at, _)| *at >= begun);
        let took = |(begun, over): &(Moment, Option<Moment>)| Some((*over)? - begun);
        let logouts = pushes.clone().count() as u64;
        Figures {
            core: (of(Role::Core, |one| one.sent), of(Role::Core, |one| one.came)),
            edge: of(Role::Edge, |one| one.sent),
            fleet: KINDS.map(|kind| each_second(all.of(kind), 1).bytes),
            logout: all.of(Kind::Push).bytes.checked_div(logouts).unwrap_or_default(),
            held: percentiles(pushes.filter_map(took).collect()),
            asked: percentiles(asks.filter_map(took).collect()),
            known: [0; 2],
        }
    }
}

/// A session of somebody who has others is ended, and that is told to all.
pub fn log_out(world: &mut World, at: usize) {
    let fact = ending(world);
    let wall = world.wall();
    drop(world.replicas[at].facts.merge(&[fact], wall));
    let push = world.with(at, |node, now| node.push(now, now.wall, vec![fact]));
    let now = world.now;
    world.replicas[at].pushes.insert(push, (now, None));
    world.keep(at, push.ticket());
}

fn log_in(world: &mut World, at: usize) {
    let tag = TagKey { realm: REALM, tag: tag(world) };
    let question = Question { realm: REALM, tags: vec![tag], session: None };
    let ask = world.with(at, |node, now| node.ask(now, question));
    let now = world.now;
    world.replicas[at].asks.entry(ask).or_insert((now, None)).0 = now;
}

/// A fact as a logout makes it.
pub fn ending(world: &mut World) -> Fact {
    let mut sid = SessionId([0; 16]);
    world.random.fill(&mut sid.0);
    let of = Some((tag(world), world.wall()));
    let until = world.wall().plus(std::time::Duration::from_secs(3_600 * IDLE_HOURS));
    Fact::Deny { session: SessionKey { realm: REALM, sid }, from: AT_ONCE, rotated: false, of, until }
}

fn tag(world: &mut World) -> Tag {
    let mut tag = Tag::default();
    world.random.fill(&mut tag);
    tag
}

/// From when a watched fact was first known anywhere until it was known everywhere.
fn known(world: &World, from: Moment, until: Moment) -> [Moment; 2] {
    let came: Vec<_> = world.replicas.iter().map(|one| one.facts.came()).collect();
    let Some(first) = came.first() else { return [0; 2] };
    let times = first.keys().filter_map(|sid| {
        let times: Vec<_> = came.iter().filter_map(|of| of.get(sid)).copied().collect();
        assert_eq!(times.len(), came.len(), "all know it");
        let (begun, last) = (*times.iter().min()?, *times.iter().max()?);
        (from..until).contains(&begun).then_some(last - begun)
    });
    percentiles(times.collect())
}

fn percentiles(mut times: Vec<Moment>) -> [Moment; 2] {
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    [at(50), at(99)]
}

fn each_second(sum: Sum, of: u64) -> Sum {
    let part = |number: u64| (number * SECOND).checked_div(MEASURED * of).unwrap_or_default();
    Sum { messages: part(sum.messages), bytes: part(sum.bytes) }
}

pub const KINDS: [Kind; 4] = [Kind::Push, Kind::Ask, Kind::Round, Kind::Repair];
pub const SECOND: Moment = 1_000_000;
pub const HOUR: Moment = 3_600 * SECOND;
/// Until the word of a core counts that has just started, and a round more.
const STARTS: Moment = 6 * SECOND;
const SETTLES: Moment = 2 * SECOND;
const MEASURED: Moment = 5 * SECOND;
/// What is lost is repaired by the next rounds.
const PATIENCE: Moment = 6 * SECOND;
const REALM: RealmId = RealmId([7; 8]);
const SEED: u64 = 8;
