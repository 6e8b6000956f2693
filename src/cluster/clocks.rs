//! How far this replica's clock is from the median of the core.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ports::Now;
use crate::clock::Timestamp;

/// What the clocks of the core showed, by place.
#[derive(Default)]
pub(super) struct Clocks {
    /// Ahead of our uptime by so much. Uptime never steps, so a step of our own wall clock shows at once.
    samples: BTreeMap<usize, Sample>,
}

struct Sample {
    ahead: i64,
    taken: Duration,
}

impl Clocks {
    /// Takes in that the replica in `slot` showed `wall` when it answered what was sent at `sent`. An answer that was
    /// long on the way says too little of when that was.
    pub(super) fn note(&mut self, slot: usize, wall: Timestamp, sent: Now, now: Now) {
        let trip = now.uptime.saturating_sub(sent.uptime);
        if trip <= QUICK {
            let ahead = signed(wall.as_millis()) - millis(sent.uptime + trip / 2);
            self.samples.insert(slot, Sample { ahead, taken: now.uptime });
        }
    }

    /// The sample of `slot`, as milliseconds ahead of our own clock.
    pub(super) fn ahead(&self, slot: usize, now: Now) -> Option<i64> {
        let sample = self.samples.get(&slot).filter(|sample| now.uptime.saturating_sub(sample.taken) <= GOOD_FOR)?;
        Some(sample.ahead - own(now))
    }

    /// How far our clock is ahead of the core's median, in milliseconds; `None` if fewer than `enough` clocks are
    /// known. Ours is one of them if we are of the core. Of an even number, the median is in the middle of the two in
    /// the middle: two replicas are both off once they differ by twice what one may be off.
    pub(super) fn offset(&self, ours: Option<usize>, enough: usize, now: Now) -> Option<i64> {
        let others = self.samples.keys().filter(|slot| Some(**slot) != ours);
        let mut all: Vec<i64> = others.filter_map(|slot| self.ahead(*slot, now)).collect();
        all.extend(ours.map(|_| 0));
        if all.len() < enough.max(1) {
            return None;
        }
        all.sort_unstable();
        let middle = all.len() / 2;
        let median = if all.len() % 2 == 1 { all[middle] } else { i64::midpoint(all[middle - 1], all[middle]) };
        Some(-median)
    }
}

fn own(now: Now) -> i64 {
    signed(now.wall.as_millis()) - millis(now.uptime)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX / 4)
}

/// A slower answer is no sample.
const QUICK: Duration = Duration::from_millis(200);
/// A quartz drifts by some parts in 100,000.
const GOOD_FOR: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn now(wall: u64, uptime: u64) -> Now {
        Now { wall: Timestamp::EPOCH.plus(Duration::from_millis(wall)), uptime: Duration::from_millis(uptime) }
    }

    fn wall(millis: u64) -> Timestamp {
        now(millis, 0).wall
    }

    #[test]
    fn the_median_of_the_core_is_what_counts() {
        let mut clocks = Clocks::default();
        assert_eq!(clocks.offset(Some(0), 2, now(100_000, 0)), None, "alone");
        clocks.note(1, wall(103_050), now(100_000, 0), now(100_100, 100));
        assert_eq!(clocks.offset(Some(0), 2, now(100_100, 100)), Some(-1_500), "of two: half way");
        clocks.note(2, wall(99_050), now(100_000, 0), now(100_100, 100));
        assert_eq!(clocks.offset(Some(0), 2, now(100_100, 100)), Some(0), "of three: the middle one");
        assert_eq!(clocks.offset(None, 2, now(100_100, 100)), Some(-1_000), "an edge's own does not count");
    }

    #[test]
    fn slow_answers_and_old_ones_are_no_samples() {
        let mut clocks = Clocks::default();
        clocks.note(1, wall(500_000), now(100_000, 0), now(100_201, 201));
        assert_eq!(clocks.offset(Some(0), 2, now(100_201, 201)), None);
        clocks.note(1, wall(100_100), now(100_000, 0), now(100_200, 200));
        assert_eq!(clocks.offset(Some(0), 2, now(160_200, 60_200)), Some(0));
        assert_eq!(clocks.offset(Some(0), 2, now(160_201, 60_201)), None);
    }

    #[test]
    fn a_step_of_our_own_clock_shows_at_once() {
        let mut clocks = Clocks::default();
        for slot in [1, 2] {
            clocks.note(slot, wall(100_050), now(100_000, 0), now(100_100, 100));
        }
        assert_eq!(clocks.offset(Some(0), 2, now(3_700_200, 200)), Some(3_600_000), "an hour ahead");
        assert_eq!(clocks.offset(Some(0), 2, now(98_200, 200)), Some(-2_000), "two seconds back");
    }
}
