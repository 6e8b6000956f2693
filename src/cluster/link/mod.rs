//! The way from replica to replica.
//!
//! [`seal`] makes what travels unreadable and unforgeable to all without the cluster secret, [`certificate`] what a
//! link is made with, [`zenoh`] carries it over `quic`, [`memory`] within one process. None knows what a message means.

pub mod certificate;
pub mod memory;
pub mod seal;
pub mod zenoh;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::member::{ReplicaId, Role};
use super::node::To;
use crate::entropy::Entropy;
use seal::PeerKeys;

/// What carries messages.
///
/// It may lose, repeat and reorder them. A wrong answer costs: one that delivers what no holder of the cluster secret
/// sent lets a stranger write facts.
pub trait Link: Send + Sync {
    /// Sends, and never blocks.
    fn send(&self, to: To, payload: Vec<u8>);
}

/// Takes in what a link delivers. It is called by the link's threads, and holds them up while it runs.
pub type Deliver = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// What a link did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Messages handed to the network.
    pub sent: u64,
    /// Messages that opened and were delivered.
    pub received: u64,
    /// What did not open: of another deployment, changed on the way, or a stranger's.
    pub strangers: u64,
    /// Messages to be sent that were not, since more wait than the queue holds, or the network refused.
    pub dropped: u64,
}

/// A link can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// No cluster secret.
    #[error("there is no cluster secret: give the file that holds it")]
    NoSecret,
    /// A peer that is no `host:port`.
    #[error("`{0}` is no peer: write it as host:port, an IPv6 address in brackets")]
    Peer(String),
    /// The address can't be listened at.
    #[error(
        "can't listen at {address} (UDP): {source}; is another process there, or is it no address of this machine?"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// No certificate.
    #[error(transparent)]
    Certificate(#[from] certificate::CertificateError),
    /// The engine did not start.
    #[error(
        "the links between replicas did not start; is the address free, and are there threads and memory to start them?"
    )]
    Engine,
}

/// The end of a link in this replica: seals what goes out, opens what comes in, counts both.
pub(crate) struct Gate {
    id: ReplicaId,
    role: Role,
    keys: PeerKeys,
    entropy: Arc<dyn Entropy>,
    deliver: Deliver,
    sent: AtomicU64,
    received: AtomicU64,
    strangers: AtomicU64,
    dropped: AtomicU64,
}

impl Gate {
    pub fn new((id, role): (ReplicaId, Role), keys: PeerKeys, entropy: Arc<dyn Entropy>, deliver: Deliver) -> Self {
        let [sent, received, strangers, dropped] = Default::default();
        Self { id, role, keys, entropy, deliver, sent, received, strangers, dropped }
    }

    /// Where what is meant for this replica is addressed.
    pub fn addresses(&self) -> impl Iterator<Item = To> {
        let core = (self.role == Role::Core).then_some(To::Core);
        [To::All, To::One(self.id)].into_iter().chain(core)
    }

    /// Seals `payload`; `None`, counted, if there are no random bytes.
    pub fn seal(&self, to: To, payload: &[u8]) -> Option<Vec<u8>> {
        let sealed = self.keys.seal(to, self.id, payload, &*self.entropy).ok();
        if sealed.is_none() {
            self.count_dropped();
        }
        sealed
    }

    /// Delivers what came in where messages to `to` come in, if it opens, and is not our own.
    pub fn take_in(&self, to: To, sealed: &[u8]) {
        match self.keys.open(to, sealed) {
            Some((sender, _)) if sender == self.id => {}
            Some((_, payload)) => {
                self.received.fetch_add(1, Ordering::Relaxed);
                (self.deliver)(&payload);
            }
            None => drop(self.strangers.fetch_add(1, Ordering::Relaxed)),
        }
    }

    pub fn id(&self) -> ReplicaId {
        self.id
    }

    pub fn keys(&self) -> &PeerKeys {
        &self.keys
    }

    pub fn count_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub fn counts(&self) -> LinkCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LinkCounts {
            sent: read(&self.sent),
            received: read(&self.received),
            strangers: read(&self.strangers),
            dropped: read(&self.dropped),
        }
    }
}
