//! The ring as a whole: what is stored, what a merge of two makes, which key seals.

use super::limits::LimitRecord;
use super::record::KeyRecord;
use crate::clock::Timestamp;
use crate::entropy::{Entropy, EntropyError, random};
use crate::revocation::Longest;
use crate::secret::{Secret, sha256};

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
    /// The rings that this one was made in place of, one after the other, so that a running service takes the step with
    /// it, or several at once.
    pub(super) replaces: Vec<RingId>,
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
            epoch: FIRST,
            replaces: Vec::new(),
        })
    }

    /// A new ring in place of this one, which nothing sealed before can be opened with.
    ///
    /// # Errors
    /// [`EntropyError`] if there are no random bytes.
    pub fn replacement(&self, entropy: &dyn Entropy, now: Timestamp) -> Result<Self, EntropyError> {
        let mut ring = Self::init(entropy, now)?;
        ring.replaces = [&self.replaces[..], &[self.ring_id]].concat();
        Ok(ring)
    }

    /// Which ring it is.
    pub fn id(&self) -> RingId {
        self.ring_id
    }

    /// How often it was written.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether it was never written since it was made, so that nobody served it yet. One that took the place of another
    /// may have been taken up by a running service at once.
    pub fn is_new(&self) -> bool {
        self.epoch == FIRST && self.replaces.is_empty()
    }

    /// Whether this one was made in place of `other`, or of one that was.
    pub fn replaces(&self, other: RingId) -> bool {
        self.replaces.contains(&other)
    }

    /// Counts a write.
    pub fn written(&mut self) {
        self.epoch += 1;
    }

    /// Counts as written so often.
    pub fn set_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
    }

    /// All records, destroyed ones too, ascending by id.
    pub fn records(&self) -> &[KeyRecord] {
        &self.records
    }

    /// Lifetimes that tokens may have been sealed with.
    pub fn limits(&self) -> &[LimitRecord] {
        &self.limits
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
            self.add(record);
        }
        for limit in other.limits {
            self.add_limits(limit);
        }
        self.epoch = self.epoch.max(other.epoch);
        if self.replaces < other.replaces {
            self.replaces = other.replaces;
        }
        Ok(())
    }

    /// Notes that tokens are sealed with these longest lifetimes, and no longer with others. Returns whether that was
    /// news.
    pub fn note_limits(&mut self, longest: Longest, now: Timestamp) -> bool {
        let mut news = self.add_limits_in_force(longest, now);
        for known in self.limits.iter_mut().filter(|known| known.ended.is_none() && known.longest() != longest) {
            (known.ended, news) = (Some(now), true);
        }
        news
    }

    /// As [`KeyRing::note_limits`], by somebody who does not know that others are no longer in force.
    pub fn add_limits_in_force(&mut self, longest: Longest, now: Timestamp) -> bool {
        // Limits that were away for longer begin anew: a key that sealed meanwhile does not stay for them.
        if let Some(known) = self.limits.iter_mut().find(|known| known.longest() == longest && known.goes_on(now)) {
            known.ended.take().is_some()
        } else {
            self.add_limits(LimitRecord::of(longest, now));
            true
        }
    }

    /// Lets keys stay for as long as sessions of these longest lifetimes may need them. Since when they are in force is
    /// not known if nothing was noted: then every key counts as of their time.
    pub fn assume_limits(&mut self, longest: Longest) {
        let known = self.limits.iter().filter(|known| known.longest() == longest);
        let since = known.map(|known| known.since).max().unwrap_or(Timestamp::EPOCH);
        self.add_limits(LimitRecord::of(longest, since));
    }

    /// A digest of all that the ring says, but for the roots (which the ids stand for) and the count of writes: equal
    /// for rings that know the same.
    pub fn digest(&self) -> [u8; 32] {
        let times = |record: &KeyRecord| {
            let KeyRecord { kid, created, not_before, revoked, destroyed, .. } = *record;
            format!("{kid} {created:?} {not_before:?} {revoked:?} {destroyed:?}")
        };
        let keys: Vec<_> = self.records.iter().map(times).collect();
        sha256(format!("{:?} {keys:?} {:?} {:?}", self.ring_id, self.limits, self.replaces).as_bytes())
    }

    /// Adds a key, in its place. One that is known already only learns the other's times.
    pub(super) fn add(&mut self, record: KeyRecord) {
        match self.records.binary_search_by_key(&record.kid, KeyRecord::kid) {
            Ok(at) => self.records[at].join(&record),
            Err(at) => self.records.insert(at, record),
        }
    }

    fn add_limits(&mut self, limit: LimitRecord) {
        let same = |known: &&mut LimitRecord| known.longest() == limit.longest() && known.since == limit.since;
        match self.limits.iter_mut().find(same) {
            Some(known) => known.join(&limit),
            None => self.limits.push(limit),
        }
        self.limits.sort_by_key(|limit| (limit.lifetime, limit.idle, limit.since));
    }
}

/// The epoch of a ring that was just made.
const FIRST: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use std::time::Duration;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    fn ring() -> KeyRing {
        KeyRing::init(&SystemEntropy::new(), at(1_000)).expect("random bytes")
    }

    #[test]
    fn a_new_ring_seals_at_once_on_clocks_that_are_behind_too() {
        let ring = ring();
        for now in [0, 999, 1_000] {
            assert_eq!(ring.sealing(at(now)), Some(ring.records[0].kid), "{now}");
        }
    }

    #[test]
    fn limits_end_when_others_are_noted_and_begin_again() {
        let (mut ring, hour) = (ring(), Duration::from_secs(3_600));
        let hours = |lifetime| Longest { lifetime: lifetime * hour, idle: hour };
        assert!(ring.note_limits(hours(2), at(1)));
        assert!(!ring.note_limits(hours(2), at(2)), "no news");
        assert!(ring.note_limits(hours(4), at(3)));
        let known = |ring: &KeyRing| ring.limits.iter().map(|limit| (limit.since, limit.ended)).collect::<Vec<_>>();
        assert_eq!(known(&ring), [(at(1), Some(at(3))), (at(3), None)]);
        assert!(ring.note_limits(hours(2), at(4)));
        assert_eq!(known(&ring), [(at(1), None), (at(3), Some(at(4)))]);
    }

    #[test]
    fn only_a_ring_that_nobody_can_have_served_is_new() {
        let mut ring = ring();
        assert!(ring.is_new());
        assert!(!ring.replacement(&SystemEntropy::new(), at(2_000)).expect("random bytes").is_new());
        ring.written();
        assert!(!ring.is_new());
    }

    #[test]
    fn rings_of_two_deployments_never_merge() {
        assert_eq!(ring().merge(ring()), Err(MergeError::OtherRing));
    }
}
