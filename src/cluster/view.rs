//! How much this replica knows, how old that is, and whether it may answer by it.

use std::time::Duration;

use super::members::since;
use super::node::{Node, NotReady, PushId, View};
use super::ports::{Now, RingDigest};
use super::report::date;
use crate::clock::Timestamp;
use crate::revocation::{CLOCK_ERROR, STALENESS};

/// What is known of our own knowledge.
#[derive(Debug)]
pub(super) struct Knowledge {
    pub(super) complete: bool,
    /// Whether it counts for others. One that pulled what it knows has to wait until nobody counts acknowledgements of
    /// its earlier life.
    pub(super) votes: bool,
    /// The floor that was raised because nobody could become complete.
    pub(super) floor: Option<PushId>,
}

impl Knowledge {
    pub(super) fn at_start(complete: bool) -> Self {
        Self { complete, votes: complete, floor: None }
    }
}

impl Node {
    /// How much this replica knows, and whether it may answer.
    pub fn view(&self, now: Now) -> View {
        let fresh = self.fresh();
        let age = fresh.map(|(oldest, wall)| since(Now { wall, ..oldest }, now));
        let age = if self.majority_alone() { Some(Duration::ZERO) } else { age };
        let offset = self.offset(now);
        let why = self.why_not(now, age, offset);
        let until =
            |(oldest, wall): (Now, Timestamp)| Now { wall: wall.plus(STALENESS), uptime: oldest.uptime + STALENESS };
        let forever = Now { wall: Timestamp::MAX, uptime: Duration::from_millis(u64::MAX) };
        View {
            ready: why.is_empty(),
            why,
            complete: self.knowledge.complete,
            settled: self.knowledge.complete && self.repair.unwritten == 0,
            votes: self.votes(),
            counts: self.counts(now),
            age,
            fresh_until: if self.majority_alone() { Some(forever) } else { fresh.map(until) },
            offset,
        }
    }

    /// Whether what we know counts, for us and for others, as that of one of the core.
    pub(super) fn votes(&self) -> bool {
        self.slot.is_some() && self.knowledge.complete && self.knowledge.votes
    }

    /// Whether our word counts for asks and acknowledgements: not soon after the start, because what only an earlier
    /// life knew (starts of sessions ahead of the clocks) has to lie in the past.
    pub(super) fn counts(&self, now: Now) -> bool {
        self.votes() && now.uptime.saturating_sub(self.started.uptime) >= SETTLING
    }

    /// How far our clock is ahead of the core's median.
    pub(super) fn offset(&self, now: Now) -> Option<i64> {
        self.clocks.offset(self.slot, self.settings.core.majority(), now)
    }

    /// The time by which this replica dates. Nothing is forgotten by it.
    pub(super) fn dated(&self, now: Now) -> Timestamp {
        date(self.offset(now), now.wall)
    }

    fn majority_alone(&self) -> bool {
        self.settings.core.majority() == 1 && self.votes()
    }

    /// The sending time of the oldest of as many rounds as make a majority, by either clock. Any majority that held
    /// something by then has a member among those whose answers are merged, and that one had it when it answered.
    fn fresh(&self) -> Option<(Now, Timestamp)> {
        let others = self.settings.core.majority() - usize::from(self.votes());
        let mut merged: Vec<Now> = self.members.merged().collect();
        merged.sort_unstable_by_key(|sent| std::cmp::Reverse(sent.uptime));
        let counted = merged.get(..others)?;
        Some((*counted.last()?, counted.iter().map(|sent| sent.wall).min()?))
    }

    fn why_not(&self, now: Now, age: Option<Duration>, offset: Option<i64>) -> Vec<NotReady> {
        let mut why = Vec::new();
        // A replica of the core without a journal does not let the next one be restarted before it counts itself.
        let lasting = self.slot.is_none() || self.settings.journal || self.votes();
        if !self.knowledge.complete || !lasting {
            why.push(NotReady::Incomplete);
        }
        match age {
            None => why.push(NotReady::Unheard),
            Some(age) if age > STALENESS => why.push(NotReady::Stale(age)),
            Some(_) => {}
        }
        match offset {
            None => why.push(NotReady::ClockUnknown),
            Some(off) if Duration::from_millis(off.unsigned_abs()) > CLOCK_ERROR => why.push(NotReady::ClockOff(off)),
            Some(_) => {}
        }
        if self.rounds.taken.is_some_and(|taken| since(taken, now) <= STALENESS) {
            why.push(NotReady::NameTaken);
        }
        match self.ring_confirmed(now) {
            _ if self.rings.digest().is_none() => why.push(NotReady::NoRing),
            Some(ago) if ago <= self.settings.confirm => {}
            _ => why.push(NotReady::RingUnconfirmed),
        }
        why
    }

    /// How long ago the question was sent to which a majority answered last that our ring is theirs. That stands when
    /// the ring changes: until the others have the change too, nobody is refused for it.
    fn ring_confirmed(&self, now: Now) -> Option<Duration> {
        let own = self.rings.digest()?;
        let before = self.rounds.confirmed.filter(|(ring, _)| *ring == own.ring).map(|(_, at)| at);
        before.into_iter().chain(self.ring_agreed(own, now)).map(|at| since(at, now)).min()
    }

    /// When a majority was asked whose rings are the very one that is here.
    fn ring_agreed(&self, own: RingDigest, now: Now) -> Option<Now> {
        let mut asked: Vec<Now> = self.members.same_ring(own).chain(self.votes().then_some(now)).collect();
        asked.sort_unstable_by_key(|at| since(*at, now));
        asked.get(self.settings.core.majority() - 1).copied()
    }

    /// All that the replica in a place knew when it answered a round is merged here and visible.
    pub(super) fn merged(&mut self, now: Now, (slot, sent, votes): (Option<usize>, Now, bool)) {
        // What an edge knew is merged too, and counts for nothing.
        let Some(slot) = slot else { return };
        if !votes || self.members.is_duplicate(slot, now) {
            return;
        }
        self.members.note_merged(slot, sent);
        let enough = self.settings.core.to_complete();
        let late = self.started.uptime + VOTE_AFTER;
        let (mut all, mut after) = (0, 0);
        for sent in self.members.merged() {
            all += 1;
            after += usize::from(sent.uptime >= late);
        }
        self.knowledge.complete |= all >= enough;
        self.knowledge.votes |= after >= enough;
    }

    /// Tells the ring how long ago a majority said that it is theirs.
    pub(super) fn confirm_ring(&mut self, now: Now) {
        let own = self.rings.digest();
        if let Some((own, at)) = own.and_then(|own| Some((own, self.ring_agreed(own, now)?))) {
            let newer = |(ring, before): (_, Now)| ring != own.ring || since(at, now) < since(before, now);
            if self.rounds.confirmed.is_none_or(newer) {
                self.rounds.confirmed = Some((own.ring, at));
            }
        }
        if let Some(ago) = self.ring_confirmed(now) {
            self.rings.confirmed(ago);
        }
    }
}

/// How long after the start our word counts: four clock errors.
const SETTLING: Duration = Duration::from_secs(4);
/// How long after the start what we pulled counts: longer than anybody counts what an earlier life acknowledged.
const VOTE_AFTER: Duration = Duration::from_secs(2);
