//! Starts that lie ahead of the clock, for as long as an ending might be dated before them.
//!
//! A login begins just behind every ending that is known of its tags, and those lie ahead of the clock. An ending of
//! another of its tags, of whom none is known, would be dated by the clock alone and miss it. So whoever lets a session
//! start ahead of the clock says so first, and endings of all its tags, and of its realm, are dated past that.

use std::collections::HashMap;
use std::time::Duration;

use super::{CLOCK_ERROR, TagKey};
use crate::clock::Timestamp;

/// The latest start ahead of the clock, by tag. In memory alone: once the clocks are past it, nothing needs it.
#[derive(Debug, Default)]
pub struct Passed {
    latest: HashMap<TagKey, Timestamp>,
    /// Of all tags.
    newest: Timestamp,
    /// With how many tags those that no clock needs any more are dropped.
    clean_at: usize,
}

impl Passed {
    /// A session with these tags starts at `at`.
    pub fn pass(&mut self, tags: &[TagKey], at: Timestamp) {
        self.newest = self.newest.max(at);
        for tag in tags {
            let known = self.latest.entry(*tag).or_default();
            *known = at.max(*known);
        }
        if self.latest.len() >= self.clean_at {
            let needed = self.newest.minus(KEPT);
            self.latest.retain(|_, at| *at >= needed);
            self.clean_at = 2 * self.latest.len() + 1_024;
        }
    }

    /// The latest start of a session with any of these tags.
    pub fn latest(&self, tags: &[TagKey]) -> Option<Timestamp> {
        tags.iter().filter_map(|tag| self.latest.get(tag)).max().copied()
    }
}

/// How far behind the newest start one is needed: no start lies nearly as far ahead of a clock, and an ending past one
/// of earlier than the clock is dated by the clock.
const KEPT: Duration = Duration::from_secs(60 + 4 * CLOCK_ERROR.as_secs());

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::RealmId;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    fn tag(number: u64) -> TagKey {
        TagKey { realm: RealmId([1; 8]), tag: number.to_be_bytes() }
    }

    #[test]
    fn the_latest_of_each_tag_is_known_whatever_the_order() {
        let mut passed = Passed::default();
        passed.pass(&[tag(1), tag(2)], at(9_000));
        passed.pass(&[tag(2)], at(8_000));
        passed.pass(&[tag(2), tag(3)], at(9_001));
        assert_eq!(
            [1, 2, 3, 4].map(|n| passed.latest(&[tag(n)])),
            [Some(9_000), Some(9_001), Some(9_001), None].map(|found| found.map(at))
        );
        assert_eq!(passed.latest(&[tag(4), tag(1), tag(3)]), Some(at(9_001)));
        assert_eq!(passed.latest(&[]), None);
    }

    #[test]
    fn what_no_clock_needs_any_more_is_dropped_and_nothing_sooner() {
        let mut passed = Passed::default();
        for n in 0..1_000_000 {
            passed.pass(&[tag(n)], at(n));
            assert!(passed.latest.len() < 200_000, "{n}");
            let oldest = n.saturating_sub(4 * 1_000);
            assert_eq!(passed.latest(&[tag(oldest)]), Some(at(oldest)));
        }
    }
}
