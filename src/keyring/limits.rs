//! Lifetimes that tokens may have been sealed with: a key stays as long as the longest of them may need it.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::revocation::Longest;

/// The longest lifetimes of a configuration, and when it was in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRecord {
    /// The longest absolute lifetime.
    pub lifetime: Duration,
    /// The longest idle limit.
    pub idle: Duration,
    /// Since when they are known to be in force.
    pub since: Timestamp,
    /// When a configuration without them was first seen; `None` while they are in force.
    pub ended: Option<Timestamp>,
}

impl LimitRecord {
    /// Limits that are in force since then.
    pub(super) fn of(longest: Longest, since: Timestamp) -> Self {
        let Longest { lifetime, idle } = longest;
        Self { lifetime, idle, since, ended: None }
    }

    /// Without the times.
    pub(super) fn longest(&self) -> Longest {
        Longest { lifetime: self.lifetime, idle: self.idle }
    }

    /// Whether a key may have sealed under these limits, if it sealed from `first` to `last`.
    ///
    /// A change of configuration reaches one replica after the other, and only the first one is noted: a day is
    /// allowed for the rest.
    pub(super) fn may_bind(&self, first: Timestamp, last: Timestamp) -> bool {
        self.since <= last && self.ended.is_none_or(|ended| ended.plus(ROLLING_CHANGE) >= first)
    }

    /// Whether they are in force at `now`, or were so short a time before that no key can have been without them.
    pub(super) fn goes_on(&self, now: Timestamp) -> bool {
        self.ended.is_none_or(|ended| ended.plus(ROLLING_CHANGE) >= now)
    }

    /// What two know of the same limits since the same time: the longer time in force.
    pub(super) fn join(&mut self, other: &Self) {
        self.ended = match (self.ended, other.ended) {
            (Some(one), Some(other)) => Some(one.max(other)),
            _ => None,
        };
    }
}

/// How long a change of configuration may take to reach every replica.
const ROLLING_CHANGE: Duration = Duration::from_secs(24 * 60 * 60);
