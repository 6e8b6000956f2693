//! The protocol as one state machine: it is told what comes in and what time it is, and says what to do.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::asks::{Asked, Asks};
use super::batches::Batches;
use super::clocks::Clocks;
use super::compare;
use super::member::{Core, MemberError, Name, ReplicaId, Role};
use super::members::Members;
use super::message::{Body, NEWEST, Nonce, Unread, decode};
use super::ports::{Facts, Now, Rings};
use super::pushes::{Kind, Pushes};
use super::repair::Repair;
pub use super::report::{Counters, MemberReport, NotReady, Standing, View};
use super::rounds::Rounds;
use super::sharing::Sharing;
use super::view::Knowledge;
use crate::clock::Timestamp;
use crate::revocation::{Fact, Kept, Question, Spread, TagKey, Uninformed};

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
    pub(super) batches: Batches,
    pub(super) asks: Asks,
    pub(super) sharing: Sharing,
    pub(super) awaiting: HashMap<Ticket, Awaited>,
    pub(super) counters: Counters,
    pub(super) seed: [u8; 32],
    pub(super) last: u64,
    /// The view that was told of last.
    pub(super) told: Option<View>,
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
    /// To those of the core.
    Core,
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
            batches: Batches::default(),
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
            // Not acknowledged, not counted. The journal owes it, and writes nothing that comes later before it.
            self.counters.unkept += 1;
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

    /// Sends the ring to all. Its progress is told as that of a push: how many of the core have the very ring that is
    /// here.
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
}
