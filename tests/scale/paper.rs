//! How many facts there are at a time: by the rule of how long one is kept, for endings that come evenly.

use std::time::Duration;

use sealpass::clock::Timestamp;
use sealpass::revocation::digest::handed_over_until;
use sealpass::revocation::{Longest, Retention, STALENESS};

/// Facts that a replica of a fleet holds, of so many logouts an hour, each of a session with this idle limit that just
/// began.
pub fn held(logouts: u64, idle: Duration) -> u64 {
    let retention = Retention { longest: Longest { lifetime: LIFE, idle }, imports: false };
    // A logout in each second of a minute: when a fact goes depends on when in its minute it came.
    let seconds: u64 = (0..60)
        .map(|second| {
            let now = Timestamp::from_millis(BEGIN + 1_000 * second).expect("in range");
            let until = retention.session(now, now, now.plus(LIFE), idle);
            // A replica that has not heard of it yet may renew the session for so long.
            handed_over_until(until.plus(STALENESS)).since(now).as_secs()
        })
        .sum();
    logouts * seconds / 60 / 3_600
}

/// Of the sessions.
const LIFE: Duration = Duration::from_secs(12 * 3_600);
/// A whole minute, in milliseconds.
const BEGIN: u64 = 1_790_000_040_000;
