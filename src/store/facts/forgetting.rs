//! By which time facts are forgotten. One of several replicas forgets only while its clock agrees with theirs.
//!
//! Else one whose clock is ahead would forget what it has acknowledged, and its word would count all the same. While
//! the clock is off, or not compared yet, there is no time at all, and what comes is kept for longer than anything
//! matters: it gets its time once there is one. What came before goes when it was to go, by a clock that is never set.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::revocation::CLOCK_ERROR;
use crate::sessions::Lifetimes;
use crate::uptime::{millis, uptime};

/// A clock that may have nothing to say.
pub(super) struct Forgetting {
    clock: Arc<dyn Clock>,
    /// By how much it was ahead of uptime when it last agreed with those of the other replicas, in milliseconds, or
    /// [`NEVER`]. `None` for a replica that is alone.
    agreed: Option<AtomicI64>,
    /// Whether anything came while there was no time.
    untimed: AtomicBool,
}

impl Forgetting {
    /// By `clock`, whatever it shows; or one of several replicas, which has to be told [`Forgetting::agree`].
    pub fn new(clock: Arc<dyn Clock>, among_others: bool) -> Self {
        let agreed = among_others.then(|| AtomicI64::new(NEVER));
        Self { clock, agreed, untimed: AtomicBool::new(false) }
    }

    /// What the clock shows, whether or not that is right.
    pub fn shown(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time, if it is known. A step of the clock counts from when it is made, not from when anybody looks.
    pub fn now(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        let Some(agreed) = &self.agreed else { return Some(now) };
        let agreed = agreed.load(Ordering::Acquire);
        let stepped = || Duration::from_millis(ahead(now).abs_diff(agreed)) > CLOCK_ERROR;
        (agreed != NEVER && !stepped()).then_some(now)
    }

    /// The clock, which showed this, agrees with the others'; `None` if it does not, or if that is not known.
    pub fn agree(&self, shown: Option<Timestamp>) {
        if let Some(agreed) = &self.agreed {
            agreed.store(shown.map_or(NEVER, ahead), Ordering::Release);
        }
    }

    /// How long something is kept from now on that counts until then.
    pub fn left(&self, until: Timestamp) -> Duration {
        self.now().map_or_else(
            || {
                self.untimed.store(true, Ordering::Release);
                2 * Lifetimes::MAX
            },
            |now| until.since(now),
        )
    }

    /// Whether something came while there was no time. Now that there is, it has to get it; said once.
    pub fn has_untimed(&self) -> bool {
        self.untimed.swap(false, Ordering::AcqRel)
    }
}

fn ahead(shown: Timestamp) -> i64 {
    let signed = |millis: u64| i64::try_from(millis).unwrap_or(i64::MAX);
    signed(shown.as_millis()).saturating_sub(signed(millis(uptime())))
}

const NEVER: i64 = i64::MIN;
