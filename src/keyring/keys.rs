//! The snapshot that seals and opens: derived keys, ready for use, never changed.

use super::record::{KeyRecord, Kid};
use super::ring::KeyRing;
use crate::claims::{RealmName, SessionId, Tag};
use crate::clock::Timestamp;
use crate::entropy::{Entropy, EntropyError};
use crate::seal::{Purpose, PurposeKey};
use crate::secret::{MacKey, Secret};

/// Every key of a ring that may open, derived for each purpose. Immutable: a changed ring makes a new snapshot.
#[derive(Debug)]
pub struct Keys {
    /// Ascending by the time from which they seal, those without one first.
    keys: Vec<Key>,
    /// Opens nothing: so that an unknown key id costs the time of a known one.
    decoy: Key,
    tags: MacKey,
}

/// One key of a snapshot.
#[derive(Debug)]
pub struct Key {
    kid: Kid,
    not_before: Option<Timestamp>,
    purposes: [PurposeKey; Purpose::ALL.len()],
}

impl Keys {
    /// The snapshot of `ring`.
    ///
    /// # Errors
    /// [`EntropyError`] if there are no random bytes for the decoy.
    pub fn new(ring: &KeyRing, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let openers = ring.records.iter().filter(|record| record.opens());
        let mut keys: Vec<Key> = openers.filter_map(Key::of_record).collect();
        keys.sort_by_key(|key| (key.not_before, key.kid));
        Ok(Self { keys, decoy: Key::new(&Secret::generate(entropy)?, None), tags: MacKey::new(&ring.tag_secret) })
    }

    /// The key that seals at `now`, if there is one: as [`KeyRing::sealing`].
    pub fn sealing(&self, now: Timestamp) -> Option<&Key> {
        self.keys.iter().rev().find(|key| key.not_before.is_some_and(|from| from <= now))
    }

    /// Whether `kid` is known, and the key to open with: its own, or the decoy.
    pub fn opening(&self, kid: Kid) -> (bool, &Key) {
        // A ring has a handful of keys: a scan is faster than a hash.
        match self.keys.iter().find(|key| key.kid == kid) {
            Some(key) => (true, key),
            None => (false, &self.decoy),
        }
    }

    /// The tag of a subject in a realm.
    pub fn subject_tag(&self, realm: &RealmName, subject: &str) -> Tag {
        self.tags.tag(&[b"subject", realm.as_str().as_bytes(), subject.as_bytes()])
    }

    /// The tag of a handle in a realm.
    pub fn handle_tag(&self, realm: &RealmName, handle: &str) -> Tag {
        self.tags.tag(&[b"handle", realm.as_str().as_bytes(), handle.as_bytes()])
    }

    /// The tag that all anonymous sessions of a realm bear.
    pub fn anonymous_tag(&self, realm: &RealmName) -> Tag {
        self.tags.tag(&[b"anonymous", realm.as_str().as_bytes()])
    }

    /// The id that rotating a session gives it: always the same one, so that rotations at one moment agree.
    pub fn rotated(&self, sid: SessionId) -> SessionId {
        SessionId(self.tags.tag(&[b"rotate", &sid.0]))
    }
}

impl Key {
    fn new(root: &Secret<32>, not_before: Option<Timestamp>) -> Self {
        let purposes = Purpose::ALL.map(|purpose| PurposeKey::derive(root, purpose));
        Self { kid: Kid::of(root), not_before, purposes }
    }

    fn of_record(record: &KeyRecord) -> Option<Self> {
        record.root.as_ref().map(|root| Self::new(root, record.not_before))
    }

    /// Its id.
    pub fn kid(&self) -> Kid {
        self.kid
    }

    /// The key derived for `purpose`.
    pub fn purpose(&self, purpose: Purpose) -> &PurposeKey {
        &self.purposes[purpose as usize]
    }
}
