//! What may happen to a fleet, and schedules of it, drawn at random from a seed.

use std::fmt;

use fastrand::Rng;

use super::chapters::{age, chapter, device, instant, outage};

/// A place in the fleet: a core replica by its slot, or an edge behind them. Taken modulo how many there are.
pub type Place = u8;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A visitor logs in. Visitors share three subjects and two handles.
    Login { at: Place, visitor: u8 },
    /// The visitor's cookie is sealed anew.
    Renew { at: Place, visitor: u8 },
    /// The same of the first cookie that the visitor still has.
    RenewOldest { at: Place, visitor: u8 },
    /// New claims under the same id.
    Reseal { at: Place, visitor: u8 },
    /// A new id.
    RotateSession { at: Place, visitor: u8 },
    /// The visitor's session is bound to a device.
    Register { at: Place, visitor: u8, device: u8 },
    /// The visitor's session ends.
    End { at: Place, visitor: u8 },
    /// The session ends that the visitor's first cookie is of, whatever it was rotated to.
    EndOldest { at: Place, visitor: u8 },
    /// All sessions of a subject end.
    CutSubject { at: Place, subject: u8 },
    /// All sessions with a handle end.
    CutHandle { at: Place, handle: u8 },
    /// A fresh key is to seal.
    RotateKey { at: Place },
    /// The key that seals is revoked.
    RevokeKey { at: Place },
    /// Nothing comes from one to the other any more.
    CutOneWay { from: Place, to: Place },
    /// Nothing comes through between two.
    CutLink { one: Place, other: Place },
    /// Nothing comes through between those whose bit is set and the others.
    Split { mask: u8 },
    /// All links are whole.
    Heal,
    /// So many in a hundred messages are lost, as many come twice, and as many late.
    Lossy { percent: u8 },
    /// A write takes so long to be durable.
    Disk { at: Place, millis: u16 },
    /// The process is killed, with what is not durable yet.
    Crash { at: Place },
    /// It is started again, with its journal or without; one that runs is killed first.
    Restart { at: Place, journal: bool },
    /// All are killed and started again.
    RestartAll { journals: bool },
    /// One more edge.
    EdgeJoins,
    /// The last edge goes.
    EdgeLeaves,
    /// The wall clock is off by so much from now on.
    Skew { at: Place, millis: i32 },
    /// The process does not run for so long, and goes on with what came meanwhile.
    Suspend { at: Place, millis: u32 },
    /// Time goes by.
    Wait { micros: u32 },
}

/// What a schedule is mostly of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Anything.
    Any,
    /// Endings of many sessions and logins, quick upon each other.
    Races,
    /// Crashes, restarts, and disks that are slow.
    Crashes,
    /// Links that go down, and replicas that sleep.
    Splits,
    /// Clocks.
    Clocks,
    /// Long lives, in which facts are forgotten.
    Ages,
    /// Logins and endings within one millisecond, at clocks as far apart as they may be.
    Instants,
    /// An ending, and then the whole fleet is killed.
    Outages,
    /// Sessions that are bound to devices while something else happens to them.
    Devices,
}

impl Mood {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Any,
        Self::Races,
        Self::Crashes,
        Self::Splits,
        Self::Clocks,
        Self::Ages,
        Self::Instants,
        Self::Outages,
        Self::Devices,
    ];
}

/// A fleet, and what happens to it.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// What the world draws its delays from.
    pub seed: u64,
    /// How many core replicas there are.
    pub core: u8,
    /// What happens, one after another.
    pub operations: Vec<Operation>,
}

impl Schedule {
    /// The schedule of a seed, its mood chosen by the seed as well.
    pub fn of(seed: u64) -> Self {
        let mood = Mood::ALL[usize::try_from(seed % 9).expect("below nine")];
        Self::in_mood(seed, mood)
    }

    /// The schedule of a seed in a given mood.
    pub fn in_mood(seed: u64, mood: Mood) -> Self {
        let mut random = Rng::with_seed(seed);
        let core = if random.u8(..4) == 0 { 5 } else { 3 };
        let length = random.usize(5..45);
        let mut operations = Vec::new();
        while operations.len() < length {
            match mood {
                Mood::Instants => operations.extend(instant(&mut random)),
                Mood::Outages => operations.extend(outage(&mut random)),
                Mood::Devices => operations.extend(device(&mut random)),
                Mood::Races => operations.push(one(&mut random, mood)),
                Mood::Ages if random.u8(..8) == 0 => operations.extend(age(&mut random)),
                _ if random.u8(..4) == 0 => operations.extend(chapter(&mut random, mood)),
                _ => operations.push(one(&mut random, mood)),
            }
        }
        Self { seed, core, operations }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "with a core of {}:", self.core)?;
        self.operations.iter().try_for_each(|operation| writeln!(f, "  {operation:?},"))
    }
}

fn one(random: &mut Rng, mood: Mood) -> Operation {
    let weights = weights(mood);
    let mut left = random.u32(..weights.iter().sum::<u32>());
    let kind = weights.iter().position(|weight| {
        let here = left < *weight;
        left = left.saturating_sub(*weight);
        here
    });
    match kind.expect("below the sum") {
        0 => session(random, mood),
        1 => many(random, mood),
        2 => key(random),
        3 => link(random),
        4 => life(random),
        5 => edge(random),
        6 => clock(random),
        7 => Operation::Suspend { at: random.u8(..7), millis: random.u32(1..12_000) },
        _ => Operation::Wait { micros: wait(random, mood) },
    }
}

/// Of: sessions, many sessions, keys, links, lives, edges, clocks, sleep, time.
fn weights(mood: Mood) -> [u32; 9] {
    match mood {
        Mood::Any => [20, 8, 3, 8, 6, 2, 4, 2, 20],
        Mood::Races => [30, 20, 0, 1, 0, 1, 5, 0, 14],
        Mood::Crashes => [20, 8, 2, 3, 20, 2, 0, 1, 20],
        Mood::Splits => [20, 8, 2, 20, 1, 2, 0, 6, 20],
        Mood::Clocks => [20, 10, 1, 3, 1, 1, 16, 3, 16],
        Mood::Ages => [24, 8, 0, 4, 3, 1, 3, 1, 24],
        Mood::Instants | Mood::Outages | Mood::Devices => [1; 9],
    }
}

fn session(random: &mut Rng, mood: Mood) -> Operation {
    let (at, visitor) = (random.u8(..7), random.u8(..if mood == Mood::Races { 3 } else { 6 }));
    match random.u8(..22) {
        0..8 => Operation::Login { at, visitor },
        8..11 => Operation::Renew { at, visitor },
        11 => Operation::RenewOldest { at, visitor },
        12..14 => Operation::Reseal { at, visitor },
        14..16 => Operation::RotateSession { at, visitor },
        16..19 => Operation::End { at, visitor },
        19..21 => Operation::Register { at, visitor, device: random.u8(..2) },
        _ => Operation::EndOldest { at, visitor },
    }
}

fn many(random: &mut Rng, mood: Mood) -> Operation {
    let at = random.u8(..7);
    let subjects = if mood == Mood::Races { 1 } else { 3 };
    match random.u8(..4) {
        0 => Operation::CutHandle { at, handle: random.u8(..2) },
        _ => Operation::CutSubject { at, subject: random.u8(..subjects) },
    }
}

fn key(random: &mut Rng) -> Operation {
    let at = random.u8(..7);
    if random.u8(..4) == 0 { Operation::RevokeKey { at } } else { Operation::RotateKey { at } }
}

pub fn link(random: &mut Rng) -> Operation {
    let (one, other) = (random.u8(..7), random.u8(..7));
    match random.u8(..10) {
        0..2 => Operation::CutOneWay { from: one, to: other },
        2..4 => Operation::CutLink { one, other },
        4..6 => Operation::Split { mask: 1 << (one % 5) },
        6 => Operation::Split { mask: random.u8(..) },
        7..9 => Operation::Heal,
        _ => Operation::Lossy { percent: random.u8(..30) },
    }
}

pub fn life(random: &mut Rng) -> Operation {
    let at = random.u8(..5);
    match random.u8(..20) {
        0..5 => Operation::Crash { at },
        5..12 => Operation::Restart { at, journal: true },
        12..15 => Operation::Restart { at, journal: false },
        15 => Operation::RestartAll { journals: random.u8(..4) > 0 },
        _ => Operation::Disk { at, millis: [1, 20, 400, 3_000][random.usize(..4)] },
    }
}

fn edge(random: &mut Rng) -> Operation {
    if random.bool() { Operation::EdgeJoins } else { Operation::EdgeLeaves }
}

pub fn clock(random: &mut Rng) -> Operation {
    let at = random.u8(..7);
    let millis = match random.u8(..8) {
        0..3 => random.i32(-1_000..=1_000),
        3 => 1_000,
        4 => -1_000,
        5 => 0,
        6 => random.i32(-8_000..=8_000),
        _ => random.i32(-3_600_000..=3_600_000),
    };
    Operation::Skew { at, millis }
}

fn wait(random: &mut Rng, mood: Mood) -> u32 {
    let longest = if mood == Mood::Races { 6 } else { 11 };
    match random.u8(..longest) {
        0..2 => random.u32(..2_000),
        2..4 => random.u32(..60_000),
        4..6 => random.u32(..1_200_000),
        6..8 => random.u32(1_000_000..6_500_000),
        _ if mood == Mood::Ages => random.u32(5_000_000..60_000_000),
        _ => random.u32(4_000_000..9_000_000),
    }
}
