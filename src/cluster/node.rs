//! The protocol as one state machine: it is told what comes in and what time it is, and says what to do.

use std::sync::Arc;

use super::member::{Core, MemberError, Name, ReplicaId, Role};
use super::ports::{Facts, Now, Rings};
pub use super::report::{Counters, MemberReport, NotReady, Standing, View};
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
}

/// The protocol of one replica.
pub struct Node {
    settings: NodeSettings,
    facts: Arc<dyn Facts>,
    rings: Arc<dyn Rings>,
    seed: [u8; 32],
    last: u64,
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
        if settings.role == Role::Core && settings.core.slot(&settings.name).is_none() {
            return Err(MemberError::NotListed);
        }
        let _ = now;
        Ok(Self { settings, facts, rings, seed, last: 0 })
    }

    /// What time alone brings; to be called every 50 ms or so.
    pub fn tick(&mut self, now: Now) -> Vec<Action> {
        let _ = now;
        Vec::new()
    }

    /// What a message brings, which was opened, and may still be anything.
    pub fn on_message(&mut self, now: Now, message: &[u8]) -> Vec<Action> {
        let _ = (now, message);
        Vec::new()
    }

    /// What was awaited under `ticket` is over: `durable`, or it could not be kept.
    pub fn kept(&mut self, now: Now, ticket: Ticket, durable: bool) -> Vec<Action> {
        let _ = (now, ticket, durable);
        Vec::new()
    }

    /// Sends facts to all, which the caller has merged here. Its own copy counts once it says [`Node::kept`] under
    /// [`PushId::ticket`]. `dated`: when they were made.
    pub fn push(&mut self, now: Now, dated: Timestamp, facts: Vec<Fact>) -> (PushId, Vec<Action>) {
        let _ = (now, dated, facts);
        (PushId(self.number()), Vec::new())
    }

    /// Sends facts again that no majority was known to hold when the process ended. Nobody waits for them, and none is
    /// raised: they may have been acknowledged before. Its own copy counts as that of [`Node::push`].
    pub fn resume(&mut self, now: Now, dated: Timestamp, facts: Vec<Fact>) -> (PushId, Vec<Action>) {
        self.push(now, dated, facts)
    }

    /// Asks a majority what it knows. When the answer is there, it is merged here, and a majority holds it.
    pub fn ask(&mut self, now: Now, question: Question) -> (AskId, Vec<Action>) {
        let _ = (now, question);
        (AskId(self.number()), Vec::new())
    }

    /// Tells a majority that a session with these tags starts at `at`, ahead of the clocks. Merged here at once.
    pub fn pass(&mut self, now: Now, tags: Vec<TagKey>, at: Timestamp) -> (AskId, Vec<Action>) {
        let _ = (now, tags, at);
        (AskId(self.number()), Vec::new())
    }

    /// Sends the ring to all. Its progress is told as that of a push: how many of the core have the very ring that is here.
    pub fn share_ring(&mut self, now: Now) -> (PushId, Vec<Action>) {
        let _ = now;
        (PushId(self.number()), Vec::new())
    }

    /// Nobody waits for this push any more. Its facts are sent all the same until a majority holds them.
    pub fn forget(&mut self, push: PushId) {
        let _ = push;
    }

    /// How much this replica knows, and whether it may answer.
    pub fn view(&self, now: Now) -> View {
        let _ = now;
        View {
            ready: false,
            why: vec![NotReady::Unheard],
            complete: self.settings.complete,
            settled: false,
            counts: false,
            age: None,
            fresh_until: None,
            offset: None,
        }
    }

    /// What is known of each replica, this one first, then the core, then the edges.
    pub fn members(&self, now: Now) -> Vec<MemberReport> {
        let _ = now;
        Vec::new()
    }

    /// What has happened since the start.
    pub fn counters(&self) -> Counters {
        let _ = (&self.facts, &self.rings, &self.seed);
        Counters::default()
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}
