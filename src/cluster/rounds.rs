//! Rounds: every second the others are asked how they are; and how old, by that, our own knowledge is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::member::{ReplicaId, Role};
use super::members::since;
use super::message::{Body, DigestsOf, Head, MAX_RELEASE, Nonce, State};
use super::node::{Action, Node, Standing, To};
use super::ports::{Buckets, Now};
use crate::clock::Timestamp;
use crate::keyring::RingId;
use crate::revocation::{STALENESS, digest};

/// The rounds under way.
#[derive(Default)]
pub(super) struct Rounds {
    sent: VecDeque<Sent>,
    due: Duration,
    /// When another life answered from our own place.
    pub(super) taken: Option<Now>,
    /// When a majority was asked last that had our ring, and which ring that was.
    pub(super) confirmed: Option<(RingId, Now)>,
    any: bool,
}

struct Sent {
    nonce: Nonce,
    at: Now,
    beyond: Timestamp,
    root: u64,
    /// Who answered first from each place.
    answered: BTreeMap<usize, ReplicaId>,
    /// From where two lives answered.
    twice: BTreeSet<usize>,
    /// Who of the core has no vote.
    voteless: BTreeSet<usize>,
}

impl Node {
    /// 1. Every second, or sooner while we know too little, ask all whose answer matters.
    pub(super) fn tick_rounds(&mut self, now: Now, actions: &mut Vec<Action>) {
        self.rounds.sent.retain(|sent| since(sent.at, now) <= STALENESS);
        if now.uptime < self.rounds.due && self.rounds.any {
            return;
        }
        let view = self.view(now);
        let fresh = view.complete && view.age.is_some_and(|age| age <= STALENESS);
        self.rounds.due = now.uptime + if fresh { EVERY } else { SOON };
        self.rounds.any = true;
        self.counters.rounds += 1;
        let beyond = digest::beyond(self.dated(now));
        let (nonce, root) = (self.nonce(), root(&self.facts.digest(beyond)));
        let (answered, twice, voteless) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        self.rounds.sent.push_back(Sent { nonce, at: now, beyond, root, answered, twice, voteless });
        self.confirm_ring(now);
        // Edges have nothing to say to edges, but for the ring.
        let to = if self.slot.is_none() && self.rings.digest().is_some() { To::Core } else { To::All };
        actions.push(self.send(to, &Body::Round { nonce, beyond, root }));
    }

    /// 2. Whoever is asked says how it is, and the digests of its buckets if they are not the same.
    pub(super) fn on_round(
        &mut self,
        now: Now,
        head: &Head,
        (nonce, beyond, root_there): (Nonce, Timestamp, u64),
        actions: &mut Vec<Action>,
    ) {
        // Edges have nothing to say to edges, but for the ring.
        if self.slot.is_none() && head.role == Role::Edge && head.ring.is_some() {
            return;
        }
        let known = self.members.peer(head.id).is_some();
        if !known && self.place(head).is_some() {
            // Somebody new: the sooner it is known, the sooner it is sent what it lacks.
            self.rounds.due = self.rounds.due.min(now.uptime + SOON);
        }
        let buckets = self.facts.digest(beyond);
        let (view, root) = (self.view(now), root(&buckets));
        let mut release = self.settings.release.clone();
        while release.len() > MAX_RELEASE {
            release.pop();
        }
        let state = State {
            nonce,
            wall: now.wall,
            complete: view.complete,
            votes: view.votes,
            counts: view.counts,
            ready: view.ready,
            age: view.age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            ring: self.rings.digest().map(|digest| digest.digest),
            root,
            buckets: (root != root_there && !self.is_foreign(head)).then_some(DigestsOf(buckets)),
            release,
        };
        actions.push(self.send(To::One(head.id), &Body::State(state)));
    }

    /// 3. What they say is taken in, and what they know and we don't is pulled.
    pub(super) fn on_state(&mut self, now: Now, head: &Head, state: State, actions: &mut Vec<Action>) {
        let Some(at) = self.rounds.sent.iter().position(|sent| sent.nonce == state.nonce) else {
            self.counters.unasked += 1;
            return;
        };
        let (sent, beyond, root_then) =
            (self.rounds.sent[at].at, self.rounds.sent[at].beyond, self.rounds.sent[at].root);
        let standing = self.standing(head);
        let slot = self.place(head).filter(|_| standing == Standing::Good);
        if standing == Standing::Good && head.role == Role::Core && slot.is_none() {
            // 4. Our own name: two are alive under it, for this answers what only we have asked.
            self.rounds.taken = Some(now);
            return;
        }
        if slot.is_some_and(|slot| self.is_second(at, slot, head.id, now)) {
            return;
        }
        if let Some(slot) = slot {
            self.clocks.note(slot, state.wall, sent, now);
            if !state.votes {
                self.rounds.sent[at].voteless.insert(slot);
            }
        }
        let current = (state.root != root_then).then(|| self.facts.digest(beyond));
        let same = current.as_ref().is_none_or(|current| state.root == root(current));
        let there = self.members.live(now);
        self.members.note(head, (self.place(head), standing), sent, &state, same);
        if slot.is_some_and(|slot| !there.contains(&(slot, head.id))) {
            self.pushes.hurry(now);
        }
        self.on_ring_state(now, head, &state, actions);
        if standing != Standing::Good || self.rings.digest().is_none() || (slot.is_none() && self.slot.is_none()) {
            return;
        }
        // Where our clock was ahead, the question left out what had not expired: its answer makes nothing known.
        let source = (slot, sent, state.votes && beyond <= state.wall);
        match (current, state.buckets) {
            _ if same => self.merged(now, source),
            (Some(ours), Some(DigestsOf(theirs))) => {
                let differ = self.repair.worth_pulling(head.id, &ours, &theirs);
                self.begin_repair(now, (head.id, source), beyond, differ, actions);
            }
            _ => {}
        }
        self.confirm_ring(now);
    }

    /// How many of the core have no vote, of those that answered one round; we included.
    pub(super) fn voteless(&self) -> usize {
        let lately = self.rounds.sent.iter().rev().take(3);
        let heard = lately.map(|sent| sent.voteless.len()).max().unwrap_or_default();
        heard + usize::from(self.slot.is_some() && !self.votes())
    }

    fn is_second(&mut self, round: usize, slot: usize, id: ReplicaId, now: Now) -> bool {
        let sent = &mut self.rounds.sent[round];
        let first = *sent.answered.entry(slot).or_insert(id);
        if first != id && sent.twice.insert(slot) {
            self.members.note_conflict(slot, now);
        }
        self.rounds.sent[round].twice.contains(&slot)
    }

    fn standing(&self, head: &Head) -> Standing {
        let listed = head.role == Role::Edge || self.settings.core.slot(&head.name).is_some();
        match () {
            () if head.realms != self.settings.realms => Standing::OtherRealms,
            () if self.is_foreign(head) => Standing::OtherRing,
            () if !listed => Standing::NotListed,
            () => Standing::Good,
        }
    }
}

/// One number for all buckets.
fn root(buckets: &Buckets) -> u64 {
    let mut bytes = Vec::with_capacity(8 * buckets.len());
    buckets.iter().for_each(|digest| bytes.extend_from_slice(&digest.to_le_bytes()));
    u64::from_be_bytes(*crate::secret::sha256(&bytes).first_chunk().expect("a hash has 32 bytes"))
}

/// Which of 256 parts differ.
pub(super) fn differing(ours: &Buckets, theirs: &Buckets) -> Vec<u8> {
    (0..=255).filter(|part| ours[usize::from(*part)] != theirs[usize::from(*part)]).collect()
}

const EVERY: Duration = Duration::from_secs(1);
/// While it is not known whether we are up to date.
const SOON: Duration = Duration::from_millis(200);
