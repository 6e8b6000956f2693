//! How many calls a credential may make: one that runs wild, or was stolen, leaves something of the service to the others.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota};

use super::Grant;
use crate::config::{LimitSettings, Rate};

/// How many calls each credential may make. There is one count for each that is known, so their number is bounded.
#[derive(Debug)]
pub struct Limits {
    issue: Limit,
    calls: Limit,
}

/// One credential is over its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverLimit {
    /// The key below `limits` in the configuration that says so.
    pub key: &'static str,
    /// What it says.
    pub rate: Rate,
    /// When there is room for one more.
    pub again_in: Duration,
}

#[derive(Debug)]
struct Limit {
    key: &'static str,
    rate: Rate,
    /// By the hash of the credential, so that it outlives a change of the file.
    counts: Option<DefaultKeyedRateLimiter<[u8; 32]>>,
    /// So often it is logged.
    told: DefaultDirectRateLimiter,
}

impl Limits {
    /// Those of the configuration.
    pub fn new(settings: &LimitSettings) -> Self {
        Self { issue: Limit::new("issue", settings.issue), calls: Limit::new("calls", settings.calls) }
    }

    /// Counts a session that is to be issued.
    ///
    /// # Errors
    /// [`OverLimit`]: it may not be.
    pub fn issue(&self, grant: &Grant) -> Result<(), OverLimit> {
        self.issue.count(grant)
    }

    /// Counts a call of any kind.
    ///
    /// # Errors
    /// [`OverLimit`]: it may not be answered.
    pub fn call(&self, grant: &Grant) -> Result<(), OverLimit> {
        self.calls.count(grant)
    }
}

impl Limit {
    fn new(key: &'static str, rate: Rate) -> Self {
        let quota = |(count, time): (NonZeroU32, Duration)| {
            // All of them at one moment, and then one more whenever its share of the time has passed.
            Some(Quota::with_period(time / count.get())?.allow_burst(count))
        };
        let counts = rate.per().and_then(quota).map(DefaultKeyedRateLimiter::keyed);
        Self { key, rate, counts, told: DefaultDirectRateLimiter::direct(Quota::per_minute(ONCE)) }
    }

    fn count(&self, grant: &Grant) -> Result<(), OverLimit> {
        let Some(counts) = &self.counts else { return Ok(()) };
        let Err(not_yet) = counts.check_key(&grant.sha256().0) else { return Ok(()) };
        let Self { key, rate, .. } = *self;
        if self.told.check().is_ok() {
            tracing::warn!(
                by = grant.name,
                "a credential makes more calls than limits.{key} = \"{rate}\", and is answered 429"
            );
        }
        Err(OverLimit { key, rate, again_in: not_yet.wait_time_from(DefaultClock::default().now()) })
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(&LimitSettings::default())
    }
}

const ONCE: NonZeroU32 = NonZeroU32::MIN;
