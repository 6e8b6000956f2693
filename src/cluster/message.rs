//! What replicas say to one another, and how it looks in bytes: postcard of an append-only enum behind a head that never changes.
//!
//! Sealing is the link's. What is read here was sealed by a holder of the cluster secret, at some time; only an answer that bears a
//! nonce of our own proves that its sender is alive.

use serde::{Deserialize, Serialize};

use super::member::{Name, ReplicaId, Role};
use super::ports::Buckets;
use super::wire;
use crate::clock::Timestamp;
use crate::keyring::RingId;
use crate::revocation::{Fact, Question, TagKey};

/// A random number that an answer repeats.
pub type Nonce = [u8; 16];

/// Who speaks. It stands before every message of every version, as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// In which version of the protocol the body is.
    pub version: u16,
    /// The newest version that the sender reads.
    pub reads: u16,
    /// Its life.
    pub id: ReplicaId,
    /// What it is called.
    pub name: Name,
    /// Its role.
    pub role: Role,
    /// A digest of the realms that it serves.
    pub realms: [u8; 32],
    /// Which ring it has.
    pub ring: Option<RingId>,
}

/// What is said. Append-only: a variant, once released, keeps its place and its fields for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "what they mean is in the manual's page on replication, message by message")]
pub enum Body {
    Push {
        nonce: Nonce,
        #[serde(with = "wire::facts")]
        facts: Vec<Fact>,
    },
    Ack {
        nonce: Nonce,
        counts: bool,
        #[serde(with = "wire::facts")]
        more: Vec<Fact>,
    },
    Ask {
        nonce: Nonce,
        #[serde(with = "wire::question")]
        question: Question,
    },
    Answer {
        nonce: Nonce,
        counts: bool,
        #[serde(with = "wire::facts")]
        facts: Vec<Fact>,
        #[serde(with = "wire::time::option")]
        passed: Option<Timestamp>,
    },
    Pass {
        nonce: Nonce,
        #[serde(with = "wire::tags")]
        tags: Vec<TagKey>,
        #[serde(with = "wire::time")]
        at: Timestamp,
    },
    Round {
        nonce: Nonce,
        #[serde(with = "wire::time")]
        beyond: Timestamp,
        root: u64,
    },
    State(State),
    Leaves {
        nonce: Nonce,
        #[serde(with = "wire::time")]
        beyond: Timestamp,
        #[serde(with = "wire::bytes")]
        buckets: Vec<u8>,
    },
    LeafDigests {
        nonce: Nonce,
        digests: Vec<BucketLeaves>,
    },
    Pull {
        nonce: Nonce,
        #[serde(with = "wire::time")]
        beyond: Timestamp,
        leaves: Vec<(u8, u8)>,
    },
    /// The facts of the first `leaves` of those that were asked for.
    Pulled {
        nonce: Nonce,
        leaves: u16,
        #[serde(with = "wire::facts")]
        facts: Vec<Fact>,
    },
    RingPull {
        nonce: Nonce,
    },
    RingIs {
        nonce: Nonce,
        #[serde(with = "wire::bytes")]
        bytes: Vec<u8>,
    },
    RingPush {
        nonce: Nonce,
        #[serde(with = "wire::bytes")]
        bytes: Vec<u8>,
    },
    RingAck {
        nonce: Nonce,
        votes: bool,
        digest: Option<[u8; 32]>,
    },
}

/// How a replica is, in answer to a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The round's.
    pub nonce: Nonce,
    /// Its wall clock.
    #[serde(with = "wire::time")]
    pub wall: Timestamp,
    /// Whether it knows all that a majority knew when it started.
    pub complete: bool,
    /// Whether its knowledge counts in views, and for those that complete themselves.
    pub votes: bool,
    /// Whether its word counts for asks and acknowledgements.
    pub counts: bool,
    /// Whether it may answer.
    pub ready: bool,
    /// How old its knowledge is, in milliseconds.
    pub age: Option<u64>,
    /// What its ring says, by hash.
    pub ring: Option<[u8; 32]>,
    /// The digest of all buckets beyond the round's minute.
    pub root: u64,
    /// The buckets, where the root is not that of the round.
    pub buckets: Option<DigestsOf>,
    /// Its release.
    pub release: String,
}

/// The digests of 256 buckets or leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestsOf(#[serde(with = "wire::buckets")] pub Buckets);

/// The leaves of one bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketLeaves {
    /// Which bucket.
    pub bucket: u8,
    /// Its leaves.
    pub leaves: DigestsOf,
}

/// Why a message was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is none.
    Garbage,
    /// It is of a later version; this is who sent it.
    Newer(Box<Head>),
}

/// The bytes of a message.
pub fn encode(head: &Head, body: &Body) -> Vec<u8> {
    let bytes = postcard::to_extend(&PlainHead::of(head), Vec::with_capacity(256)).expect("a growing buffer takes it");
    postcard::to_extend(body, bytes).expect("a growing buffer takes it")
}

/// The message that `bytes` are, and nothing else, for whoever reads versions up to `reads`.
///
/// # Errors
/// [`Unread`].
pub fn decode(bytes: &[u8], reads: u16) -> Result<(Head, Body), Unread> {
    if bytes.len() > MAX_MESSAGE {
        return Err(Unread::Garbage);
    }
    let (plain, rest) = postcard::take_from_bytes::<PlainHead>(bytes).map_err(|_| Unread::Garbage)?;
    let head = plain.into_head().ok_or(Unread::Garbage)?;
    if head.version > reads {
        return Err(Unread::Newer(Box::new(head)));
    }
    let (body, []) = postcard::take_from_bytes::<Body>(rest).map_err(|_| Unread::Garbage)? else {
        return Err(Unread::Garbage);
    };
    // A number has longer spellings too, and there shall be one.
    if !body.is_bounded() || encode(&head, &body) != bytes {
        return Err(Unread::Garbage);
    }
    Ok((head, body))
}

impl Body {
    fn is_bounded(&self) -> bool {
        match self {
            Self::State(state) => state.release.len() <= MAX_RELEASE,
            Self::Leaves { buckets, .. } => buckets.len() <= 256,
            Self::LeafDigests { digests, .. } => digests.len() <= 256,
            Self::Pull { leaves, .. } => leaves.len() <= MAX_LEAVES,
            _ => true,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct PlainHead {
    version: u16,
    reads: u16,
    id: [u8; 16],
    name: String,
    edge: bool,
    realms: [u8; 32],
    ring: Option<RingId>,
}

impl PlainHead {
    fn of(head: &Head) -> Self {
        let Head { version, reads, id, ref name, role, realms, ring } = *head;
        Self { version, reads, id: id.0, name: name.as_str().to_owned(), edge: role == Role::Edge, realms, ring }
    }

    /// `None` for what no release writes.
    fn into_head(self) -> Option<Head> {
        let Self { version, reads, id, name, edge, realms, ring } = self;
        let name = Name::new(&name).ok()?;
        let role = if edge { Role::Edge } else { Role::Core };
        let sensible = version >= OLDEST && reads >= version;
        sensible.then_some(Head { version, reads, id: ReplicaId(id), name, role, realms, ring })
    }
}

/// The newest version of the protocol that this release reads and writes.
pub const NEWEST: u16 = 1;
/// The version that rounds and their answers are always in, so that all find out what the others read.
pub const OLDEST: u16 = 1;
/// How many leaves may be asked for at once.
pub(super) const MAX_LEAVES: usize = 1_024;
/// A message is smaller: a chunk of facts is 64 KiB, a ring a few.
pub const MAX_MESSAGE: usize = 1 << 20;
/// How long the name of a release may be.
pub(super) const MAX_RELEASE: usize = 64;
