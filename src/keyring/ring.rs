//! The ring as a whole: what is stored, what a merge of two makes, which key seals.

use std::time::Duration;

use super::record::{KeyRecord, KeyState, Kid};
use crate::clock::Timestamp;
use crate::entropy::{Entropy, EntropyError, random};
use crate::secret::Secret;

/// Which ring it is. Rings of different ids never merge.
pub type RingId = [u8; 16];

/// All keys of a deployment, and what rotation leaves unchanged.
#[derive(Debug)]
pub struct KeyRing {
    pub(super) ring_id: RingId,
    pub(super) tag_secret: Secret<32>,
    pub(super) log_secret: Secret<32>,
    /// Ascending by id.
    pub(super) records: Vec<KeyRecord>,
    pub(super) limits: Vec<LimitRecord>,
    /// Counts the writes of the file, so that an older one is known as such.
    pub(super) epoch: u64,
}

/// Lifetimes that tokens may have been sealed with: a key stays as long as the longest of them may need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRecord {
    /// The longest absolute lifetime.
    pub lifetime: Duration,
    /// The longest idle limit.
    pub idle: Duration,
    /// When they were last known to be in force.
    pub in_force: Timestamp,
}

/// Two rings can't become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// They were made apart, by two `keys init`.
    #[error("the rings have different ids: they belong to different deployments and never merge")]
    OtherRing,
}

impl KeyRing {
    /// A new ring with one key that seals at once.
    ///
    /// # Errors
    /// [`EntropyError`] if there are no random bytes.
    pub fn init(entropy: &dyn Entropy, now: Timestamp) -> Result<Self, EntropyError> {
        Ok(Self {
            ring_id: random(entropy)?,
            tag_secret: Secret::generate(entropy)?,
            log_secret: Secret::generate(entropy)?,
            records: vec![KeyRecord::generate(entropy, now, Some(now))?],
            limits: Vec::new(),
            epoch: 1,
        })
    }

    /// Which ring it is.
    pub fn id(&self) -> RingId {
        self.ring_id
    }

    /// How often it was written.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// All records, destroyed ones too, ascending by id.
    pub fn records(&self) -> &[KeyRecord] {
        &self.records
    }

    /// Lifetimes that tokens may have been sealed with.
    pub fn limits(&self) -> &[LimitRecord] {
        &self.limits
    }

    /// The key that seals at `now`: among those that open, the one with the greatest `not_before` not after `now`; of
    /// two with the same, the greater id, so that every replica picks the same.
    pub fn sealing(&self, now: Timestamp) -> Option<Kid> {
        let started = |record: &&KeyRecord| record.opens() && record.not_before.is_some_and(|from| from <= now);
        self.records.iter().filter(started).max_by_key(|record| (record.not_before, record.kid)).map(KeyRecord::kid)
    }

    /// Each key with its state at `now`, in the order of [`KeyRing::records`].
    pub fn states(&self, now: Timestamp) -> impl Iterator<Item = (&KeyRecord, KeyState)> {
        let sealing = self.sealing(now);
        self.records.iter().map(move |record| (record, state(record, sealing, now)))
    }

    /// Takes in what `other` knows. The result does not depend on the order or number of merges, and nothing revoked or
    /// destroyed comes back.
    ///
    /// # Errors
    /// [`MergeError::OtherRing`] if they are not the same ring.
    pub fn merge(&mut self, other: Self) -> Result<(), MergeError> {
        if self.ring_id != other.ring_id {
            return Err(MergeError::OtherRing);
        }
        for record in other.records {
            match self.records.binary_search_by_key(&record.kid, KeyRecord::kid) {
                Ok(at) => self.records[at].join(&record),
                Err(at) => self.records.insert(at, record),
            }
        }
        for limit in other.limits {
            self.note_limits(limit);
        }
        self.epoch = self.epoch.max(other.epoch);
        Ok(())
    }

    /// Notes that tokens may be sealed with these lifetimes.
    pub fn note_limits(&mut self, limit: LimitRecord) {
        let same = |known: &&mut LimitRecord| known.lifetime == limit.lifetime && known.idle == limit.idle;
        match self.limits.iter_mut().find(same) {
            Some(known) => known.in_force = known.in_force.max(limit.in_force),
            None => self.limits.push(limit),
        }
        self.limits.sort_by_key(|limit| (limit.lifetime, limit.idle));
    }
}

fn state(record: &KeyRecord, sealing: Option<Kid>, now: Timestamp) -> KeyState {
    match record.not_before {
        _ if record.root.is_none() => KeyState::Destroyed,
        _ if record.revoked.is_some() => KeyState::Revoked,
        None => KeyState::Proposed,
        Some(from) if from > now => KeyState::Pending,
        Some(_) if sealing == Some(record.kid) => KeyState::Active,
        Some(_) => KeyState::VerifyOnly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    fn ring() -> KeyRing {
        KeyRing::init(&SystemEntropy::new(), at(1_000)).expect("random bytes")
    }

    fn key(not_before: Option<u64>) -> KeyRecord {
        KeyRecord::generate(&SystemEntropy::new(), at(1_000), not_before.map(at)).expect("random bytes")
    }

    #[test]
    fn a_new_ring_seals_at_once() {
        let ring = ring();
        assert_eq!(ring.sealing(at(999)), None);
        assert_eq!(ring.sealing(at(1_000)), Some(ring.records[0].kid));
    }

    #[test]
    fn a_later_key_takes_over_when_its_time_comes() {
        let mut ring = ring();
        let first = ring.records[0].kid;
        let (next, proposed) = (key(Some(5_000)), key(None));
        let (second, third) = (next.kid, proposed.kid);
        ring.records.extend([next, proposed]);
        ring.records.sort_by_key(KeyRecord::kid);
        assert_eq!(ring.sealing(at(4_999)), Some(first));
        assert_eq!(ring.sealing(at(5_000)), Some(second));
        let state = |now, kid| ring.states(at(now)).find(|(record, _)| record.kid == kid).map(|(_, state)| state);
        assert_eq!(state(4_999, second), Some(KeyState::Pending));
        assert_eq!(state(5_000, second), Some(KeyState::Active));
        assert_eq!(state(5_000, first), Some(KeyState::VerifyOnly));
        assert_eq!(state(5_000, third), Some(KeyState::Proposed));
    }

    #[test]
    fn a_revoked_key_neither_seals_nor_opens() {
        let mut ring = ring();
        ring.records[0].revoked = Some(at(2_000));
        assert_eq!(ring.sealing(at(3_000)), None);
        assert!(!ring.records[0].opens());
    }

    #[test]
    fn rings_of_two_deployments_never_merge() {
        assert_eq!(ring().merge(ring()), Err(MergeError::OtherRing));
    }
}
