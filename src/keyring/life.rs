//! The life of keys: which one seals, until when each opens, what state it is in. All of it is computed from the ring's
//! times, and nothing of it is stored.

use super::limits::LimitRecord;
use super::record::{KeyRecord, KeyState, Kid};
use super::ring::KeyRing;
use super::timing::AFTER_LAST_TOKEN;
use crate::clock::Timestamp;
use crate::revocation::{CLOCK_ERROR, Longest};
use crate::sessions::Lifetimes;

impl KeyRing {
    /// The key that seals at `now`: the one with the greatest `not_before` not after `now`; of two with the same, the
    /// greater id, so that every replica picks the same. If that one was revoked, its successor at once: a key that was
    /// succeeded never seals again. On a clock that is behind the first key of all, that one.
    pub fn sealing(&self, now: Timestamp) -> Option<Kid> {
        let schedule = self.schedule();
        let now = Some(now).max(schedule.first()?.not_before);
        let begun = schedule.iter().rev().find(|record| record.not_before <= now)?;
        let later = |record: &&&KeyRecord| order(record) >= order(begun) && record.opens();
        schedule.iter().find(later).map(|record| record.kid())
    }

    /// Each key with its state at `now`, in the order of [`KeyRing::records`].
    pub fn states(&self, now: Timestamp) -> impl Iterator<Item = (&KeyRecord, KeyState)> {
        let sealing = self.sealing(now);
        self.records.iter().map(move |record| (record, self.state(record, sealing, now)))
    }

    /// From when on another key seals in place of `record`. `None` while there is no successor.
    pub fn seals_until(&self, record: &KeyRecord) -> Option<Timestamp> {
        record.not_before?;
        self.schedule().into_iter().find(|other| order(other) > order(record))?.not_before
    }

    /// From when on nothing that `record` sealed can live: the time from which its successor seals, and as long as the
    /// last token before it may live. `None` while there is no successor.
    pub fn opens_until(&self, record: &KeyRecord) -> Option<Timestamp> {
        let (first, last) = (record.not_before?, self.seals_until(record)?);
        let limits = self.limits.iter().filter(|limit| limit.may_bind(first, last.plus(2 * CLOCK_ERROR)));
        let longest = limits.map(LimitRecord::longest).reduce(Longest::or);
        // Without any known limit, as long as any session may live.
        let live = longest.map_or(Lifetimes::MAX, |longest| longest.lifetime.min(longest.idle));
        Some(last.plus(live).plus(AFTER_LAST_TOKEN))
    }

    /// When a state changes next, if nothing is written till then.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let open = self.records.iter().filter(|record| record.opens());
        let times = open.flat_map(|record| [record.not_before, self.opens_until(record)]);
        times.flatten().filter(|at| *at > now).min()
    }

    /// The records that seal one after the other, by the time from which they do. A key that was revoked before its time
    /// came never did.
    pub(super) fn schedule(&self) -> Vec<&KeyRecord> {
        let has_turn = |record: &&KeyRecord| {
            record.not_before.is_some_and(|from| record.revoked.is_none_or(|revoked| revoked >= from))
        };
        let mut schedule: Vec<_> = self.records.iter().filter(has_turn).collect();
        schedule.sort_by_key(|record| order(record));
        schedule
    }

    /// Whether nothing under the key can be alive any more.
    pub(super) fn is_retired(&self, record: &KeyRecord, now: Timestamp) -> bool {
        self.opens_until(record).is_some_and(|until| until <= now)
    }

    fn state(&self, record: &KeyRecord, sealing: Option<Kid>, now: Timestamp) -> KeyState {
        match record.not_before {
            _ if record.root.is_none() => KeyState::Destroyed,
            _ if record.revoked.is_some() => KeyState::Revoked,
            _ if sealing == Some(record.kid) => KeyState::Active,
            None => KeyState::Proposed,
            Some(from) if from > now => KeyState::Pending,
            Some(_) if self.is_retired(record, now) => KeyState::Retired,
            Some(_) => KeyState::VerifyOnly,
        }
    }
}

fn order(record: &KeyRecord) -> (Option<Timestamp>, Kid) {
    (record.not_before, record.kid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(hour: u32) -> Timestamp {
        Timestamp::EPOCH.plus(100_000 * HOUR).plus(hour * HOUR)
    }

    /// A ring with keys that seal from these hours on, and their ids in that order.
    fn ring(hours: &[Option<u32>]) -> (KeyRing, Vec<Kid>) {
        let entropy = SystemEntropy::new();
        let mut ring = KeyRing::init(&entropy, at(0)).expect("random bytes");
        ring.records.clear();
        for hour in hours {
            ring.add(KeyRecord::generate(&entropy, at(0), hour.map(at)).expect("random bytes"));
        }
        let mut kids: Vec<_> = ring.records.iter().map(|record| (order(record), record.kid)).collect();
        kids.sort_unstable();
        (ring, kids.into_iter().map(|(_, kid)| kid).collect())
    }

    fn record(ring: &mut KeyRing, kid: Kid) -> &mut KeyRecord {
        ring.records.iter_mut().find(|record| record.kid == kid).expect("it is there")
    }

    fn state(ring: &KeyRing, kid: Kid, now: Timestamp) -> KeyState {
        ring.states(now).find(|(record, _)| record.kid() == kid).expect("it is there").1
    }

    fn note(ring: &mut KeyRing, lifetime: u32, idle: u32, now: u32) {
        ring.note_limits(Longest { lifetime: lifetime * HOUR, idle: idle * HOUR }, at(now));
    }

    #[test]
    fn a_key_lives_through_its_states_by_time_alone() {
        let (mut ring, kids) = ring(&[Some(0), Some(10), None]);
        let [proposed, first, second] = kids[..] else { panic!("three keys") };
        note(&mut ring, 12, 2, 0);
        let margin = AFTER_LAST_TOKEN;
        let just = Duration::from_millis(1);
        for (now, states) in [
            (at(0), [KeyState::Active, KeyState::Pending]),
            (at(10).minus(just), [KeyState::Active, KeyState::Pending]),
            (at(10), [KeyState::VerifyOnly, KeyState::Active]),
            (at(12).plus(margin).minus(just), [KeyState::VerifyOnly, KeyState::Active]),
            (at(12).plus(margin), [KeyState::Retired, KeyState::Active]),
        ] {
            assert_eq!([first, second].map(|kid| state(&ring, kid, now)), states, "{now:?}");
            assert_eq!(state(&ring, proposed, now), KeyState::Proposed);
        }
        assert_eq!(ring.next_change(at(0)), Some(at(10)));
        assert_eq!(ring.next_change(at(10)), Some(at(12).plus(margin)));
        assert_eq!(ring.next_change(at(13)), None);
    }

    #[test]
    fn a_short_lifetime_frees_a_key_sooner_than_a_long_idle_limit() {
        let (mut ring, kids) = ring(&[Some(0), Some(10)]);
        note(&mut ring, 1, 5, 0);
        let first = ring.records.iter().find(|record| record.kid == kids[0]).expect("there");
        assert_eq!(ring.opens_until(first), Some(at(11).plus(AFTER_LAST_TOKEN)));
    }

    #[test]
    fn without_any_known_limit_a_key_stays_as_long_as_any_session_may() {
        let (ring, kids) = ring(&[Some(0), Some(10)]);
        assert_eq!(state(&ring, kids[0], at(10).plus(Lifetimes::MAX)), KeyState::VerifyOnly);
    }

    #[test]
    fn limits_that_are_raised_later_bring_no_retired_key_back() {
        let (mut ring, kids) = ring(&[Some(0), Some(10)]);
        note(&mut ring, 12, 2, 0);
        assert_eq!(state(&ring, kids[0], at(13)), KeyState::Retired);
        note(&mut ring, 300, 200, 13);
        assert_eq!(state(&ring, kids[0], at(13)), KeyState::Retired);
    }

    #[test]
    fn limits_that_come_back_after_a_while_bring_no_retired_key_back() {
        let (mut ring, kids) = ring(&[Some(0), Some(50), Some(100), Some(110)]);
        note(&mut ring, 300, 200, 0);
        note(&mut ring, 12, 2, 5);
        assert_eq!(state(&ring, kids[2], at(113)), KeyState::Retired);
        note(&mut ring, 300, 200, 114);
        assert_eq!(state(&ring, kids[2], at(114)), KeyState::Retired, "they were not in force while it sealed");
        note(&mut ring, 12, 2, 120);
        note(&mut ring, 300, 200, 121);
        assert_eq!(ring.limits.len(), 3, "a change that is taken back within a day leaves nothing behind");
    }

    #[test]
    fn limits_that_were_lowered_hold_for_the_keys_of_their_time() {
        let (mut ring, kids) = ring(&[Some(0), Some(10), Some(100), Some(110)]);
        note(&mut ring, 300, 200, 0);
        note(&mut ring, 12, 2, 5);
        assert_eq!(state(&ring, kids[0], at(13)), KeyState::VerifyOnly, "it sealed under the longer ones");
        assert_eq!(state(&ring, kids[1], at(103)), KeyState::VerifyOnly, "another replica may have, for a day");
        assert_eq!(state(&ring, kids[2], at(113)), KeyState::Retired, "nobody did any more");
    }

    #[test]
    fn a_key_that_was_succeeded_never_seals_again() {
        let (mut ring, kids) = ring(&[Some(0), Some(10)]);
        record(&mut ring, kids[1]).revoked = Some(at(11));
        assert_eq!(ring.sealing(at(9)), Some(kids[0]));
        assert_eq!(ring.sealing(at(12)), None, "the first key does not come back");
        let fresh = KeyRecord::generate(&SystemEntropy::new(), at(11), Some(at(13))).expect("random bytes");
        let third = fresh.kid;
        ring.add(fresh);
        assert_eq!(ring.sealing(at(12)), Some(third), "its successor seals at once, though its time has not come");
        assert_eq!(state(&ring, third, at(12)), KeyState::Active);
    }

    #[test]
    fn a_rotation_that_was_called_off_leaves_no_trace_in_the_order() {
        let (mut ring, kids) = ring(&[Some(0), Some(10)]);
        note(&mut ring, 12, 2, 0);
        record(&mut ring, kids[1]).revoked = Some(at(5));
        assert_eq!(ring.sealing(at(20)), Some(kids[0]));
        assert_eq!(ring.opens_until(&ring.records[0]).or(ring.opens_until(&ring.records[1])), None);
        assert_eq!(state(&ring, kids[0], at(20)), KeyState::Active);
    }

    #[test]
    fn of_two_keys_of_one_moment_one_seals_and_a_tombstone_does_not_count_as_one() {
        let (mut ring, kids) = ring(&[Some(0), Some(10), Some(10)]);
        assert_eq!(ring.sealing(at(10)), Some(kids[2]));
        let gone = record(&mut ring, kids[2]);
        (gone.root, gone.destroyed) = (None, Some(at(11)));
        assert_eq!(ring.sealing(at(12)), None);
        assert_eq!(state(&ring, kids[2], at(12)), KeyState::Destroyed);
    }
}
