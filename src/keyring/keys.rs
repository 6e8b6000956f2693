//! The snapshot that seals and opens: derived keys, ready for use, never changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::limits::LimitRecord;
use super::record::{KeyRecord, Kid};
use super::ring::KeyRing;
use crate::claims::{RealmName, SessionId, Tag};
use crate::clock::Timestamp;
use crate::entropy::{Entropy, EntropyError};
use crate::revocation::Longest;
use crate::seal::{Purpose, PurposeKey};
use crate::secret::{MacKey, Secret};

/// Every key of a ring that may open, derived for each purpose. Immutable: a changed ring makes a new snapshot.
#[derive(Debug)]
pub struct Keys {
    keys: Vec<Key>,
    /// Which key seals from when on, as a place in `keys`, or that none does; ascending.
    schedule: Vec<(Timestamp, Option<usize>)>,
    /// Opens nothing: so that an unknown key id costs the time of a known one.
    decoy: Key,
    tags: MacKey,
    log: MacKey,
    longest: Option<Longest>,
}

/// One key of a snapshot.
#[derive(Debug)]
pub struct Key {
    kid: Kid,
    /// How many tokens it opened, in this snapshot and those that it goes on counting from.
    opened: Arc<AtomicU64>,
    purposes: [PurposeKey; Purpose::ALL.len()],
}

impl Keys {
    /// The snapshot of `ring`, with every key that is neither revoked nor destroyed.
    ///
    /// # Errors
    /// [`EntropyError`] if there are no random bytes for the decoy.
    pub fn new(ring: &KeyRing, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        Self::of(ring, |_| true, entropy)
    }

    /// As [`Keys::new`], and without those that are retired at `now`. It is out of date at [`KeyRing::next_change`].
    ///
    /// # Errors
    /// As [`Keys::new`].
    pub fn at(ring: &KeyRing, now: Timestamp, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        Self::of(ring, |record| !ring.is_retired(record, now), entropy)
    }

    fn of(ring: &KeyRing, needed: impl Fn(&KeyRecord) -> bool, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let openers = ring.records.iter().filter(|record| record.opens() && needed(record));
        let keys: Vec<Key> = openers.filter_map(|record| record.root.as_ref().map(Key::new)).collect();
        let begin = ring.schedule().into_iter().filter_map(|record| record.not_before);
        let schedule = begin.map(|at| (at, keys.iter().position(|key| Some(key.kid) == ring.sealing(at)))).collect();
        let decoy = Key::new(&Secret::generate(entropy)?);
        let longest = ring.limits.iter().map(LimitRecord::longest).reduce(Longest::or);
        let (tags, log) = (MacKey::new(&ring.tag_secret), MacKey::new(&ring.log_secret));
        Ok(Self { keys, schedule, decoy, tags, log, longest })
    }

    /// The longest limits that tokens under these keys are known to be sealed with; `None` if none were noted in the ring.
    pub fn longest(&self) -> Option<Longest> {
        self.longest
    }

    /// The key that seals at `now`, if there is one: as [`KeyRing::sealing`].
    pub fn sealing(&self, now: Timestamp) -> Option<&Key> {
        let begun = self.schedule.iter().rev().find(|(from, _)| *from <= now);
        let (_, place) = begun.or(self.schedule.first())?;
        self.keys.get((*place)?)
    }

    /// Whether a key seals at `now`, which is asked for only where that matters.
    pub fn seals(&self, now: impl FnOnce() -> Timestamp) -> bool {
        let always = !self.schedule.is_empty() && self.schedule.iter().all(|(_, place)| place.is_some());
        always || self.sealing(now()).is_some()
    }

    /// Whether `kid` is known, and the key to open with: its own, or the decoy.
    pub fn opening(&self, kid: Kid) -> (bool, &Key) {
        // A ring has a handful of keys: a scan is faster than a hash.
        match self.keys.iter().find(|key| key.kid == kid) {
            Some(key) => (true, key),
            None => (false, &self.decoy),
        }
    }

    /// Goes on counting from where `before` is.
    pub fn count_on(&mut self, before: &Self) {
        for key in &mut self.keys {
            if let Some(same) = before.keys.iter().find(|other| other.kid == key.kid) {
                key.opened = Arc::clone(&same.opened);
            }
        }
    }

    /// How many tokens each key has opened.
    pub fn opened(&self) -> impl Iterator<Item = (Kid, u64)> {
        self.keys.iter().map(|key| (key.kid, key.opened.load(Ordering::Relaxed)))
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

    /// The id of a session that began elsewhere under `key`: always the same one, so that imports at one moment agree.
    pub fn imported(&self, realm: &RealmName, key: &str) -> SessionId {
        SessionId(self.tags.tag(&[b"import", realm.as_str().as_bytes(), key.as_bytes()]))
    }

    /// What logs call a session. As all that is keyed by the ring's own secrets, rotation of keys leaves it unchanged.
    pub fn session_pseudonym(&self, sid: SessionId) -> [u8; 8] {
        self.log.tag(&[b"session", &sid.0])
    }

    /// What logs call the subject that `tag` stands for.
    pub fn subject_pseudonym(&self, tag: Tag) -> [u8; 8] {
        self.log.tag(&[b"subject", &tag])
    }

    /// The id that rotating a session gives it: always the same one, so that rotations at one moment agree.
    pub fn rotated(&self, sid: SessionId) -> SessionId {
        SessionId(self.tags.tag(&[b"rotate", &sid.0]))
    }
}

impl Key {
    fn new(root: &Secret<32>) -> Self {
        let purposes = Purpose::ALL.map(|purpose| PurposeKey::derive(root, purpose));
        Self { kid: Kid::of(root), opened: Arc::default(), purposes }
    }

    /// Its id.
    pub fn kid(&self) -> Kid {
        self.kid
    }

    /// Counts a token that it opened.
    pub fn count(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    /// The key derived for `purpose`.
    pub fn purpose(&self, purpose: Purpose) -> &PurposeKey {
        &self.purposes[purpose as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::keyring::{Order, Timing};

    #[test]
    fn whether_a_key_seals_is_said_as_it_is_found() {
        let entropy = SystemEntropy::new();
        let at = |hours: u32| {
            Timestamp::from_millis(1_790_000_000_000).expect("in range").plus(Duration::from_secs(3_600) * hours)
        };
        let mut ring = KeyRing::init(&entropy, at(0)).expect("random bytes");
        let first = ring.records()[0].kid();
        let check = |ring: &KeyRing| {
            let keys = Keys::new(ring, &entropy).expect("random bytes");
            let found = |hours| keys.sealing(at(hours)).is_some();
            assert!((0..9).all(|hours| keys.seals(|| at(hours)) == found(hours)));
            (0..9).filter(|hours| found(*hours)).count()
        };
        assert_eq!(check(&ring), 9);
        ring.carry_out(Order::Rotate { after: Some(4 * Duration::from_secs(3_600)) }, at(1), Timing::DEFAULT, &entropy)
            .expect("in time");
        assert_eq!(check(&ring), 9);
        let record = ring.records.iter_mut().find(|record| record.kid() != first).expect("there");
        record.root = None;
        assert_eq!(check(&ring), 5, "as long as the first one seals");
    }
}
