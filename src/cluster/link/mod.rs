//! The way from replica to replica.

use std::sync::Arc;

use super::node::To;

/// What carries messages.
///
/// It may lose, repeat and reorder them. A wrong answer costs: one that delivers what no holder of the cluster secret sent
/// lets a stranger write facts.
pub trait Link: Send + Sync {
    /// Sends, and never blocks.
    fn send(&self, to: To, payload: Vec<u8>);
}

/// Takes in what a link delivers.
pub type Deliver = Arc<dyn Fn(&[u8]) + Send + Sync>;
