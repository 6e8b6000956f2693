//! Rounds: every second the others are asked how they are; and how old, by that, our own knowledge is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::member::{ReplicaId, Role};
use super::members::since;
use super::message::{Body, DigestsOf, Head, MAX_RELEASE, Nonce, State};
use super::node::{Action, Node, NotReady, Standing, To, View};
use super::ports::{Buckets, Now};
use crate::clock::Timestamp;
use crate::revocation::{CLOCK_ERROR, STALENESS, digest};

/// The rounds under way.
#[derive(Default)]
pub(super) struct Rounds {
    sent: VecDeque<Sent>,
    due: Duration,
    /// When another life answered from our own place.
    taken: Option<Now>,
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

/// What is known of our own knowledge.
#[derive(Debug)]
pub(super) struct Knowledge {
    pub(super) complete: bool,
    /// Whether it counts for others. One that pulled what it knows has to wait until nobody counts acknowledgements of its earlier life.
    pub(super) votes: bool,
    /// The floor that was raised because nobody could become complete.
    pub(super) floor: Option<super::node::PushId>,
    /// Whether something that came could not be kept.
    pub(super) unkept: bool,
}

impl Knowledge {
    pub(super) fn at_start(complete: bool) -> Self {
        Self { complete, votes: complete, floor: None, unkept: false }
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
        let forever = Now { wall: Timestamp::MAX, uptime: Duration::MAX };
        View {
            ready: why.is_empty(),
            why,
            complete: self.knowledge.complete,
            settled: self.knowledge.complete && !self.knowledge.unkept && self.repair.unwritten == 0,
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

    /// Whether our word counts for asks and acknowledgements: not soon after the start, because what only an earlier life knew (starts of
    /// sessions ahead of the clocks) has to lie in the past.
    pub(super) fn counts(&self, now: Now) -> bool {
        self.votes() && now.uptime.saturating_sub(self.started.uptime) >= SETTLING
    }

    /// How far our clock is ahead of the core's median.
    pub(super) fn offset(&self, now: Now) -> Option<i64> {
        self.clocks.offset(self.slot, self.settings.core.majority(), now)
    }

    fn majority_alone(&self) -> bool {
        self.settings.core.majority() == 1 && self.votes()
    }

    /// The sending time of the oldest of as many rounds as make a majority, by either clock. Any majority that held something by then has a
    /// member among those whose answers are merged, and that one had it when it answered.
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

    /// How long ago the question was sent to which a majority answered that our ring is theirs.
    fn ring_confirmed(&self, now: Now) -> Option<Duration> {
        let own = self.rings.digest()?;
        let mut ages: Vec<Duration> = self.members.same_ring(own).map(|sent| since(sent, now)).collect();
        ages.extend(self.votes().then_some(Duration::ZERO));
        ages.sort_unstable();
        ages.get(self.settings.core.majority() - 1).copied()
    }

    /// 1. Every second, or sooner while we know too little, ask all.
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
        let beyond = digest::beyond(now.wall);
        let (nonce, root) = (self.nonce(), root(&self.facts.digest(beyond)));
        let (answered, twice, voteless) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        self.rounds.sent.push_back(Sent { nonce, at: now, beyond, root, answered, twice, voteless });
        self.confirm_ring(now);
        actions.push(self.send(To::All, &Body::Round { nonce, beyond, root }));
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
        let current = self.facts.digest(beyond);
        let same = state.root == root_then || state.root == root(&current);
        let there = self.members.live(now);
        self.members.note(head, (self.place(head), standing), sent, &state, same);
        if slot.is_some_and(|slot| !there.contains(&(slot, head.id))) {
            self.pushes.hurry(now);
        }
        self.on_ring_state(now, head, &state, actions);
        if standing != Standing::Good || self.rings.digest().is_none() || (slot.is_none() && self.slot.is_none()) {
            return;
        }
        let source = (slot, sent, state.votes);
        match state.buckets {
            _ if same => self.merged(now, source),
            Some(DigestsOf(theirs)) => {
                let differ = differing(&current, &theirs);
                self.begin_repair(now, (head.id, source), beyond, differ, actions);
            }
            None => {}
        }
        self.confirm_ring(now);
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

    fn confirm_ring(&self, now: Now) {
        if let Some(ago) = self.ring_confirmed(now) {
            self.rings.confirmed(ago);
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
/// How long after the start our word counts: four clock errors.
const SETTLING: Duration = Duration::from_secs(4);
/// How long after the start what we pulled counts: longer than anybody counts what an earlier life acknowledged.
const VOTE_AFTER: Duration = Duration::from_secs(2);
