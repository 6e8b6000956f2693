//! Up to when a replica may answer, for the path of every request: no lock, and no need for anybody to look in time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::clock::Timestamp;
use crate::cluster::node::View;
use crate::cluster::ports::Now;
use crate::uptime::{millis, uptime};

/// Up to when, by both clocks; zero when not ready.
#[derive(Debug, Default)]
pub struct Fresh {
    wall: AtomicU64,
    uptime: AtomicU64,
    /// By how much the time to date by is ahead of uptime, in milliseconds; `None` before the first look.
    dated: OnceLock<AtomicI64>,
}

impl Fresh {
    /// What the node says at `now`.
    pub fn set(&self, view: &View, now: Now) {
        let dated = signed(view.date(now.wall).as_millis()) - signed(millis(now.uptime));
        self.dated.get_or_init(AtomicI64::default).store(dated, Ordering::Release);
        let until = view.fresh_until.filter(|_| view.ready);
        let (wall, uptime) = until.map_or((0, 0), |until| (until.wall.as_millis(), millis(until.uptime)));
        self.wall.store(wall, Ordering::Release);
        self.uptime.store(uptime, Ordering::Release);
    }

    /// By which time this replica dates, without a lock: what its clock did since the latest look does not count.
    pub fn date(&self) -> Option<Timestamp> {
        let dated = self.dated.get()?.load(Ordering::Acquire);
        Timestamp::from_millis(u64::try_from(dated.saturating_add(signed(millis(uptime())))).ok()?)
    }

    /// Whether it is before both.
    pub fn holds(&self, wall: Timestamp) -> bool {
        wall.as_millis() < self.wall.load(Ordering::Acquire) && millis(uptime()) < self.uptime.load(Ordering::Acquire)
    }
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX / 4)
}
