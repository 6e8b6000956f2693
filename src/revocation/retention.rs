//! How long facts matter, and the times of the design from which that follows.

use std::time::Duration;

use crate::clock::Timestamp;

/// Largest clock error of a replica (`e` in the design).
pub const CLOCK_ERROR: Duration = Duration::from_secs(1);
/// How far ahead of our clock a token may be sealed (`f`).
pub const SEALED_AHEAD: Duration = Duration::from_secs(5);
/// Longest time for which a replica may answer without hearing from a majority (`S`).
pub const STALENESS: Duration = Duration::from_secs(5);

/// How long a deny or superseded fact has to be kept, known at `now`: nobody who knows it renews the session, so its
/// last token dies by its idle limit, and in any case at the absolute expiry.
pub fn keep_until(now: Timestamp, expires: Timestamp, idle: Duration) -> Timestamp {
    let last_token = now.plus(idle).plus(STALENESS).plus(SEALED_AHEAD).plus(2 * CLOCK_ERROR);
    last_token.min(expires.plus(2 * CLOCK_ERROR))
}
