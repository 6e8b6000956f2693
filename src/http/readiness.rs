//! Whether the service can tell who is calling.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::uptime::{millis, uptime};

/// What has to hold for verify to say yes or no. Whatever does not hold makes it 503.
#[derive(Debug)]
pub struct Readiness {
    draining: AtomicBool,
    /// Until when the ring counts as confirmed, in milliseconds of [`uptime`].
    ring_until: AtomicU64,
}

impl Readiness {
    /// Not ready until the ring is confirmed.
    pub fn new() -> Self {
        Self { draining: AtomicBool::new(false), ring_until: AtomicU64::new(0) }
    }

    /// The ring in use is what its files say, and counts as confirmed for so long.
    pub fn confirm_ring(&self, within: Duration) {
        self.ring_until.store(millis(uptime().saturating_add(within)), Ordering::Relaxed);
    }

    /// The service is on its way down, or is not after all: verify answers 503 meanwhile.
    pub fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::Relaxed);
    }

    /// Whether all of it holds.
    pub fn holds(&self) -> bool {
        !self.draining.load(Ordering::Relaxed) && millis(uptime()) < self.ring_until.load(Ordering::Relaxed)
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}
