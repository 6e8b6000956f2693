//! Pushes: facts that are on their way until a majority of the core holds them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::member::ReplicaId;
use super::message::{Head, Nonce};
use super::node::{Action, Awaited, Node, PushId};
use super::ports::Now;
use super::{compare, dating};
use crate::clock::Timestamp;
use crate::revocation::{Fact, STALENESS, Spread};

/// The pushes under way.
#[derive(Default)]
pub(super) struct Pushes {
    open: BTreeMap<PushId, Push>,
    /// What an acknowledgement that bears a nonce is about, in which version of each push, and when that was sent.
    sent: BTreeMap<Nonce, (Vec<(PushId, u32)>, Duration)>,
    /// Whether our own word counted when this was looked at last.
    counting: bool,
}

/// What is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What was just made here.
    Fresh,
    /// What an earlier life of this replica may have acknowledged already.
    Resumed,
    /// The floor of a majority that has lost its facts.
    Floor,
}

struct Push {
    kind: Kind,
    /// As they were pushed, and as they are by now.
    given: Vec<Fact>,
    facts: Vec<Fact>,
    /// Counts how often they were changed.
    version: u32,
    /// When they were made, and when they were dated last.
    made: Timestamp,
    dated: Timestamp,
    begun: Now,
    own: bool,
    acks: BTreeMap<usize, Acknowledged>,
    /// What others knew that reaches past them.
    past: Vec<Fact>,
    raised: bool,
    held: bool,
    told: u16,
    waited_for: bool,
    due: Duration,
    pause: Duration,
}

#[derive(Clone, Copy)]
struct Acknowledged {
    by: ReplicaId,
    /// When that was sent which it answers: since then at least it was alive.
    at: Duration,
}

impl Node {
    /// 1. Send the facts to all, edges included.
    pub(super) fn push_as(
        &mut self,
        now: Now,
        dated: Timestamp,
        facts: Vec<Fact>,
        kind: Kind,
    ) -> (PushId, Vec<Action>) {
        let id = PushId(self.number());
        let mut actions = Vec::new();
        self.awaiting.insert(id.ticket(), Awaited::Own(id));
        self.open_push(now, (id, dated), facts, kind, &mut actions);
        (id, self.done(now, actions))
    }

    pub(super) fn open_push(
        &mut self,
        now: Now,
        (id, dated): (PushId, Timestamp),
        facts: Vec<Fact>,
        kind: Kind,
        actions: &mut Vec<Action>,
    ) {
        let push = Push {
            kind,
            given: facts.clone(),
            facts,
            version: 0,
            made: dated,
            dated,
            begun: now,
            own: false,
            acks: BTreeMap::new(),
            past: Vec::new(),
            raised: false,
            held: false,
            told: 0,
            waited_for: kind == Kind::Fresh,
            due: now.uptime + FIRST_PAUSE,
            pause: FIRST_PAUSE,
        };
        self.pushes.open.insert(id, push);
        self.send_soon(now, id, actions);
    }

    /// 2. Whoever has them durably says so, and what it knew that they don't say.
    pub(super) fn on_ack(
        &mut self,
        now: Now,
        head: &Head,
        (nonce, counts, more): (Nonce, bool, &[Fact]),
        actions: &mut Vec<Action>,
    ) {
        let Some((about, sent)) = self.pushes.sent.get(&nonce).cloned() else {
            self.on_ask_ack(now, head, (nonce, counts, more), actions);
            return;
        };
        self.take_in(now, more, actions);
        let Some(slot) = self.place(head) else { return };
        for (id, version) in about {
            let Some(push) = self.pushes.open.get_mut(&id).filter(|push| push.version == version) else { continue };
            let past = push.facts.iter().filter_map(|fact| compare::latest(fact, more)).collect::<Vec<_>>();
            push.past.extend(past);
            // That somebody who has lost its facts has merged a floor is worth as much as if it had not: see `floor`.
            if counts || push.kind == Kind::Floor {
                push.acks.insert(slot, Acknowledged { by: head.id, at: sent });
            }
            self.settle_push(now, id, actions);
        }
        self.send_waiting(now, actions);
    }

    pub(super) fn own_kept(&mut self, now: Now, id: PushId, actions: &mut Vec<Action>) {
        if let Some(push) = self.pushes.open.get_mut(&id) {
            push.own = true;
            self.settle_push(now, id, actions);
            self.send_waiting(now, actions);
        }
    }

    /// 3. While no majority holds them, they are sent again to those who are there and have not said that they have
    ///    them.
    pub(super) fn tick_pushes(&mut self, now: Now, actions: &mut Vec<Action>) {
        self.tick_batches(now, actions);
        self.pushes.sent.retain(|_, (_, sent)| now.uptime.saturating_sub(*sent) <= ANSWERED_WITHIN);
        let counts = self.counts(now);
        if counts != self.pushes.counting {
            // Our own word counts by now.
            self.pushes.counting = counts;
            self.pushes.hurry(now);
        }
        let due = self.pushes.open.iter().filter(|(_, push)| push.due <= now.uptime);
        let due: Vec<PushId> = due.map(|(id, _)| *id).collect();
        let live = self.members.live(now);
        let mut batches: BTreeMap<ReplicaId, Vec<PushId>> = BTreeMap::new();
        for id in due {
            self.settle_push(now, id, actions);
            for (slot, peer) in &live {
                if self.lacks(id, (*slot, *peer), now) {
                    batches.entry(*peer).or_default().push(id);
                }
            }
            let Some(push) = self.pushes.open.get_mut(&id) else { continue };
            push.pause = (push.pause * 2).min(LONGEST_PAUSE);
            push.due = now.uptime + push.pause;
        }
        for (peer, ids) in batches {
            self.send_again(now, peer, &ids, actions);
        }
    }

    pub(super) fn forget_push(&mut self, id: PushId) {
        if let Some(push) = self.pushes.open.get_mut(&id) {
            push.waited_for = false;
            if push.held {
                self.pushes.open.remove(&id);
            }
        }
    }

    /// 4. Once a majority holds them, it is done; unless others knew of some that reach as far, or it came late: then
    ///    they are changed, and it begins again.
    fn settle_push(&mut self, now: Now, id: PushId, actions: &mut Vec<Action>) {
        let (applied, core) = (self.applied(id, now), self.settings.core.size());
        let (majority, dated) = (self.settings.core.majority(), self.dated(now));
        let Some(push) = self.pushes.open.get_mut(&id) else { return };
        if applied >= majority && !push.held {
            let may = push.kind == Kind::Fresh && !push.raised;
            if let Some(facts) = may.then(|| dating::raised(&push.facts, &push.past, push.made)).flatten() {
                push.raised = true;
                self.push_changed(now, id, facts, actions);
                return;
            }
            let late = dated.since(push.dated).max(now.uptime.saturating_sub(push.begun.uptime));
            if late > STALENESS && push.kind != Kind::Floor {
                let facts = push.facts.iter().map(|fact| dating::later(fact, late)).collect();
                push.dated = dated;
                push.begun = now;
                self.push_changed(now, id, facts, actions);
                return;
            }
            push.held = true;
            self.batches.held(id);
            actions.push(Action::Released { facts: push.given.clone() });
        }
        let count = |replicas: usize| u16::try_from(replicas).unwrap_or(u16::MAX);
        let applied = if push.held { applied.max(majority) } else { applied };
        if count(applied) > push.told {
            push.told = count(applied);
            actions.push(Action::Pushed { id, spread: Spread { applied: count(applied), core: count(core) } });
        }
        let over = push.held && (!push.waited_for || applied == core);
        let floor = push.held && push.kind == Kind::Floor;
        if over {
            self.pushes.open.remove(&id);
        }
        if floor {
            self.floor_held(id);
        }
    }

    /// The facts of a push say something else from here on: nobody has them yet.
    fn push_changed(&mut self, now: Now, id: PushId, facts: Vec<Fact>, actions: &mut Vec<Action>) {
        let kept = self.facts.merge(&facts, self.dated(now));
        self.wait(kept, Awaited::Own(id), actions);
        if let Some(push) = self.pushes.open.get_mut(&id) {
            push.facts = facts;
            push.version += 1;
            push.own = false;
            push.acks.clear();
            push.past.clear();
            (push.pause, push.due) = (FIRST_PAUSE, now.uptime + FIRST_PAUSE);
        }
        self.send_to_all(now, id, actions);
    }

    /// How many of the core hold a push, as far as it counts.
    fn applied(&self, id: PushId, now: Now) -> usize {
        let Some(push) = self.pushes.open.get(&id) else { return 0 };
        let own = self.slot.is_some() && push.own && (self.counts(now) || push.kind == Kind::Floor);
        let acks = push.acks.iter().filter(|(slot, ack)| self.still_counts(**slot, **ack, push.held, now));
        acks.count() + usize::from(own)
    }

    /// Whether an acknowledgement is of a life that goes on as far as we know: another one may have come without it,
    /// and its word counts some seconds after its start.
    fn still_counts(&self, slot: usize, ack: Acknowledged, held: bool, now: Now) -> bool {
        if held {
            return true;
        }
        let heard = self.members.peer(ack.by).map_or(ack.at, |peer| peer.heard.uptime.max(ack.at));
        let replaced = self
            .members
            .in_place(slot)
            .is_some_and(|id| id != ack.by && self.members.peer(id).is_some_and(|peer| peer.heard.uptime > ack.at));
        !replaced && !self.members.is_duplicate(slot, now) && now.uptime.saturating_sub(heard) <= ACK_LASTS
    }

    /// Whether a push is to be sent again to somebody.
    fn lacks(&self, id: PushId, (slot, peer): (usize, ReplicaId), now: Now) -> bool {
        let Some(push) = self.pushes.open.get(&id) else { return false };
        let acknowledged = push.acks.get(&slot).is_some_and(|ack| self.still_counts(slot, *ack, push.held, now));
        // Once it is held, the rounds do the rest; but who waits for all waits for those who are there.
        let there = self.members.peer(peer).is_some_and(|peer| peer.heard.uptime > push.begun.uptime);
        !acknowledged && (!push.held || (push.waited_for && there))
    }
}

impl Pushes {
    /// How many are waiting for a majority.
    pub(super) fn pending(&self) -> u64 {
        self.open.values().filter(|push| !push.held).count() as u64
    }

    /// What is sent of it now, in which version.
    pub(super) fn content(&self, id: PushId) -> Option<(u32, &[Fact])> {
        self.open.get(&id).map(|push| (push.version, &*push.facts))
    }

    /// What an acknowledgement with this nonce is about.
    pub(super) fn note_sent(&mut self, nonce: Nonce, about: Vec<(PushId, u32)>, at: Duration) {
        self.sent.insert(nonce, (about, at));
    }

    /// Somebody has come: what it lacks is due.
    pub(super) fn hurry(&mut self, now: Now) {
        for push in self.open.values_mut().filter(|push| !push.held) {
            (push.due, push.pause) = (now.uptime, FIRST_PAUSE);
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// For how long an acknowledgement counts of whoever has not been heard from since.
const ACK_LASTS: Duration = Duration::from_millis(1_500);
/// An answer to what was sent longer ago is none.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
