//! What a node says of itself and of the others: to readiness, to `/v1/cluster`, to metrics.

use std::time::Duration;

use super::member::{Name, ReplicaId, Role};
use super::ports::Now;
use crate::clock::Timestamp;
pub use crate::replica::Counters;
use crate::revocation::CLOCK_ERROR;

/// How much a replica knows, and how lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Whether it may answer.
    pub ready: bool,
    /// Why not; empty when ready.
    pub why: Vec<NotReady>,
    /// Whether it knows all that a majority knew when it started.
    pub complete: bool,
    /// Whether all that it took in from others is handed to its journal. Once that is durable, with what is owed, its next
    /// start is complete by its own journal.
    pub settled: bool,
    /// Whether its knowledge counts in views of others.
    pub votes: bool,
    /// Whether its own word counts for asks and acknowledgements.
    pub counts: bool,
    /// How old its knowledge is: since a majority was asked whose answers are merged. `None`: never yet.
    pub age: Option<Duration>,
    /// Up to when it is not stale, if nothing more is heard: it is fresh before both of these.
    pub fresh_until: Option<Now>,
    /// How far its clock is ahead of the core's median, in milliseconds; `None` while too few clocks are known.
    pub offset: Option<i64>,
}

impl View {
    /// Whether nobody who acts by views would act otherwise by `other`.
    pub(super) fn tells_the_same(&self, other: &Self) -> bool {
        let flags = |view: &Self| (view.ready, view.complete, view.settled, view.votes, view.counts, view.why.len());
        flags(self) == flags(other) && self.fresh_until == other.fresh_until && self.offset == other.offset
    }

    /// Whether its clock is known to agree with the core's median.
    pub fn agrees(&self) -> bool {
        self.offset.is_some_and(|offset| Duration::from_millis(offset.unsigned_abs()) <= CLOCK_ERROR)
    }

    /// By which time this replica dates endings, where its wall clock shows `wall`: by the core's median if its own
    /// clock is off.
    pub fn date(&self, wall: Timestamp) -> Timestamp {
        date(self.offset, wall)
    }
}

/// What the core's median shows where a wall clock shows `wall`, if that is off; `wall` itself otherwise.
pub(super) fn date(offset: Option<i64>, wall: Timestamp) -> Timestamp {
    let Some(offset) = offset else { return wall };
    let off = Duration::from_millis(offset.unsigned_abs());
    match (off > CLOCK_ERROR, offset > 0) {
        (false, _) => wall,
        (true, true) => wall.minus(off),
        (true, false) => wall.plus(off),
    }
}

/// Why a replica may not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotReady {
    /// No majority has answered since the start.
    Unheard,
    /// It lacks facts: it could not learn from enough complete replicas yet.
    Incomplete,
    /// A majority answered last so long ago.
    Stale(Duration),
    /// Its clock is so many milliseconds ahead of the core's median.
    ClockOff(i64),
    /// Too few answered quickly enough to compare clocks.
    ClockUnknown,
    /// Another process that is alive has its name.
    NameTaken,
    /// It has no key ring.
    NoRing,
    /// No majority has said lately that its key ring is theirs.
    RingUnconfirmed,
}

/// What is known of one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberReport {
    /// Its life; `None` for a place of the core that nobody has been heard from in.
    pub id: Option<ReplicaId>,
    /// What it is called; `None` if only its ordinal is known.
    pub name: Option<Name>,
    /// Its place in the core.
    pub slot: Option<usize>,
    /// Its role.
    pub role: Role,
    /// Whether it is this one, counts, or why not.
    pub standing: Standing,
    /// The release that it runs.
    pub release: String,
    /// The newest version of the protocol that it reads.
    pub reads: u16,
    /// How long ago the question was sent that it answered last.
    pub heard: Option<Duration>,
    /// Whether it knows all that a majority knew when it started.
    pub complete: bool,
    /// Whether it may answer.
    pub ready: bool,
    /// How old its knowledge was when it was heard.
    pub age: Option<Duration>,
    /// How far its clock is ahead of the core's median, in milliseconds.
    pub offset: Option<i64>,
    /// Whether its ring is ours.
    pub ring_in_step: bool,
    /// Whether it knew what we know when it was heard.
    pub facts_in_step: bool,
}

/// How a replica stands to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// This one.
    Own,
    /// Heard, and one of us.
    Good,
    /// Not heard for a while.
    Silent,
    /// Two processes that are alive have this name; neither counts.
    Duplicate,
    /// In the role of the core, without a place in it.
    NotListed,
    /// It has the ring of another deployment.
    OtherRing,
    /// It serves other realms.
    OtherRealms,
    /// It speaks a version of the protocol that this release can't read.
    OtherProtocol,
}
