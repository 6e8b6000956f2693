//! Up to when a replica may answer, for the path of every request: no lock, and no need for anybody to look in time.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Timestamp;
use crate::cluster::node::View;
use crate::uptime::{millis, uptime};

/// Up to when, by both clocks; zero when not ready.
#[derive(Debug, Default)]
pub struct Fresh {
    wall: AtomicU64,
    uptime: AtomicU64,
}

impl Fresh {
    /// What the node says now.
    pub fn set(&self, view: &View) {
        let until = view.fresh_until.filter(|_| view.ready);
        let (wall, uptime) = until.map_or((0, 0), |until| (until.wall.as_millis(), millis(until.uptime)));
        self.wall.store(wall, Ordering::Release);
        self.uptime.store(uptime, Ordering::Release);
    }

    /// Whether it is before both.
    pub fn holds(&self, wall: Timestamp) -> bool {
        wall.as_millis() < self.wall.load(Ordering::Acquire) && millis(uptime()) < self.uptime.load(Ordering::Acquire)
    }
}
