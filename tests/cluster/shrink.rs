//! The shortest schedule that still breaks a promise (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing
//! Input", 2002).

use super::operation::{Operation, Schedule};

/// Leaves out whatever `fails` can do without.
pub fn shrink(schedule: &Schedule, fails: impl Fn(&Schedule) -> bool) -> Schedule {
    let with = |operations: Vec<Operation>| Schedule { operations, ..schedule.clone() };
    let mut shortest = schedule.operations.clone();
    let mut part = shortest.len().div_ceil(2);
    while part > 0 {
        let mut from = 0;
        let before = shortest.len();
        while from < shortest.len() {
            let to = shortest.len().min(from + part);
            let without: Vec<_> = [&shortest[..from], &shortest[to..]].concat();
            if fails(&with(without.clone())) {
                shortest = without;
            } else {
                from = to;
            }
        }
        // A second time with single ones, as long as that helps.
        part = if part == 1 && shortest.len() < before { 1 } else { part / 2 };
    }
    with(shortest)
}
