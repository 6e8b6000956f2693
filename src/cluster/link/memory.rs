//! Links within one process, for tests and demonstrations: what is sent is sealed, delivered and opened as over the
//! network.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::super::node::To;
use super::{Gate, Link, LinkCounts};

/// What links of one process are joined to.
#[derive(Clone, Default)]
pub struct MemoryNetwork(Arc<Mutex<Vec<Weak<Gate>>>>);

/// A link to all others of its network. It delivers before [`Link::send`] returns.
pub struct MemoryLink {
    gate: Arc<Gate>,
    network: MemoryNetwork,
}

impl MemoryNetwork {
    /// A network without links.
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins a link.
    ///
    /// # Errors
    /// [`LinkError::NoSecret`](super::LinkError::NoSecret) without a secret.
    pub fn open(
        &self,
        who: (super::ReplicaId, super::Role),
        secrets: &[&crate::keyring::file::ClusterSecret],
        entropy: Arc<dyn super::Entropy>,
        deliver: super::Deliver,
    ) -> Result<MemoryLink, super::LinkError> {
        let keys = super::PeerKeys::new(secrets).ok_or(super::LinkError::NoSecret)?;
        let gate = Arc::new(Gate::new(who, keys, entropy, deliver));
        self.lock().push(Arc::downgrade(&gate));
        Ok(MemoryLink { gate, network: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Gate>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryLink {
    /// What it did so far.
    pub fn counts(&self) -> LinkCounts {
        self.gate.counts()
    }
}

impl Link for MemoryLink {
    fn send(&self, to: To, payload: Vec<u8>) {
        let Some(sealed) = self.gate.seal(to, &payload) else { return };
        self.gate.count_sent();
        let others: Vec<_> = self.network.lock().iter().filter_map(Weak::upgrade).collect();
        for other in others {
            let listens = other.id() != self.gate.id() && other.addresses().any(|address| address == to);
            // As over a network, only those of the same deployment listen where it is sent.
            if listens && other.keys().tags().any(|tag| Some(tag) == self.gate.keys().tags().next()) {
                other.take_in(to, &sealed);
            }
        }
    }
}
