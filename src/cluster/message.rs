//! What replicas say to one another, and how it looks in bytes: postcard of an append-only enum behind a head that
//! never changes.
//!
//! Sealing is the link's. What is read here was sealed by a holder of the cluster secret, at some time; only an answer
//! that bears a nonce of our own proves that its sender is alive.

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::{RealmId, SessionId};
    use crate::revocation::SessionKey;

    const NONCE: Nonce = [0xaa; 16];

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    fn head() -> Head {
        Head {
            version: 1,
            reads: 1,
            id: ReplicaId([0x11; 16]),
            name: Name::new("s-0").expect("a name"),
            role: Role::Core,
            realms: [0x22; 32],
            ring: Some([0x33; 16]),
        }
    }

    fn digests() -> DigestsOf {
        let mut all = Buckets::new([0; 256]);
        (all[0], all[255]) = (1, 0x0203);
        DigestsOf(all)
    }

    fn state(buckets: Option<DigestsOf>) -> State {
        State {
            nonce: NONCE,
            wall: at(300),
            complete: true,
            votes: true,
            counts: false,
            ready: true,
            age: Some(7),
            ring: Some([0x44; 32]),
            root: 5,
            buckets,
            release: "1.0".to_owned(),
        }
    }

    /// One of each kind, with the bytes of its body in hexadecimal. These lines never change.
    fn samples() -> Vec<(Body, String)> {
        let nonce = NONCE;
        let realm = RealmId([1; 8]);
        let tag = TagKey { realm, tag: [2; 8] };
        let facts = vec![Fact::Cutoff { tag, at: at(2), until: at(3) }];
        let fact = "1302010101010101010102020202020202020203";
        let session = Some(SessionKey { realm, sid: SessionId([3; 16]) });
        let question = Question { realm, tags: vec![tag], session };
        let n = "aa".repeat(16);
        let many = format!("8010{}{}{}", "0100000000000000", "00".repeat(8 * 254), "0302000000000000");
        let told = format!("06{n}ac020101000101070120{}05", "44".repeat(32)).replacen("0120", "01", 1);
        vec![
            (Body::Push { nonce, facts: facts.clone() }, format!("00{n}01{fact}")),
            (Body::Ack { nonce, counts: true, more: facts.clone() }, format!("01{n}0101{fact}")),
            (
                Body::Ask { nonce, question },
                format!("02{n}{r}01{r}{t}01{r}{s}", r = "01".repeat(8), t = "02".repeat(8), s = "03".repeat(16)),
            ),
            (
                Body::Answer { nonce, counts: false, facts: facts.clone(), passed: Some(at(300)) },
                format!("03{n}0001{fact}01ac02"),
            ),
            (
                Body::Pass { nonce, tags: vec![tag], at: at(300) },
                format!("04{n}01{}{}ac02", "01".repeat(8), "02".repeat(8)),
            ),
            (Body::Round { nonce, beyond: at(300), root: 300 }, format!("05{n}ac02ac02")),
            (Body::State(state(None)), format!("{told}0003312e30")),
            (Body::State(state(Some(digests()))), format!("{told}01{many}03312e30")),
            (Body::Leaves { nonce, beyond: at(1), buckets: vec![7, 200] }, format!("07{n}010207c8")),
            (
                Body::LeafDigests { nonce, digests: vec![BucketLeaves { bucket: 7, leaves: digests() }] },
                format!("08{n}0107{many}"),
            ),
            (Body::Pull { nonce, beyond: at(1), leaves: vec![(7, 200)] }, format!("09{n}010107c8")),
            (Body::Pulled { nonce, leaves: 300, facts }, format!("0a{n}ac0201{fact}")),
            (Body::RingPull { nonce }, format!("0b{n}")),
            (Body::RingIs { nonce, bytes: vec![1, 2] }, format!("0c{n}020102")),
            (Body::RingPush { nonce, bytes: vec![1, 2] }, format!("0d{n}020102")),
            (Body::RingAck { nonce, votes: true, digest: Some([0x44; 32]) }, format!("0e{n}0101{}", "44".repeat(32))),
        ]
    }

    const HEAD: &str = "01011111111111111111111111111111111103732d3000\
        222222222222222222222222222222222222222222222222222222222222222201\
        33333333333333333333333333333333";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn each_kind_has_its_bytes_and_comes_back() {
        for (body, bytes) in samples() {
            let encoded = encode(&head(), &body);
            assert_eq!(hex(&encoded), format!("{HEAD}{bytes}"), "{body:?}");
            assert_eq!(decode(&encoded, NEWEST), Ok((head(), body)));
        }
    }

    #[test]
    fn no_prefix_and_nothing_longer_is_a_message() {
        for (body, _) in samples() {
            let bytes = encode(&head(), &body);
            for len in 0..bytes.len() {
                assert_eq!(decode(&bytes[..len], NEWEST), Err(Unread::Garbage), "{body:?}: the first {len} bytes");
            }
            assert_eq!(decode(&[&bytes[..], &[0]].concat(), NEWEST), Err(Unread::Garbage), "{body:?} and more");
        }
    }

    #[test]
    fn a_flipped_bit_is_refused_or_another_message() {
        for (body, _) in samples() {
            let bytes = encode(&head(), &body);
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                match decode(&changed, NEWEST) {
                    Ok((head, body)) => assert_eq!(encode(&head, &body), changed, "bit {bit}: a second spelling"),
                    Err(Unread::Newer(head)) => assert!(head.version > NEWEST),
                    Err(Unread::Garbage) => {}
                }
            }
        }
    }

    #[test]
    fn what_no_release_writes_is_refused() {
        let good = |edit: &dyn Fn(&mut Head)| {
            let mut head = head();
            edit(&mut head);
            decode(&encode(&head, &Body::RingPull { nonce: NONCE }), NEWEST)
        };
        assert!(good(&|_| {}).is_ok());
        assert_eq!(good(&|head| head.version = 0), Err(Unread::Garbage));
        assert_eq!(good(&|head| head.reads = 0), Err(Unread::Garbage), "it could not read its own");
        assert!(good(&|head| head.reads = 9).is_ok(), "whoever reads more is welcome");
        let newer = |head: &mut Head| (head.version, head.reads) = (2, 2);
        assert!(matches!(good(&|head| newer(head)), Err(Unread::Newer(head)) if head.version == 2));
        let refused = |body: &Body| decode(&encode(&head(), body), NEWEST) == Err(Unread::Garbage);
        assert!(refused(&Body::Pull { nonce: NONCE, beyond: at(1), leaves: vec![(0, 0); MAX_LEAVES + 1] }));
        assert!(refused(&Body::RingIs { nonce: NONCE, bytes: vec![0; MAX_MESSAGE] }));
        let long = State { release: "x".repeat(MAX_RELEASE + 1), ..state(None) };
        assert!(refused(&Body::State(long)));
        let tags = vec![TagKey { realm: RealmId([1; 8]), tag: [2; 8] }; 65];
        assert!(refused(&Body::Pass { nonce: NONCE, tags, at: at(1) }));
    }
}
