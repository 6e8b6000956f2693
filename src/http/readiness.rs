//! Whether the service can tell who is calling.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::host_name;
use crate::replica::{ClusterReport, Replica, Why};
use crate::uptime::{millis, uptime};

/// What has to hold for verify to say yes or no. Whatever does not hold makes it 503.
#[derive(Debug)]
pub struct Readiness {
    draining: AtomicBool,
    /// Until when the ring counts as confirmed, in milliseconds of [`uptime`].
    ring_until: AtomicU64,
    /// Where there are others; `None` for a replica that is alone, which is never stale.
    among: Option<Among>,
}

/// A replica among others.
struct Among {
    /// It comes to be after whatever confirms the ring. Until then nothing holds.
    replica: OnceLock<Arc<dyn Replica>>,
    /// Whether verify goes on while it is cut off.
    goes_on: bool,
}

impl Readiness {
    /// Of a replica that is alone. Not ready until the ring is confirmed.
    pub fn new() -> Self {
        Self { draining: AtomicBool::new(false), ring_until: AtomicU64::new(0), among: None }
    }

    /// Of a replica among others. Not ready until the ring is confirmed and [`Readiness::follow`] has one that is
    /// fresh. `goes_on`: verify alone goes on while it is cut off from a majority, by what it knew.
    pub fn among(goes_on: bool) -> Self {
        Self { among: Some(Among { replica: OnceLock::new(), goes_on }), ..Self::new() }
    }

    /// Whose word it is whether this replica is fresh. The first one stays.
    pub fn follow(&self, replica: Arc<dyn Replica>) {
        if let Some(among) = &self.among {
            among.replica.get_or_init(|| replica);
        }
    }

    /// The ring in use is what its files say, and counts as confirmed for so long.
    pub fn confirm_ring(&self, within: Duration) {
        self.ring_until.store(millis(uptime().saturating_add(within)), Ordering::Relaxed);
    }

    /// How long ago the ring was confirmed, if it counts as confirmed for `within` each time; `None` if it never was.
    pub fn ring_age(&self, within: Duration) -> Option<Duration> {
        let until = self.ring_until.load(Ordering::Relaxed);
        let age = millis(within.saturating_add(uptime())).saturating_sub(until);
        (until > 0).then(|| Duration::from_millis(age))
    }

    /// The service is on its way down, or is not after all: `/readyz` says so meanwhile, and all else is answered as
    /// ever, so that whoever asks moves over without a request that fails.
    pub fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::Relaxed);
    }

    /// Whether all of it holds. `now` is asked only among others.
    pub fn holds(&self, now: impl FnOnce() -> Timestamp) -> bool {
        self.has_ring() && self.is_fresh(now)
    }

    /// Whether it is on its way down.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether verify may answer: as [`Readiness::holds`], or because it goes on while it is cut off.
    pub fn lets_verify(&self, now: impl FnOnce() -> Timestamp) -> bool {
        self.holds(now) || self.goes_on()
    }

    /// What this replica knows of itself and of the others, with all that speaks against answering.
    pub fn report(&self) -> ClusterReport {
        let mut report = self.of_fleet();
        // Among others the ring is confirmed by them: what keeps them from it is told already.
        if !self.has_ring() && report.why.is_empty() {
            report.add(Why::new(
                "ring-unread",
                "the key ring could not be read for too long; the log says which file and why",
            ));
        }
        if self.is_draining() {
            report.add(Why::new(
                "stopping",
                "it is on its way down: it answers who still comes, and others should be asked",
            ));
        }
        report
    }

    fn of_fleet(&self) -> ClusterReport {
        let alone = || ClusterReport::alone(&host_name(), env!("CARGO_PKG_VERSION"));
        match &self.among {
            None => alone(),
            Some(among) => among.replica.get().map_or_else(
                || {
                    let mut report = alone();
                    report.add(Why::new("starting", "it has not begun to look for the others yet; wait"));
                    report
                },
                |replica| replica.report(),
            ),
        }
    }

    fn has_ring(&self) -> bool {
        millis(uptime()) < self.ring_until.load(Ordering::Relaxed)
    }

    fn is_fresh(&self, now: impl FnOnce() -> Timestamp) -> bool {
        let Some(among) = &self.among else { return true };
        among.replica.get().is_some_and(|replica| replica.is_fresh(now()))
    }

    fn goes_on(&self) -> bool {
        let Some(among) = self.among.as_ref().filter(|among| among.goes_on) else { return false };
        let had_ring = self.ring_until.load(Ordering::Relaxed) > 0;
        had_ring && among.replica.get().is_some_and(|replica| replica.is_cut_off())
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Among {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.replica.get().is_some();
        f.debug_struct("Among").field("replica", &known).field("goes_on", &self.goes_on).finish()
    }
}

/// What the public listener says of a reason: in a word, and no more than whoever asks often would find out.
pub fn in_public(code: &str) -> &'static str {
    match code {
        "stopping" => "stopping",
        "unheard" | "incomplete" | "unsettled" | "no-ring" | "starting" => "joining",
        "stale" | "ring-unconfirmed" | "clock-unknown" => "cut off",
        "clock-off" => "clock",
        _ => "not ready",
    }
}
