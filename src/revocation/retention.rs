//! How long facts matter, and the times of the design from which that follows.

use std::time::Duration;

use crate::clock::Timestamp;

/// Largest clock error of a replica (`e` in the design).
pub const CLOCK_ERROR: Duration = Duration::from_secs(1);
/// How far ahead of our clock a token may be sealed (`f`).
pub const SEALED_AHEAD: Duration = Duration::from_secs(5);
/// Longest time for which a replica may answer without hearing from a majority (`S`).
pub const STALENESS: Duration = Duration::from_secs(5);

/// The longest limits that a token which still lives may have been sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Longest {
    /// From start to absolute expiry.
    pub lifetime: Duration,
    /// From one renewal to the next.
    pub idle: Duration,
}

impl Longest {
    /// The greater of both, limit by limit.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { lifetime: self.lifetime.max(other.lifetime), idle: self.idle.max(other.idle) }
    }
}

/// How long the facts of one realm are kept.
///
/// No replica that knows an ending renews what it ends, and none that may lack one renews at all. So the last token dies by its
/// idle limit, and in any case at its absolute expiry. The clocks may disagree (`2e`), and a token may be sealed
/// ahead (`f`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// For facts about many sessions, whose own limits are not known.
    pub longest: Longest,
    /// Whether sessions that began elsewhere are imported. One that was ended here can be handed in again by whoever still has
    /// it, idle or not, so its ending has to be known until its absolute expiry.
    pub imports: bool,
}

impl Retention {
    /// Until when a denied or superseded session is remembered, its limits known.
    pub fn session(&self, now: Timestamp, started: Timestamp, expires: Timestamp, idle: Duration) -> Timestamp {
        let absolute = self.whole_life(started, expires);
        if self.imports { absolute } else { after_idle(now, idle).plus(2 * CLOCK_ERROR).min(absolute) }
    }

    /// Until when it is remembered that a session is bound to a device, which tokens that do not say so are allowed to ignore for
    /// `tolerance`. Its own limits, not those of a token with a shorter life.
    pub fn bound(
        &self,
        now: Timestamp,
        started: Timestamp,
        expires: Timestamp,
        idle: Duration,
        tolerance: Duration,
    ) -> Timestamp {
        self.session(now.plus(tolerance), started, expires, idle)
    }

    /// Until when no token of a session that started then, and of which one expires at `expires`, can live. One that is imported
    /// once more, as a persistent one or under longer limits, expires later.
    pub fn whole_life(&self, started: Timestamp, expires: Timestamp) -> Timestamp {
        let longest = if self.imports { started.plus(self.longest.lifetime) } else { expires };
        longest.max(expires).plus(2 * CLOCK_ERROR)
    }

    /// Until when the ending of a session is remembered of which no more than the id is known.
    pub fn unknown_session(&self, now: Timestamp) -> Timestamp {
        self.session(now, now, now.plus(self.longest.lifetime), self.longest.idle)
    }

    /// Until when a cut-off at `at` is remembered, or a floor.
    pub fn cutoff(&self, at: Timestamp) -> Timestamp {
        let absolute = self.stale(at);
        if self.imports { absolute } else { after_idle(at, self.longest.idle).plus(2 * CLOCK_ERROR).min(absolute) }
    }

    /// Until when it is remembered that claims of before `at` are out of date: their sessions live and are renewed, up to
    /// the longest absolute expiry.
    pub fn stale(&self, at: Timestamp) -> Timestamp {
        at.plus(self.longest.lifetime).plus(SEALED_AHEAD).plus(2 * CLOCK_ERROR)
    }
}

fn after_idle(from: Timestamp, idle: Duration) -> Timestamp {
    from.plus(idle).plus(STALENESS).plus(SEALED_AHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3_600);
    const DAY: Duration = Duration::from_secs(86_400);

    /// What is kept beyond `T`, in seconds: session, unknown session, cut-off, stale.
    #[test]
    fn each_kind_is_kept_as_the_table_of_the_design_says() {
        let (e, f, s) = (1, 5, 5);
        let (idle, life) = (30 * 60, 12 * 3_600);
        let dying = idle + s + f + 2 * e;
        for (longest, imports, kept) in [
            // Idle limits end it first.
            ((12 * HOUR, 30 * MINUTE), false, [dying, dying, dying, life + f + 2 * e]),
            // What was imported can come back for as long as it may live.
            ((12 * HOUR, 30 * MINUTE), true, [life + 2 * e, life + 2 * e, life + f + 2 * e, life + f + 2 * e]),
            // Longer limits are in force somewhere: what is known of one session does not change, all else does.
            (
                (30 * DAY, 14 * DAY),
                false,
                [dying, 14 * 86_400 + s + f + 2 * e, 14 * 86_400 + s + f + 2 * e, 30 * 86_400 + f + 2 * e],
            ),
            // The absolute expiry comes first.
            ((12 * HOUR, 12 * HOUR), false, [dying, life + 2 * e, life + f + 2 * e, life + f + 2 * e]),
        ] {
            let longest = Longest { lifetime: longest.0, idle: longest.1 };
            let rule = Retention { longest, imports };
            let at = Timestamp::from_millis(1_790_000_000_000).expect("in range");
            let found = [
                rule.session(at, at, at.plus(12 * HOUR), 30 * MINUTE),
                rule.unknown_session(at),
                rule.cutoff(at),
                rule.stale(at),
            ];
            assert_eq!(found.map(|until| until.since(at).as_secs()), kept, "{rule:?}");
        }
    }

    #[test]
    fn a_session_about_to_expire_is_remembered_for_little_longer() {
        let longest = Longest { lifetime: 12 * HOUR, idle: 30 * MINUTE };
        let rule = Retention { longest, imports: false };
        let at = Timestamp::from_millis(1_790_000_000_000).expect("in range");
        assert_eq!(rule.session(at, at, at.plus(MINUTE), 30 * MINUTE), at.plus(MINUTE).plus(2 * CLOCK_ERROR));
    }
}
