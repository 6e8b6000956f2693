//! What was sent: messages and bytes, as they are handed to the links: encoded and sealed.

use std::ops::AddAssign;

use sealpass::cluster::link::seal::PeerKeys;
use sealpass::cluster::member::ReplicaId;
use sealpass::cluster::message::{Body, NEWEST, decode};
use sealpass::cluster::node::To;
use sealpass::entropy::SystemEntropy;
use sealpass::secret::Secret;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A fact and its acknowledgement.
    Push,
    /// A question before a login, and its answer.
    Ask,
    /// A round, and its answer.
    Round,
    /// What follows when digests differ.
    Repair,
}

/// Messages and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub messages: u64,
    pub bytes: u64,
}

/// Sums by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic([Sum; 4]);

impl Traffic {
    /// Counts a message that goes to so many.
    pub fn count(&mut self, kind: Kind, bytes: usize, copies: usize) {
        let sum = &mut self.0[kind as usize];
        sum.messages += copies as u64;
        sum.bytes += (bytes * copies) as u64;
    }

    pub fn of(&self, kind: Kind) -> Sum {
        self.0[kind as usize]
    }

    pub fn all(&self) -> Sum {
        let mut all = Sum::default();
        for sum in self.0 {
            all += sum;
        }
        all
    }
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, other)| *sum += other);
    }
}

/// What a message is for, by what it says.
pub fn kind_of(message: &[u8]) -> Kind {
    match decode(message, NEWEST).expect("what is sent can be read").1 {
        Body::Push { .. } | Body::Ack { .. } => Kind::Push,
        Body::Ask { .. } | Body::Answer { .. } | Body::Pass { .. } => Kind::Ask,
        Body::Round { .. } | Body::State(_) => Kind::Round,
        Body::Leaves { .. } | Body::LeafDigests { .. } | Body::Pull { .. } | Body::Pulled { .. } => Kind::Repair,
        Body::RingPull { .. } | Body::RingIs { .. } | Body::RingPush { .. } | Body::RingAck { .. } => {
            unreachable!("all have the same ring")
        }
    }
}

/// By how much sealing makes a message longer, as the links seal it.
pub fn sealing() -> usize {
    let secret = Secret::from_slice(&[1; 32]).expect("32 bytes");
    let keys = PeerKeys::new(&[&secret]).expect("a secret");
    let sealed = |message: &[u8]| {
        let sealed = keys.seal(To::All, ReplicaId([1; 16]), message, &SystemEntropy::new());
        sealed.expect("random bytes").len()
    };
    assert_eq!(sealed(&[0; 1_000]), sealed(&[]) + 1_000, "the same for all");
    sealed(&[])
}
