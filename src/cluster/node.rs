//! The protocol as one state machine: it is told what comes in and what time it is, and says what to do.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::asks::{Asked, Asks};
use super::clocks::Clocks;
use super::compare;
use super::member::{Core, MemberError, Name, ReplicaId, Role};
use super::members::Members;
use super::message::{Body, Head, NEWEST, Nonce, OLDEST, Unread, decode, encode};
use super::ports::{Facts, Now, Rings};
use super::pushes::{Kind, Pushes};
use super::repair::Repair;
pub use super::report::{Counters, MemberReport, NotReady, Standing, View};
use super::rounds::{Knowledge, Rounds};
use super::sharing::Sharing;
use crate::clock::Timestamp;
use crate::revocation::{Fact, Kept, Question, Spread, TagKey, Uninformed};
use crate::secret::sha256;

/// What a node has to know of its replica.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// What the replica is called.
    pub name: Name,
    /// Whether it counts.
    pub role: Role,
    /// The places of the core.
    pub core: Core,
    /// This life of it.
    pub id: ReplicaId,
    /// A digest of the realms that it serves.
    pub realms: [u8; 32],
    /// What release it runs, for reports.
    pub release: String,
    /// Whether it knows from its own journal all that it ever acknowledged (or is the first of a new fleet).
    pub complete: bool,
    /// Whether what it acknowledges outlives a restart.
    pub journal: bool,
    /// For how long it may answer without a majority having confirmed its ring (`P` in the design).
    pub confirm: Duration,
}

/// The protocol of one replica.
pub struct Node {
    pub(super) settings: NodeSettings,
    pub(super) facts: Arc<dyn Facts>,
    pub(super) rings: Arc<dyn Rings>,
    /// Its place in the core.
    pub(super) slot: Option<usize>,
    pub(super) started: Now,
    /// The newest version of the protocol that it reads.
    pub(super) reads: u16,
    pub(super) knowledge: Knowledge,
    pub(super) members: Members,
    pub(super) clocks: Clocks,
    pub(super) rounds: Rounds,
    pub(super) repair: Repair,
    pub(super) pushes: Pushes,
    pub(super) asks: Asks,
    pub(super) sharing: Sharing,
    pub(super) awaiting: HashMap<Ticket, Awaited>,
    pub(super) counters: Counters,
    seed: [u8; 32],
    last: u64,
    told: Option<View>,
}

/// What is to be done once something is durable.
pub(super) enum Awaited {
    /// Acknowledge a push to whoever sent it.
    Answer { to: ReplicaId, nonce: Nonce, pushed: Vec<Fact>, before: Vec<Fact> },
    /// Count our own copy of a push.
    Own(PushId),
    /// Count our own copy of what an ask found.
    Written(AskId),
    /// Nothing but to know that our own journal has it: it came by repair.
    Repaired,
    /// Nothing.
    Unanswered,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// Send these bytes, sealed.
    Send {
        /// To whom.
        to: To,
        /// What.
        bytes: Vec<u8>,
    },
    /// Wait for `kept`, then say so by [`Node::kept`].
    Await {
        /// Under which number.
        ticket: Ticket,
        /// What to wait for.
        kept: Kept,
    },
    /// A push has come further.
    Pushed {
        /// Which.
        id: PushId,
        /// How far.
        spread: Spread,
    },
    /// An ask or a pass is over.
    Asked {
        /// Which.
        id: AskId,
        /// Whether a majority answered; what it knows is merged by now.
        outcome: Result<(), Uninformed>,
    },
    /// A majority holds these, which were pushed: they need not be pinned any more.
    Released {
        /// Which, as they were pushed.
        facts: Vec<Fact>,
    },
    /// The view has changed: whether ready, or up to when fresh.
    Changed,
}

/// To whom something is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum To {
    /// To all others.
    All,
    /// To one.
    One(ReplicaId),
}

/// The number of something that becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// The number of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PushId(pub(super) u64);

impl PushId {
    /// Under which number whoever pushed says that its own copy is durable.
    pub fn ticket(self) -> Ticket {
        Ticket(self.0)
    }
}

/// The number of an ask or a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub(super) u64);

impl Node {
    /// A node that has just started. `seed` is random and secret: nonces come from it.
    ///
    /// # Errors
    /// [`MemberError::NotListed`] for a replica of the core without a place in it.
    pub fn new(
        settings: NodeSettings,
        facts: Arc<dyn Facts>,
        rings: Arc<dyn Rings>,
        seed: [u8; 32],
        now: Now,
    ) -> Result<Self, MemberError> {
        let slot = (settings.role == Role::Core).then(|| settings.core.slot(&settings.name));
        if slot == Some(None) {
            return Err(MemberError::NotListed);
        }
        Ok(Self {
            slot: slot.flatten(),
            started: now,
            reads: NEWEST,
            knowledge: Knowledge::at_start(settings.complete),
            members: Members::of(settings.core.size()),
            clocks: Clocks::default(),
            rounds: Rounds::default(),
            repair: Repair::default(),
            pushes: Pushes::default(),
            asks: Asks::default(),
            sharing: Sharing::default(),
            awaiting: HashMap::new(),
            counters: Counters::default(),
            settings,
            facts,
            rings,
            seed,
            last: 0,
            told: None,
        })
    }

    /// What time alone brings; to be called every 50 ms or so.
    pub fn tick(&mut self, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        self.tick_rounds(now, &mut actions);
        self.tick_repair(now, &mut actions);
        self.tick_floor(now, &mut actions);
        self.tick_pushes(now, &mut actions);
        self.tick_asks(now, &mut actions);
        self.tick_sharing(now, &mut actions);
        self.members.clean(now);
        self.done(now, actions)
    }

    /// What a message brings, which was opened, and may still be anything.
    pub fn on_message(&mut self, now: Now, message: &[u8]) -> Vec<Action> {
        let mut actions = Vec::new();
        match decode(message, self.reads) {
            Ok((head, body)) if head.id != self.settings.id => self.on_body(now, &head, body, &mut actions),
            // Our own, which some engines hand back.
            Ok(_) => {}
            Err(Unread::Newer(head)) => {
                self.counters.newer += 1;
                self.members.note_unreadable(&head, now);
            }
            Err(Unread::Garbage) => self.counters.undecodable += 1,
        }
        self.done(now, actions)
    }

    /// What was awaited under `ticket` is over: `durable`, or it could not be kept.
    pub fn kept(&mut self, now: Now, ticket: Ticket, durable: bool) -> Vec<Action> {
        let mut actions = Vec::new();
        let awaited = self.awaiting.remove(&ticket);
        self.repair.unwritten -= usize::from(matches!(awaited, Some(Awaited::Repaired)));
        if !durable {
            // Not acknowledged, not counted, and our next start can't rely on our own journal.
            self.counters.unkept += 1;
            self.knowledge.unkept = true;
            return self.done(now, actions);
        }
        match awaited {
            Some(Awaited::Answer { to, nonce, pushed, before }) => {
                let more = compare::more(&self.facts.same(&pushed), &before, &pushed);
                let counts = self.counts(now);
                actions.push(self.send(To::One(to), &Body::Ack { nonce, counts, more }));
            }
            Some(Awaited::Own(push)) => self.own_kept(now, push, &mut actions),
            Some(Awaited::Written(ask)) => self.own_written(now, ask, &mut actions),
            Some(Awaited::Repaired | Awaited::Unanswered) | None => {}
        }
        self.done(now, actions)
    }

    /// Sends facts to all, which the caller has merged here. Its own copy counts once it says [`Node::kept`] under
    /// [`PushId::ticket`]. `dated`: when they were made.
    pub fn push(&mut self, now: Now, dated: Timestamp, facts: Vec<Fact>) -> (PushId, Vec<Action>) {
        self.push_as(now, dated, facts, Kind::Fresh)
    }

    /// Sends facts again that no majority was known to hold when the process ended. Nobody waits for them, and none is
    /// raised: they may have been acknowledged before. Its own copy counts as that of [`Node::push`].
    pub fn resume(&mut self, now: Now, dated: Timestamp, facts: Vec<Fact>) -> (PushId, Vec<Action>) {
        self.push_as(now, dated, facts, Kind::Resumed)
    }

    /// Asks a majority what it knows. When the answer is there, it is merged here, and a majority holds it.
    pub fn ask(&mut self, now: Now, question: Question) -> (AskId, Vec<Action>) {
        self.begin_ask(now, Asked::What(question))
    }

    /// Tells a majority that a session with these tags starts at `at`, ahead of the clocks. Known here at once.
    pub fn pass(&mut self, now: Now, tags: Vec<TagKey>, at: Timestamp) -> (AskId, Vec<Action>) {
        self.facts.pass(&tags, at);
        self.begin_ask(now, Asked::Passing(tags, at))
    }

    /// Sends the ring to all. Its progress is told as that of a push: how many of the core have the very ring that is here.
    pub fn share_ring(&mut self, now: Now) -> (PushId, Vec<Action>) {
        let id = PushId(self.number());
        let mut actions = Vec::new();
        self.begin_share(now, id, &mut actions);
        (id, self.done(now, actions))
    }

    /// Nobody waits for this push any more. Its facts are sent all the same until a majority holds them.
    pub fn forget(&mut self, push: PushId) {
        self.forget_push(push);
        self.sharing.forget(push);
    }

    /// What has happened since the start.
    pub fn counters(&self) -> Counters {
        Counters { pending: self.pushes.pending(), ..self.counters }
    }

    fn on_body(&mut self, now: Now, head: &Head, body: Body, actions: &mut Vec<Action>) {
        // Rings are judged by whoever holds ours: one may have been made in place of the other.
        let ours = head.realms == self.settings.realms;
        match body {
            Body::Round { nonce, beyond, root } => self.on_round(now, head, (nonce, beyond, root), actions),
            Body::State(state) => self.on_state(now, head, state, actions),
            Body::RingPull { nonce } if ours => self.on_ring_pull(head, nonce, actions),
            Body::RingIs { nonce, bytes } if ours => self.on_ring_is(now, nonce, &bytes),
            Body::RingPush { nonce, bytes } if ours => self.on_ring_push(head, nonce, &bytes, actions),
            _ if self.is_foreign(head) => self.counters.foreign += 1,
            // Facts are kept under the ring that they belong to: without one there is nothing to take in, and nothing to say.
            _ if self.rings.digest().is_none() => {}
            Body::RingAck { nonce, votes, digest } => self.on_ring_ack(now, head, (nonce, votes, digest), actions),
            Body::Push { nonce, facts } => self.on_push(now, head, nonce, facts, actions),
            Body::Ack { nonce, counts, more } => self.on_ack(now, head, (nonce, counts, &more), actions),
            Body::Ask { nonce, question } => self.on_ask(now, head, nonce, &question, actions),
            Body::Answer { nonce, counts, facts, passed } => {
                self.on_answer(now, head, (nonce, counts, facts, passed), actions);
            }
            Body::Pass { nonce, tags, at } => self.on_pass(now, head, (nonce, &tags, at), actions),
            Body::Leaves { nonce, beyond, buckets } => self.on_leaves(head, (nonce, beyond, &buckets), actions),
            Body::LeafDigests { nonce, digests } => self.on_leaf_digests(now, head, nonce, &digests, actions),
            Body::Pull { nonce, beyond, leaves } => self.on_pull(head, (nonce, beyond, &leaves), actions),
            Body::Pulled { nonce, leaves, facts } => self.on_pulled(now, head, (nonce, leaves, &facts), actions),
            Body::RingPull { .. } | Body::RingIs { .. } | Body::RingPush { .. } => self.counters.foreign += 1,
        }
    }

    /// A push came: it is acknowledged once it is durable here. An edge's word counts for nothing, so it gives none.
    fn on_push(&mut self, now: Now, head: &Head, nonce: Nonce, pushed: Vec<Fact>, actions: &mut Vec<Action>) {
        let before = self.facts.same(&pushed);
        let kept = self.facts.merge(&pushed, now.wall);
        let awaited = match self.slot {
            Some(_) => Awaited::Answer { to: head.id, nonce, pushed, before },
            None => Awaited::Unanswered,
        };
        self.wait(kept, awaited, actions);
    }

    pub(super) fn wait(&mut self, kept: Kept, awaited: Awaited, actions: &mut Vec<Action>) -> Ticket {
        let ticket = Ticket(self.number());
        self.awaiting.insert(ticket, awaited);
        actions.push(Action::Await { ticket, kept });
        ticket
    }

    /// Whether a message is of a replica that is none of ours.
    pub(super) fn is_foreign(&self, head: &Head) -> bool {
        let own = self.rings.digest().map(|digest| digest.ring);
        head.realms != self.settings.realms || matches!((own, head.ring), (Some(own), Some(other)) if own != other)
    }

    /// The place of whoever sent a message; `None` for those that count for nothing, and for whoever has our name.
    pub(super) fn place(&self, head: &Head) -> Option<usize> {
        let slot = (head.role == Role::Core).then(|| self.settings.core.slot(&head.name)).flatten();
        slot.filter(|slot| Some(*slot) != self.slot)
    }

    pub(super) fn send(&self, to: To, body: &Body) -> Action {
        let always_read = matches!(body, Body::Round { .. } | Body::State(_));
        let head = Head {
            version: if always_read { OLDEST } else { self.members.speaks(self.reads) },
            reads: self.reads,
            id: self.settings.id,
            name: self.settings.name.clone(),
            role: self.settings.role,
            realms: self.settings.realms,
            ring: self.rings.digest().map(|digest| digest.ring),
        };
        Action::Send { to, bytes: encode(&head, body) }
    }

    /// A number that nobody can guess who does not know the seed.
    pub(super) fn nonce(&mut self) -> Nonce {
        let number = self.number().to_le_bytes();
        *sha256(&[&self.seed[..], &number].concat()).first_chunk().expect("a hash has 32 bytes")
    }

    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// `actions`, and whether the view is another one by now.
    pub(super) fn done(&mut self, now: Now, mut actions: Vec<Action>) -> Vec<Action> {
        let view = self.view(now);
        let same = |told: &View| told.tells_the_same(&view);
        if !self.told.as_ref().is_some_and(same) {
            actions.push(Action::Changed);
            self.told = Some(view);
        }
        actions
    }
}
