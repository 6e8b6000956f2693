//! Who takes part: replicas of the core, which have stable names, and edges, which come and go.

/// One life of a replica: random, new at each start of its process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub [u8; 16]);

impl std::fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whether a replica counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// One of the N whose majority decides what is known.
    Core,
    /// Verifies, issues and ends like the others, and counts for nothing.
    Edge,
}
