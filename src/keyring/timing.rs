//! The times of a rotation. One is configured, the others follow from it, so that they can't contradict one another.

use std::time::Duration;

use crate::revocation::{CLOCK_ERROR, SEALED_AHEAD};

/// How long replicas may take to learn of a key, and what follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    confirm: Duration,
}

/// A time that no rotation can be built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is between 1s and 1h: it is how long a replica may serve without having read the key ring")]
pub struct TimingError;

impl Timing {
    /// Two minutes to confirm, ten to activation.
    pub const DEFAULT: Self = Self { confirm: Duration::from_secs(120) };

    /// A ready replica has read the ring within `confirm` (`P` in the design).
    ///
    /// # Errors
    /// [`TimingError`] unless it is between a second and an hour.
    pub fn new(confirm: Duration) -> Result<Self, TimingError> {
        let sensible = Duration::from_secs(1)..=Duration::from_secs(60 * 60);
        if sensible.contains(&confirm) { Ok(Self { confirm }) } else { Err(TimingError) }
    }

    /// Longest time for which a replica is ready without having read the ring (`P`).
    pub fn confirm(self) -> Duration {
        self.confirm
    }

    /// From when on every ready replica has a key that was written at one moment, by the clock of any of them. A new key
    /// must not seal sooner, and must not be put off later than this before it would.
    pub fn notice(self) -> Duration {
        self.confirm + 2 * CLOCK_ERROR
    }

    /// How long after it was written a new key seals (`A`): at least [`Timing::notice`], and time for an operator to
    /// look at it.
    pub fn activation(self) -> Duration {
        self.notice().max(5 * self.confirm)
    }
}

/// How long a key still opens after the last token under it may have died: what it was sealed ahead, both clocks' errors,
/// and a minute.
pub(super) const AFTER_LAST_TOKEN: Duration =
    Duration::from_secs(SEALED_AHEAD.as_secs() + 2 * CLOCK_ERROR.as_secs() + 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_never_seals_before_every_replica_has_it() {
        for seconds in [1, 2, 120, 3_600] {
            let timing = Timing::new(Duration::from_secs(seconds)).expect("sensible");
            assert!(timing.activation() >= timing.confirm() + 2 * CLOCK_ERROR, "{seconds} s");
        }
        assert_eq!(Timing::DEFAULT.activation(), Duration::from_secs(600));
        for refused in [Duration::ZERO, Duration::from_millis(999), Duration::from_secs(3_601)] {
            assert_eq!(Timing::new(refused), Err(TimingError));
        }
    }
}
