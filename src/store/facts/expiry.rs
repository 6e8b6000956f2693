//! When moka lets a fact go, and what it hashes by.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;

use super::forgetting::Forgetting;
use super::pins::Pins;
use crate::clock::Timestamp;
use crate::revocation::digest::{About, handed_over_until};
use crate::revocation::{SessionFacts, SessionKey, TagFacts, TagKey};

/// Session ids and tags are random or keyed already, and nobody outside chooses one: the first bytes of the
/// one that was written last are the hash.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RandomKeys;

impl BuildHasher for RandomKeys {
    type Hasher = FirstBytes;

    fn build_hasher(&self) -> FirstBytes {
        FirstBytes(0)
    }
}

pub(super) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    /// The length, which is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Facts expire at their own `until`, and an update that moves it later counts: moka's default for updates would keep
/// the first expiry.
pub(super) struct UntilTheirTime {
    pub time: Arc<Forgetting>,
    /// Whether other replicas compare themselves with this one: then facts are there to be handed over for somewhat
    /// longer.
    pub compared: bool,
    pub pins: Arc<Pins>,
}

impl UntilTheirTime {
    fn left<K: Keyed>(&self, key: &K, until: Timestamp) -> Duration {
        let until = if self.compared { handed_over_until(until) } else { until };
        let until = self.pins.until(|| key.about()).map_or(until, |pinned| until.max(pinned));
        self.time.left(until)
    }
}

impl<K: Keyed, F: Dated> Expiry<K, F> for UntilTheirTime {
    fn expire_after_create(&self, key: &K, facts: &F, _: Instant) -> Option<Duration> {
        Some(self.left(key, facts.until()))
    }

    fn expire_after_update(&self, key: &K, facts: &F, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(self.left(key, facts.until()))
    }
}

/// What says until when it is kept.
pub(super) trait Dated {
    fn until(&self) -> Timestamp;
}

impl Dated for SessionFacts {
    fn until(&self) -> Timestamp {
        self.until
    }
}

impl Dated for TagFacts {
    fn until(&self) -> Timestamp {
        self.until
    }
}

/// What says what facts are about.
pub(super) trait Keyed {
    fn about(&self) -> About;
}

impl Keyed for SessionKey {
    fn about(&self) -> About {
        About::Session(*self)
    }
}

impl Keyed for TagKey {
    fn about(&self) -> About {
        About::Tag(*self)
    }
}

/// How far the wall clock is ahead of the monotonic one, by which moka counts. When the wall clock was set back, facts
/// that came while it was ahead would go too early.
#[derive(Debug)]
pub(super) struct Steps {
    begun: Instant,
    /// In milliseconds, at the latest look that changed it.
    ahead: i128,
}

impl Steps {
    pub fn new(now: Timestamp) -> Self {
        Self { begun: Instant::now(), ahead: now.as_millis().into() }
    }

    /// Whether the wall clock, which shows `now`, was set back since the latest look that said so, by more than
    /// `slack`. Set ahead it changes nothing: facts go later than they might.
    pub fn back(&mut self, now: Timestamp, slack: Duration) -> bool {
        let wall = i128::from(now.as_millis());
        let ahead = wall - i128::try_from(self.begun.elapsed().as_millis()).unwrap_or(i128::MAX);
        let back = self.ahead - ahead > i128::try_from(slack.as_millis()).unwrap_or(i128::MAX);
        if back || ahead > self.ahead {
            self.ahead = ahead;
        }
        back
    }
}
