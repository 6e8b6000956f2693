//! The key ring of a simulated replica: ids of keys, and which of them are revoked.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use sealpass::cluster::ports::{RingDigest, RingRefused, Rings};

/// Keys, and whether each is revoked.
#[derive(Debug, Default)]
pub struct SimulatedRings(Mutex<Option<BTreeMap<u8, bool>>>);

impl SimulatedRings {
    /// One with a first key.
    pub fn first() -> Self {
        Self(Mutex::new(Some(BTreeMap::from([(0, false)]))))
    }

    fn keys(&self) -> MutexGuard<'_, Option<BTreeMap<u8, bool>>> {
        self.0.lock().expect("no thread panics with it")
    }
}

impl Clone for SimulatedRings {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.keys().clone()))
    }
}

impl Rings for SimulatedRings {
    fn digest(&self) -> Option<RingDigest> {
        let mut hasher = DefaultHasher::new();
        self.keys().as_ref()?.hash(&mut hasher);
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&hasher.finish().to_be_bytes());
        Some(RingDigest { ring: [1; 16], digest })
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        Some(self.keys().as_ref()?.iter().flat_map(|(key, revoked)| [*key, u8::from(*revoked)]).collect())
    }

    fn merge(&self, bytes: &[u8]) -> Result<(), RingRefused> {
        let (pairs, []) = bytes.as_chunks::<2>() else { return Err(RingRefused::Unreadable) };
        let mut keys = self.keys();
        let keys = keys.get_or_insert_default();
        for [key, revoked] in pairs {
            *keys.entry(*key).or_default() |= *revoked != 0;
        }
        Ok(())
    }

    fn confirmed(&self, _: Duration) {}
}
