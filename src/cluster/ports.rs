//! What the protocol needs of the replica that it runs in: its facts, its key ring, its clocks.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::keyring::RingId;
use crate::revocation::{Fact, Kept, Question, TagKey};

/// One moment, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// By the wall clock, which may be set.
    pub wall: Timestamp,
    /// Since some moment, by a clock that nobody sets and that goes on while the machine sleeps.
    pub uptime: Duration,
}

/// Digests of 256 parts.
pub type Buckets = Box<[u64; 256]>;

/// What a replica knows.
///
/// A wrong answer costs: a fact that is in no digest is never repaired, and one that is in a digest and not handed over
/// keeps every other replica from being up to date.
pub trait Facts: Send + Sync {
    /// Told often: the wall clock, which showed this, agrees with the core's median; `None` if it does not, or if that
    /// is not known. Nothing is forgotten but while it does, and by that clock: a median of two clocks may be as wrong
    /// as either.
    fn agreed(&self, _shown: Option<Timestamp>) {}

    /// Takes the facts in, visible at once, and forgets none for `now`. What it returns resolves once they are durable
    /// here.
    fn merge(&self, facts: &[Fact], now: Timestamp) -> Kept;

    /// What is known of the question.
    fn about(&self, question: &Question) -> Vec<Fact>;

    /// What is known under the keys of these facts.
    fn same(&self, facts: &[Fact]) -> Vec<Fact>;

    /// Remembers that a session with these tags starts at `at`, ahead of the clocks: endings of them lie past it.
    fn pass(&self, tags: &[TagKey], at: Timestamp);

    /// The latest of the starts that [`Facts::pass`] was told of for any of these tags.
    fn passed(&self, tags: &[TagKey]) -> Option<Timestamp>;

    /// Digests of all facts that matter beyond a time, a whole minute, by the first byte of their key.
    fn digest(&self, beyond: Timestamp) -> Buckets;

    /// The same of one bucket, by the second byte of their key.
    fn leaves(&self, bucket: u8, beyond: Timestamp) -> Buckets;

    /// The facts of one leaf.
    fn leaf(&self, bucket: u8, leaf: u8, beyond: Timestamp) -> Vec<Fact>;
}

/// The content of a ring, told by its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingDigest {
    /// Which ring.
    pub ring: RingId,
    /// Of all that it says.
    pub digest: [u8; 32],
}

/// The key ring of a replica.
pub trait Rings: Send + Sync {
    /// What ring there is; `None` for a replica that has none yet.
    fn digest(&self) -> Option<RingDigest>;

    /// The ring as its file is, sealed under the cluster secret.
    fn bytes(&self) -> Option<Vec<u8>>;

    /// Takes in what another replica's ring says, durable as far as this replica can write.
    ///
    /// # Errors
    /// [`RingRefused`], and nothing changed.
    fn merge(&self, bytes: &[u8]) -> Result<(), RingRefused>;

    /// A majority said that our ring is theirs, in answer to a question that was sent so long ago.
    fn confirmed(&self, ago: Duration);
}

/// A ring that was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingRefused {
    /// It belongs to another deployment.
    #[error("the ring is of another deployment")]
    Other,
    /// It can't be opened or read.
    #[error("the ring can't be read")]
    Unreadable,
}
