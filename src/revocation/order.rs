//! Which times endings and new sessions get, so that no old session survives and no fresh login is refused.
//!
//! Clocks of replicas differ by up to `2e`, and much happens within one millisecond. The rules: an ending compares the
//! start of a session and hits it at the very instant (`≤`); it lies `2e` ahead, past every clock that may have given
//! an earlier start; it lies past every ending known before, since a login may have begun just behind that one; and a
//! login begins behind every ending that is known. `tests/cutoff_model.rs` tries them, and each one left out, in every
//! order, with what replicas ask one another.

use std::time::Duration;

use super::CLOCK_ERROR;
use crate::clock::Timestamp;

/// Up to which start an ending of many sessions reaches, decided at `now` by whoever knows of one up to `known`.
pub fn cutoff_at(now: Timestamp, known: Option<Timestamp>) -> Timestamp {
    now.plus(2 * CLOCK_ERROR).max(known.map_or(Timestamp::EPOCH, next))
}

/// Whether an ending at `at` reaches a session that started at `started`.
pub fn reaches(at: Timestamp, started: Timestamp) -> bool {
    started <= at
}

/// The start of a session that begins at `now`, where an ending up to `known` is known.
pub fn start_after(now: Timestamp, known: Option<Timestamp>) -> Timestamp {
    now.max(known.map_or(Timestamp::EPOCH, next))
}

/// Before when claims are out of date, said at `now` by whoever knows that those of before `known` are. Claims given
/// meanwhile lie just behind `known`, each a millisecond behind the one before: so it goes well past them.
pub fn stale_at(now: Timestamp, known: Option<Timestamp>) -> Timestamp {
    now.max(known.unwrap_or(now)).plus(2 * CLOCK_ERROR)
}

/// The instant just behind `at`.
pub fn next(at: Timestamp) -> Timestamp {
    at.plus(Duration::from_millis(1))
}
