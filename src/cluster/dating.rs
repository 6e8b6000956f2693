//! What a push says after all: later times, where others knew of some that reach as far, and a longer time to keep.

use std::time::Duration;

use super::compare;
use crate::clock::Timestamp;
use crate::revocation::{Fact, next};

/// `facts`, made at `made`, if some that others knew when they came (`past`) reach as far: past those. A session that
/// had begun when these were made can't have started later than a few clock errors past that, so neither do they reach
/// further.
pub(super) fn raised(facts: &[Fact], past: &[Fact], made: Timestamp) -> Option<Vec<Fact>> {
    let reached = |fact: &Fact| compare::latest(fact, past).and_then(|past| compare::at(&past));
    let raise = |fact: &Fact| match (compare::at(fact), reached(fact)) {
        (Some(own), Some(past)) => dated(fact, next(past).min(made.plus(AHEAD)).max(own)),
        _ => *fact,
    };
    let raised: Vec<Fact> = facts.iter().map(raise).collect();
    (raised != facts).then_some(raised)
}

/// `fact`, at a later time, and kept as much longer.
fn dated(fact: &Fact, to: Timestamp) -> Fact {
    let by = compare::at(fact).map_or(Duration::ZERO, |from| to.since(from));
    match later(fact, by) {
        Fact::Cutoff { tag, until, .. } => Fact::Cutoff { tag, at: to, until },
        Fact::Stale { tag, until, .. } => Fact::Stale { tag, at: to, until },
        Fact::Floor { realm, until, .. } => Fact::Floor { realm, at: to, until },
        other => other,
    }
}

/// `fact`, kept longer.
pub(super) fn later(fact: &Fact, by: Duration) -> Fact {
    let mut fact = *fact;
    match &mut fact {
        Fact::Deny { until, .. }
        | Fact::Superseded { until, .. }
        | Fact::Bound { until, .. }
        | Fact::Cutoff { until, .. }
        | Fact::Stale { until, .. }
        | Fact::Floor { until, .. } => *until = until.plus(by),
    }
    fact
}

/// How far past the moment of an ending a session may start that had begun before it.
const AHEAD: Duration = Duration::from_secs(10);
