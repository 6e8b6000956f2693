//! What a core does that has lost its facts: it ends all sessions that they may have been about.
//!
//! A replica that does not know what it acknowledged in an earlier life completes itself from N − majority + 1 others
//! that do. Where a majority can't vote, there are never as many. Then each of those raises a floor under all sessions
//! that began before, and knows by that floor all that it needs.
//!
//! Why that is safe. Let X be one that has raised its floor, and F a fact that a majority acknowledged, X's earlier
//! life in it, about sessions that had begun by then. X's start lies behind that life's end. Nobody counts its
//! acknowledgements for longer than two seconds after that end, and a session starts three clock errors ahead of the
//! true time at most. X raises its floor four clock errors after its start at the earliest, to two ahead of the core's
//! median: past all those starts. So what X knows says of each such F: it, or that the session is over anyway; and so
//! does every view with X in it. Where X's earlier lives took no part in the acknowledging majority, another one meets
//! the view. Nothing of this needs a vote. That acknowledgements of replicas without a vote count here says no more
//! than that they have merged this very floor; a majority is waited for so that the floor is no sooner in force for
//! some requests than it is sure to be for all.

use std::time::Duration;

use super::node::{Action, Awaited, Node, PushId};
use super::ports::Now;
use super::pushes::Kind;
use crate::clock::Timestamp;
use crate::revocation::{CLOCK_ERROR, Fact};

impl Node {
    pub(super) fn tick_floor(&mut self, now: Now, actions: &mut Vec<Action>) {
        let waits = now.uptime.saturating_sub(self.started.uptime) < RAISED_AFTER;
        let lost = self.voteless() >= self.settings.core.majority();
        if self.slot.is_none() || self.votes() || waits || !lost || self.knowledge.floor.is_some() {
            return;
        }
        let at = self.dated(now).plus(2 * CLOCK_ERROR);
        let facts = vec![Fact::Floor { realm: None, at, until: Timestamp::MAX }];
        let id = PushId(self.number());
        self.knowledge.floor = Some(id);
        self.counters.floors_raised += 1;
        let kept = self.facts.merge(&facts, self.dated(now));
        self.awaiting.insert(id.ticket(), Awaited::Own(id));
        actions.push(Action::Await { ticket: id.ticket(), kept });
        self.open_push(now, (id, self.dated(now)), facts, Kind::Floor, actions);
    }

    /// A majority has merged the floor.
    pub(super) fn floor_held(&mut self, id: PushId) {
        if self.knowledge.floor == Some(id) {
            self.knowledge.complete = true;
            self.knowledge.votes = true;
        }
    }
}

/// How long after the start it is raised: four clock errors.
const RAISED_AFTER: Duration = Duration::from_secs(4);
