//! What follows upon one another in schedules where a rule that is broken is missed.

use fastrand::Rng;

use super::operation::{Mood, Operation, clock, life, link};

/// Somebody logs in, and it ends, with something going wrong on the way, and it is long enough ago that all must know.
pub fn chapter(random: &mut Rng, mood: Mood) -> Vec<Operation> {
    let visitor = random.u8(..3);
    let mut operations = vec![Operation::Login { at: random.u8(..7), visitor }];
    let breath = |random: &mut Rng| Operation::Wait { micros: random.u32(..20_000) };
    operations.push(breath(random));
    operations.push(trouble(random, mood));
    let at = random.u8(..7);
    operations.push(match random.u8(..8) {
        0..3 => Operation::End { at, visitor },
        3..6 => Operation::CutSubject { at, subject: visitor },
        6 => Operation::RotateSession { at, visitor },
        _ => Operation::Reseal { at, visitor },
    });
    operations.push(breath(random));
    if random.bool() {
        operations.push(Operation::Login { at: random.u8(..7), visitor });
    } else {
        operations.push(trouble(random, mood));
    }
    operations.push(Operation::Wait { micros: random.u32(4_800_000..9_000_000) });
    operations
}

/// Somebody logs in where the clock is as far ahead as it may be, and is cut off in the same millisecond where it is as far behind; and the
/// same again, by another name.
pub fn instant(random: &mut Rng) -> Vec<Operation> {
    let subject = random.u8(..3);
    vec![
        Operation::Skew { at: 0, millis: 1_000 },
        Operation::Skew { at: 1, millis: -1_000 },
        Operation::Wait { micros: random.u32(3_000_000..4_000_000) },
        Operation::Login { at: 0, visitor: subject },
        Operation::Wait { micros: random.u32(200..600) },
        Operation::CutSubject { at: random.u8(..2), subject },
        Operation::Wait { micros: random.u32(..900) },
        Operation::Login { at: random.u8(..3), visitor: subject },
        Operation::Wait { micros: random.u32(..2_000) },
        Operation::CutHandle { at: random.u8(..3), handle: subject % 2 },
        Operation::Wait { micros: 5_200_000 },
    ]
}

/// Somebody logs in, it ends, and right after that all are killed, some of whose disks are slow.
pub fn outage(random: &mut Rng) -> Vec<Operation> {
    let visitor = random.u8(..3);
    let slow = |at, random: &mut Rng| Operation::Disk { at, millis: [1, 400, 400, 400][random.usize(..4)] };
    vec![
        Operation::Login { at: random.u8(..3), visitor },
        slow(0, random),
        slow(1, random),
        slow(2, random),
        Operation::Wait { micros: random.u32(1_000..20_000) },
        Operation::End { at: random.u8(..3), visitor },
        Operation::Wait { micros: random.u32(..20_000) },
        Operation::RestartAll { journals: random.u8(..4) > 0 },
        Operation::Wait { micros: random.u32(5_200_000..9_000_000) },
    ]
}

/// Somebody's device registers at one replica while another one is asked for something else about the session.
pub fn device(random: &mut Rng) -> Vec<Operation> {
    let (visitor, one, other) = (random.u8(..3), random.u8(..3), random.u8(..3));
    let meanwhile = match random.u8(..8) {
        0..2 => Operation::Register { at: other, visitor, device: 2 },
        2..5 => Operation::RotateSession { at: other, visitor },
        5 => Operation::Reseal { at: other, visitor },
        6 => Operation::Renew { at: other, visitor },
        _ => Operation::End { at: other, visitor },
    };
    let disaster = match random.u8(..4) {
        0 => Operation::RestartAll { journals: true },
        1 => Operation::Crash { at: one },
        2 => Operation::Restart { at: other, journal: false },
        _ => Operation::Heal,
    };
    vec![
        Operation::Heal,
        Operation::Login { at: random.u8(..3), visitor },
        Operation::Wait { micros: random.u32(1_000..20_000) },
        Operation::Register { at: one, visitor, device: 1 },
        Operation::Wait { micros: random.u32(..2_000) },
        meanwhile,
        Operation::Wait { micros: random.u32(..20_000) },
        disaster,
        Operation::Wait { micros: random.u32(5_200_000..9_000_000) },
        Operation::RenewOldest { at: other, visitor },
        Operation::Wait { micros: random.u32(..20_000_000) },
    ]
}

/// What was ended is renewed where nobody knows that yet, and dies by its idle limit.
pub fn age(random: &mut Rng) -> Vec<Operation> {
    let (visitor, alone) = (random.u8(..3), random.u8(..3));
    vec![
        Operation::Heal,
        Operation::Login { at: random.u8(..3), visitor },
        Operation::Wait { micros: random.u32(1_000..20_000) },
        Operation::Split { mask: 1 << alone },
        Operation::End { at: (alone + 1) % 3, visitor },
        Operation::Wait { micros: random.u32(1_000_000..5_000_000) },
        Operation::Renew { at: alone, visitor },
        Operation::Heal,
        Operation::Wait { micros: random.u32(20_000_000..30_000_000) },
    ]
}

/// What is wrong in this mood.
fn trouble(random: &mut Rng, mood: Mood) -> Operation {
    match (mood, random.u8(..4)) {
        (Mood::Crashes, _) | (Mood::Any, 0) => life(random),
        (Mood::Clocks, _) | (Mood::Any, 1) => clock(random),
        (Mood::Splits, 0) | (Mood::Any, 2) => Operation::Suspend { at: random.u8(..7), millis: random.u32(1..12_000) },
        _ => link(random),
    }
}
