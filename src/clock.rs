//! Points in time, and where they come from.
//!
//! Here: [`Timestamp`], the [`Clock`] port, the wall clock, one that never goes back and one for tests. This is the one
//! file that reads the wall clock; everything else takes `now` as an argument or holds a [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX time).
///
/// Values lie between 0 and [`Timestamp::MAX`] (the end of the year 9999); arithmetic saturates at both ends, so no
/// input can make it wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// 9999-12-31T23:59:59.999Z, the last instant that RFC 3339 can spell.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The instant `millis` milliseconds after the epoch, or `None` past [`Timestamp::MAX`].
    pub const fn from_millis(millis: u64) -> Option<Self> {
        if millis <= Self::MAX.0 { Some(Self(millis)) } else { None }
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: the `NumericDate` of RFC 7519, section 2.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }

    /// This instant moved later by `by`.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)).min(Self::MAX.0))
    }

    /// This instant moved earlier by `by`.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis(by)))
    }

    /// How long from `earlier` to this instant; zero if `earlier` is the later one.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// As RFC 3339 spells it, in UTC.
    pub fn rfc3339(self) -> String {
        let nanos = i128::from(self.0) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanos)
            .ok()
            .and_then(|at| at.format(&Rfc3339).ok())
            .unwrap_or_default()
    }

    /// Reads RFC 3339 with any offset. `None` for anything else, and for instants before the epoch.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let millis = at.unix_timestamp_nanos().div_euclid(1_000_000);
        Self::from_millis(u64::try_from(millis).ok()?)
    }
}

/// Where `now` comes from.
///
/// A wrong answer costs: too early, and expired sessions live; too late, and live ones are refused. Endings compare
/// times of several replicas, so replicas must agree within one second.
pub trait Clock: Send + Sync {
    /// The present.
    fn now(&self) -> Timestamp;
}

/// The wall clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::default().plus(since_epoch)
    }
}

/// A clock that never goes back: where the one behind it does, it stands still until that one has caught up.
///
/// Else what expired by a clock that was ahead would be good again once the clock is set right, and endings that were given up by
/// then, because nothing they end could live any more, would be missed. While it stands still, no session gets idle.
pub struct SteadyClock {
    source: Arc<dyn Clock>,
    latest: AtomicU64,
}

impl SteadyClock {
    /// The same as `source`, but for steps back.
    pub fn new(source: Arc<dyn Clock>) -> Self {
        Self { source, latest: AtomicU64::new(0) }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let (now, latest) = (self.source.now().0, self.latest.load(Ordering::Acquire));
        // Most calls come within the millisecond of another one, and write nothing.
        let latest = if now > latest { self.latest.fetch_max(now, Ordering::AcqRel) } else { latest };
        Timestamp(now.max(latest))
    }
}

impl std::fmt::Debug for SteadyClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SteadyClock({:?})", self.latest)
    }
}

/// A clock that stands still until it is moved: for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that shows `now`.
    pub const fn at(now: Timestamp) -> Self {
        Self(AtomicU64::new(now.0))
    }

    /// Shows `now` from here on.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Moves on by `by`.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// A [`Timestamp`] as a string in JSON, as RFC 3339 spells it: for `#[serde(with = …)]`.
pub mod rfc3339 {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Timestamp;

    /// Writes the string.
    ///
    /// # Errors
    /// Those of `serializer`.
    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&at.rfc3339())
    }

    /// Reads the string.
    ///
    /// # Errors
    /// Those of `deserializer`, and if it is no time.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse_rfc3339(&text).ok_or_else(|| D::Error::custom("not a time as RFC 3339 spells it"))
    }

    /// The same of one that may be absent.
    pub mod option {
        use super::{Deserializer, Serializer, Timestamp};

        /// Writes the string.
        ///
        /// # Errors
        /// Those of `serializer`.
        pub fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => super::serialize(at, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// Reads the string.
        ///
        /// # Errors
        /// Those of `deserializer`, and if it is no time.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_goes_both_ways() {
        for text in ["1970-01-01T00:00:00Z", "2026-11-25T18:30:00.123Z", "9999-12-31T23:59:59.999Z"] {
            assert_eq!(Timestamp::parse_rfc3339(text).expect(text).rfc3339(), text);
        }
        let offset = Timestamp::parse_rfc3339("2026-11-25T20:30:00+02:00").expect("with an offset");
        assert_eq!(offset.rfc3339(), "2026-11-25T18:30:00Z");
    }

    #[test]
    fn rfc3339_refuses_what_is_none() {
        for text in ["", "2026-11-25", "1969-12-31T23:59:59Z", "2026-13-01T00:00:00Z", "now"] {
            assert_eq!(Timestamp::parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::default().minus(Duration::MAX), Timestamp::default());
        assert_eq!(Timestamp::default().since(Timestamp::MAX), Duration::ZERO);
        assert_eq!(Timestamp::from_millis(Timestamp::MAX.as_millis() + 1), None);
    }
}
